"""The seconds of days by what they count as: the sums of roll-ups, the stretch of the newest sample, and layers over both."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from kener.domain.layers import HOUR, Bucket, Layer, Level, Overlay, Piece, Tally, layers, told, uncovered
from kener.domain.status import Status
from kener.domain.uptime import Seconds

Hours = dict[int, list[Piece]]


class Day(NamedTuple):
    """One day of one monitor, in the site's time zone: seconds by what they count as."""

    date: date
    up_s: int = 0
    degraded_s: int = 0
    down_s: int = 0
    maintenance_s: int = 0
    excluded_s: int = 0

    @property
    def measured_s(self) -> int:
        """What uptime is a share of."""
        return self.up_s + self.degraded_s + self.down_s


class Newest(NamedTuple):
    """The newest sample of a monitor. Roll-ups hold what lies before it."""

    at: int
    status: Status
    span_s: int


NOTHING = Newest(0, Status.NO_DATA, 0)
"""Of a monitor that was never looked at."""


def uptime_of(days: Iterable[Day]) -> float | None:
    """Time-weighted uptime over days; None when nothing was measured."""
    measured = down = 0
    for day in days:
        measured += day.up_s + day.degraded_s + day.down_s
        down += day.down_s
    return Seconds(up=measured - down, down=down).ratio


_COLUMNS: dict[Status | None, int] = {Status.UP: 0, Status.DEGRADED: 1, Status.DOWN: 2, Status.MAINTENANCE: 3, None: 4}


@dataclass(frozen=True, slots=True)
class Cover:
    """Overlays cut into days: `seconds` by day as the columns of `_COLUMNS`, `pieces` by day."""

    layers: Sequence[Layer]
    seconds: dict[int, list[int]]
    pieces: Hours

    @classmethod
    def of(cls, overlays: Sequence[Overlay], bounds: Sequence[int], now: int) -> "Cover":
        found = layers(overlays, start=bounds[0], end=now)
        seconds: dict[int, list[int]] = defaultdict(lambda: [0] * 5)
        pieces: Hours = defaultdict(list)
        for layer in found:
            column = _COLUMNS.get(None if layer.level is Level.EXCLUDED else layer.status)
            for index, low, high in by_day(bounds, layer.start, layer.end):
                pieces[index].append((low, high))
                if column is not None:
                    seconds[index][column] += high - low
        return cls(found, seconds, pieces)


def by_day(bounds: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Index, start and end of what of `[start, end)` lies in each day."""
    for index in range(max(0, bisect_right(bounds, start) - 1), len(bounds) - 1):
        low, high = max(start, bounds[index]), min(end, bounds[index + 1])
        if low >= end:
            break
        if low < high:
            yield index, low, high


@dataclass(slots=True)
class Table:
    """The days of one monitor while they are counted. `bounds` has one more: the end of the last day."""

    bounds: Sequence[int]
    newest: Newest
    days: list[Day]
    changes: dict[int, list[int]] = field(default_factory=dict)

    def add_newest(self, over: Sequence[Layer], now: int) -> None:
        """Count the stretch of the newest sample, which is in no roll-up yet, where it shows."""
        at, status, span_s = self.newest
        for begin, end, _ in uncovered([(at, min(now, at + span_s), status)], over):
            for index, low, high in by_day(self.bounds, begin, end):
                self.add(index, status, high - low)

    def lay(self, cover: Cover) -> Hours:
        """Count what covers, take away what is covered. Returns by hour the pieces of which the days cannot tell what they were."""
        closer: Hours = defaultdict(list)
        for index, pieces in cover.pieces.items():
            self.changes[index] = [a + b for a, b in zip(self._change(index), cover.seconds[index], strict=True)]
            known = told(self._bucket(index), pieces)
            if known is not None:
                self.take(index, known)
                continue
            for low, high in pieces:
                for hour in range(low - low % HOUR, high, HOUR):
                    closer[hour].append((max(low, hour), min(high, hour + HOUR)))
        return closer

    def add(self, index: int, status: Status, seconds: int) -> None:
        """Count seconds into a day."""
        column = _COLUMNS.get(status)
        if column is not None:
            self._change(index)[column] += seconds

    def take(self, index: int, seconds: Iterable[Tally]) -> None:
        """Take what was observed out of a day."""
        for status, number in seconds:
            self.add(index, status, -number)

    def closed(self, start: int, end: int, up: int, degraded: int, down: int, samples: int = 0) -> Bucket:
        """What a roll-up holds of `[start, end)`."""
        return Bucket(start, max(0, min(end, self.newest.at) - start), up, degraded, down, samples)

    def index(self, moment: int) -> int:
        """Which day a moment lies in."""
        return bisect_right(self.bounds, moment) - 1

    def result(self) -> tuple[Day, ...]:
        for index, changes in self.changes.items():
            before, *seconds = self.days[index]
            self.days[index] = Day(before, *(max(0, a + b) for a, b in zip(seconds, changes, strict=True)))
        return tuple(self.days)

    def _bucket(self, index: int) -> Bucket:
        _, up, degraded, down, _, _ = self.days[index]
        return self.closed(self.bounds[index], self.bounds[index + 1], up, degraded, down)

    def _change(self, index: int) -> list[int]:
        return self.changes.setdefault(index, [0] * 5)
