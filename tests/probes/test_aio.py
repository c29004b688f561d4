"""The ground under all looks with asyncio: deadlines, budgets, names, addresses, and whose fault it is."""

import asyncio
import errno
import os
import resource
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from kener.domain.readings import Reading
from kener.domain.specs import NoneSpec, Spec
from kener.domain.status import Status
from kener.probes import Target, aio
from kener.probes.aio import Down, Ours, Watch
from tests.doubles.names import Names

UP = Reading(Status.UP)


class Place(Spec):
    """Where a look goes to, in these tests."""

    host: str = "127.0.0.1"
    port: int = 9


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server whose kernel takes connections; nobody ever says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        yield listening


def looked(
    look: Callable[[Spec, Watch], Awaitable[Reading]],
    specs: list[Spec],
    *,
    timeout_ms: int = 3_000,
    budget_s: float | None = None,
    connections: int = 1,
) -> dict[int, Reading | None]:
    targets = [Target(number, spec) for number, spec in enumerate(specs)]
    found = aio.run(
        targets, look, timeout_ms=lambda _: timeout_ms, budget_s=budget_s, connections=lambda _: connections
    )
    return dict(found)


def once(look: Callable[[Spec, Watch], Awaitable[Reading]], spec: Spec | None = None, **more: int) -> Reading:
    reading = looked(look, [spec or NoneSpec()], **more)[0]
    assert reading is not None
    return reading


async def read_a_byte(spec: Spec, watch: Watch) -> Reading:
    assert isinstance(spec, Place)
    async with aio.connected(spec.host, spec.port, watch) as (reader, _writer):
        await reader.read(1)
        return UP


async def for_ever(_spec: Spec, _watch: Watch) -> Reading:
    await asyncio.Event().wait()
    return UP


def raising(error: BaseException) -> Callable[[Spec, Watch], Awaitable[Reading]]:
    async def look(_spec: Spec, _watch: Watch) -> Reading:
        raise error

    return look


def test_what_outlives_its_deadline_is_down_and_timed_out_with_the_phases_that_ended(silent: socket.socket) -> None:
    started = time.monotonic()
    reading = once(read_a_byte, Place(port=silent.getsockname()[1]), timeout_ms=250)
    assert 0.2 < time.monotonic() - started < 1.0
    assert (reading.status, reading.error, reading.timed_out) == (Status.DOWN, "No answer within 250 ms", True)
    assert reading.latency_ms is None
    assert list(reading.phases) == ["dns", "connect"]


def test_hanging_targets_take_nothing_from_the_others(silent: socket.socket) -> None:
    port = silent.getsockname()[1]

    async def look(spec: Spec, watch: Watch) -> Reading:
        return await read_a_byte(spec, watch) if isinstance(spec, Place) else UP

    started = time.monotonic()
    ended = []
    targets = [Target(n, Place(port=port) if n % 2 else NoneSpec()) for n in range(200)]
    for number, reading in aio.run(targets, look, timeout_ms=lambda _: 700):
        assert reading is not None
        ended.append((number, reading.status, time.monotonic() - started))
    assert [status for _, status, _ in ended] == [Status.UP] * 100 + [Status.DOWN] * 100
    assert ended[99][2] < 0.6
    assert ended[-1][2] < 2.0


def test_a_budget_gives_back_what_has_not_ended_and_ends_it() -> None:
    stopped = threading.Event()

    async def look(spec: Spec, watch: Watch) -> Reading:
        if not isinstance(spec, Place):
            return UP
        try:
            return await for_ever(spec, watch)
        finally:
            stopped.set()

    started = time.monotonic()
    assert looked(look, [NoneSpec(), Place()], timeout_ms=60_000, budget_s=0.2) == {0: UP, 1: None}
    assert time.monotonic() - started < 1.0
    assert stopped.is_set()


def test_readings_come_while_others_are_still_awaited() -> None:
    async def look(spec: Spec, watch: Watch) -> Reading:
        return await for_ever(spec, watch) if isinstance(spec, Place) else UP

    found = aio.run([Target(1, Place()), Target(2, NoneSpec())], look, timeout_ms=lambda _: 60_000)
    assert next(found) == (2, UP)
    found.close()  # type: ignore[attr-defined]


def test_what_a_look_says_of_the_target_is_down_and_of_ourselves_no_data() -> None:
    down = once(raising(Down("It is broken", timed_out=True, answer="500")))
    assert down == Reading(Status.DOWN, error="It is broken", timed_out=True, answer="500")
    assert once(raising(Ours("No camera"))) == Reading(Status.NO_DATA, error="No camera")
    assert len(once(raising(Down("x" * 2_000))).error or "") == 500


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ECONNREFUSED, Status.DOWN),
        (errno.ECONNRESET, Status.DOWN),
        (errno.EHOSTUNREACH, Status.DOWN),
        (errno.ENETUNREACH, Status.DOWN),
        (errno.ETIMEDOUT, Status.DOWN),
        (errno.EPIPE, Status.DOWN),
        (errno.EMFILE, Status.NO_DATA),
        (errno.ENFILE, Status.NO_DATA),
        (errno.ENOMEM, Status.NO_DATA),
        (errno.ENOBUFS, Status.NO_DATA),
        (errno.EADDRNOTAVAIL, Status.NO_DATA),
        (errno.EPERM, Status.NO_DATA),
        (errno.EACCES, Status.NO_DATA),
    ],
)
def test_errors_of_the_system_are_the_targets_fault_or_our_own(number: int, status: Status) -> None:
    reading = once(raising(OSError(number, os.strerror(number))))
    assert reading.status is status
    assert reading.error


