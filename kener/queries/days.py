"""The days of monitors as they count, exact to the second: what was observed, with the overlays over it.

What no overlay touches comes from the roll-ups of days, and so does a day that was the same all through or lies under overlays as a
whole. Of other days the touched hours are read, and of hours that an overlay touches partly and that were mixed, the samples. That is
bounded: beyond `MOST_SAMPLED` such hours, and where samples are not kept any more, the trouble of an hour is taken to have been inside the
overlay, oldest first.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.days import day_bounds
from kener.domain.layers import (
    HOUR,
    Bucket,
    Layer,
    Level,
    Overlay,
    Piece,
    Tally,
    counted,
    guessed,
    layers,
    rebuilt,
    told,
    uncovered,
)
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds, disjoint
from kener.models import Daily, Hourly, MonitorState, Sample

MOST_SAMPLED = 1_000
_TERMS = 200

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


_NONE = Newest(0, Status.NO_DATA, 0)
_COLUMNS = {Status.UP: 0, Status.DEGRADED: 1, Status.DOWN: 2, Status.MAINTENANCE: 3, None: 4}


def newest_of(session: Session, monitor_id: int) -> Newest | None:
    """The newest sample of one monitor."""
    state = session.get(MonitorState, monitor_id)
    return None if state is None or state.at is None else Newest(state.at, state.status, state.span_s)


def uptime_of(days: Iterable[Day]) -> float | None:
    """Time-weighted uptime over days; None when nothing was measured."""
    measured = down = 0
    for day in days:
        measured += day.up_s + day.degraded_s + day.down_s
        down += day.down_s
    return Seconds(up=measured - down, down=down).ratio


def days_of(
    session: Session,
    newest: Mapping[int, Newest | None],
    overlays: Mapping[int, Sequence[Overlay]],
    *,
    zone: ZoneInfo,
    dates: Sequence[date],
    now: int,
) -> dict[int, tuple[Day, ...]]:
    """These days, oldest first and without a gap, of each monitor in `newest`; the last one goes on until now.

    One statement, and one or two more for all monitors together where overlays cut trouble in two.
    """
    stored = _stored(session, list(newest), dates)
    rows = {monitor_id: [stored[monitor_id].get(day) or Day(day) for day in dates] for monitor_id in newest}
    return _laid(session, newest, overlays, rows, bounds=_bounds(dates, zone), now=now)


def hours_of(
    session: Session, monitor_id: int, newest: Newest | None, overlays: Sequence[Overlay], *, start: int, now: int
) -> list[tuple[int, Day]]:
    """The hours of one monitor from the one of `start` on, by their first second, counted like days."""
    bounds = list(range(start - start % HOUR, now + HOUR, HOUR))
    query = select(Hourly.hour, Hourly.up_s, Hourly.degraded_s, Hourly.down_s).where(
        Hourly.monitor_id == monitor_id, Hourly.hour >= bounds[0], Hourly.hour < bounds[-1]
    )
    stored = {hour: seconds for hour, *seconds in session.execute(query)}
    rows = {monitor_id: [Day(clock.at(hour).date(), *stored.get(hour, ())) for hour in bounds[:-1]]}
    over = {monitor_id: overlays}
    seen = _laid(session, {monitor_id: newest}, over, rows, bounds=bounds, now=now)
    return list(zip(bounds, seen[monitor_id], strict=False))


def _laid(
    session: Session,
    newest: Mapping[int, Newest | None],
    overlays: Mapping[int, Sequence[Overlay]],
    rows: Mapping[int, list[Day]],
    *,
    bounds: Sequence[int],
    now: int,
) -> dict[int, tuple[Day, ...]]:
    tables, cut = {}, {}
    for monitor_id, last in newest.items():
        table = _Table(bounds, now, last or _NONE, rows[monitor_id])
        over = layers(overlays.get(monitor_id) or (), start=bounds[0], end=now)
        table.add_newest(over)
        if hours := table.lay(over):
            cut[monitor_id] = hours
        tables[monitor_id] = table
    if cut:
        _look_closer(session, tables, cut)
    return {monitor_id: table.result() for monitor_id, table in tables.items()}


def _bounds(dates: Sequence[date], zone: ZoneInfo) -> list[int]:
    """Where each day begins, and where the last one ends: a day has the hours that begin in it, as in the roll-ups."""
    edges = [day_bounds(day, zone)[0] for day in [*dates, dates[-1] + timedelta(days=1)]]
    return [-(-edge // HOUR) * HOUR for edge in edges]


def _stored(session: Session, ids: Sequence[int], dates: Sequence[date]) -> dict[int, dict[date, Day]]:
    columns = (Daily.monitor_id, Daily.day, Daily.up_s, Daily.degraded_s, Daily.down_s)
    query = select(*columns).where(Daily.monitor_id.in_(ids), Daily.day >= dates[0], Daily.day <= dates[-1])
    found: dict[int, dict[date, Day]] = defaultdict(dict)
    # Past the ORM: there are 90 rows a monitor, and this is the page that everybody asks for.
    for monitor_id, day, up, degraded, down in session.connection().execute(query).fetchall():
        found[monitor_id][day] = Day(day, up, degraded, down)
    return found


@dataclass(slots=True)
class _Table:
    """The days of one monitor while they are counted. `bounds` has one more: the end of the last day."""

    bounds: Sequence[int]
    now: int
    newest: Newest
    days: list[Day]
    changes: dict[int, list[int]] = field(default_factory=dict)

    def add_newest(self, over: Sequence[Layer]) -> None:
        """Count the stretch of the newest sample, which is in no roll-up yet, where it shows."""
        at, status, span_s = self.newest
        for begin, end, _ in uncovered([(at, min(self.now, at + span_s), status)], over):
            for index, low, high in self._by_day(begin, end):
                self.add(index, status, high - low)

    def lay(self, over: Sequence[Layer]) -> Hours:
        """Count the layers and take away what they cover. Returns by hour the pieces of which the days cannot tell what they were."""
        pieces: Hours = defaultdict(list)
        for layer in over:
            for index, low, high in self._by_day(layer.start, layer.end):
                pieces[index].append((low, high))
                self.add(index, None if layer.level is Level.EXCLUDED else layer.status, high - low)
        closer: Hours = defaultdict(list)
        for index, touched in pieces.items():
            known = told(self._bucket(index), touched)
            if known is not None:
                self.take(index, known)
                continue
            for low, high in touched:
                for hour in range(low - low % HOUR, high, HOUR):
                    closer[hour].append((max(low, hour), min(high, hour + HOUR)))
        return closer

    def add(self, index: int, status: Status | None, seconds: int) -> None:
        """Count seconds into a day; those without a status are excluded."""
        column = _COLUMNS.get(status)
        if column is not None:
            self.changes.setdefault(index, [0] * 5)[column] += seconds

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

    def _by_day(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Index, start and end of what of `[start, end)` lies in each day."""
        for index in range(max(0, self.index(start)), len(self.days)):
            low, high = max(start, self.bounds[index]), min(end, self.bounds[index + 1])
            if low < high:
                yield index, low, high
            elif end <= low:
                break


