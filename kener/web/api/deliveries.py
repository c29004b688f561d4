"""Deliveries: what was sent, or could not be."""

from flask import Blueprint

from kener.models import DeliveryState
from kener.queries import api as rows
from kener.services import outbox
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, found, operation, part
from kener.web.api.reading import Id, Paging

TAG = "Deliveries"
bp = Blueprint("api_deliveries", __name__)


class DeliveryFilters(Paging):
    """Which deliveries."""

    state: DeliveryState | None = None
    trigger_id: Id | None = None
    alert_id: Id | None = None


class DeliveryAnswer(Answer):
    """One delivery."""

    delivery: rows.Delivery


class DeliveryList(Listed):
    """Deliveries, newest first."""

    deliveries: list[rows.Delivery]


@bp.get("/deliveries")
@api_key_required
@operation(tag=TAG, query=DeliveryFilters, answer=DeliveryList)
def index(query: DeliveryFilters) -> Answer:
    """List deliveries."""
    page = rows.deliveries(**query.model_dump())
    return DeliveryList(deliveries=page.rows, **part(page))


@bp.get("/deliveries/<id:delivery_id>")
@api_key_required
@operation(tag=TAG, answer=DeliveryAnswer)
def show(delivery_id: int) -> Answer:
    """Read a delivery."""
    return DeliveryAnswer(delivery=found(rows.delivery(delivery_id)))


@bp.post("/deliveries/<id:delivery_id>/resend")
@api_key_required
@operation(tag=TAG, answer=DeliveryAnswer)
def resend(delivery_id: int) -> Answer:
    """Send a delivery again.

    Now, and under the same `uid`. One that is being sent at this moment is refused.
    """
    outbox.resend(delivery_id, actor=actor())
    return DeliveryAnswer(delivery=found(rows.delivery(delivery_id)))
