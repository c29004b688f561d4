"""Alert configurations and alerts as operators see them: the list, one of them, why it fired, its log."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, selectinload

from kener import clock
from kener.domain.alerting import AlertStatus, AlertType, Outcome, Rule, flaw, rule_from_facts
from kener.domain.incidents import IncidentState
from kener.domain.messages import incident_title
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, covered
from kener.models import (
    Alert,
    AlertConfiguration,
    AuditEntry,
    Decision,
    Delivery,
    DeliveryState,
    Incident,
    Monitor,
    MonitorState,
    Sample,
    Streak,
    Trigger,
    configuration_monitor,
)
from kener.queries.paging import Part, like, part


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert. `notices` and `arrived` count its deliveries."""

    id: int
    config_id: int | None
    monitor_tag: str
    monitor_name: str
    is_monitor_there: bool
    title: str
    rule: Rule
    status: AlertStatus
    triggered_at: datetime
    resolved_at: datetime | None
    observed: str | None
    error: str | None
    closing_reason: str | None
    incident_id: int | None
    incident_state: IncidentState | None
    incident_note: str | None
    notices: int
    arrived: int
    failed: int

    @property
    def seconds(self) -> float:
        """How long it lasted, or lasts so far."""
        return ((self.resolved_at or clock.now()) - self.triggered_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ConfigurationLine:
    """A line of the list of configurations."""

    id: int
    rule: Rule
    is_active: bool
    monitors: tuple[tuple[str, str], ...]
    triggers: tuple[str, ...]
    active_alerts: int
    last_alert_at: datetime | None
    flaw: str | None

    @property
    def subject(self) -> str:
        """What it watches, in a few words."""
        names = [name for _, name in self.monitors]
        return names[0] if len(names) == 1 else f"{len(names)} monitors"


def configurations(
    session: Session, *, q: str = "", kind: str = "", state: str = "", page: int = 1
) -> Part[ConfigurationLine]:
    """The list, those with active alerts first. `state`: TRIGGERED, ACTIVE, INACTIVE."""
    active = exists().where(Alert.config_id == AlertConfiguration.id, Alert.active_key.is_not(None))
    query = select(AlertConfiguration).options(
        selectinload(AlertConfiguration.monitors), selectinload(AlertConfiguration.triggers)
    )
    if q:
        pattern = like(q)
        watched = (
            select(configuration_monitor.c.config_id)
            .join(Monitor, Monitor.id == configuration_monitor.c.monitor_id)
            .where(or_(Monitor.name.ilike(pattern, escape="\\"), Monitor.tag.ilike(pattern, escape="\\")))
        )
        query = query.where(
            or_(AlertConfiguration.id.in_(watched), AlertConfiguration.alert_description.ilike(pattern, escape="\\"))
        )
    if kind:
        query = query.where(AlertConfiguration.alert_for == kind)
    if state == "TRIGGERED":
        query = query.where(active)
    elif state:
        query = query.where(AlertConfiguration.is_active.is_(state == "ACTIVE"))
    query = query.order_by(active.desc(), AlertConfiguration.id.desc())
    found = part(session, query, page=page, row=lambda row: row)
    counts = _alert_counts(session, [one.id for one in found.rows])
    return Part(
        tuple(_configuration(one, *counts.get(one.id, (0, None))) for one in found.rows),
        found.page,
        found.total,
        found.size,
    )


def configuration(session: Session, config_id: int) -> ConfigurationLine | None:
    """One line of the list, or None."""
    found = session.get(AlertConfiguration, config_id, populate_existing=True)
    if found is None:
        return None
    return _configuration(found, *_alert_counts(session, [config_id]).get(config_id, (0, None)))


def stored(session: Session, config_id: int) -> AlertConfiguration | None:
    """The row, for its page and its form."""
    return session.get(AlertConfiguration, config_id)


def _alert_counts(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, datetime | None]]:
    query = (
        select(Alert.config_id, func.count(Alert.active_key), func.max(Alert.triggered_at))
        .where(Alert.config_id.in_(ids), Alert.is_drill.is_(False))
        .group_by(Alert.config_id)
    )
    return {config_id: (active, last) for config_id, active, last in session.execute(query) if config_id}


