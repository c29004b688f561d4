"""Groups: who belongs to them, and what they are now. Steps of somebody's transaction; nothing here commits.

A group has its own slots like any monitor, so that its history has no gaps, and one more sample whenever a member's change changes it.
Writers lock the states of plain monitors first and of groups after them, each in order of id, so that none wait for each other.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, delete, insert, select
from sqlalchemy.orm import Session

from kener.domain.groups import Outcome, cycle, status_of
from kener.domain.schedule import Schedule
from kener.domain.specs import MonitorType
from kener.domain.specs.group import GroupSpec
from kener.domain.status import Status
from kener.models import (
    GroupMember,
    Monitor,
)
from kener.queries.groups import members_of, spec_of
from kener.services.errors import Refused

log = logging.getLogger(__name__)

Edges = Mapping[int, Collection[int]]
"""The members of each group that were reached, by the ids of the groups."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a group is at a moment (seconds since 1970), and how long a sample that says so may stand for."""

    group_id: int
    at: int
    span_s: int
    outcome: Outcome


def above(session: Session, monitor_ids: Iterable[int]) -> Edges:
    """The groups that hold one of these monitors, directly or within another group: one statement. Paused ones hold nothing."""
    ids = sorted(monitor_ids)
    if not ids:
        return {}
    direct: Any = (
        select(GroupMember.group_id, GroupMember.member_id)
        .join(Monitor, Monitor.id == GroupMember.group_id)
        .where(GroupMember.member_id.in_(ids), Monitor.is_active.is_(True), Monitor.deleted_at.is_(None))
    )
    reached = direct.cte("reached", recursive=True)
    further: Any = (
        select(GroupMember.group_id, GroupMember.member_id)
        .join(reached, reached.c.group_id == GroupMember.member_id)
        .join(Monitor, Monitor.id == GroupMember.group_id)
        .where(Monitor.is_active.is_(True), Monitor.deleted_at.is_(None))
    )
    reached = reached.union(further)
    edges: dict[int, set[int]] = defaultdict(set)
    for group_id, member_id in session.execute(select(reached.c.group_id, reached.c.member_id)):
        edges[group_id].add(member_id)
    return edges


def levels(group_ids: Collection[int], edges: Edges) -> list[list[int]]:
    """Groups in an order in which each comes after the groups that it holds. Those of a cycle, which nobody can save, come last."""
    left, found = set(group_ids), []
    while left:
        ready = [group_id for group_id in left if not left & (set(edges.get(group_id, ())) - {group_id})] or list(left)
        found.append(sorted(ready))
        left -= set(ready)
    return found


def look(session: Session, moments: Mapping[int, int]) -> list[Look]:
    """What these groups are, each at its moment: three statements. Members that are groups themselves must be up to date."""
    ids = sorted(moments)
    query = select(
        Monitor.id,
        Monitor.tag,
        cast(Monitor.type_data, Text).label("settings"),
        Monitor.interval_seconds,
        Monitor.cron,
    ).where(Monitor.id.in_(ids), Monitor.is_active.is_(True), Monitor.deleted_at.is_(None))
    groups = session.execute(query.where(Monitor.monitor_type == MonitorType.GROUP)).all()
    specs = {group.id: spec_of(group.settings) for group in groups}
    members = members_of(session, specs, moments)
    found = []
    for group in groups:
        spec, at = specs[group.id], moments[group.id]
        outcome = (
            status_of(spec.rule, members[group.id])
            if spec is not None
            else Outcome(Status.NO_DATA, "The settings of this group cannot be used. Save it again.")
        )
        span_s, _ = Schedule(interval_s=group.interval_seconds, cron=group.cron).usable_span_after(at)
        found.append(Look(group.id, at, span_s, outcome))
    return found


def set_members(session: Session, group: Monitor) -> None:
    """Make the members those that the group's settings name; a monitor that is no group has none. Raises Refused."""
    if group.monitor_type is not MonitorType.GROUP:
        session.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
        return
    spec = GroupSpec.model_validate(group.type_data)
    if flaws := spec.flaws():
        raise Refused({f"type_data.{name}": text for name, text in flaws.items()})
    known = one_at_a_time(session, group, [named.tag for named in spec.monitors])
    if missing := [named.tag for named in spec.monitors if named.tag not in known]:
        raise Refused({"type_data.monitors": f"There is no monitor {', '.join(missing)}."})
    rows = [{"group_id": group.id, "member_id": known[named.tag], "weight": named.weight} for named in spec.monitors]
    session.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
    session.execute(insert(GroupMember), rows)
    edges = session.execute(select(GroupMember.group_id, GroupMember.member_id))
    if way := way_back(session, group, edges):
        raise Refused({"type_data.monitors": f"A group cannot be part of itself: {way}."})


def one_at_a_time(session: Session, monitor: Monitor, tags: Sequence[str]) -> dict[str, int]:
    """The ids of the monitors that one wants to hang on, locked with it, so that two that name each other are saved one after the other."""
    found = session.execute(
        select(Monitor.tag, Monitor.id, Monitor.deleted_at)
        .where(Monitor.tag.in_([*tags, monitor.tag]))
        .order_by(Monitor.id)
        .with_for_update(key_share=True)
    )
    return {tag: monitor_id for tag, monitor_id, deleted_at in found if deleted_at is None}


def way_back(session: Session, monitor: Monitor, edges: Iterable[tuple[int, int]]) -> str | None:
    """A way from a monitor back to itself, in names."""
    leads_to: dict[str, list[str]] = defaultdict(list)
    for one, other in edges:
        leads_to[str(one)].append(str(other))
    way = cycle(str(monitor.id), leads_to)
    if way is None:
        return None
    named = select(Monitor.id, Monitor.name).where(Monitor.id.in_([int(one) for one in way]))
    names = {str(monitor_id): name for monitor_id, name in session.execute(named)}
    return " → ".join(names[one] for one in way)


def leave(session: Session, monitor: Monitor) -> None:
    """Take a monitor out of the settings of the groups that hold it; the weights of the others stay."""
    query = select(Monitor).join(GroupMember, GroupMember.group_id == Monitor.id)
    for group in session.scalars(query.where(GroupMember.member_id == monitor.id)):
        members = _named(group)
        kept = [named for named in members if named.get("tag") != monitor.tag]
        if len(kept) != len(members):
            _put(group, kept)


def rejoin(session: Session, monitor: Monitor) -> None:
    """Put a monitor that was deleted and is back into the settings of the groups that held it."""
    query = select(Monitor, GroupMember.weight).join(GroupMember, GroupMember.group_id == Monitor.id)
    for group, weight in session.execute(query.where(GroupMember.member_id == monitor.id)):
        members = _named(group)
        if all(named.get("tag") != monitor.tag for named in members):
            _put(group, [*members, {"tag": monitor.tag, "weight": weight}])


def _named(group: Monitor) -> list[dict[str, Any]]:
    """The members in a group's settings, as far as they can be read."""
    stored = group.type_data.get("monitors") if isinstance(group.type_data, dict) else None
    return [named for named in stored if isinstance(named, dict)] if isinstance(stored, list) else []


def _put(group: Monitor, members: list[dict[str, Any]]) -> None:
    settings = group.type_data if isinstance(group.type_data, dict) else {}
    group.type_data, group.version = {**settings, "monitors": members}, group.version + 1
