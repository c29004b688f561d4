"""Subscribers: who asks, who confirms, what they choose, and how they leave. N4.

Nobody is told anything before the owner of an address has said yes, with a link or a code that only that address got. The answer to
whoever asks is the same for every address, so that nobody learns who is subscribed. Whoever leaves is deleted, address and all.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import again, transaction
from kener.domain.incidents import Source
from kener.domain.subscriptions import (
    CODE_DIGITS,
    Channel,
    Choices,
    NoticeKind,
    SubscriberInput,
    SubscriberState,
    shown_address,
)
from kener.models import (
    Confirmation,
    DeliveryState,
    Incident,
    Monitor,
    NoticeDelivery,
    Page,
    Setting,
    Subscriber,
    Subscription,
)
from kener.queries import subscribers as rows
from kener.queries.subscribers import Offer
from kener.services import audit, site, vault
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

T = TypeVar("T")

LINK_LASTS = timedelta(hours=24)
CODE_LASTS = timedelta(minutes=15)
MOST_TRIES = 5
MOST_ASKED = 3
ASKED_WITHIN = timedelta(hours=1)
MOST_IMPORTED = 5_000

VISITOR = Actor("a visitor", Source.DASHBOARD)
_PENDING = (DeliveryState.WAITING, DeliveryState.RETRYING, DeliveryState.SENDING)


NO_ADDRESS = (
    "The site has no address yet, so no message could link to the page on which it is confirmed or stopped. "
    "Set it under Settings, or ORIGIN."
)


def ask(given: SubscriberInput, *, actor: Actor | None = None) -> str:
    """Ask the owner of an address whether these choices are their wish. Returns the `ref` of the page on which the code is entered.

    Does the same for every address. One that was asked three times within the hour is not asked again, and nobody is told so. Raises
    Refused where a page, monitor or incident does not exist or is not to be seen.
    """
    return again(partial(_ask, given, actor))


def _ask(given: SubscriberInput, actor: Actor | None) -> str:
    ref = secrets.token_urlsafe(24)
    try:
        with transaction() as session:
            if not site.read(session).url:
                raise Refused({"": NO_ADDRESS})
            _scope(session, given)
            subscriber = _find_or_add(session, given, actor)
            asked = select(func.count(Confirmation.id)).where(
                Confirmation.subscriber_id == subscriber.id, Confirmation.created_at > clock.now() - ASKED_WITHIN
            )
            if (session.scalar(asked) or 0) >= MOST_ASKED:
                return ref
            choices = given.model_dump(mode="json", exclude={"channel", "address"})
            confirmation = Confirmation(subscriber_id=subscriber.id, ref=ref, choices=choices)
            session.add(confirmation)
            session.flush()
            confirmation_id = confirmation.id
    except IntegrityError:
        # Somebody else asked for the same address at this moment; they are the same to us.
        return ref
    jobs.enqueue_confirmations([confirmation_id])
    return ref


def _find_or_add(session: Session, given: SubscriberInput, actor: Actor | None) -> Subscriber:
    digest = address_hash(given.channel, given.address)
    found = session.scalar(select(Subscriber).where(Subscriber.address_hash == digest).with_for_update())
    if found is not None:
        return found
    is_mail = given.channel is Channel.EMAIL
    subscriber = Subscriber(
        channel=given.channel,
        address=shown_address(given.channel, given.address)[:255],
        address_hash=digest,
        sealed=None if is_mail else vault.seal({"url": given.address, "secret": secrets.token_urlsafe(32)}),
        created_by=actor.name if actor else None,
    )
    session.add(subscriber)
    session.flush()
    if actor:
        audit.note(session, actor, "add", f"subscriber-{subscriber.id}", subscriber.address)
    return subscriber


def address_hash(channel: Channel, address: str) -> str:
    """What makes an address unique. Keyed, so that the table alone tells nobody whether an address is in it."""
    return _keyed(f"address {'mail' if channel is Channel.EMAIL else 'url'} {address}")


def _keyed(text: str) -> str:
    return hmac.new(current_app.config["SECRET_KEY"].encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent to find out whether an address is meant: only it ever has the code and the link."""

    code: str
    link: str


