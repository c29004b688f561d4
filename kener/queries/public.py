"""What visitors see. A handful of statements, whatever the number of monitors; frozen rows that templates print.

Hidden monitors and private incidents are left out unless `staff` asks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased, selectinload

from kener import clock
from kener.domain import display
from kener.domain.days import day_bounds
from kener.domain.durations import in_words
from kener.domain.incidents import IncidentState, Source, reopenings
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.domain.uptime import Seconds, disjoint, overlap
from kener.models import (
    AffectedMonitor,
    AuditEntry,
    Daily,
    Hourly,
    Incident,
    IncidentUpdate,
    Maintenance,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    MonitorState,
    WindowState,
)
from kener.queries import site
from kener.queries.site import Site

DAYS = 90
PHONE_DAYS = 30
PAST_DAYS = 7
AHEAD_DAYS = 30
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


@dataclass(frozen=True, slots=True)
class AffectedRow:
    """A monitor that an incident affects; `tag` is None where its page cannot be seen."""

    name: str
    tag: str | None
    impact: Status
    monitor_id: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """One entry of a timeline."""

    id: int
    state: IncidentState
    text: str
    at: datetime
    is_automatic: bool
    reopens: bool


@dataclass(frozen=True, slots=True)
class PostMortemRow:
    """What was learned from an incident; `incident_id` is the one it was written for."""

    incident_id: int
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident with its timeline, newest first."""

    id: int
    title: str
    state: IncidentState
    source: Source
    start_at: datetime
    end_at: datetime | None
    is_private: bool
    impact: Status
    affected: tuple[AffectedRow, ...]
    updates: tuple[UpdateRow, ...]
    post_mortems: tuple[PostMortemRow, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.end_at is None

    @property
    def lasting(self) -> str:
        return in_words(((self.end_at or clock.now()) - self.start_at).total_seconds())

    @property
    def told(self) -> tuple[UpdateRow, ...]:
        """The updates that are shown at once: all of up to four, else the newest two and the first."""
        return self.updates if len(self.updates) <= 4 else (*self.updates[:2], self.updates[-1])

    @property
    def folded(self) -> tuple[UpdateRow, ...]:
        """The updates between, which are folded away."""
        return () if len(self.updates) <= 4 else self.updates[2:-1]

    @property
    def closing(self) -> UpdateRow | None:
        """What is quoted of a past incident: the newest words of a person, else the newest update."""
        by_hand = [update for update in self.updates if not update.is_automatic]
        return next(iter(by_hand), self.updates[0] if self.updates else None)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A maintenance window that runs or is planned."""

    id: int
    title: str
    description: str
    start_at: datetime
    end_at: datetime
    names: tuple[str, ...]

    @property
    def is_running(self) -> bool:
        return self.start_at <= clock.now() < self.end_at

    @property
    def share(self) -> int:
        """Percent of it that is over."""
        total = (self.end_at - self.start_at).total_seconds()
        return max(0, min(100, round(100 * (clock.now() - self.start_at).total_seconds() / total)))


@dataclass(frozen=True, slots=True)
class PastDays:
    """A day with its incidents, or a run of days without any."""

    first: date
    last: date
    incidents: tuple[IncidentRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Home:
    """Everything on the home page."""

    site: Site
    now: datetime
    verdict: display.Verdict
    counts: tuple[tuple[Status, int], ...]
    checked_at: datetime | None
    sections: tuple[tuple[str, tuple[MonitorRow, ...]], ...]
    dates: tuple[date, ...]
    active: tuple[IncidentRow, ...]
    windows: tuple[WindowRow, ...]
    past: tuple[PastDays, ...]
    has_monitors: bool = field(default=True)


def home(session: Session, *, staff: bool = False) -> Home:
    """The home page."""
    here, now = site.read(session), clock.now()
    rows = monitors(session, here, staff=staff)
    incidents = recent_incidents(session, since=now - timedelta(days=PAST_DAYS), staff=staff)
    counts = [(status, sum(1 for row in rows if row.status is status)) for status in _ORDER]
    today = now.astimezone(here.tz).date()
    return Home(
        site=here,
        now=now,
        verdict=display.verdict([(row.name, row.status) for row in rows]),
        counts=tuple((status, number) for status, number in counts if number),
        checked_at=max((row.checked_at for row in rows if row.checked_at), default=None),
        sections=_sections(rows),
        dates=tuple(today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)),
        active=tuple(incident for incident in incidents if incident.is_open),
        windows=windows_ahead(session, staff=staff),
        past=_past(incidents, today, here.tz),
        has_monitors=bool(rows),
    )


_ORDER = (Status.DOWN, Status.DEGRADED, Status.MAINTENANCE, Status.NO_DATA, Status.UP)


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


def _sections(rows: Sequence[MonitorRow]) -> tuple[tuple[str, tuple[MonitorRow, ...]], ...]:
    """Monitors by category, in the order in which the categories first appear."""
    order = list(dict.fromkeys(row.section for row in rows))
    ordered = sorted(rows, key=lambda row: order.index(row.section))
    return tuple((name, tuple(group)) for name, group in groupby(ordered, key=lambda row: row.section))


def recent_incidents(session: Session, *, since: datetime, staff: bool = False) -> list[IncidentRow]:
    """Open incidents, and those that ended after `since`, newest first. Drills are not among them, whoever looks."""
    query = select(Incident).where(
        or_(Incident.end_at.is_(None), Incident.end_at >= since), Incident.is_drill.is_(False)
    )
    return _incidents(session, query, staff=staff)


def incidents_of(session: Session, monitor_id: int, *, staff: bool = False, limit: int = 20) -> list[IncidentRow]:
    """The newest incidents that affected a monitor."""
    mine = select(AffectedMonitor.incident_id).where(AffectedMonitor.monitor_id == monitor_id)
    query = select(Incident).where(Incident.id.in_(mine), Incident.is_drill.is_(False))
    return _incidents(session, query.limit(limit), staff=staff)


def incident(session: Session, incident_id: int, *, staff: bool = False) -> IncidentRow | None:
    """One incident, or None where there is none to be seen."""
    found = _incidents(session, select(Incident).where(Incident.id == incident_id), staff=staff)
    if not found:
        return None
    learned = select(Incident).where(
        or_(Incident.id == incident_id, Incident.merged_into_id == incident_id), Incident.post_mortem_at.is_not(None)
    )
    return replace(found[0], post_mortems=_post_mortems(session.scalars(learned.order_by(Incident.id))))


def merged_into(session: Session, incident_id: int, *, staff: bool = False) -> int | None:
    """Where the story of a merged incident goes on, as far as that can be seen (X4)."""
    origin = aliased(Incident)
    query = select(Incident.id).join(origin, origin.merged_into_id == Incident.id).where(origin.id == incident_id)
    if not staff:
        query = query.where(Incident.is_private.is_(False))
    return session.scalar(query)


def _incidents(session: Session, query: Any, *, staff: bool) -> list[IncidentRow]:
    query = query.where(Incident.merged_into_id.is_(None))
    if not staff:
        query = query.where(Incident.is_private.is_(False))
    query = query.order_by(Incident.start_at.desc(), Incident.id.desc())
    query = query.options(selectinload(Incident.updates), selectinload(Incident.affected))
    found = list(session.scalars(query))
    ids = {affected.monitor_id for one in found for affected in one.affected if affected.monitor_id}
    known = select(Monitor.id, Monitor.is_active, Monitor.is_hidden).where(Monitor.id.in_(ids))
    monitors = session.execute(known).all() if ids else []
    hidden = set() if staff else {row.id for row in monitors if row.is_hidden}
    return [_incident(one, hidden, {row.id for row in monitors if row.is_active}) for one in found]


def _incident(found: Incident, hidden: set[int], active: set[int]) -> IncidentRow:
    """`hidden` monitors are left out; only those of `active` ones are pages to go to."""
    affected = [one for one in found.affected if one.monitor_id not in hidden]
    updates = sorted(found.updates, key=lambda update: (update.at, update.id))
    reopens = reopenings([(update.merged_from_id, update.state) for update in updates])
    return IncidentRow(
        id=found.id,
        title=found.title,
        state=found.state,
        source=found.source,
        start_at=found.start_at,
        end_at=found.end_at,
        is_private=found.is_private,
        impact=Status.DOWN if any(one.impact is Status.DOWN for one in found.affected) else Status.DEGRADED,
        affected=tuple(
            AffectedRow(
                one.monitor_name, one.monitor_tag if one.monitor_id in active else None, one.impact, one.monitor_id
            )
            for one in affected
        ),
        updates=tuple(
            UpdateRow(update.id, update.state, update.text, update.at, update.is_automatic, again)
            for update, again in reversed(list(zip(updates, reopens, strict=True)))
        ),
    )


def _post_mortems(written_for: Iterable[Incident]) -> tuple[PostMortemRow, ...]:
    return tuple(
        PostMortemRow(one.id, one.post_mortem, one.post_mortem_at)
        for one in written_for
        if one.post_mortem and one.post_mortem_at
    )


def windows_ahead(session: Session, *, staff: bool = False) -> tuple[WindowRow, ...]:
    """Maintenance that runs or begins within 30 days. What concerns nothing but hidden monitors is as hidden as they are."""
    now = clock.now()
    query = (
        select(MaintenanceWindow, Maintenance)
        .join(Maintenance)
        .where(
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > now,
            MaintenanceWindow.start_at < now + timedelta(days=AHEAD_DAYS),
        )
        .order_by(MaintenanceWindow.start_at)
    )
    if not staff:
        query = query.where(Maintenance.is_private.is_(False))
    found = session.execute(query).all()
    concerned = _maintained(session, [maintenance.id for _, maintenance in found])
    windows = []
    for window, maintenance in found:
        monitors = concerned[maintenance.id]
        names = tuple(name for name, is_hidden in monitors if staff or not is_hidden)
        if names or not monitors:
            text = maintenance.title, maintenance.description
            windows.append(WindowRow(window.id, *text, window.start_at, window.end_at, names))
    return tuple(windows)


def _maintained(session: Session, ids: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
    """Name and whether it is hidden, of the monitors that each maintenance concerns."""
    query = (
        select(MaintenanceMonitor.maintenance_id, Monitor.name, Monitor.is_hidden)
        .join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
        .where(MaintenanceMonitor.maintenance_id.in_(ids))
        .order_by(Monitor.name)
    )
    found: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for maintenance_id, name, is_hidden in session.execute(query):
        found[maintenance_id].append((name, is_hidden))
    return found


def _past(incidents: Sequence[IncidentRow], today: date, zone: ZoneInfo) -> tuple[PastDays, ...]:
    """The last seven days, newest first, by the day on which incidents began; quiet days in a row share a line.

    An incident that began before stands on the day on which it ended.
    """
    ended: dict[date, list[IncidentRow]] = defaultdict(list)
    for one in incidents:
        if one.end_at is not None:
            began, over = (moment.astimezone(zone).date() for moment in (one.start_at, one.end_at))
            ended[began if (today - began).days < PAST_DAYS else over].append(one)
    days: list[PastDays] = []
    for back in range(PAST_DAYS):
        day = today - timedelta(days=back)
        if day in ended:
            days.append(PastDays(day, day, tuple(ended[day])))
        elif days and not days[-1].incidents:
            days[-1] = PastDays(day, days[-1].last)
        else:
            days.append(PastDays(day, day))
    return tuple(days) if ended else ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed: an update of an incident, or its post-mortem. `key` never changes, and is the place on the page as well."""

    key: str
    incident_id: int
    title: str
    kind: str
    text: str
    at: datetime
    changed_at: datetime


def feed(session: Session, *, limit: int = 50) -> list[Entry]:
    """The newest updates and post-mortems of public incidents."""
    updates = (
        select(IncidentUpdate, Incident.title)
        .join(Incident)
        .where(Incident.is_private.is_(False))
        .order_by(IncidentUpdate.at.desc(), IncidentUpdate.id.desc())
        .limit(limit)
    )
    target = aliased(Incident)
    learned = (
        select(Incident)
        .outerjoin(target, target.id == Incident.merged_into_id)
        .where(func.coalesce(target.is_private, Incident.is_private).is_(False), Incident.post_mortem_at.is_not(None))
        .order_by(Incident.post_mortem_at.desc(), Incident.id.desc())
        .limit(limit)
    )
    entries = [
        Entry(
            f"update-{update.id}",
            update.incident_id,
            title,
            update.state.value,
            update.text,
            update.at,
            max(update.updated_at, update.at),
        )
        for update, title in session.execute(updates)
    ]
    entries += [
        Entry(
            f"post-mortem-{row.incident_id}",
            one.merged_into_id or one.id,
            one.title,
            "POST-MORTEM",
            row.text,
            row.at,
            one.updated_at,
        )
        for one in session.scalars(learned)
        for row in _post_mortems([one])
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def feed_changed_at(session: Session, entries: Sequence[Entry]) -> datetime | None:
    """When the feed changed last: with an update, or when someone changed or deleted something that it shows."""
    noted = select(func.max(AuditEntry.at)).where(or_(AuditEntry.about.like("incident-%"), AuditEntry.about == "site"))
    moments = [session.scalar(noted), *(entry.changed_at for entry in entries)]
    return max((moment for moment in moments if moment), default=None)
