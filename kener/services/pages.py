"""Pages: make, change, delete; which monitors each shows, and in what order."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import live
from kener.db import transaction
from kener.domain.inputs import PageInput
from kener.models import Monitor, Page, PageMonitor
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused


def create(given: PageInput, *, actor: Actor) -> int:
    """Add a page. Raises Refused. Returns its id."""
    with transaction() as session:
        _refuse_taken(session, given.path, None)
        last = session.scalar(select(func.max(Page.position))) or 0
        page = Page(path=given.path, title=given.title, position=last + 1)
        session.add(page)
        _fill(session, page, given)
        audit.note(session, actor, "create", f"page-{page.id}", page.title)
        page_id = page.id
    live.publish()
    return page_id


def update(page_id: int, given: PageInput, *, actor: Actor, version: int | None = None) -> None:
    """Change a page. Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        page = _find(session, page_id)
        if version is not None and page.version != version:
            raise Conflict
        _refuse_taken(session, given.path, page_id)
        _fill(session, page, given)
        page.version += 1
        audit.note(session, actor, "change", f"page-{page_id}", page.title)
    live.publish()


def delete(page_id: int, *, actor: Actor) -> None:
    """Delete a page; its monitors stay. Raises NotFound."""
    with transaction() as session:
        page = _find(session, page_id)
        audit.note(session, actor, "delete", f"page-{page_id}", page.title)
        session.delete(page)
    live.publish()


def move(page_id: int, *, up: bool, actor: Actor) -> None:
    """One place up or down among the pages. Raises NotFound."""
    with transaction() as session:
        pages = list(session.scalars(select(Page).order_by(Page.position, Page.id).with_for_update()))
        place = next((number for number, page in enumerate(pages) if page.id == page_id), None)
        if place is None:
            raise NotFound
        other = max(0, min(len(pages) - 1, place - 1 if up else place + 1))
        pages[place], pages[other] = pages[other], pages[place]
        for number, page in enumerate(pages):
            page.position = number
        audit.note(session, actor, "move", f"page-{page_id}", pages[other].title)
    live.publish()


def _fill(session: Session, page: Page, given: PageInput) -> None:
    page.path, page.title, page.header, page.text = given.path, given.title, given.header, given.text
    session.flush()
    ids = _ids(session, given.monitor_tags)
    # Deleted monitors keep their place: they may come back.
    shown = (
        select(PageMonitor).join(Monitor, Monitor.id == PageMonitor.monitor_id).where(PageMonitor.page_id == page.id)
    )
    known = {link.monitor_id: link for link in session.scalars(shown)}
    for monitor_id, link in known.items():
        if monitor_id not in ids:
            session.delete(link)
    for place, monitor_id in enumerate(ids):
        if monitor_id in known:
            known[monitor_id].position = place
        else:
            session.add(PageMonitor(page_id=page.id, monitor_id=monitor_id, position=place))


def _ids(session: Session, tags: Sequence[str]) -> list[int]:
    query = select(Monitor.tag, Monitor.id).where(Monitor.tag.in_(tags))
    found: dict[str, int] = {row.tag: row.id for row in session.execute(query)}
    missing = sorted(set(tags) - found.keys())
    if missing:
        raise Refused({"monitor_tags": f"There is no monitor {', '.join(missing)}."})
    return [found[tag] for tag in tags]


def _refuse_taken(session: Session, path: str, own_id: int | None) -> None:
    holder = session.scalar(select(Page.id).where(Page.path == path))
    if holder is not None and holder != own_id:
        raise Refused({"path": f"There is a page at /{path} already."})


def _find(session: Session, page_id: int) -> Page:
    page = session.get(Page, page_id, with_for_update=True)
    if page is None:
        raise NotFound
    return page