def _configuration(found: AlertConfiguration, active: int, last: datetime | None) -> ConfigurationLine:
    return ConfigurationLine(
        id=found.id,
        rule=found.rule,
        is_active=found.is_active,
        monitors=tuple((monitor.tag, monitor.name) for monitor in found.monitors),
        triggers=tuple(trigger.name for trigger in found.triggers),
        active_alerts=active,
        last_alert_at=last,
        flaw=flaw(found.rule),
    )


def alert_lines(
    session: Session, *, status: str = "", config_id: int | None = None, limit: int = 10
) -> tuple[AlertLine, ...]:
    """The newest alerts: three statements."""
    return lines_of(session, session.execute(_alerts(config_id, status).limit(limit)).all())


def log(
    session: Session, config_id: int | None, *, status: str = "", monitor: str = "", page: int = 1, size: int = 50
) -> Part[AlertLine]:
    """The newest alerts of a configuration, in pages."""
    query = _alerts(config_id, status)
    if monitor:
        query = query.where(Alert.monitor_tag == monitor)
    found = part(session, query, page=page, size=size, row=lambda row: row, whole=True)
    return Part(lines_of(session, found.rows), found.page, found.total, found.size)


def _alerts(config_id: int | None, status: str) -> Any:
    query = alert_query()
    if config_id is not None:
        query = query.where(Alert.config_id == config_id)
    if status:
        query = query.where(Alert.alert_status == status)
    return query


def alert_query() -> Any:
    """Alerts with the state of their incident, newest first; what `lines_of` takes. Fire drills are none of them."""
    return (
        select(Alert, Incident.state)
        .outerjoin(Incident, Incident.id == Alert.incident_id)
        .where(Alert.is_drill.is_(False))
        .order_by(Alert.triggered_at.desc(), Alert.id.desc())
    )


def lines_of(session: Session, found: Iterable[Any]) -> tuple[AlertLine, ...]:
    """Alerts as lines, with what became of their deliveries: one statement more."""
    pairs = [(row[0], row[1]) for row in found]
    notices: dict[int, dict[DeliveryState, int]] = defaultdict(lambda: defaultdict(int))
    query = (
        select(Delivery.alert_id, Delivery.state, func.count())
        .where(Delivery.alert_id.in_([alert.id for alert, _ in pairs]))
        .group_by(Delivery.alert_id, Delivery.state)
    )
    for alert_id, state, number in session.execute(query):
        notices[alert_id or 0][state] = number
    return tuple(
        AlertLine(
            id=alert.id,
            config_id=alert.config_id,
            monitor_tag=alert.monitor_tag,
            monitor_name=alert.monitor_name,
            is_monitor_there=alert.monitor_id is not None,
            title=title_of(alert),
            rule=rule_from_facts(alert.rule),
            status=alert.alert_status,
            triggered_at=alert.triggered_at,
            resolved_at=alert.resolved_at,
            observed=alert.observed_value,
            error=alert.last_error,
            closing_reason=alert.closing_reason,
            incident_id=alert.incident_id,
            incident_state=state,
            incident_note=alert.incident_note,
            notices=sum(notices[alert.id].values()),
            arrived=notices[alert.id][DeliveryState.SENT],
            failed=notices[alert.id][DeliveryState.FAILED],
        )
        for alert, state in pairs
    )


def title_of(alert: Alert) -> str:
    """`Payment API STATUS: DOWN`."""
    return incident_title(rule_from_facts(alert.rule), alert.monitor_name)


@dataclass(frozen=True, slots=True)
class Watched:
    """One monitor under a configuration, and how far its counting is."""

    monitor_id: int
    tag: str
    name: str
    status: Status
    checked_at: datetime | None
    interval_s: int
    failing: int
    passing: int
    alert_id: int | None


