"""The way in: first set-up, sign-in, sign-out, one's own sessions."""

from flask import Blueprint, request, url_for
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_user, logout_user
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.extensions import limiter
from kener.queries import account as rows
from kener.services import accounts, site
from kener.services.errors import Refused
from kener.web.access import Operator, public, requires, safe_next
from kener.web.errors import answer
from kener.web.fragments import done, render

bp = Blueprint("account", __name__)
WRONG = "This address and password do not belong together."


def _typed_email() -> str:
    return f"e-mail {request.form.get('email', '').strip().lower()[:255]}"


@bp.get("/sign-in")
@public
def sign_in() -> BaseResponse:
    """The sign-in form; on an empty install, the hint to the set-up page."""
    if current_user.is_authenticated:
        return redirect(url_for("manage.overview"), 303)
    if not accounts.is_set_up(db.session()):
        return redirect(url_for(".setup"), 303)
    return _form({}, "")


@bp.post("/sign-in")
@limiter.limit("30 per minute", key_func=get_remote_address)
@limiter.limit("6 per minute", key_func=_typed_email)
@public
def enter() -> BaseResponse:
    """Check the password and open a session."""
    # PostgreSQL takes no NUL, so no stored address has one.
    email, password = request.form.get("email", "").replace("\0", ""), request.form.get("password", "")
    agent, address = request.user_agent.string, request.remote_addr or ""
    token = accounts.sign_in(email[:255], password[:1024], user_agent=agent, address=address)
    if token is None:
        return _form({"": WRONG}, email, status=422)
    _remember(token)
    return redirect(safe_next(request.form.get("next")) or url_for("manage.overview"), 303)


@bp.post("/sign-out")
@public
def sign_out() -> BaseResponse:
    """End the session, on the server as well."""
    if current_user.is_authenticated:
        accounts.sign_out(current_user.token)
        logout_user()
    return done(url_for(".sign_in"), "Signed out.")


@bp.get("/setup")
@public
def setup() -> BaseResponse:
    """The first visit: makes the owner account. Guarded by the token that was printed at the start; gone once there is an account."""
    if accounts.is_set_up(db.session()):
        return answer(404)
    return render("account/setup.html", errors={}, token=request.args.get("token", ""), form={"site_name": "Status"})


@bp.post("/setup")
@limiter.limit("10 per minute")
@public
def set_up() -> BaseResponse:
    """Make the owner account and sign in."""
    form = request.form
    try:
        user_id = accounts.set_up(
            token=form.get("token", ""),
            email=form.get("email", ""),
            password=form.get("password", ""),
            site_name=form.get("site_name", ""),
        )
    except Refused as refused:
        return render("account/setup.html", status=422, errors=refused.errors, token=form.get("token", ""), form=form)
    agent, address = request.user_agent.string, request.remote_addr or ""
    _remember(accounts.open_session(user_id, user_agent=agent, address=address))
    return done(
        url_for("manage_monitors.new"), "The owner account is ready. Add the first monitor: it is checked at once."
    )


@bp.get("/account/sessions")
@requires(Permission.READ)
def sessions() -> BaseResponse:
    """Where one is signed in."""
    session = db.session()
    return render(
        "account/sessions.html",
        site=site.read(session),
        sessions=rows.sessions(session, current_user.user_id, current=current_user.session_id),
    )


@bp.post("/account/sessions/<id:session_id>/end")
@requires(Permission.READ)
def end_session(session_id: int) -> BaseResponse:
    """Sign another browser out."""
    accounts.end_session(session_id, user_id=current_user.user_id)
    return done(url_for(".sessions"), "That browser is signed out.")


def _remember(token: str) -> None:
    found = accounts.session_of(token)
    assert found is not None
    user = found.user
    login_user(Operator(token=token, user_id=user.id, session_id=found.id, email=user.email, role=user.role))


def _form(errors: dict[str, str], email: str, *, status: int = 200) -> BaseResponse:
    target = safe_next(request.values.get("next")) or ""
    return render(
        "account/sign_in.html", status=status, site=site.read(db.session()), errors=errors, email=email, next=target
    )
