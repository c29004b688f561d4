"""Manual data: samples written and deleted by hand, what that would change, and who did it.

What is written takes the place of what was observed in the same minutes. What is newer than the newest sample is evaluated at once like
the samples of a check (E1); anything older corrects history, roll-ups and uptime, and changes no alert (E7). Deleting evaluates nothing.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kener import clock, jobs, live
from kener.db import reading, transaction
from kener.domain.alerting import AlertStatus
from kener.domain.schedule import MAX_INTERVAL_S
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.models import Alert, Monitor, MonitorState, Sample, SampleNote
from kener.queries import history, monitors, site
from kener.services import audit, recording
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused
from kener.services.recording import Effects, Observed, State
from kener.settings import Settings

MAX_SPAN_S = 31 * 86_400
WRITABLE = (Status.UP, Status.DEGRADED, Status.DOWN)


@dataclass(frozen=True, slots=True)
class Edit:
    """What to write into every minute from the one of `start` to the one of `end`, both included; seconds since 1970.

    Each latency differs from `latency_ms` by up to `deviation_ms`, at random.
    """

    start: int
    end: int
    status: Status
    latency_ms: int | None = None
    deviation_ms: int = 0

    @property
    def first(self) -> int:
        return self.start - self.start % 60

    @property
    def until(self) -> int:
        return self.end - self.end % 60 + 60

    def errors(self, now: int) -> dict[str, str]:
        """Why it is refused."""
        errors = _span_errors(self.first, self.until, now)
        if self.until - 60 > now:
            errors["end_ts"] = "Samples cannot be written for the future."
        if self.status not in WRITABLE:
            errors["status"] = (
                "Choose UP, DEGRADED or DOWN. For planned work plan a maintenance; where nothing is known, delete the samples."
            )
        return errors


@dataclass(frozen=True, slots=True)
class Deletion:
    """Every sample from `start` on and before `end`, in seconds since 1970."""

    start: int
    end: int

    @property
    def first(self) -> int:
        return self.start

    @property
    def until(self) -> int:
        return self.end

    def errors(self, now: int) -> dict[str, str]:
        """Why it is refused."""
        return _span_errors(self.start, self.end, now)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do. Uptimes as `(span, before, after)`; alerts and configurations by what the samples would make of them."""

    samples: int
    replaced: int
    uptimes: tuple[tuple[str, float | None, float | None], ...]
    evaluated: int
    configurations: int
    triggered: int
    resolved: int


def write(tag: str, edit: Edit, *, actor: Actor, reason: str = "") -> int:
    """Write samples by hand: one a minute, and where a minute has samples, at their times. Returns how many were written.

    Raises NotFound, Refused.
    """
    _refuse(tag, edit)
    with transaction() as session:
        monitor = _find(session, tag)
        count, effects = _write(session, monitor, edit)
        about = f"{edit.status} {_said(edit)}, {count} samples"
        audit.note(session, actor, "set samples", f"monitor-{monitor.id}", f"{about}: {reason}" if reason else about)
    _follow(effects)
    return count


def delete(tag: str, deletion: Deletion, *, actor: Actor, reason: str = "") -> int:
    """Delete the samples of a span: nothing was measured then. Returns how many there were. Raises NotFound, Refused."""
    _refuse(tag, deletion)
    with transaction() as session:
        monitor = _find(session, tag)
        count, effects = _delete(session, monitor, deletion)
        if count:
            about = f"{_said(deletion)}, {count} samples"
            audit.note(
                session, actor, "delete samples", f"monitor-{monitor.id}", f"{about}: {reason}" if reason else about
            )
    _follow(effects)
    return count


def preview(tag: str, change: Edit | Deletion) -> Preview:
    """What a change would do: it is made, looked at, and taken back. Raises NotFound, Refused."""
    _refuse(tag, change)
    with _undone() as session:
        monitor = _find(session, tag)
        zone = site.read(session).tz
        newest = session.scalar(select(MonitorState.at).where(MonitorState.monitor_id == monitor.id)) or 0
        inside = (Sample.monitor_id == monitor.id, Sample.at >= change.first, Sample.at < change.until)
        replaced = session.scalar(select(func.count()).select_from(Sample).where(*inside)) or 0
        before, alerts = history.figures(session, monitor.id, zone), _alerts(session, monitor.id)
        if isinstance(change, Edit):
            count, _ = _write(session, monitor, change)
            newer = select(func.count()).select_from(Sample).where(*inside, Sample.at > newest)
            evaluated = session.scalar(newer) or 0
        else:
            (count, _), evaluated = _delete(session, monitor, change), 0
        session.flush()
        after, now_alerts = history.figures(session, monitor.id, zone), _alerts(session, monitor.id)
        watching = sum(1 for one in monitors.watching(session, monitor.id) if one.is_active)
        return Preview(
            samples=count,
            replaced=replaced,
            uptimes=tuple((span, before[span], after[span]) for span in before),
            evaluated=evaluated,
            configurations=watching if evaluated and monitor.is_active else 0,
            triggered=len(now_alerts.keys() - alerts.keys()),
            resolved=sum(1 for key, active in alerts.items() if active and not now_alerts.get(key)),
        )


