"""The post-mortem of an incident: write, preview, change, remove."""

from flask import request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import PostMortemInput, check
from kener.domain.permissions import Permission
from kener.queries import incidents as rows
from kener.services import post_mortems
from kener.services.errors import Conflict, NotFound, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage.forms import version
from kener.web.manage.incidents.routes import bp, find


@bp.get("/<id:incident_id>/post-mortem")
@requires(Permission.EDIT)
def edit_post_mortem(incident_id: int) -> BaseResponse:
    """The form of the post-mortem."""
    found = find(incident_id)
    return _form(found, found.post_mortem.text if found.post_mortem else "", {})


@bp.post("/<id:incident_id>/post-mortem")
@requires(Permission.EDIT)
def change_post_mortem(incident_id: int) -> BaseResponse:
    """Write or change it."""
    found, text = find(incident_id), request.form.get("text", "")
    checked, errors = check(PostMortemInput, {"text": text})
    if checked is None:
        return _form(found, text, errors, status=422)
    try:
        post_mortems.write(incident_id, checked, actor=actor(), version=version(request.form))
    except Refused as refused:
        return _form(found, text, {"text": " ".join(refused.errors.values())}, status=422)
    except Conflict:
        db.session().expire_all()
        fresh = find(incident_id)
        return _form(fresh, text, {}, status=409, newer=fresh.post_mortem)
    return done(url_for(".show", incident_id=incident_id), "The post-mortem is saved. It stands below the updates.")


@bp.post("/<id:incident_id>/post-mortem/preview")
@requires(Permission.EDIT)
def preview_post_mortem(incident_id: int) -> BaseResponse:
    """What was typed as visitors would read it. Nothing is saved."""
    return _form(find(incident_id), request.form.get("text", ""), {}, preview=True)


@bp.get("/<id:incident_id>/post-mortem/delete")
@requires(Permission.EDIT)
def delete_post_mortem(incident_id: int) -> BaseResponse:
    """Ask before it goes."""
    return render("manage/incidents/delete_post_mortem.html", incident=_written(incident_id))


@bp.post("/<id:incident_id>/post-mortem/delete")
@requires(Permission.EDIT)
def destroy_post_mortem(incident_id: int) -> BaseResponse:
    """Remove it; state and end of the incident stay as they are."""
    post_mortems.remove(incident_id, actor=actor())
    return done(url_for(".show", incident_id=incident_id), "The post-mortem is removed.")


def _written(incident_id: int) -> rows.Story:
    found = find(incident_id)
    if found.post_mortem is None:
        raise NotFound
    return found


def _form(
    found: rows.Story,
    text: str,
    errors: dict[str, str],
    *,
    status: int = 200,
    preview: bool = False,
    newer: rows.PostMortem | None = None,
) -> BaseResponse:
    return render(
        "manage/incidents/post_mortem.html",
        fragment="preview" if preview else None,
        status=status,
        incident=found,
        text=text,
        errors=errors,
        preview=preview,
        newer=newer,
    )
