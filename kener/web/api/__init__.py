"""The API: /api/v4, JSON, bearer keys."""

import json
import logging

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from kener.extensions import csrf
from kener.services.errors import Conflict, NotFound, Refused
from kener.web.access import public
from kener.web.api import (
    alerts,
    backtests,
    comments,
    configurations,
    deliveries,
    drills,
    exclusions,
    incidents,
    maintenances,
    monitor_acts,
    monitors,
    pages,
    samples,
    secrets,
    subscribers,
    triggers,
)
from kener.web.api.auth import ACCESS
from kener.web.api.openapi import document
from kener.web.api.operations import Operation
from kener.web.errors import api_error

log = logging.getLogger(__name__)

PREFIX = "/api/v4"
ABOUT_TAG = "Document"
RESOURCES = (
    monitors,
    monitor_acts,
    samples,
    exclusions,
    incidents,
    comments,
    maintenances,
    configurations,
    backtests,
    drills,
    alerts,
    triggers,
    deliveries,
    pages,
    secrets,
    subscribers,
)


def register(app: Flask) -> None:
    """Bind every resource. Refuses to start while one of their endpoints lets in someone without a key."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)
    for resource in RESOURCES:
        api.register_blueprint(resource.bp)
        csrf.exempt(resource.bp)
    api.register_error_handler(Refused, _refused)
    api.register_error_handler(BadRequest, lambda error: api_error(400, error.description or "This cannot be read."))
    api.register_error_handler(
        UnsupportedMediaType, lambda _: api_error(415, "Send JSON: Content-Type: application/json.")
    )
    api.register_error_handler(NotFound, lambda _: api_error(404, "There is no such thing (any more)."))
    api.register_error_handler(Conflict, lambda error: _conflict(str(error)))
    api.register_error_handler(IntegrityError, _collision)
    api.add_url_rule("/openapi.json", view_func=openapi)
    api.after_request(_private)
    app.register_blueprint(api)
    _check(app)


@public
def openapi() -> Response:
    """Read this document."""
    made = current_app.extensions.get("kener-openapi")
    if made is None:
        tags = {resource.TAG: (resource.__doc__ or "").partition(": ")[2].strip() for resource in RESOURCES}
        made = json.dumps(document(current_app, prefix=PREFIX, tags=tags | {ABOUT_TAG: "This document."}))
        current_app.extensions["kener-openapi"] = made
    response = Response(made, mimetype="application/json", headers={"Cache-Control": "public, max-age=300"})
    response.add_etag()
    response.make_conditional(request)
    return response


openapi.operation = Operation(ABOUT_TAG, answer=None)  # type: ignore[attr-defined]


def _check(app: Flask) -> None:
    open_ones = [
        name
        for name, view in app.view_functions.items()
        if name.startswith("api.") and getattr(view, "access", None) != ACCESS and name != "api.openapi"
    ]
    if open_ones:
        raise RuntimeError(f"These API endpoints do not ask for a key: {', '.join(sorted(open_ones))}")


def _refused(refused: Refused) -> Response:
    named = {field: text for field, text in refused.errors.items() if field}
    return api_error(422, str(refused), fields=named or None)


def _conflict(words: str = "") -> Response:
    return api_error(409, words or "It was changed by someone else meanwhile. Read it again and repeat your change.")


def _collision(error: IntegrityError) -> Response:
    """Two requests at once claimed the same name, or used what the other deleted: the database held the line."""
    log.warning("refused by the database: %s", error.orig)
    return _conflict()


def _private(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Robots-Tag", "noindex")
    return response
