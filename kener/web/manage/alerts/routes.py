"""Alert configurations: list, create, look, change, activate, deactivate, delete."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.alerting import AlertType, Outcome, Severity
from kener.domain.inputs import AlertConfigurationInput, check
from kener.domain.permissions import Permission
from kener.models import AlertConfiguration
from kener.queries import alerts as rows
from kener.queries import diagnosis, site, wording
from kener.queries import drills as reports
from kener.services import configurations
from kener.services.errors import Conflict, Refused
from kener.web.access import actor, requires
from kener.web.charts import Pin
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists
from kener.web.manage.forms import Form, differing, flattened, given, ticked, version
from kener.web.manage.mends import address

bp = Blueprint("manage_alerts", __name__, url_prefix="/manage/alerts")

TYPES = {kind.value: kind.value for kind in AlertType}
STATES = {"TRIGGERED": "TRIGGERED", "ACTIVE": "Active", "INACTIVE": "Inactive"}
WINDOWS = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
SEVERITIES = {severity.value: severity.value for severity in Severity}
_FIELDS = ("alert_for", "alert_value", "uptime_window", "failure_threshold", "success_threshold", "severity")
_TEMPLATES = ("title_template", "first_update_template", "closing_update_template")
_MORE = (
    "alert_description",
    "reopen_minutes",
    "flapping_start",
    "flapping_stop",
    "group_minutes",
    *_TEMPLATES,
)


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The list, those with active alerts first."""
    q, kind, state = lists.text(), lists.one_of("type", TYPES), lists.one_of("state", STATES)
    part = rows.configurations(db.session(), q=q, kind=kind, state=state, page=lists.page_number())
    labels = {"q": q and f"Search: {q}", "type": kind and f"Type: {kind}", "state": state and STATES[state]}
    return render(
        "manage/alerts/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen={"q": q, "type": kind, "state": state},
        types=TYPES,
        states=STATES,
    )


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The form with the defaults (C3); `?monitor=tag` chooses a monitor."""
    fields = AlertConfigurationInput.model_construct(monitor_tags=[request.args.get("monitor", "")]).model_dump()
    return _form(fields, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Add a configuration."""
    checked, errors = _read(request.form)
    if checked is None:
        return _form(_typed(request.form), errors, status=422)
    try:
        config_id = configurations.create(checked, actor=actor())
    except Refused as refused:
        return _form(_typed(request.form), refused.errors, status=422)
    return done(
        url_for(".show", config_id=config_id), " ".join(["Saved. Counts from the next check on.", *checked.warnings()])
    )


@bp.post("/preview")
@requires(Permission.EDIT)
def preview() -> BaseResponse:
    """Show the automatic texts of the form, saved or not, on an invented alert."""
    form, saved_id = request.form, request.form.get("saved_id", "")
    saved = _find(int(saved_id)) if saved_id.isascii() and saved_id.isdigit() and len(saved_id) < 10 else None
    raw = given(form, *_FIELDS, "alert_description", *_TEMPLATES)
    checked, errors = check(AlertConfigurationInput, {**raw, "monitor_tags": ["sample"]})
    found = wording.preview(db.session(), checked, monitor_tags=form.getlist("monitor_tags")) if checked else None
    if wants_fragment():
        return render("manage/alerts/_preview.html", preview=found, errors=errors)
    return _form(_typed(form), errors, saved=saved, status=422 if errors else 200, preview=found)


@bp.get("/<id:config_id>")
@requires(Permission.READ)
def show(config_id: int) -> BaseResponse:
    """One configuration: its state now, why it fired, what was sent, its log. `?monitor=tag` chooses among several."""
    return _show(config_id)


def _show(config_id: int, *, message: str | None = None) -> BaseResponse:
    session = db.session()
    configuration, here = _find(config_id), site.read(session)
    line = rows.configuration(session, config_id)
    assert line is not None
    watched = rows.watched(session, config_id)
    recent = rows.log(session, config_id, size=10)
    wanted = request.args.get("monitor") or next((row.monitor_tag for row in recent.rows), None)
    focus = next((one for one in watched if one.tag == wanted or (wanted is None)), watched[0] if watched else None)
    if "monitor" not in request.args and watched and watched[0].alert_id:
        focus = watched[0]
    alert = next(iter(rows.log(session, config_id, monitor=focus.tag, size=1).rows), None) if focus else None
    around = rows.around(session, focus.monitor_id, alert) if focus and alert else None
    return render(
        "manage/alerts/show.html",
        fragment="live",
        site=here,
        configuration=line,
        description=configuration.alert_description,
        warnings=[] if line.flaw else _input_of(configuration).warnings(),
        watched=watched,
        focus=focus,
        alert=alert,
        around=around,
        pins=_pins(alert, here),
        why=rows.why(session, alert.id) if alert else None,
        resolution=rows.why(session, alert.id, outcome=Outcome.RESOLVE) if alert and alert.resolved_at else None,
        notices=rows.notices(session, alert.id) if alert else [],
        recent=recent,
        changes=rows.changes(session, f"alert-configuration-{config_id}"),
        drills=reports.history(session, config_id),
        diagnosis=diagnosis.diagnose(
            session, configuration, focus.monitor_id, failing=focus.failing, passing=focus.passing
        )
        if focus
        else (),
        address=address,
        askable=[(one.tag, one.name) for one in watched],
        asked={"monitor": focus.tag if focus else "", "at": f"{clock.now().astimezone(here.tz):%Y-%m-%dT%H:%M}"},
        errors={},
        zone_name=here.tz.key,
        windows=WINDOWS,
        message=message,
    )


