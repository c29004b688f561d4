"""When a monitor is due: a fixed interval with a stable offset, or a cron expression in UTC."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

MIN_INTERVAL_S = 10
MAX_INTERVAL_S = 86_400
DAMAGED_AGAIN_S = 60
"""How long a sample stands, and when one is due again, where the stored schedule cannot be used."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one of the two is set. What a damaged row holds instead raises ValueError when it is asked."""

    interval_s: int | None = None
    cron: str | None = None

    def next_after(self, moment: int, *, key: str) -> int:
        """The first slot (epoch seconds) after `moment`.

        Slots of an interval are offset by a stable amount that depends on `key` (the monitor's tag), so that monitors spread
        over their interval and keep their place across restarts.
        """
        if self.interval_s is not None:
            interval_s = _interval(self.interval_s)
            offset = zlib.crc32(key.encode()) % interval_s
            return moment - (moment - offset) % interval_s + interval_s
        return _next_cron(self.cron, moment)

    def span_after(self, slot: int) -> int:
        """How long a sample of this slot may stand for, in seconds: until the next slot, at most a day."""
        if self.interval_s is not None:
            return _interval(self.interval_s)
        return min(MAX_INTERVAL_S, _next_cron(self.cron, slot) - slot)

    def usable_span_after(self, slot: int) -> tuple[int, str | None]:
        """As `span_after`, and what is wrong with a schedule that was damaged: a sample stands until the next try then."""
        try:
            return self.span_after(slot), None
        except ValueError as error:
            return DAMAGED_AGAIN_S, str(error)


def _interval(seconds: int) -> int:
    if seconds <= 0:
        raise ValueError(f"{seconds} seconds are no interval.")
    return seconds


def _next_cron(expression: str | None, moment: int) -> int:
    if expression is None:
        raise ValueError("There is neither an interval nor a cron expression.")
    try:
        return int(next(CronSim(expression, datetime.fromtimestamp(moment, UTC))).timestamp())
    except (CronSimError, StopIteration):
        raise ValueError(f"{expression!r} is not a cron expression, or it never comes due.") from None


def check_cron(expression: str) -> str | None:
    """What is wrong with a cron expression, or None."""
    if len(expression.split()) != 5:
        return "Write five fields: minute, hour, day of month, month, day of week. For instance */5 * * * *."
    try:
        moment = next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return f"{expression!r} is not a cron expression, or it never comes due."
    if moment > datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=366 * 5):
        return "This expression is not due within five years."
    return None
