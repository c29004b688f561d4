"""E-mail against a real local mail server."""

import socket
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from kener.domain.messages import Message
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import EmailSettings
from kener.notifiers import NOTIFIERS, Context, Undeliverable, email
from kener.settings import SmtpSettings
from tests.doubles.smtp import SmtpDouble
from tests.doubles.tls import Authority
from tests.notifiers.messages import notice

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")

TO = ["a@example.com", "Ops <b@example.com>"]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def context(port: int, **changes: Any) -> Context:
    given = {"host": "127.0.0.1", "port": port, "sender": "Status <status@example.org>", "security": "none", **changes}
    return Context(smtp=SmtpSettings(**given))


def send(
    smtp: SmtpDouble, *, to: list[str] = TO, sender: str | None = None, message: Message | None = None, **changes: Any
) -> str:
    settings = EmailSettings.model_validate({"to": to, "from": sender})
    message = message or notice(html="<p>Customers cannot pay.</p>")
    changes = {"security": smtp.security, **changes}
    return email.send(settings, message, delivery_id="d-1", context=context(smtp.port, **changes))


def fail(smtp: SmtpDouble, **changes: Any) -> Undeliverable:
    with pytest.raises(Undeliverable) as caught:
        send(smtp, **changes)
    return caught.value


def test_a_message_arrives_as_text_and_html_with_the_headers_of_a_machine() -> None:
    with SmtpDouble() as smtp:
        assert send(smtp) == "250 OK queued"
    (kept,) = smtp.kept
    mail = kept.message
    assert (kept.sender, kept.recipients) == ("status@example.org", ["a@example.com", "b@example.com"])
    assert (mail["From"], mail["To"]) == ("Status <status@example.org>", "a@example.com, Ops <b@example.com>")
    assert mail["Message-ID"] == "<d-1@example.org>"
    assert mail["References"] == "<alert-7@example.org>"
    assert (mail["Auto-Submitted"], mail["X-Kener-Delivery"]) == ("auto-generated", "d-1")
    assert abs(parsedate_to_datetime(mail["Date"]).timestamp() - time.time()) < 10
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert "Customers cannot pay." in text.get_content()
    assert html.get_content().strip() == "<p>Customers cannot pay.</p>"


def test_without_html_the_message_is_plain_text() -> None:
    with SmtpDouble() as smtp:
        send(smtp, message=notice())
    assert smtp.kept[0].message.get_content_type() == "text/plain"


def test_only_seven_bits_travel_and_every_letter_arrives() -> None:
    with SmtpDouble() as smtp:
        send(smtp, message=Message("TRIGGERED", "Störung ✓", "Größe " * 400, "<p>ü</p>"))
    (kept,) = smtp.kept
    assert kept.raw.isascii()
    assert max(map(len, kept.raw.split(b"\r\n"))) < 998
    assert kept.message["Subject"] == "Störung ✓"
    assert next(iter(kept.message.iter_parts())).get_content().strip() == ("Größe " * 400).strip()


def test_no_name_or_subject_can_add_a_header_or_a_recipient() -> None:
    with SmtpDouble() as smtp:
        message = Message("TRIGGERED", "Down\r\nBcc: evil@example.com\r\n\r\nbody", "text\r\n.\r\nMAIL FROM:<x@y.z>")
        send(smtp, message=message)
        email.send(
            EmailSettings(to=["a@example.com"]),
            notice(),
            delivery_id="d\r\nBcc: evil@example.com",
            context=context(smtp.port),
        )
    first, second = smtp.kept
    assert first.message["Subject"] == "Down Bcc: evil@example.com body"
    assert first.recipients == ["a@example.com", "b@example.com"]
    assert "MAIL FROM:<x@y.z>" in first.message.get_content()
    for kept in (first, second):
        assert kept.message["Bcc"] is None
    assert "Bcc: evil@example.com" in second.message["Subject"]


def test_the_sender_of_a_trigger_replaces_that_of_the_installation() -> None:
    with SmtpDouble() as smtp:
        send(smtp, sender="Ops Team <ops@example.net>")
    (kept,) = smtp.kept
    assert (kept.sender, kept.message["From"]) == ("ops@example.net", "Ops Team <ops@example.net>")
    assert kept.message["Message-ID"] == "<d-1@example.net>"


