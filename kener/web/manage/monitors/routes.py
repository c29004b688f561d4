"""Monitors: list, create, look, change, test, pause, resume, delete."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock, probes
from kener.db import db
from kener.domain.inputs import TAG
from kener.domain.permissions import Permission
from kener.domain.readings import Reading
from kener.domain.specs import SPECS, MonitorType
from kener.models import Monitor
from kener.queries import groups, history, site
from kener.queries import monitors as rows
from kener.queries import signals as told
from kener.queries.public import ledger
from kener.services import monitoring, monitors
from kener.services.errors import Conflict, Refused
from kener.services.heartbeats import KEPT_DAYS
from kener.services.monitors import Saved
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists
from kener.web.manage.forms import flattened, version
from kener.web.manage.monitors import choosing, controls, forms
from kener.web.urls import origin

bp = Blueprint("manage_monitors", __name__, url_prefix="/manage/monitors")

STATUSES = {"DOWN": "DOWN", "DEGRADED": "DEGRADED", "NO_DATA": "NO DATA", "UP": "UP", "PAUSED": "Paused"}
KINDS = {kind.value: kind.label for kind in SPECS}
LABELS = {
    "interval_seconds": "Interval",
    "cron": "Cron expression",
    "category_name": "Section",
    "parent_tags": "Depends on",
    "external_url": "Link",
    "failure_confirmations": "Failing checks in a row",
    "recovery_confirmations": "Passing checks in a row",
    "retries": "Repeats",
    "retry_delay_ms": "Pause between looks",
}
SORTS = {prefix + key: key for key in rows.SORTS for prefix in ("", "-")}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The list: search, filters, order and paging are done by the server."""
    q, status, kind = lists.text(), lists.one_of("status", STATUSES), lists.one_of("type", KINDS)
    sort, label, session = lists.one_of("sort", SORTS) or "name", lists.text("label"), db.session()
    part = rows.monitors(session, q=q, status=status, kind=kind, label=label, sort=sort, page=lists.page_number())
    gone = request.args.get("deleted", "")
    labels = {
        "q": q and f"Search: {q}",
        "status": status and f"Status: {STATUSES[status]}",
        "type": kind and f"Type: {KINDS[kind]}",
        "label": label and f"Label: {label}",
    }
    return render(
        "manage/monitors/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen={"q": q, "status": status, "type": kind, "label": label, "sort": sort},
        label_options=[(one, f"{one} ({number})") for one, number in rows.labels(session)],
        gone=rows.deleted_one(session, gone) if TAG.match(gone) else None,
        sort=sort,
        sort_url=lists.sort_url,
        statuses=STATUSES,
        kinds=KINDS,
    )


