"""Incidents by hand: open, edit, post, correct, delete. Contract: incident automation, O."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import transaction
from kener.domain.incidents import IncidentState
from kener.domain.inputs import AffectedInput, IncidentInput, PostMortemInput, UpdateInput
from kener.models import AffectedMonitor, Alert, Incident, IncidentUpdate, Monitor
from kener.services import audit, notices, post_mortems
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused

CLOCK_TOLERANCE = timedelta(minutes=1)


def create(given: IncidentInput, *, actor: Actor, first_update: UpdateInput | None = None) -> int:
    """Open an incident, with its first update where one is given. Raises Refused. Returns its id."""
    with transaction() as session:
        incident = Incident(
            title=given.title,
            source=actor.source,
            start_at=_utc(given.start_at),
            is_private=given.is_private,
            created_by=actor.name,
        )
        _refuse_future("start_at", incident.start_at)
        incident.affected = _affected(session, given.monitors)
        session.add(incident)
        entry = None
        if first_update is not None:
            entry = _update(first_update, actor, default_at=incident.start_at)
            incident.post(entry)
        if given.end_at is not None:
            # Of what is over already the end is news enough.
            entry = _end(incident, _utc(given.end_at), actor)
        session.flush()
        if given.notify:
            notices.tell(session, incident, entry)
        audit.note(session, actor, "create", f"incident-{incident.id}", incident.title)
        incident_id = incident.id
    live.publish()
    return incident_id


def update(
    incident_id: int,
    given: IncidentInput,
    *,
    actor: Actor,
    version: int | None = None,
    post_mortem: PostMortemInput | Literal["keep"] | None = "keep",
) -> None:
    """Change title, start, affected monitors, by hand only the end, and in the same step the post-mortem where one is given
    (None removes it). Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        incident = _locked(session, incident_id)
        if version is not None and incident.version != version:
            raise Conflict
        incident.title, incident.is_private = given.title, given.is_private or incident.is_drill
        started_at, incident.start_at = incident.start_at, _utc(given.start_at)
        _refuse_future("start_at", incident.start_at)
        _set_affected(session, incident, given.monitors)
        _set_end(session, incident, given.end_at and _utc(given.end_at), actor, notify=given.notify)
        incident.version += 1
        incident.retell()
        if incident.start_at != started_at and incident.end_at is not None and incident.start_at > incident.end_at:
            raise Refused({"start_at": "The start must lie before the end."})
        audit.note(session, actor, "change", f"incident-{incident_id}", incident.title)
        if post_mortem != "keep":
            post_mortems.put(session, incident, post_mortem, actor)
    live.publish()


def post_update(incident_id: int, given: UpdateInput, *, actor: Actor) -> int:
    """Add an update; state and end follow from all updates in time order (O6). Raises NotFound, Refused, Conflict. Returns its id."""
    with transaction() as session:
        incident = _locked(session, incident_id)
        entry = _update(given, actor, default_at=clock.now())
        notices.post(session, incident, entry, notify=given.notify)
        session.flush()
        audit.note(session, actor, "post update", f"incident-{incident_id}", f"{entry.state}")
        update_id = entry.id
    live.publish()
    return update_id