def test_a_domain_in_another_script_is_written_as_servers_know_it() -> None:
    with SmtpDouble() as smtp:
        send(smtp, to=["a@bücher.example"])
    assert smtp.kept[0].recipients == ["a@xn--bcher-kva.example"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_encrypted_connection_is_verified_and_signed_in(authority: Authority, security: Any) -> None:
    account = ("me", "secret")
    with SmtpDouble(security=security, tls=authority.context("127.0.0.1"), account=account) as smtp:
        assert send(smtp, username="me", password="secret") == "250 OK queued"
    assert (smtp.kept[0].encrypted, smtp.kept[0].user) == (True, "me")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted_stops_the_message_unless_verification_is_off(
    authority: Authority, security: Any
) -> None:
    with SmtpDouble(security=security, tls=authority.context("127.0.0.1", self_signed=True)) as smtp:
        failure = fail(smtp)
        assert str(failure).startswith(f"The certificate of 127.0.0.1:{smtp.port} is not trusted: self-signed")
        assert not failure.permanent
        assert smtp.kept == []
        assert send(smtp, verify=False) == "250 OK queued"


def test_a_certificate_for_another_name_is_not_trusted(authority: Authority) -> None:
    with SmtpDouble(security="starttls", tls=authority.context("mail.example")) as smtp:
        assert "is not trusted" in str(fail(smtp))


def test_a_server_without_starttls_gets_neither_password_nor_message() -> None:
    with SmtpDouble(account=("me", "secret")) as smtp:
        failure = fail(smtp, security="starttls", username="me", password="secret")
    assert failure.permanent
    assert "STARTTLS" in str(failure)
    assert smtp.kept == []


def test_signing_in_works_without_encryption_where_the_settings_say_so() -> None:
    with SmtpDouble(account=("me", "secret")) as smtp:
        assert send(smtp, username="me", password="secret") == "250 OK queued"


def test_a_wrong_password_fails_for_good_and_a_busy_server_does_not() -> None:
    with SmtpDouble(account=("me", "secret")) as smtp:
        wrong = fail(smtp, username="me", password="wrong")
        smtp.auth_answer = "454 4.7.0 Temporary authentication failure"
        busy = fail(smtp, username="me", password="secret")
    assert wrong.permanent
    assert str(wrong).startswith(f"127.0.0.1:{smtp.port} refused the user name or password: 535")
    assert (busy.permanent, "454" in str(busy)) == (False, True)


def test_a_server_that_wants_a_password_nobody_set_fails_for_good() -> None:
    with SmtpDouble(account=("me", "secret")) as smtp:
        failure = fail(smtp)
    assert failure.permanent
    assert "530" in str(failure)


@pytest.mark.parametrize(("answer", "permanent"), [("550 No such user", True), ("450 Mailbox busy", False)])
def test_when_every_recipient_is_refused_the_code_decides(answer: str, permanent: bool) -> None:
    with SmtpDouble(refuse={"a@example.com": answer, "b@example.com": answer}) as smtp:
        failure = fail(smtp)
    assert failure.permanent is permanent
    assert str(failure) == f"Every recipient was refused: a@example.com ({answer}), b@example.com ({answer})"


def test_when_some_recipients_are_refused_the_others_get_it_and_the_answer_says_so() -> None:
    with SmtpDouble(refuse={"a@example.com": "550 No such user"}) as smtp:
        assert send(smtp) == "250 OK queued; refused: a@example.com (550 No such user)"
    assert smtp.kept[0].recipients == ["b@example.com"]


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [
        ("MAIL", "550 Not you", True),
        ("MAIL", "451 Later", False),
        ("DATA", "554 Spam", True),
        ("DATA", "452 Disk full", False),
    ],
)
def test_the_first_digit_of_a_refusal_decides(step: str, answer: str, permanent: bool) -> None:
    with SmtpDouble(refuse={step: answer}) as smtp:
        failure = fail(smtp)
    assert failure.permanent is permanent
    assert answer in str(failure)


def test_nothing_there_is_tried_again() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    with pytest.raises(Undeliverable) as caught:
        email.send(EmailSettings(to=TO), notice(), delivery_id="d-1", context=context(port))
    assert not caught.value.permanent
    assert str(caught.value) == f"The mail server 127.0.0.1:{port} cannot be reached: Connection refused."


def test_a_server_that_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "STEP_TIMEOUT_S", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Undeliverable) as caught:
            email.send(EmailSettings(to=TO), notice(), delivery_id="d-1", context=context(silent.getsockname()[1]))
    assert (caught.value.permanent, "did not answer in time" in str(caught.value)) == (False, True)


def test_a_server_that_stays_slow_on_purpose_is_cut_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line comes in time, and still it would never end."""
    monkeypatch.setattr(email, "DEADLINE_S", 0.8)
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        threading.Thread(target=_dribble, args=[slow], daemon=True).start()
        started = time.monotonic()
        with pytest.raises(Undeliverable) as caught:
            email.send(EmailSettings(to=TO), notice(), delivery_id="d-1", context=context(slow.getsockname()[1]))
    assert time.monotonic() - started < 3
    assert not caught.value.permanent


def _dribble(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    try:
        connection.sendall(b"220 slow\r\n")
        connection.recv(1000)
        while True:
            connection.sendall(b"250-and another thing\r\n")
            time.sleep(0.1)
    except OSError:
        connection.close()


def test_without_a_mail_server_it_says_what_to_set() -> None:
    with pytest.raises(Undeliverable) as caught:
        email.send(EmailSettings(to=TO), notice(), delivery_id="d-1", context=Context())
    assert caught.value.permanent
    assert "SMTP_HOST" in str(caught.value)


def test_the_registry_knows_this_notifier() -> None:
    with SmtpDouble() as smtp:
        answer = NOTIFIERS[TriggerType.EMAIL](
            EmailSettings(to=TO), notice(), delivery_id="d-1", context=context(smtp.port)
        )
    assert answer == "250 OK queued"


def test_names_in_other_scripts_travel_by_the_rules_of_browsers() -> None:
    with SmtpDouble() as smtp:
        send(smtp, to=["a@straße.example"])
    assert smtp.kept[0].recipients == ["a@xn--strae-oqa.example"]
    assert smtp.kept[0].message["To"] == "a@xn--strae-oqa.example"
