"""When a monitor is due: a fixed interval with a stable offset, or a cron expression in UTC."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

MIN_INTERVAL_S = 10
MAX_INTERVAL_S = 86_400


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one of the two is set."""

    interval_s: int | None = None
    cron: str | None = None

    def next_after(self, moment: int, *, key: str) -> int:
        """The first slot (epoch seconds) after `moment`.

        Slots of an interval are offset by a stable amount that depends on `key` (the monitor's tag), so that monitors spread
        over their interval and keep their place across restarts.
        """
        if self.interval_s is not None:
            offset = zlib.crc32(key.encode()) % self.interval_s
            return moment - (moment - offset) % self.interval_s + self.interval_s
        assert self.cron is not None
        return _next_cron(self.cron, moment)

    def span_after(self, slot: int) -> int:
        """How long a sample of this slot may stand for, in seconds: until the next slot, at most a day."""
        if self.interval_s is not None:
            return self.interval_s
        assert self.cron is not None
        return min(MAX_INTERVAL_S, _next_cron(self.cron, slot) - slot)


def _next_cron(expression: str, moment: int) -> int:
    return int(next(CronSim(expression, datetime.fromtimestamp(moment, UTC))).timestamp())


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
