"""Acts on single alerts by hand (A2): resolve one, delete one. Both lock the monitor's state first, so that no check decides meanwhile."""

from dataclasses import dataclass

from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import transaction
from kener.domain.alerting import AlertStatus, rule_from_facts
from kener.domain.incidents import IncidentState
from kener.domain.inputs import AlertStatusInput
from kener.domain.messages import incident_title
from kener.models import Alert, Incident, Streak
from kener.services import alerts, audit, recording
from kener.services.alerts import Closing
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

REASON = "Resolved by hand."
"""What visitors and triggers are told; who it was stays among operators."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change of status. `incident_id` is the incident that was there; `is_closed` says whether it ended."""

    incident_id: int | None
    is_closed: bool


def change_status(alert_id: int, given: AlertStatusInput, *, actor: Actor) -> Changed:
    """Resolve an alert by hand; notices go out as for any resolution, counting starts again. Raises NotFound, Refused."""
    with transaction() as session:
        alert = _locked(session, alert_id)
        if (reason := obstacle(alert, given.alert_status)) is not None:
            raise Refused({"alert_status": reason})
        incident = alerts.incident_of(session, alert)
        is_open = incident is not None and incident.state is not IncidentState.RESOLVED
        if is_open and given.incident is None:
            raise Refused({"incident": "Say what should become of the incident: CLOSE or LEAVE."})
        closing = Closing(given.incident != "LEAVE", given.comment, actor.name)
        deliveries = alerts.resolve(session, alert, at=clock.now(), reason=REASON, closing=closing)
        alerts.note_end(session, alert, reason=f"Resolved by hand by {actor.name}.")
        session.execute(
            sql_delete(Streak).where(Streak.config_id == alert.config_id, Streak.monitor_id == alert.monitor_id)
        )
        is_closed = is_open and incident is not None and incident.state is IncidentState.RESOLVED
        audit.note(session, actor, "change status", f"alert-{alert_id}", _what_became(incident, is_open, is_closed))
        changed = Changed(incident.id if incident else None, is_closed)
    jobs.enqueue_deliveries(deliveries)
    live.publish()
    return changed


def delete(alert_id: int, *, actor: Actor) -> None:
    """Take a resolved alert out of the log. Its incident, its deliveries and its decision records stay. Raises NotFound, Refused."""
    with transaction() as session:
        alert = _locked(session, alert_id)
        if alert.alert_status is AlertStatus.TRIGGERED:
            raise Refused({"": "This alert is active: it would leave its incident open for ever. Resolve it first."})
        alerts.incident_of(session, alert)
        name = incident_title(rule_from_facts(alert.rule), alert.monitor_name)
        audit.note(
            session, actor, "delete", f"alert-{alert_id}", f"{name}, triggered {alert.triggered_at:%Y-%m-%d %H:%M} UTC"
        )
        session.delete(alert)
    live.publish()


def obstacle(alert: Alert, wanted: AlertStatus) -> str | None:
    """Why an alert cannot be given this status by hand, or None."""
    if alert.alert_status is AlertStatus.TRIGGERED:
        if alert.is_drill:
            return "This alert belongs to a fire drill, which resolves it by itself."
        return None if wanted is AlertStatus.RESOLVED else "This alert is TRIGGERED already."
    if wanted is AlertStatus.RESOLVED:
        return "This alert is RESOLVED already."
    return (
        "A resolved alert cannot be triggered by hand: an alert says that checks failed, and only failing checks begin one. "
        "While they fail, the rule triggers a new one by itself. For anything else, open an incident."
    )


def _locked(session: Session, alert_id: int) -> Alert:
    """The alert, with its monitor's state locked. Raises NotFound."""
    alert = session.get(Alert, alert_id)
    if alert is None:
        raise NotFound
    if alert.monitor_id is not None:
        recording.lock(session, [alert.monitor_id])
        session.expire(alert)
        alert = session.get(Alert, alert_id)
    if alert is None:
        raise NotFound
    return alert


def _what_became(incident: Incident | None, was_open: bool, is_closed: bool) -> str:
    if incident is None:
        return "RESOLVED, without an incident"
    if not was_open:
        return f"RESOLVED, incident {incident.id} was resolved before"
    return f"RESOLVED, incident {incident.id} {'closed' if is_closed else 'left open'}"
