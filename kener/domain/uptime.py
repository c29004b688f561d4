"""Time-weighted uptime: seconds by status, what was not measured is outside the ratio."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from kener.domain.status import Status

NARROW_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds spent in each status during a span; what is missing was not measured."""

    up: int = 0
    degraded: int = 0
    down: int = 0
    maintenance: int = 0

    @property
    def measured(self) -> int:
        return self.up + self.degraded + self.down + self.maintenance

    @property
    def ratio(self) -> float | None:
        """Share of the measured time that was not DOWN, or None when nothing was measured."""
        return (self.measured - self.down) / self.measured if self.measured else None

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(
            self.up + other.up,
            self.degraded + other.degraded,
            self.down + other.down,
            self.maintenance + other.maintenance,
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A stored sample as the roll-ups see it: when (epoch seconds), what, and how long it may stand for."""

    at: int
    status: Status
    span_s: int
    latency_ms: int | None = None


def covered(points: Iterable[Point], *, until: int) -> Iterator[tuple[int, int, Status]]:
    """Stretches `(start, end, status)` that samples in time order stand for.

    A sample holds until the next one, at most for its own span: what lies between was not measured. The last one holds
    until `until`, likewise bounded.
    """
    sequence = list(points)
    if not sequence:
        return
    for point, following in pairwise(sequence):
        yield point.at, min(following.at, point.at + point.span_s), point.status
    last = sequence[-1]
    if until > last.at:
        yield last.at, min(until, last.at + last.span_s), last.status


def tally(stretches: Iterable[tuple[int, int, Status]], *, start: int, end: int) -> Seconds:
    """Seconds by status that fall into `[start, end)`."""
    totals = dict.fromkeys(Status, 0)
    for begin, finish, status in stretches:
        overlap = min(finish, end) - max(begin, start)
        if overlap > 0:
            totals[status] += overlap
    return Seconds(totals[Status.UP], totals[Status.DEGRADED], totals[Status.DOWN], totals[Status.MAINTENANCE])


def disjoint(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same time as spans that neither touch nor overlap, oldest first."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return found


def percent(ratio: float | None) -> str:
    """Cut, not rounded, to two places, so that 100 % is exact; a dash where nothing was measured."""
    if ratio is None:
        return "–"
    hundredths = int(ratio * 10_000 + 1e-9) if ratio < 1 else 10_000
    hundredths = min(hundredths, 9_999) if ratio < 1 else hundredths
    whole, rest = divmod(hundredths, 100)
    text = f"{whole}.{rest:02d}".rstrip("0").rstrip(".")
    return f"{text}{NARROW_SPACE}%"
