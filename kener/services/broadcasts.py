"""What was written for subscribers goes out: in batches, at least once, each message under an id that stays. N3, N4.

A batch claims its rows (SENDING, with a claim of its own; `next_at` is the end of its lease), sends them over one connection, and writes
down what came of them as it goes. A batch that dies leaves rows whose lease runs out: those are sent again under the same ids, and nobody
else is told twice. What is said of one incident reaches one subscriber in order.
"""

import hashlib
import hmac
import json
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, bindparam, exists, select, update
from sqlalchemy.orm import Session, aliased

from kener import clock, jobs
from kener.db import again, reading, transaction
from kener.domain import bulletins
from kener.domain.bulletins import Bulletin, Links
from kener.domain.subscriptions import Channel, NoticeKind, SubscriberState
from kener.domain.trigger_specs import WebhookSettings
from kener.markup import for_mail
from kener.models import Confirmation, DeliveryState, Incident, Maintenance, Notice, NoticeDelivery, Subscriber
from kener.notifiers import Context, Undeliverable, letters
from kener.notifiers.letters import Letter, Outcome
from kener.notifiers.webhook import post
from kener.queries import subscribers as rows
from kener.queries.site import Site
from kener.services import audit, outbox, site, subscribers, vault
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused
from kener.services.notices import BATCH
from kener.services.outbox import DELAYS_S
from kener.services.subscribers import Question

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
WITHIN_S = 60.0
"""A batch begins no further message after this; what had no turn is free at once. Well below the lease."""

RECORD_AT_ONCE = 20
AT_ONCE = 10
"""So many programs and chats are told side by side."""

