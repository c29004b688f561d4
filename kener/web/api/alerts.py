"""Alerts: the episodes. They begin and end by themselves, so they can only be read."""

from flask import Blueprint

from kener.domain.alerting import AlertStatus
from kener.domain.inputs import Tag
from kener.queries import api as rows
from kener.web.api.auth import api_key_required
from kener.web.api.operations import Answer, Listed, found, operation, part
from kener.web.api.reading import Id, Paging

TAG = "Alerts"
bp = Blueprint("api_alerts", __name__)


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
