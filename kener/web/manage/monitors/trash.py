"""Deleted monitors: look, restore, delete for good."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import monitors as rows
from kener.queries.monitors import DeletedLine
from kener.services import trash
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.monitors.routes import bp


@bp.get("/-/deleted")
@requires(Permission.EDIT)
def deleted() -> BaseResponse:
    """What can be had back, and until when."""
    part = rows.deleted(db.session(), page=lists.page_number())
    return render("manage/monitors/deleted.html", part=part, foot=lists.foot(part))


@bp.post("/<tag:deleted_tag>/restore")
@requires(Permission.EDIT)
def restore(deleted_tag: str) -> BaseResponse:
    """Have a monitor back."""
    trash.restore(deleted_tag, actor=actor())
    return done(url_for(".show", tag=deleted_tag), "It is back, with its samples, and is checked again.")


@bp.get("/<tag:purged_tag>/purge")
@requires(Permission.EDIT)
def purge(purged_tag: str) -> BaseResponse:
    """Ask before a monitor goes for good."""
    return _question(_find(purged_tag), {})


@bp.post("/<tag:purged_tag>/purge")
@requires(Permission.EDIT)
def destroy_for_good(purged_tag: str) -> BaseResponse:
    """Delete a monitor for good once its name was typed."""
    monitor = _find(purged_tag)
    if request.form.get("confirm", "").strip() != monitor.name:
        return _question(monitor, {"confirm": f"This is not the name. Type {monitor.name}."}, status=422)
    trash.purge(purged_tag, actor=actor())
    return done(url_for(".deleted"), f"{monitor.name} and its samples are gone for good.")


def _question(monitor: DeletedLine, errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    return render("manage/monitors/purge.html", monitor=monitor, errors=errors, status=status)


def _find(tag: str) -> DeletedLine:
    found = rows.deleted_one(db.session(), tag)
    if found is None:
        abort(404)
    return found
