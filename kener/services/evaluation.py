"""Evaluation: what newly recorded samples mean under the configurations that watch them, in the transaction of the samples (E1)."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.db import upsert
from kener.domain import alerting
from kener.domain.alerting import AlertType, Count, Observation, Outcome, Rule
from kener.domain.incidents import IncidentState
from kener.domain.status import Status, from_code
from kener.domain.uptime import Point, Seconds, covered, tally
from kener.models import (
    Alert,
    AlertConfiguration,
    Decision,
    Hourly,
    Incident,
    Maintenance,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    Sample,
    SampleNote,
    Streak,
    WindowState,
    configuration_monitor,
)
from kener.services import alerts, dependencies, flapping
from kener.services.joining import Opening

HOUR = 3_600
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A sample that was just recorded in time order, and the one before it."""

    monitor_id: int
    at: int
    status: Status
    latency_ms: int | None
    error: str | None
    previous_at: int | None
    previous_span_s: int


@dataclass
class Outcomes:
    """What has to follow the commit."""

    changed: bool = False
    delivery_ids: list[int] = field(default_factory=list)


@dataclass
class _Watch:
    """One configuration on one monitor, while a batch is evaluated."""

    config_id: int
    monitor_id: int
    rule: Rule
    count: Count
    stored: Count
    alert_id: int | None = None
    resolved_by_hand: bool = False


def evaluate(session: Session, seen: Sequence[Seen]) -> Outcomes:
    """Decide every sample under every active configuration of its monitor, in time order."""
    outcomes = Outcomes()
    by_monitor: dict[int, list[Seen]] = defaultdict(list)
    for sample in seen:
        by_monitor[sample.monitor_id].append(sample)
    watches = _watches(session, by_monitor) if by_monitor else []
    if not watches:
        return outcomes
    windows = _windows(session, {watch.monitor_id for watch in watches}, seen)
    for watch in watches:
        for sample in by_monitor[watch.monitor_id]:
            _step(session, watch, sample, _observation(session, watch, sample, windows), outcomes)
    _write_counts(session, watches)
    return outcomes


def _step(session: Session, watch: _Watch, sample: Seen, seen: Observation, outcomes: Outcomes) -> None:
    decision = _decide(watch, seen)
    if decision.outcome is Outcome.TRIGGER and (
        parents := dependencies.parents(session, watch.monitor_id, at=sample.at)
    ):
        decision = _decide(watch, replace(seen, parents=parents))
    watch.count = decision.count
    if decision.outcome is Outcome.QUIET:
        return
    at = clock.at(sample.at)
    opening: Opening | None = None
    match decision.outcome:
        case Outcome.TRIGGER:
            triggered = alerts.trigger(
                session,
                watch.config_id,
                watch.monitor_id,
                at=at,
                observed=alerting.observed_value(watch.rule, seen),
                error=sample.error,
            )
            watch.alert_id, opening = triggered.alert.id, triggered.opening
            outcomes.delivery_ids += triggered.delivery_ids
            outcomes.changed = True
        case Outcome.RESOLVE:
            outcomes.delivery_ids += alerts.resolve(session, session.get_one(Alert, watch.alert_id), at=at)
            outcomes.changed = True
        case Outcome.REOPEN:
            watch.resolved_by_hand = False
            if not alerts.reopen_incident(session, session.get_one(Alert, watch.alert_id), at=at):
                return
            outcomes.changed = True
        case Outcome.HOLD if (parent := decision.held_by) is not None and parent.is_down:
            begins = decision.count.failing == watch.rule.failure_threshold
            outcomes.changed |= dependencies.tell(
                session, parent, watch.monitor_id, at=sample.at, previous_at=sample.previous_at, begins=begins
            )
        case Outcome.FLAP | Outcome.CALM:
            alert = session.get_one(Alert, watch.alert_id)
            outcomes.changed |= flapping.tell(session, alert, decision.outcome, at=at)
    _note(session, watch, sample, seen, decision)
    if opening is not None:
        _note(session, watch, sample, seen, replace(decision, outcome=opening.outcome, reason=opening.reason))
    if decision.outcome is Outcome.RESOLVE:
        watch.alert_id = None


def _decide(watch: _Watch, seen: Observation) -> alerting.Decision:
    return alerting.decide(
        watch.rule, watch.count, seen, active=watch.alert_id is not None, reopen=watch.resolved_by_hand
    )


