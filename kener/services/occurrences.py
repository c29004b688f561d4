"""Occurrences of maintenance: put into the calendar, moved on by the clock, and by hand: start, finish, extend, reschedule, cancel, delete.

Any number of schedulers may run `advance` and `fill`: both change a row only where it still is as they saw it, so there is one winner, and
what subscribers are told is written in the winner's transaction.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete as delete_from
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import again, reading, transaction
from kener.domain import recurrence
from kener.domain.announcements import announcement
from kener.domain.inputs import MAX_WINDOW_S, SpanInput
from kener.domain.recurrence import Series
from kener.domain.subscriptions import NoticeKind as Subject
from kener.domain.windows import NoticeKind, WindowState, kind_of, turn
from kener.models import Maintenance, MaintenanceNotice, MaintenanceWindow
from kener.services import audit, notices
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused

log = logging.getLogger(__name__)

Span = tuple[datetime, datetime]

AHEAD = timedelta(days=90)
LEAST = 5
MOST = 500
"""The calendar holds what comes within 90 days, or at least the next five; at most so many are added at a time."""

FILL_EVERY = timedelta(days=1)
BATCH = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What the calendar follows from."""

    start_at: datetime | None
    duration_s: int | None
    rrule: str | None
    timezone: str
    exdates: tuple[str, ...]
    is_active: bool

    @classmethod
    def of(cls, maintenance: Maintenance) -> "Plan":
        m = maintenance
        exdates = tuple(sorted(map(str, m.exdates)))
        return cls(m.start_at, m.duration_s, m.rrule, m.timezone, exdates, m.is_active)

    def was_moved(self, window: MaintenanceWindow) -> bool:
        """Whether somebody gave this occurrence times of its own."""
        usual = timedelta(seconds=self.duration_s or 0)
        return window.start_at != window.occurrence_at or window.end_at - window.start_at != usual


# By the clock


def advance(now: datetime) -> int:
    """Move on every occurrence that is due: one indexed statement where none is. Returns how many moved."""
    query = select(MaintenanceWindow.id).where(MaintenanceWindow.due_at <= now)
    due = reading().scalars(query.order_by(MaintenanceWindow.due_at, MaintenanceWindow.id).limit(BATCH)).all()
    moved = sum(
        _unless_damaged(partial(_advance, window_id, now), MaintenanceWindow, window_id, now) for window_id in due
    )
    if moved:
        live.publish()
    return moved


def _unless_damaged(act: Callable[[], int], table: Any, row_id: int, now: datetime) -> int:
    """One row that was damaged from outside must not keep the others waiting: it is looked at again in an hour."""
    try:
        return again(act)
    except (ValueError, TypeError, AttributeError, OverflowError):
        log.exception("%s %s cannot be moved on", table.__tablename__, row_id)
        later = {"due_at" if table is MaintenanceWindow else "fill_at": now + timedelta(hours=1)}
        with transaction() as session:
            session.execute(update(table).where(table.id == row_id).values(later))
        return 0


def _advance(window_id: int, now: datetime) -> int:
    with transaction() as session:
        window = session.get(MaintenanceWindow, window_id, populate_existing=True)
        if window is None or window.due_at is None or window.due_at > now:
            return 0
        return int(settle(session, window, now))


def settle(session: Session, window: MaintenanceWindow, now: datetime, *, tell: bool = True) -> bool:
    """Bring one occurrence to where the clock says, and tell subscribers. False when somebody else did."""
    session.flush()
    maintenance = window.maintenance
    made = turn(
        _known(window.state),
        window.start_at,
        window.end_at,
        reminders=_minutes(maintenance.reminders),
        told=_told(session, window),
        now=now,
    )
    claim = update(MaintenanceWindow).where(
        MaintenanceWindow.id == window.id, MaintenanceWindow.version == window.version
    )
    values = {"state": made.state, "due_at": made.due_at, "version": window.version + 1}
    won: Any = session.execute(claim.values(values), execution_options={"synchronize_session": False})
    if won.rowcount != 1:
        return False
    session.refresh(window)
    for key in made.tell:
        if tell:
            _tell(session, window, key, now=now)
        else:
            _note(session, window, key)
    return True


def fill_due(now: datetime) -> int:
    """Put the next occurrences of every series into the calendar for which that is due. Returns how many were added."""
    due = reading().scalars(select(Maintenance.id).where(Maintenance.fill_at <= now).limit(BATCH)).all()
    added = sum(_unless_damaged(partial(_fill, key, now), Maintenance, key, now) for key in due)
    if added:
        live.publish()
    return added


