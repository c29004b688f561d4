"""Single occurrences of maintenance: start now, finish, extend, reschedule, cancel, delete."""

from datetime import datetime, timedelta
from typing import Any

from flask import abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import SpanInput, check
from kener.domain.permissions import Permission
from kener.queries import maintenances as rows
from kener.services import occurrences
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage.forms import untouched
from kener.web.manage.maintenances.forms import minute
from kener.web.manage.maintenances.routes import _find, bp

LONGER = timedelta(minutes=30)


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/start")
@requires(Permission.EDIT)
def start(maintenance_id: int, window_id: int) -> BaseResponse:
    """Begin now what is planned for later."""
    return _act(occurrences.start, maintenance_id, window_id, "Started. Inside the window nothing triggers.")


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/finish")
@requires(Permission.EDIT)
def finish(maintenance_id: int, window_id: int) -> BaseResponse:
    """End a running window now."""
    return _act(occurrences.finish, maintenance_id, window_id, "Finished. What fails from now on counts.")


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/extend")
@requires(Permission.EDIT)
def extend(maintenance_id: int, window_id: int) -> BaseResponse:
    """Let a running window last half an hour longer."""
    _, found = _found(maintenance_id, window_id)
    try:
        occurrences.extend(maintenance_id, window_id, found.end_at + LONGER, actor=actor())
    except Refused as refused:
        return done(_page(maintenance_id), " ".join(refused.errors.values()), kind="error")
    return done(_page(maintenance_id), "It lasts 30 minutes longer.")


@bp.get("/<id:maintenance_id>/occurrences/<id:window_id>/edit")
@requires(Permission.EDIT)
def edit_occurrence(maintenance_id: int, window_id: int) -> BaseResponse:
    """The times of one occurrence."""
    maintenance, found = _found(maintenance_id, window_id)
    times = {"start_at": minute(found.start_at, maintenance.zone), "end_at": minute(found.end_at, maintenance.zone)}
    return _form(maintenance, found, times, {})


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/edit")
@requires(Permission.EDIT)
def update_occurrence(maintenance_id: int, window_id: int) -> BaseResponse:
    """Give one occurrence other times; the series stays as it is."""
    maintenance, found = _found(maintenance_id, window_id)
    raw: dict[str, Any] = {"timezone": maintenance.zone.key}
    for name, before in (("start_at", found.start_at), ("end_at", found.end_at)):
        raw[name] = _moment(request.form.get(name), before, maintenance)
    checked, errors = check(SpanInput, raw)
    times = {name: request.form.get(name, "") for name in ("start_at", "end_at")}
    if checked is None:
        return _form(maintenance, found, times, errors, status=422)
    try:
        occurrences.reschedule(maintenance_id, window_id, checked, actor=actor())
    except Refused as refused:
        return _form(maintenance, found, times, refused.errors, status=422)
    return done(_page(maintenance_id), "Moved. Visitors see it now.")


def _moment(text: str | None, before: datetime, maintenance: rows.MaintenanceLine) -> Any:
    """A field that is not sent, or still says what it was filled with, means the instant as it is."""
    if text is None or any(untouched(text, at, maintenance.zone) for at in (before, before.replace(second=0))):
        return before
    return text.strip()


@bp.get("/<id:maintenance_id>/occurrences/<id:window_id>/cancel")
@requires(Permission.EDIT)
def cancel(maintenance_id: int, window_id: int) -> BaseResponse:
    """Ask before an occurrence is called off."""
    maintenance, found = _found(maintenance_id, window_id)
    return render("manage/maintenances/cancel.html", maintenance=maintenance, one=found)


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/cancel")
@requires(Permission.EDIT)
def call_off(maintenance_id: int, window_id: int) -> BaseResponse:
    """Call an occurrence off."""
    return _act(occurrences.cancel, maintenance_id, window_id, "Cancelled. It counts as if it had not been planned.")


@bp.get("/<id:maintenance_id>/occurrences/<id:window_id>/delete")
@requires(Permission.EDIT)
def delete_occurrence(maintenance_id: int, window_id: int) -> BaseResponse:
    """Ask before an occurrence leaves the calendar."""
    maintenance, found = _found(maintenance_id, window_id)
    return render("manage/maintenances/delete_occurrence.html", maintenance=maintenance, one=found)


@bp.post("/<id:maintenance_id>/occurrences/<id:window_id>/delete")
@requires(Permission.EDIT)
def destroy_occurrence(maintenance_id: int, window_id: int) -> BaseResponse:
    """Take an occurrence out of the calendar."""
    return _act(occurrences.delete, maintenance_id, window_id, "Deleted. The series leaves it out.")


def _act(act: Any, maintenance_id: int, window_id: int, message: str) -> BaseResponse:
    _found(maintenance_id, window_id)
    try:
        act(maintenance_id, window_id, actor=actor())
    except Refused as refused:
        return done(_page(maintenance_id), " ".join(refused.errors.values()), kind="error")
    return done(_page(maintenance_id), message)


def _form(
    maintenance: rows.MaintenanceLine,
    found: rows.Occurrence,
    times: dict[str, str],
    errors: dict[str, str],
    *,
    status: int = 200,
) -> BaseResponse:
    return render(
        "manage/maintenances/occurrence.html",
        status=status,
        maintenance=maintenance,
        one=found,
        form=times,
        errors=errors,
    )


def _found(maintenance_id: int, window_id: int) -> tuple[rows.MaintenanceLine, rows.Occurrence]:
    maintenance, found = _find(maintenance_id), rows.occurrence(db.session(), maintenance_id, window_id)
    if found is None:
        abort(404)
    return maintenance, found


def _page(maintenance_id: int) -> str:
    return url_for(".show", maintenance_id=maintenance_id)
