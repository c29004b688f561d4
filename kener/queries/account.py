"""What an account sees of itself."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.models import ApiKey, UserSession


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A browser that is signed in."""

    id: int
    user_agent: str
    address: str
    created_at: datetime
    seen_at: datetime
    is_current: bool


def sessions(session: Session, user_id: int, *, current: int) -> list[SessionRow]:
    """An account's sessions, the newest first."""
    query = select(UserSession).where(UserSession.user_id == user_id).order_by(UserSession.seen_at.desc())
    return [
        SessionRow(row.id, row.user_agent, row.address, row.created_at, row.seen_at, row.id == current)
        for row in session.scalars(query)
    ]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key; `prefix` is all that is known of it."""

    id: int
    name: str
    prefix: str
    created_by: str | None
    created_at: datetime
    used_at: datetime | None


def api_keys(session: Session) -> list[KeyRow]:
    """All keys, the newest first."""
    query = select(ApiKey).where(ApiKey.is_active.is_(True)).order_by(ApiKey.id.desc())
    return [
        KeyRow(key.id, key.name, key.prefix, key.created_by, key.created_at, key.used_at)
        for key in session.scalars(query)
    ]
