"""Heartbeats: jobs that report by themselves."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kener.domain.recurrence import is_zone
from kener.domain.schedule import check_cron
from kener.domain.specs.base import Spec

LEEWAY_S = 60
"""Nobody is late before a minute is over; a grace of under two minutes halves that."""

EARLY_S = 30
"""A beat that comes so little before its time, by a clock that is fast, is the one that was expected."""

DEFAULT_GRACE_MINUTES = 10


def _blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _cron(value: str) -> str:
    value = " ".join(value.split())
    if mistake := check_cron(value):
        raise ValueError(mistake)
    return value


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("Choose a time zone by its name, for instance Europe/Berlin.")
    return value


MINUTES: dict[str, Any] = {"unit": "min"}
CODE: dict[str, Any] = {"code": True}
Minutes = Annotated[int, Field(ge=1, le=525_600)]
OptionalMinutes = Annotated[Minutes | None, BeforeValidator(_blank)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Cron = Annotated[str, Field(max_length=255), AfterValidator(_cron)]


class HeartbeatSpec(Spec):
    """Waits for calls to `/ext/heartbeat/{tag}/{secret}`.

    With `schedule` (a cron expression) or `period_minutes` it knows when the next one is due; with neither, silence is counted from the
    newest one. `secretString` is write-only: it is kept apart, hashed, and one is made where none is given.
    """

    NOT_IN_FORM: ClassVar[frozenset[str]] = frozenset(("secretString",))

    period_minutes: OptionalMinutes = Field(
        None, title="Every", description="From one success to the next.", json_schema_extra=MINUTES
    )
    schedule: Annotated[Cron | None, BeforeValidator(_blank)] = Field(
        None,
        title="Cron expression",
        description="Instead of a period: when the job runs, as in its own crontab.",
        json_schema_extra=CODE,
    )
    timezone: Annotated[Zone | None, BeforeValidator(_blank)] = Field(
        None, title="Time zone", description="Whose clocks the cron expression means; UTC if none is given."
    )
    grace_minutes: OptionalMinutes = Field(
        None,
        title="Grace",
        description="Late is DEGRADED; after the grace it is DOWN. A run that has started may take as long.",
        json_schema_extra=MINUTES,
    )
    degradedRemainingMinutes: Minutes = Field(5, title="DEGRADED after", json_schema_extra=MINUTES)
    downRemainingMinutes: Minutes = Field(10, title="DOWN after", json_schema_extra=MINUTES)
    secretString: Annotated[str, Field(min_length=22, max_length=128, pattern=r"^[A-Za-z0-9_\-]+$")] | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.downRemainingMinutes <= self.degradedRemainingMinutes:
            raise ValueError("downRemainingMinutes: must be above the minutes for DEGRADED.")
        if self.schedule is not None and self.period_minutes is not None:
            raise ValueError("schedule: Choose a period or a cron expression, not both.")
        return self

    @classmethod
    def idle(cls, data: Mapping[str, Any]) -> frozenset[str]:
        if data.get("schedule") or data.get("period_minutes"):
            return frozenset(("degradedRemainingMinutes", "downRemainingMinutes"))
        return frozenset()

    @property
    def is_scheduled(self) -> bool:
        """Whether it knows when the next beat is due."""
        return self.schedule is not None or self.period_minutes is not None

    @property
    def grace_s(self) -> int:
        """How long after it is due a beat may come."""
        if not self.is_scheduled:
            return 60 * (self.downRemainingMinutes - self.degradedRemainingMinutes)
        return 60 * (self.grace_minutes or DEFAULT_GRACE_MINUTES)

    @property
    def leeway_s(self) -> int:
        """How much later than due is not late yet."""
        return min(LEEWAY_S, self.grace_s // 2) if self.is_scheduled else 0

    @property
    def run_limit_s(self) -> int:
        """How long a run that has started may take."""
        if self.is_scheduled or self.grace_minutes is None:
            return self.grace_s if self.is_scheduled else 60 * self.downRemainingMinutes
        return 60 * self.grace_minutes

    def due_after(self, beat_at: int) -> int:
        """When the next beat is due after one of this moment, in seconds since 1970."""
        if self.schedule is not None:
            after = datetime.fromtimestamp(beat_at, UTC) + timedelta(seconds=EARLY_S)
            return int(next(CronSim(self.schedule, after.astimezone(ZoneInfo(self.timezone or "UTC")))).timestamp())
        return beat_at + 60 * (self.period_minutes or self.degradedRemainingMinutes)