def _fill(maintenance_id: int, now: datetime) -> int:
    with transaction() as session:
        claim = update(Maintenance).where(Maintenance.id == maintenance_id, Maintenance.fill_at <= now)
        won: Any = session.execute(
            claim.values(fill_at=now + FILL_EVERY), execution_options={"synchronize_session": False}
        )
        if won.rowcount != 1:
            return 0
        maintenance = session.get_one(Maintenance, maintenance_id, populate_existing=True)
        # From the last one on that was put in: what passed while nobody looked happened all the same.
        since = max((window.occurrence_at for window in maintenance.windows), default=now)
        return fill(session, maintenance, since=since, now=now)


def fill(session: Session, maintenance: Maintenance, *, since: datetime, now: datetime, is_new: bool = False) -> int:
    """Add what happens after `since`, as far as the calendar reaches. Returns how many were added."""
    known = set()
    if not is_new:
        own = MaintenanceWindow.maintenance_id == maintenance.id
        known = set(session.scalars(select(MaintenanceWindow.occurrence_at).where(own)))
    missing = [at for at in wanted(maintenance, since=since, now=now) if at not in known]
    add(session, maintenance, missing, now=now, tell=is_new)
    is_more = any(at > now for at in (*missing, *known))
    maintenance.fill_at = now + FILL_EVERY if maintenance.rrule and is_more else None
    return len(missing)


def wanted(maintenance: Maintenance, *, since: datetime, now: datetime) -> list[datetime]:
    """When it is to happen after `since`, as far as the calendar reaches. A rule that cannot be read any more gives nothing."""
    found = series(maintenance)
    return found.wanted(since, now=now, ahead=AHEAD, least=LEAST, most=MOST) if found else []


def series(maintenance: Maintenance) -> Series | None:
    """The plan of a maintenance; None where the row was damaged from outside."""
    if maintenance.start_at is None:
        return None
    try:
        rule = recurrence.parse(maintenance.rrule) if maintenance.rrule else None
    except recurrence.NoRule:
        log.warning("maintenance %s has a rule that cannot be followed", maintenance.id)
        return None
    return Series(maintenance.start_at, rule, zone_of(maintenance), recurrence.instants(maintenance.exdates))


def zone_of(maintenance: Maintenance) -> ZoneInfo:
    """By whose clocks it is planned."""
    return ZoneInfo(maintenance.timezone if recurrence.is_zone(maintenance.timezone) else "UTC")


def add(session: Session, maintenance: Maintenance, moments: Iterable[datetime], *, now: datetime, tell: bool) -> None:
    """Put occurrences into the calendar, each in the state of the clock. `tell`: the next one is announced as new."""
    length = timedelta(seconds=maintenance.duration_s or 0)
    made = [MaintenanceWindow(start_at=at, end_at=at + length, occurrence_at=at, due_at=at) for at in moments]
    for window in made:
        window.maintenance = maintenance
        found = turn(
            WindowState.SCHEDULED, window.start_at, window.end_at, reminders=_minutes(maintenance.reminders), now=now
        )
        window.state, window.due_at = found.state, found.due_at
    session.add_all(made)
    session.flush()
    for window in made:
        if tell and window.end_at > now:
            tell = False
            told = _tell(session, window, NoticeKind.CREATED, now=now)
        else:
            told = False
        _announce(session, window, now, silent=told)


def _announce(session: Session, window: MaintenanceWindow, now: datetime, *, silent: bool) -> None:
    """What a new occurrence is born with: it runs already, or begins before a reminder could be told in time."""
    reminders = _minutes(window.maintenance.reminders)
    for key in turn(WindowState.SCHEDULED, window.start_at, window.end_at, reminders=reminders, now=now).tell:
        if silent and kind_of(key) is NoticeKind.REMINDER:
            _note(session, window, key)
        else:
            _tell(session, window, key, now=now)


# By hand


def start(maintenance_id: int, window_id: int, *, actor: Actor) -> None:
    """Begin a planned occurrence now; it lasts as long as planned. Raises NotFound, Refused."""
    now = _second()
    with transaction() as session:
        window = _find(session, maintenance_id, window_id)
        if state_of(window, now) not in (WindowState.SCHEDULED, WindowState.READY):
            raise Refused({"": _REFUSALS[state_of(window, now)]})
        _put(window, now, now + (window.end_at - window.start_at))
        _by_hand(session, window, actor, "start", now)
    live.publish()


def finish(maintenance_id: int, window_id: int, *, actor: Actor) -> None:
    """End a running occurrence now. Raises NotFound, Refused."""
    now = _second()
    with transaction() as session:
        window = _running(session, maintenance_id, window_id, now)
        _catch_up(session, window, now)
        end(session, window, now)
        audit.note(session, actor, "finish", f"maintenance-{maintenance_id}", window.maintenance.title)
    live.publish()