def _look_closer(session: Session, tables: Mapping[int, _Table], cut: Mapping[int, Hours]) -> None:
    """Take what layers cover of these hours away, by their roll-ups, and where those do not tell, by their samples."""
    mixed: list[tuple[Bucket, int]] = []
    columns = (Hourly.monitor_id, Hourly.hour, Hourly.up_s, Hourly.degraded_s, Hourly.down_s, Hourly.samples)
    for monitor_id, hour, up, degraded, down, samples in _read(session, columns, "hour", cut):
        table = tables[monitor_id]
        bucket = table.closed(hour, hour + HOUR, up, degraded, down, samples)
        known = told(bucket, cut[monitor_id][hour])
        if known is None:
            mixed.append((bucket, monitor_id))
        else:
            table.take(table.index(hour), known)
    mixed.sort(key=lambda found: (-found[0].start, found[1]))
    points = _points(session, mixed[:MOST_SAMPLED])
    for bucket, monitor_id in mixed:
        pieces = cut[monitor_id][bucket.start]
        stretches = rebuilt(bucket, points[monitor_id, bucket.start])
        known = guessed(bucket, pieces) if stretches is None else counted(stretches, pieces)
        tables[monitor_id].take(tables[monitor_id].index(bucket.start), known)


def _points(session: Session, hours: Sequence[tuple[Bucket, int]]) -> dict[tuple[int, int], list[Point]]:
    """The samples of hours of monitors, oldest first."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for bucket, monitor_id in hours:
        wanted[monitor_id].append(bucket.start)
    found: dict[tuple[int, int], list[Point]] = defaultdict(list)
    columns = (Sample.monitor_id, Sample.at, Sample.status, Sample.span_s)
    for monitor_id, at, status, span_s in _read(session, columns, "at", wanted):
        found[monitor_id, at - at % HOUR].append(Point(at, from_code(status), span_s))
    for points in found.values():
        points.sort(key=lambda point: point.at)
    return found


def _read(
    session: Session, columns: Sequence[Any], name: str, hours: Mapping[int, Iterable[int]]
) -> Iterator[tuple[Any, ...]]:
    """Rows of monitors whose `name` lies in these hours of theirs. Ranges of the primary key, the same ones of several monitors as one."""
    spans: dict[Piece, list[int]] = defaultdict(list)
    for monitor_id, starts in hours.items():
        for span in disjoint((hour, hour + HOUR) for hour in starts):
            spans[span].append(monitor_id)
    # Numbers of our own, written out: there may be more of them than a statement can have parameters.
    terms = [
        f"(monitor_id IN ({','.join(map(str, ids))}) AND {name} >= {start} AND {name} < {end})"
        for (start, end), ids in spans.items()
    ]
    for first in range(0, len(terms), _TERMS):
        where = text(" OR ".join(terms[first : first + _TERMS]))
        yield from map(tuple, session.connection().execute(select(*columns).where(where)).fetchall())
