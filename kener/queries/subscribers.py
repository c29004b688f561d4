"""Subscribers as visitors and operators see them: what is offered, who is there, what they were told."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.domain.subscriptions import Channel, NoticeKind
from kener.models import Incident, Monitor, Page, Setting, Subscriber, Subscription
from kener.queries import site

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


def scopes(session: Session) -> Scopes:
    """Everything that visitors can see: two statements."""
    pages = select(Page.path, Page.title).order_by(Page.position, Page.title)
    shown = Monitor.is_hidden.is_(False), Monitor.deleted_at.is_(None), Monitor.is_active.is_(True)
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
    scope = (
        select(Page.path, Monitor.tag, Subscription.incident_id)
        .select_from(Subscription)
        .outerjoin(Page, Page.id == Subscription.page_id)
        .outerjoin(Monitor, Monitor.id == Subscription.monitor_id)
        .where(Subscription.subscriber_id == subscriber.id)
        .order_by(Subscription.id)
    )
    found = session.execute(scope).all()
    kinds = ((NoticeKind.INCIDENTS, subscriber.incidents), (NoticeKind.MAINTENANCE, subscriber.maintenance))
    return {
        "kinds": [kind.value for kind, wanted in kinds if wanted],
        "least_impact": subscriber.least_impact.value,
        "pages": [path for path, _, _ in found if path],
        "monitors": [tag for _, tag, _ in found if tag],
        "incident_ids": [incident_id for _, _, incident_id in found if incident_id],
        "zone": subscriber.zone,
        "language": subscriber.language,
    }
