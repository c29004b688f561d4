"""The STARTTLS probe against real local servers that change to TLS."""

import asyncio
import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kener.domain.inputs import mistakes
from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, StarttlsSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target
from tests.doubles import starttls as parts
from tests.doubles.smtp import SmtpDouble
from tests.doubles.tcp import Part, TcpDouble, hang_up, nothing, reset, saying, unused_port
from tests.doubles.tls import Authority

PROTOCOLS = ["SMTP", "IMAP", "POP3", "POSTGRESQL"]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def look(protocol: str, port: int, **settings: Any) -> Reading:
    given = {"protocol": protocol, "host": "127.0.0.1", "port": port, "timeout": 3_000, **settings}
    ((_, reading),) = PROBES[MonitorType.STARTTLS].probe([Target(1, StarttlsSpec.model_validate(given))])
    assert reading is not None
    return reading


def look_at(protocol: str, part: Part, **settings: Any) -> Reading:
    with TcpDouble(part) as server:
        return look(protocol, server.port, **settings)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_changes_to_tls_and_the_certificate_is_read(authority: Authority, protocol: str) -> None:
    context = authority.context("127.0.0.1", lasts=dt.timedelta(days=30, minutes=1))
    reading = look_at(protocol, getattr(parts, protocol.lower())(context))
    assert (reading.status, reading.error) == (Status.UP, None)
    assert reading.answer == "127.0.0.1, 30 days left, issued by Test Authority, EC P-256, TLSv1.3"
    named = ["dns", "connect", "greeting", "starttls", "tls", "total"]
    assert list(reading.phases) == [name for name in named if name != "greeting" or protocol != "POSTGRESQL"]
    assert reading.latency_ms == reading.phases["tls"]


def test_a_mail_server_as_it_is_in_the_world_is_understood(authority: Authority) -> None:
    with SmtpDouble(security="starttls", tls=authority.context("127.0.0.1")) as server:
        assert look("SMTP", server.port).status is Status.UP
    with SmtpDouble() as server:
        reading = look("SMTP", server.port)
    assert (reading.status, reading.error) == (Status.DOWN, "It does not offer STARTTLS")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("hours", "status"), [(169, Status.UP), (167, Status.DEGRADED), (23, Status.DOWN)], ids=["week", "days", "hours"]
)
def test_the_hours_that_are_left_decide(authority: Authority, protocol: str, hours: int, status: Status) -> None:
    context = authority.context("127.0.0.1", lasts=dt.timedelta(hours=hours, minutes=1))
    reading = look_at(protocol, getattr(parts, protocol.lower())(context))
    assert reading.status is status
    assert (reading.error is None) == (status is Status.UP)


def test_assertions_see_the_days_that_are_left(authority: Authority) -> None:
    part = parts.imap(authority.context("127.0.0.1", lasts=dt.timedelta(days=20, hours=1)))
    line = {"source": "certificate_days", "operator": "less", "value": "21", "then": "DEGRADED"}
    reading = look_at("IMAP", part, assertions=[line])
    assert reading.status is Status.DEGRADED
    assert look_at("IMAP", part, assertions=[line | {"value": "20"}]).status is Status.UP


def test_a_certificate_that_is_not_trusted_is_down_unless_accepted(authority: Authority) -> None:
    part = parts.imap(authority.context("127.0.0.1", self_signed=True))
    reading = look_at("IMAP", part)
    assert reading.status is Status.DOWN
    assert (reading.error or "").startswith(
        "The certificate is not trusted: it is self-signed. The certificate expires in"
    )
    assert look_at("IMAP", part, allowSelfSignedCert=True).status is Status.UP


def test_a_certificate_may_be_for_another_name_than_the_host(authority: Authority) -> None:
    part = parts.smtp(authority.context("mail.example"))
    assert "another host name: mail.example" in (look_at("SMTP", part).error or "")
    assert look_at("SMTP", part, serverName="mail.example").status is Status.UP


