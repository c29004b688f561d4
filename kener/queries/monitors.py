"""Monitors as operators see them: the list, one of them, its recent samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session, selectinload

from kener import clock
from kener.domain import display
from kener.domain.alerting import GAP_INTERVALS, Rule
from kener.domain.specs import MonitorType
from kener.domain.status import Status, from_code
from kener.models import (
    Alert,
    AlertConfiguration,
    Monitor,
    MonitorLabel,
    MonitorState,
    Sample,
    SampleNote,
    configuration_monitor,
)
from kener.queries.paging import Part, like, part

KEPT = timedelta(days=7)
"""How long a deleted monitor can be had back."""

PAUSED = "PAUSED"
SORTS = ("name", "status", "latency", "checked")


@dataclass(frozen=True, slots=True)
class MonitorLine:
    """A line of the list. `status` is what was seen last, NO_DATA when that is too old to say anything."""

    id: int
    tag: str
    name: str
    section: str
    monitor_type: MonitorType
    is_active: bool
    is_hidden: bool
    status: Status
    latency_ms: int | None
    checked_at: datetime | None
    error: str | None
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The type, as operators read it; one that was damaged from outside as it stands."""
        return self.monitor_type.label if isinstance(self.monitor_type, MonitorType) else str(self.monitor_type)


