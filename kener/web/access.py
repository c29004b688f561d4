"""Who may see which route. Every endpoint says so with `@public` or `@requires(...)`; one that says nothing stops the start."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, Response, abort, redirect, request, url_for
from flask_login import UserMixin, current_user
from werkzeug.wrappers import Response as BaseResponse

from kener.domain.permissions import Permission, may
from kener.extensions import login_manager
from kener.models import Role
from kener.services import accounts
from kener.services.audit import Actor

P = ParamSpec("P")
R = TypeVar("R")


class Operator(UserMixin):  # type: ignore[misc]
    """The signed-in account of a request, read from its server-side session."""

    def __init__(self, *, token: str, user_id: int, session_id: int, email: str, role: Role) -> None:
        self.token, self.user_id, self.session_id, self.email, self.role = token, user_id, session_id, email, role

    def get_id(self) -> str:
        return self.token

    def may(self, permission: Permission) -> bool:
        return may(self.role, permission)

    @property
    def actor(self) -> Actor:
        return Actor(self.email)


def register(app: Flask) -> None:
    """Bind Flask-Login to our server-side sessions."""
    login_manager.init_app(app)
    login_manager.session_protection = None
    login_manager.user_loader(_load)
    login_manager.unauthorized_handler(to_sign_in)
    app.jinja_env.globals["Permission"] = Permission


def _load(token: str) -> Operator | None:
    found = accounts.session_of(token)
    if found is None:
        return None
    user = found.user
    return Operator(token=token, user_id=user.id, session_id=found.id, email=user.email, role=user.role)


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that anyone may call."""
    view.access = "public"  # type: ignore[attr-defined]
    return view


def requires(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R | BaseResponse]]:
    """Let only accounts with a permission through: strangers go to the sign-in page, others get 403."""

    def decorate(view: Callable[P, R]) -> Callable[P, R | BaseResponse]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | BaseResponse:
            if not current_user.is_authenticated:
                return to_sign_in()
            if not current_user.may(permission):
                abort(403)
            return view(*args, **kwargs)

        guarded.access = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def to_sign_in() -> BaseResponse:
    """The way to the sign-in page and back; htmx is told to go there as a whole page."""
    target = request.full_path.rstrip("?") if request.method == "GET" and not request.headers.get("HX-Request") else ""
    location = url_for("account.sign_in", next=target or None)
    if request.headers.get("HX-Request"):
        return Response(status=204, headers={"HX-Redirect": location})
    return redirect(location, 303)


def safe_next(target: str | None) -> str | None:
    """A path on this site, or None: never another host. Browsers drop tabs and line ends, so `/<tab>/host` would be one."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return None
    return target if target.isprintable() else None


def actor() -> Actor:
    """Whoever acts in this request."""
    return current_user.actor  # type: ignore[no-any-return]


def check_every_endpoint(app: Flask) -> None:
    """Deny by default: refuse to start while any endpoint does not say who may call it."""
    silent = [name for name, view in app.view_functions.items() if not hasattr(view, "access")]
    if silent:
        raise RuntimeError(f"These endpoints do not say who may call them: {', '.join(sorted(silent))}")
