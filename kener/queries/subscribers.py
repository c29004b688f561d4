"""Subscribers as visitors and operators see them: what is offered, who is there, what they were told."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from kener.domain.status import Status
from kener.domain.subscriptions import Channel, NoticeKind, SubscriberState
from kener.models import (
    Confirmation,
    DeliveryState,
    Incident,
    Monitor,
    Notice,
    NoticeDelivery,
    Page,
    Setting,
    Subscriber,
    Subscription,
)
from kener.queries import site
from kener.queries.paging import SIZE, Part, like, part

SETTING = "subscriptions"


@dataclass(frozen=True, slots=True)
class Offer:
    """What operators offer. `webhooks`: programs and chat channels may subscribe too, not only e-mail addresses."""

    enabled: bool = True
    incidents: bool = True
    maintenance: bool = True
    webhooks: bool = False

    @property
    def kinds(self) -> tuple[NoticeKind, ...]:
        """What can be heard of; nothing while it is switched off."""
        chosen = ((NoticeKind.INCIDENTS, self.incidents), (NoticeKind.MAINTENANCE, self.maintenance))
        return tuple(kind for kind, offered in chosen if offered and self.enabled)

    def as_json(self) -> dict[str, bool]:
        return asdict(self)


def offer(session: Session) -> Offer:
    """What is offered, as it is set."""
    stored = session.scalar(select(Setting.value).where(Setting.name == SETTING))
    known = stored if isinstance(stored, dict) else {}
    return Offer(**{name: known[name] for name in Offer().as_json() if isinstance(known.get(name), bool)})


@dataclass(frozen=True, slots=True)
class Door:
    """What a visitor can do about subscribing: by which channels, of what. Nothing is offered where there are none."""

    channels: tuple[Channel, ...]
    kinds: tuple[NoticeKind, ...]

    @property
    def is_open(self) -> bool:
        return bool(self.channels and self.kinds)


def door(session: Session) -> Door:
    """By mail where mail is set up, otherwise where it is allowed. Without an address of the site no message could say how to stop it."""
    wanted = offer(session)
    channels: list[Channel] = []
    if site.read(session).url:
        channels += [Channel.EMAIL] if current_app.extensions["kener"].smtp else []
        channels += [channel for channel in Channel if channel is not Channel.EMAIL] if wanted.webhooks else []
    return Door(tuple(channels), wanted.kinds)


@dataclass(frozen=True, slots=True)
class Scopes:
    """What visitors can choose among: `(path, title)` of pages, `(tag, name)` of monitors and groups."""

    pages: tuple[tuple[str, str], ...]
    monitors: tuple[tuple[str, str], ...]


def scopes(session: Session, *, kept: Sequence[str] = ()) -> Scopes:
    """Everything that visitors can see, and of paused monitors those that were chosen before (`kept`, tags): two statements."""
    pages = select(Page.path, Page.title).order_by(Page.position, Page.title)
    there = or_(Monitor.is_active.is_(True), Monitor.tag.in_(kept))
    shown = Monitor.is_hidden.is_(False), Monitor.deleted_at.is_(None), there
    monitors = select(Monitor.tag, Monitor.name).where(*shown).order_by(Monitor.position, Monitor.name)
    return Scopes(
        tuple((row.path, row.title) for row in session.execute(pages)),
        tuple((row.tag, row.name) for row in session.execute(monitors)),
    )


@dataclass(frozen=True, slots=True)
class Followed:
    """An incident that somebody follows."""

    id: int
    title: str


def followed(session: Session, ids: Iterable[int]) -> tuple[Followed, ...]:
    """Those of these incidents that visitors can see."""
    public = Incident.is_private.is_(False), Incident.is_drill.is_(False)
    query = (
        select(Incident.id, Incident.title).where(Incident.id.in_(sorted(ids)), *public).order_by(Incident.id.desc())
    )
    return tuple(Followed(row.id, row.title) for row in session.execute(query))


def chosen(session: Session, subscriber: Subscriber) -> dict[str, Any]:
    """What a subscriber has chosen, as a form or a request would have given it."""
    return choices_of(session, [subscriber])[subscriber.id]


def choices_of(session: Session, subscribers: Sequence[Subscriber]) -> dict[int, dict[str, Any]]:
    """The same of many, by id: one statement."""
    scope = (
        select(Subscription.subscriber_id, Page.path, Monitor.tag, Subscription.incident_id)
        .select_from(Subscription)
        .outerjoin(Page, Page.id == Subscription.page_id)
        .outerjoin(Monitor, Monitor.id == Subscription.monitor_id)
        .where(Subscription.subscriber_id.in_([one.id for one in subscribers]))
        .order_by(Subscription.id)
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for subscriber_id, *parts in session.execute(scope):
        found[subscriber_id].append(parts)
    return {one.id: _choices(one, found[one.id]) for one in subscribers}


def _choices(one: Subscriber, scope: Sequence[Any]) -> dict[str, Any]:
    kinds = ((NoticeKind.INCIDENTS, one.incidents), (NoticeKind.MAINTENANCE, one.maintenance))
    return {
        "kinds": [kind.value for kind, wanted in kinds if wanted],
        "least_impact": one.least_impact.value,
        "pages": [path for path, _, _ in scope if path],
        "monitors": [tag for _, tag, _ in scope if tag],
        "incident_ids": [incident_id for _, _, incident_id in scope if incident_id],
        "zone": one.zone,
        "language": one.language,
    }


@dataclass(frozen=True, slots=True)
class SubscriberLine:
    """One subscriber. `answer` is what came of asking, while they have not confirmed."""

    id: int
    channel: Channel
    address: str
    state: SubscriberState
    kinds: tuple[NoticeKind, ...]
    scope: str
    least_impact: Status
    zone: str
    created_by: str | None
    created_at: datetime
    confirmed_at: datetime | None
    asked: DeliveryState | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which subscribers; empty values are any. `scope`: SITE, CHOSEN or INCIDENT."""

    q: str = ""
    state: str = ""
    kind: str = ""
    scope: str = ""
    channel: str = ""


