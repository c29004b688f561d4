"""Maintenance: plan, change, delete. Inside a window nothing triggers (E6). Single occurrences are `kener.services.occurrences`'."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import transaction
from kener.domain.inputs import MaintainedInput, MaintenanceInput
from kener.domain.windows import NoticeKind, WindowState
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceNotice, MaintenanceWindow, Monitor
from kener.services import audit, occurrences
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused


def plan(given: MaintenanceInput, *, actor: Actor) -> int:
    """Plan a maintenance and put its occurrences into the calendar. Raises Refused. Returns its id."""
    now = clock.now()
    with transaction() as session:
        maintenance = Maintenance(created_by=actor.name, title="", description="")
        _fill(session, maintenance, given)
        session.add(maintenance)
        session.flush()
        audit.note(session, actor, "plan", f"maintenance-{maintenance.id}", maintenance.title)
        if maintenance.is_active:
            # Of a series, what runs at this moment is still part of it.
            since = now - timedelta(seconds=given.duration_s) if given.rrule else given.start_at - timedelta(seconds=1)
            occurrences.fill(session, maintenance, since=since, now=now, is_new=True)
        maintenance_id = maintenance.id
    live.publish()
    return maintenance_id


def update(maintenance_id: int, given: MaintenanceInput, *, actor: Actor, version: int | None = None) -> None:
    """Change a maintenance. Raises NotFound, Refused, Conflict.

    What is over stays as it was, what runs goes on (`occurrences.extend` and `finish` move its end), what is to come is planned anew.
    """
    now = clock.now()
    with transaction() as session:
        maintenance = _find(session, maintenance_id)
        if version is not None and maintenance.version != version:
            raise Conflict
        before, reminders = occurrences.Plan.of(maintenance), list(maintenance.reminders)
        _fill(session, maintenance, given)
        if occurrences.Plan.of(maintenance) != before:
            _replan(session, maintenance, before, now)
        elif maintenance.reminders != reminders:
            for window in _planned(maintenance, now):
                occurrences.settle(session, window, now, tell=False)
        maintenance.version += 1
        audit.note(session, actor, "change", f"maintenance-{maintenance_id}", maintenance.title)
    live.publish()


def delete(maintenance_id: int, *, actor: Actor) -> None:
    """Delete a maintenance with all its windows. Raises NotFound."""
    now = clock.now()
    with transaction() as session:
        maintenance = _find(session, maintenance_id)
        audit.note(session, actor, "delete", f"maintenance-{maintenance_id}", maintenance.title)
        open_ones = [window for window in _ordered(maintenance) if not occurrences.state_of(window, now).is_over]
        for window in _worth_telling(session, open_ones):
            occurrences.tell(session, window, NoticeKind.CANCELLED, now=now)
        session.flush()
        session.delete(maintenance)
    live.publish()


def _find(session: Session, maintenance_id: int) -> Maintenance:
    """The maintenance and its windows, held until the transaction ends, as they are stored now."""
    found = session.get(Maintenance, maintenance_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound
    own = select(MaintenanceWindow).where(MaintenanceWindow.maintenance_id == maintenance_id)
    session.scalars(own.with_for_update().execution_options(populate_existing=True)).all()
    return found


def _fill(session: Session, maintenance: Maintenance, given: MaintenanceInput) -> None:
    maintenance.title, maintenance.description = given.title, given.description
    maintenance.start_at, maintenance.duration_s = given.start_at, given.duration_s
    maintenance.rrule, maintenance.timezone = given.rrule, given.timezone
    maintenance.exdates = sorted(at.isoformat() for at in given.exdates)
    maintenance.is_global, maintenance.is_active = given.is_global, given.is_active
    maintenance.reminders, maintenance.notices = given.reminders, [kind.value for kind in given.notices]
    monitors = _monitors(session, given.monitors)
    maintenance.is_private = bool(monitors) and all(monitor.is_hidden for monitor in monitors)
    impacts = {one.monitor_tag: one.impact for one in given.monitors}
    kept = {link.monitor_id: link for link in maintenance.monitors}
    maintenance.monitors = [kept.get(monitor.id) or MaintenanceMonitor(monitor_id=monitor.id) for monitor in monitors]
    for monitor, link in zip(monitors, maintenance.monitors, strict=True):
        link.impact = impacts[monitor.tag]


def _monitors(session: Session, given: Sequence[MaintainedInput]) -> list[Monitor]:
    tags = [one.monitor_tag for one in given]
    monitors = list(session.scalars(select(Monitor).where(Monitor.tag.in_(tags), Monitor.deleted_at.is_(None))))
    missing = sorted(set(tags) - {monitor.tag for monitor in monitors})
    if missing:
        raise Refused({"monitors": f"There is no monitor {', '.join(missing)}."})
    return monitors


def _replan(session: Session, maintenance: Maintenance, before: occurrences.Plan, now: datetime) -> None:
    """Bring the calendar in line with a changed plan.

    1. Occurrences that the new plan has as well stay; those that were moved by hand stay where they were moved.
    2. The others move, in their order, to the new times; what remains of either is removed or added.
    3. Subscribers hear of those that they were told about, and of the next one.
    """
    planned, length = _planned(maintenance, now), timedelta(seconds=maintenance.duration_s or 0)
    if not maintenance.is_active:
        _stop(session, maintenance, planned, now)
        return
    wanted = _wanted(maintenance, planned, before, now)
    kept = [window for window in planned if window.occurrence_at in wanted]
    loose = [window for window in planned if window.occurrence_at not in wanted]
    free = [at for at in wanted if at not in {window.occurrence_at for window in kept}]
    changed: list[tuple[MaintenanceWindow, occurrences.Span]] = []
    for window in kept:
        if not before.was_moved(window) and window.end_at != window.start_at + length:
            changed.append((window, (window.start_at, window.end_at)))
            window.end_at = window.start_at + length
    for window, at in zip(loose, free, strict=False):
        changed.append((window, (window.start_at, window.end_at)))
        window.occurrence_at, window.start_at, window.end_at = at, at, at + length
    gone = loose[len(free) :]
    changed.sort(key=lambda pair: pair[0].start_at)
    news = _worth_telling(session, [window for window, _ in changed])
    for window in _worth_telling(session, gone, first=not changed):
        occurrences.tell(session, window, NoticeKind.CANCELLED, now=now)
    for window in gone:
        session.delete(window)
    for window, span in changed:
        occurrences.moved(session, window, now, before=span, tell=window in news)
    session.flush()
    occurrences.add(session, maintenance, free[len(loose) :], now=now, tell=not planned)
    maintenance.fill_at = now + occurrences.FILL_EVERY if maintenance.rrule else None


def _wanted(
    maintenance: Maintenance, planned: Sequence[MaintenanceWindow], before: occurrences.Plan, now: datetime
) -> list[datetime]:
    """When it is to happen from now on, as far as the calendar reaches. Raises Refused."""
    others = {window.occurrence_at for window in maintenance.windows if window not in planned}
    wanted = [at for at in occurrences.wanted(maintenance, since=now, now=now) if at not in others]
    after, start = occurrences.Plan.of(maintenance), maintenance.start_at
    if wanted or maintenance.rrule is not None or start is None or start > now:
        return wanted
    # It happens once, and its start is not to come: what is planned may still be put there, what has begun may not.
    if start in others:
        if before.start_at == start and before.duration_s != after.duration_s:
            raise Refused({"duration_s": "It has begun: finish or extend it on its page."})
        return []
    if planned or (not others and start + timedelta(seconds=after.duration_s or 0) > now):
        return [start]
    if before.start_at != start:
        raise Refused({"start_at": "Choose a start that is to come: what is over stays as it was."})
    return []


def _stop(session: Session, maintenance: Maintenance, planned: Sequence[MaintenanceWindow], now: datetime) -> None:
    """Deactivated: what runs ends now, and what is planned leaves the calendar."""
    maintenance.fill_at = None
    for window in maintenance.windows:
        if occurrences.state_of(window, now) is WindowState.ONGOING:
            occurrences.end(session, window, now)
    for window in _worth_telling(session, planned):
        occurrences.tell(session, window, NoticeKind.CANCELLED, now=now)
    for window in planned:
        session.delete(window)


def _planned(maintenance: Maintenance, now: datetime) -> list[MaintenanceWindow]:
    return [one for one in _ordered(maintenance) if one.start_at > now and not occurrences.state_of(one, now).is_over]


def _ordered(maintenance: Maintenance) -> list[MaintenanceWindow]:
    return sorted(maintenance.windows, key=lambda one: (one.start_at, one.id))


def _worth_telling(
    session: Session, windows: Sequence[MaintenanceWindow], *, first: bool = True
) -> list[MaintenanceWindow]:
    """Those that subscribers were told about, and the next one: not ninety messages because a series changed."""
    ids = [window.id for window in windows]
    told = set(session.scalars(select(MaintenanceNotice.window_id).where(MaintenanceNotice.window_id.in_(ids))))
    return [window for number, window in enumerate(windows) if window.id in told or (first and number == 0)]
