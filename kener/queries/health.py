"""Whether everything runs: for /healthcheck and /metrics."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass

from flask import current_app
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from kener import clock, jobs
from kener.db import db, is_reachable
from kener.domain.status import from_code
from kener.models import Alert, Delivery, Incident, Monitor, MonitorState

PROBE_S = 2.0
LATE_S = 30
SCHEDULER_KEY = "kener:scheduler"
# A pool each: what waits for one that hangs must not keep the other from being asked.
_database_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="health-database")
_redis_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="health-redis")


@dataclass(frozen=True, slots=True)
class Health:
    """`scheduler_lag_s`: seconds since a scheduler last ticked; None when none ever did."""

    db: bool
    redis: bool
    scheduler_lag_s: float | None

    @property
    def is_well(self) -> bool:
        return self.db and self.redis and self.scheduler_lag_s is not None and self.scheduler_lag_s < LATE_S


def health() -> Health:
    """Ask the database and Redis, for at most two seconds each."""
    engine, url = db.engine, current_app.config["REDIS"]
    database, tick = _database_pool.submit(is_reachable, engine), _redis_pool.submit(_last_tick, url)
    try:
        reachable = bool(database.result(PROBE_S))
    except (SQLAlchemyError, TooLong):
        database.cancel()
        reachable = False
    try:
        lag = tick.result(PROBE_S)
    except (RedisError, TooLong):
        tick.cancel()
        return Health(reachable, False, None)
    return Health(reachable, True, lag)


def _last_tick(url: str) -> float | None:
    raw = jobs.connect(url).get(SCHEDULER_KEY)
    return max(0.0, float(clock.epoch() - int(raw))) if isinstance(raw, bytes) else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted for /metrics."""

    monitors: dict[str, int]
    paused: int
    deliveries: dict[str, int]
    active_alerts: int
    open_incidents: int
    overdue_s: float
    lateness_ms: float
    queues: dict[str, int]


def figures(session: Session) -> Figures:
    """Counts over the whole installation: a few statements."""
    by_status = session.execute(
        select(MonitorState.status_code, func.count())
        .join(Monitor, Monitor.id == MonitorState.monitor_id)
        .where(Monitor.is_active.is_(True))
        .group_by(MonitorState.status_code)
    )
    oldest, lateness = session.execute(select(func.min(MonitorState.due_at), func.avg(MonitorState.lateness_ms))).one()
    is_open = (Incident.status == "OPEN") & Incident.is_drill.is_(False)
    return Figures(
        monitors={from_code(code).value: number for code, number in by_status},
        paused=session.scalar(select(func.count()).select_from(Monitor).where(Monitor.is_active.is_(False))) or 0,
        deliveries={
            state.value: number
            for state, number in session.execute(
                select(Delivery.state, func.count()).where(~Delivery.is_drill).group_by(Delivery.state)
            )
        },
        active_alerts=session.scalar(select(func.count()).select_from(Alert).where(Alert.active_key.is_not(None))) or 0,
        open_incidents=session.scalar(select(func.count()).select_from(Incident).where(is_open)) or 0,
        overdue_s=float(max(0, clock.epoch() - oldest)) if oldest is not None else 0.0,
        lateness_ms=float(lateness or 0),
        queues=_queues(),
    )


def _queues() -> dict[str, int]:
    names = (jobs.CHECKS, jobs.SLOW_CHECKS, jobs.DELIVERIES, jobs.HOUSEKEEPING)
    try:
        return {name: Queue(name, connection=jobs.redis()).count for name in names}
    except RedisError:
        return {}
