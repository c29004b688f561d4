"""How an alert that has just triggered goes on in an incident that is there already, where its configuration allows it: R4, X4.

Every function here is a step of somebody's transaction and does not commit.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener.domain import incidents as rules
from kener.domain import messages
from kener.domain.alerting import AlertStatus, Outcome, rule_from_facts
from kener.domain.incidents import IncidentState, Source
from kener.domain.messages import AlertFacts
from kener.models import AffectedMonitor, Alert, AlertConfiguration, Incident, IncidentUpdate, Monitor
from kener.services import notices


@dataclass(frozen=True, slots=True)
class Opening:
    """How an alert came to its incident, for the decision record (A3)."""

    outcome: Outcome
    reason: str


def join(session: Session, alert: Alert, monitor: Monitor, configuration: AlertConfiguration) -> Opening | None:
    """Link an alert to an incident that goes on with it. None: there is none, and it needs one of its own.

    1. An open one of another monitor of the configuration, if that began a moment ago (X4).
    2. Its own last one, if that ended a moment ago (R4).
    """
    if alert.is_drill:
        return None
    opening = None
    if configuration.group_minutes is not None:
        opening = _share(session, alert, monitor, configuration.group_minutes)
    if opening is None and configuration.reopen_minutes is not None:
        opening = _reopen(session, alert, monitor, configuration.reopen_minutes)
    return opening


def one_at_a_time(session: Session, configuration: AlertConfiguration) -> None:
    """Let monitors of this configuration trigger one after the other, so that two that fail at once find each other.

    To be called before anything that hangs on the configuration is written: two that hold a share of its row could not both lock it.
    """
    session.refresh(configuration, with_for_update={"key_share": True})


def leave(session: Session, incident: Incident, over: AlertFacts, *, text: str | None, author: str | None) -> None:
    """Tell that one of several alerts is over, and end the impact on its monitor. `text` by `author` stands in for the automatic update."""
    session.flush()
    names = (
        select(Alert.monitor_name)
        .where(Alert.incident_id == incident.id, Alert.alert_status == AlertStatus.TRIGGERED)
        .distinct()
        .order_by(Alert.monitor_name)
    )
    assert over.resolved_at is not None
    at = max([over.resolved_at, *(update.at for update in incident.updates)])
    if text is None:
        words = messages.leaving_update(over, list(session.scalars(names)))
        entry = IncidentUpdate(state=incident.state, text=words, at=at, is_automatic=True)
    else:
        entry = IncidentUpdate(state=incident.state, text=text, at=at, author=author)
    notices.post(session, incident, entry)
    settle(session, incident)


def settle(session: Session, incident: Incident) -> None:
    """End the impact on monitors whose alerts in this open incident are all over. A monitor that an operator added has none, and stays."""
    session.flush()
    newest = (
        select(Alert.monitor_tag, func.max(Alert.active_key), func.max(Alert.resolved_at))
        .where(Alert.incident_id == incident.id)
        .group_by(Alert.monitor_tag)
    )
    over = {tag: resolved_at for tag, key, resolved_at in session.execute(newest) if key is None}
    for affected in incident.affected:
        affected.ended_at = over.get(affected.monitor_tag)


def _share(session: Session, alert: Alert, monitor: Monitor, minutes: int) -> Opening | None:
    """Go on in the newest open incident of another monitor of this configuration."""
    window = timedelta(minutes=minutes)
    query = (
        select(Incident.id)
        .join(Alert, Alert.incident_id == Incident.id)
        .where(
            Alert.config_id == alert.config_id,
            Alert.monitor_id != monitor.id,
            Alert.active_key.is_not(None),
            Incident.status == "OPEN",
            Incident.is_private.is_(monitor.is_hidden),
            Incident.start_at.between(alert.triggered_at - window, alert.triggered_at + window),
        )
        .order_by(Incident.start_at.desc(), Incident.id.desc())
        .limit(1)
    )
    incident_id = session.scalar(query)
    incident = _locked(session, incident_id, monitor) if incident_id is not None else None
    if incident is None or not incident.is_open or not rules.is_shared(incident.start_at, alert.triggered_at, minutes):
        return None
    again = any(affected.monitor_tag == monitor.tag for affected in incident.affected)
    text = messages.joining_update(_headline(alert), again=again)
    _go_on(session, incident, alert, monitor, state=incident.state, text=text)
    return Opening(Outcome.JOIN, f"Incident {incident.id} began within {minutes} minutes of it: they share it.")


def _reopen(session: Session, alert: Alert, monitor: Monitor, minutes: int) -> Opening | None:
    """Go on with the last automatic incident of this configuration and monitor."""
    last = session.scalars(
        select(Alert)
        .where(
            Alert.config_id == alert.config_id,
            Alert.monitor_id == monitor.id,
            Alert.id != alert.id,
            Alert.is_drill.is_(False),
        )
        .order_by(Alert.triggered_at.desc(), Alert.id.desc())
        .limit(1)
    ).first()
    if last is None or last.incident_id is None or not _same_watch(last, alert):
        return None
    incident = _locked(session, last.incident_id, monitor)
    # It may have outlived that alert: then its end for this monitor counts.
    ended_at = (incident.end_at or last.resolved_at) if incident else None
    if incident is None or ended_at is None or not rules.goes_on(ended_at, alert.triggered_at, minutes):
        return None
    state = incident.state if incident.is_open else IncidentState.INVESTIGATING
    text = messages.return_update(_headline(alert), alert.triggered_at - ended_at, was_open=incident.is_open)
    _go_on(session, incident, alert, monitor, state=state, text=text)
    reason = f"Incident {incident.id} ended less than {minutes} minutes ago: it goes on."
    return Opening(Outcome.REOPEN, reason)


def _same_watch(last: Alert, alert: Alert) -> bool:
    """Whether the rule looked for the same thing: an incident must not go on under a title that is not true any more."""
    before, now = rule_from_facts(last.rule), rule_from_facts(alert.rule)
    return (before.alert_for, before.alert_value, before.uptime_window) == (
        now.alert_for,
        now.alert_value,
        now.uptime_window,
    )


def _locked(session: Session, incident_id: int, monitor: Monitor) -> Incident | None:
    """The incident, if alerts of this monitor may go on in it: seen by the same people (L7), automatic, and not merged away."""
    incident = session.get(Incident, incident_id, with_for_update=True, populate_existing=True)
    if incident is None or incident.merged_into_id is not None or incident.is_drill:
        return None
    return incident if incident.source is Source.ALERT and incident.is_private is monitor.is_hidden else None


def _go_on(
    session: Session, incident: Incident, alert: Alert, monitor: Monitor, *, state: IncidentState, text: str
) -> None:
    """Link, affected monitor, update."""
    alert.incident_id = incident.id
    there = next((one for one in incident.affected if one.monitor_tag == monitor.tag), None)
    if there is None:
        impact = rule_from_facts(alert.rule).impact
        incident.affected.append(
            AffectedMonitor(monitor_id=monitor.id, monitor_tag=monitor.tag, monitor_name=monitor.name, impact=impact)
        )
        # The list of monitors on a form that is open somewhere is old now.
        incident.version += 1
    at = max([alert.triggered_at, *(update.at for update in incident.updates)])
    notices.post(session, incident, IncidentUpdate(state=state, text=text, at=at, is_automatic=True))
    settle(session, incident)


def _headline(alert: Alert) -> str:
    return messages.incident_title(rule_from_facts(alert.rule), alert.monitor_name)
