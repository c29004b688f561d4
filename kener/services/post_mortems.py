"""Post-mortems: what was learned from an incident, a part of its own beside the timeline, so that it never moves the end (R5)."""

from sqlalchemy.orm import Session

from kener import clock, live
from kener.db import transaction
from kener.domain.inputs import PostMortemInput
from kener.models import Incident
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused


def write(incident_id: int, given: PostMortemInput, *, actor: Actor, version: int | None = None) -> None:
    """Write or change the post-mortem of a resolved incident. Raises NotFound, Refused, Conflict."""
    _change(incident_id, given, actor=actor, version=version)


def remove(incident_id: int, *, actor: Actor) -> None:
    """Remove the post-mortem. Raises NotFound."""
    _change(incident_id, None, actor=actor)


def _change(incident_id: int, given: PostMortemInput | None, *, actor: Actor, version: int | None = None) -> None:
    with transaction() as session:
        incident = session.get(Incident, incident_id, with_for_update=True)
        if incident is None:
            raise NotFound
        if incident.merged_into_id is not None:
            raise Conflict(f"Incident {incident_id} was merged into incident {incident.merged_into_id}. Go on there.")
        if version is not None and incident.version != version:
            raise Conflict
        put(session, incident, given, actor)
        incident.version += 1
    live.publish()


def put(session: Session, incident: Incident, given: PostMortemInput | None, actor: Actor) -> None:
    """Make the post-mortem what was given; None is none. A step of somebody's transaction. Raises Refused.

    Author and time are those of the first writing, so that the entry of the feeds stays in its place; edits stand in the audit trail.
    """
    before, text = incident.post_mortem, given.text if given else None
    if text == before:
        return
    if text is not None and incident.is_open:
        raise Refused({"post_mortem": "The incident is not resolved yet. Resolve it first, then say what was learned."})
    incident.post_mortem = text
    if text is None or before is None:
        incident.post_mortem_at, incident.post_mortem_by = (clock.now(), actor.name) if text else (None, None)
    action = "remove post-mortem" if text is None else "edit post-mortem" if before else "write post-mortem"
    audit.note(session, actor, action, f"incident-{incident.id}", (before or incident.title)[:200])
