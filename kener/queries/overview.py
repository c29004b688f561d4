"""What operators see first: what needs them, what is not UP, the last alerts, how late checks are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import AlertStatus
from kener.domain.status import Status
from kener.models import Delivery, DeliveryState, Incident, Monitor, MonitorState
from kener.queries import connectivity, health
from kener.queries.alerts import AlertLine, alert_lines
from kener.queries.connectivity import Episode
from kener.queries.monitors import MonitorLine, monitors
from kener.queries.triggers import SwitchedOff, switched_off

LATE_S = 30
SHOWN = 20


@dataclass(frozen=True, slots=True)
class LateDelivery:
    """A channel with messages that did not arrive: how many, and why the newest did not."""

    trigger_name: str
    trigger_id: int | None
    state: DeliveryState
    number: int
    answer: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """`overdue`: checks that are late by more than 30 s, `overdue_s` by how much the worst."""

    triggered: tuple[AlertLine, ...]
    late: tuple[LateDelivery, ...]
    switched_off: tuple[SwitchedOff, ...]
    overdue: int
    overdue_s: float
    scheduler_lag_s: float | None
    redis: bool
    troubled: tuple[MonitorLine, ...]
    troubled_total: int
    alerts: tuple[AlertLine, ...]
    open_incidents: int
    monitors: int
    paused: int
    up: int
    checked_at: datetime | None
    average_late_ms: float | None
    worst_late_ms: int | None
    cut_off: Episode | None

    @property
    def is_quiet(self) -> bool:
        """Nothing needs anybody."""
        troubles = (self.triggered, self.late, self.switched_off, self.overdue, self.cut_off)
        return not any(troubles) and self.is_ticking and self.redis

    @property
    def is_ticking(self) -> bool:
        """A scheduler ticked within the last half minute."""
        return self.scheduler_lag_s is not None and self.scheduler_lag_s < LATE_S


def overview(session: Session) -> Overview:
    """Everything on the overview: about ten statements, whatever there is."""
    now = clock.epoch()
    down = monitors(session, status=Status.DOWN)
    slow = monitors(session, status=Status.DEGRADED)
    troubled = (*down.rows, *slow.rows)[:SHOWN]
    total, paused, up, newest, average, worst, overdue, oldest = session.execute(
        select(
            func.count(),
            _sum(Monitor.is_active.is_(False)),
            _sum(Monitor.is_active.is_(True) & (MonitorState.status_code == Status.UP.code)),
            func.max(MonitorState.at),
            func.avg(MonitorState.lateness_ms),
            func.max(MonitorState.lateness_ms),
            _sum(MonitorState.due_at < now - LATE_S),
            func.min(MonitorState.due_at),
        )
        .select_from(Monitor)
        .join(MonitorState)
    ).one()
    running = health.health()
    is_open = (Incident.status == "OPEN") & Incident.is_drill.is_(False)
    return Overview(
        triggered=alert_lines(session, status=AlertStatus.TRIGGERED, limit=SHOWN),
        late=_late(session),
        switched_off=switched_off(session),
        overdue=int(overdue),
        overdue_s=float(max(0, now - oldest)) if oldest is not None else 0.0,
        scheduler_lag_s=running.scheduler_lag_s,
        redis=running.redis,
        troubled=troubled,
        troubled_total=down.total + slow.total,
        alerts=alert_lines(session, limit=10),
        open_incidents=session.scalar(select(func.count()).select_from(Incident).where(is_open)) or 0,
        monitors=total,
        paused=int(paused),
        up=int(up),
        checked_at=clock.at(newest) if newest is not None else None,
        average_late_ms=float(average) if average is not None else None,
        worst_late_ms=worst,
        cut_off=_cut_off(session, now),
    )


def _cut_off(session: Session, now: int) -> Episode | None:
    """The time without a connection of our own: while it lasts, and a day longer."""
    found = connectivity.episode(session)
    return found if found is not None and now - found.seen_at < 86_400 else None


def _sum(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _late(session: Session) -> tuple[LateDelivery, ...]:
    """Messages that failed for good within a week or are being tried again, by channel."""
    wanted = Delivery.state.in_((DeliveryState.RETRYING, DeliveryState.FAILED)) & ~Delivery.is_drill
    groups = session.execute(
        select(Delivery.trigger_name, Delivery.trigger_id, Delivery.state, func.count(), func.max(Delivery.id))
        .where(wanted, Delivery.created_at > clock.at(clock.epoch() - 7 * 86_400), Delivery.alert_id.is_not(None))
        .group_by(Delivery.trigger_name, Delivery.trigger_id, Delivery.state)
        .order_by(func.max(Delivery.id).desc())
        .limit(SHOWN)
    ).all()
    said = select(Delivery.id, Delivery.answer).where(Delivery.id.in_([row[4] for row in groups]))
    answers = {row[0]: row[1] for row in session.execute(said)}
    return tuple(LateDelivery(row[0], row[1], row[2], row[3], answers.get(row[4])) for row in groups)
