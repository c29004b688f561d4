"""Who calls the API: the holder of a bearer key. Cookies count for nothing here, so there is nothing to forge across sites."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from flask_limiter.util import get_remote_address

from kener.domain.incidents import Source
from kener.extensions import limiter
from kener.services import accounts
from kener.services.audit import Actor
from kener.web.errors import api_error

P = ParamSpec("P")

ACCESS = "api key"
CALLS = "3000 per minute"
REFUSALS = "60 per minute"


def api_key_required(view: Callable[P, Response]) -> Callable[P, Response]:
    """Let only requests with an active key through; the guard goes with the view, whatever its path."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        name = _key_name()
        if name is None:
            _count_refusal()
            return _unauthorized()
        g.api_key = name
        _count_call()
        return view(*args, **kwargs)

    guarded.access = ACCESS  # type: ignore[attr-defined]
    return guarded


def actor() -> Actor:
    """The key that acts in this request."""
    return Actor(g.api_key, Source.API)


def _key_name() -> str | None:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        return None
    return accounts.api_key_of(given.token)


def _unauthorized() -> Response:
    response = api_error(401, "Send an active API key: Authorization: Bearer kener_…")
    response.headers["WWW-Authenticate"] = 'Bearer realm="Kener"'
    return response


@limiter.shared_limit(CALLS, scope="api", key_func=lambda: f"key {g.api_key}")
def _count_call() -> None:
    """Every key may make this many calls; beyond, the limiter answers 429."""


@limiter.shared_limit(REFUSALS, scope="api-refused", key_func=get_remote_address)
def _count_refusal() -> None:
    """Every address may try this many wrong keys."""
