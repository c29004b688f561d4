"""The ledger: every monitor with what is shown for it now, and its days."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import display
from kener.domain.days import day_bounds
from kener.domain.incidents import Source
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.domain.uptime import Seconds, disjoint, overlap
from kener.models import (
    AffectedMonitor,
    Daily,
    Hourly,
    Incident,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    MonitorState,
    WindowState,
)
from kener.queries.site import Site

DAYS = 90
PHONE_DAYS = 30
HOUR = 3_600

Spans = list[tuple[int, int]]
Trouble = tuple[int, int, int]  # an hour, its degraded and its down seconds


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one monitor, in the site's time zone."""

    date: date
    up_s: int = 0
    degraded_s: int = 0
    down_s: int = 0
    maintenance_s: int = 0

    @property
    def measured_s(self) -> int:
        return self.up_s + self.degraded_s + self.down_s


@dataclass(frozen=True, slots=True)
class MonitorRow:
    """A line of the ledger. `status` is what is shown, `since` when it began where that is known."""

    id: int
    tag: str
    name: str
    section: str
    description: str | None
    external_url: str | None
    is_hidden: bool
    status: Status
    latency_ms: int | None
    since: datetime | None
    until: datetime | None
    checked_at: datetime | None
    error: str | None
    days: tuple[Day, ...]

    @property
    def uptime(self) -> float | None:
        return uptime_of(self.days)

    @property
    def uptime_30(self) -> float | None:
        return uptime_of(self.days[-PHONE_DAYS:])


def monitors(
    session: Session, here: Site, *, staff: bool = False, tag: str | None = None, days: int = DAYS
) -> list[MonitorRow]:
    """The monitors with what is shown for them and their days: four statements, and one more after maintenance."""
    now = clock.now()
    query = select(Monitor, MonitorState).join(MonitorState).where(Monitor.is_active.is_(True))
    query = query.order_by(Monitor.position, Monitor.id)
    if not staff:
        query = query.where(Monitor.is_hidden.is_(False))
    if tag is not None:
        query = query.where(Monitor.tag == tag)
    found = [(monitor, state) for monitor, state in session.execute(query)]
    ids = [monitor.id for monitor, _ in found]
    impacts, windows = _impacts(session, ids), _windows(session, ids, since=now - timedelta(days=days))
    today = now.astimezone(here.tz).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    by_day = _days(session, ids, since=dates[0])
    planned = {monitor_id: maintained(windows[monitor_id], now) for monitor_id in ids}
    troubles = _troubles(session, planned)
    rows = []
    for monitor, state in found:
        key = monitor.id
        days_ = _day_row(by_day[key], state, planned[key], troubles[key], here.tz, now, dates)
        rows.append(_monitor(monitor, state, impacts[key], windows[key], days_, now))
    return rows


def _monitor(
    monitor: Monitor,
    state: MonitorState,
    impacts: Sequence[Status],
    windows: Sequence[tuple[datetime, datetime, Status]],
    days: tuple[Day, ...],
    now: datetime,
) -> MonitorRow:
    default = monitor.default_status if monitor.monitor_type is MonitorType.NONE else Status.NO_DATA
    epoch = int(now.timestamp())
    seen = display.observed(state.status, at=state.at, span_s=state.span_s, now=epoch, default=default)
    running = [window for window in windows if window[0] <= now < window[1]]
    status = display.shown(seen, impacts=impacts, windows=[impact for _, _, impact in running])
    as_seen = status is seen is state.status and state.since is not None
    return MonitorRow(
        id=monitor.id,
        tag=monitor.tag,
        name=monitor.name,
        section=monitor.category_name,
        description=monitor.description,
        external_url=monitor.external_url,
        is_hidden=monitor.is_hidden,
        status=status,
        latency_ms=state.latency_ms if seen is state.status else None,
        since=clock.at(state.since or 0) if as_seen else None,
        until=max((end for _, end, _ in running), default=None),
        checked_at=clock.at(state.at) if state.at is not None else None,
        error=state.error,
        days=days,
    )


def _day_row(
    stored: dict[date, Day],
    state: MonitorState,
    planned: Spans,
    troubles: Sequence[Trouble],
    zone: ZoneInfo,
    now: datetime,
    dates: Sequence[date],
) -> tuple[Day, ...]:
    """These days, oldest first: the stored ones, the open stretch after the newest sample, maintenance painted over.

    Trouble inside a maintenance window is planned and counts neither as down nor as degraded. An hour is the finest grain in which
    the past is looked at for that.
    """
    values = {day: stored.get(day) or Day(day) for day in dates}
    if state.at is not None:
        open_s = max(0, min(int(now.timestamp()) - state.at, state.span_s))
        if state.status is not Status.UP:
            open_s -= overlap(state.at, state.at + open_s, planned)
        last = clock.at(state.at).astimezone(zone).date()
        if open_s and last in values:
            values[last] = _longer(values[last], state.status, open_s)
    for start, end in planned:
        for day in _dates(clock.at(start).astimezone(zone).date(), clock.at(end).astimezone(zone).date()):
            if day in values:
                values[day] = _in_maintenance(values[day], start, end, zone)
    for hour, degraded_s, down_s in troubles:
        day, planned_s = clock.at(hour).astimezone(zone).date(), overlap(hour, hour + HOUR, planned)
        if planned_s and day in values:
            down = min(down_s, planned_s)
            values[day] = _excused(values[day], min(degraded_s, planned_s - down), down)
    return tuple(values.values())


