"""The TCP probe against real local servers."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kener.domain.readings import Reading
from kener.domain.specs import TcpSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target, tcp
from tests.doubles.names import Names
from tests.doubles.tcp import TcpDouble, endless, hang_up, nothing, reset, saying, unused_port
from tests.doubles.tls import Authority


@pytest.fixture
def silent() -> Iterator[TcpDouble]:
    with TcpDouble(nothing) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def at(server: TcpDouble | int, *, host: str = "127.0.0.1", timeout: int = 3_000) -> dict[str, Any]:
    return {"host": host, "port": server if isinstance(server, int) else server.port, "timeout": timeout}


def look(*hosts: dict[str, Any], **settings: Any) -> Reading:
    spec = TcpSpec.model_validate({"hosts": list(hosts), **settings})
    ((_, reading),) = PROBES["TCP"].probe([Target(1, spec)])  # type: ignore[index]
    assert reading is not None
    return reading


def test_a_port_that_takes_connections_is_up_with_its_latency(silent: TcpDouble) -> None:
    reading = look(at(silent))
    assert (reading.status, reading.error, reading.timed_out) == (Status.UP, None, False)
    assert 1 <= (reading.latency_ms or 0) < 1_000
    assert list(reading.phases) == ["dns", "connect"]


def test_a_port_that_takes_none_is_down_without_a_latency_and_named() -> None:
    port = unused_port()
    reading = look(at(port))
    assert (reading.status, reading.error) == (Status.DOWN, f"Connection refused by 127.0.0.1:{port}")
    assert reading.latency_ms is None


def test_both_address_families_are_connected_to() -> None:
    with TcpDouble(nothing, host="::1") as server:
        assert look(at(server, host="::1")).status is Status.UP
        assert look(at(server, host="[::1]")).status is Status.UP


def test_a_name_that_has_only_an_ipv6_address_is_connected_to(names: Names) -> None:
    names["six.test"] = ["::1"]
    with TcpDouble(nothing, host="::1") as server:
        assert look(at(server, host="six.test")).status is Status.UP


def test_a_link_local_address_is_never_connected_to() -> None:
    reading = look(at(80, host="169.254.169.254"))
    assert reading == Reading(Status.NO_DATA, error="Not allowed: 169.254.169.254 is a link-local address")


def test_a_name_without_an_address_is_down() -> None:
    reading = look(at(80, host="name.invalid"))
    assert (reading.status, reading.error) == (Status.DOWN, "The name name.invalid does not resolve")


# Several hosts


def test_hosts_are_looked_at_all_at_once_each_with_its_own_time_limit(silent: TcpDouble) -> None:
    started = time.monotonic()
    reading = look(*[at(silent, timeout=400)] * 10, expect="hello")
    assert time.monotonic() - started < 1.5
    assert silent.connections == 10
    assert reading.status is Status.DOWN
    assert reading.timed_out


def test_a_time_limit_is_kept_to_the_millisecond_not_to_the_second(silent: TcpDouble) -> None:
    started = time.monotonic()
    reading = look(at(silent, timeout=150), expect="hello")
    assert 0.15 <= time.monotonic() - started < 0.5
    assert reading.error == "It takes the connection and says nothing within 150 ms"


def test_all_hosts_are_needed_unless_told_otherwise_and_each_failing_one_is_named(silent: TcpDouble) -> None:
    port, other = unused_port(), unused_port()
    hosts = [at(silent), at(port), at(other)]
    reading = look(*hosts)
    assert reading.status is Status.DOWN
    assert reading.error == (
        f"2 of 3 hosts failed: 127.0.0.1:{port}: Connection refused by 127.0.0.1:{port}; "
        f"127.0.0.1:{other}: Connection refused by 127.0.0.1:{other}"
    )
    assert reading.latency_ms is not None


def test_some_hosts_may_be_enough_for_degraded_or_up(silent: TcpDouble) -> None:
    hosts = [at(silent), at(unused_port())]
    degraded = look(*hosts, partial="DEGRADED")
    assert degraded.status is Status.DEGRADED
    assert (degraded.error or "").startswith("1 of 2 hosts failed: 127.0.0.1:")
    enough = look(*hosts, partial="UP")
    assert (enough.status, enough.error) == (Status.UP, None)
    assert "Connection refused" in (enough.answer or "")


@pytest.mark.parametrize("partial", ["DOWN", "DEGRADED", "UP"])
def test_no_host_at_all_is_down_whatever_is_needed(partial: str) -> None:
    reading = look(at(unused_port()), at(unused_port()), partial=partial)
    assert (reading.status, reading.latency_ms) == (Status.DOWN, None)
    assert (reading.error or "").startswith("None of 2 hosts answers: ")


def test_the_latency_is_the_mean_of_the_hosts_that_answered() -> None:
    with TcpDouble(saying(b"hi", delay_s=0.3)) as slow, TcpDouble(saying(b"hi")) as fast:
        reading = look(at(slow), at(fast), at(unused_port()), expect="hi")
    assert 150 <= (reading.latency_ms or 0) < 290


def test_a_host_that_could_not_be_looked_at_leaves_the_verdict_open_only_where_it_matters(silent: TcpDouble) -> None:
    barred = at(80, host="169.254.169.254")
    assert look(at(silent), barred).status is Status.NO_DATA
    assert look(at(silent), barred, partial="DEGRADED").status is Status.NO_DATA
    assert look(at(silent), barred, partial="UP").status is Status.UP
    assert look(at(unused_port()), barred).status is Status.DOWN
    assert look(at(unused_port()), barred, partial="UP").status is Status.NO_DATA
    reading = look(at(silent), at(unused_port()), barred, partial="DEGRADED")
    assert reading.status is Status.DEGRADED
    assert "169.254.169.254 is a link-local address" in (reading.error or "")


def test_many_targets_end_in_time_while_others_hang(silent: TcpDouble) -> None:
    """Acceptance: a peer that stalls ends at its deadline while fifty other checks finish on time."""
    stalls = TcpSpec.model_validate({"hosts": [at(silent, timeout=900)], "expect": "never"})
    quick = TcpSpec.model_validate({"hosts": [at(silent)]})
    started = time.monotonic()
    ended = []
    for number, reading in tcp.probe([Target(n, stalls if n < 10 else quick) for n in range(60)]):
        assert reading is not None
        ended.append((number, reading.status, time.monotonic() - started))
    assert [number < 10 for number, _, _ in ended] == [False] * 50 + [True] * 10
    assert ended[49][2] < 0.8
    assert ended[-1][2] < 2.0


def test_latency_above_its_limits_is_degraded_and_then_down() -> None:
    with TcpDouble(saying(b"hi", delay_s=0.2)) as slow:
        degraded = look(at(slow), expect="hi", degraded_latency_ms=50, down_latency_ms=2_000)
        down = look(at(slow), expect="hi", degraded_latency_ms=50, down_latency_ms=100)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"Answer after {degraded.latency_ms} ms, limit 50 ms"
    assert down.status is Status.DOWN
    assert down.error == f"Answer after {down.latency_ms} ms, limit 100 ms"


# Send and expect


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"you said " + await reader.read(1_000))


async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What Redis does."""
    if await reader.readuntil(b"\r\n") == b"PING\r\n":
        writer.write(b"+PO")
        await writer.drain()
        writer.write(b"NG\r\n")
        await asyncio.Event().wait()


