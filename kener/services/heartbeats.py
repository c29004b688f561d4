"""Heartbeats: what jobs tell of themselves. A signal is kept for operators; a sample is written only where it changes the story.

While all is well the ticks record, as they do for every monitor: however often a job calls, its uptime is counted by time.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import reading, transaction
from kener.domain import heartbeats as rules
from kener.domain.heartbeats import SignalKind
from kener.domain.schedule import Schedule
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.models import HeartbeatSignal, Monitor, MonitorState
from kener.services import recording
from kener.services.errors import NotFound
from kener.services.recording import Effects, Observed, State

KEPT_DAYS = 30
KEPT_OF_EACH = 10_000
"""So many signals of one monitor are kept at most, however often it calls."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One call of a job. `body` is what it said, cut to the first kilobytes."""

    kind: SignalKind
    exit_code: int | None = None
    body: str | None = None

    @property
    def status(self) -> Status | None:
        """What it says of the job at once."""
        return {SignalKind.SUCCESS: Status.UP, SignalKind.FAIL: Status.DOWN}.get(self.kind)


BEAT = Signal(SignalKind.SUCCESS)


def from_exit_code(code: int, body: str | None = None) -> Signal:
    """0 is a success, everything else a failure."""
    return Signal(SignalKind.FAIL if code else SignalKind.SUCCESS, code, body)


def text_of(body: bytes) -> str | None:
    """What a signal carried, as text that every database takes; None for nothing."""
    text = body[: rules.BODY_BYTES].decode(errors="replace").replace("\0", "").strip()
    return text or None


def take(tag: str, secret: str, signal: Signal = BEAT) -> None:
    """Take a signal: keep it, move the job's state on, and record UP or DOWN at once where that is news.

    Raises NotFound for an unknown tag, a paused monitor and a wrong secret alike.
    """
    found = _known(tag, secret)
    now_ms = int(clock.now().timestamp() * 1000)
    effects = Effects()
    with transaction() as session:
        states = recording.lock(session, [found.id])
        session.execute(insert(HeartbeatSignal), [_row(found, signal, now_ms)])
        if moved := _moved(signal, now_ms):
            session.execute(update(MonitorState).where(MonitorState.monitor_id == found.id).values(**moved))
        if sample := _news(found, states.get(found.id), signal, now_ms // 1000):
            effects = recording.record(session, [sample], states)
    jobs.enqueue_deliveries(effects.delivery_ids)
    if effects.changed:
        live.publish()


def _known(tag: str, secret: str) -> Any:
    query = (
        select(
            Monitor.id,
            Monitor.heartbeat_hash,
            Monitor.interval_seconds,
            Monitor.cron,
            MonitorState.run_started_ms,
        )
        .join(MonitorState, MonitorState.monitor_id == Monitor.id)
        .where(Monitor.tag == tag, Monitor.is_active.is_(True), Monitor.monitor_type == MonitorType.HEARTBEAT)
    )
    found = reading().execute(query).one_or_none()
    # As much work for a tag that is none.
    expected = (found.heartbeat_hash if found else None) or hash_secret("")
    if not hmac.compare_digest(expected, hash_secret(secret)) or found is None:
        raise NotFound
    return found


def _row(found: Any, signal: Signal, now_ms: int) -> dict[str, Any]:
    ended = signal.status is not None and found.run_started_ms is not None
    return {
        "monitor_id": found.id,
        "at": now_ms // 1000,
        "kind": signal.kind.value,
        "exit_code": signal.exit_code,
        "duration_ms": max(0, now_ms - found.run_started_ms) if ended else None,
        "body": signal.body,
    }


def _moved(signal: Signal, now_ms: int) -> dict[str, Any]:
    """What the state remembers of a signal."""
    match signal.kind:
        case SignalKind.SUCCESS:
            return {"beat_at": now_ms // 1000, "run_started_ms": None, "fail_at": None, "fail_code": None}
        case SignalKind.START:
            return {"run_started_ms": now_ms}
        case SignalKind.FAIL:
            return {"fail_at": now_ms // 1000, "fail_code": signal.exit_code, "run_started_ms": None}
    return {}


def _news(found: Any, state: State | None, signal: Signal, now: int) -> Observed | None:
    """The sample that a signal makes: none while it says what is known already. A second that has one already lends the next."""
    if state is None or signal.status is None or (state.status is signal.status and not state.belief.held):
        return None
    at = now if state.at is None else max(now, state.at + 1)
    if at > now + 1:
        return None
    error = rules.failure(signal.exit_code) if signal.status is Status.DOWN else None
    span_s, _ = Schedule(interval_s=found.interval_seconds, cron=found.cron).usable_span_after(at)
    return Observed(found.id, at, signal.status, span_s, error=error, source="heartbeat")


def hash_secret(secret: str) -> str:
    """How a heartbeat secret is kept: it is long and random, so a plain hash is enough."""
    return hashlib.sha256(b"kener heartbeat " + secret.encode()).hexdigest()


def forgettable(session: Session, *, now: int) -> Sequence[Any]:
    """Statements that delete the signals which are not kept any longer."""
    statements = [delete(HeartbeatSignal).where(HeartbeatSignal.at < now - KEPT_DAYS * 86_400)]
    for monitor_id in session.scalars(select(Monitor.id).where(Monitor.monitor_type == MonitorType.HEARTBEAT)):
        newest = (
            select(HeartbeatSignal.id)
            .where(HeartbeatSignal.monitor_id == monitor_id)
            .order_by(HeartbeatSignal.id.desc())
            .offset(KEPT_OF_EACH)
            .limit(1)
        )
        last = session.scalar(newest)
        if last is not None:
            statements.append(
                delete(HeartbeatSignal).where(HeartbeatSignal.monitor_id == monitor_id, HeartbeatSignal.id <= last)
            )
    return statements
