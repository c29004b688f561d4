"""What a job's signals, and its silence, say about it. Signals and a moment in, a reading out."""

from dataclasses import dataclass
from enum import StrEnum

from kener.domain.durations import in_words
from kener.domain.readings import Reading
from kener.domain.specs import HeartbeatSpec
from kener.domain.status import Status

BODY_BYTES = 10_000
"""So much of what a signal carries is kept."""


class SignalKind(StrEnum):
    """What a job can tell."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Signals:
    """What has been heard of a job: its newest success, the start of a run that goes on, a failure that no success has followed yet.

    Times are seconds since 1970, but for the start: milliseconds.
    """

    beat_at: int | None = None
    run_started_ms: int | None = None
    fail_at: int | None = None
    fail_code: int | None = None

    @property
    def started_at(self) -> int | None:
        return None if self.run_started_ms is None else self.run_started_ms // 1000


def judge(spec: HeartbeatSpec, heard: Signals, *, at: int) -> Reading:
    """What a job is at a moment. A failure stands until a success; a run that goes on in time is waited for."""
    started = heard.started_at
    if heard.fail_at is not None:
        return Reading(Status.DOWN, error=failure(heard.fail_code))
    if started is not None and at > started + spec.run_limit_s:
        return Reading(
            Status.DOWN,
            error=f"The run that started {in_words(at - started)} ago has not ended; {in_words(spec.run_limit_s)} is the limit.",
        )
    if heard.beat_at is None:
        return Reading(
            Status.NO_DATA, error="No heartbeat has arrived yet." if started is None else "The first run goes on."
        )
    due = spec.due_after(heard.beat_at)
    late, last = due + spec.leeway_s, due + spec.grace_s
    if at <= late or (started is not None and started <= late):
        return Reading(Status.UP)
    if at > last and (started is None or started > last):
        return Reading(Status.DOWN, error=_silence(spec, heard.beat_at, due, at, spec.grace_s))
    if started is not None:
        return Reading(Status.DEGRADED, error=f"The run started {in_words(started - due)} late; it goes on.")
    return Reading(Status.DEGRADED, error=_silence(spec, heard.beat_at, due, at, 0))


def failure(code: int | None) -> str:
    """A failure in words."""
    return "The job reported a failure." if code is None else f"The job reported a failure, exit code {code}."


def _silence(spec: HeartbeatSpec, beat_at: int, due: int, at: int, grace_s: int) -> str:
    if not spec.is_scheduled:
        limit = (due - beat_at + grace_s) // 60
        return f"No heartbeat for {(at - beat_at) // 60} minutes, limit {limit}."
    grace = f"; {in_words(spec.grace_s)} of grace {'are over' if grace_s else 'run'}"
    return f"The heartbeat is {in_words(at - due)} late{grace}."