def watched(session: Session, config_id: int) -> list[Watched]:
    """The monitors of a configuration, those with an active alert first."""
    query = (
        select(Monitor, MonitorState, Streak.failing, Streak.passing, Alert.id)
        .join(configuration_monitor, configuration_monitor.c.monitor_id == Monitor.id)
        .join(MonitorState, MonitorState.monitor_id == Monitor.id)
        .outerjoin(Streak, (Streak.monitor_id == Monitor.id) & (Streak.config_id == config_id))
        .outerjoin(
            Alert, (Alert.monitor_id == Monitor.id) & (Alert.config_id == config_id) & Alert.active_key.is_not(None)
        )
        .where(configuration_monitor.c.config_id == config_id)
        .order_by(Monitor.name)
    )
    rows = [
        Watched(
            monitor.id,
            monitor.tag,
            monitor.name,
            state.status,
            clock.at(state.at) if state.at is not None else None,
            monitor.interval_seconds or state.span_s or 60,
            failing or 0,
            passing or 0,
            alert_id,
        )
        for monitor, state, failing, passing, alert_id in session.execute(query)
    ]
    return sorted(rows, key=lambda row: row.alert_id is None)


def askable(session: Session, config_id: int) -> list[tuple[str, str]]:
    """All monitors, by tag and name, those first that a configuration watches: "why?" may be asked of any."""
    watches = select(configuration_monitor.c.monitor_id).where(configuration_monitor.c.config_id == config_id)
    is_watched = Monitor.id.in_(watches)
    query = select(Monitor.tag, Monitor.name, is_watched).order_by(
        is_watched.desc(), func.lower(Monitor.name), Monitor.id
    )
    return [(tag, name if watched else f"{name} (not watched)") for tag, name, watched in session.execute(query)]


def monitor(session: Session, tag: str) -> Monitor | None:
    """A monitor by its tag."""
    return session.scalars(select(Monitor).where(Monitor.tag == tag)).one_or_none()


@dataclass(frozen=True, slots=True)
class Step:
    """One sample of a decision: what was seen, and how far the deciding count was after it."""

    at: datetime
    status: Status
    latency_ms: int | None
    error: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Why:
    """The record of a decision (A3), with what followed from it."""

    id: int
    at: datetime
    outcome: Outcome
    reason: str
    rule: Rule
    failing: int
    passing: int
    observed: str
    steps: tuple[Step, ...]


def why(session: Session, alert_id: int, *, outcome: Outcome = Outcome.TRIGGER) -> Why | None:
    """Why an alert triggered, or resolved; None where no record is left."""
    query = select(Decision).where(Decision.alert_id == alert_id, Decision.outcome == outcome).order_by(Decision.id)
    found = session.scalars(query.limit(1)).first()
    if found is None:
        return None
    rule = rule_from_facts(found.rule)
    return Why(
        found.id,
        clock.at(found.at),
        found.outcome,
        found.reason,
        rule,
        found.failing,
        found.passing,
        found.observed,
        _steps(rule, found),
    )


def _steps(rule: Rule, decision: Decision) -> tuple[Step, ...]:
    """The samples that were counted, oldest first. Counted backwards from the decision: what says nothing adds nothing (E4)."""
    count, steps = max(decision.failing, decision.passing), []
    for fact in reversed(decision.samples if isinstance(decision.samples, list) else []):
        status, latency = Status(fact["status"]), fact.get("latency_ms")
        steps.append(Step(clock.at(fact["at"]), status, latency, fact.get("error"), max(0, count)))
        says_nothing = status is Status.NO_DATA or (rule.alert_for is AlertType.LATENCY and latency is None)
        count -= 0 if says_nothing else 1
    return tuple(reversed(steps))


@dataclass(frozen=True, slots=True)
class Around:
    """The chart around a trigger: latency by sample, statuses by equal steps, when it failed."""

    start: datetime
    end: datetime
    points: tuple[tuple[datetime, int | None], ...]
    statuses: tuple[Status, ...]
    failing: tuple[tuple[datetime, datetime], ...] = field(default=())


def around(session: Session, monitor_id: int, alert: AlertLine, *, steps: int = 60) -> Around:
    """What was measured from a while before an alert triggered to a while after it resolved, or until now; at most a day."""
    now = clock.now()
    lasted = (alert.resolved_at or now) - alert.triggered_at
    margin = max(timedelta(minutes=5), min(timedelta(hours=2), lasted / 2))
    start = alert.triggered_at - margin
    end = min(
        now, (alert.resolved_at or now) + (margin / 2 if alert.resolved_at else timedelta()), start + timedelta(days=1)
    )
    return measured(session, monitor_id, start, end, failing=(alert.triggered_at, alert.resolved_at), steps=steps)


