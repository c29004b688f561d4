"""Secrets: names that stand in settings; values go in and never come out."""

from flask import Blueprint

from kener.db import db
from kener.queries import secrets as rows
from kener.services import secrets
from kener.services.secrets import SecretInput
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation
from kener.web.api.reading import Body, Changes, Paging

TAG = "Secrets"
bp = Blueprint("api_secrets", __name__)


class NewSecret(Body, SecretInput):
    """A secret. Write `$NAME` in the settings of a monitor or trigger where its value shall stand."""

    notes = {"name": "It never changes.", "value": "Put in exactly as it is. Never shown again."}


class SecretAnswer(Answer):
    """One secret, without its value."""

    secret: rows.SecretRow


class SecretList(Listed):
    """Secrets by name, without their values."""

    secrets: list[rows.SecretRow]


@bp.get("/secrets")
@api_key_required
@operation(tag=TAG, query=Paging, answer=SecretList)
def index(query: Paging) -> Answer:
    """List secrets."""
    part = rows.secrets(db.session(), page=query.page, size=query.limit)
    return SecretList(secrets=list(part.rows), page=part.page, limit=query.limit, total=part.total)


@bp.post("/secrets")
@api_key_required
@operation(tag=TAG, body=NewSecret, answer=SecretAnswer, status=201)
def create(body: NewSecret) -> Answer:
    """Keep a secret."""
    return _answer(secrets.create(body, actor=actor()))


@bp.get("/secrets/<id:secret_id>")
@api_key_required
@operation(tag=TAG, answer=SecretAnswer)
def show(secret_id: int) -> Answer:
    """Read when a secret was changed, and by whom."""
    return _answer(secret_id)


@bp.patch("/secrets/<id:secret_id>")
@api_key_required
@operation(tag=TAG, changes=NewSecret, answer=SecretAnswer)
def update(secret_id: int, changes: Changes[NewSecret]) -> Answer:
    """Replace the value or the description.

    The new value counts from the next check or message on.
    """
    current = found(rows.secret(db.session(), secret_id))
    given = changes.over({"name": current.name, "description": current.description})
    secrets.update(secret_id, given, actor=actor(), version=current.version)
    return _answer(secret_id)


@bp.delete("/secrets/<id:secret_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(secret_id: int) -> Answer:
    """Forget a secret.

    Where its name stands in settings, it stays as it is.
    """
    secrets.delete(secret_id, actor=actor())
    return Message(message=f"The secret {secret_id} was deleted.")


def _answer(secret_id: int) -> SecretAnswer:
    return SecretAnswer(secret=found(rows.secret(db.session(), secret_id)))
