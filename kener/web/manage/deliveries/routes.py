"""Deliveries: list, send again."""

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.models import DeliveryState
from kener.queries import triggers as rows
from kener.services import outbox
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render, wants_fragment
from kener.web.manage import lists

bp = Blueprint("manage_deliveries", __name__, url_prefix="/manage/deliveries")

STATES = {"PENDING": "Not settled", **{state.value: state.value.capitalize() for state in DeliveryState}}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The outbox, newest first."""
    session = db.session()
    triggers = {str(trigger_id): name for trigger_id, name in rows.trigger_options(session)}
    state, trigger = lists.one_of("state", STATES), lists.one_of("trigger", triggers)
    part = rows.deliveries(session, state=state, trigger_id=int(trigger) if trigger else None, page=lists.page_number())
    labels = {"state": state and f"State: {STATES[state]}", "trigger": trigger and f"To: {triggers[trigger]}"}
    return render(
        "manage/deliveries/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen={"state": state, "trigger": trigger},
        states=STATES,
        triggers=triggers,
    )


@bp.post("/<id:delivery_id>/resend")
@requires(Permission.EDIT)
def resend(delivery_id: int) -> BaseResponse:
    """Send a message again, under the same id."""
    try:
        outbox.resend(delivery_id, actor=actor())
    except Refused as refused:
        return done(_back(), " ".join(refused.errors.values()), kind="error")
    if wants_fragment():
        found = rows.delivery(db.session(), delivery_id)
        if found is None:
            abort(404)
        return render("manage/deliveries/index.html", fragment="row", delivery=found)
    return done(_back(), "It is sent again now.")


def _back() -> str:
    chosen = request.form.get("state", "")
    return url_for(".index", state=chosen if chosen in STATES else None)
