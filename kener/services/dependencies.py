"""Dependencies: which monitors hang on which, and what is said of a child whose alert is held. Steps of somebody's transaction."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from kener.models import Monitor, MonitorParent
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
