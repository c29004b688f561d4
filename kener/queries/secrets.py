"""The secrets as operators see them: everything but their values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.models import Secret
from kener.queries.paging import Part, like, part


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A secret without its value."""

    id: int
    name: str
    description: str
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime
    version: Annotated[int, Field(exclude=True)] = 0


def secrets(session: Session, *, q: str = "", page: int = 1, size: int = 25) -> Part[SecretRow]:
    """Secrets by name."""
    query = select(Secret).order_by(Secret.name)
    if q:
        query = query.where(Secret.name.ilike(like(q), escape="\\") | Secret.description.ilike(like(q), escape="\\"))
    return part(session, query, page=page, size=size, row=_row)


def secret(session: Session, secret_id: int) -> SecretRow | None:
    """One secret, or None."""
    found = session.get(Secret, secret_id)
    return _row(found) if found else None


def _row(found: Secret) -> SecretRow:
    return SecretRow(
        found.id,
        found.name,
        found.description,
        found.created_by,
        found.created_at,
        found.changed_by,
        found.changed_at,
        found.version,
    )
