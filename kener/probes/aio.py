"""Looks with asyncio: all targets at once in one thread, each with its own hard deadline over names, connections and answers.

A probe module gives `run` a coroutine function `look(spec, watch)` that returns a Reading, or raises `Down` (the target's fault), `Ours`
(our own: NO_DATA) or an OSError, which is sorted into one of the two. What outlives its deadline is DOWN and timed out. Any other error is
a mistake of ours: it is logged, is NO_DATA for its own target, and the other targets are looked at all the same.
"""

import asyncio
import errno
import logging
import os
import queue
import resource
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kener import net
from kener.domain.hosts import ascii_host
from kener.domain.readings import Reading, cannot_run
from kener.domain.specs import Spec
from kener.domain.status import Status
from kener.net.transfer import in_seconds
from kener.probes import Target

log = logging.getLogger(__name__)

ERROR_LENGTH = 500
_OUT_OF_RESOURCES = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.EADDRNOTAVAIL,
    errno.EACCES,
    errno.EPERM,
)
_SPARE_FILES = 150
_TEND_S = 0.05


class Down(Exception):
    """The target failed; the text says how."""

    def __init__(self, reason: str, *, timed_out: bool = False, answer: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.timed_out, self.answer = reason, timed_out, answer


class Ours(Exception):
    """The look itself could not be made: it says nothing about the target."""


@dataclass(slots=True)
class Watch:
    """The clock of one look. `phases` are cumulative milliseconds by name, in the order in which they ended."""

    started: float = field(default_factory=time.monotonic)
    phases: dict[str, int] = field(default_factory=dict)

    @property
    def ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def mark(self, name: str) -> None:
        """A phase has ended now."""
        self.phases[name] = self.ms


Look = Callable[[Spec, Watch], Awaitable[Reading]]
Ended = tuple[int, Reading | None]


def run(
    targets: Sequence[Target],
    look: Look,
    *,
    timeout_ms: Callable[[Spec], int],
    budget_s: float | None = None,
    connections: Callable[[Spec], int] = lambda _spec: 1,
) -> Iterator[Ended]:
    """Look at all targets; readings in the order in which they come. With a budget, what has not ended by then comes as None.

    `connections`: how many a look opens at a time, so that all looks together leave this machine its file descriptors. The looking goes on
    in a thread of its own: what the caller does between two readings never makes a target look slow.
    """
    ended: queue.SimpleQueue[Ended | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            at_once = max(1, _room() // max((connections(target.spec) for target in targets), default=1))
            asyncio.run(_look_at_all(targets, look, timeout_ms, budget_s, at_once, ended, stop))
            ended.put(None)
        except BaseException as error:
            ended.put(error)

    threading.Thread(target=work, name="kener-probe", daemon=True).start()
    try:
        while (one := ended.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        stop.set()


async def _look_at_all(
    targets: Sequence[Target],
    look: Look,
    timeout_ms: Callable[[Spec], int],
    budget_s: float | None,
    at_once: int,
    ended: "queue.SimpleQueue[Ended | BaseException | None]",
    stop: threading.Event,
) -> None:
    room = asyncio.Semaphore(at_once)
    tending = asyncio.create_task(_tend_names())

    async def one(target: Target) -> None:
        async with room:
            ended.put((target.id, await _look_once(target.spec, look, timeout_ms(target.spec))))

    running = {asyncio.create_task(one(target)): target for target in targets}
    until = time.monotonic() + (float("inf") if budget_s is None else budget_s)
    pending = set(running)
    while pending and not stop.is_set() and (left := until - time.monotonic()) > 0:
        done, pending = await asyncio.wait(pending, timeout=min(left, 0.5), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    for task in (*pending, tending):
        task.cancel()
    await asyncio.gather(*pending, tending, return_exceptions=True)
    for task in pending:
        if task.cancelled():
            ended.put((running[task].id, None))


async def _tend_names() -> None:
    """Names that do not answer never keep the others waiting."""
    while True:
        await asyncio.sleep(_TEND_S)
        net.tend_names()


async def _look_once(spec: Spec, look: Look, limit_ms: int) -> Reading:
    watch = Watch()
    try:
        async with asyncio.timeout(limit_ms / 1000):
            return await look(spec, watch)
    except TimeoutError:
        return Reading(
            Status.DOWN, error=f"No answer within {in_seconds(limit_ms)}", timed_out=True, phases=dict(watch.phases)
        )
    except Down as down:
        return failed(down, watch)
    except Ours as ours:
        return cannot_run(_cut(str(ours)))
    except OSError as error:
        try:
            raise sorted_out(error, "the target") from error
        except Down as down:
            return failed(down, watch)
        except Ours as ours:
            return cannot_run(_cut(str(ours)))
    except Exception as error:
        log.exception("a look at %s failed", type(spec).__name__)
        return cannot_run(_cut(f"The check ended in an error of its own: {type(error).__name__}: {error}"))


def failed(down: Down, watch: Watch) -> Reading:
    """The reading of a target that failed."""
    return Reading(
        Status.DOWN,
        error=_cut(down.reason),
        timed_out=down.timed_out,
        answer=down.answer,
        phases=dict(watch.phases),
    )


def _cut(text: str) -> str:
    return text[:ERROR_LENGTH]


def _room() -> int:
    """How many connections may be open at a time."""
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES)


def sorted_out(error: OSError, where: str) -> Down | Ours:
    """Whose fault an operating system's error is, in words."""
    match error.errno:
        case errno.ECONNREFUSED:
            return Down(f"Connection refused by {where}")
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return Down(f"There is no way to {where}")
        case errno.ETIMEDOUT:
            return Down(f"{where} does not answer", timed_out=True)
        case errno.ECONNRESET | errno.EPIPE:
            return Down(f"The connection to {where} was reset")
    if error.errno in _OUT_OF_RESOURCES:
        return Ours(f"No connection could be opened on this machine: {os.strerror(error.errno)}")
    return Down(f"No connection to {where}: {error.strerror or error}")


async def addresses(host: str) -> list[str]:
    """The addresses of a name, in the system's order, or the address itself; only those that checks may reach. Raises Down, Ours.

    A name in another script is asked for in its ASCII form; a dot at its end keeps the system from trying its own domains.
    """
    try:
        known = ascii_host(host)
    except ValueError as error:
        raise Ours(f"{host} cannot be looked up: {error}") from None
    found: Sequence[str] = (known,)
    if ":" not in known and not known.rpartition(".")[2].isdigit():
        found = await _looked_up(f"{known}." if host.strip().endswith(".") else known)
    allowed = [one for one in found if not net.CHECKS.objection(one)]
    if not allowed:
        raise Ours(f"Not allowed: {net.CHECKS.objection(found[0])}")
    return allowed


async def _looked_up(host: str) -> Sequence[str]:
    answer = await asyncio.wrap_future(net.look_up(host))
    if answer.failure is not None:
        if answer.failure.cause is net.Cause.OURS:
            raise Ours(answer.failure.reason)
        raise Down(answer.failure.reason)
    return answer.addresses


@asynccontextmanager
async def connected(
    host: str, port: int, watch: Watch
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection to the first address of a host that takes one, whatever its family. Marks the phases dns and connect."""
    candidates = await addresses(host)
    watch.mark("dns")
    last: Down | Ours | None = None
    for address in candidates:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except OSError as error:
            last = sorted_out(error, where)
            if isinstance(last, Ours):
                break
            continue
        watch.mark("connect")
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
        return
    assert last is not None
    raise last
