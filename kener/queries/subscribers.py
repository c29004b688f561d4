"""Subscribers as visitors and operators see them: what is offered, who is there, what they were told."""

from dataclasses import asdict, dataclass

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.domain.subscriptions import Channel, NoticeKind
from kener.models import Setting
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