def _pins(alert: rows.AlertLine | None, here: site.Site) -> list[Pin]:
    if alert is None:
        return []
    pins = [Pin(alert.triggered_at, f"{alert.triggered_at.astimezone(here.tz):%H:%M:%S} triggered", strong=True)]
    if alert.resolved_at:
        pins.append(Pin(alert.resolved_at, f"{alert.resolved_at.astimezone(here.tz):%H:%M:%S} resolved"))
    return pins


@bp.get("/<id:config_id>/edit")
@requires(Permission.EDIT)
def edit(config_id: int) -> BaseResponse:
    """The form of a stored configuration."""
    configuration = _find(config_id)
    return _form(_stored(configuration), {}, saved=configuration)


@bp.post("/<id:config_id>/edit")
@requires(Permission.EDIT)
def update(config_id: int) -> BaseResponse:
    """Change a configuration."""
    configuration = _find(config_id)
    checked, errors = _read(request.form)
    if checked is None:
        return _form(_typed(request.form), errors, saved=configuration, status=422)
    try:
        configurations.update(config_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(_typed(request.form), refused.errors, saved=configuration, status=422)
    except Conflict:
        db.session().expire_all()
        fresh = _find(config_id)
        typed = _typed(request.form)
        return _form(typed, {}, saved=fresh, status=409, newer=differing(_stored(fresh), typed))
    return done(
        url_for(".show", config_id=config_id), " ".join(["Saved. Counts from the next check on.", *checked.warnings()])
    )


@bp.post("/<id:config_id>/activate")
@requires(Permission.EDIT)
def activate(config_id: int) -> BaseResponse:
    """Count again."""
    configurations.activate(config_id, actor=actor())
    return _changed(config_id, "Active: it counts from the next check on.")


@bp.post("/<id:config_id>/deactivate")
@requires(Permission.EDIT)
def deactivate(config_id: int) -> BaseResponse:
    """Stop counting."""
    configurations.deactivate(config_id, actor=actor())
    return _changed(config_id, "Inactive: nothing is counted, and its active alerts have ended.")


def _changed(config_id: int, message: str) -> BaseResponse:
    """The line of the list, or the live part of the page, wherever the button was."""
    if wants_fragment() and request.form.get("from") == "list":
        line = rows.configuration(db.session(), config_id)
        return render("manage/alerts/index.html", fragment="row", configuration=line)
    if wants_fragment():
        return _show(config_id, message=message)
    return done(
        url_for(".index") if request.form.get("from") == "list" else url_for(".show", config_id=config_id), message
    )


@bp.get("/<id:config_id>/delete")
@requires(Permission.EDIT)
def delete(config_id: int) -> BaseResponse:
    """Ask before a configuration goes."""
    _find(config_id)
    return render("manage/alerts/delete.html", configuration=rows.configuration(db.session(), config_id))


@bp.post("/<id:config_id>/delete")
@requires(Permission.EDIT)
def destroy(config_id: int) -> BaseResponse:
    """Delete a configuration; the log of its alerts and all incidents stay."""
    configurations.delete(config_id, actor=actor())
    return done(url_for(".index"), f"Alert configuration {config_id} is deleted. Its incidents stay.")


def _read(form: Form) -> tuple[AlertConfigurationInput | None, dict[str, str]]:
    raw: dict[str, Any] = given(form, *_FIELDS, *_MORE) | ticked(form, "create_incident", "is_active")
    raw["monitor_tags"], raw["trigger_ids"] = form.getlist("monitor_tags"), form.getlist("trigger_ids")
    raw["alert_value"] = form.get("alert_value", "")
    checked, errors = check(AlertConfigurationInput, raw)
    return checked, flattened(errors)


def _typed(form: Form) -> dict[str, Any]:
    """What was typed, for showing a refused form again."""
    fields = {name: form.get(name, "") for name in (*_FIELDS, *_MORE)}
    lists_of = {"monitor_tags": form.getlist("monitor_tags"), "trigger_ids": form.getlist("trigger_ids")}
    return {**fields, **ticked(form, "create_incident", "is_active"), **lists_of}


def _input_of(configuration: AlertConfiguration) -> AlertConfigurationInput:
    return AlertConfigurationInput.model_construct(**_stored(configuration))


def _stored(configuration: AlertConfiguration) -> dict[str, Any]:
    names = (*_FIELDS, *_MORE, "create_incident", "is_active")
    return {
        **{name: getattr(configuration, name) for name in names},
        "monitor_tags": [monitor.tag for monitor in configuration.monitors],
        "trigger_ids": [trigger.id for trigger in configuration.triggers],
    }


def _form(
    fields: dict[str, Any],
    errors: dict[str, str],
    *,
    status: int = 200,
    saved: AlertConfiguration | None = None,
    newer: dict[str, tuple[str, str]] | None = None,
    preview: wording.Preview | None = None,
    tested: Any = None,
) -> BaseResponse:
    return render(
        "manage/alerts/form.html",
        status=status,
        form=fields,
        errors=errors,
        saved=saved,
        newer=newer,
        preview=preview,
        tested=tested,
        options=rows.options(db.session()),
        types=TYPES,
        windows=WINDOWS,
        severities=SEVERITIES,
    )


def _find(config_id: int) -> AlertConfiguration:
    found = rows.stored(db.session(), config_id)
    if found is None:
        abort(404)
    return found
