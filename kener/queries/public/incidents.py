"""Incidents as visitors read them, with their timelines."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased, selectinload

from kener import clock
from kener.domain.durations import in_words
from kener.domain.incidents import IncidentState, Source, reopenings
from kener.domain.status import Status
from kener.models import AffectedMonitor, Incident, Monitor, PageMonitor


@dataclass(frozen=True, slots=True)
class AffectedRow:
    """A monitor that an incident affects; `tag` is None where its page cannot be seen."""

    name: str
    tag: str | None
    impact: Status
    monitor_id: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """One entry of a timeline."""

    id: int
    state: IncidentState
    text: str
    at: datetime
    is_automatic: bool
    reopens: bool


@dataclass(frozen=True, slots=True)
class PostMortemRow:
    """What was learned from an incident; `incident_id` is the one it was written for."""

    incident_id: int
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident with its timeline, newest first."""

    id: int
    title: str
    state: IncidentState
    source: Source
    start_at: datetime
    end_at: datetime | None
    is_private: bool
    impact: Status
    affected: tuple[AffectedRow, ...]
    updates: tuple[UpdateRow, ...]
    post_mortems: tuple[PostMortemRow, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.end_at is None

    @property
    def lasting(self) -> str:
        return in_words(((self.end_at or clock.now()) - self.start_at).total_seconds())

    @property
    def told(self) -> tuple[UpdateRow, ...]:
        """The updates that are shown at once: all of up to four, else the newest two and the first."""
        return self.updates if len(self.updates) <= 4 else (*self.updates[:2], self.updates[-1])

    @property
    def folded(self) -> tuple[UpdateRow, ...]:
        """The updates between, which are folded away."""
        return () if len(self.updates) <= 4 else self.updates[2:-1]

    @property
    def closing(self) -> UpdateRow | None:
        """What is quoted of a past incident: the newest words of a person, else the newest update."""
        by_hand = [update for update in self.updates if not update.is_automatic]
        return next(iter(by_hand), self.updates[0] if self.updates else None)


def recent_incidents(
    session: Session, *, since: datetime, staff: bool = False, page_id: int | None = None
) -> list[IncidentRow]:
    """Open incidents, and those that ended after `since`, newest first. Drills are not among them, whoever looks.

    Of one page: those that affect a monitor of it, and those that affect none at all.
    """
    query = select(Incident).where(
        or_(Incident.end_at.is_(None), Incident.end_at >= since), Incident.is_drill.is_(False)
    )
    if page_id is not None:
        of, any_ = AffectedMonitor.incident_id, select(AffectedMonitor.incident_id)
        mine = select(of).join(PageMonitor, PageMonitor.monitor_id == AffectedMonitor.monitor_id)
        query = query.where(or_(Incident.id.in_(mine.where(PageMonitor.page_id == page_id)), Incident.id.not_in(any_)))
    return _incidents(session, query, staff=staff)


def incidents_of(session: Session, monitor_id: int, *, staff: bool = False, limit: int = 20) -> list[IncidentRow]:
    """The newest incidents that affected a monitor."""
    mine = select(AffectedMonitor.incident_id).where(AffectedMonitor.monitor_id == monitor_id)
    query = select(Incident).where(Incident.id.in_(mine), Incident.is_drill.is_(False))
    return _incidents(session, query.limit(limit), staff=staff)


def incident(session: Session, incident_id: int, *, staff: bool = False) -> IncidentRow | None:
    """One incident, or None where there is none to be seen."""
    found = _incidents(session, select(Incident).where(Incident.id == incident_id), staff=staff)
    if not found:
        return None
    learned = select(Incident).where(
        or_(Incident.id == incident_id, Incident.merged_into_id == incident_id), Incident.post_mortem_at.is_not(None)
    )
    return replace(found[0], post_mortems=post_mortems(session.scalars(learned.order_by(Incident.id))))


def merged_into(session: Session, incident_id: int, *, staff: bool = False) -> int | None:
    """Where the story of a merged incident goes on, as far as that can be seen (X4)."""
    origin = aliased(Incident)
    query = select(Incident.id).join(origin, origin.merged_into_id == Incident.id).where(origin.id == incident_id)
    if not staff:
        query = query.where(Incident.is_private.is_(False))
    return session.scalar(query)


def _incidents(session: Session, query: Any, *, staff: bool) -> list[IncidentRow]:
    query = query.where(Incident.merged_into_id.is_(None))
    if not staff:
        query = query.where(Incident.is_private.is_(False))
    query = query.order_by(Incident.start_at.desc(), Incident.id.desc())
    query = query.options(selectinload(Incident.updates), selectinload(Incident.affected))
    found = list(session.scalars(query))
    ids = {affected.monitor_id for one in found for affected in one.affected if affected.monitor_id}
    known = select(Monitor.id, Monitor.is_active, Monitor.is_hidden, Monitor.deleted_at).where(Monitor.id.in_(ids))
    # A hidden monitor that was deleted stays hidden where it was affected.
    monitors = session.execute(known.execution_options(deleted=True)).all() if ids else []
    hidden = set() if staff else {row.id for row in monitors if row.is_hidden}
    return [
        _incident(one, hidden, {row.id for row in monitors if row.is_active and not row.deleted_at}) for one in found
    ]


def _incident(found: Incident, hidden: set[int], active: set[int]) -> IncidentRow:
    """`hidden` monitors are left out; only those of `active` ones are pages to go to."""
    affected = [one for one in found.affected if one.monitor_id not in hidden]
    updates = sorted(found.updates, key=lambda update: (update.at, update.id))
    reopens = reopenings([(update.merged_from_id, update.state) for update in updates])
    return IncidentRow(
        id=found.id,
        title=found.title,
        state=found.state,
        source=found.source,
        start_at=found.start_at,
        end_at=found.end_at,
        is_private=found.is_private,
        impact=Status.DOWN if any(one.impact is Status.DOWN for one in found.affected) else Status.DEGRADED,
        affected=tuple(
            AffectedRow(
                one.monitor_name, one.monitor_tag if one.monitor_id in active else None, one.impact, one.monitor_id
            )
            for one in affected
        ),
        updates=tuple(
            UpdateRow(update.id, update.state, update.text, update.at, update.is_automatic, again)
            for update, again in reversed(list(zip(updates, reopens, strict=True)))
        ),
    )


def post_mortems(written_for: Iterable[Incident]) -> tuple[PostMortemRow, ...]:
    return tuple(
        PostMortemRow(one.id, one.post_mortem, one.post_mortem_at)
        for one in written_for
        if one.post_mortem and one.post_mortem_at
    )
