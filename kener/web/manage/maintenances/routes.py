"""Maintenance: list, plan, preview, look, change, delete."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain import recurrence
from kener.domain.inputs import MaintenanceInput
from kener.domain.permissions import Permission
from kener.queries import incidents, site
from kener.queries import maintenances as rows
from kener.services import maintenances
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists
from kener.web.manage.forms import version
from kener.web.manage.maintenances import forms

bp = Blueprint("manage_maintenances", __name__, url_prefix="/manage/maintenances")


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The list: what runs, what comes next, what was."""
    q, show_ = lists.text(), lists.one_of("show", rows.SHOWN)
    part = rows.maintenances(db.session(), q=q, show=show_, page=lists.page_number())
    labels = {"q": q and f"Search: {q}", "show": show_ and rows.SHOWN[show_]}
    return render(
        "manage/maintenances/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen={"q": q, "show": show_},
        shown=rows.SHOWN,
    )


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The empty form: once, an hour from the next full hour on."""
    return _form(forms.empty(site.read(db.session()).zone), {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Plan a maintenance."""
    checked, errors = forms.read(request.form)
    if checked is None:
        return _form(forms.typed(request.form), errors, status=422)
    try:
        maintenance_id = maintenances.plan(checked, actor=actor())
    except Refused as refused:
        return _form(forms.typed(request.form), _named(refused), status=422)
    effect = (
        "Inside its windows nothing triggers." if checked.monitors else "It concerns no monitor: it is announced only."
    )
    return done(url_for(".show", maintenance_id=maintenance_id), f"Planned. {effect}")


@bp.post("/preview")
@requires(Permission.EDIT)
def preview() -> BaseResponse:
    """Say in words when the form's maintenance happens, and the next occurrences; saved or not."""
    form, saved_id = request.form, request.form.get("saved_id", "")
    saved = _find(int(saved_id)) if saved_id.isascii() and saved_id.isdigit() and len(saved_id) < 10 else None
    # What else the form needs is no business of the preview.
    checked, errors = forms.read(form, unchanged=saved)
    timely = {name: text for name, text in errors.items() if name in _WHEN}
    if checked is None and not timely:
        bare = form.copy()
        for name in [
            name for name in form if name.startswith("impact-") or name in ("description", "reminders", "notices")
        ]:
            bare.poplist(name)
        bare["title"], bare["is_global"] = "Preview", "true"
        checked, timely = forms.read(bare, unchanged=saved)
    found = Preview.of(checked) if checked else None
    if wants_fragment():
        return render("manage/maintenances/_preview.html", preview=found, unclear=next(iter(timely.values()), None))
    return _form(forms.typed(form), timely, saved=saved, status=422 if timely else 200, preview=found)


@bp.get("/<id:maintenance_id>")
@requires(Permission.READ)
def show(maintenance_id: int) -> BaseResponse:
    """One maintenance with its occurrences."""
    found, past = _find(maintenance_id), request.args.get("show") == "past"
    part = rows.occurrences(db.session(), maintenance_id, past=past, page=lists.page_number())
    return render(
        "manage/maintenances/show.html",
        fragment="calendar",
        maintenance=found,
        part=part,
        foot=lists.foot(part),
        past=past,
        reminders=[rows.reminder_words(one) for one in sorted(found.reminders, reverse=True)],
        notices=[text for kind, text in forms.NOTICES.items() if kind in found.notices],
    )


@bp.get("/<id:maintenance_id>/edit")
@requires(Permission.EDIT)
def edit(maintenance_id: int) -> BaseResponse:
    """The form of a stored maintenance."""
    found = _find(maintenance_id)
    return _form(forms.stored(found), {}, saved=found, preview=Preview.saved(found))


@bp.post("/<id:maintenance_id>/edit")
@requires(Permission.EDIT)
def update(maintenance_id: int) -> BaseResponse:
    """Change a maintenance: what is over stays, what runs goes on, what is to come is planned anew."""
    found = _find(maintenance_id)
    checked, errors = forms.read(request.form, unchanged=found)
    if checked is None:
        return _form(forms.typed(request.form), errors, saved=found, status=422)
    try:
        maintenances.update(maintenance_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(forms.typed(request.form), _named(refused), saved=found, status=422)
    except Conflict:
        message = "Someone else changed it meanwhile. Your version is below, untouched; saving again keeps it."
        return _form(forms.typed(request.form), {"": message}, saved=_find(maintenance_id), status=409)
    return done(url_for(".show", maintenance_id=maintenance_id), "Saved. Visitors see it now.")


@bp.get("/<id:maintenance_id>/delete")
@requires(Permission.EDIT)
def delete(maintenance_id: int) -> BaseResponse:
    """Ask before a maintenance goes."""
    number = rows.number_of_occurrences(db.session(), maintenance_id)
    return render("manage/maintenances/delete.html", maintenance=_find(maintenance_id), number=number)


@bp.post("/<id:maintenance_id>/delete")
@requires(Permission.EDIT)
def destroy(maintenance_id: int) -> BaseResponse:
    """Delete a maintenance and its windows."""
    maintenances.delete(maintenance_id, actor=actor())
    return done(url_for(".index"), "The maintenance is deleted.")


_WHEN = {"repeats", "rrule", "start_at", "timezone", "hours", "count", "until", "exdates"}


@dataclass(frozen=True, slots=True)
class Preview:
    """When a maintenance would happen."""

    sentence: str
    zone: ZoneInfo
    spans: tuple[tuple[datetime, datetime], ...]

    @classmethod
    def of(cls, given: MaintenanceInput) -> "Preview":
        """That of what was typed."""
        length, series = timedelta(seconds=given.duration_s), given.series
        moments = series.upcoming(clock.now() - length) or [*series.occurrences()][:1]
        return cls(recurrence.sentence(series, length), given.zone, tuple((at, at + length) for at in moments))

    @classmethod
    def saved(cls, found: rows.MaintenanceLine) -> "Preview":
        """That of what is stored, as it stands in the calendar."""
        coming = rows.occurrences(db.session(), found.id).rows[:5]
        return cls(found.sentence, found.zone, tuple((one.start_at, one.end_at) for one in coming))


def _form(
    fields: dict[str, Any],
    errors: dict[str, str],
    *,
    status: int = 200,
    saved: rows.MaintenanceLine | None = None,
    preview: Preview | None = None,
) -> BaseResponse:
    zone = saved.zone if saved else site.read(db.session()).tz
    left_out = {at.isoformat(): at for at in saved.exdates} if saved else {}
    return render(
        "manage/maintenances/form.html",
        status=status,
        form=fields,
        errors=errors,
        saved=saved,
        options=incidents.monitor_options(db.session()),
        impacts=forms.IMPACTS,
        repeats=forms.REPEATS,
        reminders=forms.reminder_options(fields["reminders"]),
        notices=[(kind.value, text) for kind, text in forms.NOTICES.items()],
        left_out=[(text, f"{at.astimezone(zone):%A %d %B %Y, %H:%M}") for text, at in left_out.items()],
        zones=forms.zones(),
        preview=preview,
        unclear=None,
    )


def _named(refused: Refused) -> dict[str, str]:
    return {"hours" if name == "duration_s" else name: text for name, text in refused.errors.items()}


def _find(maintenance_id: int) -> rows.MaintenanceLine:
    found = rows.maintenance(db.session(), maintenance_id)
    if found is None:
        abort(404)
    return found
