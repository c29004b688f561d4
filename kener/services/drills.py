"""Fire drills: a marked test outage through the complete path, in three steps, each a transaction of its own.

1. `start` writes the row and asks for a worker.
2. A worker lets the real rule decide an outage that never was, and opens the alert, its private incident and its deliveries by the
   functions of a real one. No sample is written.
3. When every channel has answered, or after a minute, a worker resolves it all likewise.

A step may be taken twice and at once: the row is locked and says how far the drill is. What a crash leaves behind, `sweep` finishes. Locks
are taken in this order: configuration, drill, incident.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from kener import clock, jobs
from kener.db import again, reading, transaction
from kener.domain import alerting
from kener.domain.alerting import AlertStatus, Outcome, Rule, rule_from_facts
from kener.domain.drills import outage, recovery, rehearse
from kener.models import Alert, AlertConfiguration, Delivery, DeliveryState, Drill, Monitor
from kener.services import alerts, audit
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=60)
"""How long a drill waits for its channels before it resolves."""

EXPIRES = timedelta(minutes=5)
"""A drill that no worker took up within this time is given up: nobody wants to be woken by it hours later."""

LOST_AFTER = timedelta(seconds=5)
_SETTLED = (DeliveryState.SENT, DeliveryState.FAILED)


def start(config_id: int, monitor_tag: str | None = None, *, actor: Actor) -> int:
    """Ask for a drill, on the first monitor unless one is named. Raises NotFound, Refused. Returns its id."""
    with transaction() as session:
        configuration = _configuration(session, config_id)
        if configuration is None:
            raise NotFound
        if (reason := obstacle(session, configuration)) is not None:
            raise Refused({"": reason})
        monitor = _monitor(configuration, monitor_tag)
        drill = Drill(config_id=config_id, monitor_tag=monitor.tag, requested_by=actor.name)
        session.add(drill)
        session.flush()
        audit.note(session, actor, "start fire drill", f"alert-configuration-{config_id}", monitor.tag)
        drill_id = drill.id
    jobs.enqueue_drill(drill_id)
    return drill_id


def obstacle(session: Session, configuration: AlertConfiguration) -> str | None:
    """Why no drill can start now, or None. What would not fire for real must not look as if it did."""
    if (problem := alerting.flaw(configuration.rule)) is not None:
        return f"This rule cannot be used: {problem}"
    if not configuration.is_active:
        return "The alert configuration is inactive: a real outage would go unnoticed. Activate it first."
    if not any(monitor.is_active for monitor in configuration.monitors):
        return "Its monitors are paused: a real outage would go unnoticed. Resume one first."
    query = select(Drill).where(Drill.config_id == configuration.id, Drill.resolved_at.is_(None))
    if any(drill.is_running and not _is_expired(drill) for drill in session.scalars(query)):
        return "A fire drill of this alert configuration is running. Wait until it is over."
    return None


def run(drill_id: int) -> None:
    """Take every step of a drill that is due. Safe to run twice and at once."""
    again(partial(_take_up, drill_id))
    for step in (_open, _resolve):
        jobs.enqueue_deliveries(again(partial(step, drill_id)))


def heed(delivery_id: int) -> None:
    """After an attempt at a delivery: if it belongs to a drill that waits for its channels, let that go on."""
    query = select(Drill.id).join(Delivery, Delivery.alert_id == Drill.alert_id)
    found = reading().scalar(query.where(Delivery.id == delivery_id, Drill.resolved_at.is_(None)))
    if found is not None:
        jobs.enqueue_drill(found)


def sweep() -> None:
    """Ask again for a worker where the job was lost; finish what a crash broke off or whose time is up."""
    now = clock.now()
    columns = select(Drill.id, Drill.requested_at, Drill.started_at)
    query = columns.where(Drill.resolved_at.is_(None), Drill.failure.is_(None)).order_by(Drill.id)
    for drill_id, requested_at, started_at in reading().execute(query).all():
        try:
            if now - (started_at or requested_at) < LOST_AFTER:
                continue
            if started_at is None and now - requested_at < EXPIRES:
                jobs.enqueue_drill(drill_id)
            else:
                run(drill_id)
        except Exception:
            # One that cannot be finished must not keep the scheduler from its work; the next sweep tries again.
            log.exception("drill %s cannot go on", drill_id)


def end_of(session: Session, config_id: int, *, at: datetime, reason: str) -> list[int]:
    """End the drills of a configuration that is about to be deleted, as a step of that transaction. Returns delivery ids."""
    _configuration(session, config_id)
    query = select(Drill).where(Drill.config_id == config_id, Drill.resolved_at.is_(None)).with_for_update()
    delivery_ids: list[int] = []
    for drill in session.scalars(query).all():
        alert = session.get(Alert, drill.alert_id) if drill.alert_id else None
        if alert is not None and alert.alert_status is AlertStatus.TRIGGERED:
            delivery_ids += alerts.resolve(session, alert, at=at, reason=reason)
    return delivery_ids


def end_orphans() -> None:
    """Resolve drill alerts whose drill is gone, whatever removed it."""
    orphan = ~exists().where(Drill.alert_id == Alert.id)
    delivery_ids: list[int] = []
    with transaction() as session:
        query = select(Alert).where(Alert.is_drill.is_(True), Alert.alert_status == AlertStatus.TRIGGERED, orphan)
        for alert in session.scalars(query).all():
            delivery_ids += alerts.resolve(session, alert, at=clock.now(), reason="The fire drill was deleted.")
    jobs.enqueue_deliveries(delivery_ids)


def _take_up(drill_id: int) -> None:
    with transaction() as session:
        drill = session.get(Drill, drill_id, with_for_update=True)
        if drill is None or drill.started_at is not None or not drill.is_running:
            return
        if _is_expired(drill):
            minutes = int(EXPIRES.total_seconds() // 60)
            drill.failure = f"No worker took it up within {minutes} minutes. Do the checks workers run?"
        else:
            drill.started_at = clock.now()


def _open(drill_id: int) -> list[int]:
    """The outage: observations, decision, alert, incident, deliveries."""
    with transaction() as session:
        drill, configuration = _locked(session, drill_id)
        if drill is None or not drill.is_running or drill.started_at is None or drill.opened_at is not None:
            return []
        watched = {monitor.tag: monitor for monitor in configuration.monitors} if configuration else {}
        monitor = watched.get(drill.monitor_tag)
        if configuration is None or monitor is None:
            drill.failure = "The monitor is no longer part of the alert configuration."
            return []
        rule, now = configuration.rule, clock.now()
        if (problem := alerting.flaw(rule)) is not None:
            drill.failure = f"This rule cannot be used: {problem}"[:500]
            return []
        seen = outage(rule, until=int(now.timestamp()))
        decision = rehearse(rule, seen, active=False)
        if decision.outcome is not Outcome.TRIGGER:
            drill.failure = f"The rule did not trigger: {decision.reason}"[:500]
            return []
        triggered = alerts.trigger(
            session,
            configuration.id,
            monitor.id,
            at=now,
            observed=alerting.observed_value(rule, seen[-1]),
            error="Fire drill: nothing was measured.",
            drill=True,
        )
        drill.alert_id, drill.opened_at = triggered.alert.id, clock.now()
    return triggered.delivery_ids


def _resolve(drill_id: int) -> list[int]:
    """The recovery, once every channel has answered or has had its time."""
    with transaction() as session:
        drill, _ = _locked(session, drill_id)
        if drill is None or drill.opened_at is None or not drill.is_running:
            return []
        alert, now = session.get(Alert, drill.alert_id or 0), clock.now()
        if alert is None:
            drill.failure = "Its alert was deleted meanwhile."
            return []
        if alert.alert_status is not AlertStatus.TRIGGERED:
            drill.resolved_at = alert.resolved_at or now
            return []
        if now < drill.opened_at + PATIENCE and _is_awaited(session, alert):
            return []
        reason = _why_not(rule_from_facts(alert.rule), now)
        delivery_ids = alerts.resolve(session, alert, at=now, reason=reason)
        drill.resolved_at = now
    return delivery_ids


def _why_not(rule: Rule, now: datetime) -> str | None:
    """Why the rule itself would not resolve: a drill ends all the same, and says so."""
    if alerting.flaw(rule) is not None:
        return "The rule can no longer be read."
    decision = rehearse(rule, recovery(rule, until=int(now.timestamp())), active=True)
    return None if decision.outcome is Outcome.RESOLVE else f"The rule did not resolve it: {decision.reason}"[:255]


def _is_awaited(session: Session, alert: Alert) -> bool:
    """A channel has not answered yet."""
    query = select(Delivery.id).where(Delivery.alert_id == alert.id, Delivery.state.not_in(_SETTLED))
    return session.scalars(query.limit(1)).first() is not None


def _is_expired(drill: Drill) -> bool:
    return drill.started_at is None and clock.now() - drill.requested_at >= EXPIRES


def _configuration(session: Session, config_id: int) -> AlertConfiguration | None:
    """The configuration, locked against its deletion and against a second drill; alerts of it may still be written."""
    return session.get(AlertConfiguration, config_id, with_for_update={"key_share": True})


def _locked(session: Session, drill_id: int) -> tuple[Drill | None, AlertConfiguration | None]:
    config_id = session.scalar(select(Drill.config_id).where(Drill.id == drill_id))
    configuration = _configuration(session, config_id) if config_id is not None else None
    drill = session.get(Drill, drill_id, with_for_update=True, populate_existing=True)
    return drill, configuration


def _monitor(configuration: AlertConfiguration, monitor_tag: str | None) -> Monitor:
    active = [monitor for monitor in configuration.monitors if monitor.is_active]
    if monitor_tag is None:
        return active[0]
    monitor = next((monitor for monitor in configuration.monitors if monitor.tag == monitor_tag), None)
    if monitor is None:
        raise Refused({"monitor_tag": f"The alert configuration does not watch {monitor_tag}."})
    if not monitor.is_active:
        raise Refused({"monitor_tag": f"{monitor.name} is paused: a real outage would go unnoticed. Resume it first."})
    return monitor
