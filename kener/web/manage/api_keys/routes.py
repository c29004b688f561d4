"""API keys: list, create, delete."""

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import account as rows
from kener.services import accounts
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render

bp = Blueprint("manage_api_keys", __name__, url_prefix="/manage/api-keys")


@bp.get("")
@requires(Permission.ADMINISTER)
def index() -> BaseResponse:
    """All keys, and the form for a new one."""
    return _page({})


@bp.post("")
@requires(Permission.ADMINISTER)
def create() -> BaseResponse:
    """Make a key; it is shown this once."""
    name = request.form.get("name", "")
    try:
        key = accounts.create_api_key(name, actor=actor())
    except Refused as refused:
        return _page(refused.errors, name=name, status=422)
    return _page({}, key=key)


@bp.get("/<id:key_id>/delete")
@requires(Permission.ADMINISTER)
def delete(key_id: int) -> BaseResponse:
    """Ask before a key stops working."""
    return render("manage/api_keys/delete.html", key=_find(key_id))


@bp.post("/<id:key_id>/delete")
@requires(Permission.ADMINISTER)
def destroy(key_id: int) -> BaseResponse:
    """Delete a key."""
    name = _find(key_id).name
    accounts.delete_api_key(key_id, actor=actor())
    return done(url_for(".index"), f"The key {name} no longer works.")


def _page(errors: dict[str, str], *, name: str = "", key: str | None = None, status: int = 200) -> BaseResponse:
    keys = rows.api_keys(db.session())
    return render("manage/api_keys/index.html", status=status, keys=keys, errors=errors, name=name, key=key)


def _find(key_id: int) -> rows.KeyRow:
    found = next((key for key in rows.api_keys(db.session()) if key.id == key_id), None)
    if found is None:
        abort(404)
    return found
