"""Alerts: the episodes. They begin and end by themselves; an active one may be resolved by hand, a resolved one deleted."""

from flask import Blueprint

from kener.domain.alerting import AlertStatus
from kener.domain.inputs import AlertStatusInput, Tag
from kener.queries import api as rows
from kener.services import alert_log
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Id, Paging

TAG = "Alerts"
bp = Blueprint("api_alerts", __name__)


class NewAlertStatus(Body, AlertStatusInput):
    """A change of status by hand: from TRIGGERED to RESOLVED."""

    notes = {
        "alert_status": "RESOLVED. A resolved alert cannot be triggered by hand: only failing checks begin one.",
        "incident": "What becomes of the alert's open incident: CLOSE it with an update, or LEAVE it. Needed where there is one.",
        "comment": "Markdown: what the closing update says. Without it, the automatic text.",
    }


class AlertFilters(Paging):
    """Which alerts."""

    config_id: Id | None = None
    monitor_tag: Tag | None = None
    alert_status: AlertStatus | None = None


class AlertAnswer(Answer):
    """One alert."""

    alert: rows.Alert


class AlertList(Listed):
    """Alerts, newest first."""

    alerts: list[rows.Alert]


@bp.get("/alerts")
@api_key_required
@operation(tag=TAG, query=AlertFilters, answer=AlertList)
def index(query: AlertFilters) -> Answer:
    """List alerts."""
    page = rows.alerts(**query.model_dump())
    return AlertList(alerts=page.rows, **part(page))


@bp.get("/alerts/<id:alert_id>")
@api_key_required
@operation(tag=TAG, answer=AlertAnswer)
def show(alert_id: int) -> Answer:
    """Read an alert."""
    return AlertAnswer(alert=found(rows.alert(alert_id)))


@bp.patch("/alerts/<id:alert_id>")
@api_key_required
@operation(tag=TAG, body=NewAlertStatus, answer=AlertAnswer)
def update(alert_id: int, body: NewAlertStatus) -> Answer:
    """Resolve an alert by hand.

    Notices go out as for any resolution, and counting starts again. The trail keeps who did it.
    """
    alert_log.change_status(alert_id, body, actor=actor())
    return AlertAnswer(alert=found(rows.alert(alert_id)))


@bp.delete("/alerts/<id:alert_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(alert_id: int) -> Answer:
    """Delete a resolved alert.

    Its incident, its deliveries and its decision records stay. An active alert is refused.
    """
    alert_log.delete(alert_id, actor=actor())
    return Message(message=f"The alert {alert_id} was deleted.")
