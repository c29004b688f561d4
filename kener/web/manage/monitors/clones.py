"""Clone a monitor."""

from typing import Any

from flask import request
from werkzeug.wrappers import Response as BaseResponse

from kener.domain.inputs import check
from kener.domain.permissions import Permission
from kener.models import Monitor
from kener.services import cloning
from kener.services.cloning import CloneInput
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import render
from kener.web.manage.forms import ticked
from kener.web.manage.monitors import forms
from kener.web.manage.monitors.routes import bp, find, saved_page


@bp.get("/<tag:tag>/clone")
@requires(Permission.EDIT)
def new_clone(tag: str) -> BaseResponse:
    """What shall the copy be called?"""
    monitor, _ = find(tag)
    return _form(monitor, {"name": f"{monitor.name} (copy)"[:255], "tag": "", "with_pages": True}, {})


@bp.post("/<tag:tag>/clone")
@requires(Permission.EDIT)
def clone(tag: str) -> BaseResponse:
    """Make the copy, paused."""
    monitor, _ = find(tag)
    typed: dict[str, Any] = {"name": request.form.get("name", ""), "tag": request.form.get("tag", "").strip()}
    typed |= ticked(request.form, "with_alerts", "with_pages")
    given, errors = check(CloneInput, typed | {"tag": typed["tag"] or forms.tag_from(typed["name"])})
    if given is None:
        return _form(monitor, typed, errors, status=422)
    try:
        saved = cloning.clone(tag, given, actor=actor())
    except Refused as refused:
        return _form(monitor, typed, refused.errors, status=422)
    return saved_page(saved, f"{given.name} is there, paused. Change what differs, then resume it.")


def _form(monitor: Monitor, form: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    return render("manage/monitors/clone.html", monitor=monitor, form=form, errors=errors, status=status)
