"""Channels that keep failing: switched off, their owners told, switched on again.

What records an attempt is a step of the outbox's transaction. To tell the owners is a promise on the trigger's row (`tell_at`), kept after
the commit and, where that was cut short, by the scheduler's sweep.
"""

import logging
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from kener import clock, notifiers
from kener.db import again, reading, transaction
from kener.domain.channels import Record
from kener.domain.messages import Message, one_line
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import EmailSettings
from kener.models import Delivery, Role, Trigger, User
from kener.services import audit, site
from kener.services.audit import SYSTEM, Actor
from kener.services.errors import NotFound

log = logging.getLogger(__name__)

TELL_AGAIN = timedelta(minutes=15)
"""How long one who tells the owners has for it; then another one tries."""

TELL_FOR = timedelta(hours=24)
"""After so long without success nobody tries any more: the overview says it as well."""


def arrived(session: Session, delivery_id: int) -> None:
    """Something got through: what failed before no longer counts."""
    channel = select(Delivery.trigger_id).where(Delivery.id == delivery_id).scalar_subquery()
    troubled = or_(Trigger.failures > 0, Trigger.failing_since.is_not(None))
    cleared = {"failures": 0, "failing_since": None, "failed_at": None}
    session.execute(
        update(Trigger).where(Trigger.id == channel, troubled).values(cleared),
        execution_options={"synchronize_session": False},
    )


def failed(session: Session, delivery: Delivery, at: datetime, *, for_good: bool) -> bool:
    """Count an attempt in vain. Whether the channel is switched off by it, and its owners are to be told."""
    trigger = session.get(Trigger, delivery.trigger_id or 0, with_for_update=True, populate_existing=True)
    if trigger is None or not trigger.is_active:
        return False
    record = Record(trigger.failures, trigger.failing_since, trigger.failed_at).failed(at, for_good=for_good)
    trigger.failures, trigger.failing_since, trigger.failed_at = record.failures, record.since, record.last
    if not record.is_broken(at):
        return False
    trigger.is_active, trigger.version = False, trigger.version + 1
    trigger.switched_off_at, trigger.switched_off_because = at, record.reason(at, delivery.answer or "")
    trigger.tell_at = at if _can_tell(trigger) else None
    audit.note(
        session, SYSTEM, "switch off", f"trigger-{trigger.id}", f"{trigger.name}: {trigger.switched_off_because}"
    )
    log.warning("trigger %s: %s", trigger.name, trigger.switched_off_because)
    return trigger.tell_at is not None


def _can_tell(trigger: Trigger) -> bool:
    """There is another way to reach people than the one that fails."""
    return current_app.extensions["kener"].smtp is not None and trigger.trigger_type != TriggerType.EMAIL


def switch_on(trigger_id: int, *, actor: Actor) -> str:
    """Use a channel again, with nothing counted against it. Raises NotFound. Returns its name."""
    with transaction() as session:
        trigger = session.get(Trigger, trigger_id, with_for_update=True)
        if trigger is None:
            raise NotFound
        if not trigger.is_active:
            reset(trigger)
            trigger.is_active, trigger.version = True, trigger.version + 1
            audit.note(session, actor, "switch on", f"trigger-{trigger_id}", trigger.name)
        name = trigger.name
    return name


def reset(trigger: Trigger) -> None:
    """Forget what failed."""
    trigger.failures, trigger.failing_since, trigger.failed_at = 0, None, None
    trigger.switched_off_at = trigger.switched_off_because = trigger.tell_at = None


def due() -> list[int]:
    """Triggers that were switched off and whose owners do not know it."""
    return list(reading().scalars(select(Trigger.id).where(Trigger.tell_at <= clock.now()).limit(50)))


def tell_owners(trigger_id: int) -> None:
    """Write to the owners that a channel is switched off. Safe to run twice and at once."""
    told = again(lambda: _claim(trigger_id))
    if told is None:
        return
    settings, message, uid = told
    kener = current_app.extensions["kener"]
    context = notifiers.Context(kener.smtp, kener.allow_private_targets)
    try:
        notifiers.NOTIFIERS[TriggerType.EMAIL](settings, message, delivery_id=uid, context=context)
    except notifiers.Undeliverable as failure:
        log.warning("owners could not be told of trigger %s: %s", trigger_id, failure)
        if not failure.permanent:
            return
    with transaction() as session:
        session.execute(update(Trigger).where(Trigger.id == trigger_id).values(tell_at=None))


def _claim(trigger_id: int) -> tuple[EmailSettings, Message, str] | None:
    now = clock.now()
    with transaction() as session:
        trigger = session.get(Trigger, trigger_id, with_for_update=True)
        if trigger is None or trigger.tell_at is None or trigger.switched_off_at is None or trigger.tell_at > now:
            return None
        owners = select(User.email).where(User.role == Role.OWNER, User.is_active.is_(True)).order_by(User.id)
        to = list(session.scalars(owners))
        if not to or now - trigger.switched_off_at > TELL_FOR:
            trigger.tell_at = None
            return None
        trigger.tell_at = now + TELL_AGAIN
        message = _message(session, trigger)
        uid = f"switched-off-{trigger_id}-{int(trigger.switched_off_at.timestamp())}"
    return EmailSettings.model_validate({"to": to}), message, uid


def _message(session: Session, trigger: Trigger) -> Message:
    here = site.read(session)
    name = one_line(trigger.name)
    lines = [
        f"The trigger {name} is switched off: nobody is told through it any more.",
        trigger.switched_off_because or "",
        "Mend it, send a test, and switch it on again:",
        f"{here.url.rstrip('/')}/manage/triggers" if here.url else "Manage › Triggers",
    ]
    return Message("SWITCHED_OFF", f"[{here.name}] Trigger {name} is switched off", "\n\n".join(lines))
