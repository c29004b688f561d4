"""What was seen of a monitor last, while that is fresh, and the verdict on all of them. What is laid over it: `kener.domain.layers`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kener.domain.alerting import GAP_INTERVALS
from kener.domain.status import Status, worst

MAJOR_SHARE = 0.75


def observed(status: Status, *, at: int | None, span_s: int, now: int, default: Status = Status.NO_DATA) -> Status:
    """The status seen last while it is fresh; after three intervals without a sample, `default`."""
    return default if at is None or now - at > fresh_for(span_s) else status


def fresh_for(span_s: int) -> int:
    """For how many seconds a sample says something: three intervals."""
    return GAP_INTERVALS * max(span_s, 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The banner: the worst status, a headline and the reason in a sentence or two."""

    status: Status
    headline: str
    reason: str


def verdict(monitors: Sequence[tuple[str, Status]]) -> Verdict:
    """The verdict on `(name, status)` pairs. From three quarters of all monitors down on, an outage is a major one."""
    counts = Counter(status for _, status in monitors)
    status = worst(counts)
    return Verdict(status, _headline(status, counts, len(monitors)), _reason(monitors, counts))


def _headline(status: Status, counts: Counter[Status], total: int) -> str:
    match status:
        case Status.DOWN:
            return "Major outage" if counts[Status.DOWN] >= MAJOR_SHARE * total else "Partial outage"
        case Status.DEGRADED:
            return "Degraded performance"
        case Status.MAINTENANCE:
            return "Maintenance in progress"
        case Status.UP:
            return "Everything works"
    return "Not monitored at the moment"


_SAID = {
    Status.DOWN: ("is down", "are down"),
    Status.DEGRADED: ("is slow or limited", "are slow or limited"),
    Status.MAINTENANCE: ("is in planned maintenance", "are in planned maintenance"),
    Status.NO_DATA: ("is not monitored at the moment", "are not monitored at the moment"),
}


def _reason(monitors: Sequence[tuple[str, Status]], counts: Counter[Status]) -> str:
    if not monitors:
        return ""
    sentences = []
    for status, (one, many) in _SAID.items():
        names = [name for name, shown_status in monitors if shown_status is status]
        if names:
            sentences.append(f"{_listed(names)} {one if len(names) == 1 else many}.")
    if counts[Status.UP] == len(monitors):
        return "All monitors answer as they should."
    if counts[Status.UP]:
        sentences.append("Everything else works.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
