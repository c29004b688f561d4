"""Incidents: list, create, look, change, post, correct, delete."""

from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.incidents import IncidentState, Source
from kener.domain.inputs import IncidentInput, UpdateInput, check
from kener.domain.permissions import Permission
from kener.queries import alerts, glances, site, subscribers
from kener.queries import incidents as rows
from kener.services import incidents
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists
from kener.web.manage.forms import Form, flattened, local, moment, ticked, untouched, version

bp = Blueprint("manage_incidents", __name__, url_prefix="/manage/incidents")

STATES = {"OPEN": "Open", **{state.value: state.word for state in IncidentState}}
STEPS = {state.value: state.word for state in IncidentState}
SOURCES = {source.value: source.value for source in Source}
IMPACTS = {"": "Not affected", "DOWN": "DOWN", "DEGRADED": "DEGRADED"}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The list, open ones first."""
    q, state, source = lists.text(), lists.one_of("state", STATES), lists.one_of("source", SOURCES)
    part = rows.incidents(db.session(), q=q, state=state, source=source, page=lists.page_number())
    labels = {
        "q": q and f"Search: {q}",
        "state": state and f"State: {STATES[state]}",
        "source": source and f"Source: {source}",
    }
    return render(
        "manage/incidents/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen={"q": q, "state": state, "source": source},
        states=STATES,
        sources=SOURCES,
        now=clock.now(),
    )


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The form of an incident opened by hand, with its first update."""
    zone = site.read(db.session()).tz
    fields: dict[str, Any] = {"title": "", "start_at": local(clock.now(), zone), "end_at": "", "is_private": False}
    first = {"state": IncidentState.INVESTIGATING.value, "text": "", "notify": True}
    impacts = dict.fromkeys(request.args.getlist("monitor"), "DOWN")
    return _form(fields | first | {"impacts": impacts}, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Open an incident."""
    checked, errors = _read(request.form)
    text = request.form.get("text", "")
    first, more = (
        check(UpdateInput, {"state": request.form.get("state", ""), "text": text, "at": checked.start_at})
        if checked and text.strip()
        else (None, {} if text.strip() else {"text": "Say what is known: it is the first thing visitors read."})
    )
    errors = errors | more
    if checked is None or errors:
        return _form(_typed(request.form), errors, status=422)
    try:
        incident_id = incidents.create(checked, actor=actor(), first_update=first)
    except Refused as refused:
        return _form(_typed(request.form), flattened(refused.errors), status=422)
    return done(url_for(".show", incident_id=incident_id), "The incident is open; visitors see it now.")


@bp.get("/<id:incident_id>")
@requires(Permission.READ)
def show(incident_id: int) -> BaseResponse:
    """One incident: its story, whom it affects, the form for the next update."""
    return _show(incident_id, {}, {})


def _show(
    incident_id: int, form: dict[str, Any], errors: dict[str, str], *, status: int = 200, message: str | None = None
) -> BaseResponse:
    found, session = find(incident_id), db.session()
    return render(
        "manage/incidents/show.html",
        fragment="story",
        status=status,
        incident=found,
        glances=glances.glances(session, incident_id, staff=True),
        decided=glances.decided(session, incident_id),
        notices=glances.told(session, incident_id),
        changes=alerts.changes(session, f"incident-{incident_id}", limit=20),
        form={"state": found.state.value, "text": "", "at": "", "confirm": False, "ask": False, "notify": True} | form,
        said=subscribers.notices(session, incident_id=incident_id),
        errors=errors,
        states=STEPS,
        message=message,
        site=site.read(session),
        now=clock.now(),
    )


@bp.post("/<id:incident_id>/updates")
@requires(Permission.EDIT)
def post_update(incident_id: int) -> BaseResponse:
    """Add an update. Resolving while the alert is still TRIGGERED is asked for first (O3)."""
    found, form = find(incident_id), request.form
    checked, errors = _read_update(form, notify=ticked(form, "notify")["notify"])
    typed: dict[str, Any] = {name: form.get(name, "") for name in ("state", "text", "at")}
    typed |= ticked(form, "confirm", "notify")
    if checked:
        errors = _ask_to_resolve(found, checked, confirmed=typed["confirm"])
    if checked is None or errors:
        return _show(incident_id, typed | {"ask": "confirm" in errors}, errors, status=422)
    try:
        incidents.post_update(incident_id, checked, actor=actor())
    except Refused as refused:
        return _show(incident_id, typed, refused.errors, status=422)
    if wants_fragment():
        return _show(incident_id, {}, {}, message="Posted. Visitors see it now.")
    return done(url_for(".show", incident_id=incident_id), "Posted. Visitors see it now.")


def _ask_to_resolve(found: rows.Story, given: UpdateInput, *, confirmed: bool) -> dict[str, str]:
    """Resolving by hand while an alert is TRIGGERED is asked for first (O3)."""
    if given.state is not IncidentState.RESOLVED or found.active_alert is None or confirmed:
        return {}
    return {
        "confirm": f"Alert {found.active_alert.id} is still TRIGGERED: the next failing check opens the incident again. "
        "Tick this to resolve it all the same."
    }


@bp.get("/<id:incident_id>/updates/<id:update_id>/edit")
@requires(Permission.EDIT)
def edit_update(incident_id: int, update_id: int) -> BaseResponse:
    """The form of one update."""
    found, entry = _entry(incident_id, update_id)
    at = local(entry.at, site.read(db.session()).tz)
    return _update_form(found, entry, {"state": entry.state.value, "text": entry.text, "at": at}, {})


@bp.post("/<id:incident_id>/updates/<id:update_id>/edit")
@requires(Permission.EDIT)
def change_update(incident_id: int, update_id: int) -> BaseResponse:
    """Correct an update; state and end of the incident are retold."""
    found, entry = _entry(incident_id, update_id)
    checked, errors = _read_update(request.form, unchanged=entry)
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("state", "text", "at")}
    typed |= ticked(request.form, "confirm")
    if checked and entry.state is not IncidentState.RESOLVED:
        errors = _ask_to_resolve(found, checked, confirmed=typed["confirm"])
    if checked is None or errors:
        return _update_form(found, entry, typed | {"ask": "confirm" in errors}, errors, status=422)
    try:
        incidents.edit_update(incident_id, update_id, checked, actor=actor())
    except Refused as refused:
        return _update_form(found, entry, typed, refused.errors, status=422)
    return done(
        url_for(".show", incident_id=incident_id), "The update is corrected; state and end follow from all updates."
    )


@bp.get("/<id:incident_id>/updates/<id:update_id>/delete")
@requires(Permission.EDIT)
def delete_update(incident_id: int, update_id: int) -> BaseResponse:
    """Ask before an update goes."""
    found, entry = _entry(incident_id, update_id)
    return render("manage/incidents/delete_update.html", incident=found, entry=entry)


@bp.post("/<id:incident_id>/updates/<id:update_id>/delete")
@requires(Permission.EDIT)
def destroy_update(incident_id: int, update_id: int) -> BaseResponse:
    """Delete an update; state and end of the incident are retold."""
    incidents.delete_update(incident_id, update_id, actor=actor())
    return done(
        url_for(".show", incident_id=incident_id),
        "The update is deleted; state and end follow from those that are left.",
    )


@bp.get("/<id:incident_id>/edit")
@requires(Permission.EDIT)
def edit(incident_id: int) -> BaseResponse:
    """The form of a stored incident."""
    found = find(incident_id)
    return _form(_stored(found), {}, saved=found)


@bp.post("/<id:incident_id>/edit")
@requires(Permission.EDIT)
def update(incident_id: int) -> BaseResponse:
    """Change title, times, affected monitors."""
    found = find(incident_id)
    checked, errors = _read(request.form, unchanged=found)
    if found.end_at and not request.form.get("end_at", "-").strip():
        errors = {"end_at": "It ended with its RESOLVED update. Post another update to open it again."} | errors
    if checked is None or errors:
        return _form(_typed(request.form), errors, saved=found, status=422)
    try:
        incidents.update(incident_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(_typed(request.form), flattened(refused.errors), saved=found, status=422)
    except Conflict:
        db.session().expire_all()
        fresh = find(incident_id)
        return _form(_typed(request.form), {}, saved=fresh, status=409, newer=_stored(fresh))
    return done(url_for(".show", incident_id=incident_id), "Saved. Visitors see it now.")


@bp.get("/<id:incident_id>/delete")
@requires(Permission.EDIT)
def delete(incident_id: int) -> BaseResponse:
    """Ask before an incident goes."""
    return render("manage/incidents/delete.html", incident=find(incident_id))


@bp.post("/<id:incident_id>/delete")
@requires(Permission.EDIT)
def destroy(incident_id: int) -> BaseResponse:
    """Delete an incident; its alert stays (O4)."""
    incidents.delete(incident_id, actor=actor())
    return done(url_for(".index"), f"Incident {incident_id} is deleted.")


def _read(form: Form, *, unchanged: rows.Story | None = None) -> tuple[IncidentInput | None, dict[str, str]]:
    zone = site.read(db.session()).tz
    raw: dict[str, Any] = {"title": form.get("title", ""), **ticked(form, "is_private", "notify")}
    for name in ("start_at", "end_at"):
        text, before = form.get(name, ""), getattr(unchanged, name, None)
        if text.strip():
            raw[name] = before if untouched(text, before, zone) else moment(text, zone)
    raw["monitors"] = [
        {"monitor_tag": name.removeprefix("impact-"), "impact": value}
        for name, value in form.items()
        if name.startswith("impact-") and value
    ]
    checked, errors = check(IncidentInput, raw)
    return checked, flattened(errors)


def _read_update(
    form: Form, *, unchanged: rows.Update | None = None, notify: bool = True
) -> tuple[UpdateInput | None, dict[str, str]]:
    zone, text = site.read(db.session()).tz, form.get("at", "")
    raw: dict[str, Any] = {"state": form.get("state", ""), "text": form.get("text", ""), "notify": notify}
    if text.strip() and not (unchanged and untouched(text, unchanged.at, zone)):
        raw["at"] = moment(text, zone)
    return check(UpdateInput, raw)


def _typed(form: Form) -> dict[str, Any]:
    names = ("title", "start_at", "end_at", "state", "text")
    impacts = {name.removeprefix("impact-"): value for name, value in form.items() if name.startswith("impact-")}
    flags = ticked(form, "is_private", "notify")
    return {**{name: form.get(name, "") for name in names}, **flags, "impacts": impacts}


def _stored(found: rows.Story) -> dict[str, Any]:
    zone = site.read(db.session()).tz
    return {
        "title": found.title,
        "start_at": local(found.start_at, zone),
        "end_at": local(found.end_at, zone),
        "is_private": found.is_private,
        "notify": True,
        "impacts": {affected.tag: affected.impact.value for affected in found.affected},
    }


def _form(
    fields: dict[str, Any],
    errors: dict[str, str],
    *,
    status: int = 200,
    saved: rows.Story | None = None,
    newer: dict[str, Any] | None = None,
) -> BaseResponse:
    session = db.session()
    options = rows.monitor_options(session)
    known = {tag for tag, _ in options}
    gone = [(one.tag, f"{one.name} (deleted)") for one in saved.affected if one.tag not in known] if saved else []
    return render(
        "manage/incidents/form.html",
        status=status,
        form=fields,
        errors=errors,
        saved=saved,
        newer=newer,
        options=[*options, *gone],
        impacts=IMPACTS,
        states=STEPS,
    )


def _update_form(
    found: rows.Story, entry: rows.Update, form: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> BaseResponse:
    return render(
        "manage/incidents/update.html",
        status=status,
        incident=found,
        entry=entry,
        form={"confirm": False, "ask": False} | form,
        errors=errors,
        states=STEPS,
    )


def find(incident_id: int) -> rows.Story:
    """The incident. Of one that was merged, the way to where it goes on; else 404."""
    session = db.session()
    found = rows.incident(session, incident_id)
    if found is None:
        target = rows.merged_into(session, incident_id)
        abort(404 if target is None else _moved(incident_id, url_for(".show", incident_id=target)))
    return found


def _moved(incident_id: int, location: str) -> BaseResponse:
    if request.method == "GET":
        return redirect(location, 301)
    return done(
        location, f"Incident {incident_id} was merged into this one meanwhile. Nothing was changed.", kind="warning"
    )


def _entry(incident_id: int, update_id: int) -> tuple[rows.Story, rows.Update]:
    found = find(incident_id)
    entry = next((one for one in found.updates if one.id == update_id), None)
    if entry is None:
        abort(404)
    return found, entry