def measured(
    session: Session,
    monitor_id: int,
    start: datetime,
    end: datetime,
    *,
    failing: tuple[datetime, datetime | None],
    steps: int = 60,
) -> Around:
    """What was measured in a span; `failing` from when to when the alert was active."""
    query = (
        select(Sample.at, Sample.status, Sample.span_s, Sample.latency_ms)
        .where(Sample.monitor_id == monitor_id, Sample.at.between(int(start.timestamp()), int(end.timestamp())))
        .order_by(Sample.at)
    )
    seen = [Point(at, from_code(status), span, ms) for at, status, span, ms in session.execute(query)]
    size = -(-len(seen) // 480) if seen else 1
    points = tuple((clock.at(point.at), point.latency_ms) for point in seen[::size])
    begin, finish = max(start, failing[0]), min(end, failing[1] or end)
    return Around(start, end, points, _strip(seen, start, end, steps), ((begin, finish),) if begin < finish else ())


_RANK = {Status.NO_DATA: 0, Status.UP: 1, Status.MAINTENANCE: 1, Status.DEGRADED: 2, Status.DOWN: 3}


def _strip(seen: Sequence[Point], start: datetime, end: datetime, steps: int) -> tuple[Status, ...]:
    """The worst status of each of so many equal parts."""
    begin, width = start.timestamp(), max((end - start).total_seconds() / steps, 1.0)
    strip = [Status.NO_DATA] * steps
    for first, last, status in covered(seen, until=int(end.timestamp())):
        for index in range(max(0, int((first - begin) / width)), min(steps, int((last - 1 - begin) / width) + 1)):
            if _RANK[status] > _RANK[strip[index]]:
                strip[index] = status
    return tuple(strip)


@dataclass(frozen=True, slots=True)
class Notice:
    """One delivery of an alert."""

    id: int
    event: str
    trigger_name: str
    trigger_id: int | None
    state: DeliveryState
    attempts: int
    answer: str | None
    next_at: datetime
    sent_at: datetime | None


def notices(session: Session, alert_id: int) -> list[Notice]:
    """What was sent to whom about an alert."""
    return list(notices_by_alert(session, [alert_id]).get(alert_id, ()))


def notices_by_alert(session: Session, alert_ids: Sequence[int]) -> dict[int, tuple[Notice, ...]]:
    """What was sent to whom, by alert."""
    found: dict[int, list[Notice]] = defaultdict(list)
    query = select(Delivery).where(Delivery.alert_id.in_(alert_ids)).order_by(Delivery.id)
    for d in session.scalars(query):
        notice = Notice(
            d.id, d.event, d.trigger_name, d.trigger_id, d.state, d.attempts, d.answer, d.next_at, d.sent_at
        )
        found[d.alert_id or 0].append(notice)
    return {alert_id: tuple(told) for alert_id, told in found.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the audit trail."""

    at: datetime
    actor: str
    action: str
    detail: str


def changes(session: Session, about: str, *, limit: int = 8) -> list[Change]:
    """The newest changes of one thing."""
    query = select(AuditEntry).where(AuditEntry.about == about).order_by(AuditEntry.id.desc()).limit(limit)
    return [Change(entry.at, entry.actor, entry.action, entry.detail) for entry in session.scalars(query)]


@dataclass(frozen=True, slots=True)
class Options:
    """What the form offers."""

    monitors: tuple[tuple[str, str], ...]
    triggers: tuple[tuple[int, str], ...]
    intervals: dict[str, int]


def options(session: Session) -> Options:
    """All monitors and triggers by name."""
    monitors = session.execute(
        select(Monitor.tag, Monitor.name, Monitor.interval_seconds).order_by(func.lower(Monitor.name))
    ).all()
    triggers = session.execute(
        select(Trigger.id, Trigger.name, Trigger.is_active).order_by(func.lower(Trigger.name))
    ).all()
    return Options(
        tuple((tag, f"{name} ({tag})") for tag, name, _ in monitors),
        tuple((trigger_id, name if active else f"{name} (inactive)") for trigger_id, name, active in triggers),
        {tag: interval or 60 for tag, _, interval in monitors},
    )
