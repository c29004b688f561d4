"""Claiming what is due. The database decides: any number of schedulers may run."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from kener import clock, jobs
from kener.db import reading, transaction
from kener.domain.schedule import DAMAGED_AGAIN_S, Schedule
from kener.models import Monitor, MonitorState

log = logging.getLogger(__name__)

SHARD = 250
LOST_AFTER_S = 75
"""A claimed slot without a sample after this many seconds was lost (worker killed, Redis flushed): it is handed out again."""

SLOW_EVERY_S = 3
"""Slow monitors are handed out together every so many seconds: a shard of theirs occupies a thread for a whole time-out."""

FAST_TIMEOUT_S = 30
SLOW_TIMEOUT_S = 120
HEARTBEAT = "kener:scheduler"
"""Redis key: when a scheduler last ticked, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A monitor's slot that this scheduler has claimed."""

    monitor_id: int
    slot: int
    slow: bool


def tick(now: int) -> int:
    """Claim everything that is due at `now` and hand it to the workers. Returns how many slots were handed out."""
    claims = claim(now)
    for lane in (False, True):
        lane_claims = [c for c in claims if c.slow is lane]
        for shard in _shards(lane_claims):
            pairs = [(c.monitor_id, c.slot) for c in shard]
            jobs.enqueue_shard(pairs, slow=lane, timeout_s=SLOW_TIMEOUT_S if lane else FAST_TIMEOUT_S)
    jobs.redis().set(HEARTBEAT, now, ex=3600)
    return len(claims)


def claim(now: int) -> list[Claim]:
    """Move every due monitor to its next slot and return what was claimed; one winner per monitor and slot.

    A row that another scheduler holds is skipped (PostgreSQL, MySQL) or waited for (SQLite), and is not due any more afterwards.
    """
    if not _anything_due(reading(), now):
        return []
    with transaction() as session:
        locked = (
            select(MonitorState.monitor_id, MonitorState.due_at, MonitorState.slot, MonitorState.slow)
            .where(_is_due(now))
            .order_by(MonitorState.monitor_id)
            .with_for_update(skip_locked=True)
        )
        due = {row.monitor_id: row for row in session.execute(locked)}
        monitors = select(Monitor.id, Monitor.tag, Monitor.interval_seconds, Monitor.cron).where(
            Monitor.id.in_(sorted(due))
        )
        claims, rows = [], []
        for monitor_id, tag, interval_s, cron in session.execute(monitors).all():
            state, schedule = due[monitor_id], Schedule(interval_s=interval_s, cron=cron)
            slot, following = state.slot, state.due_at
            if state.due_at is not None and state.due_at <= now:
                slot, following = _next(schedule, state.due_at, now, tag)
            claims.append(Claim(monitor_id, slot, state.slow))
            rows.append({"id": monitor_id, "due": following, "claimed": slot})
        _keep(session, rows, now)
    return claims


def _keep(session: Session, rows: Sequence[dict[str, Any]], now: int) -> None:
    if not rows:
        return
    statement = (
        update(MonitorState.__table__)  # type: ignore[arg-type]
        .where(MonitorState.monitor_id == bindparam("id"))
        .values(due_at=bindparam("due"), slot=bindparam("claimed"), claimed_at=now)
    )
    session.connection().execute(statement, list(rows))


def _is_due(now: int) -> Any:
    due = MonitorState.due_at <= now
    if now % SLOW_EVERY_S:
        due = and_(due, MonitorState.slow.is_(False))
    return or_(due, MonitorState.claimed_at <= now - LOST_AFTER_S)


def _anything_due(session: Session, now: int) -> bool:
    found = session.scalars(select(MonitorState.monitor_id).where(_is_due(now)).limit(1)).first()
    session.rollback()
    return found is not None


def _next(schedule: Schedule, due_at: int, now: int, tag: str) -> tuple[int, int]:
    """The slot to check now, and when the next one is due. A damaged schedule stops only its own monitor."""
    try:
        return _slot(schedule, due_at, now, tag), schedule.next_after(now, key=tag)
    except ValueError as error:
        log.error("monitor %s has a schedule that cannot be used: %s", tag, error)
        return now, now + DAMAGED_AGAIN_S


def _slot(schedule: Schedule, due_at: int, now: int, tag: str) -> int:
    """The slot to check now: after a stop the newest one, not the one that was missed long ago; what lies between stays grey."""
    if schedule.interval_s is None:
        return due_at if now - due_at < 60 else now
    return schedule.next_after(now, key=tag) - schedule.interval_s if now - due_at >= schedule.interval_s else due_at


def _shards(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    for start in range(0, len(claims), SHARD):
        yield claims[start : start + SHARD]


def plan(session: Session, monitor: Monitor, *, soon: bool) -> None:
    """Set when a monitor is due: at once after it was made or changed, else at its next slot; never while it is paused.

    What waited for confirmation is not waited for any more.

    A step of the caller's transaction.
    """
    now = clock.epoch()
    due_at = None
    if monitor.is_active and monitor.deleted_at is None and (monitor.interval_seconds or monitor.cron):
        due_at = now if soon else monitor.schedule.next_after(now, key=monitor.tag)
    session.execute(
        update(MonitorState)
        .where(MonitorState.monitor_id == monitor.id)
        .values(due_at=due_at, slot=None, claimed_at=None, slow=False, raw_code=None, held=0, held_since=None)
    )
