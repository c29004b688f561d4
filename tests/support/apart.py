"""Runs a coroutine to its end in a thread of its own: a browser test before it may have left its event loop in this one."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def apart(story: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, or raises."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, story).result()
