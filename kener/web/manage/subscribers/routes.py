"""Subscribers: list, add, look, delete, bring in and take out; what was said to them, and how far it has come."""

from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.inputs import check
from kener.domain.permissions import Permission
from kener.domain.subscriptions import Channel, NoticeKind, SubscriberInput, SubscriberState
from kener.models import DeliveryState, Subscriber
from kener.queries import subscribers as rows
from kener.services import broadcasts, subscribers
from kener.services.errors import Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage import lists
from kener.web.manage.subscribers import table
from kener.web.public.subscriptions import form_options, nothing_chosen, scope_of, typed

bp = Blueprint("manage_subscribers", __name__, url_prefix="/manage/subscribers")

STATES = {SubscriberState.ACTIVE.value: "Active", SubscriberState.PENDING.value: "Not confirmed"}
KINDS = {kind.value: kind.word for kind in NoticeKind}
SCOPES = {"SITE": "The whole site", "CHOSEN": "Pages or monitors", "INCIDENT": "An incident"}
CHANNELS = {channel.value: channel.word for channel in Channel}
DELIVERIES = {"PENDING": "Not settled", **{state.value: state.value.capitalize() for state in DeliveryState}}


@bp.get("")
@requires(Permission.READ)
def index() -> BaseResponse:
    """The list, newest first."""
    session = db.session()
    filters = rows.Filters(
        q=lists.text(),
        state=lists.one_of("state", STATES),
        kind=lists.one_of("kind", KINDS),
        scope=lists.one_of("scope", SCOPES),
        channel=lists.one_of("channel", CHANNELS),
    )
    part = rows.subscribers(session, filters, page=lists.page_number())
    labels = {
        "q": filters.q and f"Search: {filters.q}",
        "state": filters.state and f"State: {STATES[filters.state]}",
        "kind": filters.kind and f"Hears of: {KINDS[filters.kind]}",
        "scope": filters.scope and f"Scope: {SCOPES[filters.scope]}",
        "channel": filters.channel and f"By: {CHANNELS[filters.channel]}",
    }
    return render(
        "manage/subscribers/index.html",
        fragment="list",
        part=part,
        foot=lists.foot(part),
        tags=lists.tags(labels),
        chosen=filters,
        states=STATES,
        kinds=KINDS,
        scopes=SCOPES,
        channels=CHANNELS,
        numbers=rows.numbers(session),
        door=rows.door(session),
        offer=rows.offer(session),
    )


@bp.get("/new")
@requires(Permission.EDIT)
def new() -> BaseResponse:
    """The form of a subscriber whom an operator adds."""
    given = {"address": "", "channel": "EMAIL", "kinds": list(KINDS), "least_impact": "DEGRADED", "zone": ""}
    return _form(given | {"scope": "everything", "pages": [], "monitors": [], "incident_ids": []}, {})


@bp.post("")
@requires(Permission.EDIT)
def create() -> BaseResponse:
    """Add a subscriber. Its owner is asked, as if they had come by themselves."""
    raw = typed()
    given, errors = check(SubscriberInput, {name: raw[name] for name in raw if name != "scope"} | scope_of(raw))
    errors = {name.partition(".")[0]: text for name, text in errors.items()} | nothing_chosen(raw)
    if given is None or errors:
        return _form(raw, errors, status=422)
    if subscribers.find(given.channel, given.address) is not None:
        return _form(raw, {"address": "This address is among the subscribers already."}, status=422)
    try:
        subscribers.ask(given, actor=actor())
    except Refused as refused:
        return _form(raw, refused.errors, status=422)
    return done(url_for(".index"), "Added. It becomes active when its owner confirms it.")