def _note(session: Session, watch: _Watch, sample: Seen, seen: Observation, decision: alerting.Decision) -> None:
    """Leave a decision record (A3)."""
    match decision.outcome:
        case Outcome.TRIGGER:
            needed = watch.rule.failure_threshold
        case Outcome.FLAP | Outcome.CALM:
            needed = alerting.FLAP_WINDOW
        case _:
            needed = watch.rule.success_threshold
    looked_back = decision.outcome in (Outcome.TRIGGER, Outcome.RESOLVE, Outcome.FLAP, Outcome.CALM)
    session.add(
        Decision(
            config_id=watch.config_id,
            monitor_id=watch.monitor_id,
            alert_id=watch.alert_id,
            at=sample.at,
            outcome=decision.outcome,
            verdict=decision.verdict.value,
            failing=decision.count.failing,
            passing=decision.count.passing,
            observed=alerting.observed_value(watch.rule, seen),
            reason=decision.reason,
            rule=watch.rule.facts(),
            samples=_samples(session, watch.monitor_id, sample.at, min(needed, 50) + 1)
            if looked_back
            else [_fact(sample)],
        )
    )


def _fact(sample: Seen) -> dict[str, Any]:
    return {"at": sample.at, "status": sample.status.value, "latency_ms": sample.latency_ms, "error": sample.error}


def _samples(session: Session, monitor_id: int, until: int, number: int) -> list[dict[str, Any]]:
    """The newest samples up to a moment, oldest first."""
    query = (
        select(Sample.at, Sample.status, Sample.latency_ms, SampleNote.error)
        .outerjoin(SampleNote, (SampleNote.monitor_id == Sample.monitor_id) & (SampleNote.at == Sample.at))
        .where(Sample.monitor_id == monitor_id, Sample.at <= until)
        .order_by(Sample.at.desc())
        .limit(number)
    )
    rows = [
        {"at": at, "status": from_code(status).value, "latency_ms": latency, "error": error}
        for at, status, latency, error in session.execute(query)
    ]
    return rows[::-1]


def _watches(session: Session, monitor_ids: Iterable[int]) -> list[_Watch]:
    """Active configurations of these monitors, with what they have counted and their active alerts: three statements.

    A paused monitor is not watched: a sample that is written for it by hand is kept, but decides nothing (O7).
    """
    ids = sorted(monitor_ids)
    link = configuration_monitor.c
    query = (
        select(AlertConfiguration, link.monitor_id)
        .join(configuration_monitor, link.config_id == AlertConfiguration.id)
        .join(Monitor, Monitor.id == link.monitor_id)
        .where(link.monitor_id.in_(ids), AlertConfiguration.is_active.is_(True), Monitor.is_active.is_(True))
        .order_by(AlertConfiguration.id, link.monitor_id)
    )
    pairs = session.execute(query).all()
    if not pairs:
        return []
    counts = {
        (config_id, monitor_id): Count(failing, passing, recent, is_flapping)
        for config_id, monitor_id, failing, passing, recent, is_flapping in session.execute(
            select(
                Streak.config_id,
                Streak.monitor_id,
                Streak.failing,
                Streak.passing,
                Streak.recent,
                Streak.is_flapping,
            ).where(Streak.monitor_id.in_(ids))
        )
    }
    active = {
        (config_id, monitor_id): (alert_id, state is IncidentState.RESOLVED)
        for config_id, monitor_id, alert_id, state in session.execute(
            select(Alert.config_id, Alert.monitor_id, Alert.id, Incident.state)
            .outerjoin(Incident, Incident.id == Alert.incident_id)
            .where(Alert.monitor_id.in_(ids), Alert.active_key.is_not(None))
        )
    }
    watches = []
    for configuration, monitor_id in pairs:
        if problem := alerting.flaw(configuration.rule):
            log.error("alert configuration %s cannot be used: %s", configuration.id, problem)
            continue
        key = (configuration.id, monitor_id)
        count = counts.get(key, Count())
        alert_id, resolved_by_hand = active.get(key, (None, False))
        watches.append(
            _Watch(configuration.id, monitor_id, configuration.rule, count, count, alert_id, resolved_by_hand)
        )
    return watches


