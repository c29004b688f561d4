"""Incidents as operators see them: the list, one of them, what its form offers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from kener.domain.alerting import AlertStatus
from kener.domain.incidents import IncidentState, Source, reopenings
from kener.domain.status import Status
from kener.models import Alert, Incident, IncidentUpdate, Monitor
from kener.queries.paging import Part, like, part


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """A line of the list."""

    id: int
    title: str
    state: IncidentState
    source: Source
    start_at: datetime
    end_at: datetime | None
    is_private: bool
    affected: tuple[str, ...]
    impact: Status | None
    updates: int


@dataclass(frozen=True, slots=True)
class Update:
    """One entry of the timeline. `author` is None for an automatic one."""

    id: int
    state: IncidentState
    text: str
    at: datetime
    is_automatic: bool
    author: str | None
    merged_from_id: int | None
    reopens: bool


@dataclass(frozen=True, slots=True)
class Affected:
    """A monitor that an incident affects; `is_there` while the monitor exists."""

    tag: str
    name: str
    impact: Status
    is_there: bool


@dataclass(frozen=True, slots=True)
class PostMortem:
    """What was learned, who wrote it first and when."""

    text: str
    at: datetime
    author: str | None


@dataclass(frozen=True, slots=True)
class Merged:
    """An incident that was merged into this one."""

    id: int
    title: str
    post_mortem: PostMortem | None


@dataclass(frozen=True, slots=True)
class LinkedAlert:
    """The alert that opened an incident."""

    id: int
    config_id: int | None
    status: AlertStatus
    triggered_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """One incident with everything on its page, the newest update first."""

    id: int
    title: str
    state: IncidentState
    source: Source
    start_at: datetime
    end_at: datetime | None
    is_private: bool
    version: int
    created_by: str | None
    updates: tuple[Update, ...]
    affected: tuple[Affected, ...]
    alerts: tuple[LinkedAlert, ...]
    post_mortem: PostMortem | None
    merged: tuple[Merged, ...]

    @property
    def is_open(self) -> bool:
        return self.end_at is None

    @property
    def active_alert(self) -> LinkedAlert | None:
        """The alert that is TRIGGERED now."""
        return next((alert for alert in self.alerts if alert.status is AlertStatus.TRIGGERED), None)


def incidents(session: Session, *, q: str = "", state: str = "", source: str = "", page: int = 1) -> Part[IncidentLine]:
    """The list, open ones first, then the newest. `state`: OPEN, or one of the states."""
    query = select(Incident).options(selectinload(Incident.affected)).where(Incident.merged_into_id.is_(None))
    if q:
        query = query.where(Incident.title.ilike(like(q), escape="\\"))
    if state == "OPEN":
        query = query.where(Incident.status == "OPEN")
    elif state:
        query = query.where(Incident.state == state)
    if source:
        query = query.where(Incident.source == source)
    query = query.order_by(Incident.status.desc(), Incident.start_at.desc(), Incident.id.desc())
    found = part(session, query, page=page, row=lambda row: row)
    numbers = (
        select(IncidentUpdate.incident_id, func.count())
        .where(IncidentUpdate.incident_id.in_([one.id for one in found.rows]))
        .group_by(IncidentUpdate.incident_id)
    )
    counts = {row[0]: row[1] for row in session.execute(numbers)}
    return Part(tuple(_line(one, counts) for one in found.rows), found.page, found.total, found.size)


def _line(found: Any, counts: dict[int, int]) -> IncidentLine:
    impacts = {affected.impact for affected in found.affected}
    return IncidentLine(
        id=found.id,
        title=found.title,
        state=found.state,
        source=found.source,
        start_at=found.start_at,
        end_at=found.end_at,
        is_private=found.is_private,
        affected=tuple(affected.monitor_name for affected in found.affected),
        impact=Status.DOWN if Status.DOWN in impacts else next(iter(impacts), None),
        updates=counts.get(found.id, 0),
    )


def incident(session: Session, incident_id: int) -> Story | None:
    """One incident: five statements. None where there is none, or where it was merged."""
    found = session.get(
        Incident,
        incident_id,
        options=[selectinload(Incident.updates), selectinload(Incident.affected)],
        populate_existing=True,
    )
    if found is None or found.merged_into_id is not None:
        return None
    merged = select(Incident).where(Incident.merged_into_id == incident_id).order_by(Incident.id)
    alerts = session.scalars(select(Alert).where(Alert.incident_id == incident_id).order_by(Alert.id))
    ordered = sorted(found.updates, key=lambda update: (update.at, update.id))
    reopens = reopenings([(update.merged_from_id, update.state) for update in ordered])
    return Story(
        id=found.id,
        title=found.title,
        state=found.state,
        source=found.source,
        start_at=found.start_at,
        end_at=found.end_at,
        is_private=found.is_private,
        version=found.version,
        created_by=found.created_by,
        updates=tuple(
            Update(u.id, u.state, u.text, u.at, u.is_automatic, u.author, u.merged_from_id, again)
            for u, again in reversed(list(zip(ordered, reopens, strict=True)))
        ),
        affected=tuple(
            Affected(a.monitor_tag, a.monitor_name, a.impact, a.monitor_id is not None) for a in found.affected
        ),
        alerts=tuple(
            LinkedAlert(alert.id, alert.config_id, alert.alert_status, alert.triggered_at, alert.resolved_at)
            for alert in alerts
        ),
        post_mortem=_post_mortem(found),
        merged=tuple(Merged(one.id, one.title, _post_mortem(one)) for one in session.scalars(merged)),
    )


def _post_mortem(found: Incident) -> PostMortem | None:
    if not found.post_mortem:
        return None
    return PostMortem(found.post_mortem, found.post_mortem_at or found.updated_at, found.post_mortem_by)


def merged_into(session: Session, incident_id: int) -> int | None:
    """Where the story of a merged incident goes on."""
    return session.scalar(select(Incident.merged_into_id).where(Incident.id == incident_id))


def mergeable(session: Session, story: Story, *, q: str = "", page: int = 1) -> Part[IncidentLine]:
    """The incidents into which one could be merged, newest first."""
    query = (
        select(Incident)
        .options(selectinload(Incident.affected))
        .where(
            Incident.id != story.id,
            Incident.merged_into_id.is_(None),
            Incident.is_private.is_(story.is_private),
            Incident.is_drill.is_(False),
        )
        .order_by(Incident.start_at.desc(), Incident.id.desc())
    )
    if q:
        by_number = [Incident.id == int(q)] if q.isascii() and q.isdigit() and len(q) < 10 else []
        query = query.where(or_(Incident.title.ilike(like(q), escape="\\"), *by_number))
    return part(session, query, page=page, row=lambda row: _line(row, {}), size=20)


def monitor_options(session: Session) -> list[tuple[str, str]]:
    """Monitors by name, for the form."""
    query = select(Monitor.tag, Monitor.name).order_by(func.lower(Monitor.name))
    return [(tag, name) for tag, name in session.execute(query)]
