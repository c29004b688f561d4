"""What a probe brings back."""

from dataclasses import dataclass, field

from kener.domain.status import Status


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one assertion: it matched, or not, or could not be judged (`reason`). `observed`: what was seen, cut."""

    subject: str
    operator: str
    expected: str
    then: Status
    observed: str | None = None
    matched: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the outside world.

    `latency_ms` is None when nothing was measured, never 0. `error` is a sentence for operators, at most 500 characters,
    and None exactly when there is nothing to say. `timed_out` sends the monitor to the slow lane next time.
    `answer` is the raw answer in a few words ("HTTP 503"); `phases` are cumulative milliseconds by name
    (dns, connect, tls, first_byte, total). `lines` are the verdicts of assertions, for a test by hand only.
    """

    status: Status
    latency_ms: int | None = None
    error: str | None = None
    timed_out: bool = False
    answer: str | None = None
    phases: dict[str, int] = field(default_factory=dict)
    lines: tuple[Judged, ...] = ()


def cannot_run(reason: str) -> Reading:
    """The check itself could not run (our own fault): it says nothing about the target."""
    return Reading(Status.NO_DATA, error=reason)
