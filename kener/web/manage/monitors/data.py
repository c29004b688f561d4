"""The data page of a monitor: its samples in a span, written, deleted and excluded by hand, each shown before it is done."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import Response, abort, request, stream_with_context, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.exclusions import ExclusionInput, ExclusionKind
from kener.domain.inputs import check
from kener.domain.permissions import Permission
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.models import Monitor
from kener.queries import exclusions as excluded
from kener.queries import history, site
from kener.queries import monitors as found
from kener.queries import samples as rows
from kener.services import exclusions, manual_data
from kener.services.errors import Refused
from kener.services.manual_data import Deletion, Edit
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.alert_log.export import safe
from kener.web.manage.forms import Form, local, moment
from kener.web.manage.monitors.routes import bp

TITLES = {"write": "Write samples", "drop": "Delete samples", "exclude": "Exclude a span"}
STATUSES = [(status.value, status.value) for status in manual_data.WRITABLE]
KINDS = [(kind.value, kind.word) for kind in ExclusionKind]
FIELDS = {"start": "From", "end": "Until", "start_ts": "From", "end_ts": "Until"}


@dataclass(frozen=True, slots=True)
class Span:
    """What the page shows: `[start, end)`."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> tuple[int, int]:
        return int(self.start.timestamp()), int(self.end.timestamp())


@bp.get("/<tag:tag>/data")
@requires(Permission.READ)
def data(tag: str) -> BaseResponse:
    """The samples of a span, and what is excluded."""
    session, monitor = db.session(), _find(tag)
    here = site.read(session)
    span, errors = _span(here.tz)
    only = lists.one_of("only", rows.ONLY)
    part = rows.lines(session, monitor.id, *span.seconds, only=only, page=lists.page_number())
    return render(
        "manage/monitors/data.html",
        monitor=monitor,
        part=part,
        foot=lists.foot(part),
        only=only,
        filters=rows.ONLY,
        here=lists.here,
        errors=errors,
        span=_typed(span, here.tz),
        zone=here.zone,
        figures=history.figures(session, monitor.id, here.tz),
        excluded=excluded.exclusions(session, monitor.id),
        is_group=monitor.monitor_type is MonitorType.GROUP,
        status=422 if errors else 200,
    )


