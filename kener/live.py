"""The revision: one number that moves when something a visitor sees has changed. Polling pages compare it."""

import logging
import threading
import time

from flask import current_app
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooLong

from kener import jobs

log = logging.getLogger(__name__)
KEY = "kener:revision"
REREAD_S = 1.0
AWAY_S = 10.0


class _Seen:
    """The last revision this process read, and when."""

    def __init__(self) -> None:
        self.value = "0"
        self.read_at = float("-inf")
        self.lock = threading.Lock()


_seen: dict[str, _Seen] = {}
_warned_at = float("-inf")


def publish() -> None:
    """Say that something a visitor sees has changed. When Redis is away, pages still move once a minute."""
    try:
        jobs.redis().incr(KEY)
    except RedisError as error:
        _warn(error)
    forget()


def _warn(error: RedisError) -> None:
    """Once a minute is enough."""
    global _warned_at
    if time.monotonic() - _warned_at > 60:
        _warned_at = time.monotonic()
        log.warning("Redis is away (%s): pages show the change within a minute", error)


def forget() -> None:
    """Read the revision afresh next time."""
    for seen in _seen.values():
        seen.read_at = float("-inf")


def revision() -> str:
    """The revision, read from Redis at most once a second, and the minute, so that the numbers move as well."""
    return current(current_app.config["REDIS"])


def current(redis_url: str) -> str:
    """The revision by Redis address: for callers without an app context. Never raises; without Redis only the minute moves."""
    seen = _seen.setdefault(redis_url, _Seen())
    now = time.monotonic()
    if now - seen.read_at > REREAD_S and seen.lock.acquire(blocking=False):
        try:
            raw = jobs.connect(redis_url).get(KEY)
            seen.value, seen.read_at = raw.decode() if isinstance(raw, bytes) else "0", now
        except RedisError as error:
            # A Redis that hangs costs whoever asks it seconds: not every request.
            pause = AWAY_S if isinstance(error, TooLong) else REREAD_S
            seen.value, seen.read_at = "x", time.monotonic() + pause - REREAD_S
        finally:
            seen.lock.release()
    return f"{seen.value}-{int(time.time() // 60)}"
