"""Excluded windows: a stretch of a monitor's past is taken out of every figure and bar, and put back."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import transaction
from kener.domain.exclusions import ExclusionInput
from kener.models import ExcludedWindow, Monitor
from kener.queries import history, site
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused


def exclude(tag: str, given: ExclusionInput, *, actor: Actor) -> int:
    """Take a stretch out; what the uptime was before is kept with it. Raises NotFound, Refused. Returns its id."""
    with transaction() as session:
        monitor = _find(session, tag)
        _refuse(session, monitor.id, given)
        window = ExcludedWindow(
            monitor_id=monitor.id,
            start_at=given.start,
            end_at=given.end,
            kind=given.kind,
            reason=given.reason,
            uptime_before=history.figures(session, monitor.id, site.read(session).tz),
            created_by=actor.name,
        )
        session.add(window)
        session.flush()
        audit.note(session, actor, "exclude", f"monitor-{monitor.id}", _said(window))
        window_id = window.id
    live.publish()
    return window_id


def include(tag: str, window_id: int, *, actor: Actor) -> None:
    """Let a stretch count again. Raises NotFound."""
    with transaction() as session:
        window = session.get(ExcludedWindow, window_id)
        if window is None or window.monitor_id != _find(session, tag).id:
            raise NotFound
        audit.note(session, actor, "include", f"monitor-{window.monitor_id}", _said(window))
        session.delete(window)
    live.publish()


def _refuse(session: Session, monitor_id: int, given: ExclusionInput) -> None:
    if given.end > clock.epoch():
        raise Refused({"end": "Only the past can be excluded. For what is to come plan a maintenance."})
    table = ExcludedWindow
    touching = select(table.id).where(
        table.monitor_id == monitor_id, table.start_at < given.end, table.end_at > given.start
    )
    if session.scalar(touching.limit(1)) is not None:
        raise Refused({"start": "A part of this is excluded already. Remove that first, or choose another span."})


def _find(session: Session, tag: str) -> Monitor:
    monitor = session.scalars(select(Monitor).where(Monitor.tag == tag)).one_or_none()
    if monitor is None:
        raise NotFound
    return monitor


def _said(window: ExcludedWindow) -> str:
    start, end = clock.at(window.start_at), clock.at(window.end_at)
    return f"{window.kind} from {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC: {window.reason}"
