"""Deliveries: what was sent, or could not be."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import Field

from kener import clock
from kener.models import DeliveryState
from kener.queries import api as rows
from kener.services import outbox
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, found, operation, part
from kener.web.api.reading import Body, Id, Paging, Seconds

TAG = "Deliveries"
bp = Blueprint("api_deliveries", __name__)


class DeliveryFilters(Paging):
    """Which deliveries."""

    state: DeliveryState | None = None
    trigger_id: Id | None = None
    alert_id: Id | None = None
    event: Literal["TRIGGERED", "RESOLVED"] | None = None
    start_ts: Annotated[Seconds | None, Field(description="Written at this second or later.")] = None
    end_ts: Annotated[Seconds | None, Field(description="Written before this second.")] = None


class DeliveryReplay(Body):
    """Which deliveries to send again: those of one trigger that were written from `start_ts` on and before `end_ts`."""

    trigger_id: Id
    start_ts: Seconds
    end_ts: Seconds
    which: Annotated[
        Literal["FAILED", "ALL"], Field(description="Those that failed for good, or all that are settled.")
    ] = "FAILED"


class ReplayAnswer(Answer):
    """How many are sent again."""

    deliveries: int


class DeliveryAnswer(Answer):
    """One delivery."""

    delivery: rows.Delivery


class DeliveryStory(Answer):
    """One delivery, and each attempt at it that came to an end."""

    delivery: rows.Delivery
    history: list[rows.DeliveryAttempt]


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
@operation(tag=TAG, answer=DeliveryStory)
def show(delivery_id: int) -> Answer:
    """Read a delivery and every attempt at it."""
    return DeliveryStory(delivery=found(rows.delivery(delivery_id)), history=rows.attempts(delivery_id))


@bp.post("/deliveries/<id:delivery_id>/resend")
@api_key_required
@operation(tag=TAG, answer=DeliveryAnswer)
def resend(delivery_id: int) -> Answer:
    """Send a delivery again.

    Now, and under the same `uid`. One that is being sent at this moment is refused.
    """
    outbox.resend(delivery_id, actor=actor())
    return DeliveryAnswer(delivery=found(rows.delivery(delivery_id)))


@bp.post("/deliveries/replay")
@api_key_required
@operation(tag=TAG, body=DeliveryReplay, answer=ReplayAnswer)
def replay(body: DeliveryReplay) -> Answer:
    """Send the deliveries of a time again.

    Under the same `uid` each and in the same order, 1,000 at most. A trigger that is not active is refused.
    """
    start, end = clock.at(body.start_ts), clock.at(body.end_ts)
    number = outbox.replay(body.trigger_id, start=start, end=end, only_failed=body.which == "FAILED", actor=actor())
    return ReplayAnswer(deliveries=number)
