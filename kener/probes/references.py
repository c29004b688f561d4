"""Looks at reference targets: places that answer as long as this machine's own connection works.

A reference is `host:port`, or an address like `https://example.com`; it counts as reached when it takes a TCP connection.
"""

import asyncio
from collections.abc import Sequence
from threading import Thread
from urllib.parse import urlsplit

from kener.probes.aio import Watch, connected


def reached(references: Sequence[str], *, limit_s: float) -> list[str]:
    """Those that took a connection within the limit, all tried at once; it returns with the first that did."""
    found: list[str] = []
    # In a thread of its own: the caller's may have an event loop already.
    looking = Thread(target=lambda: found.extend(asyncio.run(_first(references, limit_s))), name="kener-references")
    looking.start()
    looking.join()
    return found


async def _first(references: Sequence[str], limit_s: float) -> list[str]:
    tries = {asyncio.create_task(_reach(*place_of(one))): one for one in references}
    found: list[str] = []
    try:
        async with asyncio.timeout(limit_s):
            pending = set(tries)
            while pending and not found:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                found += [tries[task] for task in done if task.exception() is None]
    except TimeoutError:
        pass
    for task in tries:
        task.cancel()
    await asyncio.gather(*tries, return_exceptions=True)
    return found


async def _reach(host: str, port: int) -> None:
    async with connected(host, port, Watch()):
        return


def place_of(reference: str) -> tuple[str, int]:
    """Host and port of a reference. Raises ValueError where it is none."""
    parts = urlsplit(reference if "://" in reference else f"tcp://{reference}")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if parts.scheme not in ("tcp", "http", "https") or not parts.hostname or not port:
        raise ValueError(f"{reference!r} is no reference. Write host:port or https://example.com.")
    return parts.hostname, port
