"""Fire drills as they are reported: when each step was taken, and what each channel answered. Pages and API show the same."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import alerting
from kener.domain.alerting import Rule, rule_from_facts
from kener.domain.drills import outage, recovery, rehearse
from kener.models import (
    Alert,
    AlertConfiguration,
    Delivery,
    DeliveryState,
    Drill,
    Maintenance,
    MaintenanceMonitor,
    MaintenanceWindow,
    WindowState,
    configuration_monitor,
    configuration_trigger,
)
from kener.models import Monitor as MonitorRow
from kener.models import Trigger as TriggerRow

After = Annotated[float | None, Field(description="Seconds since the drill was asked for.")]


class DrillState(StrEnum):
    """RUNNING: not over yet. LATE: over, but a notice is still being tried. FAILED: a step or a notice failed for good."""

    RUNNING = "RUNNING"
    LATE = "LATE"
    PASSED = "PASSED"
    FAILED = "FAILED"


class StepName(StrEnum):
    """The steps of a drill, in order."""

    REQUESTED = "REQUESTED"
    TAKEN_UP = "TAKEN_UP"
    DECIDED = "DECIDED"
    OPENED = "OPENED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class DrillStep:
    """One step, or that it is still to come."""

    step: StepName
    at: Annotated[datetime | None, Field(description="Null while it is still to come.")]
    after_s: After
    took_s: Annotated[float | None, Field(description="Seconds since the step before.")]
    detail: str | None


@dataclass(frozen=True, slots=True)
class DrillNotice:
    """One message to one channel, and what the other side said."""

    delivery_id: int
    event: str
    trigger_id: int | None
    trigger_name: str
    state: DeliveryState
    attempts: int
    answer: str | None
    at: Annotated[datetime | None, Field(description="When it was sent, or had failed for good.")]
    after_s: After
    took_s: Annotated[float | None, Field(description="Seconds since it was written.")]


@dataclass(frozen=True, slots=True)
class DrillReport:
    """One fire drill. Its alert and its private incident appear in no list; read them by their ids."""

    id: int
    config_id: int | None
    monitor_tag: str
    state: DrillState
    requested_by: str
    requested_at: datetime
    alert_id: int | None
    incident_id: Annotated[int | None, Field(description="Null where the rule opens no incidents.")]
    failure: Annotated[str | None, Field(description="Why it could not go on.")]
    steps: list[DrillStep]
    notices: list[DrillNotice]

    def step(self, name: str) -> DrillStep:
        """The step of this name."""
        return next(step for step in self.steps if step.step == name)

    def told(self, event: str) -> list[DrillNotice]:
        """The notices of this event."""
        return [notice for notice in self.notices if notice.event == event]

    @property
    def is_watched(self) -> bool:
        """Something of it may still change."""
        return self.state in (DrillState.RUNNING, DrillState.LATE)

    @property
    def slowest_s(self) -> float | None:
        """Seconds until the last channel knew of the outage."""
        return max((one.after_s for one in self.told("TRIGGERED") if one.after_s is not None), default=None)


def report(session: Session, drill_id: int) -> DrillReport | None:
    """One drill: three statements."""
    found = session.get(Drill, drill_id, populate_existing=True)
    return _reports(session, [found])[0] if found else None


def history(session: Session, config_id: int, *, limit: int = 5) -> list[DrillReport]:
    """The newest drills of a configuration: three statements."""
    query = select(Drill).where(Drill.config_id == config_id).order_by(Drill.id.desc()).limit(limit)
    return _reports(session, session.scalars(query).all())


def _reports(session: Session, found: Sequence[Drill]) -> list[DrillReport]:
    ids = [drill.alert_id for drill in found if drill.alert_id is not None]
    if not ids:
        return [_report(drill, None, []) for drill in found]
    alerts = {alert.id: alert for alert in session.scalars(select(Alert).where(Alert.id.in_(ids)))}
    notices = defaultdict(list)
    for delivery in session.scalars(select(Delivery).where(Delivery.alert_id.in_(ids)).order_by(Delivery.id)):
        notices[delivery.alert_id].append(delivery)
    return [_report(drill, alerts.get(drill.alert_id or 0), notices[drill.alert_id]) for drill in found]


def _report(drill: Drill, alert: Alert | None, deliveries: Sequence[Delivery]) -> DrillReport:
    return DrillReport(
        id=drill.id,
        config_id=drill.config_id,
        monitor_tag=drill.monitor_tag,
        state=_state(drill, {delivery.state for delivery in deliveries}),
        requested_by=drill.requested_by,
        requested_at=drill.requested_at,
        alert_id=alert.id if alert else None,
        incident_id=alert.incident_id if alert else None,
        failure=drill.failure,
        steps=_steps(drill, alert),
        notices=[_notice(drill, delivery) for delivery in deliveries],
    )


def _state(drill: Drill, states: set[DeliveryState]) -> DrillState:
    if drill.failure is not None:
        return DrillState.FAILED
    if drill.is_running:
        return DrillState.RUNNING
    if DeliveryState.RETRYING in states:
        return DrillState.LATE
    if states & {DeliveryState.WAITING, DeliveryState.SENDING}:
        return DrillState.RUNNING
    return DrillState.FAILED if DeliveryState.FAILED in states else DrillState.PASSED


def _steps(drill: Drill, alert: Alert | None) -> list[DrillStep]:
    rule = rule_from_facts(alert.rule) if alert else None
    is_known = rule is not None and alerting.flaw(rule) is None
    resolved_at = alert.resolved_at if alert and alert.resolved_at else drill.resolved_at
    moments = (
        (StepName.REQUESTED, drill.requested_at, f"by {drill.requested_by}"),
        (StepName.TAKEN_UP, drill.started_at, "from the queue of the checks"),
        (StepName.DECIDED, alert.triggered_at if alert else None, _triggering(rule) if rule and is_known else None),
        (StepName.OPENED, drill.opened_at, _opening(alert) if alert else None),
        (StepName.RESOLVED, resolved_at, _resolving(alert, rule) if alert and rule and is_known else None),
    )
    steps, before = [], drill.requested_at
    for name, at, detail in moments:
        took = None if name is StepName.REQUESTED else _seconds(before, at)
        steps.append(DrillStep(name, at, _seconds(drill.requested_at, at), took, detail if at else None))
        before = at or before
    return steps


def _triggering(rule: Rule) -> str:
    return rehearse(rule, outage(rule, until=0), active=False).reason


def _resolving(alert: Alert, rule: Rule) -> str:
    return alert.closing_reason or rehearse(rule, recovery(rule, until=0), active=True).reason


def _opening(alert: Alert) -> str:
    if alert.incident_id is not None:
        return f"Alert {alert.id} and incident {alert.incident_id}, for operators only"
    return f"Alert {alert.id}; {alert.incident_note or 'no incident, since create incident is NO'}"


def _notice(drill: Drill, delivery: Delivery) -> DrillNotice:
    at = {DeliveryState.SENT: delivery.sent_at, DeliveryState.FAILED: delivery.next_at}.get(delivery.state)
    return DrillNotice(
        delivery_id=delivery.id,
        event=delivery.event,
        trigger_id=delivery.trigger_id,
        trigger_name=delivery.trigger_name,
        state=delivery.state,
        attempts=delivery.attempts,
        answer=delivery.answer,
        at=at,
        after_s=_seconds(drill.requested_at, at),
        took_s=_seconds(delivery.created_at, at),
    )


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round(max(0.0, (end - start).total_seconds()), 3)


@dataclass(frozen=True, slots=True)
class Channel:
    """Who would be told."""

    name: str
    trigger_type: str
    target: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a drill would do, for the question before it. `held_back`: in a maintenance window nothing real would trigger now."""

    monitors: tuple[tuple[str, str], ...]
    channels: tuple[Channel, ...]
    creates_incident: bool
    held_back: tuple[str, ...]

    @property
    def told(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in self.channels if channel.is_active)

    @property
    def left_out(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in self.channels if not channel.is_active)


