"""Maintenance as operators see it: the list, one maintenance, its occurrences."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import recurrence
from kener.domain.recurrence import Series
from kener.domain.status import Status
from kener.domain.windows import NoticeKind, WindowState, kind_of, turn
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceNotice, MaintenanceWindow, Monitor
from kener.queries.paging import Part, like, part

OCCURRENCES = 20
"""How many stand on a page."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One window `[start_at, end_at)`. `state` is that of the clock: the row may be a tick behind. `told`: what subscribers heard."""

    id: int
    maintenance_id: int
    start_at: datetime
    end_at: datetime
    occurrence_at: datetime
    state: WindowState
    version: int
    told: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.state is WindowState.ONGOING

    @property
    def is_planned(self) -> bool:
        return self.state in (WindowState.SCHEDULED, WindowState.READY)

    @property
    def was_moved(self) -> bool:
        return self.start_at != self.occurrence_at

    @property
    def lasting_s(self) -> int:
        return int((self.end_at - self.start_at).total_seconds())

    @property
    def share(self) -> int:
        """Percent of it that is over."""
        total = (self.end_at - self.start_at).total_seconds()
        return max(0, min(100, round(100 * (clock.now() - self.start_at).total_seconds() / total))) if total else 100


@dataclass(frozen=True, slots=True)
class Concerned:
    """A monitor that a maintenance concerns, and what is shown for it meanwhile."""

    tag: str
    name: str
    impact: Status
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class MaintenanceLine:
    """A maintenance in the list, with the occurrence that matters: the one that runs, else the next, else the last."""

    id: int
    title: str
    description: str
    is_active: bool
    is_global: bool
    is_private: bool
    sentence: str
    rrule: str | None
    start_at: datetime
    duration_s: int
    timezone: str
    exdates: tuple[datetime, ...]
    reminders: tuple[int, ...]
    notices: tuple[str, ...]
    created_by: str | None
    monitors: tuple[Concerned, ...]
    current: Occurrence | None
    version: int

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.timezone)

    @property
    def is_series(self) -> bool:
        return self.rrule is not None


SHOWN = {
    "running": "In progress",
    "planned": "Planned",
    "finished": "Finished",
    "series": "Recurring",
    "inactive": "Inactive",
}


def maintenances(session: Session, *, q: str = "", show: str = "", page: int = 1) -> Part[MaintenanceLine]:
    """What runs first, then by what comes next, then what was last: four statements a page."""
    now = clock.now()
    window = MaintenanceWindow
    own = and_(window.maintenance_id == Maintenance.id, window.state != WindowState.CANCELLED)
    following = select(func.min(window.start_at)).where(own, window.end_at > now).scalar_subquery()
    last = select(func.max(window.start_at)).where(own, window.end_at <= now).scalar_subquery()
    query: Any = select(Maintenance, following, last)
    if q:
        query = query.where(Maintenance.title.ilike(like(q), escape="\\"))
    query = _only(query, show, following, now)
    query = query.order_by(following.is_(None), following, last.desc(), Maintenance.id.desc())
    found = part(session, query, page=page, row=tuple, whole=True)
    at = {one.id: after or before for one, after, before in found.rows}
    concerned = concerned_by(session, at)
    current = _current(session, at, now)
    lines = tuple(_line(one, concerned[one.id], current.get(one.id)) for one, _, _ in found.rows)
    return Part(lines, found.page, found.total, found.size)


def _only(query: Any, show: str, following: Any, now: datetime) -> Any:
    match show:
        case "running":
            return query.where(following <= now)
        case "planned":
            return query.where(following > now)
        case "finished":
            return query.where(following.is_(None), Maintenance.is_active.is_(True))
        case "series":
            return query.where(Maintenance.rrule.is_not(None))
        case "inactive":
            return query.where(Maintenance.is_active.is_(False))
    return query


def _current(session: Session, at: dict[int, datetime | None], now: datetime) -> dict[int, Occurrence]:
    moments = [moment for moment in at.values() if moment]
    query = select(MaintenanceWindow).where(
        MaintenanceWindow.maintenance_id.in_(at),
        MaintenanceWindow.start_at.in_(moments),
        MaintenanceWindow.state != WindowState.CANCELLED,
    )
    found = session.scalars(query) if moments else ()
    return {one.maintenance_id: occurrence_of(one, now) for one in found if one.start_at == at[one.maintenance_id]}


def maintenance(session: Session, maintenance_id: int) -> MaintenanceLine | None:
    """One maintenance with the occurrence that matters, or None."""
    found = session.get(Maintenance, maintenance_id, populate_existing=True)
    if found is None:
        return None
    now = clock.now()
    own = select(MaintenanceWindow).where(MaintenanceWindow.maintenance_id == maintenance_id)
    own = own.where(MaintenanceWindow.state != WindowState.CANCELLED)
    following = own.where(MaintenanceWindow.end_at > now).order_by(MaintenanceWindow.start_at)
    current = session.scalars(following.limit(1)).first()
    if current is None:
        current = session.scalars(own.order_by(MaintenanceWindow.start_at.desc()).limit(1)).first()
    concerned = concerned_by(session, [maintenance_id])[maintenance_id]
    return _line(found, concerned, occurrence_of(current, now) if current else None)


