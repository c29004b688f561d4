"""The past of one monitor: uptime by span, latency for the chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from math import ceil
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import GAP_INTERVALS
from kener.domain.counting import Day, uptime_of
from kener.domain.layers import Layer, effective, layers
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds, covered, tally
from kener.models import Daily, Hourly, Sample
from kener.queries.days import days_of, hours_of, newest_of
from kener.queries.overlays import overlays
from kener.queries.public.ledger import MonitorRow

HOUR = 3_600
RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}


@dataclass(frozen=True, slots=True)
class Latency:
    """Points of a chart, `(when, milliseconds or None)`, and the statuses of its foot, oldest first."""

    span: str
    start: datetime
    end: datetime
    points: tuple[tuple[datetime, int | None], ...]
    statuses: tuple[Status, ...]
    average_ms: int | None
    highest_ms: int | None


@dataclass(frozen=True, slots=True)
class Uptimes:
    """Share of the measured time that a monitor was available, by span."""

    day: float | None
    week: float | None
    month: float | None
    quarter: float | None


def uptimes(session: Session, row: MonitorRow) -> Uptimes:
    """Uptime for 24 hours (exact, from samples) and for 7, 30 and 90 days (whole days, today included)."""
    return Uptimes(_last_day(session, row.id), *(uptime_of(row.days[-days:]) for days in (7, 30, 90)))


def figures(session: Session, monitor_id: int, zone: ZoneInfo) -> dict[str, float | None]:
    """The same of any monitor, by the names of `RANGES`; those that are paused or hidden have them too."""
    now = clock.now()
    epoch, today = int(now.timestamp()), now.astimezone(zone).date()
    dates = [today - timedelta(days=back) for back in range(89, -1, -1)]
    newest = {monitor_id: newest_of(session, monitor_id)}
    over = overlays(session, [monitor_id], since=epoch - 91 * 86_400, until=epoch)
    days = days_of(session, newest, over, zone=zone, dates=dates, now=epoch)[monitor_id]
    spans = {"7d": 7, "30d": 30, "90d": 90}
    return {"24h": _last_day(session, monitor_id)} | {name: uptime_of(days[-n:]) for name, n in spans.items()}


def _last_day(session: Session, monitor_id: int) -> float | None:
    now = clock.epoch()
    start = now - 86_400
    stretches = covered(_samples(session, monitor_id, start=start, end=now), until=now)
    seen = tally(effective(stretches, _over(session, monitor_id, start, now)), start=start, end=now)
    return Seconds(seen.up, seen.degraded, seen.down).ratio


def _over(session: Session, monitor_id: int, start: int, end: int) -> list[Layer]:
    found = overlays(session, [monitor_id], since=start, until=end)
    return layers(found[monitor_id], start=start, end=end)


def _samples(session: Session, monitor_id: int, *, start: int, end: int) -> list[Point]:
    """The samples of a span, and the one before it, which may reach into it."""
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at <= start).scalar_subquery()
    query = (
        select(Sample.at, Sample.status, Sample.span_s, Sample.latency_ms)
        .where(Sample.monitor_id == monitor_id, Sample.at >= func.coalesce(before, start), Sample.at <= end)
        .order_by(Sample.at)
    )
    return [Point(at, from_code(status), span, ms) for at, status, span, ms in session.execute(query)]


def latency(session: Session, monitor_id: int, span: str) -> Latency:
    """The chart of a span: samples for 24 hours, hours for 7 and 30 days, days for 90. Its foot shows what is shown: with overlays."""
    end = clock.now()
    start = end - RANGES[span]
    if span == "24h":
        samples = _samples(session, monitor_id, start=int(start.timestamp()), end=int(end.timestamp()))
        points = _thin(_with_gaps(samples, int(start.timestamp())))
        seen = _shown(session, monitor_id, samples, start, end)
    else:
        points = _days(session, monitor_id, start) if span == "90d" else _hours(session, monitor_id, start)
        seen = _shown_hours(session, monitor_id, start, end)
    measured = [ms for _, ms in points if ms is not None]
    average = round(sum(measured) / len(measured)) if measured else None
    return Latency(span, start, end, tuple(points), _strip(seen, start, end), average, max(measured, default=None))


Points = list[tuple[datetime, int | None]]
Seen = list[tuple[datetime, datetime, Status]]


def _thin(points: Points, most: int = 480) -> Points:
    """At most so many points: the highest of each group, so that no peak is lost; a failure ends the line."""
    size = -(-len(points) // most) if points else 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(group[0][0], max((ms for _, ms in group if ms is not None), default=None)) for group in groups]


def _with_gaps(samples: Sequence[Point], start: int) -> Points:
    """The latencies of samples; where nothing was measured for a while, the line ends."""
    found: Points = []
    for point, following in zip_longest(samples, samples[1:]):
        if point.at >= start:
            found.append((clock.at(point.at), point.latency_ms))
            if following is not None and following.at - point.at > GAP_INTERVALS * point.span_s:
                missed = range(point.at + point.span_s, following.at, max(10, point.span_s))
                found += [(clock.at(at), None) for at in missed]
    return found


def _hours(session: Session, monitor_id: int, start: datetime) -> Points:
    query = (
        select(Hourly.hour, Hourly.latency_sum, Hourly.latency_n)
        .where(Hourly.monitor_id == monitor_id, Hourly.hour >= int(start.timestamp()) - HOUR)
        .order_by(Hourly.hour)
    )
    return _thin([(clock.at(hour), round(total / n) if n else None) for hour, total, n in session.execute(query)])


def _days(session: Session, monitor_id: int, start: datetime) -> Points:
    query = (
        select(Daily.day, Daily.latency_sum, Daily.latency_n)
        .where(Daily.monitor_id == monitor_id, Daily.day >= start.date())
        .order_by(Daily.day)
    )
    return [
        (datetime(day.year, day.month, day.day, 12, tzinfo=start.tzinfo), round(total / n) if n else None)
        for day, total, n in session.execute(query)
    ]


def _shown(session: Session, monitor_id: int, samples: Sequence[Point], start: datetime, end: datetime) -> Seen:
    first, last = int(start.timestamp()), int(end.timestamp())
    stretches = effective(covered(samples, until=last), _over(session, monitor_id, first, last))
    return [
        (clock.at(max(begin, first)), clock.at(until), status) for begin, until, status in stretches if until > first
    ]


def _shown_hours(session: Session, monitor_id: int, start: datetime, end: datetime) -> Seen:
    first, last = int(start.timestamp()), int(end.timestamp())
    found = overlays(session, [monitor_id], since=first - HOUR, until=last)[monitor_id]
    newest = newest_of(session, monitor_id)
    hours = hours_of(session, monitor_id, newest, found, start=first, now=last)
    return [(clock.at(hour), clock.at(hour), _worst(seconds)) for hour, seconds in hours]


def _worst(seconds: Day) -> Status:
    for status, held in (
        (Status.DOWN, seconds.down_s),
        (Status.DEGRADED, seconds.degraded_s),
        (Status.MAINTENANCE, seconds.maintenance_s),
        (Status.UP, seconds.up_s),
    ):
        if held:
            return status
    return Status.NO_DATA


_RANK = {Status.NO_DATA: 0, Status.UP: 1, Status.MAINTENANCE: 2, Status.DEGRADED: 3, Status.DOWN: 4}


def _strip(
    seen: Sequence[tuple[datetime, datetime, Status]], start: datetime, end: datetime, ticks: int = 90
) -> tuple[Status, ...]:
    """The worst status of each of so many equal parts of the span."""
    width = (end - start) / ticks
    strip = [Status.NO_DATA] * ticks
    for begin, until, status in seen:
        first = min(ticks - 1, max(0, int((begin - start) / width)))
        for index in range(first, max(first + 1, min(ticks, ceil((until - start) / width)))):
            if _RANK[status] > _RANK[strip[index]]:
                strip[index] = status
    return tuple(strip)


@dataclass(frozen=True, slots=True)
class Hour:
    """The last hour of several monitors, minute by minute, oldest first."""

    start: datetime
    end: datetime
    statuses: dict[int, tuple[Status, ...]]


def last_hour(session: Session, monitor_ids: Sequence[int], *, count: int = 60) -> Hour:
    """The worst status of each of the last minutes, for the strips beside incidents: one statement for all monitors."""
    end = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    start = end - timedelta(minutes=count)
    query = select(Sample.monitor_id, Sample.at, Sample.status, Sample.span_s).where(
        Sample.monitor_id.in_(monitor_ids), Sample.at >= int(start.timestamp()) - HOUR
    )
    points: dict[int, list[Point]] = {monitor_id: [] for monitor_id in monitor_ids}
    for monitor_id, at, status, span in session.execute(query.order_by(Sample.monitor_id, Sample.at)):
        points[monitor_id].append(Point(at, from_code(status), span))
    return Hour(start, end, {key: _minutes(found, int(start.timestamp()), count) for key, found in points.items()})


def _minutes(points: Sequence[Point], begin: int, count: int) -> tuple[Status, ...]:
    strip = [Status.NO_DATA] * count
    for first, last, status in covered(points, until=clock.epoch()):
        for minute in range(max(0, (first - begin) // 60), min(count, -(-(last - begin) // 60))):
            if _RANK[status] > _RANK[strip[minute]]:
                strip[minute] = status
    return tuple(strip)
