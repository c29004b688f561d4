"""Subscribers: who hears of incidents and maintenance, by mail, webhook or chat, and what they were told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from flask import Blueprint
from pydantic import Field
from sqlalchemy import select

from kener.db import reading
from kener.domain.status import Status
from kener.domain.subscriptions import Channel, NoticeKind, SubscriberInput, SubscriberState
from kener.models import DeliveryState, Subscriber
from kener.queries import subscribers as rows
from kener.services import subscribers
from kener.services.errors import Refused
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation
from kener.web.api.reading import Body, Paging

TAG = "Subscribers"
bp = Blueprint("api_subscribers", __name__)


class NewSubscriber(Body, SubscriberInput):
    """Somebody who is to hear. Without pages, monitors and incident_ids it is everything."""

    notes = {
        "channel": "EMAIL takes an address; the others take a URL.",
        "address": "Compared in lower case. A URL is kept encrypted, and never shown again.",
        "kinds": "What to hear of.",
        "least_impact": "DOWN: nothing of what is only degraded.",
        "pages": "Paths of pages.",
        "monitors": "Tags of monitors and groups; a group counts for all its members.",
        "incident_ids": "Incidents to follow until they are over.",
        "zone": "The time zone of times in messages; empty: that of the site.",
        "language": "The language of messages.",
    }


class ShownSubscriber(Answer):
    """One subscriber, and what they chose; of who has not confirmed, nothing counts yet."""

    id: int
    channel: Channel
    address: Annotated[str, Field(description="Of a URL only the host.")]
    state: SubscriberState
    everything: Annotated[bool, Field(description="The whole site.")]
    kinds: list[NoticeKind]
    least_impact: Status
    pages: list[str]
    monitors: list[str]
    incident_ids: list[int]
    zone: str
    language: str
    created_by: Annotated[str | None, Field(description="Null: they came by themselves.")]
    created_at: datetime
    confirmed_at: datetime | None


class SubscriberAnswer(Answer):
    """One subscriber."""

    subscriber: ShownSubscriber


class SubscriberList(Listed):
    """Subscribers, newest first."""

    subscribers: list[ShownSubscriber]


class SubscriberFilters(Paging):
    """Which subscribers."""

    state: SubscriberState | None = None
    channel: Channel | None = None
    kind: NoticeKind | None = None
    scope: Annotated[
        Literal["SITE", "CHOSEN", "INCIDENT"] | None,
        Field(description="The whole site, pages or monitors, or an incident."),
    ] = None
    q: Annotated[str, Field(max_length=100, pattern="^[^\0]*$", description="A part of the address.")] = ""


class ShownMessage(Answer):
    """One message to one subscriber."""

    id: int
    notice_id: int
    subscriber_id: Annotated[int | None, Field(description="Null: unsubscribed since.")]
    event: str
    title: str
    incident_id: int | None
    state: DeliveryState
    attempts: int
    answer: str | None
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None


class MessageList(Listed):
    """Messages, newest first."""

    deliveries: list[ShownMessage]


class ShownNotice(Answer):
    """One thing that was said to subscribers, and how far it has come."""

    id: int
    event: str
    title: str
    incident_id: int | None
    created_at: datetime
    sent: int
    failed: int
    waiting: int


class NoticeList(Listed):
    """What was said, newest first."""

    notices: list[ShownNotice]


@bp.get("/subscribers")
@api_key_required
@operation(tag=TAG, query=SubscriberFilters, answer=SubscriberList)
def index(query: SubscriberFilters) -> Answer:
    """List subscribers."""
    wanted = query.model_dump(mode="json", exclude={"page", "limit"})
    filters = rows.Filters(**{name: value or "" for name, value in wanted.items()})
    page = rows.subscribers(reading(), filters, page=query.page, size=query.limit)
    return SubscriberList(subscribers=_shown([one.id for one in page.rows]), **_part(page))


@bp.post("/subscribers")
@api_key_required
@operation(tag=TAG, body=NewSubscriber, answer=SubscriberAnswer, status=201)
def create(body: NewSubscriber) -> Answer:
    """Add a subscriber.

    PENDING until the owner of the address confirms it with the link or the code that is sent there.
    """
    if subscribers.find(body.channel, body.address) is not None:
        raise Refused({"address": "This address is among the subscribers already."})
    subscribers.ask(body, actor=actor())
    subscriber_id = found(subscribers.find(body.channel, body.address))
    return _answer(subscriber_id)


@bp.get("/subscribers/<id:subscriber_id>")
@api_key_required
@operation(tag=TAG, answer=SubscriberAnswer)
def show(subscriber_id: int) -> Answer:
    """Read a subscriber."""
    return _answer(subscriber_id)


@bp.delete("/subscribers/<id:subscriber_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(subscriber_id: int) -> Answer:
    """Delete a subscriber.

    The address goes with everything that hangs on it; what was not sent yet is not sent.
    """
    subscribers.remove(subscriber_id, actor=actor())
    return Message(message=f"The subscriber {subscriber_id} was deleted.")


@bp.get("/subscribers/<id:subscriber_id>/deliveries")
@api_key_required
@operation(tag=TAG, query=Paging, answer=MessageList)
def deliveries(subscriber_id: int, query: Paging) -> Answer:
    """List what a subscriber was told."""
    found(rows.subscriber(reading(), subscriber_id))
    page = rows.told(reading(), subscriber_id=subscriber_id, page=query.page, size=query.limit)
    return MessageList(deliveries=[_message(one) for one in page.rows], **_part(page))


@bp.get("/notices")
@api_key_required
@operation(tag=TAG, query=Paging, answer=NoticeList)
def notices(query: Paging) -> Answer:
    """List what was said to subscribers."""
    page = rows.notices(reading(), page=query.page, size=query.limit)
    return NoticeList(notices=[_notice(one) for one in page.rows], **_part(page))


def _part(page: Any) -> dict[str, int]:
    return {"page": page.page, "limit": page.size, "total": page.total}


def _answer(subscriber_id: int) -> SubscriberAnswer:
    return SubscriberAnswer(subscriber=found(next(iter(_shown([subscriber_id])), None)))


def _shown(ids: Sequence[int]) -> list[ShownSubscriber]:
    """Newest first: two statements, whatever their number."""
    session = reading()
    kept = session.scalars(select(Subscriber).where(Subscriber.id.in_(ids)).order_by(Subscriber.id.desc())).all()
    choices = rows.choices_of(session, kept)
    names = ("id", "channel", "address", "state", "everything", "created_by", "created_at", "confirmed_at")
    return [ShownSubscriber(**{name: getattr(one, name) for name in names}, **choices[one.id]) for one in kept]


def _message(one: rows.ToldLine) -> ShownMessage:
    names = set(ShownMessage.model_fields) - {"title"}
    return ShownMessage(title=one.subject, **{name: getattr(one, name) for name in names})


def _notice(one: rows.NoticeLine) -> ShownNotice:
    names = set(ShownNotice.model_fields) - {"title"}
    return ShownNotice(title=one.subject, **{name: getattr(one, name) for name in names})