def new_question(confirmation: Confirmation) -> Question:
    """Make link and code, and keep their hashes. What was sent before is not valid any more. A step of somebody's transaction."""
    question = Question(f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}", secrets.token_urlsafe(32))
    now = clock.now()
    confirmation.link_hash, confirmation.link_until = _keyed(f"link {question.link}"), now + LINK_LASTS
    confirmation.code_hash = _keyed(f"code {confirmation.ref} {question.code}")
    confirmation.code_until, confirmation.tries = now + CODE_LASTS, 0
    return question


def is_link(session: Session, link: str) -> bool:
    """Whether a link can still be confirmed by."""
    return session.scalar(_by_link(link)) is not None


def confirm_by_link(link: str) -> str:
    """Make the choices true. Returns the token of the subscriber's own page. Raises NotFound: unknown, used or too old."""

    def act() -> str:
        with transaction() as session:
            found = session.scalar(_by_link(link).with_for_update())
            if found is None:
                raise NotFound
            return _confirm(session, found)

    return again(act)


def _by_link(link: str) -> Select[Confirmation]:
    fits = Confirmation.link_hash == _keyed(f"link {link}"), Confirmation.link_until > clock.now()
    return select(Confirmation).where(*fits)


def confirm_by_code(ref: str, code: str) -> str:
    """The same by the code. Raises NotFound, whatever is wrong: the page, the code, its age, or too many tries."""

    def act() -> str | None:
        with transaction() as session:
            found = session.scalar(select(Confirmation).where(Confirmation.ref == ref).with_for_update())
            if found is None or found.code_until is None or found.code_until <= clock.now():
                return None
            if found.tries >= MOST_TRIES:
                return None
            found.tries += 1
            digits = "".join(c for c in code if c.isascii() and c.isdigit())
            if not hmac.compare_digest(found.code_hash or "", _keyed(f"code {ref} {digits}")):
                return None
            return _confirm(session, found)

    token = again(act)
    if token is None:
        raise NotFound
    return token


def _confirm(session: Session, confirmation: Confirmation) -> str:
    """Who was there before keeps what they had: a page, a monitor or an incident is added to it."""
    subscriber = session.get_one(Subscriber, confirmation.subscriber_id, with_for_update=True)
    choices = Choices.model_validate(confirmation.choices)
    if subscriber.state is SubscriberState.PENDING:
        subscriber.state, subscriber.confirmed_at = SubscriberState.ACTIVE, clock.now()
        _apply(session, subscriber, choices, add=False)
    else:
        _apply(session, subscriber, choices, add=True)
    session.execute(delete(Confirmation).where(Confirmation.subscriber_id == subscriber.id))
    session.flush()
    return token_of(subscriber.id, subscriber.token_version)


def _apply(session: Session, subscriber: Subscriber, choices: Choices, *, add: bool) -> None:
    wanted = _scope(session, choices, lenient=True)
    incidents, maintenance = (kind in choices.kinds for kind in (NoticeKind.INCIDENTS, NoticeKind.MAINTENANCE))
    if add:
        subscriber.incidents, subscriber.maintenance = (
            subscriber.incidents or incidents,
            subscriber.maintenance or maintenance,
        )
        subscriber.everything = subscriber.everything or choices.is_everything
        there = {(one.page_id, one.monitor_id, one.incident_id) for one in subscriber.subscriptions}
    else:
        subscriber.incidents, subscriber.maintenance = incidents, maintenance
        subscriber.everything, subscriber.least_impact = choices.is_everything, choices.least_impact
        subscriber.zone, subscriber.language = choices.zone, choices.language
        kept = [one for one in subscriber.subscriptions if (one.page_id, one.monitor_id, one.incident_id) in wanted]
        subscriber.subscriptions = kept
        there = {(one.page_id, one.monitor_id, one.incident_id) for one in kept}
    for page_id, monitor_id, incident_id in wanted:
        if (page_id, monitor_id, incident_id) not in there:
            one = Subscription(page_id=page_id, monitor_id=monitor_id, incident_id=incident_id)
            subscriber.subscriptions.append(one)


_Part = tuple[int | None, int | None, int | None]


