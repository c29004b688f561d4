"""Pages: for visitors by path, for operators in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener.models import Monitor, Page, PageMonitor
from kener.queries.paging import Part, part


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page with the tags of its monitors in their order."""

    id: int
    path: str
    title: str
    header: str
    text: str | None
    monitor_tags: tuple[str, ...]
    version: Annotated[int, Field(exclude=True)] = 0


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line of the list."""

    id: int
    path: str
    title: str
    monitors: int


def listed(session: Session) -> Sequence[Page]:
    """All pages in their order."""
    return session.scalars(select(Page).order_by(Page.position, Page.id)).all()


def lines(session: Session) -> list[PageLine]:
    """All pages with the number of their monitors: one statement."""
    count = func.count(Monitor.id)
    query = (
        select(Page.id, Page.path, Page.title, count)
        .outerjoin(PageMonitor, PageMonitor.page_id == Page.id)
        .outerjoin(Monitor, Monitor.id == PageMonitor.monitor_id)
        .group_by(Page.id, Page.path, Page.title, Page.position)
        .order_by(Page.position, Page.id)
    )
    return [PageLine(*row) for row in session.execute(query)]


def pages(session: Session, *, page: int, size: int) -> Part[PageRow]:
    """Pages in their order."""
    found = part(session, select(Page).order_by(Page.position, Page.id), page=page, size=size, row=lambda row: row)
    tags = _tags(session, [one.id for one in found.rows])
    return Part(tuple(_row(one, tags.get(one.id, [])) for one in found.rows), found.page, found.total, found.size)


def by_id(session: Session, page_id: int) -> PageRow | None:
    """One page, or None."""
    found = session.get(Page, page_id)
    return _row(found, _tags(session, [found.id]).get(found.id, [])) if found else None


def by_path(session: Session, path: str) -> Page | None:
    """The page at an address, or None."""
    return session.scalars(select(Page).where(Page.path == path)).one_or_none()


def _tags(session: Session, page_ids: Sequence[int]) -> dict[int, list[str]]:
    query = (
        select(PageMonitor.page_id, Monitor.tag)
        .join(Monitor, Monitor.id == PageMonitor.monitor_id)
        .where(PageMonitor.page_id.in_(page_ids))
        .order_by(PageMonitor.position, PageMonitor.monitor_id)
    )
    found: dict[int, list[str]] = {}
    for page_id, tag in session.execute(query):
        found.setdefault(page_id, []).append(tag)
    return found


def _row(page: Page, tags: Sequence[str]) -> PageRow:
    return PageRow(page.id, page.path, page.title, page.header, page.text, tuple(tags), page.version)
