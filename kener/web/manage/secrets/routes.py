"""Secrets: list, make, replace, delete. A value goes in and never comes out."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import check
from kener.domain.permissions import Permission
from kener.queries import secrets as rows
from kener.services import secrets
from kener.services.errors import Conflict, Refused
from kener.services.secrets import SecretInput
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.forms import version

bp = Blueprint("manage_secrets", __name__, url_prefix="/manage/secrets")


@bp.get("")
@requires(Permission.ADMINISTER)
def index() -> BaseResponse:
    """The names, what uses them, and the form for a new one."""
    return _page({}, {})


@bp.post("")
@requires(Permission.ADMINISTER)
def create() -> BaseResponse:
    """Keep a secret."""
    given, errors = check(SecretInput, _typed())
    if given is None:
        return _page(_shown(), errors, status=422)
    try:
        secrets.create(given, actor=actor())
    except Refused as refused:
        return _page(_shown(), refused.errors, status=422)
    return done(url_for(".index"), f"{given.name} is kept. Write ${given.name} where its value shall stand.")


@bp.get("/<id:secret_id>/edit")
@requires(Permission.ADMINISTER)
def edit(secret_id: int) -> BaseResponse:
    """Replace the value, or change the description."""
    secret = _find(secret_id)
    return _form(secret, {"description": secret.description}, {})


@bp.post("/<id:secret_id>/edit")
@requires(Permission.ADMINISTER)
def update(secret_id: int) -> BaseResponse:
    """Save. An empty value stays as it is."""
    secret = _find(secret_id)
    given, errors = check(SecretInput, _typed() | {"name": secret.name})
    if given is None:
        return _form(secret, _shown(), errors, status=422)
    try:
        secrets.update(secret_id, given, actor=actor(), version=version(request.form))
    except Conflict:
        db.session().expire_all()
        changed = {"": "Someone else changed this secret meanwhile. Saving again puts yours over it."}
        return _form(_find(secret_id), _shown(), changed, status=409)
    replaced = "The new value counts from now on." if given.value is not None else "Saved. The value stayed as it was."
    return done(url_for(".index"), replaced)


@bp.get("/<id:secret_id>/delete")
@requires(Permission.ADMINISTER)
def delete(secret_id: int) -> BaseResponse:
    """Ask, and say what still names it."""
    secret = _find(secret_id)
    used = secrets.usages(db.session(), [secret.name])[secret.name]
    return render("manage/secrets/delete.html", secret=secret, used=used)


@bp.post("/<id:secret_id>/delete")
@requires(Permission.ADMINISTER)
def destroy(secret_id: int) -> BaseResponse:
    """Forget a secret."""
    name = _find(secret_id).name
    secrets.delete(secret_id, actor=actor())
    return done(url_for(".index"), f"{name} is forgotten.")


def _typed() -> dict[str, Any]:
    """Values keep their blanks: they may belong to them."""
    form = request.form
    typed: dict[str, Any] = {"name": form.get("name", ""), "description": form.get("description", "")}
    return typed | ({"value": form["value"]} if form.get("value") else {})


def _shown() -> dict[str, str]:
    """What was typed, for showing it again: never the value."""
    return {name: request.form.get(name, "") for name in ("name", "description")}


def _page(form: dict[str, str], errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    session, q = db.session(), lists.text()
    part = rows.secrets(session, q=q, page=lists.page_number())
    return render(
        "manage/secrets/index.html",
        fragment="list" if request.method == "GET" else None,
        status=status,
        part=part,
        foot=lists.foot(part),
        q=q,
        used=secrets.usages(session, [row.name for row in part.rows]),
        form=form,
        errors=errors,
    )


def _form(secret: rows.SecretRow, form: dict[str, str], errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    used = secrets.usages(db.session(), [secret.name])[secret.name]
    return render("manage/secrets/form.html", status=status, secret=secret, used=used, form=form, errors=errors)


def _find(secret_id: int) -> rows.SecretRow:
    found = rows.secret(db.session(), secret_id)
    if found is None:
        abort(404)
    return found