def _scope(session: Session, choices: Choices, *, lenient: bool = False) -> list[_Part]:
    """`(page, monitor, incident)` ids of what was chosen, one of them set. Raises Refused for what visitors cannot see; `lenient` leaves it
    out: it may have gone since it was chosen."""
    known = session.execute(select(Page.path, Page.id).where(Page.path.in_(choices.pages)))
    pages = {row.path: row.id for row in known}
    shown = select(Monitor.tag, Monitor.id).where(
        Monitor.tag.in_(choices.monitors), Monitor.is_hidden.is_(False), Monitor.deleted_at.is_(None)
    )
    monitors = {row.tag: row.id for row in session.execute(shown)}
    public = select(Incident.id).where(
        Incident.id.in_(choices.incident_ids), Incident.is_private.is_(False), Incident.is_drill.is_(False)
    )
    incidents = set(session.scalars(public))
    missing = {
        "pages": [path for path in choices.pages if path not in pages],
        "monitors": [tag for tag in choices.monitors if tag not in monitors],
        "incident_ids": [str(number) for number in choices.incident_ids if number not in incidents],
    }
    names = {"pages": "page", "monitors": "monitor", "incident_ids": "incident"}
    errors = {field: f"There is no {names[field]} {', '.join(gone)}." for field, gone in missing.items() if gone}
    if errors and not lenient:
        raise Refused(errors)
    parts: list[_Part] = [(pages[path], None, None) for path in dict.fromkeys(choices.pages) if path in pages]
    parts += [(None, monitors[tag], None) for tag in dict.fromkeys(choices.monitors) if tag in monitors]
    return parts + [(None, None, number) for number in dict.fromkeys(choices.incident_ids) if number in incidents]


def token_of(subscriber_id: int, version: int) -> str:
    """What a link to a subscriber's own page holds. Signed, and valid until the subscriber leaves or asks for new links."""
    return str(_signer().dumps([subscriber_id, version]))


def by_token(session: Session, token: str) -> Subscriber | None:
    """The subscriber of such a link, or None. Pending ones have none yet."""
    try:
        subscriber_id, version = _signer().loads(token)
    except (BadData, ValueError, TypeError):
        return None
    found = session.get(Subscriber, subscriber_id) if isinstance(subscriber_id, int) else None
    if found is None or found.token_version != version or found.state is not SubscriberState.ACTIVE:
        return None
    return found


def signing_secret(subscriber: Subscriber) -> str | None:
    """What messages to a program are signed with, for its owner's eyes; None for mails and chats."""
    if subscriber.channel is not Channel.WEBHOOK:
        return None
    try:
        return str(vault.unseal(subscriber.sealed).get("secret", "")) or None
    except Refused:
        return None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(
        current_app.config["SECRET_KEY"], salt="kener subscription", signer_kwargs={"digest_method": hashlib.sha256}
    )


def change(token: str, choices: Choices) -> None:
    """Let a subscriber choose anew. Raises NotFound, Refused."""

    def act(session: Session, subscriber: Subscriber) -> None:
        _scope(session, choices)
        _apply(session, subscriber, choices, add=False)

    _by_owner(token, act)


def renew(token: str) -> str:
    """Make every link that was sent before invalid, for instance because a mail was forwarded. Returns the new one. Raises NotFound."""

    def act(_session: Session, subscriber: Subscriber) -> str:
        subscriber.token_version += 1
        return token_of(subscriber.id, subscriber.token_version)

    return _by_owner(token, act)


def unsubscribe(token: str) -> None:
    """Forget a subscriber, address and all; what was not sent yet is not sent. One that is gone already is no mistake."""
    try:
        _by_owner(token, _forget)
    except NotFound:
        return


def _by_owner(token: str, act: Callable[[Session, Subscriber], T]) -> T:
    def run() -> T:
        with transaction() as session:
            subscriber = by_token(session, token)
            if subscriber is None:
                raise NotFound
            session.refresh(subscriber, with_for_update=True)
            return act(session, subscriber)

    return again(run)


