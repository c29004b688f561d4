"""Several at once, each with an app context of its own, as workers and schedulers are."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flask import Flask

T = TypeVar("T")


def at_once(app: Flask, *acts: Callable[[], T], timeout_s: float = 60) -> list[T]:
    """Run acts in threads that start at the same moment; gives what each returned, or raises what one of them raised."""
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        with app.app_context():
            gate.wait(10)
            return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout_s) for future in [pool.submit(run, act) for act in acts]]
