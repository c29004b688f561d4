"""The UDP probe against real local servers."""

import socket
import time
from typing import Any

import pytest

from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, UdpSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target
from tests.doubles.names import Names
from tests.doubles.udp import UdpDouble, nothing


def look(where: UdpDouble | int, **settings: Any) -> Reading:
    port = where if isinstance(where, int) else where.port
    spec = UdpSpec.model_validate({"host": "127.0.0.1", "port": port, "timeout": 3_000, **settings})
    ((_, reading),) = PROBES[MonitorType.UDP].probe([Target(1, spec)])
    assert reading is not None
    return reading


def closed_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((host, 0))
        return int(holder.getsockname()[1])


def test_an_answer_that_is_expected_is_up_with_its_latency() -> None:
    with UdpDouble(delay_s=0.05) as server:
        reading = look(server, send=r"ping\x00", expect=r"ping\x00")
    assert (reading.status, reading.error, reading.answer) == (Status.UP, None, "ping")
    assert 50 <= (reading.latency_ms or 0) < 1_000
    assert list(reading.phases) == ["dns", "answer"]
    assert server.heard == [b"ping\0"]


def test_an_answer_may_come_in_several_datagrams_of_which_some_are_empty() -> None:
    with UdpDouble(lambda _: [b"", b"one ", b"", b"two"]) as server:
        assert look(server, send="x", expect=r"^one two$", expect_regex=True).status is Status.UP


def test_silence_is_down_where_something_is_expected() -> None:
    with UdpDouble(nothing) as server:
        started = time.monotonic()
        reading = look(server, send="x", expect="y", timeout=200)
        assert 0.2 <= time.monotonic() - started < 0.8
    assert reading == Reading(
        Status.DOWN, error="No answer within 200 ms", timed_out=True, phases={"dns": reading.phases["dns"]}
    )


def test_another_answer_is_down_and_shown() -> None:
    with UdpDouble(lambda _: [b"\x15\x00error 7"]) as server:
        reading = look(server, send="x", expect="fine", timeout=200)
    assert reading.status is Status.DOWN
    assert reading.error == "No more than this within 200 ms, which is not what is expected: error 7"


def test_without_something_to_expect_silence_proves_only_that_nothing_refused() -> None:
    with UdpDouble(nothing) as server:
        reading = look(server, send="x", timeout=200)
    assert (reading.status, reading.latency_ms, reading.timed_out) == (Status.UP, None, False)
    assert reading.answer == "No answer and no refusal within 200 ms"


def test_without_something_to_expect_any_answer_is_up_with_its_latency() -> None:
    with UdpDouble(lambda _: [b"hello"], delay_s=0.03) as server:
        reading = look(server)
    assert (reading.status, reading.answer) == (Status.UP, "hello")
    assert reading.latency_ms is not None
    assert server.heard == [b""]


@pytest.mark.parametrize("settings", [{}, {"send": "x", "expect": "y"}], ids=["any answer", "one answer"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_at_which_nothing_listens_is_down_at_once_and_named(host: str, settings: dict[str, str]) -> None:
    port = closed_port(host)
    started = time.monotonic()
    reading = look(port, host=host, **settings)
    assert time.monotonic() - started < 1.0
    where = f"[::1]:{port}" if host == "::1" else f"127.0.0.1:{port}"
    assert (reading.status, reading.latency_ms) == (Status.DOWN, None)
    assert reading.error == f"Nothing listens at {where}: the port is unreachable (ICMP)"


def test_the_next_address_of_a_name_is_asked_where_the_first_refuses(names: Names) -> None:
    names["both.test"] = ["127.0.0.1", "::1"]
    with UdpDouble(host="::1") as server:
        assert look(server, host="both.test", send="x", expect="x").status is Status.UP


def test_an_answer_of_somebody_else_does_not_count() -> None:
    with UdpDouble(nothing) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

        def meddle(_said: bytes) -> list[bytes]:
            stranger.sendto(b"y", server.asker)
            return []

        server.answers = meddle
        assert look(server, send="x", expect="y", timeout=200).status is Status.DOWN


def test_latency_above_its_limits_is_degraded_and_then_down() -> None:
    with UdpDouble(delay_s=0.15) as server:
        degraded = look(server, send="x", expect="x", degraded_latency_ms=50, down_latency_ms=2_000)
        down = look(server, send="x", expect="x", down_latency_ms=100)
    assert (degraded.status, down.status) == (Status.DEGRADED, Status.DOWN)
    assert down.error == f"Answer after {down.latency_ms} ms, limit 100 ms"


def test_assertions_see_the_answer() -> None:
    line = {"source": "body", "operator": "matches", "value": "load=[0-9]{3}", "then": "DEGRADED"}
    with UdpDouble(lambda _: [b"load=250"]) as server:
        assert look(server, send="x", assertions=[line]).status is Status.DEGRADED
        assert look(server, send="x", expect="fine", timeout=200, assertions=[line]).status is Status.DEGRADED
        assert look(server, send="x", assertions=[line | {"value": "load=[0-9]{4}"}]).status is Status.UP


def test_link_local_and_metadata_addresses_are_never_asked(names: Names) -> None:
    names["metadata.test"] = ["fd00:ec2::254"]
    assert look(53, host="169.254.169.253").error == "Not allowed: 169.254.169.253 is a link-local address"
    assert look(53, host="metadata.test").status is Status.NO_DATA


def test_many_targets_are_asked_at_once() -> None:
    with UdpDouble(nothing) as silent, UdpDouble() as server:
        quick = UdpSpec.model_validate({"host": "127.0.0.1", "port": server.port, "send": "x", "expect": "x"})
        slow = UdpSpec.model_validate(quick.model_dump() | {"port": silent.port, "timeout": 500})
        started = time.monotonic()
        targets = [Target(n, slow if n < 20 else quick) for n in range(70)]
        found = [reading.status for _, reading in PROBES[MonitorType.UDP].probe(targets) if reading is not None]
    assert found == [Status.UP] * 50 + [Status.DOWN] * 20
    assert time.monotonic() - started < 1.5
