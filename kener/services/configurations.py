"""Alert configurations: create, change, activate, deactivate, delete."""

from collections.abc import Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import transaction
from kener.domain.alerting import AlertType
from kener.domain.inputs import AlertConfigurationInput
from kener.models import Alert, AlertConfiguration, Monitor, Streak, Trigger
from kener.services import alerts, audit, drills, recording
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused

MAX_LINE = 490


def create(given: AlertConfigurationInput, *, actor: Actor) -> int:
    """Add a configuration. It counts from the next check on. Raises Refused. Returns its id."""
    with transaction() as session:
        configuration = AlertConfiguration()
        _fill(session, configuration, given)
        session.add(configuration)
        session.flush()
        audit.note(session, actor, "create", f"alert-configuration-{configuration.id}", _summary(configuration))
        config_id = configuration.id
    return config_id


def update(config_id: int, given: AlertConfigurationInput, *, actor: Actor, version: int | None = None) -> None:
    """Change a configuration. Alerts that it no longer stands for end with a reason (O7). Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        configuration = _locked(session, config_id)
        if version is not None and configuration.version != version:
            raise Conflict
        before, was_active = _watched(configuration), configuration.is_active
        watched_before = {monitor.id: monitor.tag for monitor in configuration.monitors}
        _fill(session, configuration, given)
        session.flush()
        watched_now = {monitor.id: monitor.tag for monitor in configuration.monitors}
        detached = watched_before.keys() - watched_now.keys()
        active = alerts.active_of(session, config_id=config_id)
        deliveries: list[int] = []
        if was_active and not configuration.is_active:
            deliveries = _end(session, active, "The alert configuration was deactivated.")
            session.execute(sql_delete(Streak).where(Streak.config_id == config_id))
        elif _watched(configuration) != before:
            deliveries = _end(session, active, "The alert configuration was changed.")
            session.execute(sql_delete(Streak).where(Streak.config_id == config_id))
        elif detached:
            gone = [alert for alert in active if alert.monitor_id in detached]
            deliveries = _end(session, gone, "The monitor was taken out of the alert configuration.")
        session.execute(sql_delete(Streak).where(Streak.config_id == config_id, Streak.monitor_id.in_(detached)))
        audit.note(session, actor, "change", f"alert-configuration-{config_id}", _summary(configuration))
        if was_active != configuration.is_active:
            action = "activate" if configuration.is_active else "deactivate"
            audit.note(session, actor, action, f"alert-configuration-{config_id}", _summary(configuration))
        _note_tags(session, actor, "take out", config_id, [watched_before[gone] for gone in detached])
        added = watched_now.keys() - watched_before.keys()
        _note_tags(session, actor, "take in", config_id, [watched_now[new] for new in added])
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def activate(config_id: int, *, actor: Actor) -> None:
    """Count again, from the next check on."""
    with transaction() as session:
        configuration = _locked(session, config_id)
        if configuration.is_active:
            return
        configuration.is_active, configuration.version = True, configuration.version + 1
        audit.note(session, actor, "activate", f"alert-configuration-{config_id}", _summary(configuration))


def deactivate(config_id: int, *, actor: Actor) -> None:
    """Stop counting; active alerts end with a reason (O7)."""
    with transaction() as session:
        configuration = _locked(session, config_id)
        if not configuration.is_active:
            return
        configuration.is_active, configuration.version = False, configuration.version + 1
        deliveries = _end(
            session, alerts.active_of(session, config_id=config_id), "The alert configuration was deactivated."
        )
        session.execute(sql_delete(Streak).where(Streak.config_id == config_id))
        audit.note(session, actor, "deactivate", f"alert-configuration-{config_id}", _summary(configuration))
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def delete(config_id: int, *, actor: Actor) -> None:
    """Delete a configuration. Its active alerts end with a reason (O7); the log of past alerts and all incidents stay."""
    with transaction() as session:
        configuration = _locked(session, config_id)
        deliveries = _end(
            session,
            alerts.active_of(session, config_id=config_id),
            "The alert configuration was deleted.",
            outlives=True,
        )
        ended = "The alert configuration was deleted."
        deliveries += drills.end_of(session, config_id, at=clock.now(), reason=ended)
        audit.note(session, actor, "delete", f"alert-configuration-{config_id}", _summary(configuration))
        session.delete(configuration)
    jobs.enqueue_deliveries(deliveries)
    live.publish()


def _locked(session: Session, config_id: int) -> AlertConfiguration:
    """The configuration, with the states of its monitors locked: none of them is evaluated meanwhile. Raises NotFound."""
    configuration = session.get(AlertConfiguration, config_id)
    if configuration is None:
        raise NotFound
    recording.lock(session, [monitor.id for monitor in configuration.monitors])
    session.refresh(configuration)
    return configuration


def _end(session: Session, active: Sequence[Alert], reason: str, *, outlives: bool = False) -> list[int]:
    return alerts.end_all(session, active, at=clock.now(), reason=reason, outlives=outlives)


def _watched(configuration: AlertConfiguration) -> tuple[str, str, str]:
    """What an alert of this configuration stands for; thresholds and words may change under an active alert."""
    return configuration.alert_for, configuration.alert_value, configuration.uptime_window


def _note_tags(session: Session, actor: Actor, action: str, config_id: int, tags: Sequence[str]) -> None:
    """Say in the audit trail which monitors came or went, in lines that hold whole tags: "Why?" reads them."""
    lines: list[str] = []
    for tag in sorted(tags):
        if lines and len(lines[-1]) + len(tag) < MAX_LINE:
            lines[-1] += f", {tag}"
        else:
            lines.append(tag)
    for line in lines:
        audit.note(session, actor, action, f"alert-configuration-{config_id}", line)


def _summary(configuration: AlertConfiguration) -> str:
    """The rule in one line; `kener.queries.past.rule_in` reads it."""
    names = ", ".join(monitor.tag for monitor in configuration.monitors)
    value = configuration.alert_value
    if configuration.alert_for is AlertType.UPTIME:
        value += f" over {configuration.uptime_window}"
    thresholds = f"{configuration.failure_threshold} and {configuration.success_threshold}"
    return f"{configuration.alert_for}: {value}, {thresholds}, {names}"


def _fill(session: Session, configuration: AlertConfiguration, given: AlertConfigurationInput) -> None:
    errors = {}
    monitors = list(session.scalars(select(Monitor).where(Monitor.tag.in_(given.monitor_tags))))
    missing = set(given.monitor_tags) - {monitor.tag for monitor in monitors}
    if missing:
        errors["monitor_tags"] = f"There is no monitor {', '.join(sorted(missing))}."
    triggers = list(session.scalars(select(Trigger).where(Trigger.id.in_(given.trigger_ids))))
    unknown = set(given.trigger_ids) - {trigger.id for trigger in triggers}
    if unknown:
        errors["trigger_ids"] = f"There is no trigger {', '.join(map(str, sorted(unknown)))}."
    if errors:
        raise Refused(errors)
    for name, value in given.model_dump(exclude={"monitor_tags", "trigger_ids"}).items():
        setattr(configuration, name, value)
    configuration.monitors, configuration.triggers = monitors, triggers
    configuration.version = (configuration.version or 0) + 1
