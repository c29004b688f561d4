"""Hourly and daily roll-ups, kept in the transaction of the sample.

A sample that arrives in time order adds the stretch it closes to its buckets (constant work). Whatever changes the past recomputes the
touched buckets from the samples, so late, repeated and edited samples stay right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from kener.db import upsert
from kener.domain.days import day_bounds
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, covered
from kener.models import Daily, Hourly, Sample

HOUR = 3_600
_SECONDS = {Status.UP: "up_s", Status.DEGRADED: "degraded_s", Status.DOWN: "down_s"}
_SUMS = ("up_s", "degraded_s", "down_s", "samples", "latency_n", "latency_sum")


def _empty() -> dict[str, Any]:
    return {**dict.fromkeys(_SUMS, 0), "latency_min": None, "latency_max": None}


@dataclass
class Additions:
    """What a batch of new samples adds, by monitor and hour."""

    hours: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    def stretch(self, monitor_id: int, start: int, end: int, status: Status, *, sign: int = 1) -> None:
        """Count the seconds of a stretch into the hours it crosses; with `sign=-1` take them out again."""
        column = _SECONDS.get(status)
        if column is None:
            return
        while start < end:
            hour = start - start % HOUR
            stop = min(end, hour + HOUR)
            self._bucket(monitor_id, hour)[column] += sign * (stop - start)
            start = stop

    def sample(self, monitor_id: int, at: int, latency_ms: int | None) -> None:
        """Count a sample and its latency into its hour."""
        bucket = self._bucket(monitor_id, at - at % HOUR)
        bucket["samples"] += 1
        if latency_ms is not None:
            bucket["latency_n"] += 1
            bucket["latency_sum"] += latency_ms
            low, high = bucket["latency_min"], bucket["latency_max"]
            bucket["latency_min"] = latency_ms if low is None or latency_ms < low else low
            bucket["latency_max"] = latency_ms if high is None or latency_ms > high else high

    def write(self, session: Session, zone: ZoneInfo) -> None:
        """Add everything to the stored buckets."""
        hourly = [{"monitor_id": mid, "hour": hour, **values} for (mid, hour), values in self.hours.items()]
        columns: dict[str, Any] = {"add": _SUMS, "least": ("latency_min",), "greatest": ("latency_max",)}
        upsert(session, Hourly.__table__, hourly, **columns)  # type: ignore[arg-type]
        upsert(session, Daily.__table__, _by_day(hourly, zone), **columns)  # type: ignore[arg-type]

    def _bucket(self, monitor_id: int, hour: int) -> dict[str, Any]:
        key = (monitor_id, hour)
        if key not in self.hours:
            self.hours[key] = _empty()
        return self.hours[key]


def day_of(hour: int, zone: ZoneInfo) -> date:
    """The local day that an hour begins in."""
    return datetime.fromtimestamp(hour, zone).date()


def recompute(session: Session, monitor_id: int, *, start: int, end: int, zone: ZoneInfo) -> None:
    """Recompute every bucket of one monitor that `[start, end]` touches from its samples."""
    first, last = start - start % HOUR, end - end % HOUR
    points = _points(session, monitor_id, start=first, end=last + HOUR)
    additions = Additions()
    for begin, finish, status in covered(points, until=0):
        additions.stretch(monitor_id, max(begin, first), min(finish, last + HOUR), status)
    for point in points:
        if first <= point.at < last + HOUR:
            additions.sample(monitor_id, point.at, point.latency_ms)
    session.execute(delete(Hourly).where(Hourly.monitor_id == monitor_id, Hourly.hour.between(first, last)))
    rows = [{"monitor_id": mid, "hour": hour, **values} for (mid, hour), values in additions.hours.items()]
    if rows:
        session.execute(insert(Hourly), rows)
    rebuild_days(session, monitor_id, first=day_of(first, zone), last=day_of(last, zone), zone=zone)


def rebuild_days(session: Session, monitor_id: int, *, first: date, last: date, zone: ZoneInfo) -> None:
    """Recompute the days from `first` to `last` of one monitor from its hours."""
    start, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    columns = [getattr(Hourly, name) for name in ("hour", *_SUMS, "latency_min", "latency_max")]
    query = select(*columns).where(Hourly.monitor_id == monitor_id, Hourly.hour >= start, Hourly.hour < end)
    hourly = [{"monitor_id": monitor_id, **row} for row in session.execute(query).mappings()]
    session.execute(delete(Daily).where(Daily.monitor_id == monitor_id, Daily.day.between(first, last)))
    rows = _by_day(hourly, zone)
    if rows:
        session.execute(insert(Daily), rows)


def _points(session: Session, monitor_id: int, *, start: int, end: int) -> list[Point]:
    """The samples of a span, the one before it, which may reach into it, and the one after it, which ends the last stretch."""
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at < start).scalar_subquery()
    after = select(func.min(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at >= end).scalar_subquery()
    query = (
        select(Sample.at, Sample.status, Sample.span_s, Sample.latency_ms)
        .where(
            Sample.monitor_id == monitor_id,
            Sample.at >= func.coalesce(before, start),
            Sample.at <= func.coalesce(after, end),
        )
        .order_by(Sample.at)
    )
    return [Point(at, from_code(status), span, latency) for at, status, span, latency in session.execute(query)]


def _by_day(hourly: Iterable[dict[str, Any]], zone: ZoneInfo) -> list[dict[str, Any]]:
    days: dict[tuple[int, date], dict[str, Any]] = {}
    named: dict[int, date] = {}
    for row in hourly:
        hour = row["hour"]
        day = named.get(hour) or named.setdefault(hour, day_of(hour, zone))
        total = days.setdefault((row["monitor_id"], day), _empty())
        for name in _SUMS:
            total[name] += row[name]
        total["latency_min"] = _pick(min, total["latency_min"], row["latency_min"])
        total["latency_max"] = _pick(max, total["latency_max"], row["latency_max"])
    return [{"monitor_id": mid, "day": day, **values} for (mid, day), values in days.items()]


def _pick(choose: Any, one: int | None, other: int | None) -> int | None:
    present = [value for value in (one, other) if value is not None]
    return choose(present) if present else None
