"""Alert Logs (A1) and what operators may do to one alert (A2)."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, request, stream_with_context, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db, reading
from kener.domain.alerting import AlertStatus
from kener.domain.inputs import AlertStatusInput, check
from kener.domain.permissions import Permission
from kener.queries import alert_log as rows
from kener.queries import site
from kener.queries.alert_log import Filter
from kener.queries.alerts import configuration
from kener.services import alert_log
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.alert_log import export as sheet
from kener.web.manage.forms import given

bp = Blueprint("manage_alert_log", __name__, url_prefix="/manage/alerts")

STATUSES = {status.value: status.value for status in AlertStatus}


@bp.get("/log")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The alerts of all configurations."""
    return _index(None)


@bp.get("/<id:config_id>/log")
@requires(Permission.READ)
def log(config_id: int) -> BaseResponse:
    """The alerts of one configuration."""
    if configuration(db.session(), config_id) is None:
        abort(404)
    return _index(config_id)


def _index(config_id: int | None) -> BaseResponse:
    session = db.session()
    configurations = {} if config_id else rows.configurations(session)
    monitors = rows.monitors(session, config_id)
    chosen, typed = _filter(config_id, configurations, monitors)
    part = rows.log(session, chosen, page=lists.page_number())
    labels = {
        "configuration": typed["configuration"] and f"Configuration {configurations[typed['configuration']]}",
        "monitor": typed["monitor"] and monitors[typed["monitor"]],
        "status": typed["status"],
        "from": typed["from"] and f"From {typed['from']}",
        "to": typed["to"] and f"To {typed['to']}",
    }
    return render(
        "manage/alerts/log.html",
        fragment="list",
        configuration=configuration(session, config_id) if config_id else None,
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen=typed,
        statuses=STATUSES,
        monitors=monitors,
        configurations=configurations,
        here=url_for(".log", config_id=config_id) if config_id else url_for(".index"),
        csv=_export_url(config_id, typed),
        zone_name=site.read(session).tz.key,
    )


def _export_url(config_id: int | None, typed: Mapping[str, str]) -> str:
    """The same list as a file."""
    wanted: dict[str, Any] = {name: value for name, value in typed.items() if value}
    return url_for(".export", **wanted | ({"configuration": config_id} if config_id else {}))


@bp.get("/log.csv")
@requires(Permission.READ)
def export() -> BaseResponse:
    """The same list, whole, as a file for spreadsheets; sent while it is read."""
    session = db.session()
    chosen, _ = _filter(None, rows.configurations(session), rows.monitors(session))
    name = f"alerts-{clock.now():%Y-%m-%d}.csv"
    return Response(
        stream_with_context(sheet.rows(rows.everything(chosen))),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@bp.get("/log/<id:alert_id>")
@requires(Permission.READ)
def show(alert_id: int) -> BaseResponse:
    """One alert: its story, its deliveries and their fate, what was decided and who did what."""
    return render("manage/alerts/alert.html", entry=_find(alert_id))


@bp.get("/log/<id:alert_id>/status")
@requires(Permission.EDIT)
def status(alert_id: int) -> BaseResponse:
    """Ask what should become of the incident; for a resolved alert, say why it cannot be triggered."""
    return _ask(_find(alert_id), {}, {})


@bp.post("/log/<id:alert_id>/status")
@requires(Permission.EDIT)
def change_status(alert_id: int) -> BaseResponse:
    """Resolve an alert by hand."""
    found = _find(alert_id)
    typed = given(request.form, "alert_status", "incident", "comment")
    checked, errors = check(AlertStatusInput, typed)
    if checked is None:
        return _ask(found, typed, errors)
    try:
        changed = alert_log.change_status(alert_id, checked, actor=actor())
    except Refused as refused:
        return _ask(_find(alert_id), typed, refused.errors)
    return done(url_for(".show", alert_id=alert_id), _what_came(alert_id, changed))


def _what_came(alert_id: int, changed: alert_log.Changed) -> str:
    if changed.incident_id is None:
        became = ""
    elif changed.is_closed:
        became = f" Incident {changed.incident_id} is closed."
    else:
        became = f" Incident {changed.incident_id} stays as it was."
    return f"Alert {alert_id} is RESOLVED, and counting starts again.{became}"


@bp.get("/log/<id:alert_id>/delete")
@requires(Permission.EDIT)
def delete(alert_id: int) -> BaseResponse:
    """Ask before an alert goes."""
    return render("manage/alerts/delete_alert.html", entry=_find(alert_id))


@bp.post("/log/<id:alert_id>/delete")
@requires(Permission.EDIT)
def destroy(alert_id: int) -> BaseResponse:
    """Take a resolved alert out of the log."""
    found = _find(alert_id)
    try:
        alert_log.delete(alert_id, actor=actor())
    except Refused as refused:
        return done(url_for(".show", alert_id=alert_id), " ".join(refused.errors.values()), kind="error")
    where = url_for(".log", config_id=found.line.config_id) if found.line.config_id else url_for(".index")
    return done(where, f"Alert {alert_id} is deleted. Its incident stays.")


def _ask(found: rows.Entry, typed: Mapping[str, Any], errors: dict[str, str]) -> BaseResponse:
    return render("manage/alerts/status.html", status=422 if errors else 200, entry=found, form=typed, errors=errors)


def _find(alert_id: int) -> rows.Entry:
    found = rows.entry(reading(), alert_id)
    if found is None:
        abort(404)
    return found


def _filter(
    config_id: int | None, configurations: Mapping[str, str], monitors: Mapping[str, str]
) -> tuple[Filter, dict[str, str]]:
    """What the query string asks for: as a filter, and as it was typed. What cannot be is left out."""
    zone = site.read(db.session()).tz
    typed = {
        "configuration": lists.one_of("configuration", configurations),
        "monitor": lists.one_of("monitor", monitors),
        "status": lists.one_of("status", STATUSES),
        "from": lists.day("from"),
        "to": lists.day("to"),
    }
    chosen = int(typed["configuration"]) if typed["configuration"] else config_id
    start = lists.midnight(typed["from"], zone) if typed["from"] else None
    end = lists.midnight(typed["to"], zone, days=1) if typed["to"] else None
    return Filter(chosen, typed["monitor"], typed["status"], start, end), typed
