"""The two ways to ask: one request, or many at once.

Loops are kept for the next caller of the same process, whatever its thread; a forked child starts with none, because a loop's sockets and
threads stay with the parent.
"""

import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

from kener.net.addresses import AddressPolicy
from kener.net.exchange import Answer, Cause, Failure, Request
from kener.net.loop import Ended, Loop
from kener.net.names import Found, Names


class Unreachable(Exception):
    """No answer; the text says why. `cause` tells the other side's failure from a refused address and from our own trouble."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.reason = failure.reason
        self.timed_out = failure.timed_out
        self.cause = failure.cause
        self.address = failure.address


def request(
    method: str,
    url: str,
    *,
    policy: AddressPolicy,
    timeout_s: float,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    max_bytes: int = 65_536,
    max_redirects: int = 0,
    verify_tls: bool = True,
) -> Answer:
    """Ask once and wait. Raises Unreachable."""
    asked = Request(
        url=url,
        policy=policy,
        timeout_ms=round(timeout_s * 1000),
        method=method,
        headers=header_lines(headers),
        body=body,
        max_redirects=max_redirects,
        verify_tls=verify_tls,
        max_bytes=max_bytes,
        keep=True,
    )
    loop = _take_loop()
    ended = [outcome for batch in loop.run([(0, asked)], budget_s=None) for _, outcome in batch]
    _give_back(loop)
    match ended:
        case [Answer() as answer]:
            return answer
        case [Failure() as failure]:
            raise Unreachable(failure)
    raise Unreachable(Failure("The request ended without an outcome", Cause.OURS))


def run(requests: Sequence[tuple[int, Request]], *, budget_s: float | None = None) -> Iterator[Ended]:
    """Ask everything at once; outcomes by key, in the order in which they come.

    With a budget, whatever has not ended by then is dropped and comes as None. The asking goes on in a thread of its own: what the caller
    does between two outcomes never makes a target look slow.
    """
    outcomes: queue.SimpleQueue[list[Ended] | BaseException | None] = queue.SimpleQueue()
    loop, stop = _take_loop(), threading.Event()

    def ask() -> None:
        try:
            for batch in loop.run(requests, budget_s=budget_s, stop=stop):
                outcomes.put(batch)
            _give_back(loop)
            outcomes.put(None)
        except BaseException as error:
            outcomes.put(error)

    thread = threading.Thread(target=ask, name="kener-net", daemon=True)
    thread.start()
    try:
        while (batch := outcomes.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield from batch
    finally:
        stop.set()
        loop.wake()


def header_lines(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Headers as libcurl takes them. No `Expect: 100-continue`, unless it is asked for: it costs a round trip."""
    pairs = list(headers)
    # libcurl leaves out a header that has nothing after its colon; a semicolon makes it send the empty one.
    lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in pairs]
    if not any(name.lower() == "expect" for name, _ in pairs):
        lines.append("Expect:")
    return tuple(lines)


def look_up(host: str) -> "Future[Found]":
    """The addresses of a name, without blocking."""
    answer: Future[Found] = Future()

    def reply(found: Found) -> None:
        if answer.set_running_or_notify_cancel():
            answer.set_result(found)

    _names.ask(host.lower(), reply)
    _names.tend()
    return answer


def tend_names() -> None:
    """To be called now and then while answers of `look_up` are awaited."""
    _names.tend()


_names = Names()
_idle_loops: list[Loop] = []
_left_to_parent: list[object] = []


def _take_loop() -> Loop:
    try:
        return _idle_loops.pop()
    except IndexError:
        return Loop(_names)


def _give_back(loop: Loop) -> None:
    """Only after a run that came to its end: what an exception tore apart is not used again."""
    _idle_loops.append(loop)


def _after_fork() -> None:
    global _names
    # Kept, not freed: to free them would wait for threads that do not exist here.
    _left_to_parent.extend([*_idle_loops, _names])
    _idle_loops.clear()
    _names = Names()


os.register_at_fork(after_in_child=_after_fork)
