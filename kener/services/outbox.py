"""The outbox: deliveries are written in the transaction of what they tell, and kept after the commit.

At least once, with a stable id: a row is claimed (SENDING, with a lease) before the attempt; a lease that ran out is claimed again. The
messages of one alert reach one channel in order; one channel sends one message at a time, so a slow one never holds up another.
"""

import logging
import random
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import current_app, render_template
from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from kener import clock, jobs, notifiers
from kener.db import again, reading, transaction
from kener.domain import messages
from kener.domain.messages import Message
from kener.domain.secrets import HIDDEN_FROM
from kener.domain.trigger_base import Settings, TriggerType
from kener.domain.trigger_specs import kept_back
from kener.models import Alert, Delivery, DeliveryAttempt, DeliveryState, Trigger
from kener.models.deliveries import DRILL_STORY
from kener.services import audit, failing, secrets, vault
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
DELAYS_S = (10, 30, 60, 300, 900, 3_600, 7_200, 14_400, 28_800)
"""Seconds before each further attempt; after the last one the delivery has failed for good (about 15 hours)."""

SWEEP_AFTER = timedelta(seconds=5)

MOST_REPLAYED = 1_000
"""So many deliveries are sent again at once."""

_PENDING = (DeliveryState.WAITING, DeliveryState.RETRYING, DeliveryState.SENDING)


def write(session: Session, message: Message, *, alert: Alert, triggers: Iterable[Trigger]) -> list[Delivery]:
    """One row per trigger. The caller enqueues them after its commit."""
    rows = [
        Delivery(
            event=message.event,
            story=f"{DRILL_STORY if alert.is_drill else 'alert'}-{alert.id}",
            trigger_id=trigger.id,
            trigger_name=trigger.name,
            alert_id=alert.id,
            incident_id=alert.incident_id,
            message=messages.as_json(message),
        )
        for trigger in triggers
    ]
    session.add_all(rows)
    session.flush()
    return rows


def recipients(session: Session, alert: Alert) -> list[Trigger]:
    """The active triggers that were told that this alert triggered (N1)."""
    told = select(Delivery.trigger_id).where(
        Delivery.alert_id == alert.id, Delivery.event == "TRIGGERED", Delivery.state != DeliveryState.FAILED
    )
    return list(
        session.scalars(select(Trigger).where(Trigger.id.in_(told), Trigger.is_active.is_(True)).order_by(Trigger.id))
    )


def deliver(delivery_id: int) -> None:
    """Claim one delivery, make one attempt, record what came of it. Safe to run twice and at once."""
    claimed = again(lambda: _claim(delivery_id))
    if claimed is None:
        return
    began, at = time.monotonic(), clock.now()
    took = partial(_took, delivery_id, at, began)
    try:
        answer = attempt(*claimed)
    except notifiers.Undeliverable as failure:
        again(partial(_record_failure, delivery_id, failure, took(str(failure), False)))
    except Exception:
        # A mistake of ours must not leave the row in SENDING, to be tried for ever without a word.
        log.exception("delivery %s broke off", delivery_id)
        broken = notifiers.Undeliverable("Sending broke off on our side; the log has the reason.", permanent=False)
        again(partial(_record_failure, delivery_id, broken, took(str(broken), False)))
    else:
        again(partial(_record_success, delivery_id, answer, took(answer, True)))
    jobs.enqueue_deliveries(due(delivery_id))


def _took(delivery_id: int, at: datetime, began: float, answer: str, has_arrived: bool) -> dict[str, Any]:
    """The record of an attempt that ends now."""
    duration_ms = round((time.monotonic() - began) * 1000)
    return {
        "delivery_id": delivery_id,
        "at": at,
        "duration_ms": duration_ms,
        "has_arrived": has_arrived,
        "answer": answer[:500],
    }


def attempt(kind: TriggerType, settings: Settings, message: Message, uid: str, known: Mapping[str, str]) -> str:
    """Send once, with the values of the secrets that the settings name. Returns the answer; raises Undeliverable."""
    full = with_html(message) if kind is TriggerType.EMAIL else message
    try:
        answer = notifiers.NOTIFIERS[kind](settings, full, delivery_id=uid, context=context(known))
    except notifiers.Undeliverable as failure:
        reason = discreet(str(failure), settings, known)
        raise notifiers.Undeliverable(
            reason, permanent=failure.permanent, retry_after_s=failure.retry_after_s
        ) from None
    return discreet(answer, settings, known)