def _windows(session: Session, monitor_ids: Iterable[int], seen: Sequence[Seen]) -> dict[int, list[tuple[int, int]]]:
    """Maintenance windows of these monitors that touch these samples, as half-open spans of seconds (E6)."""
    first, last = clock.at(min(s.at for s in seen)), clock.at(max(s.at for s in seen))
    query = (
        select(MaintenanceMonitor.monitor_id, MaintenanceWindow.start_at, MaintenanceWindow.end_at)
        .join(Maintenance, Maintenance.id == MaintenanceMonitor.maintenance_id)
        .join(MaintenanceWindow, MaintenanceWindow.maintenance_id == Maintenance.id)
        .where(
            MaintenanceMonitor.monitor_id.in_(sorted(monitor_ids)),
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > first,
            MaintenanceWindow.start_at <= last,
        )
    )
    windows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for monitor_id, start, end in session.execute(query):
        windows[monitor_id].append((int(start.timestamp()), int(end.timestamp())))
    return windows


def _observation(
    session: Session, watch: _Watch, sample: Seen, windows: dict[int, list[tuple[int, int]]]
) -> Observation:
    seen = Observation(
        at=sample.at,
        status=sample.status,
        latency_ms=sample.latency_ms,
        previous_at=sample.previous_at,
        previous_span_s=sample.previous_span_s,
        in_maintenance=any(start <= sample.at < end for start, end in windows.get(watch.monitor_id, ())),
    )
    if watch.rule.alert_for is not AlertType.UPTIME:
        return seen
    uptime, samples = uptime_over(session, watch.monitor_id, until=sample.at, window_s=watch.rule.uptime_window_s)
    return replace(seen, uptime=uptime, uptime_samples=samples)


def uptime_over(session: Session, monitor_id: int, *, until: int, window_s: int) -> tuple[Seconds, int]:
    """Seconds by status and number of samples of the window that ends with the sample at `until`, that sample's own span included.

    A window of one hour is read from the samples; longer ones from the hourly roll-up, so their far edge is a whole hour.
    """
    if window_s <= HOUR:
        return _exact_uptime(session, monitor_id, start=until - window_s, until=until)
    start = until - window_s
    sums = [
        func.coalesce(func.sum(column), 0) for column in (Hourly.up_s, Hourly.degraded_s, Hourly.down_s, Hourly.samples)
    ]
    sums_query: Any = select(*sums)
    up, degraded, down, samples = session.execute(
        sums_query.where(Hourly.monitor_id == monitor_id, Hourly.hour >= start - start % HOUR, Hourly.hour <= until)
    ).one()
    # A batch may have stored later samples already: what they added to this hour is taken out again, so that nobody sees the future (E7).
    stored = select(Sample.at, Sample.status, Sample.span_s).where(Sample.monitor_id == monitor_id, Sample.at >= until)
    points = [Point(at, from_code(status), span) for at, status, span in session.execute(stored.order_by(Sample.at))]
    newest, edge = points[-1].at, until - until % HOUR + HOUR
    early = tally(covered(points, until=newest), start=until, end=min(edge, newest))
    own = tally([(until, until + points[0].span_s, points[0].status)], start=until, end=until + points[0].span_s)
    seen = Seconds(int(up) - early.up, int(degraded) - early.degraded, int(down) - early.down) + own
    return seen, int(samples) - sum(1 for point in points[1:] if point.at < edge)


def _exact_uptime(session: Session, monitor_id: int, *, start: int, until: int) -> tuple[Seconds, int]:
    """The same from the samples; the one before the window may reach into it."""
    before = select(func.max(Sample.at)).where(Sample.monitor_id == monitor_id, Sample.at <= start).scalar_subquery()
    query = (
        select(Sample.at, Sample.status, Sample.span_s)
        .where(Sample.monitor_id == monitor_id, Sample.at >= func.coalesce(before, start), Sample.at <= until)
        .order_by(Sample.at)
    )
    points = [Point(at, from_code(status), span) for at, status, span in session.execute(query)]
    end = until + points[-1].span_s
    inside = sum(1 for point in points if point.at > start and point.status is not Status.NO_DATA)
    return tally(covered(points, until=end), start=start, end=end), inside


def _write_counts(session: Session, watches: Iterable[_Watch]) -> None:
    rows = [
        {
            "config_id": w.config_id,
            "monitor_id": w.monitor_id,
            "failing": w.count.failing,
            "passing": w.count.passing,
            "recent": w.count.recent,
            "is_flapping": w.count.flapping,
        }
        for w in watches
        if w.count != w.stored
    ]
    table: Any = Streak.__table__
    upsert(session, table, rows, replace=("failing", "passing", "recent", "is_flapping"))