def test_what_is_sent_is_heard_and_the_answer_is_waited_for() -> None:
    with TcpDouble(pong) as server:
        reading = look(at(server), send=r"PING\r\n", expect=r"+PONG\r\n")
    assert (reading.status, reading.answer) == (Status.UP, "+PONG")
    assert list(reading.phases) == ["dns", "connect", "answer"]


def test_escapes_stand_for_bytes() -> None:
    with TcpDouble(echo) as server:
        assert look(at(server), send=r"\x00\xff\ta\\n", expect=r"you said \x00\xff\x09a\x5cn").status is Status.UP


def test_what_is_expected_may_be_a_regular_expression() -> None:
    with TcpDouble(saying(b"220 mail.example ESMTP ready\r\n", then_hang=True)) as server:
        assert look(at(server), expect=r"^220 \S+ E?SMTP", expect_regex=True).status is Status.UP
        reading = look(at(server, timeout=200), expect=r"^250 ", expect_regex=True)
    assert reading.status is Status.DOWN
    assert reading.error == (
        "No more than this within 200 ms, which is not what is expected: 220 mail.example ESMTP ready"
    )


def test_an_answer_that_is_another_one_is_shown() -> None:
    with TcpDouble(saying(b"-ERR \x00 no\r\nway")) as server:
        reading = look(at(server), expect="+OK")
    assert reading.status is Status.DOWN
    assert reading.error == "The answer is not what is expected: -ERR no way"
    assert reading.answer == "-ERR no way"


