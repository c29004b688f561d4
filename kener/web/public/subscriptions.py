"""Get updates: ask for them, confirm the address, choose, leave. All of it as plain forms, none of it with an account.

The pages carry no CSRF token. Asking is guarded as on the other public pages: a request that says that it comes from another site is
refused. Everything else is done with a link that only the address got; whoever has it needs no forgery.
"""

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Flask, Response, abort, request, url_for
from flask_limiter.util import get_remote_address
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import check
from kener.domain.status import Status
from kener.domain.subscriptions import Channel, Choices, SubscriberInput
from kener.extensions import csrf, limiter
from kener.models import Subscriber
from kener.queries import subscribers as rows
from kener.services import site, subscribers
from kener.services.errors import NotFound, Refused
from kener.web.access import public
from kener.web.errors import answer
from kener.web.fragments import render

bp = Blueprint("subscriptions", __name__, url_prefix="/subscriptions")

IMPACTS = {
    Status.DEGRADED.value: "Whatever is degraded or down",
    Status.DOWN.value: "Only what is down",
}
SAID = {
    "confirmed": "Confirmed. You hear of it from now on.",
    "saved": "Saved. It counts from now on.",
    "renewed": "This page has a new address, and so have all links from now on. The old ones lead nowhere.",
}
NOT_SO = "This code does not fit, or it is too old. Look at the newest message, or ask for another one."


def register(app: Flask) -> None:
    """Bind the pages, and let others ask whether there is anything to subscribe to."""
    csrf.exempt(bp)
    app.register_blueprint(bp)
    app.jinja_env.globals["subscription_door"] = lambda: rows.door(db.session())


@bp.after_request
def _private(response: Response) -> Response:
    """Addresses that open something are neither kept nor passed on."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.get("")
@public
def new() -> BaseResponse:
    """The form. `?incident=7`, `?monitor=api` or `?page=money` chooses one beforehand."""
    incident = request.args.get("incident", "")
    ids = [int(incident)] if incident.isascii() and incident.isdigit() and len(incident) < 10 else []
    wanted = {"monitors": request.args.getlist("monitor"), "pages": request.args.getlist("page"), "incident_ids": ids}
    door = rows.door(db.session())
    given = {
        "channel": "EMAIL",
        "address": "",
        "kinds": [kind.value for kind in door.kinds],
        "least_impact": "DEGRADED",
    }
    return _new(given | wanted | {"scope": "chosen" if any(wanted.values()) else "everything", "zone": ""}, {})


@bp.post("")
@limiter.limit("20 per hour", key_func=get_remote_address)
@public
def create() -> BaseResponse:
    """Ask the owner of the address. The answer is the same for every address."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return answer(403)
    door, raw = rows.door(db.session()), typed()
    if not door.is_open:
        abort(404)
    given, errors = check(SubscriberInput, {name: raw[name] for name in raw if name != "scope"} | scope_of(raw))
    errors = _flat(errors) | _not_offered(raw, door) | nothing_chosen(raw)
    if given is None or errors:
        return _new(raw, errors, status=422)
    try:
        ref = subscribers.ask(given)
    except Refused as refused:
        return _new(raw, _flat(refused.errors), status=422)
    return redirect(
        url_for(".sent", ref=ref, channel=given.channel.value if given.channel is not Channel.EMAIL else None), 303
    )


def _not_offered(raw: dict[str, Any], door: rows.Door) -> dict[str, str]:
    errors = {}
    if raw["channel"] not in [channel.value for channel in door.channels]:
        errors["address"] = "This way is not offered here. Choose another one."
    if set(raw["kinds"]) - {kind.value for kind in door.kinds}:
        errors["kinds"] = "This is not offered here."
    return errors


def nothing_chosen(raw: dict[str, Any]) -> dict[str, str]:
    if raw["scope"] == "chosen" and not (raw["pages"] or raw["monitors"] or raw["incident_ids"]):
        return {"scope": "Choose at least one below, or everything."}
    return {}


@bp.get("/sent/<ref>")
@public
def sent(ref: str) -> BaseResponse:
    """What happens next, and the field for the code."""
    return _sent(ref, {})


@bp.post("/sent/<ref>")
@limiter.limit("30 per hour", key_func=get_remote_address)
@public
def enter(ref: str) -> BaseResponse:
    """Confirm by the code."""
    try:
        token = subscribers.confirm_by_code(ref[:64], request.form.get("code", "")[:32])
    except NotFound:
        return _sent(ref, {"code": NOT_SO}, status=422)
    return redirect(url_for(".show", token=token, said="confirmed"), 303)


