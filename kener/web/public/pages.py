"""Pages for visitors: home, one monitor, one incident, one maintenance."""

from flask import Blueprint, Response, abort, request, url_for
from flask_login import current_user
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as BaseResponse

from kener import live
from kener.db import db
from kener.domain.permissions import Permission
from kener.extensions import csrf
from kener.markup import gist, markdown, plain
from kener.queries import history, pages
from kener.queries.glances import glances
from kener.queries.public import home as home_page
from kener.queries.public import incidents, ledger
from kener.queries.public import maintenance as maintenances
from kener.services import accounts, site
from kener.web.access import public, safe_next
from kener.web.errors import answer
from kener.web.fragments import not_modified, render
from kener.web.public.cache import SESSION_COOKIE

bp = Blueprint("public", __name__)


bp.add_app_template_filter(markdown, "markdown")
bp.add_app_template_filter(plain, "plain")
bp.add_app_template_filter(gist, "gist")


@bp.after_request
def _keep_to_one(response: Response) -> Response:
    """What a session may have added to a page stays between us and that browser."""
    if SESSION_COOKIE in request.cookies:
        response.headers["Cache-Control"] = "no-store"
    return response


def is_staff() -> bool:
    """Whether hidden monitors and private incidents may be shown in this request."""
    return bool(current_user.is_authenticated)


def revision() -> str:
    """The revision that this rendering shows: the cache's, where it asked."""
    found: str | None = request.environ.get("kener.revision")
    return found or live.revision()


@bp.get("/")
@public
def home() -> BaseResponse:
    """The status page. htmx polls it with the revision it has seen."""
    return _status_page(None)


@bp.get("/<page:path>")
@public
def page(path: str) -> BaseResponse:
    """A page of its own, with its monitors."""
    return _status_page(path)


def _status_page(path: str | None) -> BaseResponse:
    now, session = revision(), db.session()
    if request.args.get("seen") == now and request.headers.get("HX-Request"):
        return not_modified()
    found = pages.by_path(session, path) if path else None
    if path and found is None:
        abort(404)
    data = home_page.home(session, staff=is_staff(), page=found)
    firsts = {one.id: monitor_id for one in data.active if (monitor_id := _first(one))}
    hour = history.last_hour(session, list(firsts.values()))
    is_new = not data.has_monitors and not accounts.is_set_up(session)
    return render(
        "public/home.html",
        fragment="live",
        site=data.site,
        home=data,
        hour=hour,
        firsts=firsts,
        revision=now,
        is_new=is_new,
        may_add=is_staff() and current_user.may(Permission.EDIT),
        here=url_for(".page", path=found.path) if found else url_for(".home"),
    )


def _first(incident: incidents.IncidentRow) -> int | None:
    """The monitor whose last hour stands beside an incident."""
    return next((affected.monitor_id for affected in incident.affected if affected.monitor_id), None)


@bp.get("/monitors/<tag:tag>")
@public
def monitor(tag: str) -> BaseResponse:
    """One monitor: status, uptime, response time, incidents."""
    now = revision()
    if request.args.get("seen") == now and request.headers.get("HX-Request"):
        return not_modified()
    session = db.session()
    here = site.read(session)
    found = ledger.monitors(session, here, staff=is_staff(), tag=tag)
    if not found:
        abort(404)
    span = request.args.get("range", "24h")
    if span not in history.RANGES:
        abort(404)
    return render(
        "public/monitor.html",
        fragment="live",
        site=here,
        monitor=found[0],
        uptimes=history.uptimes(session, found[0]),
        latency=history.latency(session, found[0].id, span),
        ranges=list(history.RANGES),
        incidents=incidents.incidents_of(session, found[0].id, staff=is_staff()),
        revision=now,
    )


@bp.get("/incidents/<id:incident_id>")
@public
def incident(incident_id: int) -> BaseResponse:
    """One incident with its whole timeline. It polls while it is open."""
    session, now = db.session(), revision()
    if request.args.get("seen") == now and request.headers.get("HX-Request"):
        return not_modified()
    found = incidents.incident(session, incident_id, staff=is_staff())
    if found is None:
        return _merged(incident_id)
    return render(
        "public/incident.html",
        fragment="live",
        site=site.read(session),
        incident=found,
        glances=glances(session, incident_id, staff=is_staff()),
        revision=now,
    )


@bp.get("/maintenances/<id:maintenance_id>")
@public
def maintenance(maintenance_id: int) -> BaseResponse:
    """One maintenance: when it happens, what it concerns. It polls while something of it is to come."""
    session, now = db.session(), revision()
    if request.args.get("seen") == now and request.headers.get("HX-Request"):
        return not_modified()
    found = maintenances.page(session, maintenance_id, staff=is_staff())
    if found is None:
        abort(404)
    return render(
        "public/maintenance.html",
        fragment="live",
        site=site.read(session),
        maintenance=found,
        revision=now,
    )


def _merged(incident_id: int) -> BaseResponse:
    """The way to the incident in which a merged one goes on. A split may bring it back, so browsers must ask again each time."""
    target = incidents.merged_into(db.session(), incident_id, staff=is_staff())
    if target is None:
        abort(404)
    response = redirect(url_for(".incident", incident_id=target), 301)
    response.headers["Cache-Control"] = "no-cache"
    return response


@bp.post("/preferences")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def preferences() -> BaseResponse:
    """Keep the visitor's theme in a cookie.

    Public pages are cached and carry no token. A forged request could only change colours, and one that says that it comes from another
    site is refused all the same.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return answer(403)
    theme = request.form.get("theme", "system")
    if theme not in ("system", "light", "dark"):
        return answer(422, "Choose system, light or dark.")
    back = safe_next(_path_of(request.referrer)) or url_for("public.home")
    response = redirect(back, 303)
    if theme == "system":
        response.delete_cookie("theme")
    else:
        response.set_cookie(
            "theme", theme, max_age=365 * 86_400, samesite="Lax", httponly=True, secure=request.is_secure
        )
    return response


def _path_of(referrer: str | None) -> str | None:
    """The path of a page of this site, or None."""
    if not referrer or not referrer.startswith(request.host_url):
        return None
    return "/" + referrer.removeprefix(request.host_url)


@bp.get("/robots.txt")
@public
def robots() -> Response:
    """What crawlers may read."""
    lines = ["User-agent: *", "Disallow: /manage", "Disallow: /account", "Disallow: /api/", "Disallow: /ext/", ""]
    return Response("\n".join(lines), content_type="text/plain; charset=utf-8")
