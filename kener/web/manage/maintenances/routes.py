"""Maintenance: list, plan, change, finish, delete."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.inputs import MaintenanceInput, check
from kener.domain.permissions import Permission
from kener.queries import incidents, site
from kener.queries import maintenances as rows
from kener.services import maintenances
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.forms import Form, flattened, local, moment, untouched, version

bp = Blueprint("manage_maintenances", __name__, url_prefix="/manage/maintenances")


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """All of them, the latest first."""
    part = rows.maintenances(db.session(), page=lists.page_number())
    return render("manage/maintenances/index.html", part=part, foot=lists.foot(part))


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The empty form: an hour from the next full hour on."""
    zone = site.read(db.session()).tz
    start = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    end = start + timedelta(hours=1)
    fields = {"title": "", "description": "", "start_at": local(start, zone), "end_at": local(end, zone)}
    return _form(fields | {"monitor_tags": []}, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Plan a maintenance."""
    checked, errors = _read(request.form)
    if checked is None:
        return _form(_typed(request.form), errors, status=422)
    try:
        maintenances.plan(checked, actor=actor())
    except Refused as refused:
        return _form(_typed(request.form), refused.errors, status=422)
    effect = (
        "Inside the window nothing triggers."
        if checked.monitor_tags
        else "It concerns no monitor: it is announced only."
    )
    return done(url_for(".index"), f"Planned. {effect}")


@bp.get("/<id:maintenance_id>/edit")
@requires(Permission.EDIT)
def edit(maintenance_id: int) -> BaseResponse:
    """The form of a stored maintenance."""
    found = _find(maintenance_id)
    return _form(_stored(found), {}, saved=found)


@bp.post("/<id:maintenance_id>/edit")
@requires(Permission.EDIT)
def update(maintenance_id: int) -> BaseResponse:
    """Change a maintenance."""
    found = _find(maintenance_id)
    checked, errors = _read(request.form, unchanged=found)
    if checked is None:
        return _form(_typed(request.form), errors, saved=found, status=422)
    try:
        maintenances.update(maintenance_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(_typed(request.form), refused.errors, saved=found, status=422)
    except Conflict:
        message = "Someone else changed it meanwhile. Your version is below, untouched; saving again keeps it."
        return _form(_typed(request.form), {"": message}, saved=_find(maintenance_id), status=409)
    return done(url_for(".index"), "Saved. Visitors see it now.")


@bp.post("/<id:maintenance_id>/finish")
@requires(Permission.EDIT)
def finish(maintenance_id: int) -> BaseResponse:
    """End a running window now."""
    try:
        maintenances.finish(maintenance_id, actor=actor())
    except Refused as refused:
        return done(url_for(".index"), " ".join(refused.errors.values()), kind="error")
    return done(url_for(".index"), "Finished. What fails from now on counts.")


@bp.get("/<id:maintenance_id>/delete")
@requires(Permission.EDIT)
def delete(maintenance_id: int) -> BaseResponse:
    """Ask before a maintenance goes."""
    return render("manage/maintenances/delete.html", maintenance=_find(maintenance_id))


@bp.post("/<id:maintenance_id>/delete")
@requires(Permission.EDIT)
def destroy(maintenance_id: int) -> BaseResponse:
    """Delete a maintenance and its window."""
    maintenances.delete(maintenance_id, actor=actor())
    return done(url_for(".index"), "The maintenance is deleted.")


def _read(
    form: Form, *, unchanged: rows.MaintenanceLine | None = None
) -> tuple[MaintenanceInput | None, dict[str, str]]:
    zone = site.read(db.session()).tz
    raw: dict[str, Any] = {"title": form.get("title", ""), "description": form.get("description", "")}
    for name in ("start_at", "end_at"):
        text, before = form.get(name, ""), getattr(unchanged, name, None)
        raw[name] = before if untouched(text, before, zone) else moment(text, zone)
    raw["monitor_tags"] = form.getlist("monitor_tags")
    checked, errors = check(MaintenanceInput, raw)
    return checked, flattened(errors)


def _typed(form: Form) -> dict[str, Any]:
    fields: dict[str, Any] = {name: form.get(name, "") for name in ("title", "description", "start_at", "end_at")}
    return fields | {"monitor_tags": form.getlist("monitor_tags")}


def _stored(found: rows.MaintenanceLine) -> dict[str, Any]:
    zone = site.read(db.session()).tz
    return {
        "title": found.title,
        "description": found.description,
        "start_at": local(found.start_at, zone),
        "end_at": local(found.end_at, zone),
        "monitor_tags": [tag for tag, _ in found.monitors],
    }


def _form(
    fields: dict[str, Any], errors: dict[str, str], *, status: int = 200, saved: rows.MaintenanceLine | None = None
) -> BaseResponse:
    options = incidents.monitor_options(db.session())
    return render(
        "manage/maintenances/form.html", status=status, form=fields, errors=errors, saved=saved, options=options
    )


def _find(maintenance_id: int) -> rows.MaintenanceLine:
    found = rows.maintenance(db.session(), maintenance_id)
    if found is None:
        abort(404)
    return found
