"""The counts in the side navigation."""

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.status import Status
from kener.models import Alert, Delivery, DeliveryState, Incident, Monitor, MonitorState


@dataclass(frozen=True, slots=True)
class Nav:
    """What wants a person. `check_lag_s`: how late the newest check began, or how overdue the oldest one is; None before the first."""

    down: int
    active_alerts: int
    open_incidents: int
    late_deliveries: int
    check_lag_s: float | None


def nav(session: Session) -> Nav:
    """Counts over the whole installation: two statements."""
    down, newest, oldest, lateness = session.execute(
        select(
            func.coalesce(func.sum(case((MonitorState.status_code == Status.DOWN.code, 1), else_=0)), 0),
            func.max(MonitorState.at),
            func.min(MonitorState.due_at),
            func.avg(MonitorState.lateness_ms),
        )
        .select_from(MonitorState)
        .join(Monitor, Monitor.id == MonitorState.monitor_id)
        .where(Monitor.is_active.is_(True))
    ).one()
    late = Delivery.state.in_((DeliveryState.RETRYING, DeliveryState.FAILED)) & ~Delivery.is_drill
    is_open = (Incident.status == "OPEN") & Incident.is_drill.is_(False)
    alerts, incidents, deliveries = session.execute(
        select(
            select(func.count()).select_from(Alert).where(Alert.active_key.is_not(None)).scalar_subquery(),
            select(func.count()).select_from(Incident).where(is_open).scalar_subquery(),
            select(func.count()).select_from(Delivery).where(late).scalar_subquery(),
        )
    ).one()
    overdue = max(0, clock.epoch() - oldest) if oldest is not None else 0
    lag = None if newest is None else max(float(lateness or 0) / 1000, float(overdue) if overdue > 2 else 0.0)
    return Nav(int(down), alerts, incidents, deliveries, lag)