def subscribers(session: Session, filters: Filters, *, page: int = 1, size: int = SIZE) -> Part[SubscriberLine]:
    """Subscribers, newest first: four statements a page."""
    found = part(session, _filtered(filters), page=page, size=size, row=lambda one: one)
    return Part(tuple(_lines(session, found.rows)), found.page, found.total, found.size)


def subscriber(session: Session, subscriber_id: int) -> SubscriberLine | None:
    """One of them, or None."""
    found = session.get(Subscriber, subscriber_id, populate_existing=True)
    return _lines(session, [found])[0] if found else None


def _filtered(filters: Filters) -> Any:
    query = select(Subscriber).order_by(Subscriber.id.desc())
    if filters.q:
        query = query.where(Subscriber.address.like(like(filters.q.lower()), escape="\\"))
    if filters.state:
        query = query.where(Subscriber.state == filters.state)
    if filters.channel:
        query = query.where(Subscriber.channel == filters.channel)
    if filters.kind:
        column = Subscriber.incidents if filters.kind == NoticeKind.INCIDENTS else Subscriber.maintenance
        query = query.where(column.is_(True))
    match filters.scope:
        case "SITE":
            query = query.where(Subscriber.everything.is_(True))
        case "CHOSEN":
            query = query.where(_has(or_(Subscription.page_id.is_not(None), Subscription.monitor_id.is_not(None))))
        case "INCIDENT":
            query = query.where(_has(Subscription.incident_id.is_not(None)))
    return query


def _has(which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Subscription.subscriber_id == Subscriber.id, which)


def _lines(session: Session, found: Sequence[Subscriber]) -> list[SubscriberLine]:
    ids = [one.id for one in found]
    counts = select(
        Subscription.subscriber_id,
        func.count(Subscription.page_id),
        func.count(Subscription.monitor_id),
        func.count(Subscription.incident_id),
    )
    grouped = counts.where(Subscription.subscriber_id.in_(ids)).group_by(Subscription.subscriber_id)
    scope = {row[0]: tuple(row[1:]) for row in session.execute(grouped)}
    newest = select(func.max(Confirmation.id)).where(Confirmation.subscriber_id.in_(ids))
    asked = select(Confirmation).where(Confirmation.id.in_(newest.group_by(Confirmation.subscriber_id)))
    questions = {one.subscriber_id: one for one in session.scalars(asked)}
    return [_line(one, scope.get(one.id, (0, 0, 0)), questions.get(one.id)) for one in found]


def _line(one: Subscriber, scope: tuple[int, ...], question: Confirmation | None) -> SubscriberLine:
    kinds = ((NoticeKind.INCIDENTS, one.incidents), (NoticeKind.MAINTENANCE, one.maintenance))
    is_pending = one.state is SubscriberState.PENDING
    return SubscriberLine(
        id=one.id,
        channel=one.channel,
        address=one.address,
        state=one.state,
        kinds=tuple(kind for kind, wanted in kinds if wanted),
        scope=_scope(one.everything, scope) if not is_pending else "not chosen yet",
        least_impact=one.least_impact,
        zone=one.zone,
        created_by=one.created_by,
        created_at=one.created_at,
        confirmed_at=one.confirmed_at,
        asked=question.state if question and is_pending else None,
        answer=question.answer if question and is_pending else None,
    )


def _scope(everything: bool, counts: tuple[int, ...]) -> str:
    parts = ["the whole site"] if everything else []
    named = zip(counts, ("page", "monitor", "incident"), strict=True)
    parts += [f"{number} {name}{'' if number == 1 else 's'}" for number, name in named if number]
    return ", ".join(parts) or "nothing"


