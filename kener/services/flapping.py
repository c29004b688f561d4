"""What visitors read of an unstable monitor: one update when it begins to flap, one when it has calmed down and is failing. X3.

A step of somebody's transaction; it does not commit.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from kener.domain import messages
from kener.domain.alerting import Outcome, rule_from_facts
from kener.domain.incidents import IncidentState
from kener.models import Alert, IncidentUpdate
from kener.services import alerts, notices


def tell(session: Session, alert: Alert, outcome: Outcome, *, at: datetime) -> bool:
    """Post the update of a decision FLAP or CALM, in the state that the incident has. Returns whether there was one to post to.

    An incident that was resolved by hand or deleted is left alone, as in R3.
    """
    incident = alerts.incident_of(session, alert)
    if incident is None or incident.state is IncidentState.RESOLVED:
        return False
    headline = messages.incident_title(rule_from_facts(alert.rule), alert.monitor_name)
    text = messages.unstable_update(headline) if outcome is Outcome.FLAP else messages.calm_update(headline)
    newest = max((update.at for update in incident.updates), default=at)
    entry = IncidentUpdate(state=incident.state, text=text, at=max(at, newest), is_automatic=True)
    notices.post(session, incident, entry)
    return True
