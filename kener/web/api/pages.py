"""Pages: status pages of their own, beside the home page."""

from typing import Any

from flask import Blueprint

from kener.db import db
from kener.domain.inputs import PageInput
from kener.queries import pages as rows
from kener.services import pages
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation
from kener.web.api.reading import Body, Changes, Paging, named

TAG = "Pages"
bp = Blueprint("api_pages", __name__)

_NAMES = {
    "path": "page_path",
    "title": "page_title",
    "header": "page_header",
    "text": "page_subheader",
    "monitor_tags": "monitors",
}


class NewPage(Body, PageInput):
    """A page. `monitors` are tags, in the order in which they are shown."""

    model_config = named(**_NAMES)
    notes = {"path": "What stands after the / in the address.", "text": "Markdown, above the monitors."}


class PageShown(Answer):
    """A page."""

    id: int
    page_path: str
    page_title: str
    page_header: str
    page_subheader: str | None
    monitors: list[str]


class PageAnswer(Answer):
    """One page."""

    page: PageShown


class PageList(Listed):
    """Pages in their order."""

    pages: list[PageShown]


@bp.get("/pages")
@api_key_required
@operation(tag=TAG, query=Paging, answer=PageList)
def index(query: Paging) -> Answer:
    """List pages."""
    part = rows.pages(db.session(), page=query.page, size=query.limit)
    return PageList(pages=[_shown(row) for row in part.rows], page=part.page, limit=query.limit, total=part.total)


@bp.post("/pages")
@api_key_required
@operation(tag=TAG, body=NewPage, answer=PageAnswer, status=201)
def create(body: NewPage) -> Answer:
    """Add a page."""
    return _answer(pages.create(body, actor=actor()))


@bp.get("/pages/<id:page_id>")
@api_key_required
@operation(tag=TAG, answer=PageAnswer)
def show(page_id: int) -> Answer:
    """Read a page."""
    return _answer(page_id)


@bp.patch("/pages/<id:page_id>")
@api_key_required
@operation(tag=TAG, changes=NewPage, answer=PageAnswer)
def update(page_id: int, changes: Changes[NewPage]) -> Answer:
    """Change a page.

    What is left out stays; the list of monitors is replaced as a whole.
    """
    current = found(rows.by_id(db.session(), page_id))
    given = changes.over(_as_given(current))
    pages.update(page_id, given, actor=actor(), version=current.version)
    return _answer(page_id)


@bp.delete("/pages/<id:page_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(page_id: int) -> Answer:
    """Delete a page.

    Its monitors stay.
    """
    pages.delete(page_id, actor=actor())
    return Message(message=f"The page {page_id} was deleted.")


def _answer(page_id: int) -> PageAnswer:
    return PageAnswer(page=_shown(found(rows.by_id(db.session(), page_id))))


def _shown(row: rows.PageRow) -> PageShown:
    return PageShown(id=row.id, **_as_given(row))


def _as_given(row: rows.PageRow) -> dict[str, Any]:
    """A page as a request would have given it."""
    return {outside: getattr(row, inside) for inside, outside in _NAMES.items()} | {"monitors": list(row.monitor_tags)}