SWEEP_AFTER = timedelta(seconds=5)
SWEEP_MOST = 5_000
QUESTION_DELAYS_S = (10, 30, 60, 300)
_PENDING = (DeliveryState.WAITING, DeliveryState.RETRYING, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class _Due:
    """A message that is ours to send."""

    id: int
    attempts: int
    channel: Channel
    address: str
    sealed: str | None
    subscriber_id: int
    token: str
    zone: str
    notice_id: int
    thread: str
    message: Mapping[str, Any]


def send_batch(first: int, last: int) -> None:
    """Send what is due between two ids of deliveries, and record what came of it. Safe to run twice and at once."""
    claim = secrets.token_hex(16)
    claimed = again(partial(_claim, first, last, claim))
    if not claimed:
        return
    here = site.read(reading())
    record = _Record(claim, {one.id: one.attempts for one in claimed})
    try:
        for key, outcome in _send(claimed, here, outbox.context({}), until=time.monotonic() + WITHIN_S):
            record.add(key, outcome)
    except Exception:
        # A mistake of ours must not leave rows in SENDING, to be tried for ever without a word.
        log.exception("telling subscribers broke off")
        record.add_rest(Undeliverable("Sending broke off on our side; the log has the reason.", permanent=False))
    record.close()
    jobs.enqueue_broadcasts(_freed(claimed))


def _freed(sent: Sequence[_Due]) -> list[tuple[int, int]]:
    """What waited for these: later words to the same subscribers."""
    query = select(NoticeDelivery.id).where(
        NoticeDelivery.subscriber_id.in_([one.subscriber_id for one in sent]),
        NoticeDelivery.state == DeliveryState.WAITING,
        NoticeDelivery.id > sent[0].id,
        ~_waits_for_another(),
    )
    return _in_batches(reading().scalars(query.order_by(NoticeDelivery.id).limit(BATCH)).all())


def _send(claimed: Sequence[_Due], here: Site, context: Context, *, until: float) -> Iterator[tuple[int, Outcome]]:
    """What came of each, as it comes; what had no turn in time is left out."""
    read: dict[tuple[int, str], Bulletin] = {}

    def said(one: _Due) -> Bulletin:
        key = one.notice_id, one.zone or here.zone
        if key not in read:
            read[key] = bulletins.bulletin(one.message, zone=key[1], site_name=here.name)
        return read[key]

    mails = [one for one in claimed if one.channel is Channel.EMAIL]
    if context.smtp is None:
        reason = "E-mail is not set up: set SMTP_HOST and SMTP_FROM_EMAIL."
        yield from ((one.id, Undeliverable(reason, permanent=False)) for one in mails)
    else:
        yield from letters.send(((one.id, _letter(one, said(one), here)) for one in mails), context.smtp, until=until)
    posts = [one for one in claimed if one.channel is not Channel.EMAIL]
    for start in range(0, len(posts), AT_ONCE):
        if time.monotonic() >= until:
            return
        some = posts[start : start + AT_ONCE]
        acts = [_post(one.sealed, _payload(one, said(one), here), uid_of(one.id), context) for one in some]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from zip([one.id for one in some], pool.map(_outcome, acts), strict=True)


def _letter(one: _Due, said: Bulletin, here: Site) -> Letter:
    links = _links(one, here)
    return Letter(
        uid=uid_of(one.id),
        to=one.address,
        subject=said.subject,
        text=bulletins.letter_text(said, links),
        html=_rendered("email/notice.html", said=said, links=links, body=for_mail(said.text)),
        thread=one.thread,
        stop_url=links.stop,
    )


def _rendered(template: str, **given: Any) -> str:
    """A mail's part; it knows nothing of a request, whoever is in one."""
    return current_app.jinja_env.get_template(template).render(**given)


def _payload(one: _Due, said: Bulletin, here: Site) -> dict[str, Any]:
    return bulletins.payload(one.channel, said, _links(one, here), uid=uid_of(one.id))


def _links(one: _Due, here: Site) -> Links:
    if not here.url:
        return Links()
    mine = f"{here.url}/subscriptions/{one.token}"
    return Links(page=f"{here.url}/{one.message.get('path') or ''}", settings=mine, stop=f"{mine}/unsubscribe")


def _post(sealed: str | None, payload: Mapping[str, Any], uid: str, context: Context) -> Callable[[], str]:
    """A POST that is ready to go, in a thread that knows nothing of us."""
    try:
        settings = WebhookSettings.model_validate(vault.unseal(sealed))
    except (Refused, ValueError) as error:
        return partial(_refuse, f"The address cannot be read: {error}"[:300])
    return partial(post, settings, json.dumps(payload).encode(), delivery_id=uid, context=context)


def _refuse(reason: str) -> str:
    raise Undeliverable(reason, permanent=True)


def _outcome(act: Callable[[], str]) -> Outcome:
    try:
        return act()
    except Undeliverable as failure:
        return failure


def uid_of(delivery_id: int) -> str:
    """The id of a message to a subscriber, the same at every attempt. It tells nothing of how many there are."""
    key = current_app.config["SECRET_KEY"].encode()
    return hmac.new(key, f"notice delivery {delivery_id}".encode(), hashlib.sha256).hexdigest()[:32]


def _claim(first: int, last: int, claim: str) -> list[_Due]:
    """Take what is due, as far as nobody else has; settle at once what is not to be sent any more."""
    now = clock.now()
    startable = NoticeDelivery.state.in_(_PENDING), NoticeDelivery.next_at <= now
    with transaction() as session:
        ids = session.scalars(
            select(NoticeDelivery.id)
            .where(NoticeDelivery.id.between(first, last), *startable, ~_waits_for_another())
            .order_by(NoticeDelivery.id)
            .limit(BATCH)
        ).all()
        if not ids:
            return []
        taking = update(NoticeDelivery).where(NoticeDelivery.id.in_(ids), *startable)
        taken = {
            "state": DeliveryState.SENDING,
            "claim": claim,
            "attempts": NoticeDelivery.attempts + 1,
            "next_at": now + LEASE,
        }
        session.execute(taking.values(taken), execution_options={"synchronize_session": False})
        mine = (
            select(NoticeDelivery, Subscriber, Notice)
            .join(Notice, Notice.id == NoticeDelivery.notice_id)
            .outerjoin(Subscriber, Subscriber.id == NoticeDelivery.subscriber_id)
            .where(NoticeDelivery.claim == claim)
            .order_by(NoticeDelivery.id)
        )
        claimed = session.execute(mine).all()
        withdrawn = _withdrawn(session, {notice.id: notice for _, _, notice in claimed}.values())
        due = []
        for delivery, subscriber, notice in claimed:
            hopeless = withdrawn.get(notice.id)
            if subscriber is None or subscriber.state is not SubscriberState.ACTIVE:
                hopeless = "Unsubscribed before it was sent."
            if hopeless is not None:
                delivery.state, delivery.answer = DeliveryState.FAILED, hopeless
                delivery.next_at, delivery.claim = now, None
            elif subscriber is not None:
                due.append(_due(delivery, subscriber, notice))
    return due


def _due(delivery: NoticeDelivery, subscriber: Subscriber, notice: Notice) -> _Due:
    about = ("incident", notice.incident_id) if notice.incident_id else ("window", notice.window_id or notice.id)
    return _Due(
        id=delivery.id,
        attempts=delivery.attempts,
        channel=subscriber.channel,
        address=subscriber.address,
        sealed=subscriber.sealed,
        subscriber_id=subscriber.id,
        token=subscribers.token_of(subscriber.id, subscriber.token_version),
        zone=subscriber.zone,
        notice_id=notice.id,
        thread=f"{about[0]}-{about[1]}",
        message=notice.message,
    )


def _withdrawn(session: Session, notices: Any) -> dict[int, str]:
    """Why notices are not to be sent any more, by id: what was taken back or hidden meanwhile must not leave the house."""
    kinds, found = rows.offer(session).kinds, {}
    for notice in notices:
        if notice.kind not in kinds:
            found[notice.id] = "Not sent: subscriptions to this are switched off."
        elif notice.kind is NoticeKind.INCIDENTS:
            incident = session.get(Incident, notice.incident_id or 0)
            if incident is None:
                found[notice.id] = "Not sent: the incident was deleted."
            elif incident.is_private:
                found[notice.id] = "Not sent: the incident is for operators only now."
            elif notice.update_id is None and notice.notice_key.startswith("update-"):
                found[notice.id] = "Not sent: the update was deleted."
        elif notice.maintenance_id is not None:
            maintenance = session.get(Maintenance, notice.maintenance_id)
            if maintenance is not None and maintenance.is_private:
                found[notice.id] = "Not sent: the maintenance is for operators only now."
    return found


def _waits_for_another() -> ColumnElement[bool]:
    """Something said earlier of the same incident is still on its way to the same subscriber."""
    other, before, this = aliased(NoticeDelivery), aliased(Notice), aliased(Notice)
    return exists().where(
        other.subscriber_id == NoticeDelivery.subscriber_id,
        other.notice_id < NoticeDelivery.notice_id,
        other.state.in_(_PENDING),
        this.id == NoticeDelivery.notice_id,
        before.id == other.notice_id,
        before.incident_id == this.incident_id,
    )


class _Record:
    """Writes down what came of a batch, some rows at a time, as long as they are still ours."""

    def __init__(self, claim: str, attempts: Mapping[int, int]) -> None:
        self.claim, self.attempts = claim, dict(attempts)
        self.rows: list[dict[str, Any]] = []

    def add(self, key: int, outcome: Outcome) -> None:
        attempts, now = self.attempts.pop(key), clock.now()
        row = {"key": key, "ours": self.claim, "claim": None, "attempts": attempts, "sent_at": None, "next_at": now}
        if isinstance(outcome, Undeliverable):
            state, next_at = _after_failure(outcome, attempts, now)
            row |= {"state": state, "answer": str(outcome)[:500], "next_at": next_at}
        else:
            row |= {"state": DeliveryState.SENT, "answer": outcome[:500], "sent_at": now}
        self.rows.append(row)
        if len(self.rows) >= RECORD_AT_ONCE:
            self._write()

    def add_rest(self, failure: Undeliverable) -> None:
        for key in list(self.attempts):
            self.add(key, failure)

    def close(self) -> None:
        """What had no turn waits again, and that counts for no attempt."""
        for key, attempts in self.attempts.items():
            row = {"key": key, "ours": self.claim, "claim": None, "attempts": attempts - 1, "sent_at": None}
            self.rows.append(row | {"state": DeliveryState.WAITING, "answer": None, "next_at": clock.now()})
        self.attempts.clear()
        self._write()

    def _write(self) -> None:
        if not self.rows:
            return
        table: Any = NoticeDelivery.__table__
        names = ("state", "answer", "attempts", "next_at", "sent_at", "claim")
        statement = (
            update(table)
            .where(table.c.id == bindparam("key"), table.c.claim == bindparam("ours"))
            .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names})
        )
        values = [
            {"key": row["key"], "ours": row["ours"]} | {f"new_{name}": row[name] for name in names} for row in self.rows
        ]

        def write() -> None:
            with transaction() as session:
                session.connection().execute(statement, values)

        again(write)
        self.rows.clear()


