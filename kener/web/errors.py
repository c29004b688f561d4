"""Errors as pages, fragments or JSON; never a traceback."""

import logging

from flask import Flask, Response, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError

from kener.services.errors import Conflict, NotFound, Refused

log = logging.getLogger(__name__)

TITLES = {
    400: "This request cannot be read",
    403: "Not allowed",
    404: "Nothing here",
    405: "This address does not take that kind of request",
    409: "Changed by someone else meanwhile",
    413: "Too large",
    415: "Wrong type of content",
    422: "Not accepted",
    429: "Too many tries",
    500: "Something broke on our side",
    503: "Not available at the moment",
}
HINTS = {
    403: "Your account may not do this. Ask an owner.",
    404: "The address may be wrong, or what was here is gone.",
    409: "Reload the page, look at the newer version and make your change again.",
    413: "Send at most 2 MB.",
    429: "Wait a minute, then try again.",
    500: "It has been logged. Try again; if it stays, look at the server's log.",
    503: "The database does not answer. It is tried again by itself; reload in a moment.",
}


def register(app: Flask) -> None:
    """Bind the handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(NotFound, lambda _: answer(404))
    app.register_error_handler(Conflict, lambda error: answer(409, str(error) or None))
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(UnicodeDecodeError, lambda _: answer(400, "The request is not valid UTF-8."))


def answer(status: int, hint: str | None = None, *, fields: dict[str, str] | None = None) -> Response:
    """An error in the shape that the caller reads."""
    hint = hint or HINTS.get(status, "")
    title = TITLES.get(status, "This did not work")
    if request.path.startswith(("/api/", "/ext/")) or request.path in ("/healthcheck", "/metrics"):
        return api_error(status, hint or title, fields=fields)
    response = Response(render_template("errors/error.html", status=status, title=title, hint=hint), status)
    if request.headers.get("HX-Request"):
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "body", "innerHTML"
    return response


CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID",
    429: "TOO_MANY_REQUESTS",
    503: "UNAVAILABLE",
}


def api_error(status: int, message: str, *, fields: dict[str, str] | None = None) -> Response:
    """`{"error": {"code", "message", "fields"?}}`."""
    code = CODES.get(status, "INTERNAL_ERROR")
    error: dict[str, object] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    response = jsonify({"error": error})
    response.status_code = status
    return response


def _http(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        log.error("unhandled", exc_info=error.original_exception or error)
    code = error.code or 500
    if error.response is not None or 300 <= code < 400:
        return error.get_response()  # type: ignore[return-value]
    response = answer(code)
    for name in ("Retry-After", "Allow"):
        value = dict(error.get_headers()).get(name)
        if value:
            response.headers[name] = value
    return response


def _csrf(_error: CSRFError) -> Response:
    return answer(
        400, "The form was open for too long, or cookies are switched off. Reload the page and send it again."
    )


def _refused(error: Refused) -> Response:
    return answer(422, str(error), fields=error.errors)


def _database(error: OperationalError) -> Response:
    log.error("the database does not answer: %s", error.orig)
    return answer(503)
