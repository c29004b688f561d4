"""Why something was decided about a monitor in a minute, or was not (A3)."""

from datetime import datetime, tzinfo
from typing import Any

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import alerts as rows
from kener.queries import explanations, site
from kener.web.access import requires
from kener.web.fragments import render
from kener.web.manage.alerts.routes import WINDOWS
from kener.web.manage.forms import moment
from kener.web.manage.mends import address

bp = Blueprint("manage_why", __name__, url_prefix="/manage/alerts")


@bp.get("/<id:config_id>/why")
@requires(Permission.READ)
def show(config_id: int) -> BaseResponse:
    """The answer to `?monitor=tag&at=time`, and the form that asks."""
    session = db.session()
    configuration, here = rows.stored(session, config_id), site.read(session)
    if configuration is None:
        abort(404)
    known = rows.askable(session, config_id)
    wanted, typed = request.args.get("monitor", ""), request.args.get("at", "")
    monitor = rows.monitor(session, wanted if wanted in dict(known) else next(iter(dict(known)), ""))
    at = moment(typed, here.tz) if typed else clock.now()
    errors = _mistakes(wanted, known, at)
    asked = {"monitor": monitor.tag if monitor else "", "at": typed if "at" in errors else minute_of(at, here.tz)}
    found = explanations.explain(session, configuration, monitor, at) if monitor and typed and not errors else None
    return render(
        "manage/alerts/why.html",
        status=422 if errors else 200,
        configuration=rows.configuration(session, config_id),
        askable=known,
        asked=asked,
        errors=errors,
        found=found,
        windows=WINDOWS,
        zone_name=here.tz.key,
        address=address,
    )


def minute_of(at: datetime, zone: tzinfo) -> str:
    """A minute as the value of a `datetime-local` field."""
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


def _mistakes(monitor: str, known: list[tuple[str, str]], at: Any) -> dict[str, str]:
    """What cannot be asked."""
    errors = {}
    if monitor and monitor not in dict(known):
        errors["monitor"] = "There is no such monitor. Choose one of these."
    if not isinstance(at, datetime):
        errors["at"] = "Enter a date and a time, for instance 2026-11-12 09:28."
    elif at > clock.now():
        errors["at"] = "This minute has not come yet."
    elif at < explanations.oldest():
        errors["at"] = f"Records reach {explanations.DAYS} days back. Enter a later time."
    return errors
