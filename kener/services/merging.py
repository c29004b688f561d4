"""Merge incidents that are one trouble, and split what is not, by hand (X4).

A merged incident stays as a row for its address: its updates, alerts and affected monitors go on in the other one. What came with it is
remembered where it went: on updates (`merged_from_id`), on alerts (their note), and in its own list of monitors, in which `ended_at` is set
where the other one was affected already. So a split can give everything back.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import again, transaction
from kener.domain import messages
from kener.domain.alerting import AlertStatus, rule_from_facts
from kener.domain.incidents import IncidentState, Source
from kener.domain.inputs import SplitInput
from kener.domain.status import Status
from kener.models import AffectedMonitor, Alert, Incident, IncidentUpdate, Monitor
from kener.services import alerts, audit, incidents, joining, notices
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused


def merge(incident_id: int, into_id: int, *, actor: Actor) -> None:
    """Let the story of one incident go on in another. Raises NotFound, Refused, Conflict.

    1. Updates and alerts move and remember where they came from; affected monitors are added, the worse impact counts.
    2. What was merged into the first one before follows it.
    3. The first one keeps its address, which leads to the other one; it counts as closed.
    4. State and end of the other one are retold (O6). It stays open if it was, or if an alert is active: then an update says so.
    """
    again(partial(_merge, incident_id, into_id, actor))
    live.publish()


def split(incident_id: int, given: SplitInput, *, actor: Actor) -> int:
    """Let monitors, or what was once merged, leave into an incident of their own. Raises NotFound, Refused, Conflict. Returns its id.

    1. With a monitor leave its alerts. When all monitors that came with a merged incident leave, it comes back under its old number.
    2. What nobody had merged becomes a new incident, which begins with the first of its alerts.
    3. State and end of both are retold; one whose alerts are all over is closed.
    """
    home_id = again(partial(_split, incident_id, given, actor))
    live.publish()
    return home_id


def _merge(incident_id: int, into_id: int, actor: Actor) -> None:
    with transaction() as session:
        source, target = _both(session, incident_id, into_id)
        state = target.state if target.is_open else source.state
        was_open = target.is_open
        _move_updates(session, source.id, target.id)
        for alert in _alerts_of(session, source.id):
            alert.incident_id = target.id
            if _origin(alert) is None:
                alert.incident_note = _note(source.id, target.id, actor)
        session.execute(update(Incident).where(Incident.merged_into_id == source.id).values(merged_into_id=target.id))
        _add_affected(source, target)
        source.merged_into_id, source.state, source.status = target.id, IncidentState.RESOLVED, "CLOSED"
        source.end_at = source.end_at or clock.now()
        target.start_at = min(target.start_at, source.start_at)
        source.version, target.version = source.version + 1, target.version + 1
        session.flush()
        session.expire(source, ["updates"])
        session.expire(target, ["updates"])
        target.retell()
        if not target.is_open and (was_open or _is_alerting(session, target.id)):
            text = f"Incident {source.id}, “{messages.escape(source.title)}”, was merged into this one, which goes on."
            notices.post(session, target, _automatic(target, state, text, actor))
        _settle_impacts(session, target)
        audit.note(session, actor, "merge", f"incident-{source.id}", f"into incident {target.id}: {target.title}")
        audit.note(session, actor, "take in", f"incident-{target.id}", f"incident {source.id}: {source.title}")


def _both(session: Session, incident_id: int, into_id: int) -> tuple[Incident, Incident]:
    """Both, locked in the order of their ids, when they may become one."""
    if incident_id == into_id:
        raise Refused({"into_id": "Choose another incident than this one."})
    found = {key: session.get(Incident, key, with_for_update=True) for key in sorted((incident_id, into_id))}
    source, target = found[incident_id], found[into_id]
    if source is None:
        raise NotFound
    incidents.refuse_merged(source)
    if target is None:
        raise Refused({"into_id": f"There is no incident {into_id}."})
    if target.merged_into_id is not None:
        raise Refused({"into_id": f"Incident {into_id} was itself merged into incident {target.merged_into_id}."})
    if source.is_private != target.is_private:
        raise Refused({"into_id": "One of them is for operators only. Make both private, or both public, first."})
    if source.is_drill or target.is_drill:
        raise Refused({"into_id": "One of them is a fire drill, which is nobody’s trouble."})
    return source, target


def _move_updates(session: Session, source_id: int, target_id: int) -> None:
    """They stay as they are, so that feed readers do not take them for new."""
    moved = update(IncidentUpdate).where(IncidentUpdate.incident_id == source_id)
    origin = func.coalesce(IncidentUpdate.merged_from_id, source_id)
    session.execute(
        moved.values(incident_id=target_id, merged_from_id=origin, updated_at=IncidentUpdate.updated_at),
        execution_options={"synchronize_session": False},
    )


def _add_affected(source: Incident, target: Incident) -> None:
    present = {affected.monitor_tag: affected for affected in target.affected}
    for affected in source.affected:
        there = present.get(affected.monitor_tag)
        if there is None:
            target.affected.append(_copy(affected))
        elif affected.impact is Status.DOWN:
            there.impact = Status.DOWN
        affected.ended_at = clock.now() if there else None


def _copy(affected: AffectedMonitor) -> AffectedMonitor:
    return AffectedMonitor(
        monitor_id=affected.monitor_id,
        monitor_tag=affected.monitor_tag,
        monitor_name=affected.monitor_name,
        impact=affected.impact,
        ended_at=affected.ended_at,
    )


_MERGED = re.compile(r"^Incident (\d+) was merged into incident ")


def _note(source_id: int, target_id: int, actor: Actor) -> str:
    when = clock.now().strftime("%Y-%m-%d %H:%M UTC")
    return f"Incident {source_id} was merged into incident {target_id} by {actor.name} at {when}."[:255]


def _origin(alert: Alert) -> int | None:
    """The incident with which an alert was merged."""
    found = _MERGED.match(alert.incident_note or "")
    return int(found[1]) if found else None


def _alerts_of(session: Session, incident_id: int) -> list[Alert]:
    return list(session.scalars(select(Alert).where(Alert.incident_id == incident_id).order_by(Alert.id)))


def _is_alerting(session: Session, incident_id: int) -> bool:
    return any(alert.alert_status is AlertStatus.TRIGGERED for alert in _alerts_of(session, incident_id))


def _automatic(
    incident: Incident, state: IncidentState, text: str, actor: Actor, at: datetime | None = None
) -> IncidentUpdate:
    """An update that follows from the act; it stands last."""
    newest = max((entry.at for entry in incident.updates), default=incident.start_at)
    at = max(newest, at or clock.now())
    return IncidentUpdate(state=state, text=text, at=at, is_automatic=True, author=actor.name)


@dataclass(frozen=True, slots=True)
class _Parting:
    """Who leaves: once merged incidents, monitors, alerts."""

    merged: list[Incident]
    tags: set[str]
    alerts: list[Alert]


def _split(incident_id: int, given: SplitInput, actor: Actor) -> int:
    with transaction() as session:
        incident = session.get(Incident, incident_id, with_for_update=True)
        if incident is None:
            raise NotFound
        incidents.refuse_merged(incident)
        parting = _parting(session, incident, given)
        was_alerting = _is_alerting(session, incident.id)
        home = _come_back(session, incident, parting) if parting.merged else _found(session, incident, parting, actor)
        begun = None if parting.merged else home.updates[0]
        _take_along(incident, home, parting)
        session.flush()
        session.expire(incident, ["updates"])
        session.expire(home, ["updates"])
        _begin_later(session, incident, parting.merged)
        incident.version, home.version = incident.version + 1, home.version + 1
        incident.retell()
        home.retell()
        _hide(session, incident, home)
        if begun is not None:
            notices.tell(session, home, begun)
        _settle(session, home, actor, over_at=incident.end_at)
        if was_alerting and parting.alerts:
            _close_if_over(session, incident)
        _settle_impacts(session, incident, home)
        audit.note(session, actor, "split", f"incident-{incident.id}", f"into incident {home.id}: {home.title}")
        audit.note(session, actor, "split off", f"incident-{home.id}", f"from incident {incident.id}: {incident.title}")
        return home.id


def _parting(session: Session, incident: Incident, given: SplitInput) -> _Parting:
    query = select(Incident).where(Incident.merged_into_id == incident.id).order_by(Incident.id).with_for_update()
    merged = list(session.scalars(query))
    here, chosen = {affected.monitor_tag for affected in incident.affected}, set(given.monitor_tags)
    if unknown := sorted(chosen - here):
        raise Refused({"monitor_tags": f"This incident does not affect {', '.join(unknown)}."})
    if unmerged := sorted(set(given.incident_ids) - {one.id for one in merged}):
        raise Refused({"incident_ids": f"Incident {unmerged[0]} was not merged into this one."})
    brought = {one.id: {a.monitor_tag for a in one.affected if a.ended_at is None} & here for one in merged}
    leaving = [one for one in merged if one.id in given.incident_ids or (brought[one.id] and brought[one.id] <= chosen)]
    if chosen >= here and chosen - set().union(*brought.values()):
        raise Refused({"monitor_tags": "Leave at least one monitor in the incident."})
    gone_ids = {one.id for one in leaving}
    alerts_here = _alerts_of(session, incident.id)
    staying = [a for a in alerts_here if _origin(a) not in gone_ids and a.monitor_tag not in chosen]
    needed = {alert.monitor_tag for alert in staying} | _inherit(merged, leaving)
    tags = chosen | (set().union(*(brought[one.id] for one in leaving)) - needed)
    return _Parting(leaving, tags, [alert for alert in alerts_here if alert not in staying])


def _inherit(merged: Iterable[Incident], leaving: Collection[Incident]) -> set[str]:
    """The monitors of merged incidents that stay. One that a leaving one brought as well is from now on there for theirs."""
    left = {a.monitor_tag for one in leaving for a in one.affected if a.ended_at is None}
    needed = set()
    for one in merged:
        if one not in leaving:
            for affected in one.affected:
                needed.add(affected.monitor_tag)
                if affected.monitor_tag in left:
                    affected.ended_at = None
    return needed


def _come_back(session: Session, incident: Incident, parting: _Parting) -> Incident:
    """The oldest of the merged incidents that leave, with its updates; the others are from now on merged into that one."""
    home, *others = parting.merged
    here = {affected.monitor_tag for affected in incident.affected}
    for affected in list(home.affected):
        if affected.ended_at is None and affected.monitor_tag not in here:
            home.affected.remove(affected)
        affected.ended_at = None
    home.merged_into_id, home.is_private = None, home.is_private or incident.is_private
    for other in others:
        other.merged_into_id = home.id
        home.start_at = min(home.start_at, other.start_at)
    session.flush()
    ids = [one.id for one in parting.merged]
    moved = update(IncidentUpdate).where(
        IncidentUpdate.incident_id == incident.id, IncidentUpdate.merged_from_id.in_(ids)
    )
    origin = func.nullif(IncidentUpdate.merged_from_id, home.id)
    session.execute(
        moved.values(incident_id=home.id, merged_from_id=origin, updated_at=IncidentUpdate.updated_at),
        execution_options={"synchronize_session": False},
    )
    return home


def _found(session: Session, incident: Incident, parting: _Parting, actor: Actor) -> Incident:
    """A new incident, told from its first alert, or in the state of the one that it leaves."""
    first = min(parting.alerts, key=lambda alert: (alert.triggered_at, alert.id), default=None)
    home = Incident(
        title=messages.incident_title(rule_from_facts(first.rule), first.monitor_name) if first else incident.title,
        source=Source.ALERT if first else actor.source,
        start_at=first.triggered_at if first else incident.start_at,
        is_private=incident.is_private,
        created_by=actor.name,
    )
    session.add(home)
    session.flush()
    if first:
        first.incident_id = home.id
        text, state = messages.first_update(alerts.facts(session, first)), IncidentState.INVESTIGATING
    else:
        text = f"Split from incident {incident.id}, “{messages.escape(incident.title)}”."
        state = incident.state if incident.is_open else IncidentState.INVESTIGATING
    home.post(_automatic(home, state, text, actor, at=home.start_at))
    return home


def _take_along(incident: Incident, home: Incident, parting: _Parting) -> None:
    """Alerts and affected monitors."""
    for alert in parting.alerts:
        alert.incident_id = home.id
        if _origin(alert) == home.id:
            alert.incident_note = None
    there = {affected.monitor_tag for affected in home.affected}
    for affected in list(incident.affected):
        if affected.monitor_tag in parting.tags:
            incident.affected.remove(affected)
            if affected.monitor_tag not in there:
                home.affected.append(_copy(affected))


def _begin_later(session: Session, incident: Incident, left: Collection[Incident]) -> None:
    """An incident that began with what has left begins with what stayed."""
    if not left or incident.start_at < min(one.start_at for one in left):
        return
    merged = select(Incident.start_at).where(Incident.merged_into_id == incident.id)
    moments = [
        *(entry.at for entry in incident.updates),
        *(alert.triggered_at for alert in _alerts_of(session, incident.id)),
        *session.scalars(merged),
    ]
    incident.start_at = min(moments, default=incident.start_at)


def _settle(session: Session, home: Incident, actor: Actor, *, over_at: datetime | None) -> None:
    """What ended while it was a part of the other one has ended here as well."""
    if _alerts_of(session, home.id):
        _close_if_over(session, home)
    elif home.is_open and over_at is not None:
        notices.post(session, home, _automatic(home, IncidentState.RESOLVED, "Resolved.", actor, at=over_at))


def _settle_impacts(session: Session, *told: Incident) -> None:
    for incident in told:
        if incident.is_open:
            joining.settle(session, incident)


def _hide(session: Session, *told: Incident) -> None:
    """An automatic incident that affects hidden monitors only is for operators only (L7)."""
    session.flush()
    for incident in told:
        mine = select(Monitor.is_hidden).join(AffectedMonitor, AffectedMonitor.monitor_id == Monitor.id)
        mine = mine.where(AffectedMonitor.incident_id == incident.id).execution_options(deleted=True)
        hidden = session.scalars(mine).all()
        if incident.source is Source.ALERT and hidden and all(hidden):
            incident.is_private = True


def _close_if_over(session: Session, incident: Incident) -> None:
    """Close an automatic incident of which no alert is active any more."""
    ended = _alerts_of(session, incident.id)
    if incident.is_open and ended and not _is_alerting(session, incident.id):
        alerts.close_incident(session, max(ended, key=lambda alert: alert.resolved_at or alert.triggered_at), incident)
