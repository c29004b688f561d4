"""Pages: list, make, change, order, delete."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import PageInput, check
from kener.domain.permissions import Permission
from kener.queries import monitors
from kener.queries import pages as rows
from kener.queries.pages import PageRow
from kener.services import pages
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage.forms import version

bp = Blueprint("manage_pages", __name__, url_prefix="/manage/pages")

MAX = 1000


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """All pages in their order."""
    return render("manage/pages/index.html", pages=rows.lines(db.session()))


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The empty form."""
    return _form({"path": "", "title": "", "header": "", "text": "", "monitor_tags": []}, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Add a page."""
    typed = _typed()
    given, errors = check(PageInput, typed)
    if given is None:
        return _form(typed, errors, status=422)
    try:
        pages.create(given, actor=actor())
    except Refused as refused:
        return _form(typed, refused.errors, status=422)
    return done(url_for(".index"), f"{given.title} is at /{given.path} now.")


@bp.get("/<id:page_id>/edit")
@requires(Permission.EDIT)
def edit(page_id: int) -> BaseResponse:
    """The form of a stored page."""
    page = _find(page_id)
    names = ("path", "title", "header", "text", "monitor_tags")
    return _form({name: getattr(page, name) for name in names}, {}, saved=page)


@bp.post("/<id:page_id>/edit")
@requires(Permission.EDIT)
def update(page_id: int) -> BaseResponse:
    """Change a page."""
    page, typed = _find(page_id), _typed()
    given, errors = check(PageInput, typed)
    if given is None:
        return _form(typed, errors, saved=page, status=422)
    try:
        pages.update(page_id, given, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(typed, refused.errors, saved=page, status=422)
    except Conflict:
        db.session().expire_all()
        changed = {"": "Someone else changed this page meanwhile. Saving again puts yours over it."}
        return _form(typed, changed, saved=_find(page_id), status=409)
    return done(url_for(".index"), "Saved. Visitors see it now.")


@bp.post("/<id:page_id>/move")
@requires(Permission.EDIT)
def move(page_id: int) -> BaseResponse:
    """One place up or down."""
    pages.move(page_id, up=request.form.get("to") != "down", actor=actor())
    return done(url_for(".index"))


@bp.get("/<id:page_id>/delete")
@requires(Permission.EDIT)
def delete(page_id: int) -> BaseResponse:
    """Ask before an address leads nowhere."""
    return render("manage/pages/delete.html", page=_find(page_id))


@bp.post("/<id:page_id>/delete")
@requires(Permission.EDIT)
def destroy(page_id: int) -> BaseResponse:
    """Delete a page."""
    title = _find(page_id).title
    pages.delete(page_id, actor=actor())
    return done(url_for(".index"), f"{title} is deleted. Its monitors are where they were.")


def _typed() -> dict[str, Any]:
    """What was typed. The monitors come in the order of their numbers; those without one follow, as they stand in the list."""
    form = request.form
    numbers = {tag: form.get(f"place-{tag}", "").strip() for tag in form.getlist("monitor_tags")}
    placed = sorted(
        numbers, key=lambda tag: int(numbers[tag]) if numbers[tag].isascii() and numbers[tag].isdigit() else MAX + 1
    )
    return {name: form.get(name, "") for name in ("path", "title", "header", "text")} | {"monitor_tags": placed}


def _form(
    form: dict[str, Any], errors: dict[str, str], *, saved: PageRow | None = None, status: int = 200
) -> BaseResponse:
    session = db.session()
    chosen = list(form["monitor_tags"])
    tags = monitors.matching_tags(session, limit=MAX)
    lines = {line.tag: line for line in monitors.by_tags(session, [*tags, *chosen])}
    ordered = [lines[tag] for tag in (*chosen, *(tag for tag in tags if tag not in chosen)) if tag in lines]
    return render(
        "manage/pages/form.html",
        status=status,
        form=form,
        errors=errors,
        saved=saved,
        monitors=ordered,
        places={tag: number for number, tag in enumerate(chosen, start=1)},
    )


def _find(page_id: int) -> PageRow:
    found = rows.by_id(db.session(), page_id)
    if found is None:
        abort(404)
    return found
