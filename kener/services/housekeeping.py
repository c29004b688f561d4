"""Housekeeping: forget what is older than it is kept, in small batches; rebuild days after a change of time zone."""

import logging
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, func, select

from kener import clock, live
from kener.db import reading, transaction
from kener.models import (
    Alert,
    AuditEntry,
    Decision,
    Delivery,
    DeliveryState,
    Drill,
    Hourly,
    Incident,
    Monitor,
    Sample,
    SampleNote,
)
from kener.services import drills, heartbeats, rollups, site, trash

log = logging.getLogger(__name__)

DECISION_DAYS = 30
DELIVERY_DAYS = 90
AUDIT_DAYS = 400
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
