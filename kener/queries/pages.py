"""Pages by name."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.models import Page


def listed(session: Session) -> Sequence[Page]:
    """All pages in their order."""
    return session.scalars(select(Page).order_by(Page.position, Page.id)).all()