def test_a_mistake_of_ours_costs_one_reading_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def look(spec: Spec, _watch: Watch) -> Reading:
        if isinstance(spec, Place):
            raise ZeroDivisionError("no such thing")
        return UP

    found = looked(look, [Place(), NoneSpec()])
    assert found[1] == UP
    assert found[0] == Reading(
        Status.NO_DATA, error="The check ended in an error of its own: ZeroDivisionError: no such thing"
    )
    assert "a look at Place failed" in caplog.text


def test_a_refused_connection_names_the_address() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        reading = once(read_a_byte, Place(port=port))
    assert (reading.status, reading.error) == (Status.DOWN, f"Connection refused by 127.0.0.1:{port}")


def test_the_last_file_descriptor_is_our_own_fault(silent: socket.socket) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []

    async def look(spec: Spec, watch: Watch) -> Reading:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            while True:
                held.append(os.dup(silent.fileno()))
        except OSError:
            pass
        return await read_a_byte(spec, watch)

    try:
        reading = once(look, Place(port=silent.getsockname()[1]))
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert reading.status is Status.NO_DATA
    assert reading.error == "No connection could be opened on this machine: Too many open files"


def test_no_more_connections_are_open_at_a_time_than_this_machine_has_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = most = 0

    async def look(_spec: Spec, _watch: Watch) -> Reading:
        nonlocal now, most
        now += 10
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 10
        return UP

    resource.setrlimit(resource.RLIMIT_NOFILE, (250, hard))
    try:
        assert list(looked(look, [NoneSpec()] * 50, connections=10).values()) == [UP] * 50
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert most == 100


@pytest.mark.parametrize("own", ["127.0.0.1", "::1"])
def test_a_name_is_connected_to_by_whichever_of_its_addresses_takes_a_connection(names: Names, own: str) -> None:
    names["both.test"] = ["127.0.0.1", "::1"]
    with socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET) as listening:
        listening.bind((own, 0))
        listening.listen()
        port = listening.getsockname()[1]

        async def look(spec: Spec, watch: Watch) -> Reading:
            async with aio.connected("both.test", port, watch) as (_, writer):
                return Reading(Status.UP, answer=writer.get_extra_info("peername")[0])

        assert once(look).answer == own


def test_a_name_that_leads_only_to_forbidden_addresses_is_not_looked_at(names: Names) -> None:
    names["metadata.test"] = ["169.254.169.254"]
    names["mixed.test"] = ["169.254.169.254", "127.0.0.1"]
    reading = once(_addresses, Place(host="metadata.test"))
    assert reading == Reading(Status.NO_DATA, error="Not allowed: 169.254.169.254 is a link-local address")
    assert once(_addresses, Place(host="mixed.test")).answer == "127.0.0.1"


def test_a_dot_at_the_end_of_a_name_stays_for_the_resolver(names: Names) -> None:
    names["short."] = ["127.0.0.1"]
    assert once(_addresses, Place(host="short.")).answer == "127.0.0.1"


async def _addresses(spec: Spec, _watch: Watch) -> Reading:
    assert isinstance(spec, Place)
    return Reading(Status.UP, answer=" ".join(await aio.addresses(spec.host)))


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1",
        "::ffff:169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_link_local_and_metadata_addresses_are_never_looked_at(host: str) -> None:
    reading = once(_addresses, Place(host=host))
    assert reading.status is Status.NO_DATA
    assert (reading.error or "").startswith("Not allowed: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "fd12::1", "::1", "[::1]"])
def test_what_is_inside_may_be_looked_at(host: str) -> None:
    assert once(_addresses, Place(host=host)).answer == host.strip("[]")


def test_a_name_has_its_addresses_and_one_that_has_none_is_down() -> None:
    assert "127.0.0.1" in (once(_addresses, Place(host="localhost")).answer or "")
    missing = once(_addresses, Place(host="name.invalid"))
    assert (missing.status, missing.error) == (Status.DOWN, "The name name.invalid does not resolve")


def test_a_name_in_another_script_is_asked_for_in_its_ascii_form() -> None:
    missing = once(_addresses, Place(host="straße.invalid"))
    assert missing.error == "The name xn--strae-oqa.invalid does not resolve"


def test_what_is_no_name_at_all_is_our_own_fault() -> None:
    reading = once(_addresses, Place(host="no host"))
    assert reading.status is Status.NO_DATA
    assert (reading.error or "").startswith("no host cannot be looked up: ")
