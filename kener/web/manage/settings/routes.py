"""Settings: name, address and time zone of the site, what can be subscribed to, and whether mail works."""

from zoneinfo import available_timezones

from flask import Blueprint, current_app, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import connectivity as connected
from kener.queries.subscribers import Offer, offer
from kener.services import connectivity, mail, site, subscribers
from kener.services.errors import Refused
from kener.services.mail import Tried
from kener.services.site import Site
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage.forms import ticked

bp = Blueprint("manage_settings", __name__, url_prefix="/manage/settings")


@bp.get("")
@requires(Permission.ADMINISTER)
def show() -> BaseResponse:
    """The form."""
    return _form(site.read(db.session()), {})


@bp.post("")
@requires(Permission.ADMINISTER)
def update() -> BaseResponse:
    """Save the site."""
    given = Site(*(request.form.get(name, "").strip() for name in ("name", "url", "zone")))
    given = Site(given.name, given.url.rstrip("/"), given.zone)
    try:
        site.change(given, actor=actor())
    except Refused as refused:
        return _form(given, refused.errors, status=422)
    return done(url_for(".show"), "Saved. Visitors see it now.")


@bp.post("/subscriptions")
@requires(Permission.ADMINISTER)
def subscriptions() -> BaseResponse:
    """Choose what visitors can subscribe to."""
    chosen = Offer(**ticked(request.form, "enabled", "incidents", "maintenance", "webhooks"))
    subscribers.change_offer(chosen, actor=actor())
    return done(url_for(".show"), "Saved. Visitors see it now.")


@bp.post("/references")
@requires(Permission.ADMINISTER)
def references() -> BaseResponse:
    """Choose the reference targets of the guard over our own connection."""
    typed = request.form.get("references", "")
    try:
        connectivity.set_references(typed.splitlines(), actor=actor())
    except Refused as refused:
        return _form(site.read(db.session()), refused.errors, references=typed, status=422)
    return done(url_for(".show"), "Saved. The next failing check looks at them.")


@bp.post("/mail")
@requires(Permission.ADMINISTER)
def mail_test() -> BaseResponse:
    """Send a test mail, and show how far it came."""
    try:
        tried = mail.test(request.form.get("to", ""))
    except Refused as refused:
        return _form(site.read(db.session()), refused.errors, status=422)
    return _form(site.read(db.session()), {}, tried=tried)


def _form(
    given: Site,
    errors: dict[str, str],
    *,
    references: str | None = None,
    tried: Tried | None = None,
    status: int = 200,
) -> BaseResponse:
    zones = sorted(
        zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/"))
    )
    chosen = "\n".join(connected.references(db.session())) if references is None else references
    return render(
        "manage/settings/show.html",
        status=status,
        form=given,
        errors=errors,
        zones=["UTC", *zones],
        references=chosen,
        offer=offer(db.session()),
        smtp=current_app.extensions["kener"].smtp,
        mail_to=request.form.get("to") or current_user.email,
        tried=tried,
    )
