"""Stored samples as the rule saw them when they came: with the sample before, the maintenance and the uptime up to each of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener.domain.alerting import AlertType, Observation, Rule
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds
from kener.models import Hourly, Sample

HOUR = 3_600


def observations(
    session: Session, monitor_id: int, rule: Rule, *, first: int, last: int, windows: Iterable[tuple[int, int]]
) -> list[Observation]:
    """The observations of `[first, last]`, oldest first. `windows`: the maintenance of the monitor, half-open."""
    points = _points(session, monitor_id, first=first, last=last)
    spans = list(windows)
    uptime = (
        _Uptime.read(session, monitor_id, rule, first=first, last=last) if rule.alert_for is AlertType.UPTIME else None
    )
    found = []
    for number, point in enumerate(points):
        if point.at < first:
            continue
        before = points[number - 1] if number else None
        over, samples = uptime.until(point) if uptime else (Seconds(), 0)
        found.append(
            Observation(
                at=point.at,
                status=point.status,
                latency_ms=point.latency_ms,
                previous_at=before.at if before else None,
                previous_span_s=before.span_s if before else 0,
                uptime=over,
                uptime_samples=samples,
                in_maintenance=any(start <= point.at < end for start, end in spans),
            )
        )
    return found


def _points(session: Session, monitor_id: int, *, first: int, last: int) -> list[Point]:
    """The samples of a span, and the one before it."""
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at < first).scalar_subquery()
    query = (
        select(Sample.at, Sample.status, Sample.span_s, Sample.latency_ms)
        .where(Sample.monitor_id == monitor_id, Sample.at >= func.coalesce(before, first), Sample.at <= last)
        .order_by(Sample.at)
    )
    return [Point(at, from_code(status), span, ms) for at, status, span, ms in session.execute(query)]


@dataclass(frozen=True, slots=True)
class _Uptime:
    """Running sums, from which the uptime of any window follows at once.

    As it is counted live: a window of one hour to the second, a longer one from the hour in which it begins.
    """

    window_s: int
    whole_hours: bool
    hours: Sequence[int]
    by_hour: Sequence[tuple[Seconds, int]]
    points: Sequence[Point]
    closed: Sequence[Seconds]
    counted: Sequence[int]
    edge: int

    @classmethod
    def read(cls, session: Session, monitor_id: int, rule: Rule, *, first: int, last: int) -> "_Uptime":
        whole_hours = rule.uptime_window_s > HOUR
        edge = first - first % HOUR if whole_hours else first - rule.uptime_window_s
        points = _points(session, monitor_id, first=edge, last=last)
        closed, counted = [Seconds()], [0]
        for point, following in pairwise(points):
            closed.append(closed[-1] + _as(point.status, min(following.at - point.at, point.span_s)))
        for point in points:
            counts = point.at >= edge if whole_hours else point.status is not Status.NO_DATA
            counted.append(counted[-1] + (1 if counts else 0))
        hours: list[int] = []
        by_hour = [(Seconds(), 0)]
        if whole_hours:
            start = first - rule.uptime_window_s
            query = (
                select(Hourly.hour, Hourly.up_s, Hourly.degraded_s, Hourly.down_s, Hourly.samples)
                .where(Hourly.monitor_id == monitor_id, Hourly.hour >= start - start % HOUR, Hourly.hour < edge)
                .order_by(Hourly.hour)
            )
            for hour, up, degraded, down, samples in session.execute(query):
                hours.append(hour)
                by_hour.append((by_hour[-1][0] + Seconds(up, degraded, down), by_hour[-1][1] + samples))
        return cls(rule.uptime_window_s, whole_hours, hours, by_hour, points, closed, counted, edge)

    def until(self, point: Point) -> tuple[Seconds, int]:
        """Seconds by status and number of samples of the window that ends with this sample, its own span included."""
        index = bisect_left(self.points, point.at, key=lambda one: one.at)
        start = point.at - self.window_s
        if not self.whole_hours:
            seconds = _less(self._closed(index), self._before(start, index))
            inside = self.counted[index + 1] - self.counted[bisect_right(self.points, start, key=lambda one: one.at)]
            return seconds + _as(point.status, point.span_s), inside
        start -= start % HOUR
        seconds = _less(self._closed(index), self._before(max(start, self.edge), index))
        begin = bisect_left(self.points, max(start, self.edge), key=lambda one: one.at)
        samples = self.counted[index + 1] - self.counted[begin]
        if start < self.edge:
            early = bisect_left(self.hours, start)
            whole, number = self.by_hour[-1]
            gone, gone_number = self.by_hour[early]
            seconds, samples = seconds + _less(whole, gone), samples + number - gone_number
        return seconds + _as(point.status, point.span_s), samples

    def _closed(self, index: int) -> Seconds:
        """What the samples before this one stand for."""
        return self.closed[index]

    def _before(self, start: int, most: int) -> Seconds:
        """What of it lies before a moment."""
        index = bisect_right(self.points, start, 0, most, key=lambda one: one.at) - 1
        if index < 0:
            return Seconds()
        reached = _as(self.points[index].status, min(start - self.points[index].at, self._length(index)))
        return self.closed[index] + reached

    def _length(self, index: int) -> int:
        """How long a sample that is not the last one stands."""
        return min(self.points[index + 1].at - self.points[index].at, self.points[index].span_s)


def _as(status: Status, seconds: int) -> Seconds:
    match status:
        case Status.UP:
            return Seconds(up=seconds)
        case Status.DEGRADED:
            return Seconds(degraded=seconds)
        case Status.DOWN:
            return Seconds(down=seconds)
        case Status.MAINTENANCE:
            return Seconds(maintenance=seconds)
    return Seconds()


def _less(whole: Seconds, part: Seconds) -> Seconds:
    return Seconds(
        whole.up - part.up,
        whole.degraded - part.degraded,
        whole.down - part.down,
        whole.maintenance - part.maintenance,
    )