@bp.get("/-/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The empty form of a type."""
    kind = lists.one_of("type", KINDS) or MonitorType.API.value
    return _form(forms.defaults(MonitorType(kind)), {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Add a monitor."""
    given, errors = forms.read(request.form)
    if given is None:
        return _form(forms.fields_from(request.form), errors, status=422)
    try:
        saved = monitors.create(given, actor=actor())
    except Refused as refused:
        return _form(forms.fields_from(request.form), flattened(refused.errors, "type_data"), status=422)
    checked = given.monitor_type in probes.PROBES and given.status == "ACTIVE"
    return saved_page(saved, f"{given.name} is added." + (" Its first check runs now." if checked else ""))


def saved_page(saved: Saved, message: str) -> BaseResponse:
    """After a save: the monitor's page, or the secret address that is shown this once."""
    if saved.secret is None:
        return done(url_for(".show", tag=saved.tag), message)
    address = f"{origin()}/ext/heartbeat/{saved.tag}/{saved.secret}"
    return render("manage/monitors/secret.html", tag=saved.tag, address=address)


@bp.post("/-/test")
@requires(Permission.EDIT)
def test() -> BaseResponse:
    """One look with the values in the form, saved or not; its name and tag do not matter."""
    form = request.form.copy()
    form["name"] = form.get("name", "").strip() or "Test"
    saved = find(form["saved_tag"])[0] if form.get("saved_tag") else None
    given, errors = forms.read(form, tag="test", saved=saved)
    if given is None:
        return _tested(None, errors)
    try:
        return _tested(monitoring.test_now(given.monitor_type, given.type_data, tag=saved and saved.tag), {})
    except Refused as refused:
        return _tested(None, flattened(refused.errors, "type_data"))


def _tested(seen: Reading | None, errors: dict[str, str]) -> BaseResponse:
    if wants_fragment():
        return render(
            "manage/monitors/_tested.html",
            tested=True,
            seen=seen,
            errors=errors,
            labels=_labels(request.form.get("monitor_type", "")),
            at=clock.now(),
            site=site.read(db.session()),
        )
    return _form(forms.fields_from(request.form), errors, status=422 if errors else 200, seen=seen, tested=True)


@bp.post("/-/preview")
@requires(Permission.EDIT)
def preview() -> BaseResponse:
    """What the group in the form would be now; nothing is stored."""
    if wants_fragment():
        return render("manage/monitors/_preview.html", preview=choosing.preview(choosing.given(request.form)))
    return _form(forms.fields_from(request.form), {})


@bp.get("/<tag:tag>")
@requires(Permission.READ)
def show(tag: str) -> BaseResponse:
    """One monitor: what it is now, response times, recent samples, who watches it."""
    return _show(tag)


def _show(tag: str, *, message: str | None = None) -> BaseResponse:
    session = db.session()
    monitor, state = find(tag)
    here = site.read(session)
    public = next(iter(ledger.monitors(session, here, staff=True, tag=tag)), None)
    chosen = lists.one_of("samples", {"TROUBLE": ""})
    part = rows.samples(session, monitor.id, page=lists.page_number(), status=chosen)
    return render(
        "manage/monitors/show.html",
        fragment="live",
        monitor=monitor,
        line=rows.line(session, tag),
        since=clock.at(state.since) if state.since else None,
        state=state,
        site=here,
        uptimes=history.uptimes(session, public) if public else None,
        latency=history.latency(session, monitor.id, "24h"),
        watching=rows.watching(session, monitor.id),
        part=part,
        foot=lists.foot(part),
        samples_filter=chosen,
        standing=groups.standing(session, monitor) if monitor.monitor_type is MonitorType.GROUP else None,
        family=groups.family(session, monitor.id),
        held=rows.held(monitor, state),
        job=told.job(monitor, state) if monitor.monitor_type is MonitorType.HEARTBEAT else None,
        signals=told.signals(session, monitor.id, size=5) if monitor.monitor_type is MonitorType.HEARTBEAT else None,
        settings=_settings(monitor),
        testable=monitor.monitor_type in probes.PROBES,
        message=message,
    )


def _settings(monitor: Monitor) -> list[tuple[str, str]]:
    """What the type knows, as names and values; nothing for settings that were damaged from outside."""
    data = monitor.type_data if isinstance(monitor.type_data, dict) else {}
    if monitor.monitor_type is MonitorType.GROUP:
        data = choosing.telling(data)
    return controls.summary(monitor.monitor_type, data)


@bp.get("/<tag:tag>/signals")
@requires(Permission.READ)
def signals(tag: str) -> BaseResponse:
    """What the job of a heartbeat told, and how it calls."""
    monitor, _ = find(tag)
    if monitor.monitor_type is not MonitorType.HEARTBEAT:
        abort(404)
    part = told.signals(db.session(), monitor.id, page=lists.page_number())
    return render(
        "manage/monitors/signals.html",
        monitor=monitor,
        part=part,
        foot=lists.foot(part),
        kept_days=KEPT_DAYS,
        address=f"{origin()}/ext/heartbeat/{tag}/SECRET",
    )


@bp.get("/<tag:tag>/edit")
@requires(Permission.EDIT)
def edit(tag: str) -> BaseResponse:
    """The form of a stored monitor."""
    monitor, _ = find(tag)
    fields = forms.fields_of(monitor)
    kind = lists.one_of("type", KINDS)
    if kind and kind != fields["monitor_type"]:
        fields = forms.defaults(MonitorType(kind)) | {
            name: fields[name] for name in ("tag", "name", "description", "category_name")
        }
    return _form(fields, {}, saved=monitor)


@bp.post("/<tag:tag>/edit")
@requires(Permission.EDIT)
def update(tag: str) -> BaseResponse:
    """Change a monitor."""
    monitor, _ = find(tag)
    given, errors = forms.read(request.form, tag=tag, saved=monitor)
    if given is None:
        return _form(forms.fields_from(request.form), errors, saved=monitor, status=422)
    try:
        saved = monitors.update(tag, given, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(forms.fields_from(request.form), flattened(refused.errors, "type_data"), saved=monitor, status=422)
    except Conflict:
        db.session().expire_all()
        newer = forms.newer_than(request.form, find(tag)[0])
        return _form(forms.fields_from(request.form), {}, saved=monitor, status=409, newer=newer)
    return saved_page(saved, "Saved. Counts from the next check on.")


@bp.post("/<tag:tag>/pause")
@requires(Permission.EDIT)
def pause(tag: str) -> BaseResponse:
    """Stop checking."""
    monitors.pause(tag, actor=actor())
    return _changed(tag, "Paused: it is not checked, and its active alerts have ended.")


@bp.post("/<tag:tag>/resume")
@requires(Permission.EDIT)
def resume(tag: str) -> BaseResponse:
    """Check again."""
    monitors.resume(tag, actor=actor())
    return _changed(tag, "Resumed: it is checked at once.")


def _changed(tag: str, message: str) -> BaseResponse:
    """The line of the list, or the live part of the page, wherever the button was."""
    if wants_fragment() and request.form.get("from") == "list":
        return render("manage/monitors/index.html", fragment="row", monitor=rows.line(db.session(), tag))
    if wants_fragment():
        return _show(tag, message=message)
    return done(url_for(".index") if request.form.get("from") == "list" else url_for(".show", tag=tag), message)


@bp.post("/<tag:tag>/renew-secret")
@requires(Permission.EDIT)
def renew_secret(tag: str) -> BaseResponse:
    """A new address for a heartbeat; the old one stops working."""
    return saved_page(monitors.renew_secret(tag, actor=actor()), "")


@bp.get("/<tag:tag>/delete")
@requires(Permission.EDIT)
def delete(tag: str) -> BaseResponse:
    """Ask before a monitor goes with its samples."""
    monitor, _ = find(tag)
    losses = rows.losses(db.session(), monitor.id)
    return render("manage/monitors/delete.html", monitor=monitor, losses=losses)


@bp.post("/<tag:tag>/delete")
@requires(Permission.EDIT)
def destroy(tag: str) -> BaseResponse:
    """Delete a monitor. It can be had back for seven days."""
    monitors.delete(tag, actor=actor())
    return done(url_for(".index", deleted=tag))


def _form(
    fields: dict[str, Any],
    errors: dict[str, str],
    *,
    status: int = 200,
    saved: Monitor | None = None,
    seen: Reading | None = None,
    tested: bool = False,
    newer: dict[str, tuple[str, str]] | None = None,
) -> BaseResponse:
    if saved is None and request.form.get("saved_tag"):
        saved = find(request.form["saved_tag"])[0]
    kind = MonitorType(fields["monitor_type"]) if fields["monitor_type"] in SPECS else MonitorType.API
    return render(
        "manage/monitors/form.html",
        status=status,
        kind=kind,
        controls=controls.controls(kind),
        labels=_labels(kind),
        testable=kind in probes.PROBES,
        form=fields | forms.secrets_set(saved, kind),
        errors=errors,
        saved=saved,
        seen=seen,
        tested=tested,
        at=clock.now(),
        newer=newer,
        kinds=KINDS,
        **choosing.shown(kind, fields),
    )


def _labels(kind: str) -> dict[str, str]:
    """Fields as the form calls them."""
    known = controls.controls(MonitorType(kind)) if kind in SPECS else {}
    return {name: control.label for name, control in known.items()} | LABELS


def find(tag: str) -> Any:
    """Monitor and state of a tag, or 404."""
    found = rows.stored(db.session(), tag) if TAG.match(tag) else None
    if found is None:
        abort(404)
    return found
