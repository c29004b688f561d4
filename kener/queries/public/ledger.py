"""The ledger: every monitor with what is shown for it now, and its days."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import display
from kener.domain.counting import Day, Newest, uptime_of
from kener.domain.layers import Level, Overlay, shown
from kener.domain.specs import MonitorType
from kener.domain.status import Status
from kener.models import GroupMember, Monitor, MonitorState, PageMonitor
from kener.queries.days import days_of
from kener.queries.overlays import overlays
from kener.queries.site import Site

DAYS = 90
PHONE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Included:
    """A member of a group, with what is shown for it."""

    tag: str
    name: str
    status: Status


@dataclass(frozen=True, slots=True)
class MonitorRow:
    """A line of the ledger. `status` is what is shown, `since` when it began where that is known. `members` of a group are those that may
    be seen.
    """

    id: int
    tag: str
    name: str
    section: str
    description: str | None
    external_url: str | None
    is_hidden: bool
    status: Status
    latency_ms: int | None
    since: datetime | None
    until: datetime | None
    checked_at: datetime | None
    error: str | None
    days: tuple[Day, ...]
    members: tuple[Included, ...] = ()

    @property
    def uptime(self) -> float | None:
        return uptime_of(self.days)

    @property
    def has_exclusions(self) -> bool:
        return any(day.excluded_s for day in self.days)

    @property
    def uptime_30(self) -> float | None:
        return uptime_of(self.days[-PHONE_DAYS:])


def monitors(
    session: Session,
    here: Site,
    *,
    staff: bool = False,
    tag: str | None = None,
    page_id: int | None = None,
    days: int = DAYS,
) -> list[MonitorRow]:
    """The monitors with what is shown for them and their days: five statements, and a few more where overlays cut trouble in two."""
    now = clock.now()
    query = select(Monitor, MonitorState).join(MonitorState).where(Monitor.is_active.is_(True))
    if page_id is not None:
        query = query.join(PageMonitor, PageMonitor.monitor_id == Monitor.id).where(PageMonitor.page_id == page_id)
        query = query.order_by(PageMonitor.position)
    query = query.order_by(Monitor.position, Monitor.id)
    if not staff:
        query = query.where(Monitor.is_hidden.is_(False))
    if tag is not None:
        query = query.where(Monitor.tag == tag)
    found = [(monitor, state) for monitor, state in session.execute(query)]
    epoch, today = int(now.timestamp()), now.astimezone(here.tz).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    newest = {
        monitor.id: None if state.at is None else Newest(state.at, state.status, state.span_s)
        for monitor, state in found
    }
    links = _links(session, [monitor.id for monitor, _ in found if monitor.monitor_type is MonitorType.GROUP], staff)
    concerned = dict.fromkeys([*newest, *(monitor.id for _, monitor, _ in links)])
    over = overlays(session, list(concerned), since=epoch - (days + 1) * 86_400, until=epoch)
    counted = days_of(session, newest, over, zone=here.tz, dates=dates, now=epoch)
    included: dict[int, list[Included]] = defaultdict(list)
    for group_id, monitor, state in links:
        status = shown(_seen(monitor, state, epoch), over.get(monitor.id, ()), at=epoch)
        included[group_id].append(Included(monitor.tag, monitor.name, status))
    return [
        _monitor(
            monitor, state, over.get(monitor.id, ()), counted[monitor.id], epoch, tuple(included.get(monitor.id, ()))
        )
        for monitor, state in found
    ]


def _links(session: Session, group_ids: Sequence[int], staff: bool) -> list[tuple[int, Monitor, MonitorState]]:
    """The members of these groups that may be seen, in the order of the page: one statement, and none without groups."""
    if not group_ids:
        return []
    query = (
        select(GroupMember.group_id, Monitor, MonitorState)
        .join(Monitor, Monitor.id == GroupMember.member_id)
        .join(MonitorState, MonitorState.monitor_id == Monitor.id)
        .where(GroupMember.group_id.in_(group_ids), Monitor.is_active.is_(True))
        .order_by(Monitor.position, Monitor.id)
    )
    if not staff:
        query = query.where(Monitor.is_hidden.is_(False))
    return [(group_id, monitor, state) for group_id, monitor, state in session.execute(query)]


def _seen(monitor: Monitor, state: MonitorState, now: int) -> Status:
    default = monitor.default_status if monitor.monitor_type is MonitorType.NONE else Status.NO_DATA
    return display.observed(state.status, at=state.at, span_s=state.span_s, now=now, default=default)


def _monitor(
    monitor: Monitor,
    state: MonitorState,
    over: Sequence[Overlay],
    days: tuple[Day, ...],
    now: int,
    members: tuple[Included, ...],
) -> MonitorRow:
    seen = _seen(monitor, state, now)
    status = shown(seen, over, at=now)
    if status is Status.NO_DATA and members and all(one.status is Status.MAINTENANCE for one in members):
        status = Status.MAINTENANCE  # All that could speak for the group is being worked on, and that was planned.
    windows = [one.end for one in over if one.level is Level.MAINTENANCE and one.start <= now < one.end]
    as_seen = status is seen is state.status and state.since is not None
    return MonitorRow(
        id=monitor.id,
        tag=monitor.tag,
        name=monitor.name,
        section=monitor.category_name,
        description=monitor.description,
        external_url=monitor.external_url,
        is_hidden=monitor.is_hidden,
        status=status,
        latency_ms=state.latency_ms if seen is state.status else None,
        since=clock.at(state.since or 0) if as_seen else None,
        until=clock.at(max(windows)) if windows else None,
        checked_at=clock.at(state.at) if state.at is not None else None,
        error=state.error,
        days=days,
        members=members,
    )
