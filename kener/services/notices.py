"""What subscribers are told, and who of them: written in the transaction of what it tells. Contract: incident automation, L2, N4.

    notices.post(session, incident, IncidentUpdate(…))     an update of an incident, as `incident.post`, and its notice
    notices.publish(session, Notice(key="window-7-started", kind=NoticeKind.MAINTENANCE, event="STARTED", …))

Both are steps of somebody's transaction. Nothing is to be done after the commit: the messages are handed to the workers by themselves
once it has happened, and by the next sweep where Redis is away. What nobody may see reaches nobody: fire drills, private incidents and
maintenance, the names of hidden monitors, and what hangs on hidden monitors alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, insert, literal, or_, select, true
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from kener import clock, jobs
from kener.db import afterwards
from kener.domain.durations import in_words
from kener.domain.incidents import IncidentState
from kener.domain.status import Status
from kener.domain.subscriptions import NoticeKind, SubscriberState
from kener.models import (
    DeliveryState,
    GroupMember,
    Incident,
    IncidentUpdate,
    Maintenance,
    Monitor,
    NoticeDelivery,
    PageMonitor,
    Subscriber,
    Subscription,
)
from kener.models import Notice as NoticeRow
from kener.queries import subscribers as rows

BATCH = 100
"""So many messages are one job; see `kener.services.broadcasts`."""

_DEPTH = 8
_MOST_TEXT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to say. `key` makes it be said once, whoever says it again.

    `event` is one word in capitals: OPENED, UPDATED, RESOLVED of an incident; CREATED, REMINDER, STARTED, ENDED, RESCHEDULED, CANCELLED of
    maintenance. `text` is Markdown. `monitors` maps ids to what the thing does to each. `is_global`: it concerns every page. `path` is
    where it stands on the site, without a slash before it (`maintenances/7`). `start_at` and `end_at` are shown, in the subscriber's zone.
    """

    key: str
    kind: NoticeKind
    event: str
    title: str
    text: str
    at: datetime
    path: str = ""
    state: str = ""
    monitors: Mapping[int, Status] = field(default_factory=dict)
    is_global: bool = False
    incident_id: int | None = None
    update_id: int | None = None
    maintenance_id: int | None = None
    window_id: int | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None


def post(session: Session, incident: Incident, entry: IncidentUpdate, *, notify: bool = True) -> None:
    """Add an update to an incident and tell its subscribers. The monitors that it affects are to be attached before."""
    incident.post(entry)
    if notify:
        tell(session, incident, entry)


def tell(session: Session, incident: Incident, entry: IncidentUpdate | None, *, again: str = "") -> int | None:
    """Tell subscribers of an update that is posted already; None: of an incident that has no words yet. Returns the notice's id, if any.

    `again` names the reason why an update that was told before is news once more: it became the end of its incident.
    """
    if incident.is_private or incident.is_drill or incident.merged_into_id is not None:
        return None
    session.flush()
    over = entry is not None and entry.state is IncidentState.RESOLVED and incident.end_at is not None
    is_new = session.scalar(select(NoticeRow.id).where(NoticeRow.incident_id == incident.id).limit(1)) is None
    return publish(
        session,
        Notice(
            key=(f"update-{entry.id}" if entry else f"incident-{incident.id}") + (f"-{again}" if again else ""),
            kind=NoticeKind.INCIDENTS,
            event="RESOLVED" if over else "OPENED" if is_new else "UPDATED",
            title=incident.title,
            text=entry.text if entry else "",
            state=(entry.state if entry else incident.state).value,
            at=entry.at if entry else incident.start_at,
            path=f"incidents/{incident.id}",
            monitors={one.monitor_id: one.impact for one in incident.affected if one.monitor_id is not None},
            incident_id=incident.id,
            update_id=entry.id if entry else None,
            start_at=incident.start_at,
            end_at=incident.end_at if over else None,
        ),
    )


