"""Maintenance that runs or is planned, as visitors read it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceWindow, Monitor, WindowState

AHEAD_DAYS = 30


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A maintenance window that runs or is planned."""

    id: int
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


def windows_ahead(session: Session, *, staff: bool = False) -> tuple[WindowRow, ...]:
    """Maintenance that runs or begins within 30 days. What concerns nothing but hidden monitors is as hidden as they are."""
    now = clock.now()
    query = (
        select(MaintenanceWindow, Maintenance)
        .join(Maintenance)
        .where(
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > now,
            MaintenanceWindow.start_at < now + timedelta(days=AHEAD_DAYS),
        )
        .order_by(MaintenanceWindow.start_at)
    )
    if not staff:
        query = query.where(Maintenance.is_private.is_(False))
    found = session.execute(query).all()
    concerned = _maintained(session, [maintenance.id for _, maintenance in found])
    windows = []
    for window, maintenance in found:
        monitors = concerned[maintenance.id]
        names = tuple(name for name, is_hidden in monitors if staff or not is_hidden)
        if names or not monitors:
            text = maintenance.title, maintenance.description
            windows.append(WindowRow(window.id, *text, window.start_at, window.end_at, names))
    return tuple(windows)


def _maintained(session: Session, ids: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
    """Name and whether it is hidden, of the monitors that each maintenance concerns."""
    query = (
        select(MaintenanceMonitor.maintenance_id, Monitor.name, Monitor.is_hidden)
        .join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
        .where(MaintenanceMonitor.maintenance_id.in_(ids))
        .order_by(Monitor.name)
    )
    found: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for maintenance_id, name, is_hidden in session.execute(query):
        found[maintenance_id].append((name, is_hidden))
    return found
