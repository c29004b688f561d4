"""Dependencies: which monitors hang on which, and what is said of a child whose alert is held. Steps of somebody's transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import display, messages
from kener.domain.alerting import Parent, unseen_since
from kener.domain.incidents import IncidentState
from kener.domain.status import Status
from kener.models import Alert, Incident, IncidentUpdate, Monitor, MonitorParent, MonitorState, Sample
from kener.services import groups
from kener.services.errors import Refused


def set_parents(session: Session, monitor: Monitor, tags: Sequence[str]) -> None:
    """Make the parents of a monitor those that are named. Raises Refused."""
    stored = select(Monitor.tag).join(MonitorParent, MonitorParent.parent_id == Monitor.id)
    if set(tags) == set(session.scalars(stored.where(MonitorParent.monitor_id == monitor.id))):
        return
    known = groups.one_at_a_time(session, monitor, tags)
    if missing := [tag for tag in tags if tag not in known]:
        raise Refused({"parent_tags": f"There is no monitor {', '.join(missing)}."})
    session.execute(delete(MonitorParent).where(MonitorParent.monitor_id == monitor.id))
    if tags:
        session.execute(insert(MonitorParent), [{"monitor_id": monitor.id, "parent_id": known[tag]} for tag in tags])
    edges = session.execute(select(MonitorParent.monitor_id, MonitorParent.parent_id))
    if way := groups.way_back(session, monitor, edges):
        raise Refused({"parent_tags": f"A monitor cannot depend on itself: {way}."})


def parents(session: Session, monitor_id: int, *, at: int) -> tuple[Parent, ...]:
    """The parents of a monitor as they are known at one of its checks; paused ones hold nothing. One statement, two where there are any."""
    query: Any = (
        select(
            Monitor.tag,
            Monitor.name,
            MonitorState.at,
            MonitorState.span_s,
            MonitorState.status_code,
            MonitorState.raw_code,
        )
        .join(MonitorParent, MonitorParent.parent_id == Monitor.id)
        .join(MonitorState, MonitorState.monitor_id == Monitor.id)
        .where(MonitorParent.monitor_id == monitor_id, Monitor.is_active.is_(True), Monitor.deleted_at.is_(None))
        .order_by(Monitor.name, Monitor.id)
    )
    rows = session.execute(query).all()
    if not rows:
        return ()
    since = [unseen_since(row.at, row.span_s, at) for row in rows]
    checks = select(Sample.at).where(Sample.monitor_id == monitor_id, Sample.at > min(since), Sample.at <= at)
    moments = session.scalars(checks).all() if min(since) < at else []
    return tuple(
        Parent(row.tag, row.name, _is_down(row, at), sum(1 for moment in moments if moment > begin))
        for row, begin in zip(rows, since, strict=True)
    )


def _is_down(row: Any, at: int) -> bool:
    """Whether the newest look says so, believed or not; one that is too old says nothing."""
    is_fresh = row.at is not None and at - row.at <= display.fresh_for(row.span_s)
    return is_fresh and Status.DOWN.code in (row.status_code, row.raw_code)


def tell(session: Session, parent: Parent, monitor_id: int, *, at: int, previous_at: int | None, begins: bool) -> bool:
    """Name a held child on its parent's open incident: in one update that is edited as children join. Returns whether there was something
    to say.

    Said when the hold `begins`, or when the incident opened after the child's check before (`previous_at`), so that an update that an
    operator deleted does not come back.
    """
    query = (
        select(Incident.id, Incident.start_at)
        .join(Alert, Alert.incident_id == Incident.id)
        .join(Monitor, Monitor.id == Alert.monitor_id)
        .where(Monitor.tag == parent.tag, Alert.active_key.is_not(None), Incident.state != IncidentState.RESOLVED)
        .order_by(Incident.id)
    )
    found = session.execute(query.limit(1)).one_or_none()
    if found is None or not (begins or previous_at is None or found[1] >= clock.at(previous_at)):
        return False
    incident = session.get_one(Incident, found[0], with_for_update=True)
    child = session.get_one(Monitor, monitor_id)
    entry = next((update for update in incident.updates if update.also_affected is not None), None)
    named = list(entry.also_affected or ()) if entry is not None else []
    if monitor_id in named or (child.is_hidden and not incident.is_private):
        return False
    named.append(monitor_id)
    names = dict(session.execute(select(Monitor.id, Monitor.name).where(Monitor.id.in_(named))).all())
    text = messages.also_affected([names[one] for one in named if one in names])
    if entry is not None:
        entry.text, entry.also_affected = text, named
        return True
    newest = max((update.at for update in incident.updates), default=clock.at(at))
    moment = max(clock.at(at), newest)
    incident.post(IncidentUpdate(state=incident.state, text=text, at=moment, is_automatic=True, also_affected=named))
    return True