def publish(session: Session, notice: Notice) -> int | None:
    """Say one thing to everybody who wants to hear it: one row for it, one for each of them. Returns its id; None: not to be said (again).

    1. What is switched off, private, a drill or about hidden monitors alone is not said.
    2. The key is claimed: whoever comes second says nothing.
    3. One statement writes a row for every active subscriber whose scope and wishes fit.
    4. After the commit, batches of them are handed to the workers.
    """
    if notice.kind not in rows.offer(session).kinds or not _is_public(session, notice):
        return None
    seen = _shown(session, notice.monitors)
    if notice.monitors and not seen and notice.kind is NoticeKind.MAINTENANCE:
        return None
    notice_id = _claim_key(session, notice, seen)
    if notice_id is None:
        return None
    _fan_out(session, notice_id, notice, {one.id: one.impact for one in seen})
    span = select(func.min(NoticeDelivery.id), func.max(NoticeDelivery.id))
    first, last = session.execute(span.where(NoticeDelivery.notice_id == notice_id)).one()
    if first is not None:
        afterwards(session, ("notice", notice_id), partial(jobs.enqueue_broadcasts, _batches(first, last)))
    return notice_id


def _batches(first: int, last: int) -> list[tuple[int, int]]:
    return [(start, min(start + BATCH - 1, last)) for start in range(first, last + 1, BATCH)]


def _is_public(session: Session, notice: Notice) -> bool:
    if notice.incident_id is not None:
        incident = session.get(Incident, notice.incident_id)
        return incident is not None and not incident.is_private and not incident.is_drill
    if notice.maintenance_id is not None:
        maintenance = session.get(Maintenance, notice.maintenance_id)
        return maintenance is not None and not maintenance.is_private
    return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """A monitor that visitors may hear of."""

    id: int
    name: str
    impact: Status


def _shown(session: Session, monitors: Mapping[int, Status]) -> list[_Seen]:
    """Those that are not hidden, by name: one statement."""
    if not monitors:
        return []
    query = select(Monitor.id, Monitor.name).where(
        Monitor.id.in_(monitors), Monitor.is_hidden.is_(False), Monitor.deleted_at.is_(None)
    )
    return [_Seen(key, name, monitors[key]) for key, name in session.execute(query.order_by(Monitor.name, Monitor.id))]


def _claim_key(session: Session, notice: Notice, seen: Iterable[_Seen]) -> int | None:
    """Write the notice, unless its key was taken."""
    lasted = (notice.end_at - notice.start_at).total_seconds() if notice.start_at and notice.end_at else None
    row = {
        "notice_key": notice.key,
        "kind": notice.kind,
        "event": notice.event,
        "incident_id": notice.incident_id,
        "update_id": notice.update_id,
        "maintenance_id": notice.maintenance_id,
        "window_id": notice.window_id,
        "created_at": clock.now(),
        "message": {
            "event": notice.event,
            "kind": notice.kind.value,
            "title": notice.title,
            "text": notice.text[:_MOST_TEXT],
            "state": notice.state,
            "at": notice.at.isoformat(),
            "start_at": notice.start_at.isoformat() if notice.start_at else None,
            "end_at": notice.end_at.isoformat() if notice.end_at else None,
            "lasted": None if lasted is None else in_words(lasted),
            "number": notice.incident_id,
            "path": notice.path,
            "monitors": [[one.name, one.impact.value] for one in seen],
        },
    }
    table: Any = NoticeRow.__table__
    match session.get_bind().dialect.name:
        case "sqlite":
            statement: Any = sqlite.insert(table).on_conflict_do_nothing()
        case "postgresql":
            statement = postgresql.insert(table).on_conflict_do_nothing()
        case _:
            statement = mysql.insert(table).prefix_with("IGNORE")
    written: Any = session.connection().execute(
        statement.values(row).inline(), execution_options={"preserve_rowcount": True}
    )
    if not written.rowcount:
        return None
    return session.scalar(select(NoticeRow.id).where(NoticeRow.notice_key == notice.key))


