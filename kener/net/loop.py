"""Runs many transfers at once: libcurl's multi-socket interface on epoll, one thread, no polling."""

import heapq
import resource
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pycurl

from kener.net.exchange import Answer, Cause, Failure, Request, host_and_port
from kener.net.names import Found, Names, addresses_of, needs_lookup
from kener.net.transfer import Transfer, timed_out

Ended = tuple[int, Answer | Failure | None]

_AT_ONCE = 16
"""How many transfers are started before the running ones are served again: what waits in our own queue would look like latency."""
_BATCH = 64
"""What has ended is handed over in batches while there is much to do: every handing over costs two changes of thread."""
_TEND_S = 0.05
_SPARE_FILES = 150

_AWAITED = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
_KNOWN = select.POLLIN | select.POLLOUT | select.POLLERR | select.POLLHUP
_WHAT_HAPPENED = [
    (pycurl.CSELECT_IN if events & select.POLLIN else 0)
    | (pycurl.CSELECT_OUT if events & select.POLLOUT else 0)
    | (pycurl.CSELECT_ERR if events & (select.POLLERR | select.POLLHUP) else 0)
    for events in range(_KNOWN + 1)
]


class Loop:
    """A libcurl multi handle, its sockets and its idle easy handles. One run at a time; kept for the next one.

    Never closed: closing waits for lookups inside libcurl (names in redirects) that may hang for many seconds.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._poller = select.epoll() if hasattr(select, "epoll") else select.poll()
        self._unit = 1.0 if hasattr(select, "epoll") else 1000.0
        self._watched: set[int] = set()
        self._timer: float | None = None
        self._bell, self._bell_end = socket.socketpair()
        self._bell_fd = self._bell.fileno()
        self._bell.setblocking(False)
        self._bell_end.setblocking(False)
        self._poller.register(self._bell_fd, select.POLLIN)
        self._idle: list[Transfer] = []
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._found: deque[Found] = deque()
        self._waiting: dict[str, list[tuple[int, Request, float]]] = {}
        self._deadlines: list[tuple[float, str]] = []
        self._ended: list[Ended] = []

    def run(
        self, requests: Sequence[tuple[int, Request]], *, budget_s: float | None, stop: threading.Event | None = None
    ) -> Iterator[list[Ended]]:
        """Batches of what has ended, in that order. With a budget, what is left when it is spent comes as None.

        It ends early when `stop` is set; `wake` makes it look at once.
        """
        pending, room = deque(requests), _room()
        ends_at = time.monotonic() + (float("inf") if budget_s is None else budget_s)
        try:
            while pending or self._running or self._waiting or self._ended:
                if stop is not None and stop.is_set():
                    return
                now = time.monotonic()
                if now >= ends_at:
                    break
                for _ in range(min(_AT_ONCE, len(pending), room - len(self._running))):
                    self._admit(*pending.popleft(), now)
                quiet = not self._serve(until=now if pending and len(self._running) < room else ends_at)
                if self._ended and (quiet or len(self._ended) >= _BATCH):
                    ended, self._ended = self._ended, []
                    yield ended
            if left := [key for key, _ in pending] + self._keys():
                yield [(key, None) for key in left]
        finally:
            self._drop_everything()

    def wake(self) -> None:
        """Interrupt the waiting; from any thread."""
        with suppress(BlockingIOError):
            self._bell_end.send(b"!")

    def _admit(self, key: int, request: Request, now: float) -> None:
        deadline = now + request.timeout_ms / 1000
        host = request.at or host_and_port(request.url)[0]
        if not needs_lookup(host):
            self._start(key, request, deadline=deadline, addresses=addresses_of(request.at))
        elif host in self._waiting:
            self._wait_for(host, key, request, deadline)
        else:
            self._waiting[host] = []
            self._wait_for(host, key, request, deadline)
            self._names.ask(host, self._answered)

    def _wait_for(self, host: str, key: int, request: Request, deadline: float) -> None:
        self._waiting[host].append((key, request, deadline))
        heapq.heappush(self._deadlines, (deadline, host))

    def _answered(self, found: Found) -> None:
        """Called from a thread of the names."""
        self._found.append(found)
        self.wake()

    def _start(self, key: int, request: Request, *, deadline: float, addresses: tuple[str, ...] = ()) -> None:
        dns_ms = request.timeout_ms - round((deadline - time.monotonic()) * 1000) if addresses else 0
        try:
            transfer = self._idle.pop() if self._idle else Transfer()
            transfer.prepare(key, request, addresses=addresses, dns_ms=max(0, dns_ms))
            self._multi.add_handle(transfer.curl)
        except (pycurl.error, UnicodeError, ValueError, TypeError) as error:
            self._ended.append((key, Failure(f"The request could not be made: {error}", Cause.OURS)))
            return
        self._running[transfer.curl] = transfer

    def _serve(self, *, until: float) -> bool:
        """Wait for something to happen, not beyond `until`, and pass it on to libcurl. Returns whether anything did."""
        now = time.monotonic()
        if self._timer is not None and self._timer <= now:
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()
        happened = self._poller.poll(self._patience(until) * self._unit)
        for fd, events in happened:
            if fd == self._bell_fd:
                with suppress(BlockingIOError):
                    self._bell.recv(4096)
            else:
                self._multi.socket_action(fd, _WHAT_HAPPENED[events & _KNOWN])
        self._collect()
        self._take_names()
        return bool(happened)

    def _patience(self, until: float) -> float:
        if self._ended or self._found:
            return 0.0
        now = time.monotonic()
        moments = [until, now + 5.0]
        if self._timer is not None:
            moments.append(self._timer)
        if self._waiting:
            moments += [now + _TEND_S, self._deadlines[0][0]]
        return max(0.0, min(moments) - now)

    def _collect(self) -> None:
        more = True
        while more:
            more, fine, failed = self._multi.info_read()
            for curl in fine:
                self._end(curl, 0, "")
            for curl, code, message in failed:
                self._end(curl, code, message)

    def _end(self, curl: pycurl.Curl, code: int, message: str) -> None:
        transfer = self._running.pop(curl)
        self._ended.append((transfer.key, transfer.outcome(code, message)))
        self._multi.remove_handle(curl)
        self._idle.append(transfer)

    def _take_names(self) -> None:
        while self._found:
            found = self._found.popleft()
            for key, request, deadline in self._waiting.pop(found.host, []):
                if found.failure is not None:
                    self._ended.append((key, found.failure))
                else:
                    self._start(key, request, deadline=deadline, addresses=found.addresses)
        if self._waiting:
            self._names.tend()
            self._give_up_on_names()

    def _give_up_on_names(self) -> None:
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, host = heapq.heappop(self._deadlines)
            waiters = self._waiting.get(host, [])
            late = [waiter for waiter in waiters if waiter[2] <= now]
            self._ended += [(key, timed_out(request)) for key, request, _ in late]
            waiters[:] = [waiter for waiter in waiters if waiter[2] > now]
            if not waiters:
                self._waiting.pop(host, None)

    def _watch(self, event: int, fd: int, _multi: object, _data: object) -> None:
        """libcurl says which sockets it waits for."""
        if event == pycurl.POLL_REMOVE:
            if fd in self._watched:
                self._watched.discard(fd)
                with suppress(OSError, KeyError):
                    self._poller.unregister(fd)
            return
        if fd in self._watched:
            self._poller.modify(fd, _AWAITED[event])
        else:
            self._watched.add(fd)
            self._poller.register(fd, _AWAITED[event])

    def _set_timer(self, ms: int) -> None:
        self._timer = None if ms < 0 else time.monotonic() + ms / 1000

    def _keys(self) -> list[int]:
        return [key for waiters in self._waiting.values() for key, _, _ in waiters] + [
            t.key for t in self._running.values()
        ]

    def _drop_everything(self) -> None:
        for curl, transfer in self._running.items():
            self._multi.remove_handle(curl)
            self._idle.append(transfer)
        self._running.clear()
        self._waiting.clear()
        self._deadlines.clear()
        self._ended.clear()


def _room() -> int:
    """How many transfers may run at once without using up this process's file descriptors."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return 5000
    return max(8, allowed - _SPARE_FILES)
