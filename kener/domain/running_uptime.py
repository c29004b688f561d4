"""The uptime of a window that ends with the newest sample, kept as samples arrive in time order instead of summed up anew for each.

It says what `kener.services.evaluation.uptime_over` reads from the tables: a window of one hour by the second, longer ones with a far
edge on the whole hour.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from kener.domain.status import Status
from kener.domain.uptime import Point, Seconds, tally

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Hour:
    """What the roll-ups hold of one hour; `at` is its first second."""

    at: int
    seconds: Seconds
    samples: int


class HourlyUptime:
    """A window longer than an hour. `earlier` are whole hours before the first sample that is added."""

    def __init__(self, window_s: int, earlier: Iterable[Hour] = ()) -> None:
        self._window_s = window_s
        self._hours: deque[tuple[int, list[int]]] = deque()
        self._sums = [0, 0, 0, 0]
        for hour in earlier:
            counts = [hour.seconds.up, hour.seconds.degraded, hour.seconds.down, hour.samples]
            self._hours.append((hour.at, counts))
            self._sums = [total + count for total, count in zip(self._sums, counts, strict=True)]

    def add(self, point: Point, previous: Point | None, *, since: int) -> tuple[Seconds, int]:
        """The window up to and including this sample's own span, and its number of samples. What lies before `since` is counted already."""
        if previous is not None:
            begin, finish = max(previous.at, since), min(point.at, previous.at + previous.span_s)
            if (column := _COLUMNS.get(previous.status)) is not None:
                self._stretch(begin, finish, column)
        self._count(point.at - point.at % HOUR, 3, 1)
        edge = point.at - self._window_s
        edge -= edge % HOUR
        while self._hours[0][0] < edge:
            _, gone = self._hours.popleft()
            self._sums = [total - count for total, count in zip(self._sums, gone, strict=True)]
        up, degraded, down, samples = self._sums
        return Seconds(up, degraded, down) + _own(point), samples

    def _stretch(self, start: int, end: int, column: int) -> None:
        while start < end:
            hour = start - start % HOUR
            stop = min(end, hour + HOUR)
            self._count(hour, column, stop - start)
            start = stop

    def _count(self, hour: int, column: int, number: int) -> None:
        if not self._hours or self._hours[-1][0] < hour:
            self._hours.append((hour, [0, 0, 0, 0]))
        self._hours[-1][1][column] += number
        self._sums[column] += number


_COLUMNS = {Status.UP: 0, Status.DEGRADED: 1, Status.DOWN: 2}


class ExactUptime:
    """A window of an hour or less, by the second. Samples that say nothing do not count as samples."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._stretches: deque[tuple[int, int, Status]] = deque()
        self._seconds = dict.fromkeys(Status, 0)
        self._moments: deque[int] = deque()

    def add(self, point: Point, previous: Point | None) -> tuple[Seconds, int]:
        """The window up to and including this sample's own span, and its number of samples."""
        if previous is not None:
            stretch = previous.at, min(point.at, previous.at + previous.span_s), previous.status
            self._stretches.append(stretch)
            self._seconds[previous.status] += stretch[1] - stretch[0]
        if point.status is not Status.NO_DATA:
            self._moments.append(point.at)
        start = point.at - self._window_s
        while self._stretches and self._stretches[0][1] <= start:
            begin, finish, status = self._stretches.popleft()
            self._seconds[status] -= finish - begin
        while self._moments and self._moments[0] <= start:
            self._moments.popleft()
        if self._stretches and self._stretches[0][0] < start:
            begin, finish, status = self._stretches.popleft()
            self._stretches.appendleft((start, finish, status))
            self._seconds[status] -= start - begin
        inside = self._seconds
        total = Seconds(inside[Status.UP], inside[Status.DEGRADED], inside[Status.DOWN], inside[Status.MAINTENANCE])
        return total + _own(point), len(self._moments)


def _own(point: Point) -> Seconds:
    """The span that the newest sample stands for."""
    end = point.at + point.span_s
    return tally([(point.at, end, point.status)], start=point.at, end=end)
