"""What the API shows of maintenance and its occurrences, which it calls events, as the original does. A few statements each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.db import reading
from kener.domain import recurrence
from kener.domain.recurrence import ONCE
from kener.domain.status import Status
from kener.domain.windows import WindowState
from kener.models import Maintenance as Row
from kener.models import MaintenanceMonitor, MaintenanceWindow, Monitor
from kener.queries.api import Exact, Page, Seconds, Version, YesNo
from kener.queries.maintenances import Concerned, concerned_by, occurrence_of, sentence_of


@dataclass(frozen=True, slots=True)
class Maintained:
    """A monitor that a maintenance concerns, and what is shown for it meanwhile."""

    monitor_tag: str
    monitor_name: str
    impact: Status


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work: when it happens, and what it concerns."""

    id: int
    title: str
    description: str
    start_date_time: Annotated[int, Field(description="When it begins, the first time. Seconds since 1970, UTC.")]
    rrule: Annotated[
        str, Field(description=f"RFC 5545, counted by the clocks of the time zone; {ONCE} of one that happens once.")
    ]
    duration_seconds: int
    timezone: str
    exdates: Annotated[list[int], Field(description="Starts that are left out. Seconds since 1970, UTC.")]
    schedule: Annotated[str, Field(description="When it happens, in words.")]
    status: Annotated[
        Literal["ACTIVE", "INACTIVE"], Field(description="INACTIVE: hidden, and nothing of it is to come.")
    ]
    is_global: Annotated[YesNo, Field(description="NO: it stands only where one of its monitors does.")]
    is_private: Annotated[YesNo, Field(description="YES: it concerns hidden monitors only, so visitors do not see it.")]
    monitors: list[Maintained]
    reminders: Annotated[list[int], Field(description="Minutes before the start.")]
    notices: Annotated[list[str], Field(description="What subscribers are told.")]
    url: str
    created_at: datetime
    updated_at: datetime
    version: Version = 0
    start_at: Exact = None


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence of a maintenance: from its start up to its end, which no longer belongs to it."""

    id: int
    maintenance_id: int
    title: str
    start_date_time: Seconds
    end_date_time: Seconds
    occurrence_date_time: Annotated[
        int, Field(description="When the series planned it, wherever it was moved. Seconds since 1970.")
    ]
    status: WindowState
    monitors: list[Maintained]
    url: str
    start_at: Exact = None


def maintenances(
    *, status: str | None, monitor_tag: str | None, page: int, limit: int, origin: str
) -> Page[Maintenance]:
    """Maintenance, newest first: three statements."""
    query = select(Row).order_by(Row.id.desc())
    if status is not None:
        query = query.where(Row.is_active.is_(status == "ACTIVE"))
    if monitor_tag is not None:
        query = query.where(Row.id.in_(_of_monitors([monitor_tag])))
    session = reading()
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    found = session.scalars(query.limit(limit).offset((page - 1) * limit)).all()
    concerned = concerned_by(session, [row.id for row in found])
    return Page([_maintenance(row, concerned[row.id], origin) for row in found], page, limit, total)


def maintenance(maintenance_id: int, *, origin: str) -> Maintenance | None:
    """One maintenance. `origin`: the address of the site, without a slash at its end."""
    session = reading()
    row = session.get(Row, maintenance_id)
    return _maintenance(row, concerned_by(session, [row.id])[row.id], origin) if row else None


def events(
    *,
    maintenance_id: int | None = None,
    monitor_tags: Collection[str] = (),
    status: WindowState | None = None,
    since: datetime | None = None,
    page: int,
    limit: int,
    origin: str,
) -> Page[Event]:
    """Occurrences that end after `since`, by their start: three statements."""
    query = select(MaintenanceWindow, Row.title).join(Row, Row.id == MaintenanceWindow.maintenance_id)
    if maintenance_id is not None:
        query = query.where(Row.id == maintenance_id)
    if monitor_tags:
        query = query.where(Row.id.in_(_of_monitors(monitor_tags)))
    if since is not None:
        query = query.where(MaintenanceWindow.end_at > since)
    now = clock.now()
    if status is not None:
        query = query.where(_stands(status, now))
    session = reading()
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    query = query.order_by(MaintenanceWindow.start_at, MaintenanceWindow.id)
    found = session.execute(query.limit(limit).offset((page - 1) * limit)).all()
    return Page(_events(session, found, now, origin), page, limit, total)


def event(maintenance_id: int, event_id: int, *, origin: str) -> Event | None:
    """One occurrence of this maintenance."""
    session = reading()
    query = select(MaintenanceWindow, Row.title).join(Row, Row.id == MaintenanceWindow.maintenance_id)
    found = session.execute(query.where(MaintenanceWindow.id == event_id, Row.id == maintenance_id)).all()
    return next(iter(_events(session, found, clock.now(), origin)), None)


def _stands(status: WindowState, now: datetime) -> ColumnElement[bool]:
    """Where an occurrence stands by the clock: the row may be a tick behind."""
    window = MaintenanceWindow
    is_open = window.state.not_in((WindowState.COMPLETED, WindowState.CANCELLED))
    match status:
        case WindowState.ONGOING:
            return and_(is_open, window.start_at <= now, window.end_at > now)
        case WindowState.COMPLETED:
            return or_(window.state == status, and_(is_open, window.end_at <= now))
        case WindowState.CANCELLED:
            return window.state == status
    return and_(window.state == status, window.start_at > now)


def _of_monitors(tags: Collection[str]) -> Any:
    query = select(MaintenanceMonitor.maintenance_id).join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
    return query.where(Monitor.tag.in_(sorted(tags)))


def _events(session: Session, found: Any, now: datetime, origin: str) -> list[Event]:
    concerned = concerned_by(session, {window.maintenance_id for window, _ in found})
    return [
        Event(
            id=window.id,
            maintenance_id=window.maintenance_id,
            title=title,
            start_date_time=_seconds(window.start_at),
            end_date_time=_seconds(window.end_at),
            occurrence_date_time=_seconds(window.occurrence_at),
            status=occurrence_of(window, now).state,
            monitors=_maintained(concerned[window.maintenance_id]),
            url=f"{origin}/maintenances/{window.maintenance_id}",
            start_at=window.start_at,
        )
        for window, title in found
    ]


def _maintenance(row: Row, concerned: tuple[Concerned, ...], origin: str) -> Maintenance:
    start = row.start_at or row.created_at
    return Maintenance(
        id=row.id,
        title=row.title,
        description=row.description,
        start_date_time=_seconds(start),
        rrule=row.rrule or ONCE,
        duration_seconds=row.duration_s or 0,
        timezone=row.timezone,
        exdates=sorted(_seconds(at) for at in recurrence.instants(row.exdates)),
        schedule=sentence_of(row),
        status="ACTIVE" if row.is_active else "INACTIVE",
        is_global=_yes_no(row.is_global),
        is_private=_yes_no(row.is_private),
        monitors=_maintained(concerned),
        reminders=[one for one in _list(row.reminders) if isinstance(one, int)],
        notices=[one for one in _list(row.notices) if isinstance(one, str)],
        url=f"{origin}/maintenances/{row.id}",
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        start_at=start,
    )


def _maintained(concerned: tuple[Concerned, ...]) -> list[Maintained]:
    return [Maintained(one.tag, one.name, one.impact) for one in concerned]


def _list(stored: Any) -> list[Any]:
    return stored if isinstance(stored, list) else []


def _yes_no(flag: bool) -> YesNo:
    return "YES" if flag else "NO"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
