"""Who did what, when."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.orm import Session

from kener.domain.incidents import Source
from kener.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a person (by e-mail address), an API key (by name) or the product itself."""

    name: str
    source: Source = Source.DASHBOARD


SYSTEM = Actor("Kener", Source.ALERT)


def note(session: Session, actor: Actor, action: str, about: str, detail: str = "") -> None:
    """Add a line to the audit trail, in the transaction of the act."""
    session.add(AuditEntry(actor=actor.name, action=action, about=about, detail=detail[:500]))


def note_all(session: Session, actor: Actor, action: str, things: Iterable[tuple[str, str]]) -> None:
    """The same act on many things, `(about, detail)` each, in one statement."""
    rows = [{"actor": actor.name, "action": action, "about": about, "detail": detail[:500]} for about, detail in things]
    if rows:
        session.connection().execute(insert(AuditEntry), rows)