def _fan_out(session: Session, notice_id: int, notice: Notice, impacts: dict[int, Status]) -> None:
    columns = ("notice_id", "subscriber_id", "state", "attempts", "next_at")
    state, now = NoticeDelivery.state.type, NoticeDelivery.next_at.type
    chosen = select(
        literal(notice_id),
        Subscriber.id,
        literal(DeliveryState.WAITING, state),
        literal(0),
        literal(clock.now(), now),
    ).where(Subscriber.state == SubscriberState.ACTIVE, _wanted(session, notice, impacts))
    table: Any = NoticeDelivery.__table__
    session.connection().execute(insert(table).from_select(columns, chosen.order_by(Subscriber.id)))


def _wanted(session: Session, notice: Notice, impacts: dict[int, Status]) -> ColumnElement[bool]:
    """Whose scope and wishes fit.

    Of an incident: those who follow it, and of those who want to hear of incidents at all whoever was told of it before, and whom it hits
    hard enough. One that affects no monitor counts as DEGRADED, as on its page.
    """
    if notice.kind is NoticeKind.MAINTENANCE:
        in_scope = [Subscriber.everything.is_(True), _watches(session, impacts)]
        if notice.is_global:
            in_scope.append(_has(Subscription.page_id.is_not(None)))
        return and_(Subscriber.maintenance.is_(True), or_(*in_scope))
    down = {key: impact for key, impact in impacts.items() if impact is Status.DOWN}
    hears_all = Subscriber.least_impact == Status.DEGRADED
    fits = or_(
        and_(Subscriber.everything.is_(True), true() if down else hears_all),
        and_(hears_all, _watches(session, impacts)),
        _watches(session, down),
        _was_told(notice.incident_id),
    )
    return or_(and_(Subscriber.incidents.is_(True), fits), _follows(notice.incident_id))


def _has(which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Subscription.subscriber_id == Subscriber.id, which)


def _watches(session: Session, monitor_ids: Iterable[int]) -> ColumnElement[bool]:
    """One of these monitors, a group that one of them belongs to at this moment, or a page that shows one of these."""
    ids = _with_groups(session, monitor_ids)
    if not ids:
        return false()
    pages = select(PageMonitor.page_id).where(PageMonitor.monitor_id.in_(ids))
    return _has(or_(Subscription.monitor_id.in_(ids), Subscription.page_id.in_(pages)))


def _with_groups(session: Session, monitor_ids: Iterable[int]) -> set[int]:
    found = set(monitor_ids)
    fresh = set(found)
    for _ in range(_DEPTH):
        if not fresh:
            break
        query = (
            select(GroupMember.group_id)
            .join(Monitor, Monitor.id == GroupMember.group_id)
            .where(GroupMember.member_id.in_(fresh), Monitor.is_hidden.is_(False), Monitor.deleted_at.is_(None))
        )
        fresh = set(session.scalars(query)) - found
        found |= fresh
    return found


def _follows(incident_id: int | None) -> ColumnElement[bool]:
    """This incident, or one that was merged into it."""
    merged = select(Incident.id).where(Incident.merged_into_id == incident_id)
    return _has(or_(Subscription.incident_id == incident_id, Subscription.incident_id.in_(merged)))


def _was_told(incident_id: int | None) -> ColumnElement[bool]:
    """Who heard of the beginning hears of the end, whatever became of monitors and impacts meanwhile."""
    earlier, told = aliased(NoticeRow), aliased(NoticeDelivery)
    merged = select(Incident.id).where(Incident.merged_into_id == incident_id)
    about = or_(earlier.incident_id == incident_id, earlier.incident_id.in_(merged))
    return exists().where(earlier.id == told.notice_id, told.subscriber_id == Subscriber.id, about)