@dataclass(frozen=True, slots=True)
class Watching:
    """An alert configuration that watches a monitor."""

    id: int
    rule: Rule
    is_active: bool
    active_alert: int | None


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One observation. `source`: check, heartbeat or manual. `raw`: what was seen, where that is not, or not yet, believed."""

    at: datetime
    status: Status
    latency_ms: int | None
    error: str | None
    source: str
    raw: Status | None = None


def monitors(
    session: Session,
    *,
    q: str = "",
    status: str = "",
    kind: str = "",
    label: str = "",
    sort: str = "name",
    page: int = 1,
) -> Part[MonitorLine]:
    """The list: three statements. `status`: a status, or PAUSED."""
    query = _matching(select(Monitor, MonitorState).join(MonitorState), q, status, kind, label)
    query = query.options(selectinload(Monitor.labels)).order_by(*_order(sort))
    return part(session, query, page=page, row=lambda row: _line(*row, labelled=True), whole=True)


def matching_tags(
    session: Session, *, q: str = "", status: str = "", kind: str = "", label: str = "", limit: int
) -> list[str]:
    """The tags of all monitors that a list would show, by name."""
    query = _matching(select(Monitor.tag).join(MonitorState), q, status, kind, label)
    return list(session.scalars(query.order_by(func.lower(Monitor.name), Monitor.id).limit(limit)))


def by_tags(session: Session, tags: Sequence[str]) -> list[MonitorLine]:
    """These monitors, by name; those that are not there are left out."""
    query = select(Monitor, MonitorState).join(MonitorState).where(Monitor.tag.in_(tags))
    return [_line(*row) for row in session.execute(query.order_by(func.lower(Monitor.name), Monitor.id))]


def labels(session: Session) -> list[tuple[str, int]]:
    """Every label with the number of monitors that have it."""
    query = select(MonitorLabel.label, func.count()).join(Monitor, Monitor.id == MonitorLabel.monitor_id)
    grouped = query.group_by(MonitorLabel.label).order_by(MonitorLabel.label)
    return [(label, number) for label, number in session.execute(grouped)]


@dataclass(frozen=True, slots=True)
class DeletedLine:
    """A monitor that can be had back until `until`."""

    tag: str
    name: str
    deleted_at: datetime
    deleted_by: str
    until: datetime


def deleted(session: Session, *, page: int = 1, size: int = 50) -> Part[DeletedLine]:
    """What was deleted, the newest first."""
    query = select(Monitor).where(Monitor.deleted_at.is_not(None)).order_by(Monitor.deleted_at.desc(), Monitor.id)
    return part(session, query.execution_options(deleted=True), page=page, size=size, row=_deleted)


def deleted_one(session: Session, tag: str) -> DeletedLine | None:
    """One that was deleted, or None."""
    query = select(Monitor).where(Monitor.tag == tag, Monitor.deleted_at.is_not(None))
    found = session.scalars(query.execution_options(deleted=True)).one_or_none()
    return _deleted(found) if found else None


def _deleted(found: Monitor) -> DeletedLine:
    at = found.deleted_at or clock.now()
    return DeletedLine(found.tag, found.name, at, found.deleted_by or "", at + KEPT)


def _matching(query: Any, q: str, status: str, kind: str, label: str) -> Any:
    if q:
        pattern = like(q)
        query = query.where(
            or_(
                Monitor.name.ilike(pattern, escape="\\"),
                Monitor.tag.ilike(pattern, escape="\\"),
                Monitor.category_name.ilike(pattern, escape="\\"),
                Monitor.labels.any(MonitorLabel.label.ilike(pattern, escape="\\")),
            )
        )
    if label:
        query = query.where(Monitor.labels.any(MonitorLabel.label == label))
    if kind:
        query = query.where(Monitor.monitor_type == kind)
    if status == PAUSED:
        query = query.where(Monitor.is_active.is_(False))
    elif status:
        query = query.where(Monitor.is_active.is_(True), _seen() == Status(status).code)
    return query


def _seen() -> Any:
    """The code of the status that `_line` shows, for the database: filters and order must agree with what can be read."""
    fresh = MonitorState.at >= clock.epoch() - GAP_INTERVALS * MonitorState.span_s
    told = Monitor.monitor_type == MonitorType.NONE
    defaults = [(told & (Monitor.default_status == status), status.code) for status in Status]
    return case((fresh, MonitorState.status_code), *defaults, else_=Status.NO_DATA.code)


def _order(sort: str) -> tuple[Any, ...]:
    """Worst first for status, most for the figures; names settle the rest."""
    key, down = sort.removeprefix("-"), sort.startswith("-")
    seen = _seen()
    rank = case(
        (Monitor.is_active.is_(False), 0),
        (seen == Status.DOWN.code, 4),
        (seen == Status.DEGRADED.code, 3),
        (seen == Status.NO_DATA.code, 2),
        else_=1,
    )
    column: Any = {
        "status": rank,
        "latency": func.coalesce(MonitorState.latency_ms, -1),
        "checked": func.coalesce(MonitorState.at, 0),
    }.get(key, func.lower(Monitor.name))
    return (column.desc() if down else column.asc(), func.lower(Monitor.name), Monitor.id)


def line(session: Session, tag: str) -> MonitorLine | None:
    """One monitor, or None."""
    row = session.execute(select(Monitor, MonitorState).join(MonitorState).where(Monitor.tag == tag)).one_or_none()
    return _line(*row, labelled=True) if row else None


def _line(monitor: Monitor, state: MonitorState, *, labelled: bool = False) -> MonitorLine:
    default = monitor.default_status if monitor.monitor_type is MonitorType.NONE else Status.NO_DATA
    seen = display.observed(state.status, at=state.at, span_s=state.span_s, now=clock.epoch(), default=default)
    return MonitorLine(
        id=monitor.id,
        tag=monitor.tag,
        name=monitor.name,
        section=monitor.category_name,
        monitor_type=monitor.monitor_type,
        is_active=monitor.is_active,
        is_hidden=monitor.is_hidden,
        status=seen,
        latency_ms=state.latency_ms,
        checked_at=clock.at(state.at) if state.at is not None else None,
        error=state.error,
        labels=tuple(one.label for one in monitor.labels) if labelled else (),
    )


def stored(session: Session, tag: str) -> tuple[Monitor, MonitorState] | None:
    """The rows of one monitor, for its page and its form."""
    row = session.execute(select(Monitor, MonitorState).join(MonitorState).where(Monitor.tag == tag)).one_or_none()
    return (row[0], row[1]) if row else None


def watching(session: Session, monitor_id: int) -> list[Watching]:
    """The alert configurations of a monitor, with the alert that each has active on it."""
    active = select(Alert.id, Alert.config_id).where(Alert.monitor_id == monitor_id, Alert.active_key.is_not(None))
    alerts = {config_id: alert_id for alert_id, config_id in session.execute(active)}
    query = (
        select(AlertConfiguration)
        .join(configuration_monitor, configuration_monitor.c.config_id == AlertConfiguration.id)
        .where(configuration_monitor.c.monitor_id == monitor_id)
        .order_by(AlertConfiguration.id)
    )
    return [Watching(found.id, found.rule, found.is_active, alerts.get(found.id)) for found in session.scalars(query)]


def samples(session: Session, monitor_id: int, *, page: int, status: str = "", size: int = 25) -> Part[SampleLine]:
    """Recent samples, newest first."""
    query: Any = (
        select(Sample.at, Sample.status, Sample.latency_ms, SampleNote.error, SampleNote.source, Sample.raw)
        .outerjoin(SampleNote, (SampleNote.monitor_id == Sample.monitor_id) & (SampleNote.at == Sample.at))
        .where(Sample.monitor_id == monitor_id)
        .order_by(Sample.at.desc())
    )
    if status == "TROUBLE":
        query = query.where(or_(Sample.status != Status.UP.code, Sample.raw.is_not(None)))
    return part(session, query, page=page, size=size, row=_sample, whole=True)


def _sample(row: Any) -> SampleLine:
    raw = None if row[5] is None else from_code(row[5])
    return SampleLine(clock.at(row[0]), from_code(row[1]), row[2], row[3], row[4] or "check", raw)


@dataclass(frozen=True, slots=True)
class Held:
    """A change that is not believed yet: `number` looks of `needed` agree."""

    raw: Status
    number: int
    needed: int
    since: datetime

    @property
    def words(self) -> str:
        return "Recovering" if self.raw is Status.UP else "Failing"


def held(monitor: Monitor, state: MonitorState) -> Held | None:
    """What waits for confirmation, if anything does."""
    if not state.held or state.raw_code is None or state.held_since is None:
        return None
    raw = from_code(state.raw_code)
    needed = monitor.recovery_confirmations if raw is Status.UP else monitor.failure_confirmations
    return Held(raw, state.held, needed, clock.at(state.held_since))


@dataclass(frozen=True, slots=True)
class Losses:
    """What goes with a monitor when it is deleted."""

    samples: int
    configurations: int
    active_alerts: int


def losses(session: Session, monitor_id: int) -> Losses:
    """Counted for the question before a deletion. A configuration goes only when it watches nothing else."""
    link = configuration_monitor.c
    only = (
        select(link.config_id)
        .where(link.config_id.in_(select(link.config_id).where(link.monitor_id == monitor_id)))
        .group_by(link.config_id)
        .having(func.count() == 1)
    )
    count = select(func.count())
    return Losses(
        samples=session.scalar(count.select_from(Sample).where(Sample.monitor_id == monitor_id)) or 0,
        configurations=session.scalar(select(func.count()).select_from(only.subquery())) or 0,
        active_alerts=session.scalar(
            count.select_from(Alert).where(Alert.monitor_id == monitor_id, Alert.active_key.is_not(None))
        )
        or 0,
    )
