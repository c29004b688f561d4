"""What was deleted: had back, or gone for good."""

from collections.abc import Sequence

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from kener import clock, jobs, live
from kener.db import reading, transaction
from kener.domain.specs import MonitorType
from kener.models import (
    AffectedMonitor,
    AlertConfiguration,
    Incident,
    Maintenance,
    MaintenanceMonitor,
    Monitor,
    configuration_monitor,
)
from kener.queries.monitors import KEPT
from kener.services import audit, drills, groups, recording, scheduling
from kener.services.audit import SYSTEM, Actor
from kener.services.errors import NotFound
from kener.services.monitors import watches_anything


def restore(tag: str, *, actor: Actor) -> None:
    """Have a deleted monitor back as it was, with its samples; what lies between was not measured. Raises NotFound."""
    with transaction() as session:
        monitor = _deleted(session, tag)
        monitor.deleted_at = monitor.deleted_by = None
        monitor.version += 1
        session.flush()
        groups.rejoin(session, monitor)
        states = recording.lock_with_groups(session, monitor.id, is_group=monitor.monitor_type is MonitorType.GROUP)
        effects = recording.regroup(session, states, at=clock.epoch())
        scheduling.plan(session, monitor, soon=True)
        audit.note(session, actor, "restore", f"monitor-{monitor.id}", monitor.name)
    jobs.enqueue_deliveries(effects.delivery_ids)
    live.publish()


def purge(tag: str, *, actor: Actor) -> None:
    """Delete a deleted monitor for good, with its samples, and configurations that watch nothing else. Raises NotFound."""
    with transaction() as session:
        monitor = _deleted(session, tag)
        recording.lock(session, [monitor.id])
        monitor_id, name = monitor.id, monitor.name
        watching = select(configuration_monitor.c.config_id).where(configuration_monitor.c.monitor_id == monitor_id)
        configuration_ids = list(session.scalars(watching))
        if monitor.is_hidden:
            _keep_hidden(session, monitor_id)
        session.expunge(monitor)
        session.execute(delete(Monitor).where(Monitor.id == monitor_id))
        deliveries = _drop_idle(session, configuration_ids)
        audit.note(session, actor, "purge", f"monitor-{monitor_id}", name)
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def empty() -> int:
    """Purge what was deleted more than seven days ago. Returns how many monitors went."""
    old = select(Monitor.tag).where(Monitor.deleted_at < clock.now() - KEPT).execution_options(deleted=True)
    tags = reading().scalars(old).all()
    for tag in tags:
        purge(tag, actor=SYSTEM)
    return len(tags)


def _keep_hidden(session: Session, monitor_id: int) -> None:
    """What only a hidden monitor kept from visitors stays from them: its name in public incidents, and maintenance of it alone."""
    public = select(Incident.id).where(Incident.is_private.is_(False))
    named = AffectedMonitor.monitor_id == monitor_id
    session.execute(delete(AffectedMonitor).where(named, AffectedMonitor.incident_id.in_(public)))
    other = aliased(MaintenanceMonitor)
    alone = ~exists().where(other.maintenance_id == MaintenanceMonitor.maintenance_id, other.monitor_id != monitor_id)
    mine = select(MaintenanceMonitor.maintenance_id).where(MaintenanceMonitor.monitor_id == monitor_id, alone)
    ids = session.scalars(mine).all()
    session.execute(update(Maintenance).where(Maintenance.id.in_(ids)).values(is_private=True))


def _drop_idle(session: Session, configuration_ids: Sequence[int]) -> list[int]:
    """Delete configurations that watch nothing any more; returns deliveries to send."""
    deliveries: list[int] = []
    for configuration_id in configuration_ids:
        if not watches_anything(session, configuration_id, deleted=True):
            reason = "The monitor was deleted."
            deliveries += drills.end_of(session, configuration_id, at=clock.now(), reason=reason)
            session.execute(delete(AlertConfiguration).where(AlertConfiguration.id == configuration_id))
    return deliveries


def _deleted(session: Session, tag: str) -> Monitor:
    query = select(Monitor).where(Monitor.tag == tag, Monitor.deleted_at.is_not(None))
    monitor = session.scalars(query.execution_options(deleted=True)).one_or_none()
    if monitor is None:
        raise NotFound
    return monitor
