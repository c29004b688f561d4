"""Monitors: create, change, pause, resume, hide, delete."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import transaction
from kener.domain.incidents import Source
from kener.domain.inputs import MonitorInput
from kener.domain.specs import MonitorType
from kener.models import AffectedMonitor, Incident, Monitor, MonitorLabel, MonitorState, configuration_monitor
from kener.services import alerts, audit, dependencies, drills, groups, recording, scheduling, vault
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused
from kener.services.heartbeats import hash_secret
from kener.services.recording import State


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved monitor. `secret` is the heartbeat secret where one was made or set just now: it cannot be read again."""

    id: int
    tag: str
    secret: str | None = None


def create(given: MonitorInput, *, actor: Actor) -> Saved:
    """Add a monitor and check it at once. Raises Refused when the tag is taken."""
    with transaction() as session:
        refuse_taken(session, given.tag)
        monitor = Monitor(
            tag=given.tag,
            monitor_type=given.monitor_type,
            position=(session.scalar(select(func.max(Monitor.position))) or 0) + 1,
            state=MonitorState(),
        )
        secret = _fill(monitor, given, renew=True)
        session.add(monitor)
        session.flush()
        groups.set_members(session, monitor)
        dependencies.set_parents(session, monitor, given.parent_tags)
        scheduling.plan(session, monitor, soon=True)
        audit.note(session, actor, "create", f"monitor-{monitor.id}", monitor.name)
        if monitor.monitor_type is MonitorType.GROUP:
            recording.regroup(session, recording.lock(session, [monitor.id]), at=clock.epoch())
        saved = Saved(monitor.id, monitor.tag, secret)
    live.publish()
    return saved


def refuse_taken(session: Session, tag: str) -> None:
    """Raise Refused when a monitor has this tag, be it a deleted one."""
    holder = select(Monitor.deleted_at).where(Monitor.tag == tag).execution_options(deleted=True)
    found = session.execute(holder).one_or_none()
    if found is None:
        return
    if found[0] is None:
        raise Refused({"tag": f"The tag {tag} is taken. Choose another one."})
    raise Refused(
        {"tag": f"The tag {tag} belongs to a monitor that was deleted. Restore that one, or delete it for good first."}
    )


def update(tag: str, given: MonitorInput, *, actor: Actor, version: int | None = None) -> Saved:
    """Change a monitor; its tag stays. Pausing or hiding it ends its active alerts (O7). Raises NotFound, Refused, Conflict."""
    if given.tag != tag:
        raise Refused({"tag": "The tag of a monitor never changes."})
    with transaction() as session:
        (monitor, states), deliveries = _locked(session, tag), []
        if version is not None and monitor.version != version:
            raise Conflict
        was_active, was_hidden = monitor.is_active, monitor.is_hidden
        was_checked = (monitor.monitor_type, monitor.type_data, monitor.interval_seconds, monitor.cron)
        secret = _fill(monitor, given, renew=False)
        if was_active and not monitor.is_active:
            deliveries = _end_alerts(session, monitor, "The monitor was paused.")
        elif monitor.is_hidden and not was_hidden:
            deliveries = _end_alerts(session, monitor, "The monitor was hidden.")
        session.flush()
        groups.set_members(session, monitor)
        dependencies.set_parents(session, monitor, given.parent_tags)
        if monitor.is_hidden and not was_hidden:
            _hide_incidents(session, monitor)
        is_checked = (monitor.monitor_type, monitor.type_data, monitor.interval_seconds, monitor.cron)
        if is_checked != was_checked or was_active != monitor.is_active:
            scheduling.plan(session, monitor, soon=True)
        audit.note(session, actor, "change", f"monitor-{monitor.id}", monitor.name)
        if was_active != monitor.is_active:
            audit.note(
                session, actor, "resume" if monitor.is_active else "pause", f"monitor-{monitor.id}", monitor.name
            )
        deliveries += recording.regroup(session, states, at=clock.epoch()).delivery_ids
        saved = Saved(monitor.id, monitor.tag, secret)
    jobs.enqueue_deliveries(deliveries)
    live.publish()
    return saved


def pause(tag: str, *, actor: Actor) -> None:
    """Stop checking; active alerts end with a reason (O7). What lies between pausing and resuming is not measured."""
    with transaction() as session:
        monitor, states = _locked(session, tag)
        if not monitor.is_active:
            return
        deliveries = _end_alerts(session, monitor, "The monitor was paused.")
        monitor.is_active, monitor.version = False, monitor.version + 1
        session.flush()
        scheduling.plan(session, monitor, soon=False)
        audit.note(session, actor, "pause", f"monitor-{monitor.id}", monitor.name)
        deliveries += recording.regroup(session, states, at=clock.epoch()).delivery_ids
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def resume(tag: str, *, actor: Actor) -> None:
    """Check again, at once."""
    with transaction() as session:
        monitor, states = _locked(session, tag)
        if monitor.is_active:
            return
        monitor.is_active, monitor.version = True, monitor.version + 1
        session.flush()
        scheduling.plan(session, monitor, soon=True)
        audit.note(session, actor, "resume", f"monitor-{monitor.id}", monitor.name)
        effects = recording.regroup(session, states, at=clock.epoch())
    jobs.enqueue_deliveries(effects.delivery_ids)
    live.publish()


