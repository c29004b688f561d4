"""An automatic incident at a glance: what was measured around its alerts, and when each threshold was counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import Outcome
from kener.models import Alert, Decision, Monitor
from kener.queries import alerts
from kener.queries.alerts import Around, Notice

MOST = 6
LONGEST = timedelta(days=1)
BEFORE, AFTER = timedelta(hours=1), timedelta(hours=5)


@dataclass(frozen=True, slots=True)
class Turn:
    """A threshold that was reached: `count` of `needed` in a row, the first at `since`. Of an early end only the reason is known."""

    at: datetime
    count: int
    needed: int
    since: datetime | None
    observed: str


@dataclass(frozen=True, slots=True)
class Glance:
    """One alert: its charts, oldest first, and its two turns as far as their records are left."""

    alert_id: int
    config_id: int | None
    monitor_tag: str
    monitor_name: str
    title: str
    triggered_at: datetime
    resolved_at: datetime | None
    closing_reason: str | None
    charts: tuple[Around, ...]
    triggered: Turn | None
    resolved: Turn | None


def glances(session: Session, incident_id: int, *, staff: bool = False) -> list[Glance]:
    """The first alerts of an incident, oldest first. Visitors do not see what belongs to hidden monitors."""
    query = select(Alert).outerjoin(Monitor, Monitor.id == Alert.monitor_id).where(Alert.incident_id == incident_id)
    if not staff:
        query = query.where(or_(Monitor.id.is_(None), Monitor.is_hidden.is_(False)))
    found = session.scalars(query.order_by(Alert.triggered_at, Alert.id).limit(MOST).execution_options(deleted=True))
    return [_glance(session, alert) for alert in found]


def _glance(session: Session, alert: Alert) -> Glance:
    charts = [
        alerts.measured(session, alert.monitor_id, start, end, failing=(alert.triggered_at, alert.resolved_at))
        for start, end in _spans(alert.triggered_at, alert.resolved_at, clock.now())
        if alert.monitor_id is not None
    ]
    return Glance(
        alert_id=alert.id,
        config_id=alert.config_id,
        monitor_tag=alert.monitor_tag,
        monitor_name=alert.monitor_name,
        title=alerts.title_of(alert),
        triggered_at=alert.triggered_at,
        resolved_at=alert.resolved_at,
        closing_reason=alert.closing_reason,
        charts=tuple(chart for chart in charts if chart.points),
        triggered=_turn(alerts.why(session, alert.id)),
        resolved=_turn(alerts.why(session, alert.id, outcome=Outcome.RESOLVE)),
    )


def _spans(triggered_at: datetime, resolved_at: datetime | None, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """One span for an alert of up to a day, with some room; for a longer one the beginning and the end."""
    ended = resolved_at or now
    room = max(timedelta(minutes=5), min(timedelta(hours=2), (ended - triggered_at) / 2))
    if ended - triggered_at <= LONGEST:
        yield triggered_at - room, min(now, ended + room / 2)
    else:
        yield triggered_at - BEFORE, triggered_at + AFTER
        yield ended - AFTER, min(now, ended + BEFORE)


def _turn(why: alerts.Why | None) -> Turn | None:
    if why is None:
        return None
    is_trigger = why.outcome is Outcome.TRIGGER
    counted = [step.at for step in why.steps if step.count > 0]
    return Turn(
        at=why.at,
        count=why.failing if is_trigger else why.passing,
        needed=why.rule.failure_threshold if is_trigger else why.rule.success_threshold,
        since=counted[0] if counted else None,
        observed=why.observed,
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """An automatic step that concerned the alerts of an incident (A3)."""

    alert_id: int | None
    at: datetime
    outcome: Outcome
    reason: str


def decided(session: Session, incident_id: int, *, limit: int = 20) -> list[Decided]:
    """The newest automatic steps of an incident."""
    query = (
        select(Decision.alert_id, Decision.at, Decision.outcome, Decision.reason)
        .join(Alert, Alert.id == Decision.alert_id)
        .where(Alert.incident_id == incident_id, Decision.outcome.not_in((Outcome.OPEN, Outcome.HOLD)))
        .order_by(Decision.at.desc(), Decision.id.desc())
        .limit(limit)
    )
    return [
        Decided(alert_id, clock.at(at), outcome, reason) for alert_id, at, outcome, reason in session.execute(query)
    ]


def told(session: Session, incident_id: int) -> list[Notice]:
    """What was sent to whom about the first alerts of an incident, oldest first."""
    ids = select(Alert.id).where(Alert.incident_id == incident_id).order_by(Alert.id).limit(MOST)
    found = [notice for alert_id in session.scalars(ids).all() for notice in alerts.notices(session, alert_id)]
    return sorted(found, key=lambda notice: notice.id)
