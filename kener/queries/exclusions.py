"""Excluded windows of a monitor, newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.exclusions import ExclusionKind
from kener.models import ExcludedWindow


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One excluded window, half-open. `before`: the uptime by span (24h, 7d, 30d, 90d) when it was made."""

    id: int
    start: datetime
    end: datetime
    kind: ExclusionKind
    reason: str
    before: dict[str, float | None]
    by: str
    at: datetime

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())


def exclusions(session: Session, monitor_id: int, *, since: int = 0, limit: int = 200) -> list[Exclusion]:
    """The excluded windows that end after `since`."""
    query = (
        select(ExcludedWindow)
        .where(ExcludedWindow.monitor_id == monitor_id, ExcludedWindow.end_at > since)
        .order_by(ExcludedWindow.start_at.desc())
        .limit(limit)
    )
    return [_exclusion(row) for row in session.scalars(query)]


def _exclusion(row: ExcludedWindow) -> Exclusion:
    known = row.kind in ExclusionKind.__members__
    before = row.uptime_before if isinstance(row.uptime_before, dict) else {}
    return Exclusion(
        id=row.id,
        start=clock.at(row.start_at),
        end=clock.at(row.end_at),
        kind=ExclusionKind(row.kind) if known else ExclusionKind.EXCUSED,
        reason=row.reason,
        before={span: value for span, value in before.items() if value is None or isinstance(value, (int, float))},
        by=row.created_by,
        at=row.created_at,
    )