def renew_secret(tag: str, *, actor: Actor) -> Saved:
    """Replace a heartbeat's secret; the old address stops working. Raises NotFound, Refused."""
    with transaction() as session:
        monitor, _ = _locked(session, tag)
        if monitor.monitor_type is not MonitorType.HEARTBEAT:
            raise Refused({"": "Only a heartbeat has a secret address."})
        secret = secrets.token_urlsafe(24)
        monitor.heartbeat_hash = hash_secret(secret)
        audit.note(session, actor, "renew secret", f"monitor-{monitor.id}", monitor.name)
        saved = Saved(monitor.id, tag, secret)
    return saved


def delete(tag: str, *, actor: Actor) -> None:
    """Delete a monitor: it is gone for everybody, and can be had back for seven days (`trash`).

    Its alerts end with a reason (O7); incidents keep its name. Raises NotFound.
    """
    with transaction() as session:
        monitor, states = _locked(session, tag)
        deliveries = _end_alerts(session, monitor, "The monitor was deleted.", outlives=True)
        watching = select(configuration_monitor.c.config_id).where(configuration_monitor.c.monitor_id == monitor.id)
        configuration_ids = list(session.scalars(watching))
        groups.leave(session, monitor)
        monitor.deleted_at, monitor.deleted_by = clock.now(), actor.name
        monitor.version += 1
        session.flush()
        scheduling.plan(session, monitor, soon=False)
        for configuration_id in configuration_ids:
            if not watches_anything(session, configuration_id):
                deliveries += drills.end_of(
                    session, configuration_id, at=clock.now(), reason="The monitor was deleted."
                )
        deliveries += recording.regroup(session, states, at=clock.epoch()).delivery_ids
        audit.note(session, actor, "delete", f"monitor-{monitor.id}", monitor.name)
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def watches_anything(session: Session, configuration_id: int, *, deleted: bool = False) -> bool:
    """Whether a configuration has a monitor left; with `deleted`, one that may come back counts."""
    link = configuration_monitor.c
    query = select(Monitor.id).join(configuration_monitor, link.monitor_id == Monitor.id)
    query = query.where(link.config_id == configuration_id).limit(1).execution_options(deleted=deleted)
    return session.scalar(query) is not None


def _locked(session: Session, tag: str) -> tuple[Monitor, dict[int, State]]:
    """The monitor, its state and those of the groups above it locked: nothing is recorded for them meanwhile. Raises NotFound."""
    monitor = session.scalars(select(Monitor).where(Monitor.tag == tag)).one_or_none()
    if monitor is None:
        raise NotFound
    states = recording.lock_with_groups(session, monitor.id, is_group=monitor.monitor_type is MonitorType.GROUP)
    session.refresh(monitor)
    return monitor, states


def _end_alerts(session: Session, monitor: Monitor, reason: str, *, outlives: bool = False) -> list[int]:
    active = alerts.active_of(session, monitor_id=monitor.id)
    return alerts.end_all(session, active, at=clock.now(), reason=reason, outlives=outlives)


def _hide_incidents(session: Session, monitor: Monitor) -> None:
    """Its automatic incidents are for operators only as well, unless they affect another monitor that visitors see (L7)."""
    of = AffectedMonitor.incident_id
    mine = select(of).where(AffectedMonitor.monitor_id == monitor.id)
    shown = select(of).join(Monitor, Monitor.id == AffectedMonitor.monitor_id).where(Monitor.is_hidden.is_(False))
    query = select(Incident).where(
        Incident.source == Source.ALERT,
        Incident.id.in_(mine),
        Incident.id.not_in(shown),
        Incident.is_private.is_(False),
    )
    for incident in session.scalars(query.execution_options(deleted=True)):
        incident.is_private = True


def _fill(monitor: Monitor, given: MonitorInput, *, renew: bool) -> str | None:
    """Copy the input into the row; returns a heartbeat secret that was set or made."""
    stored = monitor.type_data if monitor.monitor_type is given.monitor_type else None
    values: dict[str, Any] = given.model_dump(exclude={"tag", "status", "type_data", "parent_tags", "labels"})
    for name, value in values.items():
        setattr(monitor, name, value)
    has = {one.label: one for one in monitor.labels}
    monitor.labels = [has.get(label) or MonitorLabel(label=label) for label in given.labels]
    data = dict(given.type_data)
    secret: str | None = data.pop("secretString", None)
    monitor.type_data = vault.close_settings(given.monitor_type, data, stored=stored)
    monitor.is_active = given.status == "ACTIVE"
    monitor.version = (monitor.version or 0) + 1
    if given.monitor_type is MonitorType.HEARTBEAT:
        if secret is None and (renew or monitor.heartbeat_hash is None):
            secret = secrets.token_urlsafe(24)
        if secret is not None:
            monitor.heartbeat_hash = hash_secret(secret)
        return secret
    monitor.heartbeat_hash = None
    return None