def numbers(session: Session) -> dict[str, int]:
    """How many there are: by state, and of the active ones by channel."""
    query = select(Subscriber.state, Subscriber.channel, func.count()).group_by(Subscriber.state, Subscriber.channel)
    found = {"ACTIVE": 0, "PENDING": 0, "EMAIL": 0, "OTHER": 0}
    for state, channel, number in session.execute(query):
        found[state] = found.get(state, 0) + number
        if state == SubscriberState.ACTIVE:
            found["EMAIL" if channel is Channel.EMAIL else "OTHER"] += number
    return found


def export(session: Session) -> Iterable[tuple[SubscriberLine, dict[str, Any]]]:
    """All who have confirmed, with what they chose, a thousand at a time."""
    after = 0
    while True:
        query = select(Subscriber).where(Subscriber.id > after, Subscriber.state == SubscriberState.ACTIVE)
        found = session.scalars(query.order_by(Subscriber.id).limit(1_000)).all()
        if not found:
            return
        choices = choices_of(session, found)
        yield from [(line, choices[line.id]) for line in _lines(session, found)]
        after = found[-1].id
        session.expunge_all()


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One thing that was said, and how far it has come."""

    id: int
    event: str
    subject: str
    incident_id: int | None
    created_at: datetime
    sent: int
    failed: int
    waiting: int

    @property
    def total(self) -> int:
        return self.sent + self.failed + self.waiting


def notices(session: Session, *, page: int = 1, incident_id: int | None = None, size: int = SIZE) -> Part[NoticeLine]:
    """What was said to subscribers, newest first; of one incident, where that is given."""
    query = select(Notice).order_by(Notice.id.desc())
    if incident_id is not None:
        query = query.where(Notice.incident_id == incident_id)
    found = part(session, query, page=page, size=size, row=lambda one: one)
    return Part(tuple(_notices(session, found.rows)), found.page, found.total, found.size)


def notice(session: Session, notice_id: int) -> NoticeLine | None:
    """One of them, or None."""
    found = session.get(Notice, notice_id, populate_existing=True)
    return _notices(session, [found])[0] if found else None


def _notices(session: Session, found: Sequence[Notice]) -> list[NoticeLine]:
    counted = (
        select(NoticeDelivery.notice_id, NoticeDelivery.state, func.count())
        .where(NoticeDelivery.notice_id.in_([one.id for one in found]))
        .group_by(NoticeDelivery.notice_id, NoticeDelivery.state)
    )
    states: dict[int, dict[str, int]] = defaultdict(dict)
    for notice_id, state, number in session.execute(counted):
        states[notice_id][str(state)] = number
    lines = []
    for one in found:
        by_state = states[one.id]
        sent, failed = by_state.get("SENT", 0), by_state.get("FAILED", 0)
        message = one.message if isinstance(one.message, dict) else {}
        lines.append(
            NoticeLine(
                id=one.id,
                event=one.event,
                subject=str(message.get("title", one.event)),
                incident_id=one.incident_id,
                created_at=one.created_at,
                sent=sent,
                failed=failed,
                waiting=sum(by_state.values()) - sent - failed,
            )
        )
    return lines


@dataclass(frozen=True, slots=True)
class ToldLine:
    """One message to one subscriber; who is gone has no name any more."""

    id: int
    subscriber_id: int | None
    address: str
    notice_id: int
    event: str
    subject: str
    incident_id: int | None
    state: DeliveryState
    attempts: int
    answer: str | None
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None


def told(
    session: Session,
    *,
    subscriber_id: int | None = None,
    notice_id: int | None = None,
    state: str = "",
    page: int = 1,
    size: int = SIZE,
) -> Part[ToldLine]:
    """Messages to one subscriber, or of one notice, newest first. `state`: a state, or PENDING for all that may still arrive."""
    query = (
        select(NoticeDelivery, Notice, Subscriber.address)
        .join(Notice, Notice.id == NoticeDelivery.notice_id)
        .outerjoin(Subscriber, Subscriber.id == NoticeDelivery.subscriber_id)
        .order_by(NoticeDelivery.id.desc())
    )
    if subscriber_id is not None:
        query = query.where(NoticeDelivery.subscriber_id == subscriber_id)
    if notice_id is not None:
        query = query.where(NoticeDelivery.notice_id == notice_id)
    if state == "PENDING":
        query = query.where(NoticeDelivery.state.not_in((DeliveryState.SENT, DeliveryState.FAILED)))
    elif state:
        query = query.where(NoticeDelivery.state == state)
    return part(session, query, page=page, size=size, row=_told, whole=True)


def _told(row: Any) -> ToldLine:
    delivery, notice, address = row
    message = notice.message if isinstance(notice.message, dict) else {}
    return ToldLine(
        id=delivery.id,
        subscriber_id=delivery.subscriber_id,
        address=address or "unsubscribed meanwhile",
        notice_id=notice.id,
        event=notice.event,
        subject=str(message.get("title", notice.event)),
        incident_id=notice.incident_id,
        state=delivery.state,
        attempts=delivery.attempts,
        answer=delivery.answer,
        created_at=notice.created_at,
        next_at=delivery.next_at,
        sent_at=delivery.sent_at,
    )