@pytest.mark.parametrize(
    ("protocol", "settings", "error"),
    [
        ("SMTP", {"greeting": (b"554-go", b"554 away")}, "It refuses the connection: 554 away"),
        ("SMTP", {"ehlo": (b"502 what?",)}, "It refuses EHLO: 502 what?"),
        ("SMTP", {"ehlo": (b"250-mail.test", b"250 SIZE")}, "It does not offer STARTTLS"),
        ("SMTP", {"consent": (b"454 TLS not available",)}, "It refuses STARTTLS: 454 TLS not available"),
        ("IMAP", {"greeting": b"* BYE too busy"}, "It refuses the connection: * BYE too busy"),
        ("IMAP", {"consent": (b"* note", b"k1 BAD no TLS")}, "It refuses STARTTLS: BAD no TLS"),
        ("POP3", {"greeting": b"-ERR busy"}, "It refuses the connection: -ERR busy"),
        ("POP3", {"consent": (b"-ERR unknown",)}, "It refuses STLS: -ERR unknown"),
        ("POSTGRESQL", {"consent": b"N"}, "It does not offer TLS"),
        ("POSTGRESQL", {"consent": b"E"}, "It refuses TLS with an error"),
        ("POSTGRESQL", {"consent": b"?"}, "It does not speak PostgreSQL"),
    ],
)
def test_every_refusal_is_named(authority: Authority, protocol: str, settings: dict[str, Any], error: str) -> None:
    reading = look_at(protocol, getattr(parts, protocol.lower())(authority.context("127.0.0.1"), **settings))
    assert (reading.status, reading.error, reading.latency_ms) == (Status.DOWN, error, None)


@pytest.mark.parametrize("protocol", ["SMTP", "IMAP", "POP3"])
def test_another_protocol_is_told_from_a_refusal(protocol: str) -> None:
    reading = look_at(protocol, saying(b"SSH-2.0-OpenSSH_9.2\r\n", then_hang=True))
    assert (reading.status, reading.error) == (Status.DOWN, f"It does not speak {protocol}: SSH-2.0-OpenSSH_9.2")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_says_nothing_ends_at_the_deadline(protocol: str) -> None:
    started = time.monotonic()
    reading = look_at(protocol, nothing, timeout=200)
    assert 0.2 <= time.monotonic() - started < 1.0
    assert (reading.status, reading.timed_out, reading.latency_ms) == (Status.DOWN, True, None)
    assert reading.error == "It takes the connection and says nothing within 200 ms"


def test_a_server_that_stalls_later_ends_at_the_deadline_too(authority: Authority) -> None:
    assert look_at("IMAP", saying(b"* OK hello\r\n", then_hang=True), timeout=200).error == (
        "No answer to the request for TLS within 200 ms"
    )
    assert look_at("IMAP", saying(b"* OK hello\r\nk1 OK go\r\n", then_hang=True), timeout=200).error == (
        "It agrees to TLS, but no handshake within 200 ms"
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hanging_up_breaking_off_and_refusing_are_told_apart(protocol: str) -> None:
    port = unused_port()
    assert look(protocol, port).error == f"Connection refused by 127.0.0.1:{port}"
    assert (
        look_at(protocol, polite if protocol == "POSTGRESQL" else hang_up).error
        == "It closed the connection before TLS"
    )
    assert "broke the connection off before TLS" in (look_at(protocol, reset).error or "")


async def polite(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Hear what the other side has to say, then hang up."""
    await reader.read(8)


async def endless_lines(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-still more\r\n")
        await writer.drain()


async def endless_line(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-" * 1_000)
        await writer.drain()


def test_talk_without_an_end_is_cut_off() -> None:
    assert look_at("SMTP", endless_lines).error == "It talks without an end before TLS"
    assert look_at("SMTP", endless_line).error == "It sends a line without an end"


def test_link_local_addresses_are_never_asked() -> None:
    reading = look("SMTP", 25, host="169.254.169.254")
    assert (reading.status, reading.error) == (Status.NO_DATA, "Not allowed: 169.254.169.254 is a link-local address")


def test_latency_above_its_limits_is_degraded(authority: Authority) -> None:
    context = authority.context("127.0.0.1")

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        await parts.imap(context)(reader, writer)

    reading = look_at("IMAP", slow, degraded_latency_ms=50)
    assert (reading.status, reading.error) == (
        Status.DEGRADED,
        f"TLS handshake after {reading.latency_ms} ms, limit 50 ms",
    )


@pytest.mark.parametrize(("protocol", "port"), [("SMTP", 587), ("IMAP", 143), ("POP3", 110), ("POSTGRESQL", 5432)])
def test_a_protocol_has_its_port(protocol: str, port: int) -> None:
    spec = StarttlsSpec.model_validate({"host": "a", "protocol": protocol, "port": " "})
    assert (spec.port, spec.asked_port) == (None, port)
    assert StarttlsSpec.model_validate({"host": "a", "protocol": protocol, "port": "26"}).asked_port == 26


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"protocol": "FTP"}, "protocol"),
        ({"port": 0}, "port"),
        ({"host": "smtp://mail"}, "host"),
        ({"degradedRemainingHours": 24, "downRemainingHours": 24}, "downRemainingHours"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        StarttlsSpec.model_validate({"host": "mail.example"} | given)
    assert set(mistakes(caught.value)) == {field}