def extend(maintenance_id: int, window_id: int, until: datetime, *, actor: Actor) -> None:
    """Move the end of a running occurrence. Raises NotFound, Refused."""
    now = _second()
    with transaction() as session:
        window = _running(session, maintenance_id, window_id, now)
        _extend(session, window, until, actor, now)
    live.publish()


def _extend(session: Session, window: MaintenanceWindow, until: datetime, actor: Actor, now: datetime) -> None:
    if until <= now:
        raise Refused({"end_at": "Choose an end that is to come, or finish it now."})
    if until - window.start_at > timedelta(seconds=MAX_WINDOW_S):
        raise Refused({"end_at": "A window lasts at most 30 days."})
    before = window.start_at, window.end_at
    _catch_up(session, window, now)
    window.end_at = until
    _by_hand(session, window, actor, "extend", now, before=before)


def reschedule(maintenance_id: int, window_id: int, given: SpanInput, *, actor: Actor) -> None:
    """Give a planned occurrence other times; of a running one only the end may change. Raises NotFound, Refused."""
    now = _second()
    with transaction() as session:
        window = _find(session, maintenance_id, window_id)
        state, before = state_of(window, now), (window.start_at, window.end_at)
        if state.is_over:
            raise Refused({"": _REFUSALS[state]})
        if state is WindowState.ONGOING:
            if given.start_at != window.start_at:
                raise Refused({"start_at": "It has begun: only its end can change."})
            _extend(session, window, given.end_at, actor, now)
        elif given.start_at <= now:
            raise Refused({"start_at": "Choose a start that is to come, or start it now."})
        else:
            _put(window, given.start_at, given.end_at)
            _by_hand(session, window, actor, "reschedule", now, before=before)
    live.publish()


def cancel(maintenance_id: int, window_id: int, *, actor: Actor) -> None:
    """Call off an occurrence: it counts as if it had never been planned, and stays in the list. Raises NotFound, Refused."""
    now = _second()
    with transaction() as session:
        window = _find(session, maintenance_id, window_id)
        if state_of(window, now).is_over:
            raise Refused({"": _REFUSALS[state_of(window, now)]})
        window.state, window.due_at, window.version = WindowState.CANCELLED, None, window.version + 1
        session.flush()
        audit.note(session, actor, "cancel", f"maintenance-{maintenance_id}", _said(window))
        tell(session, window, NoticeKind.CANCELLED, now=now)
    live.publish()


def delete(maintenance_id: int, window_id: int, *, actor: Actor) -> None:
    """Take an occurrence out of the calendar for good: the series leaves it out from now on. Raises NotFound."""
    now = _second()
    with transaction() as session:
        window = _find(session, maintenance_id, window_id)
        maintenance = window.maintenance
        if not state_of(window, now).is_over:
            tell(session, window, NoticeKind.CANCELLED, now=now)
        left_out = recurrence.instants(maintenance.exdates) | {window.occurrence_at}
        maintenance.exdates = sorted(at.isoformat() for at in left_out)
        maintenance.version += 1
        audit.note(session, actor, "delete-occurrence", f"maintenance-{maintenance_id}", _said(window))
        session.delete(window)
    live.publish()


def end(session: Session, window: MaintenanceWindow, now: datetime) -> None:
    """End a running occurrence, within somebody's transaction."""
    window.end_at = max(now, window.start_at)
    window.state, window.due_at, window.version = WindowState.COMPLETED, None, window.version + 1
    session.flush()
    _tell(session, window, NoticeKind.ENDED, now=now)


def moved(session: Session, window: MaintenanceWindow, now: datetime, *, before: Span, tell: bool) -> None:
    """After the times of an occurrence changed: where it stands now, and what is to be told of it.

    When its start moved, its reminders will be told anew, but not together with the news that it moved.
    """
    if window.start_at != before[0]:
        reminders = MaintenanceNotice.notice_key.like(f"{NoticeKind.REMINDER}-%")
        session.execute(
            delete_from(MaintenanceNotice).where(MaintenanceNotice.window_id == window.id, reminders),
            execution_options={"synchronize_session": False},
        )
    began = window.state is not WindowState.ONGOING and window.start_at <= now
    if not settle(session, window, now, tell=began):
        raise Conflict
    if tell and not began and before != (window.start_at, window.end_at):
        _tell(session, window, f"{NoticeKind.RESCHEDULED}-{window.version}", now=now, before=before)


def state_of(window: MaintenanceWindow, now: datetime) -> WindowState:
    """Where an occurrence stands by the clock: the row may be a tick behind."""
    return turn(_known(window.state), window.start_at, window.end_at, now=now).state


