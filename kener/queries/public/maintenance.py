"""Maintenance as visitors read it: what runs or is planned, and the page of one maintenance."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceWindow, Monitor, PageMonitor, WindowState
from kener.queries import maintenances as rows

AHEAD_DAYS = 30


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A maintenance window that runs or is planned. `sentence`: when the series happens; None where it happens once."""

    id: int
    maintenance_id: int
    sentence: str | None
    title: str
    description: str
    start_at: datetime
    end_at: datetime
    names: tuple[str, ...]

    @property
    def is_running(self) -> bool:
        return self.start_at <= clock.now() < self.end_at

    @property
    def share(self) -> int:
        """Percent of it that is over."""
        total = (self.end_at - self.start_at).total_seconds()
        return max(0, min(100, round(100 * (clock.now() - self.start_at).total_seconds() / total)))


def windows_ahead(session: Session, *, staff: bool = False, page_id: int | None = None) -> tuple[WindowRow, ...]:
    """Maintenance that runs or begins within 30 days; of a series what runs, and the next one.

    What concerns nothing but hidden monitors is as hidden as they are. Of one page: what concerns a monitor of it, and what is global.
    """
    now = clock.now()
    query = (
        select(MaintenanceWindow, Maintenance)
        .join(Maintenance)
        .where(
            MaintenanceWindow.state != WindowState.CANCELLED,
            Maintenance.is_active.is_(True),
            MaintenanceWindow.end_at > now,
            MaintenanceWindow.start_at < now + timedelta(days=AHEAD_DAYS),
        )
        .order_by(MaintenanceWindow.start_at, MaintenanceWindow.id)
    )
    if not staff:
        query = query.where(Maintenance.is_private.is_(False))
    if page_id is not None:
        of = select(MaintenanceMonitor.maintenance_id)
        mine = of.join(PageMonitor, PageMonitor.monitor_id == MaintenanceMonitor.monitor_id)
        query = query.where(
            or_(Maintenance.is_global.is_(True), Maintenance.id.in_(mine.where(PageMonitor.page_id == page_id)))
        )
    found = _next_of_each(session.execute(query).all(), now)
    concerned = _maintained(session, [maintenance.id for _, maintenance in found])
    windows = []
    for window, maintenance in found:
        monitors = concerned[maintenance.id]
        names = tuple(name for name, is_hidden in monitors if staff or not is_hidden)
        if names or not monitors:
            sentence = rows.sentence_of(maintenance) if maintenance.rrule else None
            text = maintenance.id, sentence, maintenance.title, maintenance.description
            windows.append(WindowRow(window.id, *text, window.start_at, window.end_at, names))
    return tuple(windows)


def _next_of_each(
    found: Iterable[Row[MaintenanceWindow, Maintenance]], now: datetime
) -> list[tuple[MaintenanceWindow, Maintenance]]:
    """A daily series must not fill the page: what runs, and the first that is to come."""
    kept, announced = [], set()
    for window, maintenance in found:
        if window.start_at > now:
            if maintenance.id in announced:
                continue
            announced.add(maintenance.id)
        kept.append((window, maintenance))
    return kept


def _maintained(session: Session, ids: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
    """Name and whether it is hidden, of the monitors that each maintenance concerns. One that was deleted is as good as hidden."""
    query = (
        select(MaintenanceMonitor.maintenance_id, Monitor.name, or_(Monitor.is_hidden, Monitor.deleted_at.is_not(None)))
        .join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
        .where(MaintenanceMonitor.maintenance_id.in_(ids))
        .order_by(Monitor.name)
        .execution_options(deleted=True)
    )
    found: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for maintenance_id, name, is_hidden in session.execute(query):
        found[maintenance_id].append((name, is_hidden))
    return found


PAST, UPCOMING = 5, 10
"""How many occurrences the page of a maintenance shows of either."""


@dataclass(frozen=True, slots=True)
class MaintenancePage:
    """One maintenance. `running`, `upcoming` (the next first) and `past` (the last first) are its occurrences."""

    id: int
    title: str
    description: str
    sentence: str
    is_series: bool
    is_active: bool
    is_private: bool
    zone: ZoneInfo
    running: tuple[rows.Occurrence, ...]
    upcoming: tuple[rows.Occurrence, ...]
    past: tuple[rows.Occurrence, ...]
    has_more: bool
    monitors: tuple[rows.Concerned, ...]

    @property
    def current(self) -> rows.Occurrence | None:
        """The occurrence that matters: the one that runs, else the next, else the last; one that was called off only where it is alone."""
        every = (*self.running, *self.upcoming, *self.past)
        return next((one for one in every if one.state is not WindowState.CANCELLED), next(iter(every), None))


def _concerns_any(session: Session, maintenance_id: int) -> bool:
    """Whether it was planned for certain monitors, be they hidden or deleted since."""
    own = select(MaintenanceMonitor.monitor_id).where(MaintenanceMonitor.maintenance_id == maintenance_id)
    return session.scalar(own.limit(1)) is not None


def page(session: Session, maintenance_id: int, *, staff: bool = False) -> MaintenancePage | None:
    """The page of a maintenance, or None where there is none to be seen: four statements."""
    found = rows.maintenance(session, maintenance_id)
    if found is None:
        return None
    monitors = tuple(one for one in found.monitors if staff or not one.is_hidden)
    if not staff and (found.is_private or not found.is_active or (not monitors and _concerns_any(session, found.id))):
        return None
    now = clock.now()
    own = select(MaintenanceWindow).where(MaintenanceWindow.maintenance_id == maintenance_id)
    # What was called off is news as long as it lies ahead, and nothing afterwards.
    over = or_(MaintenanceWindow.end_at <= now, MaintenanceWindow.state == WindowState.COMPLETED)
    last = own.where(over, MaintenanceWindow.state != WindowState.CANCELLED)
    past = session.scalars(last.order_by(MaintenanceWindow.start_at.desc()).limit(PAST)).all()
    following = own.where(~over).order_by(MaintenanceWindow.start_at, MaintenanceWindow.id).limit(UPCOMING + 2)
    coming = [rows.occurrence_of(one, now) for one in session.scalars(following)]
    upcoming = [one for one in coming if not one.is_running]
    return MaintenancePage(
        id=found.id,
        title=found.title,
        description=found.description,
        sentence=found.sentence,
        is_series=found.is_series,
        is_active=found.is_active,
        is_private=found.is_private,
        zone=found.zone,
        running=tuple(one for one in coming if one.is_running),
        upcoming=tuple(upcoming[:UPCOMING]),
        past=tuple(rows.occurrence_of(one, now) for one in past),
        has_more=len(upcoming) > UPCOMING,
        monitors=monitors,
    )
