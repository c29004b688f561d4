"""The days of monitors as they count, exact to the second: what was observed, with the overlays over it.

What no overlay touches comes from the roll-ups of days, and so does a day that was the same all through or lies under overlays as a
whole. Of other days the touched hours are read, and of hours that an overlay touches partly and that were mixed, the samples. That is
bounded: beyond `MOST_SAMPLED` such hours, and where samples are not kept any more, the trouble of an hour is taken to have been inside the
overlay, oldest first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.counting import NOTHING, Cover, Day, Hours, Newest, Table
from kener.domain.days import day_bounds
from kener.domain.layers import HOUR, Bucket, Overlay, Piece, counted, guessed, rebuilt, told
from kener.domain.status import from_code
from kener.domain.uptime import Point, disjoint
from kener.models import Daily, Hourly, MonitorState, Sample

MOST_SAMPLED = 1_000
_TERMS = 200


def newest_of(session: Session, monitor_id: int) -> Newest | None:
    """The newest sample of one monitor."""
    query = select(MonitorState.at, MonitorState.status_code, MonitorState.span_s)
    found = session.execute(query.where(MonitorState.monitor_id == monitor_id, MonitorState.at.is_not(None))).first()
    return None if found is None or found[0] is None else Newest(found[0], from_code(found[1]), found[2])


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
    covers: dict[tuple[Overlay, ...], Cover] = {}
    for monitor_id, last in newest.items():
        # Most monitors have none, and many may share the same: each set of overlays is worked out once.
        over = tuple(overlays.get(monitor_id) or ())
        cover = covers.get(over) or covers.setdefault(over, Cover.of(over, bounds, now))
        table = Table(bounds, last or NOTHING, rows[monitor_id])
        table.add_newest(cover.layers, now)
        if hours := table.lay(cover):
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


def _look_closer(session: Session, tables: Mapping[int, Table], cut: Mapping[int, Hours]) -> None:
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
