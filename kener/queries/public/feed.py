"""The feed: updates and post-mortems of public incidents, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from kener.models import AuditEntry, Incident, IncidentUpdate
from kener.queries.public.incidents import post_mortems


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed: an update of an incident, or its post-mortem. `key` never changes, and is the place on the page as well."""

    key: str
    incident_id: int
    title: str
    kind: str
    text: str
    at: datetime
    changed_at: datetime


def feed(session: Session, *, limit: int = 50) -> list[Entry]:
    """The newest updates and post-mortems of public incidents."""
    updates = (
        select(IncidentUpdate, Incident.title)
        .join(Incident)
        .where(Incident.is_private.is_(False))
        .order_by(IncidentUpdate.at.desc(), IncidentUpdate.id.desc())
        .limit(limit)
    )
    target = aliased(Incident)
    learned = (
        select(Incident)
        .outerjoin(target, target.id == Incident.merged_into_id)
        .where(func.coalesce(target.is_private, Incident.is_private).is_(False), Incident.post_mortem_at.is_not(None))
        .order_by(Incident.post_mortem_at.desc(), Incident.id.desc())
        .limit(limit)
    )
    entries = [
        Entry(
            f"update-{update.id}",
            update.incident_id,
            title,
            update.state.value,
            update.text,
            update.at,
            max(update.updated_at, update.at),
        )
        for update, title in session.execute(updates)
    ]
    entries += [
        Entry(
            f"post-mortem-{row.incident_id}",
            one.merged_into_id or one.id,
            one.title,
            "POST-MORTEM",
            row.text,
            row.at,
            one.updated_at,
        )
        for one in session.scalars(learned)
        for row in post_mortems([one])
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def feed_changed_at(session: Session, entries: Sequence[Entry]) -> datetime | None:
    """When the feed changed last: with an update, or when someone changed or deleted something that it shows."""
    noted = select(func.max(AuditEntry.at)).where(or_(AuditEntry.about.like("incident-%"), AuditEntry.about == "site"))
    moments = [session.scalar(noted), *(entry.changed_at for entry in entries)]
    return max((moment for moment in moments if moment), default=None)
