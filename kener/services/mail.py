"""Whether mail works: a test mail, step by step."""

import secrets
from dataclasses import dataclass

from flask import current_app
from pydantic import TypeAdapter, ValidationError

from kener import clock
from kener.db import reading
from kener.domain.trigger_specs import Address
from kener.notifiers import Undeliverable, email, letters
from kener.notifiers.letters import Letter
from kener.services import site
from kener.services.errors import Refused
from kener.settings import SmtpSettings

_address: TypeAdapter[str] = TypeAdapter(Address)


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way of a mail. `ok` is None where it had no turn."""

    name: str
    ok: bool | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test mail."""

    to: str
    steps: tuple[Step, ...]

    @property
    def arrived(self) -> bool:
        """Whether the server took it."""
        return all(step.ok for step in self.steps)


def address(given: str) -> str:
    """One address, checked. Raises Refused."""
    try:
        return email.bare(_address.validate_python(given.strip()))
    except ValidationError:
        raise Refused({"to": "Enter one address, for instance you@example.com."}) from None


def test(given: str) -> Tried:
    """Send a test mail to an address. Raises Refused: no address, or no way to send mail."""
    to = address(given)
    here = site.read(reading())
    reading()
    words = f"This is a test of {here.name}, sent at {clock.now():%Y-%m-%d %H:%M:%S} UTC. Mail works."
    subject = f"[test] {here.name}: mail works"
    return post(Letter(uid=f"test-{secrets.token_hex(8)}", to=to, subject=subject, text=f"{words}\n", html=""))


def post(letter: Letter) -> Tried:
    """Send one letter through the configured transport, and say how far it came. Raises Refused where there is none."""
    smtp: SmtpSettings | None = current_app.extensions["kener"].smtp
    if smtp is None:
        raise Refused({"": "E-mail is not set up: set SMTP_HOST and SMTP_FROM_EMAIL, and start again."})
    names = ["Connect with TLS" if smtp.security == "tls" else "Connect"]
    names += ["Change to TLS"] if smtp.security == "starttls" else []
    names += ["Sign in"] if smtp.username else []
    names += ["Hand over"]
    done: list[str] = []
    failed: list[str] = []
    try:
        with email.explained(smtp), email.session(smtp, tell=done.append) as server:
            mail = letters.compose(letter, sender=smtp.sender)
            sender, to = email.wire(email.bare(smtp.sender)), email.wire(letter.to)
            done.append(email.transmit(server, mail, sender=sender, recipients=[to]))
    except Undeliverable as failure:
        failed = [str(failure)]
    outcomes = [(True, words) for words in done] + [(False, words) for words in failed]
    outcomes += [(None, "")] * (len(names) - len(outcomes))  # type: ignore[list-item]
    return Tried(letter.to, tuple(Step(name, ok, words) for name, (ok, words) in zip(names, outcomes, strict=False)))