@bp.get("/<tag:tag>/data.csv")
@requires(Permission.READ)
def data_csv(tag: str) -> BaseResponse:
    """The samples of the span, oldest first, sent while they are read."""
    session, monitor = db.session(), _find(tag)
    span, errors = _span(site.read(session).tz)
    if errors:
        abort(422)
    lines = rows.everything(session, monitor.id, *span.seconds)
    return Response(
        stream_with_context(_sheet(lines)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{tag}-samples.csv"', "Cache-Control": "no-store"},
    )


@bp.get("/<tag:tag>/data/write")
@requires(Permission.EDIT)
def ask_write(tag: str) -> BaseResponse:
    """What to write, and where."""
    return _ask(tag, "write")


@bp.get("/<tag:tag>/data/drop")
@requires(Permission.EDIT)
def ask_drop(tag: str) -> BaseResponse:
    """What to delete."""
    return _ask(tag, "drop")


@bp.get("/<tag:tag>/data/exclude")
@requires(Permission.EDIT)
def ask_exclude(tag: str) -> BaseResponse:
    """What not to count, and why."""
    return _ask(tag, "exclude")


def _ask(tag: str, act: str) -> BaseResponse:
    """The form of an act, filled in with the span that the page shows."""
    monitor, zone = _find(tag), site.read(db.session()).tz
    span, _ = _span(zone)
    if act == "exclude":  # only what is over can be excluded
        span = replace(span, end=min(span.end, clock.now().replace(second=0, microsecond=0)))
    fields = _typed(span, zone) | {"status": "UP", "latency": "", "deviation": "", "reason": "", "kind": "FALSE_ALARM"}
    return _form(monitor, act, fields, {})


@bp.post("/<tag:tag>/data/write")
@requires(Permission.EDIT)
def write(tag: str) -> BaseResponse:
    """Show what writing would change; once sure, write."""
    monitor, (start, end, errors) = _find(tag), _moments(request.form)
    latency, deviation = (_number(request.form, name, errors) for name in ("latency", "deviation"))
    status = request.form.get("status", "")
    if status not in Status.__members__:
        errors["status"] = "Choose one of the list."
    if errors:
        return _form(monitor, "write", request.form, errors)
    edit = Edit(start, end - 1, Status(status), latency, deviation or 0)
    try:
        if not request.form.get("sure"):
            return _preview(monitor, "write", manual_data.preview(tag, edit))
        count = manual_data.write(tag, edit, actor=actor(), reason=_reason(request.form))
    except Refused as refused:
        return _form(monitor, "write", request.form, _renamed(refused))
    return done(
        url_for(".data", tag=tag, **_shown()), f"{count} {'sample is' if count == 1 else 'samples are'} written."
    )


@bp.post("/<tag:tag>/data/drop")
@requires(Permission.EDIT)
def drop(tag: str) -> BaseResponse:
    """Show what deleting would change; once sure, delete."""
    monitor, (start, end, errors) = _find(tag), _moments(request.form)
    if errors:
        return _form(monitor, "drop", request.form, errors)
    deletion = Deletion(start, end)
    try:
        if not request.form.get("sure"):
            return _preview(monitor, "drop", manual_data.preview(tag, deletion))
        count = manual_data.delete(tag, deletion, actor=actor(), reason=_reason(request.form))
    except Refused as refused:
        return _form(monitor, "drop", request.form, _renamed(refused))
    return done(
        url_for(".data", tag=tag, **_shown()), f"{count} {'sample is' if count == 1 else 'samples are'} deleted."
    )


@bp.post("/<tag:tag>/data/exclude")
@requires(Permission.EDIT)
def exclude(tag: str) -> BaseResponse:
    """Take a span out of every figure. It can be put back, so nothing is asked."""
    monitor, (start, end, errors) = _find(tag), _moments(request.form)
    raw = {"start": start, "end": end, "kind": request.form.get("kind"), "reason": _reason(request.form)}
    given, wrong = check(ExclusionInput, raw)
    if errors or given is None:
        return _form(monitor, "exclude", request.form, wrong | errors)
    try:
        exclusions.exclude(tag, given, actor=actor())
    except Refused as refused:
        return _form(monitor, "exclude", request.form, _renamed(refused))
    return done(url_for(".data", tag=tag) + "#excluded", "Excluded. The figures and bars do not count it any more.")


@bp.post("/<tag:tag>/data/excluded/<id:exclusion_id>/include")
@requires(Permission.EDIT)
def include(tag: str, exclusion_id: int) -> BaseResponse:
    """Let an excluded span count again."""
    exclusions.include(tag, exclusion_id, actor=actor())
    return done(url_for(".data", tag=tag) + "#excluded", "It counts again.")


def _find(tag: str) -> Monitor:
    stored = found.stored(db.session(), tag)
    if stored is None:
        abort(404)
    return stored[0]


def _span(zone: Any) -> tuple[Span, dict[str, str]]:
    """The span of the query string; the last 24 hours without one, or with one that cannot be read."""
    now = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    errors, ends = {}, []
    for name, otherwise in (("start", now - timedelta(days=1)), ("end", now)):
        typed = request.args.get(name, "").strip()
        read = moment(typed, zone) if typed else otherwise
        if not isinstance(read, datetime):
            errors[name] = "Enter a date and time."
        ends.append(read if isinstance(read, datetime) else otherwise)
    span = Span(*ends)
    if not errors and span.end <= span.start:
        errors["end"] = "The end must lie after the start."
    elif not errors and span.end - span.start > timedelta(seconds=manual_data.MAX_SPAN_S):
        errors["end"] = "At most 31 days at once."
    return (Span(now - timedelta(days=1), now) if errors else span), errors


def _typed(span: Span, zone: Any) -> dict[str, str]:
    return {"start": local(span.start, zone)[:16], "end": local(span.end, zone)[:16]}


def _shown() -> dict[str, Any]:
    """The span that was changed, for the page to show."""
    return {name: request.form.get(name, "") for name in ("start", "end")}


def _moments(form: Form) -> tuple[int, int, dict[str, str]]:
    zone, errors, ends = site.read(db.session()).tz, {}, []
    for name in ("start", "end"):
        read = moment(form.get(name, ""), zone)
        if not isinstance(read, datetime):
            errors[name] = "Enter a date and time."
        ends.append(int(read.timestamp()) if isinstance(read, datetime) else 0)
    return ends[0], ends[1], errors


def _number(form: Form, name: str, errors: dict[str, str]) -> int | None:
    given = form.get(name, "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit() and int(given[:12]) <= 2**31 - 1 and len(given) <= 10:
        return int(given)
    errors[name] = "Enter whole milliseconds."
    return None


def _reason(form: Form) -> str:
    return form.get("reason", "").replace("\0", "").strip()[:300]


def _renamed(refused: Refused) -> dict[str, str]:
    return {name.removesuffix("_ts"): text for name, text in refused.errors.items()}


def _form(monitor: Monitor, act: str, fields: Any, errors: dict[str, str]) -> BaseResponse:
    names = ("start", "end", "status", "latency", "deviation", "reason", "kind")
    return render(
        "manage/monitors/data_form.html",
        monitor=monitor,
        act=act,
        title=TITLES[act],
        form={name: fields.get(name, "") for name in names},
        errors=errors,
        zone=site.read(db.session()).zone,
        statuses=STATUSES,
        kinds=KINDS,
        status=422 if errors else 200,
    )


def _preview(monitor: Monitor, act: str, preview: manual_data.Preview) -> BaseResponse:
    return render(
        "manage/monitors/data_preview.html",
        monitor=monitor,
        act=act,
        title=TITLES[act],
        preview=preview,
        form={name: value for name, value in request.form.items() if name not in ("csrf_token", "sure")},
        zone=site.read(db.session()).zone,
    )


def _sheet(lines: Iterator[rows.SampleLine]) -> Iterator[str]:
    yield _row("timestamp", "time", "status", "raw_status", "latency_ms", "source", "error")
    for line in lines:
        at = int(line.at.timestamp())
        time = line.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        yield _row(
            at, time, line.status.value, line.raw.value if line.raw else "", line.latency_ms, line.source, line.error
        )


def _row(*values: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe(value) for value in values])
    return out.getvalue()
