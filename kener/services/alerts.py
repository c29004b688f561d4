"""The life of an alert and of the incident it opens. Contract: incident automation, L, R, O3, O7, N1.

Every function here is a step of somebody's transaction and does not commit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kener.domain import incidents as rules
from kener.domain import messages, templates
from kener.domain.alerting import AlertStatus, Outcome, Verdict, rule_from_facts
from kener.domain.incidents import IncidentState, Source
from kener.domain.messages import AlertFacts
from kener.models import (
    AffectedMonitor,
    Alert,
    AlertConfiguration,
    Decision,
    Incident,
    IncidentUpdate,
    Monitor,
    Streak,
)
from kener.services import joining, notices, outbox, site
from kener.services.joining import Opening


@dataclass(frozen=True, slots=True)
class Triggered:
    """An alert that has just opened, how it came to its incident (None: it has none), and the deliveries to send."""

    alert: Alert
    opening: Opening | None
    delivery_ids: list[int] = field(default_factory=list)


def trigger(
    session: Session,
    config_id: int,
    monitor_id: int,
    *,
    at: datetime,
    observed: str,
    error: str | None,
    drill: bool = False,
) -> Triggered:
    """Open an alert, its incident if the configuration asks for one, and the deliveries (L2).

    The alert of a `drill` has no active key: to everything that asks for active alerts, it is not there. Its incident is private.
    """
    configuration = session.get_one(AlertConfiguration, config_id)
    if configuration.group_minutes is not None:
        joining.one_at_a_time(session, configuration)
    monitor = session.get_one(Monitor, monitor_id)
    alert = Alert(
        config_id=config_id,
        monitor_id=monitor_id,
        active_key=None if drill else f"{config_id}:{monitor_id}",
        is_drill=drill,
        monitor_tag=monitor.tag,
        monitor_name=monitor.name,
        rule=configuration.rule.facts(),
        triggered_at=at,
        observed_value=observed,
        last_error=error,
    )
    session.add(alert)
    session.flush()
    opening = None
    if configuration.create_incident:
        opening = joining.join(session, alert, monitor, configuration)
        opening = opening or _open_incident(session, alert, monitor, configuration)
    active = [channel for channel in configuration.triggers if channel.is_active]
    message = messages.alert_message(facts(session, alert))
    rows = outbox.write(session, message, alert=alert, triggers=active)
    return Triggered(alert, opening, [row.id for row in rows])


@dataclass(frozen=True, slots=True)
class Closing:
    """What becomes of the incident of an alert that resolves. `text` by `author` stands in for the automatic update (A2)."""

    is_wanted: bool = True
    text: str | None = None
    author: str | None = None


BY_ITSELF = Closing()


def resolve(
    session: Session, alert: Alert, *, at: datetime, reason: str | None = None, closing: Closing = BY_ITSELF
) -> list[int]:
    """Resolve an alert, close its incident if that is still open, and write the deliveries (R1, R3). Returns delivery ids.

    An incident of several alerts ends with the last of them (X4).
    """
    incident = incident_of(session, alert)
    alert.alert_status, alert.active_key = AlertStatus.RESOLVED, None
    alert.resolved_at, alert.closing_reason = max(at, alert.triggered_at), reason
    if closing.is_wanted and incident is not None and incident.state is not IncidentState.RESOLVED:
        if goes_on(session, incident, alert):
            joining.leave(session, incident, facts(session, alert), text=closing.text, author=closing.author)
        else:
            close_incident(session, alert, incident, closing)
    session.flush()
    message = messages.alert_message(facts(session, alert))
    return [row.id for row in outbox.write(session, message, alert=alert, triggers=outbox.recipients(session, alert))]


def reopen_incident(session: Session, alert: Alert, *, at: datetime) -> bool:
    """Undo a resolution by hand while the alert is active: back to the state before, with an update that says why (O3).

    Returns whether there was something to undo.
    """
    incident = incident_of(session, alert)
    if incident is None or incident.state is not IncidentState.RESOLVED:
        return False  # Another of its alerts was first, or an operator has just deleted it.
    state = rules.state_before_resolution([(update.state, update.at) for update in incident.updates])
    newest = max((update.at for update in incident.updates), default=at)
    entry = IncidentUpdate(state=state, text=messages.reopening_update(), at=max(at, newest), is_automatic=True)
    notices.post(session, incident, entry)
    joining.settle(session, incident)
    return True


def incident_of(session: Session, alert: Alert) -> Incident | None:
    """The incident of an alert, locked before the alert is touched, in the order in which operators' acts lock them.

    While this waits for the lock, the alert may come to another incident by a merge or a split: then that one is meant.
    """
    while (incident_id := alert.incident_id) is not None:
        incident = session.get(Incident, incident_id, with_for_update=True)
        session.refresh(alert, ["incident_id"])
        if alert.incident_id == incident_id:
            return incident
    return None


def goes_on(session: Session, incident: Incident, alert: Alert) -> bool:
    """Whether another alert of the incident is still active."""
    others = select(Alert.id).where(
        Alert.incident_id == incident.id, Alert.id != alert.id, Alert.alert_status == AlertStatus.TRIGGERED
    )
    return session.scalar(others.limit(1)) is not None


def end_all(
    session: Session, active: Iterable[Alert], *, at: datetime, reason: str, outlives: bool = False
) -> list[int]:
    """Resolve alerts whose monitor or configuration goes away, naming the reason (O7); their counting starts again.

    `outlives`: what they hang on is about to be deleted with its records.
    """
    delivery_ids: list[int] = []
    for alert in active:
        delivery_ids += resolve(session, alert, at=at, reason=reason)
        note_end(session, alert, reason=reason, outlives=outlives)
        session.execute(
            delete(Streak).where(Streak.config_id == alert.config_id, Streak.monitor_id == alert.monitor_id)
        )
    return delivery_ids


def note_end(session: Session, alert: Alert, *, reason: str, outlives: bool = False) -> None:
    """Leave a decision record of an end that no check decided (A3). One that `outlives` the rest hangs on the alert alone."""
    assert alert.resolved_at is not None
    session.add(
        Decision(
            config_id=None if outlives else alert.config_id,
            monitor_id=None if outlives else alert.monitor_id,
            alert_id=alert.id,
            at=int(alert.resolved_at.timestamp()),
            outcome=Outcome.RESOLVE,
            verdict=Verdict.NOTHING.value,
            failing=0,
            passing=0,
            observed="none",
            reason=reason[:255],
            rule=alert.rule,
            samples=[],
        )
    )


def active_of(session: Session, *, monitor_id: int | None = None, config_id: int | None = None) -> list[Alert]:
    """The TRIGGERED alerts of a monitor, of a configuration, or of one on the other."""
    query = select(Alert).where(Alert.active_key.is_not(None)).order_by(Alert.id)
    if monitor_id is not None:
        query = query.where(Alert.monitor_id == monitor_id)
    if config_id is not None:
        query = query.where(Alert.config_id == config_id)
    return list(session.scalars(query))


def facts(session: Session, alert: Alert) -> AlertFacts:
    """What the texts of an alert are made of."""
    here = site.read(session)
    return AlertFacts(
        alert_id=alert.id,
        rule=rule_from_facts(alert.rule),
        monitor_name=alert.monitor_name,
        monitor_tag=alert.monitor_tag,
        triggered_at=alert.triggered_at,
        resolved_at=alert.resolved_at,
        observed_value=alert.observed_value,
        last_error=alert.last_error,
        incident_id=alert.incident_id,
        closing_reason=alert.closing_reason,
        site_name=here.name,
        site_url=here.url,
        is_drill=alert.is_drill,
    )


def _open_incident(session: Session, alert: Alert, monitor: Monitor, configuration: AlertConfiguration) -> Opening:
    """Incident, first update, affected monitor, link (L3 to L7). The row comes first: templates may name its number."""
    rule = rule_from_facts(alert.rule)
    incident = Incident(
        title=facts(session, alert).mark + messages.incident_title(rule, alert.monitor_name),
        source=Source.ALERT,
        start_at=alert.triggered_at,
        is_private=monitor.is_hidden or alert.is_drill,
        is_drill=alert.is_drill,
    )
    incident.affected = [
        AffectedMonitor(monitor_id=monitor.id, monitor_tag=monitor.tag, monitor_name=monitor.name, impact=rule.impact)
    ]
    incident.updates, incident.end_at = [], None
    session.add(incident)
    session.flush()
    alert.incident_id = incident.id
    known = facts(session, alert)
    incident.title = templates.title(known, configuration.title_template)
    text = templates.first_update(known, configuration.first_update_template)
    entry = IncidentUpdate(state=IncidentState.INVESTIGATING, text=text, at=alert.triggered_at, is_automatic=True)
    notices.post(session, incident, entry)
    session.flush()
    return Opening(Outcome.OPEN, "Create incident is YES.")


def close_incident(session: Session, alert: Alert, incident: Incident, closing: Closing = BY_ITSELF) -> None:
    """The one RESOLVED update (R1, R2). It stands last in the story, whatever times operators gave their own updates."""
    assert alert.resolved_at is not None
    newest = max((update.at for update in incident.updates), default=alert.resolved_at)
    at = max(alert.resolved_at, newest)
    if closing.text is not None:
        entry = IncidentUpdate(state=IncidentState.RESOLVED, text=closing.text, at=at, author=closing.author)
        notices.post(session, incident, entry)
        return
    configuration = session.get(AlertConfiguration, alert.config_id) if alert.config_id else None
    template = configuration.closing_update_template if configuration else None
    text = templates.closing_update(facts(session, alert), template, started_at=incident.start_at)
    over = [affected for affected in incident.affected if affected.ended_at is not None]
    if earlier := [affected.monitor_name for affected in over if affected.monitor_tag != alert.monitor_tag]:
        text = f"{text}\n\n{messages.over_earlier(earlier)}"
    entry = IncidentUpdate(state=IncidentState.RESOLVED, text=text, at=at, is_automatic=True)
    notices.post(session, incident, entry)