def _form(given: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    options = form_options(given) | {"kinds": list(KINDS.items()), "channels": CHANNELS}
    return render("manage/subscribers/form.html", status=status, form=given, errors=errors, **options)


@bp.get("/<id:subscriber_id>")
@requires(Permission.READ)
def show(subscriber_id: int) -> BaseResponse:
    """One subscriber: what they chose, what they were told."""
    found, session = _find(subscriber_id), db.session()
    part = rows.told(session, subscriber_id=subscriber_id, page=lists.page_number())
    kept = session.get_one(Subscriber, subscriber_id)
    return render(
        "manage/subscribers/show.html",
        fragment="list",
        subscriber=found,
        chosen=rows.chosen(session, kept),
        part=part,
        foot=lists.foot(part),
    )


@bp.post("/<id:subscriber_id>/ask")
@requires(Permission.EDIT)
def ask(subscriber_id: int) -> BaseResponse:
    """Ask the owner of a pending address once more."""
    _find(subscriber_id)
    try:
        subscribers.ask_again(subscriber_id, actor=actor())
    except Refused as refused:
        return done(url_for(".show", subscriber_id=subscriber_id), " ".join(refused.errors.values()), kind="error")
    return done(url_for(".show", subscriber_id=subscriber_id), "A new link and code are on their way.")


@bp.get("/<id:subscriber_id>/delete")
@requires(Permission.EDIT)
def delete(subscriber_id: int) -> BaseResponse:
    """Ask before a subscriber goes."""
    return render("manage/subscribers/delete.html", subscriber=_find(subscriber_id))


@bp.post("/<id:subscriber_id>/delete")
@requires(Permission.EDIT)
def destroy(subscriber_id: int) -> BaseResponse:
    """Delete a subscriber, address and all."""
    subscribers.remove(subscriber_id, actor=actor())
    return done(url_for(".index"), "The subscriber is deleted.")


@bp.get("/import")
@requires(Permission.EDIT)
def bring() -> BaseResponse:
    """The form to bring in many."""
    return _import({}, text="")


@bp.post("/import")
@requires(Permission.EDIT)
def bring_in() -> BaseResponse:
    """Bring in the lines of a file or of the field; say what came of each that was not taken."""
    file, text = request.files.get("file"), request.form.get("text", "")
    try:
        given = table.read(file.read().decode("utf-8-sig") if file and file.filename else text)
    except UnicodeDecodeError:
        return _import({"file": "This file is not UTF-8. Save it as CSV in UTF-8."}, text=text, status=422)
    except ValueError as error:
        return _import({"text": str(error)}, text=text, status=422)
    are_confirmed = request.form.get("are_confirmed") == "true"
    imported = subscribers.bring_in(given, are_confirmed=are_confirmed, actor=actor())
    return _import({}, text="", imported=imported)


def _import(
    errors: dict[str, str], *, text: str, imported: subscribers.Imported | None = None, status: int = 200
) -> BaseResponse:
    names = ", ".join(table.READ)
    return render(
        "manage/subscribers/import.html", status=status, errors=errors, text=text, imported=imported, names=names
    )


@bp.get("/export")
@requires(Permission.EDIT)
def take_out() -> BaseResponse:
    """All who have confirmed, as CSV."""
    response = Response("".join(table.lines(rows.export(db.session()))), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="subscribers.csv"'
    return response


@bp.get("/notices")
@requires(Permission.READ)
def log() -> BaseResponse:
    """What was said to subscribers, newest first, and how far each has come."""
    part = rows.notices(db.session(), page=lists.page_number())
    return render("manage/subscribers/notices.html", fragment="list", part=part, foot=lists.foot(part))


@bp.get("/notices/<id:notice_id>")
@requires(Permission.READ)
def overview(notice_id: int) -> BaseResponse:
    """One notice, to whom it went."""
    found, session = _notice(notice_id), db.session()
    state = lists.one_of("state", DELIVERIES)
    part = rows.told(session, notice_id=notice_id, state=state, page=lists.page_number())
    return render(
        "manage/subscribers/notice.html",
        fragment="list",
        notice=found,
        part=part,
        foot=lists.foot(part),
        tags=lists.tags({"state": state and f"State: {DELIVERIES[state]}"}),
        state=state,
        states=DELIVERIES,
    )


@bp.post("/notices/<id:notice_id>/resend")
@requires(Permission.EDIT)
def resend(notice_id: int) -> BaseResponse:
    """Send what failed again, under the same ids."""
    number = broadcasts.send_again(notice_id, actor=actor())
    words = f"{number} failed {'message is' if number == 1 else 'messages are'} sent again now."
    return done(url_for(".overview", notice_id=notice_id), words)


def _find(subscriber_id: int) -> rows.SubscriberLine:
    found = rows.subscriber(db.session(), subscriber_id)
    if found is None:
        abort(404)
    return found


def _notice(notice_id: int) -> rows.NoticeLine:
    found = rows.notice(db.session(), notice_id)
    if found is None:
        abort(404)
    return found
