"""Groups and dependencies as operators and forms see them: members, what they count as, what would become of a draft."""

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import display
from kener.domain.groups import InMaintenance, Member, Outcome, Strategy, counts_as, in_words, outlook, status_of
from kener.domain.specs import MonitorType
from kener.domain.specs.group import GroupSpec
from kener.domain.status import Status, from_code
from kener.models import (
    GroupMember,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    MonitorParent,
    MonitorState,
    WindowState,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member as operators see it. `counts_as` is None where it does not count; `note` says why, or as what else."""

    tag: str
    name: str
    status: Status
    weight: float
    latency_ms: int | None
    is_active: bool
    is_hidden: bool
    is_group: bool
    counts_as: Status | None
    note: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A group now: what it is and why, its members, and what becomes of it as they fail."""

    outcome: Outcome
    members: tuple[MemberLine, ...]
    outlook: str
    is_weighted: bool

    @property
    def counted(self) -> int:
        return sum(1 for member in self.members if member.counts_as is not None)


@dataclass(frozen=True, slots=True)
class Kin:
    """A monitor that another one hangs on, or that hangs on it."""

    tag: str
    name: str
    status: Status
    is_active: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Family:
    """The monitors around one: those it depends on, those that depend on it, and the groups that it belongs to."""

    parents: tuple[Kin, ...]
    children: tuple[Kin, ...]
    groups: tuple[Kin, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """A monitor that can be chosen."""

    tag: str
    name: str
    section: str
    status: Status
    is_active: bool
    is_group: bool


def standing(session: Session, group: Monitor) -> Standing | None:
    """A stored group; None where its settings were damaged from outside."""
    settings = group.type_data if isinstance(group.type_data, dict) else {}
    spec = spec_of(json.dumps(settings))
    if spec is None:
        return None
    now = clock.epoch()
    query = _seen(GroupMember.weight).join(GroupMember, GroupMember.member_id == Monitor.id)
    rows = session.execute(query.where(GroupMember.group_id == group.id).order_by(*_ORDER)).all()
    return _standing(session, spec, [(row, row.weight) for row in rows], now)


def draft(session: Session, spec: GroupSpec) -> Standing:
    """What a group with these settings would be now. A member that is no monitor is left out."""
    weights = {named.tag: named.weight for named in spec.monitors}
    rows = session.execute(_seen().where(Monitor.tag.in_(sorted(weights))).order_by(*_ORDER)).all()
    return _standing(session, spec, [(row, weights[row.tag]) for row in rows], clock.epoch())


_ORDER = (Monitor.name, Monitor.id)


def _seen(*columns: Any) -> Any:
    query: Any = select(*SEEN, *columns)
    return query.join(MonitorState, MonitorState.monitor_id == Monitor.id)


def _standing(session: Session, spec: GroupSpec, rows: Sequence[tuple[Any, float]], now: int) -> Standing:
    windows = windows_of(session, [row.id for row, _ in rows], [now])
    found = []
    for row, weight in rows:
        member = as_member(row, weight, at=now, minutes=spec.freshness_minutes, windows=windows[row.id])
        found.append((row, member))
    weights = [member.weight for _, member in found if not member.is_paused]
    return Standing(
        outcome=status_of(spec.rule, [member for _, member in found]),
        members=tuple(_line(spec, row, member) for row, member in found),
        outlook=in_words(outlook(spec.rule, weights)) if weights else "",
        is_weighted=spec.strategy is Strategy.WEIGHTED,
    )


def _line(spec: GroupSpec, row: Any, member: Member) -> MemberLine:
    counted = counts_as(spec.rule, member)
    return MemberLine(
        tag=row.tag,
        name=member.name,
        status=member.status,
        weight=member.weight,
        latency_ms=member.latency_ms,
        is_active=not member.is_paused,
        is_hidden=member.is_hidden,
        is_group=row.monitor_type is MonitorType.GROUP,
        counts_as=counted,
        note=_note(spec, member, counted),
    )


def _note(spec: GroupSpec, member: Member, counted: Status | None) -> str:
    """Why a member does not count, or counts as something else than it is."""
    if member.is_paused:
        return "Paused: it does not count."
    if counted is None and spec.strategy is Strategy.WEIGHTED and not member.weight:
        return "Its weight is 0: it does not count."
    if member.in_maintenance and spec.maintenance is not InMaintenance.OBSERVED:
        return "In maintenance: it does not count." if counted is None else "In maintenance: it counts as UP."
    if counted is None:
        return "Without data: it does not count."
    return "Without data: it counts as DOWN." if member.status is Status.NO_DATA else ""


def options(session: Session, *, without: str = "") -> list[Option]:
    """The monitors that can be chosen, by name: one statement."""
    now = clock.epoch()
    query: Any = select(*SEEN, Monitor.category_name).join(MonitorState, MonitorState.monitor_id == Monitor.id)
    query = query.order_by(func.lower(Monitor.name), Monitor.id)
    return [
        Option(
            row.tag,
            row.name,
            row.category_name,
            as_member(row, 1, at=now, minutes=None).status,
            row.is_active,
            row.monitor_type is MonitorType.GROUP,
        )
        for row in session.execute(query)
        if row.tag != without
    ]


def family(session: Session, monitor_id: int) -> Family:
    """Parents, children and groups of a monitor: three statements."""
    parents = _seen().join(MonitorParent, MonitorParent.parent_id == Monitor.id)
    children = _seen().join(MonitorParent, MonitorParent.monitor_id == Monitor.id)
    groups = _seen().join(GroupMember, GroupMember.group_id == Monitor.id)
    return Family(
        parents=_kin(session, parents.where(MonitorParent.monitor_id == monitor_id)),
        children=_kin(session, children.where(MonitorParent.parent_id == monitor_id)),
        groups=_kin(session, groups.where(GroupMember.member_id == monitor_id)),
    )


def _kin(session: Session, query: Any) -> tuple[Kin, ...]:
    now = clock.epoch()
    return tuple(
        Kin(row.tag, row.name, as_member(row, 1, at=now, minutes=None).status, row.is_active, row.is_hidden)
        for row in session.execute(query.order_by(*_ORDER))
    )


@lru_cache(maxsize=2_000)
def spec_of(settings: str) -> GroupSpec | None:
    """Settings as they stand in the row; None when they were damaged from outside."""
    try:
        return GroupSpec.model_validate(json.loads(settings))
    except (ValidationError, ValueError, TypeError) as error:
        log.error("a group has settings that cannot be used: %s", error)
        return None


def members_of(
    session: Session, specs: Mapping[int, GroupSpec | None], moments: Mapping[int, int]
) -> dict[int, list[Member]]:
    """The members of each group as they are at its moment: one statement, and one more for maintenance where it matters."""
    query = _seen(GroupMember.group_id, GroupMember.weight).join(GroupMember, GroupMember.member_id == Monitor.id)
    query = query.where(GroupMember.group_id.in_(sorted(specs)), Monitor.deleted_at.is_(None)).order_by(*_ORDER)
    rows = session.execute(query).all()
    wanted = {
        row.id
        for row in rows
        if (spec := specs[row.group_id]) is not None and spec.maintenance is not InMaintenance.OBSERVED
    }
    windows = windows_of(session, wanted, moments.values())
    found: dict[int, list[Member]] = {group_id: [] for group_id in specs}
    for row in rows:
        at, spec = moments[row.group_id], specs[row.group_id]
        minutes = spec.freshness_minutes if spec is not None else None
        found[row.group_id].append(as_member(row, row.weight, at=at, minutes=minutes, windows=windows[row.id]))
    return found


SEEN: tuple[Any, ...] = (
    Monitor.id,
    Monitor.tag,
    Monitor.name,
    Monitor.monitor_type,
    Monitor.default_status,
    Monitor.is_active,
    Monitor.is_hidden,
    MonitorState.at,
    MonitorState.status_code,
    MonitorState.span_s,
    MonitorState.latency_ms,
)
"""What a group needs to know of a monitor, for `as_member`."""


def as_member(
    row: Any, weight: float, *, at: int, minutes: int | None, windows: Iterable[tuple[int, int]] = ()
) -> Member:
    """A monitor as its group sees it at a moment: as visitors would, with the group's own limit of freshness if it has one."""
    status = from_code(row.status_code)
    default = row.default_status if row.monitor_type is MonitorType.NONE else Status.NO_DATA
    limit_s = 60 * minutes if minutes is not None else display.fresh_for(row.span_s)
    is_fresh = row.at is not None and at - row.at <= limit_s
    return Member(
        name=row.name,
        status=status if is_fresh else default,
        weight=weight,
        latency_ms=row.latency_ms if is_fresh else None,
        in_maintenance=any(start <= at < end for start, end in windows),
        is_paused=not row.is_active,
        is_hidden=row.is_hidden,
    )


def windows_of(session: Session, ids: Iterable[int], moments: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """Maintenance windows of these monitors that touch these moments, as half-open spans of seconds."""
    wanted = sorted(ids)
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    if not wanted:
        return found
    query = (
        select(MaintenanceMonitor.monitor_id, MaintenanceWindow.start_at, MaintenanceWindow.end_at)
        .join(MaintenanceWindow, MaintenanceWindow.maintenance_id == MaintenanceMonitor.maintenance_id)
        .where(
            MaintenanceMonitor.monitor_id.in_(wanted),
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.start_at <= clock.at(max(moments)),
            MaintenanceWindow.end_at > clock.at(min(moments)),
        )
    )
    for monitor_id, start, end in session.execute(query):
        found[monitor_id].append((int(start.timestamp()), int(end.timestamp())))
    return found
