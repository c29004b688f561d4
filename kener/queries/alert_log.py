"""The alert log (A1): every alert by configuration, monitor, status and time, in pages or as a whole; one alert with its deliveries."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.db import reading
from kener.models import Alert, AlertConfiguration, Decision
from kener.queries.alerts import AlertLine, Notice, alert_query, lines_of, notices, notices_by_alert
from kener.queries.paging import Part, part
from kener.queries.past import Act, trail

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts: those that triggered in `[start, end)`, where given."""

    config_id: int | None = None
    monitor: str = ""
    status: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert, whole: what was sent, what was decided, who did what."""

    line: AlertLine
    notices: tuple[Notice, ...]
    decisions: tuple[tuple[datetime, str, str], ...]
    acts: tuple[Act, ...]


def log(session: Session, chosen: Filter, *, page: int) -> Part[AlertLine]:
    """One page of the log, newest first."""
    found = part(session, _chosen(chosen), page=page, row=lambda row: row, whole=True)
    return Part(lines_of(session, found.rows), found.page, found.total, found.size)


def everything(chosen: Filter) -> Iterator[tuple[AlertLine, tuple[Notice, ...]]]:
    """All of them with their deliveries, newest first, in chunks: no page of a growing list is read twice or skipped."""
    after: tuple[datetime, int] | None = None
    while True:
        session = reading()
        query = _chosen(chosen)
        if after is not None:
            at, alert_id = after
            query = query.where(or_(Alert.triggered_at < at, and_(Alert.triggered_at == at, Alert.id < alert_id)))
        lines = lines_of(session, session.execute(query.limit(CHUNK)).all())
        told = notices_by_alert(session, [line.id for line in lines])
        yield from ((line, told.get(line.id, ())) for line in lines)
        if len(lines) < CHUNK:
            return
        after = lines[-1].triggered_at, lines[-1].id


def monitors(session: Session, config_id: int | None = None) -> dict[str, str]:
    """The monitors that alerts speak of, by tag, under their newest names; also those that are gone."""
    query = select(Alert.monitor_tag, Alert.monitor_name).where(Alert.is_drill.is_(False))
    if config_id is not None:
        query = query.where(Alert.config_id == config_id)
    newest = query.with_only_columns(func.max(Alert.id)).group_by(Alert.monitor_tag)
    named = select(Alert.monitor_tag, Alert.monitor_name).where(Alert.id.in_(newest)).order_by(Alert.monitor_name)
    return {row.monitor_tag: row.monitor_name for row in session.execute(named)}


def configurations(session: Session) -> dict[str, str]:
    """The configurations by id, as a list to choose from."""
    query = select(AlertConfiguration).order_by(AlertConfiguration.id)
    return {str(one.id): f"{one.id}: {one.alert_for} {one.alert_value}" for one in session.scalars(query)}


def entry(session: Session, alert_id: int) -> Entry | None:
    """One alert, or None. Those of fire drills are shown with their drill."""
    lines = lines_of(session, session.execute(alert_query().where(Alert.id == alert_id)).all())
    if not lines:
        return None
    decided = select(Decision.at, Decision.outcome, Decision.reason).where(Decision.alert_id == alert_id)
    return Entry(
        line=lines[0],
        notices=tuple(notices(session, alert_id)),
        decisions=tuple(
            (clock.at(at), str(outcome), reason)
            for at, outcome, reason in session.execute(decided.order_by(Decision.id))
        ),
        acts=tuple(trail(session, f"alert-{alert_id}")),
    )


def _chosen(chosen: Filter) -> Any:
    query = alert_query()
    if chosen.config_id is not None:
        query = query.where(Alert.config_id == chosen.config_id)
    if chosen.monitor:
        query = query.where(Alert.monitor_tag == chosen.monitor)
    if chosen.status:
        query = query.where(Alert.alert_status == chosen.status)
    if chosen.start is not None:
        query = query.where(Alert.triggered_at >= chosen.start)
    if chosen.end is not None:
        query = query.where(Alert.triggered_at < chosen.end)
    return query