def discreet(text: str, settings: Settings, known: Mapping[str, str]) -> str:
    """An answer without the secrets that a service may have put into it."""
    text = secrets.hidden(text, known)
    for value in kept_back(settings):
        text = text.replace(value, "…") if len(value) >= HIDDEN_FROM else text
    return text


def context(known: Mapping[str, str]) -> notifiers.Context:
    """What notifiers need to know of this installation."""
    settings = current_app.extensions["kener"]
    values = {secrets.variable(name): value for name, value in known.items()}
    return notifiers.Context(settings.smtp, settings.allow_private_targets, values)


def with_html(message: Message) -> Message:
    """The message with its HTML part."""
    html = render_template("email/alert.html", message=message, v=message.variables)
    return Message(message.event, message.subject, message.text, html, message.variables)


def _claim(delivery_id: int) -> tuple[TriggerType, Settings, Message, str, Mapping[str, str]] | None:
    now = clock.now()
    with transaction() as session:
        delivery = session.get(Delivery, delivery_id, with_for_update=True)
        if delivery is None or not _may_start(delivery, now):
            return None
        trigger = session.get(Trigger, delivery.trigger_id or 0, with_for_update=True)
        before = _before(session, delivery)
        hopeless = _hopeless(trigger, before)
        if hopeless is not None or trigger is None:
            delivery.state, delivery.answer, delivery.lease_until = DeliveryState.FAILED, hopeless, None
            delivery.next_at = now
            return None
        if before is not None or _busy(session, delivery, now):
            return None
        try:
            kind = TriggerType(trigger.trigger_type)
            settings, known = secrets.ready(session, vault.open_trigger(trigger))
            message = messages.from_json(delivery.message)
        except (Refused, ValueError, TypeError, KeyError) as error:
            delivery.state, delivery.lease_until, delivery.next_at = DeliveryState.FAILED, None, now
            delivery.answer = f"The trigger's settings or the message cannot be read: {error}"[:500]
            return None
        delivery.state, delivery.attempts = DeliveryState.SENDING, delivery.attempts + 1
        delivery.lease_until = now + LEASE
        uid = delivery.uid
    return kind, settings, message, uid, known


def _may_start(delivery: Delivery, now: datetime) -> bool:
    if delivery.state is DeliveryState.SENDING:
        return delivery.lease_until is None or delivery.lease_until <= now
    return delivery.state in (DeliveryState.WAITING, DeliveryState.RETRYING) and delivery.next_at <= now


def _hopeless(trigger: Trigger | None, before: DeliveryState | None) -> str | None:
    """Why a delivery can never be sent, or None."""
    if trigger is None:
        return "The trigger was deleted."
    if not trigger.is_active:
        return "The trigger was deactivated."
    if before is DeliveryState.FAILED:
        return "Not sent: the message before it never arrived."
    return None


def _before(session: Session, delivery: Delivery) -> DeliveryState | None:
    """The state of the message before this one in its story, where that one has not arrived."""
    earlier = select(Delivery.state).where(
        Delivery.trigger_id == delivery.trigger_id,
        Delivery.story == delivery.story,
        Delivery.id < delivery.id,
        Delivery.state != DeliveryState.SENT,
    )
    return session.scalars(earlier.order_by(Delivery.id.desc()).limit(1)).first()


def _busy(session: Session, delivery: Delivery, now: datetime) -> bool:
    """The channel is sending something else."""
    other = select(Delivery.id).where(
        Delivery.trigger_id == delivery.trigger_id,
        Delivery.id != delivery.id,
        Delivery.state == DeliveryState.SENDING,
        Delivery.lease_until > now,
    )
    return session.scalars(other.limit(1)).first() is not None


def _record_success(delivery_id: int, answer: str, made: dict[str, Any]) -> None:
    now = clock.now()
    with transaction() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(state=DeliveryState.SENT, answer=answer[:500], sent_at=now, lease_until=None)
        )
        session.execute(insert(DeliveryAttempt).values(made))
        failing.arrived(session, delivery_id)


