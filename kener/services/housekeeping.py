"""Housekeeping: forget what is older than it is kept, in small batches; rebuild days after a change of time zone."""

import logging
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, func, select

from kener import clock, live
from kener.db import reading, transaction
from kener.domain.subscriptions import SubscriberState
from kener.models import (
    Alert,
    AuditEntry,
    Confirmation,
    Decision,
    Delivery,
    DeliveryState,
    Drill,
    Hourly,
    Incident,
    Monitor,
    Notice,
    Sample,
    SampleNote,
    Subscriber,
    Subscription,
)
from kener.services import drills, heartbeats, rollups, site, trash

log = logging.getLogger(__name__)

DECISION_DAYS = 30
DELIVERY_DAYS = 90
AUDIT_DAYS = 400
PENDING_DAYS = 7
FOLLOWED_DAYS = 30
_BATCH_S = 7 * 86_400


def prune() -> int:
    """Delete samples, hours and records beyond their retention; days are kept for ever. Returns how many rows went."""
    settings = current_app.extensions["kener"]
    now = clock.epoch()
    removed = 0
    for model, column, days in (
        (Sample, Sample.at, settings.retention_days),
        (SampleNote, SampleNote.at, settings.retention_days),
        (Hourly, Hourly.hour, settings.hourly_retention_days),
    ):
        removed += _prune_by_monitor(model, column, before=now - days * 86_400)
    moments: tuple[tuple[Any, Any, Any], ...] = (
        (Decision, Decision.created_at, DECISION_DAYS),
        (AuditEntry, AuditEntry.at, AUDIT_DAYS),
    )
    for model, column, days in moments:
        removed += _delete(delete(model).where(column < clock.now() - timedelta(days=days)))
    settled = Delivery.state.in_((DeliveryState.SENT, DeliveryState.FAILED))
    removed += _delete(
        delete(Delivery).where(settled, Delivery.created_at < clock.now() - timedelta(days=DELIVERY_DAYS))
    )
    removed += sum(_delete(statement) for statement in heartbeats.forgettable(reading(), now=now))
    removed += _prune_drills()
    removed += _prune_subscribers()
    removed += trash.empty()
    log.info("housekeeping removed %s rows", removed)
    return removed


def _prune_by_monitor(model: Any, column: Any, *, before: int) -> int:
    """Delete in key ranges of one monitor and one week, each its own transaction, so that nobody waits long."""
    removed = 0
    for monitor_id in reading().scalars(select(Monitor.id).execution_options(deleted=True)).all():
        while True:
            oldest = reading().scalar(select(func.min(column)).where(model.monitor_id == monitor_id))
            if oldest is None or oldest >= before:
                break
            until = min(before, oldest + _BATCH_S)
            removed += _delete(delete(model).where(model.monitor_id == monitor_id, column < until))
    return removed


def _prune_drills() -> int:
    """Drills go with their alerts and incidents, no later than the deliveries that they report."""
    drills.end_orphans()
    before = clock.now() - timedelta(days=DELIVERY_DAYS)
    old = (
        delete(Drill).where(Drill.requested_at < before),
        delete(Alert).where(Alert.is_drill.is_(True), Alert.triggered_at < before),
        delete(Incident).where(Incident.is_drill.is_(True), Incident.start_at < before),
    )
    return sum(_delete(statement) for statement in old)


def _prune_subscribers() -> int:
    """Addresses that nobody confirmed, what was said long ago, and who followed nothing but incidents that are long over."""
    now = clock.now()
    old = now - timedelta(days=DELIVERY_DAYS)
    asked = select(Confirmation.id).where(
        Confirmation.subscriber_id == Subscriber.id, Confirmation.created_at >= now - timedelta(days=PENDING_DAYS)
    )
    unconfirmed = (
        Subscriber.state == SubscriberState.PENDING,
        Subscriber.created_at < now - timedelta(days=PENDING_DAYS),
        ~asked.exists(),
    )
    over = select(Incident.id).where(Incident.end_at < now - timedelta(days=FOLLOWED_DAYS))
    left = select(Subscription.id).where(Subscription.subscriber_id == Subscriber.id)
    aimless = (Subscriber.state == SubscriberState.ACTIVE, Subscriber.everything.is_(False), ~left.exists())
    rows = (
        delete(Subscriber).where(*unconfirmed),
        delete(Confirmation).where(Confirmation.created_at < now - timedelta(days=PENDING_DAYS)),
        delete(Subscription).where(Subscription.incident_id.in_(over)),
        delete(Subscriber).where(*aimless),
    )
    settled = sum(_delete(statement) for statement in rows)
    return settled + _prune_notices(old)


def _prune_notices(before: datetime) -> int:
    """Old notices with their deliveries, a notice a transaction: there may be ten thousand to each."""
    ids = reading().scalars(select(Notice.id).where(Notice.created_at < before).order_by(Notice.id).limit(500)).all()
    return sum(_delete(delete(Notice).where(Notice.id == notice_id)) for notice_id in ids)


def _delete(statement: Any) -> int:
    with transaction() as session:
        result: Any = session.execute(statement)
        count = int(result.rowcount or 0)
    return count


def rebuild_days() -> None:
    """Recompute every day from the hours, after the site's time zone changed; one monitor at a time."""
    session = reading()
    zone = site.read(session).tz
    incomplete_until = clock.epoch() - (current_app.extensions["kener"].hourly_retention_days - 1) * 86_400
    for monitor_id in session.scalars(select(Monitor.id).execution_options(deleted=True)).all():
        with transaction() as writing:
            span = select(func.min(Hourly.hour), func.max(Hourly.hour)).where(Hourly.monitor_id == monitor_id)
            first, last = writing.execute(span).one()
            if first is not None:
                # One day more at each end: there the old zone may have had a day that the new one has not. A day that has lost hours
                # to their retention stays as it was cut.
                begin = rollups.day_of(first, zone) + timedelta(days=1 if first < incomplete_until else -1)
                end = rollups.day_of(last, zone) + timedelta(days=1)
                rollups.rebuild_days(writing, monitor_id, first=begin, last=end, zone=zone)
    live.publish()