def _forget(session: Session, subscriber: Subscriber) -> None:
    waiting = NoticeDelivery.subscriber_id == subscriber.id, NoticeDelivery.state.in_(_PENDING)
    session.execute(delete(NoticeDelivery).where(*waiting))
    session.delete(subscriber)


def ask_again(subscriber_id: int, *, actor: Actor) -> None:
    """Send the owner of a pending address a new link and code. Raises NotFound, Refused."""
    with transaction() as session:
        subscriber = session.get(Subscriber, subscriber_id, with_for_update=True)
        if subscriber is None:
            raise NotFound
        if subscriber.state is not SubscriberState.PENDING:
            raise Refused({"": "This subscriber has confirmed already."})
        newest = (
            select(Confirmation).where(Confirmation.subscriber_id == subscriber_id).order_by(Confirmation.id.desc())
        )
        confirmation = session.scalars(newest.limit(1)).first()
        if confirmation is None:
            raise Refused({"": "What was asked for is forgotten. Delete the subscriber and add it again."})
        if confirmation.state is DeliveryState.SENDING:
            raise Refused({"": "It is being sent at this moment."})
        confirmation.state, confirmation.next_at, confirmation.attempts = DeliveryState.WAITING, clock.now(), 0
        audit.note(session, actor, "ask again", f"subscriber-{subscriber_id}", subscriber.address)
        confirmation_id = confirmation.id
    jobs.enqueue_confirmations([confirmation_id])


def remove(subscriber_id: int, *, actor: Actor) -> None:
    """Delete a subscriber. Raises NotFound."""
    with transaction() as session:
        subscriber = session.get(Subscriber, subscriber_id, with_for_update=True)
        if subscriber is None:
            raise NotFound
        audit.note(session, actor, "delete", f"subscriber-{subscriber_id}")
        _forget(session, subscriber)


def find(channel: Channel, address: str) -> int | None:
    """The id of the subscriber with this address."""
    with transaction() as session:
        return session.scalar(select(Subscriber.id).where(Subscriber.address_hash == address_hash(channel, address)))


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    added: int
    known: int
    mistakes: Sequence[tuple[int, str]]


def bring_in(given: Iterable[tuple[int, SubscriberInput | str]], *, are_confirmed: bool, actor: Actor) -> Imported:
    """Add many, by line number: a subscriber, or what is wrong with the line. Those who are there already stay as they are.

    With `are_confirmed` the operator vouches that their owners have agreed elsewhere; otherwise each is asked.
    """
    added, known, mistakes, asked = 0, 0, [], []
    for number, one in given:
        if isinstance(one, str):
            mistakes.append((number, one))
            continue
        try:
            with transaction() as session:
                digest = address_hash(one.channel, one.address)
                if session.scalar(select(Subscriber.id).where(Subscriber.address_hash == digest)) is not None:
                    known += 1
                    continue
                _scope(session, one)
                subscriber = _find_or_add(session, one, None)
                subscriber.created_by = actor.name
                if are_confirmed:
                    subscriber.state, subscriber.confirmed_at = SubscriberState.ACTIVE, clock.now()
                    _apply(session, subscriber, one, add=False)
                else:
                    choices = one.model_dump(mode="json", exclude={"channel", "address"})
                    ref = secrets.token_urlsafe(24)
                    confirmation = Confirmation(subscriber_id=subscriber.id, ref=ref, choices=choices)
                    session.add(confirmation)
                    session.flush()
                    asked.append(confirmation.id)
            added += 1
        except Refused as refused:
            mistakes.append((number, str(refused)))
        except IntegrityError:
            known += 1
    if added:
        with transaction() as session:
            vouched = "vouched for" if are_confirmed else "asked"
            audit.note(
                session, actor, "import", "subscribers", f"{added} {vouched}, {known} known, {len(mistakes)} refused"
            )
    jobs.enqueue_confirmations(asked)
    return Imported(added, known, mistakes)


def change_offer(offer: Offer, *, actor: Actor) -> None:
    """What can be subscribed to. What is switched off is not sent any more either."""
    with transaction() as session:
        before = rows.offer(session)
        session.merge(Setting(name=rows.SETTING, value=offer.as_json()))
        audit.note(session, actor, "change", "subscriptions", f"{before} → {offer}")
    live.publish()
