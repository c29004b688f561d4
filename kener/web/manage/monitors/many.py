"""The same change for many monitors: choose them in the list, say what, look once more, do it."""

from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import TAG, check
from kener.domain.permissions import Permission
from kener.queries import monitors as rows
from kener.queries import pages
from kener.services import bulk
from kener.services.bulk import BulkInput
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.monitors.routes import KINDS, STATUSES, bp

MAX = 1000
ACTS = {
    "pause": "Pause",
    "resume": "Resume",
    "label": "Add labels",
    "unlabel": "Take labels away",
    "section": "Move to a section",
    "page": "Move to a page",
    "interval": "Change the interval",
    "delete": "Delete",
}
DID = {
    "pause": "paused",
    "resume": "resumed",
    "label": "labelled",
    "unlabel": "relieved of these labels",
    "section": "moved",
    "page": "moved",
    "interval": "given the new interval",
    "delete": "deleted",
}


@bp.get("/-/many")
@requires(Permission.EDIT)
def many() -> BaseResponse:
    """Which monitors, what shall be done to them, and what that means."""
    return _page(_chosen(), lists.one_of("act", ACTS) or "pause", {}, {})


@bp.post("/-/many")
@requires(Permission.EDIT)
def apply() -> BaseResponse:
    """Do it."""
    form = request.form
    act, tags = form.get("act", ""), [tag for tag in form.getlist("tags") if TAG.match(tag)]
    fields = {name: form.get(name, "") for name in ("labels", "section", "page_id", "interval_seconds")}
    given, errors = check(BulkInput, {"tags": tags, "act": act, **fields})
    if given is None:
        if "tags" in errors:
            errors[""] = "Choose at least one monitor in the list."
        return _page(tags, act if act in ACTS else "pause", fields, errors, status=422)
    try:
        done_ = bulk.apply(given, actor=actor())
    except Refused as refused:
        return _page(tags, act, fields, refused.errors, status=422)
    number = f"{done_.changed} monitor{'' if done_.changed == 1 else 's'}"
    message = f"{number} {DID[act]}." + (f" {len(done_.missing)} were not there any more." if done_.missing else "")
    return done(url_for(".deleted") if act == "delete" else url_for(".index"), message)


def _chosen() -> list[str]:
    """The tags that were ticked, or all that match the filter of the list."""
    if request.args.get("all") != "true":
        return [tag for tag in dict.fromkeys(request.args.getlist("tags")) if TAG.match(tag)][:MAX]
    return rows.matching_tags(
        db.session(),
        q=lists.text(),
        status=lists.one_of("status", STATUSES),
        kind=lists.one_of("type", KINDS),
        label=lists.text("label"),
        limit=MAX,
    )


def _page(
    tags: list[str], act: str, fields: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> BaseResponse:
    session = db.session()
    return render(
        "manage/monitors/many.html",
        status=status,
        found=rows.by_tags(session, tags),
        act=act,
        acts=ACTS,
        labels=[label for label, _ in rows.labels(session)],
        pages=[(str(page.id), page.title) for page in pages.listed(session)],
        form={"labels": "", "section": "", "page_id": "", "interval_seconds": ""} | fields,
        errors=errors,
        most=MAX,
    )
