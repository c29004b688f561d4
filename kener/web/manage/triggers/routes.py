"""Triggers: list, create, change, test, delete."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, abort, current_app, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.alerting import AlertStatus
from kener.domain.inputs import TAG, check
from kener.domain.permissions import Permission
from kener.domain.starts import STARTS
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import SETTINGS
from kener.models.triggers import SET
from kener.queries import triggers as rows
from kener.queries.incidents import monitor_options
from kener.services import failing, triggers
from kener.services.errors import Conflict, Refused
from kener.services.triggers import Attempt, Preview, TriggerInput
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists
from kener.web.manage.forms import Form, flattened, given, pairs, ticked, version
from kener.web.manage.monitors import controls
from kener.web.manage.monitors.controls import Control

bp = Blueprint("manage_triggers", __name__, url_prefix="/manage/triggers")

KINDS = {kind.value: kind.label for kind in TriggerType}
STATUSES = {status.value: status.value for status in AlertStatus}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """All channels."""
    found = rows.triggers(db.session())
    has_mail = any(one.trigger_type == TriggerType.EMAIL and one.is_active for one in found)
    no_mail = has_mail and current_app.extensions["kener"].smtp is None
    return render("manage/triggers/index.html", triggers=found, kinds=KINDS, no_mail=no_mail)


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The empty form of a type."""
    kind = lists.one_of("type", KINDS) or TriggerType.WEBHOOK.value
    empty = dict.fromkeys(("name", "description", "url", "subject", "body", "to", "from"), "")
    own = {name: one.default for name, one in _controls(kind).items() if one.default is not None}
    return _form({**empty, **own, "trigger_type": kind, "is_active": True, "headers": []}, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Add a channel."""
    checked, errors = _read(request.form)
    if checked is None:
        return _form(_typed(request.form), errors, status=422)
    try:
        triggers.create(checked, actor=actor())
    except Refused as refused:
        return _form(_typed(request.form), flattened(refused.errors, "settings"), status=422)
    return done(
        url_for(".index"), f"{checked.name} is added. Choose it in the alert configurations that shall tell it."
    )


@bp.get("/<id:trigger_id>/edit")
@requires(Permission.EDIT)
def edit(trigger_id: int) -> BaseResponse:
    """The form of a stored channel; its secrets are not in it."""
    found = _find(trigger_id)
    return _form(_stored(found), {}, saved=found)


@bp.post("/<id:trigger_id>/edit")
@requires(Permission.EDIT)
def update(trigger_id: int) -> BaseResponse:
    """Change a channel. Secrets that are left empty stay as they are."""
    found = _find(trigger_id)
    checked, errors = _read(request.form)
    if checked is None:
        return _form(_typed(request.form), errors, saved=found, status=422)
    try:
        triggers.update(trigger_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(_typed(request.form), flattened(refused.errors, "settings"), saved=found, status=422)
    except Conflict:
        message = "Someone else changed it meanwhile. Your version is below, untouched; saving again keeps it."
        return _form(_typed(request.form), {"": message}, saved=_find(trigger_id), status=409)
    return done(url_for(".index"), "Saved. Used from the next message on.")


@bp.post("/test")
@requires(Permission.EDIT)
def test() -> BaseResponse:
    """Send a marked test with the values in the form, saved or not, and show what came back."""
    kind, found = _in_form()
    status = AlertStatus.RESOLVED if request.form.get("test_status") == "RESOLVED" else AlertStatus.TRIGGERED
    try:
        attempt = triggers.test_send(kind, _settings(kind, request.form), status=status, **_draft(found))
    except Refused as refused:
        errors = flattened(refused.errors, "settings")
        if wants_fragment():
            return render("manage/triggers/_tested.html", attempt=None, errors=errors)
        return _form(_typed(request.form), errors, saved=found, status=422)
    if wants_fragment():
        return render("manage/triggers/_tested.html", attempt=attempt, errors={})
    return _form(_typed(request.form), {}, saved=found, attempt=attempt)


@bp.post("/preview")
@requires(Permission.EDIT)
def preview() -> BaseResponse:
    """Show what the values in the form would send, in both states."""
    kind, found = _in_form()
    try:
        shown = triggers.preview(kind, _settings(kind, request.form), **_draft(found))
    except Refused as refused:
        errors = flattened(refused.errors, "settings")
        if wants_fragment():
            return render("manage/triggers/_preview.html", previews=(), errors=errors)
        return _form(_typed(request.form), errors, saved=found, status=422)
    if wants_fragment():
        return render("manage/triggers/_preview.html", previews=shown, errors={})
    return _form(_typed(request.form), {}, saved=found, previews=shown)


@bp.post("/template")
@requires(Permission.EDIT)
def template() -> BaseResponse:
    """Fill in the template to start from, or empty it: then the words are ours."""
    kind, found = _in_form()
    fields = _typed(request.form)
    fields["body"] = STARTS.get(kind, "") if request.form.get("template") == "start" else ""
    if request.form.get("template") != "start":
        fields["subject"] = ""
    return _form(fields, {}, saved=found, fragment="template")


def _in_form() -> tuple[TriggerType, rows.TriggerLine | None]:
    """The type that the form is of, and the saved trigger that it changes."""
    saved_id = request.form.get("saved_id", "")
    found = _find(int(saved_id)) if saved_id.isascii() and saved_id.isdigit() and len(saved_id) < 10 else None
    kind = request.form.get("trigger_type", "")
    if kind not in KINDS:
        abort(422)
    return TriggerType(kind), found


def _draft(found: rows.TriggerLine | None) -> dict[str, Any]:
    tag = request.form.get("test_monitor", "")
    return {"trigger_id": found.id if found else None, "monitor_tag": tag if TAG.match(tag) else ""}


@bp.post("/<id:trigger_id>/activate")
@requires(Permission.EDIT)
def activate(trigger_id: int) -> BaseResponse:
    """Use a channel again that had been switched off."""
    name = failing.switch_on(trigger_id, actor=actor())
    return done(
        url_for(".index"), f"{name} is switched on. Messages that failed meanwhile can be sent again under Deliveries."
    )


@bp.get("/<id:trigger_id>/delete")
@requires(Permission.EDIT)
def delete(trigger_id: int) -> BaseResponse:
    """Ask before a channel goes."""
    return render("manage/triggers/delete.html", trigger=_find(trigger_id))


@bp.post("/<id:trigger_id>/delete")
@requires(Permission.EDIT)
def destroy(trigger_id: int) -> BaseResponse:
    """Delete a channel; the record of what it sent stays."""
    name = _find(trigger_id).name
    triggers.delete(trigger_id, actor=actor())
    return done(url_for(".index"), f"{name} is deleted.")


def _read(form: Form) -> tuple[TriggerInput | None, dict[str, str]]:
    kind = form.get("trigger_type", "")
    raw: dict[str, Any] = {"name": form.get("name", ""), "trigger_type": kind, **ticked(form, "is_active")}
    raw |= given(form, "description") | {"settings": _settings(kind, form)}
    checked, errors = check(TriggerInput, raw)
    return checked, flattened(errors, "settings")


def _settings(kind: str, form: Form) -> dict[str, Any]:
    """Raw settings: a secret that is left empty stays, and None where it shall go."""
    words = given(form, "subject", "body")
    dropped = {name: None for name in _secrets(kind) if form.get(f"drop_{name}") == "true"}
    if kind == TriggerType.EMAIL:
        return {"to": form.get("to", ""), **given(form, "from"), **words}
    if kind == TriggerType.WEBHOOK:
        own = given(form, "secret")
        return {"url": form.get("url", ""), "headers": pairs(form, "headers"), **words, **own, **dropped}
    return {**given(form, *_controls(kind)), **words, **dropped}


def _controls(kind: str) -> dict[str, Control]:
    """The fields of a service, its template apart."""
    if kind not in KINDS or kind in (TriggerType.EMAIL, TriggerType.WEBHOOK):
        return {}
    spec = SETTINGS[TriggerType(kind)]
    made = {name: one for name, one in controls.of(spec).items() if name != "body"}
    return made | {name: replace(made[name], type="secret") for name in spec.SECRET}


def _secrets(kind: str) -> tuple[str, ...]:
    """The secrets of a type that may be removed alone."""
    if kind == TriggerType.WEBHOOK:
        return ("secret", "old_secret")
    return tuple(name for name, one in _controls(kind).items() if one.type == "secret" and one.optional)


def _typed(form: Form) -> dict[str, Any]:
    """What was typed, without the secrets: they are typed again."""
    names = (
        "trigger_type",
        "name",
        "description",
        "url",
        "subject",
        "body",
        "to",
        "from",
        "test_monitor",
        "test_status",
    )
    kind = form.get("trigger_type", "")
    headers = [(row["key"], row["value"]) for row in pairs(form, "headers")]
    own = {name: one.typed(form) for name, one in _controls(kind).items()}
    dropped = ticked(form, *(f"drop_{name}" for name in _secrets(kind)))
    return {
        **{name: form.get(name, "") for name in names},
        **own,
        **dropped,
        **ticked(form, "is_active"),
        "headers": headers,
    }


def _stored(found: rows.TriggerLine) -> dict[str, Any]:
    public = found.public
    headers = public.get("headers") if isinstance(public.get("headers"), list) else []
    return {
        **{name: public.get(name, "") for name in _controls(found.trigger_type)},
        "trigger_type": found.trigger_type,
        "name": found.name,
        "description": found.description,
        "is_active": found.is_active,
        "url": public.get("url", ""),
        "subject": public.get("subject", ""),
        "body": public.get("body", ""),
        "headers": [(str(header.get("key", "")), "") for header in headers or [] if isinstance(header, dict)],
        "to": "\n".join(map(str, public.get("to", []))),
        "from": public.get("from", ""),
    }


def _form(
    fields: dict[str, Any],
    errors: dict[str, str],
    *,
    status: int = 200,
    saved: rows.TriggerLine | None = None,
    attempt: Attempt | None = None,
    previews: Sequence[Preview] = (),
    fragment: str | None = None,
) -> BaseResponse:
    kind = fields["trigger_type"]
    return render(
        "manage/triggers/form.html",
        fragment=fragment,
        status=status,
        form=fields,
        errors=errors,
        saved=saved,
        attempt=attempt,
        previews=previews,
        kinds=KINDS,
        about=TriggerType(kind).about if kind in KINDS else "",
        controls=_controls(kind),
        may_go=_secrets(kind),
        kept=saved.public.get(SET, ()) if saved else (),
        has_template=kind in STARTS,
        statuses=STATUSES,
        monitors=monitor_options(db.session()),
    )


def _find(trigger_id: int) -> rows.TriggerLine:
    found = rows.trigger(db.session(), trigger_id)
    if found is None:
        abort(404)
    return found