def tell(session: Session, window: MaintenanceWindow, kind: NoticeKind, *, now: datetime) -> None:
    """Tell subscribers what was done to an occurrence by hand."""
    _tell(session, window, f"{kind}-{window.version}", now=now)


_REFUSALS = {
    WindowState.SCHEDULED: "It has not begun.",
    WindowState.READY: "It has not begun.",
    WindowState.ONGOING: "It has begun already.",
    WindowState.COMPLETED: "It is over, and stays as it was.",
    WindowState.CANCELLED: "It is cancelled.",
}


def _find(session: Session, maintenance_id: int, window_id: int) -> MaintenanceWindow:
    """The occurrence with its maintenance, both held until the transaction ends, as they are stored now."""
    session.get(Maintenance, maintenance_id, with_for_update=True, populate_existing=True)
    window = session.get(MaintenanceWindow, window_id, with_for_update=True, populate_existing=True)
    if window is None or window.maintenance_id != maintenance_id:
        raise NotFound
    return window


def _running(session: Session, maintenance_id: int, window_id: int, now: datetime) -> MaintenanceWindow:
    window = _find(session, maintenance_id, window_id)
    state = state_of(window, now)
    if state is not WindowState.ONGOING:
        raise Refused({"": _REFUSALS[state]})
    return window


def _catch_up(session: Session, window: MaintenanceWindow, now: datetime) -> None:
    """The tick may be late: what began is told before what is done to it."""
    if window.state is not WindowState.ONGOING and not settle(session, window, now):
        raise Conflict


def _put(window: MaintenanceWindow, start_at: datetime, end_at: datetime) -> None:
    """Give an occurrence times of its own. What happens once has no other times than these."""
    window.start_at, window.end_at = start_at, end_at
    if window.maintenance.rrule is None:
        window.occurrence_at = start_at
        window.maintenance.start_at = start_at
        window.maintenance.duration_s = int((end_at - start_at).total_seconds())
        window.maintenance.version += 1


def _by_hand(
    session: Session, window: MaintenanceWindow, actor: Actor, act: str, now: datetime, *, before: Span | None = None
) -> None:
    audit.note(session, actor, act, f"maintenance-{window.maintenance_id}", _said(window))
    moved(session, window, now, before=before or (window.start_at, window.end_at), tell=True)


def _said(window: MaintenanceWindow) -> str:
    return f"{window.maintenance.title}, {window.start_at:%Y-%m-%d %H:%M} to {window.end_at:%Y-%m-%d %H:%M} UTC"


def _second() -> datetime:
    return clock.now().replace(microsecond=0)


# What subscribers are told


def _tell(session: Session, window: MaintenanceWindow, key: str, *, now: datetime, before: Span | None = None) -> bool:
    """Tell subscribers, once a key. False when this is switched off, hidden, or told already."""
    maintenance, kind = window.maintenance, kind_of(key)
    if kind not in maintenance.notices or maintenance.is_private or key in _told(session, window):
        return False
    _note(session, window, key)
    text = announcement(
        kind,
        (window.start_at, window.end_at),
        zone_of(maintenance),
        now=now,
        text=maintenance.description,
        before=before,
    )
    _publish(session, window, kind, key, text, now)
    return True


def _publish(session: Session, window: MaintenanceWindow, kind: NoticeKind, key: str, text: str, now: datetime) -> None:
    maintenance = window.maintenance
    notices.publish(
        session,
        notices.Notice(
            # A reminder of an occurrence that was moved is another one.
            key=f"window-{window.id}-{key}-{int(window.start_at.timestamp())}",
            kind=Subject.MAINTENANCE,
            event=kind.upper(),
            title=maintenance.title,
            text=text,
            at=now,
            path=f"maintenances/{maintenance.id}",
            state=window.state.value,
            monitors={link.monitor_id: link.impact for link in maintenance.monitors},
            is_global=maintenance.is_global,
            maintenance_id=maintenance.id,
            window_id=window.id,
            start_at=window.start_at,
            end_at=window.end_at,
        ),
    )


def _note(session: Session, window: MaintenanceWindow, key: str) -> None:
    session.add(MaintenanceNotice(window_id=window.id, notice_key=str(key)))
    session.flush()


def _told(session: Session, window: MaintenanceWindow) -> set[str]:
    query = select(MaintenanceNotice.notice_key).where(MaintenanceNotice.window_id == window.id)
    return set(session.scalars(query))


def _known(state: object) -> WindowState:
    """A word that was damaged from outside is read as the first state: the clock puts it right."""
    return state if isinstance(state, WindowState) else WindowState.SCHEDULED


def _minutes(given: Any) -> list[int]:
    return [one for one in given if isinstance(one, int) and one > 0] if isinstance(given, list) else []