def edit_update(incident_id: int, update_id: int, given: UpdateInput, *, actor: Actor) -> None:
    """Correct an update; state and end are retold (O6). Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        incident, entry = _entry(session, incident_id, update_id)
        was_open = incident.is_open
        entry.state, entry.text = given.state, given.text
        if given.at is not None:
            entry.at = _utc(given.at)
            _refuse_future("at", entry.at)
        incident.retell()
        if was_open and not incident.is_open and given.notify:
            notices.tell(session, incident, entry, again="end")
        audit.note(session, actor, "edit update", f"incident-{incident_id}", f"update {update_id}")
    live.publish()


def delete_update(incident_id: int, update_id: int, *, actor: Actor) -> None:
    """Delete an update; state and end are retold (O6). Raises NotFound, Conflict."""
    with transaction() as session:
        incident, entry = _entry(session, incident_id, update_id)
        incident.updates.remove(entry)
        incident.retell()
        audit.note(
            session, actor, "delete update", f"incident-{incident_id}", f"update {update_id}: {entry.text[:200]}"
        )
    live.publish()


def delete(incident_id: int, *, actor: Actor) -> None:
    """Delete an incident, with those that were merged into it. Its alerts stay, without an incident, and their log says who deleted it
    (O4). Raises NotFound, Conflict.
    """
    with transaction() as session:
        incident = _locked(session, incident_id)
        for alert in session.scalars(select(Alert).where(Alert.incident_id == incident_id)):
            when = clock.now().strftime("%Y-%m-%d %H:%M UTC")
            alert.incident_id = None
            alert.incident_note = f"Incident {incident_id} was deleted by {actor.name} at {when}."[:255]
        audit.note(session, actor, "delete", f"incident-{incident_id}", incident.title)
        session.flush()
        for merged in session.scalars(select(Incident).where(Incident.merged_into_id == incident_id)):
            session.delete(merged)
        session.flush()
        session.delete(incident)
    live.publish()


def _locked(session: Session, incident_id: int) -> Incident:
    incident = session.get(Incident, incident_id, with_for_update=True)
    if incident is None:
        raise NotFound
    refuse_merged(incident)
    return incident


def refuse_merged(incident: Incident) -> None:
    """Nothing can be done to an incident whose story goes on in another one. Raises Conflict."""
    if incident.merged_into_id is not None:
        raise Conflict(f"Incident {incident.id} was merged into incident {incident.merged_into_id}. Go on there.")


def _entry(session: Session, incident_id: int, update_id: int) -> tuple[Incident, IncidentUpdate]:
    incident = _locked(session, incident_id)
    entry = next((update for update in incident.updates if update.id == update_id), None)
    if entry is None:
        raise NotFound
    return incident, entry


def _update(given: UpdateInput, actor: Actor, *, default_at: datetime) -> IncidentUpdate:
    at = _utc(given.at) if given.at else default_at
    _refuse_future("at", at)
    return IncidentUpdate(state=given.state, text=given.text, at=at, author=actor.name)


def _refuse_future(field: str, moment: datetime) -> None:
    if moment > clock.now() + CLOCK_TOLERANCE:
        raise Refused({field: "This lies in the future. Enter a time up to now."})


def _set_end(session: Session, incident: Incident, end_at: datetime | None, actor: Actor, *, notify: bool) -> None:
    """Move the end of an incident by hand: through its RESOLVED update, so that the story stays true (O5, O6)."""
    if end_at is None or end_at == incident.end_at:
        return
    active = session.scalar(select(Alert.id).where(Alert.incident_id == incident.id, Alert.active_key.is_not(None)))
    if active is not None:
        raise Refused({"end_at": "Its alert is still active: the incident ends when the alert resolves."})
    was_open, closing = incident.is_open, _end(incident, end_at, actor)
    if was_open and notify:
        notices.tell(session, incident, closing)


def _end(incident: Incident, end_at: datetime, actor: Actor) -> IncidentUpdate:
    """Returns the update that says so."""
    _refuse_future("end_at", end_at)
    if end_at <= incident.start_at:
        raise Refused({"end_at": "The end must lie after the start."})
    if any(update.at > end_at and update.state is not IncidentState.RESOLVED for update in incident.updates):
        raise Refused({"end_at": "There are updates after this time. Correct or delete them first."})
    closing = [
        update for update in incident.updates if update.state is IncidentState.RESOLVED and update.at == incident.end_at
    ]
    if closing:
        closing[0].at = end_at
    else:
        closing = [IncidentUpdate(state=IncidentState.RESOLVED, text="Resolved.", at=end_at, author=actor.name)]
        incident.updates += closing
    incident.retell()
    if incident.end_at != end_at:
        raise Refused({"end_at": "An update says that it was resolved before this time. Correct or delete it first."})
    return closing[0]


def _affected(session: Session, given: Sequence[AffectedInput]) -> list[AffectedMonitor]:
    monitors = {
        m.tag: m for m in session.scalars(select(Monitor).where(Monitor.tag.in_([g.monitor_tag for g in given])))
    }
    missing = sorted({g.monitor_tag for g in given} - set(monitors))
    if missing:
        raise Refused({"monitors": f"There is no monitor {', '.join(missing)}."})
    return [
        AffectedMonitor(
            monitor_id=monitors[g.monitor_tag].id,
            monitor_tag=g.monitor_tag,
            monitor_name=monitors[g.monitor_tag].name,
            impact=g.impact,
        )
        for g in given
    ]


def _set_affected(session: Session, incident: Incident, given: Sequence[AffectedInput]) -> None:
    """Make the list equal to what was given; a monitor that is gone meanwhile may stay as it was."""
    present = {affected.monitor_tag: affected for affected in incident.affected}
    wanted = {g.monitor_tag: g for g in given}
    for tag, affected in present.items():
        if tag not in wanted:
            incident.affected.remove(affected)
        else:
            affected.impact = wanted[tag].impact
    incident.affected += _affected(session, [g for tag, g in wanted.items() if tag not in present])


def _utc(moment: datetime) -> datetime:
    """Times without a zone are UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
