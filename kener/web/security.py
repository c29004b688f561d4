"""What every response and every form is guarded by: headers, CSRF, cookies, limits."""

from datetime import timedelta

from flask import Flask, Response, request
from redis.backoff import NoBackoff
from redis.retry import Retry

from kener import jobs
from kener.extensions import csrf, limiter
from kener.settings import Settings

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# For a Redis that hangs: then the limiter counts in memory.
_PATIENCE = {"socket_connect_timeout": 2, "socket_timeout": jobs.ANSWER_S, "retry": Retry(NoBackoff(), 0)}


def register(app: Flask, settings: Settings) -> None:
    """Bind CSRF protection, the rate limiter and the response headers."""
    secure = bool(settings.origin and settings.origin.startswith("https://"))
    app.config.update(
        SESSION_COOKIE_NAME="kener",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        RATELIMIT_STORAGE_URI=_limiter_storage(settings.redis),
        RATELIMIT_STORAGE_OPTIONS=_PATIENCE,
        RATELIMIT_STRATEGY="fixed-window",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_KEY_PREFIX="kener",
    )
    csrf.init_app(app)
    app.after_request(_add_headers)
    limiter.init_app(app)
    if secure:
        app.after_request(_add_hsts)


def _limiter_storage(redis_url: str) -> str:
    return redis_url.replace("unix://", "redis+unix://", 1) if redis_url.startswith("unix://") else redis_url


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # The limiter names a pause with every answer; only to one that refuses it is an instruction.
    if response.status_code not in (429, 503):
        response.headers.pop("Retry-After", None)
    if request.blueprint and request.blueprint.startswith(("manage", "account")):
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Robots-Tag", "noindex")
    return response


def _add_hsts(response: Response) -> Response:
    response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
