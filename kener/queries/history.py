"""The past of one monitor: uptime by span, latency for the chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds, covered, overlap, tally
from kener.models import Daily, Hourly, Sample
from kener.queries.public.ledger import MonitorRow, planned_spans, uptime_of

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


def _last_day(session: Session, monitor_id: int) -> float | None:
    now = clock.epoch()
    start = now - 86_400
    points = _samples(session, monitor_id, start=start, end=now)
    planned = planned_spans(session, monitor_id, since=clock.at(start))
    stretches = [(max(first, start), min(last, now), status) for first, last, status in covered(points, until=now)]
    seen = tally(stretches, start=start, end=now)
    excused = {Status.DEGRADED: 0, Status.DOWN: 0}
    for first, last, status in stretches:
        if status in excused:
            excused[status] += overlap(first, last, planned)
    return Seconds(seen.up, seen.degraded - excused[Status.DEGRADED], seen.down - excused[Status.DOWN]).ratio


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
    """The chart of a span: samples for 24 hours, hours for 7 and 30 days, days for 90."""
    end = clock.now()
    start = end - RANGES[span]
    match span:
        case "24h":
            points, worst = _from_samples(session, monitor_id, start, end)
        case "90d":
            points, worst = _from_days(session, monitor_id, start)
        case _:
            points, worst = _from_hours(session, monitor_id, start)
    measured = [ms for _, ms in points if ms is not None]
    average = round(sum(measured) / len(measured)) if measured else None
    return Latency(span, start, end, tuple(points), _strip(worst, start, end), average, max(measured, default=None))


Points = list[tuple[datetime, int | None]]
Seen = list[tuple[datetime, datetime, Status]]


def _from_samples(session: Session, monitor_id: int, start: datetime, end: datetime) -> tuple[Points, Seen]:
    first, last = int(start.timestamp()), int(end.timestamp())
    samples = _samples(session, monitor_id, start=first, end=last)
    stretches = covered(samples, until=last)
    return (
        _thin([(clock.at(point.at), point.latency_ms) for point in samples if point.at >= first]),
        [(clock.at(max(begin, first)), clock.at(until), status) for begin, until, status in stretches if until > first],
    )


def _thin(points: Points, most: int = 480) -> Points:
    """At most so many points: the highest of each group, so that no peak is lost; a failure ends the line."""
    size = -(-len(points) // most) if points else 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(group[0][0], max((ms for _, ms in group if ms is not None), default=None)) for group in groups]


def _from_hours(session: Session, monitor_id: int, start: datetime) -> tuple[Points, Seen]:
    query = (
        select(Hourly.hour, Hourly.latency_sum, Hourly.latency_n, Hourly.up_s, Hourly.degraded_s, Hourly.down_s)
        .where(Hourly.monitor_id == monitor_id, Hourly.hour >= int(start.timestamp()) - HOUR)
        .order_by(Hourly.hour)
    )
    rows = [
        (clock.at(hour), total, n, Seconds(up, slow, down)) for hour, total, n, up, slow, down in session.execute(query)
    ]
    return _thin([(at, round(total / n) if n else None) for at, total, n, _ in rows]), [
        (at, at, _worst(s)) for at, _, _, s in rows
    ]


def _from_days(session: Session, monitor_id: int, start: datetime) -> tuple[Points, Seen]:
    query = (
        select(Daily.day, Daily.latency_sum, Daily.latency_n, Daily.up_s, Daily.degraded_s, Daily.down_s)
        .where(Daily.monitor_id == monitor_id, Daily.day >= start.date())
        .order_by(Daily.day)
    )
    rows = [
        (datetime(day.year, day.month, day.day, 12, tzinfo=start.tzinfo), total, n, Seconds(up, slow, down))
        for day, total, n, up, slow, down in session.execute(query)
    ]
    return [(at, round(total / n) if n else None) for at, total, n, _ in rows], [
        (at, at, _worst(s)) for at, _, _, s in rows
    ]


def _worst(seconds: Seconds) -> Status:
    if seconds.down:
        return Status.DOWN
    if seconds.degraded:
        return Status.DEGRADED
    return Status.UP if seconds.measured else Status.NO_DATA


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