class _Undo(Exception):
    """Ends a transaction that was only tried."""


@contextmanager
def _undone() -> Iterator[Session]:
    """A transaction of which nothing stays."""
    try:
        with transaction() as session:
            yield session
            raise _Undo
    except _Undo:
        pass


def _alerts(session: Session, monitor_id: int) -> dict[int, bool]:
    """The alerts of a monitor, and whether each is active."""
    query = select(Alert.id, Alert.alert_status).where(Alert.monitor_id == monitor_id, Alert.is_drill.is_(False))
    return {alert_id: state is AlertStatus.TRIGGERED for alert_id, state in session.execute(query)}


def _refuse(tag: str, change: Edit | Deletion) -> None:
    monitor = _find(reading(), tag)
    if monitor.monitor_type is MonitorType.GROUP:
        raise Refused({"": "The samples of a group follow from its members: change theirs."})
    if errors := change.errors(clock.epoch()):
        raise Refused(errors)


def _span_errors(first: int, until: int, now: int) -> dict[str, str]:
    errors = {}
    if until <= first:
        errors["end_ts"] = "The end lies before the start."
    elif until - first > MAX_SPAN_S:
        errors["end_ts"] = "At most 31 days can be changed at once."
    if first < _editable_from(now):
        errors["start_ts"] = "Samples of that time are not kept any more, so they cannot be changed."
    return errors


def _editable_from(now: int) -> int:
    """A change recomputes its hours from the samples and its day from the hours: all of those must be there."""
    settings: Settings = current_app.extensions["kener"]
    days = min(settings.retention_days, settings.hourly_retention_days)
    return now - days * 86_400 + min(MAX_INTERVAL_S, days * 43_200)


def _find(session: Session, tag: str) -> Monitor:
    monitor = session.scalars(select(Monitor).where(Monitor.tag == tag)).one_or_none()
    if monitor is None:
        raise NotFound
    return monitor


def _write(session: Session, monitor: Monitor, edit: Edit) -> tuple[int, Effects]:
    states = recording.lock(session, [monitor.id])
    span_s = max(60, monitor.schedule.span_after(edit.until - 60))
    samples = [
        Observed(monitor.id, at, edit.status, span_s, _vary(edit), source=recording.MANUAL)
        for at in _moments(session, monitor.id, edit.first, edit.until)
    ]
    effects = recording.record(session, samples, states, replace=True)
    effects.changed = True
    if edit.until > clock.epoch():
        _remember(session, monitor.id, manual_until=edit.until)
    return len(samples), effects


def _delete(session: Session, monitor: Monitor, deletion: Deletion) -> tuple[int, Effects]:
    states = recording.lock(session, [monitor.id])
    if monitor.id not in states:
        return 0, Effects()
    state = states[monitor.id]
    removed = 0
    for table in (SampleNote, Sample):
        rows = delete_rows(table).where(
            table.monitor_id == monitor.id, table.at >= deletion.start, table.at < deletion.end
        )
        result: Any = session.execute(rows)
        removed = result.rowcount
    if not removed:
        return 0, Effects()
    _remember(session, monitor.id, **_left(state, deletion))
    effects = recording.corrected(session, states, monitor.id, start=deletion.start, end=deletion.end)
    return removed, effects


def _left(state: State, deletion: Deletion) -> dict[str, int | None]:
    """What stays to be known of samples that are gone: that they were evaluated; no more that they were written by hand."""
    left: dict[str, int | None] = {}
    if state.at is not None and deletion.start <= state.at < deletion.end:
        left["evaluated_until"] = max(state.at, state.evaluated_until or 0)
    if state.manual_until is not None and deletion.end >= state.manual_until > deletion.start:
        left["manual_until"] = None
    return left


def _remember(session: Session, monitor_id: int, **values: int | None) -> None:
    if values:
        session.execute(update(MonitorState).where(MonitorState.monitor_id == monitor_id).values(values))


def _moments(session: Session, monitor_id: int, first: int, until: int) -> list[int]:
    """One moment a minute; where the minute has samples, theirs."""
    stored = session.scalars(
        select(Sample.at)
        .where(Sample.monitor_id == monitor_id, Sample.at >= first, Sample.at < until)
        .order_by(Sample.at)
    ).all()
    taken = {at - at % 60 for at in stored}
    return sorted([*stored, *(minute for minute in range(first, until, 60) if minute not in taken)])


def _vary(edit: Edit) -> int | None:
    if edit.latency_ms is None or not edit.deviation_ms:
        return edit.latency_ms
    return max(0, edit.latency_ms + random.randint(-edit.deviation_ms, edit.deviation_ms))  # noqa: S311 - invented on request


def _said(change: Edit | Deletion) -> str:
    start, end = clock.at(change.first), clock.at(change.until)
    return f"from {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC"


def _follow(effects: Effects) -> None:
    jobs.enqueue_deliveries(effects.delivery_ids)
    if effects.changed:
        live.publish()
