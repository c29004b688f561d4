"""Looks names up without ever blocking the one who asks.

libcurl has a resolver of its own, but not more than 20 lookups run in it at a time: twenty names whose servers do not answer would make
every other check time out. Here a hanging lookup costs a sleeping thread and nothing else; `tend` adds threads as long as lookups wait.
"""

import errno
import functools
import ipaddress
import os
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from kener.net.exchange import Cause, Failure

_EAGER_THREADS = 16
_MORE_THREADS = 16
_MAX_THREADS = 512


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a lookup: addresses, or why there are none."""

    host: str
    addresses: tuple[str, ...] = ()
    failure: Failure | None = None


Reply = Callable[[Found], None]


class Names:
    """A pool of daemon threads around the system's resolver. They never hold up the end of the process."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[tuple[str, Reply]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def ask(self, host: str, reply: Reply) -> None:
        """Look a name up; `reply` is called from another thread."""
        self._questions.put((host, reply))
        if self._threads < _EAGER_THREADS and self._idle < self._questions.qsize():
            self._start(1)

    def tend(self) -> None:
        """To be called now and then while an answer is awaited: where all threads hang and questions wait, there will be more threads."""
        if not self._idle and not self._questions.empty():
            self._start(_MORE_THREADS)

    def _start(self, number: int) -> None:
        for _ in range(number):
            with self._lock:
                if self._threads >= _MAX_THREADS:
                    return
                self._threads += 1
            threading.Thread(target=self._work, name="kener-names", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            host, reply = self._questions.get()
            with self._lock:
                self._idle -= 1
            try:
                found = _look_up(host)
            except Exception as error:
                found = Found(host, failure=_not_asked(host, repr(error)))
            reply(found)


@functools.lru_cache(maxsize=4096)
def needs_lookup(host: str) -> bool:
    """Whether a URL's host is a name for us to look up. Addresses, localhost and names in other scripts are left to libcurl."""
    if not host or not host.isascii() or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def addresses_of(host: str) -> tuple[str, ...]:
    """What a host leads to that needs no lookup: itself, or this machine for localhost; nothing for no host."""
    if not host:
        return ()
    return ("127.0.0.1", "::1") if host.endswith("localhost") else (host,)


def _look_up(host: str) -> Found:
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Found(host, failure=_no_address(host, error))
    except UnicodeError:
        return Found(host, failure=Failure(f"The name {host} is not a valid host name", Cause.OURS))
    except OSError as error:
        return Found(host, failure=_not_asked(host, error.strerror or str(error)))
    return Found(host, tuple(dict.fromkeys(str(row[4][0]) for row in rows)))


def _no_address(host: str, error: socket.gaierror) -> Failure:
    match error.errno:
        case socket.EAI_MEMORY:
            return _not_asked(host, os.strerror(errno.ENOMEM))
        case socket.EAI_SYSTEM:
            return _not_asked(host, error.strerror or str(error))
        case socket.EAI_AGAIN:
            return Failure(f"The name {host} does not resolve: its name servers do not answer")
    return Failure(f"The name {host} does not resolve")


def _not_asked(host: str, why: str) -> Failure:
    return Failure(f"The name {host} could not be looked up on this machine: {why}", Cause.OURS)
