"""A mail server that keeps what it is given, and refuses what it is told to refuse."""

import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.doubles.background import Background


@dataclass(frozen=True)
class Kept:
    """One message as it arrived, and the envelope around it."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes
    encrypted: bool
    user: str | None


@dataclass
class SmtpDouble:
    """`with SmtpDouble(security="starttls", tls=context, account=("me", "secret")) as smtp: … smtp.port … smtp.kept`.

    `refuse` maps a recipient, `MAIL` or `DATA` to the answer that it gets.
    """

    security: Literal["none", "starttls", "tls"] = "none"
    tls: ssl.SSLContext | None = None
    account: tuple[str, str] | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    auth_answer: str | None = None
    kept: list[Kept] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._background = Background()
        self._server = self._background.call(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.stop()

    async def _start(self) -> Any:
        return await self._background.loop.create_server(
            self._protocol, "127.0.0.1", 0, ssl=self.tls if self.security == "tls" else None
        )

    def _protocol(self) -> SMTP:
        starttls = self.security == "starttls"
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self.tls if starttls else None,
            require_starttls=starttls,
            authenticator=self._authenticate if self.account else None,
            auth_required=bool(self.account),
            auth_require_tls=False,
            loop=self._background.loop,
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, given: Any
    ) -> AuthResult:
        fine = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == self.account
        if self.auth_answer:
            return AuthResult(success=False, handled=False, message=self.auth_answer)
        return AuthResult(success=fine, handled=False, auth_data=given.login.decode() if fine else None)

    async def handle_MAIL(
        self, _s: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.refuse.get("MAIL"):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _s: SMTP, _session: Session, envelope: Envelope, address: str, _o: list[str]) -> str:
        if answer := self.refuse.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if answer := self.refuse.get("DATA"):
            return answer
        raw = cast(bytes, envelope.content)
        self.kept.append(
            Kept(
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                message=cast(EmailMessage, message_from_bytes(raw, policy=policy.default)),
                raw=raw,
                encrypted=self.security == "tls" or bool(session.ssl),
                user=cast("str | None", session.auth_data),
            )
        )
        return "250 OK queued"
