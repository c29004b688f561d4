"""The only reader of the wall clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Now, as an aware UTC datetime."""
    return datetime.now(UTC)


def epoch() -> int:
    """Now, in whole seconds since 1970."""
    return int(time.time())


def at(epoch_s: float) -> datetime:
    """The aware UTC datetime of a number of seconds since 1970."""
    return datetime.fromtimestamp(epoch_s, UTC)
