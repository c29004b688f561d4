"""Stored samples as the rule saw them when they came: with the sample before, the maintenance and the uptime up to each of them.

A replay reads the histories of several monitors: a few statements for all of them, then one or two for each.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import replay
from kener.domain.alerting import AlertType, Observation, Rule
from kener.domain.replay import History, Order, Upstream
from kener.domain.running_uptime import HOUR, Hour
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds
from kener.models import (
    Hourly,
    Maintenance,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    MonitorParent,
    MonitorState,
    Sample,
    WindowState,
)


def observations(
    session: Session, monitor_id: int, rule: Rule, *, first: int, last: int, windows: Iterable[tuple[int, int]]
) -> list[Observation]:
    """The observations of `[first, last]`, oldest first. `windows`: the maintenance of the monitor, half-open."""
    start, lead, hours = first, first, list[Hour]()
    if rule.alert_for is AlertType.UPTIME:
        start = first - first % HOUR
        lead = start - HOUR
        if rule.uptime_window_s > HOUR:
            hours = _hours(session, monitor_id, first - rule.uptime_window_s, start)
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at < lead).scalar_subquery()
    points = _points(session, monitor_id, func.coalesce(before, lead), last + 1)
    parents = _parents(session, [monitor_id], first, last + 1)[monitor_id]
    history = History("", points, list(windows), hours, parents)
    return [seen for seen in replay.observations(rule, history, start=start, end=last + 1) if seen.at >= first]


def size(session: Session, order: Order) -> int:
    """About how many samples an order replays, from the roll-ups."""
    query = (
        select(func.coalesce(func.sum(Hourly.samples), 0))
        .join(Monitor, Monitor.id == Hourly.monitor_id)
        .where(Monitor.tag.in_(order.monitors), Hourly.hour >= order.start, Hourly.hour < order.end)
    )
    return int(session.execute(query).scalar_one())


def histories(session: Session, order: Order) -> Iterator[History]:
    """One monitor after the other, in the order of their tags; without those that are gone.

    What waits for confirmation has not been evaluated yet, and is left out.
    """
    lead = order.start - HOUR
    newest_before = (
        select(func.max(Sample.at)).where(Sample.monitor_id == Monitor.id, Sample.at < lead).scalar_subquery()
    )
    found: Any = (
        select(Monitor.id, Monitor.tag, func.coalesce(newest_before, lead), MonitorState.held_since)
        .outerjoin(MonitorState, MonitorState.monitor_id == Monitor.id)
        .where(Monitor.tag.in_(order.monitors))
    )
    monitors = session.execute(found.order_by(Monitor.tag)).all()
    windows = _windows(session, [row[0] for row in monitors], order)
    parents = _parents(session, [row[0] for row in monitors], order.start, order.end)
    longest = _longest_window(order)
    for monitor_id, tag, begin, held_since in monitors:
        yield History(
            monitor=tag,
            points=_points(session, monitor_id, begin, min(order.end, held_since or order.end)),
            windows=windows.get(monitor_id, ()),
            hours=_hours(session, monitor_id, order.start - longest, order.start) if longest > HOUR else (),
            parents=parents[monitor_id],
        )


def _points(session: Session, monitor_id: int, begin: Any, end: int) -> list[Point]:
    query = (
        select(Sample.at, Sample.status, Sample.span_s, Sample.latency_ms)
        .where(Sample.monitor_id == monitor_id, Sample.at >= begin, Sample.at < end)
        .order_by(Sample.at)
    )
    return [Point(at, from_code(status), span_s, latency) for at, status, span_s, latency in session.execute(query)]


def _parents(session: Session, ids: Sequence[int], begin: int, end: int) -> Mapping[int, list[Upstream]]:
    """What is stored of the monitors that these depend on: one statement, and one for each that is a parent. Paused ones hold nothing."""
    query: Any = (
        select(MonitorParent.monitor_id, Monitor.id, Monitor.tag, Monitor.name)
        .join(Monitor, Monitor.id == MonitorParent.parent_id)
        .where(MonitorParent.monitor_id.in_(ids), Monitor.is_active.is_(True))
        .order_by(Monitor.name, Monitor.id)
    )
    found: dict[int, list[Upstream]] = defaultdict(list)
    known: dict[int, Upstream] = {}
    for monitor_id, parent_id, tag, name in session.execute(query).all():
        if parent_id not in known:
            known[parent_id] = Upstream(tag, name, _looks(session, parent_id, begin, end))
        found[monitor_id].append(known[parent_id])
    return found


def _looks(session: Session, monitor_id: int, begin: int, end: int) -> list[Point]:
    """What a monitor was seen to be, believed or not, from the look before `begin` on."""
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at < begin).scalar_subquery()
    query = (
        select(Sample.at, Sample.status, Sample.raw, Sample.span_s)
        .where(Sample.monitor_id == monitor_id, Sample.at >= func.coalesce(before, begin), Sample.at < end)
        .order_by(Sample.at)
    )
    down = Status.DOWN.code
    return [
        Point(at, Status.DOWN if raw == down else from_code(status), span_s)
        for at, status, raw, span_s in session.execute(query)
    ]


def _windows(session: Session, ids: Sequence[int], order: Order) -> Mapping[int, list[tuple[int, int]]]:
    query = (
        select(MaintenanceMonitor.monitor_id, MaintenanceWindow.start_at, MaintenanceWindow.end_at)
        .join(Maintenance, Maintenance.id == MaintenanceMonitor.maintenance_id)
        .join(MaintenanceWindow, MaintenanceWindow.maintenance_id == Maintenance.id)
        .where(
            MaintenanceMonitor.monitor_id.in_(ids),
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > clock.at(order.start),
            MaintenanceWindow.start_at < clock.at(order.end),
        )
    )
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for monitor_id, start, end in session.execute(query):
        found[monitor_id].append((int(start.timestamp()), int(end.timestamp())))
    return found


def _longest_window(order: Order) -> int:
    sides = [order.draft, order.current] if order.current else [order.draft]
    return max((side.rule.uptime_window_s for side in sides if side.rule.alert_for is AlertType.UPTIME), default=0)


def _hours(session: Session, monitor_id: int, start: int, end: int) -> list[Hour]:
    query = (
        select(Hourly.hour, Hourly.up_s, Hourly.degraded_s, Hourly.down_s, Hourly.samples)
        .where(Hourly.monitor_id == monitor_id, Hourly.hour >= start - start % HOUR, Hourly.hour < end)
        .order_by(Hourly.hour)
    )
    return [
        Hour(at, Seconds(up, degraded, down), samples) for at, up, degraded, down, samples in session.execute(query)
    ]