def _longer(day: Day, status: Status, seconds: int) -> Day:
    match status:
        case Status.UP:
            return Day(day.date, day.up_s + seconds, day.degraded_s, day.down_s, day.maintenance_s)
        case Status.DEGRADED:
            return Day(day.date, day.up_s, day.degraded_s + seconds, day.down_s, day.maintenance_s)
        case Status.DOWN:
            return Day(day.date, day.up_s, day.degraded_s, day.down_s + seconds, day.maintenance_s)
    return day


def _in_maintenance(day: Day, start: int, end: int, zone: ZoneInfo) -> Day:
    seconds = overlap(*day_bounds(day.date, zone), [(start, end)])
    return Day(day.date, day.up_s, day.degraded_s, day.down_s, day.maintenance_s + seconds)


def _excused(day: Day, degraded_s: int, down_s: int) -> Day:
    return Day(day.date, day.up_s, max(0, day.degraded_s - degraded_s), max(0, day.down_s - down_s), day.maintenance_s)


def _dates(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=i) for i in range((last - first).days + 1))


def uptime_of(days: Iterable[Day]) -> float | None:
    """Time-weighted uptime over days; None when nothing was measured."""
    measured = down = 0
    for day in days:
        measured += day.up_s + day.degraded_s + day.down_s
        down += day.down_s
    return Seconds(up=measured - down, down=down).ratio


def _days(session: Session, ids: Sequence[int], *, since: date) -> dict[int, dict[date, Day]]:
    columns = (Daily.monitor_id, Daily.day, Daily.up_s, Daily.degraded_s, Daily.down_s)
    query = select(*columns).where(Daily.monitor_id.in_(ids), Daily.day >= since)
    found: dict[int, dict[date, Day]] = defaultdict(dict)
    # Past the ORM: there are 90 rows a monitor, and this is the page that everybody asks for.
    for monitor_id, day, up, degraded, down in session.connection().execute(query):
        found[monitor_id][day] = Day(day, up, degraded, down)
    return found


def _impacts(session: Session, ids: Sequence[int]) -> dict[int, list[Status]]:
    """Impacts of open incidents that people opened."""
    query = (
        select(AffectedMonitor.monitor_id, AffectedMonitor.impact)
        .join(Incident, Incident.id == AffectedMonitor.incident_id)
        .where(AffectedMonitor.monitor_id.in_(ids), Incident.status == "OPEN", Incident.source != Source.ALERT)
    )
    impacts: dict[int, list[Status]] = defaultdict(list)
    for monitor_id, impact in session.execute(query):
        if monitor_id is not None:
            impacts[monitor_id].append(impact)
    return impacts


def _windows(
    session: Session, ids: Sequence[int], *, since: datetime
) -> dict[int, list[tuple[datetime, datetime, Status]]]:
    """Maintenance windows that began and did not end before `since`."""
    query = (
        select(
            MaintenanceMonitor.monitor_id,
            MaintenanceWindow.start_at,
            MaintenanceWindow.end_at,
            MaintenanceMonitor.impact,
        )
        .join(MaintenanceWindow, MaintenanceWindow.maintenance_id == MaintenanceMonitor.maintenance_id)
        .where(
            MaintenanceMonitor.monitor_id.in_(ids),
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > since,
            MaintenanceWindow.start_at <= clock.now(),
        )
    )
    windows: dict[int, list[tuple[datetime, datetime, Status]]] = defaultdict(list)
    for monitor_id, start, end, impact in session.execute(query):
        windows[monitor_id].append((start, end, impact))
    return windows


def maintained(windows: Iterable[tuple[datetime, datetime, Status]], now: datetime) -> Spans:
    """The time until now in which trouble was planned."""
    return disjoint(
        (int(start.timestamp()), int(min(end, now).timestamp()))
        for start, end, impact in windows
        if impact is Status.MAINTENANCE
    )


def planned_spans(session: Session, monitor_id: int, *, since: datetime) -> Spans:
    """The maintenance of one monitor that did not end before `since`."""
    return maintained(_windows(session, [monitor_id], since=since)[monitor_id], clock.now())


def _troubles(session: Session, planned: dict[int, Spans]) -> dict[int, list[Trouble]]:
    """The hours with trouble around maintenance: one statement, and none where there was no maintenance."""
    spans = [span for found in planned.values() for span in found]
    troubles: dict[int, list[Trouble]] = defaultdict(list)
    if not spans:
        return troubles
    query = select(Hourly.monitor_id, Hourly.hour, Hourly.degraded_s, Hourly.down_s).where(
        Hourly.monitor_id.in_([monitor_id for monitor_id, found in planned.items() if found]),
        Hourly.hour > min(start for start, _ in spans) - HOUR,
        Hourly.hour < max(end for _, end in spans),
        or_(Hourly.degraded_s > 0, Hourly.down_s > 0),
    )
    for monitor_id, hour, degraded_s, down_s in session.execute(query):
        troubles[monitor_id].append((hour, degraded_s, down_s))
    return troubles