def _record_failure(delivery_id: int, failure: notifiers.Undeliverable, made: dict[str, Any]) -> None:
    now = clock.now()
    with transaction() as session:
        delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
        delivery.answer, delivery.lease_until = str(failure)[:500], None
        session.add(DeliveryAttempt(**made))
        if failure.permanent or delivery.attempts > len(DELAYS_S):
            delivery.state, delivery.next_at = DeliveryState.FAILED, now
        else:
            delay = DELAYS_S[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - spreads retries
            delivery.state = DeliveryState.RETRYING
            delivery.next_at = now + timedelta(seconds=max(delay, failure.retry_after_s or 0))
        log.warning("delivery %s to %s: %s (%s)", delivery.uid, delivery.trigger_name, delivery.answer, delivery.state)
        for_good = delivery.state is DeliveryState.FAILED
        switched_off = delivery.trigger_id if failing.failed(session, delivery, now, for_good=for_good) else None
    if switched_off is not None:
        jobs.enqueue_owner_notices([switched_off])


def due(after_delivery: int | None = None, *, limit: int = 500) -> list[int]:
    """Deliveries that may start now: those that waited for the one just settled, or everything that was left behind."""
    session, now = reading(), clock.now()
    startable = or_(
        (Delivery.state.in_((DeliveryState.WAITING, DeliveryState.RETRYING))) & (Delivery.next_at <= now),
        (Delivery.state == DeliveryState.SENDING) & (Delivery.lease_until <= now),
    )
    query = select(Delivery.id).where(startable, ~_waits_for_another()).order_by(Delivery.id).limit(limit)
    if after_delivery is None:
        query = query.where(or_(Delivery.state != DeliveryState.WAITING, Delivery.created_at <= now - SWEEP_AFTER))
    else:
        channel = select(Delivery.trigger_id).where(Delivery.id == after_delivery).scalar_subquery()
        query = query.where(Delivery.trigger_id == channel).limit(3)
    return list(session.scalars(query))


def _waits_for_another() -> ColumnElement[bool]:
    """The message before it is still on its way: were it listed, the stories of one bad channel would crowd the others out."""
    earlier = aliased(Delivery)
    return exists().where(
        earlier.trigger_id == Delivery.trigger_id,
        earlier.story == Delivery.story,
        earlier.id < Delivery.id,
        earlier.state.in_(_PENDING),
    )


def resend(delivery_id: int, *, actor: Actor) -> None:
    """Send a settled or waiting delivery again, now, under the same id. Raises NotFound, Refused."""
    with transaction() as session:
        delivery = session.get(Delivery, delivery_id, with_for_update=True)
        if delivery is None:
            raise NotFound
        if delivery.state is DeliveryState.SENDING:
            raise Refused({"": "It is being sent at this moment."})
        delivery.state, delivery.next_at, delivery.attempts = DeliveryState.WAITING, clock.now(), 0
        audit.note(session, actor, "resend", f"delivery-{delivery.id}")
    jobs.enqueue_deliveries([delivery_id])


def replay(trigger_id: int, *, start: datetime, end: datetime, only_failed: bool, actor: Actor) -> int:
    """Send again what one channel was told in `[start, end)`, under the same ids and in the same order.

    Raises Refused. Returns how many.
    """
    with transaction() as session:
        # Not locked: whoever sends locks the delivery first, then its trigger.
        trigger = session.get(Trigger, trigger_id)
        if trigger is None:
            raise Refused({"trigger_id": "There is no such trigger."})
        if not trigger.is_active:
            raise Refused({"trigger_id": "It is not active. Switch it on first: nothing would be sent."})
        wanted = replayable(trigger_id, start=start, end=end, only_failed=only_failed)
        chosen = select(Delivery).where(wanted).order_by(Delivery.id).limit(MOST_REPLAYED + 1)
        rows = list(session.scalars(chosen.with_for_update()))
        if not rows:
            raise Refused({"": "There is nothing to send again in that time."})
        if len(rows) > MOST_REPLAYED:
            raise Refused({"": f"These are more than {MOST_REPLAYED:,}. Choose a shorter time."})
        now = clock.now()
        for delivery in rows:
            delivery.state, delivery.next_at, delivery.attempts = DeliveryState.WAITING, now, 0
        audit.note(session, actor, "replay", f"trigger-{trigger_id}", f"{trigger.name}: {len(rows)} deliveries")
        delivery_ids = [delivery.id for delivery in rows]
    jobs.enqueue_deliveries(delivery_ids)
    return len(delivery_ids)


def replayable(trigger_id: int, *, start: datetime, end: datetime, only_failed: bool) -> ColumnElement[bool]:
    """The settled deliveries of one channel in `[start, end)`."""
    settled = (DeliveryState.FAILED,) if only_failed else (DeliveryState.FAILED, DeliveryState.SENT)
    written = and_(Delivery.created_at >= start, Delivery.created_at < end)
    return and_(Delivery.trigger_id == trigger_id, Delivery.state.in_(settled), written)
