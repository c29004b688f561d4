"""Maintenance: plan, change, finish, cancel. Inside a window nothing triggers (E6)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import transaction
from kener.domain.inputs import MaintenanceInput
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceWindow, Monitor, WindowState
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused


def plan(given: MaintenanceInput, *, actor: Actor) -> int:
    """Plan a maintenance with one window. Raises Refused. Returns its id."""
    with transaction() as session:
        maintenance = Maintenance(created_by=actor.name, title="", description="")
        maintenance.windows = [MaintenanceWindow()]
        _fill(session, maintenance, given)
        session.add(maintenance)
        session.flush()
        audit.note(session, actor, "plan", f"maintenance-{maintenance.id}", maintenance.title)
        maintenance_id = maintenance.id
    live.publish()
    return maintenance_id


def update(maintenance_id: int, given: MaintenanceInput, *, actor: Actor, version: int | None = None) -> None:
    """Change a maintenance. Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        maintenance = _find(session, maintenance_id)
        if version is not None and maintenance.version != version:
            raise Conflict
        _fill(session, maintenance, given)
        maintenance.version += 1
        audit.note(session, actor, "change", f"maintenance-{maintenance_id}", maintenance.title)
    live.publish()


def finish(maintenance_id: int, *, actor: Actor) -> None:
    """End a running window now. Raises NotFound, Refused."""
    now = clock.now()
    with transaction() as session:
        maintenance = _find(session, maintenance_id)
        running = [
            w for w in maintenance.windows if w.state is not WindowState.CANCELLED and w.start_at <= now < w.end_at
        ]
        if not running:
            raise Refused({"": "It is not running, so there is nothing to finish."})
        for window in running:
            window.end_at = now
        audit.note(session, actor, "finish", f"maintenance-{maintenance_id}", maintenance.title)
    live.publish()


def delete(maintenance_id: int, *, actor: Actor) -> None:
    """Delete a maintenance and its windows. Raises NotFound."""
    with transaction() as session:
        maintenance = _find(session, maintenance_id)
        audit.note(session, actor, "delete", f"maintenance-{maintenance_id}", maintenance.title)
        session.delete(maintenance)
    live.publish()


def _find(session: Session, maintenance_id: int) -> Maintenance:
    maintenance = session.get(Maintenance, maintenance_id)
    if maintenance is None:
        raise NotFound
    return maintenance


def _fill(session: Session, maintenance: Maintenance, given: MaintenanceInput) -> None:
    maintenance.title, maintenance.description = given.title, given.description
    maintenance.windows[0].start_at, maintenance.windows[0].end_at = _utc(given.start_at), _utc(given.end_at)
    monitors = _monitors(session, given.monitor_tags)
    maintenance.is_private = bool(monitors) and all(monitor.is_hidden for monitor in monitors)
    kept = {link.monitor_id: link for link in maintenance.monitors}
    maintenance.monitors = [kept.get(monitor.id) or MaintenanceMonitor(monitor_id=monitor.id) for monitor in monitors]


def _monitors(session: Session, tags: Sequence[str]) -> list[Monitor]:
    monitors = list(session.scalars(select(Monitor).where(Monitor.tag.in_(tags))))
    missing = sorted(set(tags) - {monitor.tag for monitor in monitors})
    if missing:
        raise Refused({"monitor_tags": f"There is no monitor {', '.join(missing)}."})
    return monitors


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