def test_a_server_that_hangs_up_and_one_that_breaks_off_are_told_apart() -> None:
    with TcpDouble(hang_up) as server:
        assert look(at(server), expect="x").error == "It closed the connection without an answer"
    with TcpDouble(reset) as server:
        reading = look(at(server), expect="x")
    assert (reading.status, reading.error) == (Status.DOWN, f"127.0.0.1:{server.port} broke the connection off")


def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    with TcpDouble(endless) as server:
        started = time.monotonic()
        reading = look(at(server), expect="y")
        assert time.monotonic() - started < 2.0
    assert reading.status is Status.DOWN
    assert (reading.error or "").startswith("The answer is not what is expected: xxx")
    with TcpDouble(saying(b"x" * 65_533 + b"end", then_hang=True)) as server:
        assert look(at(server), expect="end").status is Status.UP
    with TcpDouble(saying(b"x" * 65_534 + b"end", then_hang=True)) as server:
        assert look(at(server), expect="end").status is Status.DOWN


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for letter in b"." * 400 + b"end":
        writer.write(bytes([letter]))
        await writer.drain()
        await asyncio.sleep(0)
    await asyncio.Event().wait()


def test_an_answer_that_comes_in_drops_is_found() -> None:
    with TcpDouble(drip) as server:
        assert look(at(server), expect="end").status is Status.UP


def test_an_expression_that_would_take_for_ever_elsewhere_takes_no_time_here() -> None:
    with TcpDouble(saying(b"a" * 50_000)) as server:
        started = time.monotonic()
        assert look(at(server), expect="^(a+)+$b", expect_regex=True).status is Status.DOWN
        assert time.monotonic() - started < 1.5


def test_assertions_see_the_answer() -> None:
    """Where nothing is expected, what comes first is the answer; where something is, lines may overrule the verdict."""
    line = {"source": "body", "operator": "contains", "value": "slow", "then": "DEGRADED"}
    with TcpDouble(saying(b"OK but slow\r\n", then_hang=True)) as server:
        degraded = look(at(server), assertions=[line])
        assert (degraded.status, degraded.answer) == (Status.DEGRADED, "OK but slow")
        assert look(at(server), assertions=[line | {"value": "fast"}]).status is Status.UP
        assert look(at(server, timeout=200), expect="fine", assertions=[line]).status is Status.DEGRADED
    assert look(at(unused_port()), assertions=[line]).status is Status.DOWN


# TLS


def test_tls_is_spoken_and_the_certificate_checked(authority: Authority) -> None:
    with TcpDouble(pong, tls=authority.context("127.0.0.1", "localhost")) as server:
        reading = look(at(server), tls=True, send=r"PING\r\n", expect="PONG")
    assert (reading.status, reading.error) == (Status.UP, None)
    assert list(reading.phases) == ["dns", "connect", "tls", "answer"]


def test_a_certificate_that_cannot_be_verified_is_down_unless_accepted(authority: Authority) -> None:
    with TcpDouble(nothing, tls=authority.context("127.0.0.1", self_signed=True)) as server:
        reading = look(at(server), tls=True)
        assert (reading.status, reading.error) == (
            Status.DOWN,
            "The certificate is not trusted: it is self-signed",
        )
        assert look(at(server), tls=True, allowSelfSignedCert=True).status is Status.UP


def test_a_certificate_may_be_for_another_name_than_the_host(authority: Authority) -> None:
    with TcpDouble(nothing, tls=authority.context("db.example")) as server:
        assert "another host name: db.example" in (look(at(server), tls=True).error or "")
        assert look(at(server), tls=True, server_name="db.example").status is Status.UP


def test_what_speaks_no_tls_and_what_says_nothing_are_told_apart() -> None:
    with TcpDouble(saying(b"220 hello\r\n")) as server:
        reading = look(at(server), tls=True)
    assert (reading.status, reading.timed_out) == (Status.DOWN, False)
    assert reading.error == f"No TLS connection with 127.0.0.1:{server.port}: the other side does not speak TLS"
    with TcpDouble(nothing) as server:
        reading = look(at(server, timeout=200), tls=True)
    assert (reading.error, reading.timed_out) == ("No TLS handshake within 200 ms", True)


def test_a_full_queue_of_connections_is_no_connection_in_time() -> None:
    """Where the kernel takes no more, a connection neither comes about nor is refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(full.getsockname())
                held.append(one)
            reading = look(at(full.getsockname()[1], timeout=200))
        finally:
            for one in held:
                one.close()
    assert (reading.status, reading.error) == (Status.DOWN, "No connection within 200 ms")
    assert reading.timed_out