def occurrences(session: Session, maintenance_id: int, *, past: bool = False, page: int = 1) -> Part[Occurrence]:
    """Those that run or are to come, the next one first; or those that are over, the last one first."""
    now = clock.now()
    over = or_(
        MaintenanceWindow.end_at <= now, MaintenanceWindow.state.in_((WindowState.COMPLETED, WindowState.CANCELLED))
    )
    query = select(MaintenanceWindow).where(MaintenanceWindow.maintenance_id == maintenance_id)
    query = query.where(over if past else ~over)
    order = MaintenanceWindow.start_at.desc() if past else MaintenanceWindow.start_at
    found = part(session, query.order_by(order, MaintenanceWindow.id), page=page, row=lambda row: row, size=OCCURRENCES)
    told = _told(session, [one.id for one in found.rows])
    rows = tuple(occurrence_of(one, now, told=told[one.id]) for one in found.rows)
    return Part(rows, found.page, found.total, found.size)


def number_of_occurrences(session: Session, maintenance_id: int) -> int:
    """How many there are, for the question before all of them go."""
    own = MaintenanceWindow.maintenance_id == maintenance_id
    return session.scalar(select(func.count()).select_from(MaintenanceWindow).where(own)) or 0


def occurrence(session: Session, maintenance_id: int, window_id: int) -> Occurrence | None:
    """One occurrence of this maintenance, or None."""
    found = session.get(MaintenanceWindow, window_id, populate_existing=True)
    if found is None or found.maintenance_id != maintenance_id:
        return None
    return occurrence_of(found, clock.now(), told=_told(session, [window_id])[window_id])


def _told(session: Session, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    told: dict[int, tuple[str, ...]] = defaultdict(tuple)
    query = select(MaintenanceNotice.window_id, MaintenanceNotice.notice_key, MaintenanceNotice.at)
    query = query.where(MaintenanceNotice.window_id.in_(sorted(ids))).order_by(MaintenanceNotice.id)
    for window_id, key, _ in session.execute(query):
        told[window_id] += (said(key),)
    return told


def said(key: str) -> str:
    """A notice in a word: `reminder 1 day before`, `started`."""
    kind, _, number = key.partition("-")
    if kind == NoticeKind.REMINDER and number.isdigit():
        return f"reminder {reminder_words(int(number))}"
    return kind_of(key).value if kind in set(NoticeKind) else key


def reminder_words(minutes: int) -> str:
    """`1 day before`, `90 minutes before`."""
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            number = minutes // size
            return f"{number} {word}{'' if number == 1 else 's'} before"
    raise AssertionError


def concerned_by(session: Session, ids: Iterable[int]) -> dict[int, tuple[Concerned, ...]]:
    """The monitors that each maintenance concerns, by name: one statement."""
    query = (
        select(
            MaintenanceMonitor.maintenance_id, Monitor.tag, Monitor.name, MaintenanceMonitor.impact, Monitor.is_hidden
        )
        .join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
        .where(MaintenanceMonitor.maintenance_id.in_(sorted(ids)), Monitor.deleted_at.is_(None))
        .order_by(func.lower(Monitor.name), Monitor.id)
    )
    found: dict[int, tuple[Concerned, ...]] = defaultdict(tuple)
    for maintenance_id, tag, name, impact, is_hidden in session.execute(query):
        found[maintenance_id] += (Concerned(tag, name, impact, is_hidden),)
    return found


def occurrence_of(row: MaintenanceWindow, now: datetime, *, told: tuple[str, ...] = ()) -> Occurrence:
    """A window as the clock sees it."""
    state = row.state if isinstance(row.state, WindowState) else WindowState.SCHEDULED
    if not state.is_over and not (state is WindowState.READY and now < row.start_at):
        state = turn(state, row.start_at, row.end_at, now=now).state
    return Occurrence(row.id, row.maintenance_id, row.start_at, row.end_at, row.occurrence_at, state, row.version, told)


def zone_of(name: str) -> ZoneInfo:
    """A zone by its stored name; UTC where that was damaged from outside."""
    return ZoneInfo(name if recurrence.is_zone(name) else "UTC")


def sentence_of(found: Maintenance) -> str:
    """When it happens, in words."""
    start, length = found.start_at or found.created_at, timedelta(seconds=found.duration_s or 0)
    try:
        rule = recurrence.parse(found.rrule) if found.rrule else None
    except recurrence.NoRule:
        return f"By the rule {found.rrule}, which cannot be followed"
    return recurrence.sentence(Series(start, rule, zone_of(found.timezone)), length)


def _line(found: Maintenance, monitors: tuple[Concerned, ...], current: Occurrence | None) -> MaintenanceLine:
    return MaintenanceLine(
        id=found.id,
        title=found.title,
        description=found.description,
        is_active=found.is_active,
        is_global=found.is_global,
        is_private=found.is_private,
        sentence=sentence_of(found),
        rrule=found.rrule,
        start_at=found.start_at or found.created_at,
        duration_s=found.duration_s or 0,
        timezone=found.timezone,
        exdates=tuple(sorted(recurrence.instants(found.exdates))),
        reminders=tuple(one for one in _list(found.reminders) if isinstance(one, int)),
        notices=tuple(one for one in _list(found.notices) if isinstance(one, str)),
        created_by=found.created_by,
        monitors=monitors,
        current=current,
        version=found.version,
    )


def _list(stored: Any) -> list[Any]:
    """What a JSON column should hold; a row that was damaged from outside must not take the others down."""
    return stored if isinstance(stored, list) else []