def _after_failure(failure: Undeliverable, attempts: int, now: datetime) -> tuple[DeliveryState, datetime]:
    if failure.permanent or attempts > len(DELAYS_S):
        return DeliveryState.FAILED, now
    delay = DELAYS_S[attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - spreads retries
    return DeliveryState.RETRYING, now + timedelta(seconds=max(delay, failure.retry_after_s or 0))


def due() -> list[tuple[int, int]]:
    """Batches of what was left behind or may be tried again, as `(first, last)` ids. What has just been handed out is left alone."""
    session, now = reading(), clock.now()
    late = NoticeDelivery.next_at <= now - SWEEP_AFTER
    startable = NoticeDelivery.state.in_(_PENDING) & late & ~_waits_for_another()
    ids = session.scalars(
        select(NoticeDelivery.id).where(startable).order_by(NoticeDelivery.id).limit(SWEEP_MOST)
    ).all()
    return _in_batches(ids)


def _in_batches(ids: Sequence[int]) -> list[tuple[int, int]]:
    return [(ids[start], ids[min(start + BATCH, len(ids)) - 1]) for start in range(0, len(ids), BATCH)]


def send_again(notice_id: int, *, actor: Actor) -> int:
    """Send what failed of a notice again, under the same ids. Raises NotFound. Returns how many there are."""
    failed = NoticeDelivery.notice_id == notice_id, NoticeDelivery.state == DeliveryState.FAILED
    with transaction() as session:
        if session.get(Notice, notice_id) is None:
            raise NotFound
        ids = session.scalars(
            select(NoticeDelivery.id)
            .where(*failed, NoticeDelivery.subscriber_id.is_not(None))
            .order_by(NoticeDelivery.id)
        ).all()
        fresh = {"state": DeliveryState.WAITING, "attempts": 0, "next_at": clock.now()}
        retake = update(NoticeDelivery).where(*failed, NoticeDelivery.subscriber_id.is_not(None)).values(fresh)
        session.execute(retake, execution_options={"synchronize_session": False})
        audit.note(session, actor, "resend", f"notice-{notice_id}", f"{len(ids)} failed messages")
    jobs.enqueue_broadcasts(_in_batches(ids))
    return len(ids)


def send_question(confirmation_id: int) -> None:
    """Ask the owner of an address whether it is meant, with a new link and a new code. Safe to run twice and at once."""
    claimed = again(partial(_claim_question, confirmation_id))
    if claimed is None:
        return
    subscriber, question = claimed
    here, context = site.read(reading()), outbox.context({})
    try:
        answer: Outcome = _ask(confirmation_id, subscriber, question, here, context)
    except Undeliverable as failure:
        answer = failure
    except Exception:
        log.exception("confirmation %s broke off", confirmation_id)
        answer = Undeliverable("Sending broke off on our side; the log has the reason.", permanent=False)
    again(partial(_record_question, confirmation_id, answer))


def _claim_question(confirmation_id: int) -> tuple[Subscriber, Question] | None:
    now = clock.now()
    with transaction() as session:
        confirmation = session.get(Confirmation, confirmation_id, with_for_update=True)
        if confirmation is None or confirmation.state not in _PENDING or confirmation.next_at > now:
            return None
        confirmation.state, confirmation.next_at = DeliveryState.SENDING, now + LEASE
        confirmation.attempts += 1
        question = subscribers.new_question(confirmation)
        subscriber = session.get_one(Subscriber, confirmation.subscriber_id)
        session.flush()
        session.expunge(subscriber)
    return subscriber, question


def _ask(confirmation_id: int, subscriber: Subscriber, question: Question, here: Site, context: Context) -> str:
    link, minutes = (
        f"{here.url}/subscriptions/confirm/{question.link}",
        int(subscribers.CODE_LASTS.total_seconds() // 60),
    )
    if subscriber.channel is not Channel.EMAIL:
        words = bulletins.question(
            subscriber.channel, site_name=here.name, code=question.code, link=link, minutes=minutes
        )
        return _post(subscriber.sealed, words, _question_uid(confirmation_id), context)()
    if context.smtp is None:
        raise Undeliverable("E-mail is not set up: set SMTP_HOST and SMTP_FROM_EMAIL.", permanent=False)
    given = {"site": here, "code": question.code, "link": link, "minutes": minutes}
    letter = Letter(
        uid=f"{_question_uid(confirmation_id)}-{secrets.token_hex(4)}",  # Each attempt has another code.
        to=subscriber.address,
        subject=f"Confirm your subscription to {here.name}",
        text=_rendered("email/confirm.txt", **given).lstrip(),
        html=_rendered("email/confirm.html", **given),
    )
    [(_, outcome)] = letters.send([(0, letter)], context.smtp, until=time.monotonic() + WITHIN_S)
    if isinstance(outcome, Undeliverable):
        raise outcome
    return outcome


def _question_uid(confirmation_id: int) -> str:
    return f"confirm-{uid_of(-confirmation_id)}"


def _record_question(confirmation_id: int, outcome: Outcome) -> None:
    now = clock.now()
    with transaction() as session:
        confirmation = session.get(Confirmation, confirmation_id, with_for_update=True)
        if confirmation is None:
            return  # It was confirmed already.
        confirmation.answer, confirmation.next_at = str(outcome)[:500], now
        if not isinstance(outcome, Undeliverable):
            confirmation.state = DeliveryState.SENT
        elif outcome.permanent or confirmation.attempts > len(QUESTION_DELAYS_S):
            confirmation.state = DeliveryState.FAILED
        else:
            delay = max(QUESTION_DELAYS_S[confirmation.attempts - 1], outcome.retry_after_s or 0)
            confirmation.state, confirmation.next_at = DeliveryState.RETRYING, now + timedelta(seconds=delay)


def due_questions() -> list[int]:
    """Confirmations that were left behind or may be tried again."""
    late = Confirmation.next_at <= clock.now() - SWEEP_AFTER
    query = select(Confirmation.id).where(Confirmation.state.in_(_PENDING), late).order_by(Confirmation.id).limit(500)
    return list(reading().scalars(query))