def outlook(session: Session, config_id: int) -> Outlook:
    """Whom a drill of a configuration would tell."""
    watched = (
        select(MonitorRow)
        .join(configuration_monitor, configuration_monitor.c.monitor_id == MonitorRow.id)
        .where(configuration_monitor.c.config_id == config_id)
        .order_by(MonitorRow.name)
    )
    channels = (
        select(TriggerRow)
        .join(configuration_trigger, configuration_trigger.c.trigger_id == TriggerRow.id)
        .where(configuration_trigger.c.config_id == config_id)
        .order_by(TriggerRow.name)
    )
    monitors = [monitor for monitor in session.scalars(watched) if monitor.is_active]
    creates = select(AlertConfiguration.create_incident).where(AlertConfiguration.id == config_id)
    return Outlook(
        monitors=tuple((monitor.tag, monitor.name) for monitor in monitors),
        channels=tuple(_channel(found) for found in session.scalars(channels)),
        creates_incident=bool(session.scalar(creates)),
        held_back=_maintained(session, {monitor.id: monitor.name for monitor in monitors}),
    )


def _channel(found: TriggerRow) -> Channel:
    public = found.public if isinstance(found.public, dict) else {}
    is_mail = found.trigger_type == "email"
    target = ", ".join(map(str, public.get("to") or [])) if is_mail else str(public.get("url") or "")
    return Channel(found.name, found.trigger_type, target, found.is_active)


def _maintained(session: Session, names: dict[int, str]) -> tuple[str, ...]:
    now = clock.now()
    query = (
        select(MaintenanceMonitor.monitor_id)
        .join(Maintenance, Maintenance.id == MaintenanceMonitor.maintenance_id)
        .join(MaintenanceWindow, MaintenanceWindow.maintenance_id == Maintenance.id)
        .where(
            MaintenanceMonitor.monitor_id.in_(list(names)),
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.start_at <= now,
            MaintenanceWindow.end_at > now,
        )
    )
    return tuple(sorted({names[found] for found in session.scalars(query) if found is not None}))
