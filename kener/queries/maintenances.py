"""Maintenance as operators see it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from kener import clock
from kener.models import Maintenance, MaintenanceWindow, Monitor, WindowState
from kener.queries.paging import Part, part


class Stage(StrEnum):
    """Where a window stands."""

    RUNNING = "In progress"
    PLANNED = "Planned"
    FINISHED = "Finished"
    CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class MaintenanceLine:
    """A maintenance with its one window."""

    id: int
    title: str
    description: str
    start_at: datetime
    end_at: datetime
    stage: Stage
    monitors: tuple[tuple[str, str], ...]
    version: int


def maintenances(session: Session, *, page: int = 1) -> Part[MaintenanceLine]:
    """All of them, the latest window first."""
    query = (
        select(MaintenanceWindow)
        .options(joinedload(MaintenanceWindow.maintenance).selectinload(Maintenance.monitors))
        .order_by(MaintenanceWindow.start_at.desc(), MaintenanceWindow.id.desc())
    )
    found = part(session, query, page=page, row=lambda row: row)
    names = _names(session, {link.monitor_id for window in found.rows for link in window.maintenance.monitors})
    return Part(
        tuple(_line(window.maintenance, window, names) for window in found.rows), found.page, found.total, found.size
    )


def maintenance(session: Session, maintenance_id: int) -> MaintenanceLine | None:
    """One maintenance, or None."""
    found = session.get(
        Maintenance,
        maintenance_id,
        options=[selectinload(Maintenance.windows), selectinload(Maintenance.monitors)],
        populate_existing=True,
    )
    if found is None or not found.windows:
        return None
    return _line(found, found.windows[0], _names(session, {link.monitor_id for link in found.monitors}))


def _names(session: Session, ids: set[int]) -> dict[int, tuple[str, str]]:
    query = select(Monitor.id, Monitor.tag, Monitor.name).where(Monitor.id.in_(sorted(ids))).order_by(Monitor.name)
    return {monitor_id: (tag, name) for monitor_id, tag, name in session.execute(query)}


def _line(found: Maintenance, window: MaintenanceWindow, names: dict[int, tuple[str, str]]) -> MaintenanceLine:
    wanted = {link.monitor_id for link in found.monitors}
    return MaintenanceLine(
        id=found.id,
        title=found.title,
        description=found.description,
        start_at=window.start_at,
        end_at=window.end_at,
        stage=_stage(window),
        monitors=tuple(pair for monitor_id, pair in names.items() if monitor_id in wanted),
        version=found.version,
    )


def _stage(window: MaintenanceWindow) -> Stage:
    now = clock.now()
    if window.state is WindowState.CANCELLED:
        return Stage.CANCELLED
    if now < window.start_at:
        return Stage.PLANNED
    return Stage.RUNNING if now < window.end_at else Stage.FINISHED
