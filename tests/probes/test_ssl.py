"""The certificate probe against real TLS servers."""

import datetime as dt
import re
import socket
import ssl
import time
from pathlib import Path

import pytest

from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, SslSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target
from tests.doubles.http import HttpDouble
from tests.doubles.tls import Authority


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def look(port: int, **settings: object) -> Reading:
    spec = SslSpec.model_validate({"host": "127.0.0.1", "port": port, "timeout": 5_000, **settings})
    ((_, reading),) = PROBES[MonitorType.SSL].probe([Target(1, spec)])
    assert reading is not None
    return reading


def look_at(context: ssl.SSLContext, **settings: object) -> Reading:
    with HttpDouble(tls=context) as server:
        return look(server.port, **settings)


def test_a_trusted_certificate_with_time_left_is_up_and_says_how_much(authority: Authority) -> None:
    reading = look_at(authority.context("127.0.0.1", lasts=dt.timedelta(days=30, minutes=1)))
    assert (reading.status, reading.error) == (Status.UP, None)
    assert reading.answer == "127.0.0.1, 30 days left, issued by Test Authority, EC P-256, TLSv1.3"
    assert list(reading.phases) == ["dns", "connect", "tls", "total"]
    assert reading.latency_ms == reading.phases["tls"]


@pytest.mark.parametrize(
    ("lasts", "status", "error"),
    [
        (dt.timedelta(hours=169), Status.UP, None),
        (
            dt.timedelta(hours=167, minutes=30),
            Status.DEGRADED,
            "The certificate expires in 6 days 23 hours, limit 7 days; issued by Test Authority",
        ),
        (
            dt.timedelta(hours=23, minutes=30, seconds=30),
            Status.DOWN,
            "The certificate expires in 23 hours 30 minutes, limit 1 day; issued by Test Authority",
        ),
    ],
)
def test_the_hours_that_are_left_decide(
    authority: Authority, lasts: dt.timedelta, status: Status, error: str | None
) -> None:
    reading = look_at(authority.context("127.0.0.1", lasts=lasts))
    assert (reading.status, reading.error) == (status, error)


def test_the_hours_are_the_monitors_own(authority: Authority) -> None:
    context = authority.context("127.0.0.1", lasts=dt.timedelta(hours=50))
    assert look_at(context, degradedRemainingHours=49, downRemainingHours=1).status is Status.UP
    assert look_at(context, degradedRemainingHours=60, downRemainingHours=51).status is Status.DOWN


def test_an_expired_certificate_is_down_and_says_since_when_and_of_whom(authority: Authority) -> None:
    context = authority.context("127.0.0.1", expired=True)
    strict, lenient = look_at(context), look_at(context, allowSelfSignedCert=True)
    assert strict.status is lenient.status is Status.DOWN
    assert re.fullmatch(r"The certificate expired 365 days .*ago, issued by Test Authority", lenient.error or "")
    assert (strict.error or "").startswith(
        "The certificate is not trusted: it has expired. The certificate expired 365 d"
    )
    assert strict.latency_ms is not None


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({"self_signed": True}, "it is self-signed"),
        ({"via": "withheld"}, "its issuer is unknown, and the other side sends no certificate of the issuer"),
    ],
)
def test_an_untrusted_certificate_is_down_with_the_reason_and_the_days(
    authority: Authority, made: dict[str, object], fault: str
) -> None:
    context = authority.context("127.0.0.1", **made)
    reading = look_at(context)
    assert reading.status is Status.DOWN
    assert (reading.error or "").startswith(
        f"The certificate is not trusted: {fault}. The certificate expires in 364 d"
    )
    assert look_at(context, allowSelfSignedCert=True).status is Status.UP


def test_the_server_name_takes_the_place_of_the_host(authority: Authority) -> None:
    context = authority.context("shop.example")
    assert "it is for another host name: shop.example" in (look_at(context).error or "")
    assert look_at(context, serverName="shop.example").status is Status.UP


def test_latency_above_its_limits_is_degraded_and_then_down(authority: Authority) -> None:
    context = authority.context("127.0.0.1")

    def dawdle(_connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        time.sleep(0.1)

    context.sni_callback = dawdle  # type: ignore[assignment]
    degraded = look_at(context, degraded_latency_ms=50)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"TLS handshake after {degraded.latency_ms} ms, limit 50 ms"
    assert look_at(context, degraded_latency_ms=20, down_latency_ms=50).status is Status.DOWN


def test_assertions_look_at_the_days_that_are_left(authority: Authority) -> None:
    context = authority.context("127.0.0.1", lasts=dt.timedelta(days=30))
    line = {"source": "certificate_days", "operator": "less", "value": "45", "then": "DEGRADED"}
    reading = look_at(context, assertions=[line])
    assert reading.status is Status.DEGRADED
    assert "45" in (reading.error or "")
    assert look_at(context, assertions=[line | {"value": "20"}]).status is Status.UP


def test_a_stalled_handshake_ends_at_its_deadline_and_holds_up_nobody(authority: Authority) -> None:
    with socket.socket() as silent, HttpDouble(tls=authority.context("127.0.0.1")) as fine:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        targets = [
            Target(1, SslSpec(host="127.0.0.1", port=silent.getsockname()[1], timeout=600)),
            Target(2, SslSpec(host="127.0.0.1", port=fine.port)),
        ]
        started = time.monotonic()
        readings = list(PROBES[MonitorType.SSL].probe(targets))
        took = time.monotonic() - started
    assert [number for number, _ in readings] == [2, 1]
    assert 0.6 <= took < 1.5
    stalled = readings[1][1]
    assert stalled is not None
    assert (stalled.status, stalled.error, stalled.timed_out) == (Status.DOWN, "No answer within 600 ms", True)
    assert list(stalled.phases) == ["dns", "connect"]


def test_what_speaks_no_tls_and_what_refuses_are_named() -> None:
    with HttpDouble() as plain:
        reading = look(plain.port)
    assert reading.error == f"No TLS connection with 127.0.0.1:{plain.port}: the other side does not speak TLS"
    assert look(plain.port).error == f"Connection refused by 127.0.0.1:{plain.port}"


def test_metadata_addresses_are_not_reached() -> None:
    reading = look(443, host="169.254.169.254")
    assert (reading.status, reading.error) == (
        Status.NO_DATA,
        "Not allowed: 169.254.169.254 is a link-local address",
    )
