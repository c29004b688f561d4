"""Deliveries: list, look at one, send again one or those of a time."""

from typing import Any

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.models import DeliveryState
from kener.queries import site
from kener.queries import triggers as rows
from kener.queries.triggers import Wanted
from kener.services import outbox
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists

bp = Blueprint("manage_deliveries", __name__, url_prefix="/manage/deliveries")

STATES = {"PENDING": "Not settled", **{state.value: state.value.capitalize() for state in DeliveryState}}
EVENTS = {"TRIGGERED": "Triggered", "RESOLVED": "Resolved"}
WHICH = {"FAILED": "Those that failed", "ALL": "All of them"}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The outbox, newest first."""
    session = db.session()
    triggers = _triggers()
    typed, wanted = _filter(triggers)
    part = rows.deliveries(session, wanted, page=lists.page_number())
    labels = {
        "state": typed["state"] and f"State: {STATES[typed['state']]}",
        "trigger": typed["trigger"] and f"To: {triggers[typed['trigger']]}",
        "event": typed["event"] and EVENTS[typed["event"]],
        "from": typed["from"] and f"From {typed['from']}",
        "to": typed["to"] and f"To {typed['to']}",
        "q": typed["q"] and f"Id {typed['q']}",
    }
    return render(
        "manage/deliveries/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen=typed,
        states=STATES,
        events=EVENTS,
        triggers=triggers,
        progress=rows.progress(session, wanted) if wanted.trigger_id is not None and wanted.start is not None else None,
        here=lists.here(),
        zone_name=site.read(session).tz.key,
    )


@bp.get("/<id:delivery_id>")
@requires(Permission.READ)
def show(delivery_id: int) -> BaseResponse:
    """One message: its words, and every attempt at it."""
    found = rows.told(db.session(), delivery_id)
    if found is None:
        abort(404)
    return render("manage/deliveries/show.html", told=found)


@bp.post("/<id:delivery_id>/resend")
@requires(Permission.EDIT)
def resend(delivery_id: int) -> BaseResponse:
    """Send a message again, under the same id."""
    try:
        outbox.resend(delivery_id, actor=actor())
    except Refused as refused:
        return done(_back(delivery_id), " ".join(refused.errors.values()), kind="error")
    if wants_fragment():
        found = rows.delivery(db.session(), delivery_id)
        if found is None:
            abort(404)
        return render("manage/deliveries/index.html", fragment="row", delivery=found)
    return done(_back(delivery_id), "It is sent again now.")


@bp.get("/replay")
@requires(Permission.EDIT)
def replay() -> BaseResponse:
    """Choose a channel and a time; once both are chosen, say how many messages that is, and ask."""
    return _ask({})


@bp.post("/replay")
@requires(Permission.EDIT)
def send_again() -> BaseResponse:
    """Send the messages of a time again, in their order."""
    triggers = _triggers()
    typed, wanted = _filter(triggers)
    if wanted.trigger_id is None or wanted.start is None or wanted.end is None:
        return _ask(_missing(typed))
    only_failed = lists.one_of("which", WHICH) != "ALL"
    try:
        number = outbox.replay(
            wanted.trigger_id, start=wanted.start, end=wanted.end, only_failed=only_failed, actor=actor()
        )
    except Refused as refused:
        return _ask(refused.errors)
    span: dict[str, Any] = {"from": typed["from"], "to": typed["to"]}
    where = url_for(".index", trigger=typed["trigger"], **span)
    message = "One delivery is" if number == 1 else f"{number:,} deliveries are"
    return done(where, f"{message} sent again now, in order. Here is how far they are.")


def _ask(errors: dict[str, str]) -> BaseResponse:
    triggers = _triggers()
    typed, wanted = _filter(triggers)
    typed["which"] = lists.one_of("which", WHICH) or "FAILED"
    number = None
    if request.args.get("trigger") is not None and not errors:
        errors = _missing(typed)
    if wanted.trigger_id is not None and wanted.start is not None and wanted.end is not None:
        only_failed = typed["which"] != "ALL"
        number = rows.number_of(
            db.session(),
            outbox.replayable(wanted.trigger_id, start=wanted.start, end=wanted.end, only_failed=only_failed),
        )
    return render(
        "manage/deliveries/replay.html",
        status=422 if errors else 200,
        form=typed,
        errors=errors,
        number=number,
        triggers=triggers,
        which=WHICH,
        zone_name=site.read(db.session()).tz.key,
        act=lists.here(),
    )


def _missing(typed: dict[str, str]) -> dict[str, str]:
    words = {"trigger": "Choose a trigger.", "from": "Choose a day.", "to": "Choose a day."}
    return {name: text for name, text in words.items() if not typed[name]}


def _triggers() -> dict[str, str]:
    return {str(trigger_id): name for trigger_id, name in rows.trigger_options(db.session())}


def _filter(triggers: dict[str, str]) -> tuple[dict[str, str], Wanted]:
    """What the query string asks for: as it was typed, and as a filter. What cannot be is left out."""
    zone = site.read(db.session()).tz
    typed = {
        "state": lists.one_of("state", STATES),
        "trigger": lists.one_of("trigger", triggers),
        "event": lists.one_of("event", EVENTS),
        "from": lists.day("from"),
        "to": lists.day("to"),
        "q": lists.text(),
    }
    return typed, Wanted(
        state=typed["state"],
        trigger_id=int(typed["trigger"]) if typed["trigger"] else None,
        event=typed["event"],
        start=lists.midnight(typed["from"], zone) if typed["from"] else None,
        end=lists.midnight(typed["to"], zone, days=1) if typed["to"] else None,
        sought=typed["q"],
    )


def _back(delivery_id: int) -> str:
    if request.form.get("from") == "show":
        return url_for(".show", delivery_id=delivery_id)
    chosen = request.form.get("state", "")
    return url_for(".index", state=chosen if chosen in STATES else None)
