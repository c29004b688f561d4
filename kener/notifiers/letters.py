"""Letters to subscribers: one mail to one address each, as many as there are over one connection.

Every letter says how to stop it (RFC 8058: one POST without a question), and has a Message-ID that stays over all attempts. Answers go to
the sender of the installation; nobody sees another subscriber's address.
"""

import smtplib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kener.notifiers import Undeliverable, email
from kener.settings import SmtpSettings

MOST_A_CONNECTION = 500
_REFUSALS = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused)


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail. `thread` keeps what belongs together together; `stop_url` takes a POST that unsubscribes, empty where there is none."""

    uid: str
    to: str
    subject: str
    text: str
    html: str
    thread: str = ""
    stop_url: str = ""


Outcome = str | Undeliverable
"""The server's answer, or why it was not taken."""


def send(letters: Iterable[tuple[int, Letter]], smtp: SmtpSettings, *, until: float) -> Iterator[tuple[int, Outcome]]:
    """Send letters by key, and say of each what came of it, as it comes. What has no turn before `until` (monotonic) is left out.

    A letter that is refused costs no other its turn. When the server cannot be reached all that are left share the reason.
    """
    waiting = list(letters)
    while waiting and time.monotonic() < until:
        try:
            with email.explained(smtp), email.session(smtp) as server:
                for _ in range(min(MOST_A_CONNECTION, len(waiting))):
                    if time.monotonic() >= until:
                        return
                    key, letter = waiting[0]
                    outcome = _one(server, smtp, letter)
                    waiting.pop(0)
                    yield key, outcome
        except Undeliverable as failure:
            # The connection broke under this letter, or there was none.
            broken, waiting = (waiting[:1], waiting[1:]) if _was_served(failure) else (waiting, [])
            for key, _ in broken:
                yield key, failure


def _was_served(failure: Undeliverable) -> bool:
    """Whether only the connection was lost: then the next letter gets a new one."""
    return "closed the connection" in str(failure)


def _one(server: smtplib.SMTP, smtp: SmtpSettings, letter: Letter) -> Outcome:
    mail = compose(letter, sender=smtp.sender)
    try:
        return email.transmit(
            server, mail, sender=email.wire(email.bare(smtp.sender)), recipients=[email.wire(letter.to)]
        )
    except _REFUSALS as error:
        server.rset()
        return email.refused(error, f"{smtp.host}:{smtp.port}")


def compose(letter: Letter, *, sender: str) -> bytes:
    """The mail as it travels."""
    mail = email.envelope(sender, [letter.to], letter.subject, delivery_id=letter.uid, thread=letter.thread)
    mail["Precedence"] = "bulk"
    mail.set_content(letter.text)
    if letter.html:
        mail.add_alternative(letter.html, subtype="html")
    whole = mail.as_bytes()
    if not letter.stop_url:
        return whole
    # By hand: a folded or encoded address is one that mail programs do not find.
    stop = f"List-Unsubscribe: <{letter.stop_url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return stop.encode("ascii") + whole
