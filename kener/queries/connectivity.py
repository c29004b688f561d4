"""The reference targets, and the last time when none of them could be reached."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.models import Setting

REFERENCES = "references"
EPISODE = "own_connection_lost"
CURRENT_S = 180
"""Failing checks look again every few seconds; when nothing has looked for so long, nothing fails any more."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A time without a connection of our own, in seconds since 1970; `seen_at` is when that was seen last."""

    started_at: int
    seen_at: int
    ended_at: int | None

    @property
    def began(self) -> datetime:
        return clock.at(self.started_at)

    @property
    def over(self) -> datetime:
        """When it ended; when it was seen last where nobody saw the end."""
        return clock.at(self.ended_at or self.seen_at)

    def is_current(self, now: int) -> bool:
        return self.ended_at is None and now - self.seen_at <= CURRENT_S


def references(session: Session) -> tuple[str, ...]:
    """The reference targets in their order; none for a damaged setting."""
    value = session.scalar(select(Setting.value).where(Setting.name == REFERENCES))
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def episode(session: Session) -> Episode | None:
    """The newest time without a connection of our own."""
    value = session.scalar(select(Setting.value).where(Setting.name == EPISODE))
    if not isinstance(value, dict):
        return None
    started, seen, ended = (value.get(name) for name in ("started_at", "seen_at", "ended_at"))
    if not isinstance(started, int) or not isinstance(seen, int) or not isinstance(ended, int | None):
        return None
    return Episode(started, seen, ended)