def _sent(ref: str, errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    is_mail = request.args.get("channel") is None
    here = site.read(db.session())
    return render("public/subscriptions/sent.html", status=status, site=here, ref=ref, errors=errors, is_mail=is_mail)


@bp.get("/confirm/<link>")
@public
def confirm(link: str) -> BaseResponse:
    """A button: mail programs and their guards open links by themselves, and must confirm nothing."""
    session = db.session()
    if not subscribers.is_link(session, link[:128]):
        return _gone("This link is used up or older than 24 hours", status=404)
    return render("public/subscriptions/confirm.html", site=site.read(session), link=link)


@bp.post("/confirm/<link>")
@public
def confirmed(link: str) -> BaseResponse:
    """Confirm by the link."""
    try:
        token = subscribers.confirm_by_link(link[:128])
    except NotFound:
        return _gone("This link is used up or older than 24 hours", status=404)
    return redirect(url_for(".show", token=token, said="confirmed"), 303)


@bp.get("/<token>")
@public
def show(token: str) -> BaseResponse:
    """A subscriber's own page."""
    subscriber = _find(token)
    if subscriber is None:
        return _gone("This link leads nowhere any more", status=404)
    given = rows.chosen(db.session(), subscriber)
    return _own(token, subscriber, given | {"scope": "everything" if subscriber.everything else "chosen"}, {})


@bp.post("/<token>")
@public
def update(token: str) -> BaseResponse:
    """Choose anew."""
    subscriber, raw = _find(token), typed()
    if subscriber is None:
        return _gone("This link leads nowhere any more", status=404)
    wanted = {name: value for name, value in raw.items() if name not in ("scope", "channel", "address")}
    given, errors = check(Choices, wanted | scope_of(raw))
    errors = _flat(errors) | nothing_chosen(raw)
    if given is None or errors:
        return _own(token, subscriber, raw, errors, status=422)
    try:
        subscribers.change(token, given)
    except Refused as refused:
        return _own(token, subscriber, raw, _flat(refused.errors), status=422)
    return redirect(url_for(".show", token=token, said="saved"), 303)


@bp.post("/<token>/renew")
@public
def renew(token: str) -> BaseResponse:
    """Make all links that were sent before invalid."""
    try:
        return redirect(url_for(".show", token=subscribers.renew(token), said="renewed"), 303)
    except NotFound:
        return _gone("This link leads nowhere any more", status=404)


@bp.get("/<token>/unsubscribe")
@public
def leave(token: str) -> BaseResponse:
    """A button, for those who open the link; mail programs send the POST themselves."""
    subscriber = _find(token)
    if subscriber is None:
        return _gone("You are not subscribed any more")
    address = subscriber.address
    return render("public/subscriptions/leave.html", site=site.read(db.session()), token=token, address=address)


@bp.post("/<token>/unsubscribe")
@public
def unsubscribe(token: str) -> BaseResponse:
    """Unsubscribe in one click (RFC 8058). Asking twice is no mistake."""
    subscribers.unsubscribe(token)
    return _gone("You are unsubscribed", done=True)


def _find(token: str) -> Subscriber | None:
    return subscribers.by_token(db.session(), token[:256])


def typed() -> dict[str, Any]:
    """The form as it was sent. Whoever chose everything has chosen nothing else but the incidents that they follow."""
    form = request.form
    raw = {name: form.get(name, "").replace("\0", "") for name in ("address", "zone")}
    raw |= {"channel": form.get("channel", "EMAIL"), "least_impact": form.get("least_impact", "DEGRADED")}
    raw |= {"scope": "chosen" if form.get("scope") == "chosen" else "everything"}
    return raw | {name: form.getlist(name) for name in ("kinds", "pages", "monitors", "incident_ids")}


def scope_of(raw: dict[str, Any]) -> dict[str, Any]:
    return {} if raw["scope"] == "chosen" else {"pages": [], "monitors": [], "incident_ids": []}


def _flat(errors: dict[str, str]) -> dict[str, str]:
    """By the names of fields. An incident that cannot be followed has no field to stand beside."""
    named = {name.partition(".")[0]: text for name, text in errors.items()}
    return {"scope" if name == "incident_ids" else name: text for name, text in named.items()}


def form_options(given: dict[str, Any], *, kept: Sequence[str] = ()) -> dict[str, Any]:
    """What the fields of a form offer; `kept`: monitors that were chosen before."""
    session = db.session()
    door, scopes = rows.door(session), rows.scopes(session, kept=kept)
    ids = [int(one) for one in map(str, given["incident_ids"]) if one.isascii() and one.isdigit() and len(one) < 10]
    zones = sorted(
        zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/"))
    )
    return {
        "site": site.read(session),
        "door": door,
        "channels": {channel.value: channel.word for channel in door.channels},
        "kinds": [(kind.value, kind.word) for kind in door.kinds],
        "scopes": scopes,
        "followed_options": [(one.id, one.title) for one in rows.followed(session, ids)],
        "impacts": IMPACTS,
        "zones": ["UTC", *zones],
    }


def _new(given: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    options = form_options(given)
    status = status if options["door"].is_open else 404
    return render("public/subscriptions/new.html", status=status, form=given, errors=errors, **options)


def _own(
    token: str, subscriber: Subscriber, given: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> BaseResponse:
    said = SAID.get(request.args.get("said", ""))
    about = {"token": token, "address": subscriber.address, "channel": subscriber.channel, "said": said}
    about["secret"] = subscribers.signing_secret(subscriber)
    kept = rows.chosen(db.session(), subscriber)["monitors"]
    return render(
        "public/subscriptions/own.html",
        status=status,
        form=given,
        errors=errors,
        **about,
        **form_options(given, kept=kept),
    )


def _gone(title: str, *, status: int = 200, done: bool = False) -> BaseResponse:
    here = site.read(db.session())
    return render("public/subscriptions/gone.html", status=status, site=here, title=title, done=done)
