"""E-mail by SMTP: one message to the whole list of a trigger.

The recipients are one team and stand together in `To`, so that an answer reaches everyone. The `Message-ID` comes from the delivery id: a
message that is sent twice, because we could not see that it had arrived, is recognised as one by mailboxes. Both messages of an alert
refer to the same invented ancestor, so that they stand in one thread.
"""

import contextlib
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from selectolax.lexbor import LexborHTMLParser

from kener import __version__, clock
from kener.domain.hosts import ascii_host
from kener.domain.messages import Message, one_line
from kener.domain.placeholders import Place
from kener.domain.trigger_specs import EmailSettings
from kener.notifiers import Context, Undeliverable
from kener.notifiers.webhook import filled
from kener.settings import SmtpSettings

STEP_TIMEOUT_S = 10.0
DEADLINE_S = 45.0
"""For the whole attempt; below the lease of a delivery, so that no second worker starts while the first one still tries."""

_SEVEN_BIT = SMTP.clone(cte_type="7bit")
_OUTSIDE_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")


def send(settings: EmailSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the server's answer, or raises Undeliverable."""
    if context.smtp is None:
        raise Undeliverable("E-mail is not set up: set SMTP_HOST and SMTP_FROM_EMAIL.", permanent=True)
    message = worded(settings, message, delivery_id=delivery_id, context=context)
    mail = compose(settings, message, delivery_id=delivery_id, sender=settings.sender or context.smtp.sender)
    recipients = [wire(bare(address)) for address in settings.to]
    with explained(context.smtp), session(context.smtp) as server:
        return transmit(server, mail.as_bytes(), sender=envelope_sender(mail), recipients=recipients)


def worded(settings: EmailSettings, message: Message, *, delivery_id: str, context: Context) -> Message:
    """The message in the words of the trigger's templates, where it has some. Raises Undeliverable."""
    if settings.subject is not None:
        subject = one_line(filled(settings.subject, Place.PLAIN, message, delivery_id, context))
        message = replace(message, subject=subject)
    if settings.body is not None:
        html = filled(settings.body, settings.place, message, delivery_id, context)
        message = replace(message, html=html, text=without_markup(html) or message.text)
    return message


def shown(settings: EmailSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be written: the subject, and the template's HTML or our own words as plain text."""
    made = worded(settings, message, delivery_id=delivery_id, context=context)
    return f"Subject: {one_line(made.subject)}\n\n{made.text if settings.body is None else made.html}"


def without_markup(html: str) -> str:
    """The words of an HTML text, for those who read no HTML."""
    parsed = LexborHTMLParser(html)
    parsed.strip_tags(["style", "script", "title"])
    return parsed.body.text(separator="\n", strip=True) if parsed.body else ""


@contextlib.contextmanager
def explained(smtp: SmtpSettings) -> Iterator[None]:
    """Whatever goes wrong with the mail server becomes Undeliverable, with a reason for people."""
    place = f"{smtp.host}:{smtp.port}"
    try:
        yield
    except smtplib.SMTPException as error:
        raise refused(error, place) from None
    except ssl.SSLCertVerificationError as error:
        reason = f"The certificate of {place} is not trusted: {error.verify_message}."
        raise Undeliverable(reason, permanent=False) from None
    except TimeoutError:
        raise Undeliverable(f"The mail server {place} did not answer in time.", permanent=False) from None
    except OSError as error:
        reason = f"The mail server {place} cannot be reached: {error.strerror or error}."
        raise Undeliverable(reason, permanent=False) from None


def compose(settings: EmailSettings, message: Message, *, delivery_id: str, sender: str) -> EmailMessage:
    """The message as it travels. A line break in a value cannot start another header: the header classes refuse it."""
    alert_id = message.variables.get("alert_id")
    mail = envelope(
        sender, settings.to, message.subject, delivery_id=delivery_id, thread=f"alert-{alert_id}" if alert_id else ""
    )
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail


def envelope(sender: str, to: Sequence[str], subject: str, *, delivery_id: str, thread: str = "") -> EmailMessage:
    """The headers of a machine's message; what belongs to one `thread` stands together in mailboxes."""
    mail = EmailMessage(policy=_SEVEN_BIT)
    sender_address = _address(sender)
    mail["From"] = sender_address
    mail["To"] = [_address(address) for address in to]
    mail["Subject"] = one_line(subject)
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = _message_id(delivery_id, sender_address)
    if thread:
        mail["References"] = _message_id(thread, sender_address)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Mailer"] = f"Kener/{__version__}"
    mail["X-Kener-Delivery"] = one_line(delivery_id)
    return mail


def envelope_sender(mail: EmailMessage) -> str:
    """The address that a mail server hears as the sender."""
    return wire(mail["From"].addresses[0].addr_spec)


def bare(written: str) -> str:
    """The address of `Name <address>`."""
    return parseaddr(written)[1]


def _say_nothing(_words: str) -> None:
    pass


@contextlib.contextmanager
def session(smtp: SmtpSettings, *, tell: Callable[[str], None] = _say_nothing) -> Iterator[smtplib.SMTP]:
    """A connection, encrypted and signed in as the settings say. Cut at the deadline, whatever the server does to stay slow.

    `tell` hears of each step when it is done: connected, encrypted (only with STARTTLS), signed in (only with a user name).
    """
    ends_at = time.monotonic() + DEADLINE_S
    server = _connect(smtp)
    cut = threading.Timer(max(0.0, ends_at - time.monotonic()), _cut, [server])
    cut.daemon = True
    cut.start()
    try:
        tell(f"{smtp.host}:{smtp.port}{_encryption(server)}")
        if smtp.security == "starttls":
            server.starttls(context=_trust(smtp))
            tell(_encryption(server).strip(", "))
        if smtp.username:
            code, answer = server.login(smtp.username, smtp.password or "")
            tell(f"as {smtp.username}: {_words(code, answer)}")
        yield server
    finally:
        cut.cancel()
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _connect(smtp: SmtpSettings) -> smtplib.SMTP:
    # Without a name of our own, smtplib asks the name servers for one, and waits for them.
    own_name = socket.gethostname() or "localhost"
    if smtp.security == "tls":
        return smtplib.SMTP_SSL(
            smtp.host, smtp.port, local_hostname=own_name, timeout=STEP_TIMEOUT_S, context=_trust(smtp)
        )
    return smtplib.SMTP(smtp.host, smtp.port, local_hostname=own_name, timeout=STEP_TIMEOUT_S)


def _encryption(server: smtplib.SMTP) -> str:
    """How a connection is encrypted (", TLSv1.3, TLS_AES_256_GCM_SHA384"), or nothing."""
    if not isinstance(server.sock, ssl.SSLSocket):
        return ""
    cipher = server.sock.cipher()
    return f", {server.sock.version()}, {cipher[0] if cipher else 'unknown cipher'}"


def _cut(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        with contextlib.suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)


def _trust(smtp: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not smtp.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def transmit(server: smtplib.SMTP, mail: bytes, *, sender: str, recipients: list[str]) -> str:
    """One transaction. It succeeds when one recipient was taken: a second attempt would bother those who have it already."""
    server.ehlo_or_helo_if_needed()
    code, answer = server.mail(sender)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, answer, sender)
    refused: dict[str, tuple[int, bytes]] = {}
    for recipient in recipients:
        code, answer = server.rcpt(recipient)
        if code not in (250, 251):
            refused[recipient] = (code, answer)
    if len(refused) == len(recipients):
        raise smtplib.SMTPRecipientsRefused(refused)
    code, answer = server.data(mail)
    if code != 250:
        raise smtplib.SMTPDataError(code, answer)
    words = _words(code, answer)
    return f"{words}; refused: {_each(refused)}" if refused else words


def refused(error: smtplib.SMTPException, place: str) -> Undeliverable:
    """What a server says with 5xx is for good, what it says with 4xx is for now."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            permanent = all(code >= 500 for code, _ in recipients.values())
            return Undeliverable(f"Every recipient was refused: {_each(recipients)}", permanent=permanent)
        case smtplib.SMTPAuthenticationError():
            reason = f"{place} refused the user name or password: {_words(error.smtp_code, error.smtp_error)}"
            return Undeliverable(reason, permanent=error.smtp_code >= 500)
        case smtplib.SMTPSenderRefused():
            reason = f"The sender {error.sender} was refused: {_words(error.smtp_code, error.smtp_error)}"
            return Undeliverable(reason, permanent=error.smtp_code >= 500)
        case smtplib.SMTPResponseException():
            return Undeliverable(_words(error.smtp_code, error.smtp_error), permanent=error.smtp_code >= 500)
        case smtplib.SMTPNotSupportedError():
            return Undeliverable(f"{place} cannot do what the settings ask for: {error}", permanent=True)
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return Undeliverable(f"The mail server {place} did not answer in time.", permanent=False)
        case smtplib.SMTPServerDisconnected():
            return Undeliverable(f"The mail server {place} closed the connection.", permanent=False)
    return Undeliverable(f"The mail server {place} answered in an unexpected way: {error}", permanent=False)


def _each(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{recipient} ({_words(code, answer)})" for recipient, (code, answer) in refused.items())


def _words(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"{code} {one_line(text)[:200]}".strip()


def _address(written: str) -> Address:
    name, address = parseaddr(written)
    local, _, host = address.rpartition("@")
    return Address(display_name=one_line(name), username=local, domain=_ascii(host))


def wire(address: str) -> str:
    """An address as mail servers know it."""
    local, _, host = address.rpartition("@")
    return f"{local}@{_ascii(host)}"


def _ascii(host: str) -> str:
    """A domain in another script, as servers know it."""
    try:
        return ascii_host(host)
    except ValueError:
        return host


def _message_id(stem: str, sender: Address) -> str:
    return f"<{_OUTSIDE_AN_ID.sub('-', stem)}@{sender.domain or 'localhost'}>"
