"""Free ports, so that test runs and running products never meet."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], T], *, timeout_s: float = 10, every_s: float = 0.05) -> T:
    """The first true value of `what`; fails after the time-out."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing after {timeout_s} s"
        time.sleep(every_s)
