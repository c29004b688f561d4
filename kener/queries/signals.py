"""What jobs told of themselves, as operators read it: signals, newest first, and when the next one is due."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.durations import short
from kener.domain.heartbeats import SignalKind
from kener.domain.specs import HeartbeatSpec
from kener.models import HeartbeatSignal, Monitor, MonitorState
from kener.queries.paging import Part, part

TOLD = {
    SignalKind.SUCCESS.value: "Success",
    SignalKind.START.value: "Start",
    SignalKind.FAIL.value: "Failure",
    SignalKind.LOG.value: "Log",
}
TONES = {SignalKind.SUCCESS.value: "up", SignalKind.FAIL.value: "down"}


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One call of a job. `duration_ms`: from the start that it told of to this end."""

    id: int
    at: datetime
    kind: str
    exit_code: int | None
    duration_ms: int | None
    body: str | None

    @property
    def word(self) -> str:
        return TOLD.get(self.kind, self.kind)

    @property
    def tone(self) -> str:
        return TONES.get(self.kind, "nodata")

    @property
    def duration(self) -> str | None:
        """In words: `0.4 s`, `12 s`, `1 h 5 min`."""
        if self.duration_ms is None:
            return None
        return f"{self.duration_ms / 1000:.1f} s" if self.duration_ms < 10_000 else short(self.duration_ms / 1000)


@dataclass(frozen=True, slots=True)
class Job:
    """How a job stands. `due_at`: when its next success is expected; None where there was none yet, or its settings are damaged."""

    beat_at: datetime | None
    due_at: datetime | None
    down_at: datetime | None
    started_at: datetime | None
    failed_at: datetime | None
    is_scheduled: bool


def signals(session: Session, monitor_id: int, *, page: int = 1, size: int = 25) -> Part[SignalLine]:
    """A page of a monitor's signals: two statements."""
    query = select(HeartbeatSignal).where(HeartbeatSignal.monitor_id == monitor_id).order_by(HeartbeatSignal.id.desc())
    return part(session, query, page=page, size=size, row=_line)


def _line(row: HeartbeatSignal) -> SignalLine:
    return SignalLine(row.id, clock.at(row.at), row.kind, row.exit_code, row.duration_ms, row.body)


def job(monitor: Monitor, state: MonitorState) -> Job:
    """How the job of a heartbeat stands now."""
    try:
        spec: Any = monitor.spec
    except (ValidationError, ValueError, TypeError):
        spec = None
    due = spec.due_after(state.beat_at) if isinstance(spec, HeartbeatSpec) and state.beat_at is not None else None
    return Job(
        beat_at=_moment(state.beat_at),
        due_at=_moment(due),
        down_at=None if due is None else clock.at(due + spec.grace_s),
        started_at=_moment(None if state.run_started_ms is None else state.run_started_ms // 1000),
        failed_at=_moment(state.fail_at),
        is_scheduled=isinstance(spec, HeartbeatSpec) and spec.is_scheduled,
    )


def _moment(at: int | None) -> datetime | None:
    return None if at is None else clock.at(at)
