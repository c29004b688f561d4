"""Merge an incident into another, and split it: what will happen is said first."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.inputs import SplitInput, check
from kener.domain.permissions import Permission
from kener.queries import incidents as rows
from kener.services import merging
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.forms import flattened
from kener.web.manage.incidents.routes import bp, find


@bp.get("/<id:incident_id>/merge")
@requires(Permission.EDIT)
def merge(incident_id: int) -> BaseResponse:
    """Look for the other incident; `?into=` asks before both become one."""
    found, into = find(incident_id), request.args.get("into", "")
    if into:
        return _ask(found, into)
    return _search(found)


@bp.post("/<id:incident_id>/merge")
@requires(Permission.EDIT)
def join(incident_id: int) -> BaseResponse:
    """Merge it."""
    found, into_id = find(incident_id), _number(request.form.get("into_id", ""))
    try:
        merging.merge(incident_id, into_id, actor=actor())
    except Refused as refused:
        return _search(found, error=" ".join(refused.errors.values()), status=422)
    return done(
        url_for(".show", incident_id=into_id),
        f"Incident {incident_id} goes on here. Its old address leads to this incident.",
    )


@bp.get("/<id:incident_id>/split")
@requires(Permission.EDIT)
def split(incident_id: int) -> BaseResponse:
    """Choose who leaves."""
    return _choose(find(incident_id), {"monitor_tags": [], "incident_ids": []}, {})


@bp.post("/<id:incident_id>/split")
@requires(Permission.EDIT)
def part(incident_id: int) -> BaseResponse:
    """Split it."""
    found = find(incident_id)
    chosen = {name: request.form.getlist(name) for name in ("monitor_tags", "incident_ids")}
    checked, errors = check(SplitInput, chosen)
    if checked is None:
        return _choose(found, chosen, flattened(errors), status=422)
    try:
        home_id = merging.split(incident_id, checked, actor=actor())
    except Refused as refused:
        return _choose(found, chosen, refused.errors, status=422)
    return done(url_for(".show", incident_id=home_id), f"Split from incident {incident_id}. What left is told here.")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _ask(found: rows.Story, into: str) -> BaseResponse:
    target = rows.incident(db.session(), _number(into))
    if target is None or target.id == found.id:
        abort(404)
    return render("manage/incidents/merge_into.html", incident=found, target=target)


def _search(found: rows.Story, *, error: str = "", status: int = 200) -> BaseResponse:
    q = lists.text()
    part = rows.mergeable(db.session(), found, q=q, page=lists.page_number())
    return render(
        "manage/incidents/merge.html",
        fragment="list",
        status=status,
        incident=found,
        part=part,
        foot=lists.foot(part),
        q=q,
        error=error,
        now=clock.now(),
    )


def _choose(
    found: rows.Story, chosen: dict[str, list[str]], errors: dict[str, str], *, status: int = 200
) -> BaseResponse:
    return render(
        "manage/incidents/split.html",
        status=status,
        incident=found,
        merged=[(one.id, f"Incident {one.id}, {one.title}") for one in found.merged],
        monitors=[(one.tag, one.name) for one in found.affected],
        chosen=chosen,
        errors=errors,
    )
