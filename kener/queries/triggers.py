"""Triggers and deliveries as operators see them. Secrets are never read here."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from kener.models import Alert, Delivery, DeliveryAttempt, DeliveryState, Trigger, configuration_trigger
from kener.queries.paging import Part, part


@dataclass(frozen=True, slots=True)
class TriggerLine:
    """A channel. `target` says where it sends; `delivered_at` and `last` tell of its newest delivery."""

    id: int
    name: str
    trigger_type: str
    description: str | None
    is_active: bool
    target: str
    configurations: int
    last: DeliveryState | None
    last_at: datetime | None
    last_answer: str | None
    public: dict[str, Any]
    secret_set_at: datetime | None
    version: int
    switched_off_at: datetime | None
    switched_off_because: str | None


def triggers(session: Session) -> list[TriggerLine]:
    """All channels by name: three statements."""
    return _lines(session, list(session.scalars(select(Trigger).order_by(func.lower(Trigger.name)))))


def trigger(session: Session, trigger_id: int) -> TriggerLine | None:
    """One channel, or None."""
    found = session.get(Trigger, trigger_id, populate_existing=True)
    return _lines(session, [found])[0] if found else None


def _lines(session: Session, found: list[Trigger]) -> list[TriggerLine]:
    ids = [one.id for one in found]
    link = configuration_trigger.c
    used = select(link.trigger_id, func.count()).where(link.trigger_id.in_(ids)).group_by(link.trigger_id)
    users = {row[0]: row[1] for row in session.execute(used)}
    newest = select(func.max(Delivery.id)).where(Delivery.trigger_id.in_(ids)).group_by(Delivery.trigger_id)
    last = {d.trigger_id: d for d in session.scalars(select(Delivery).where(Delivery.id.in_(newest)))}
    return [_line(one, users.get(one.id, 0), last.get(one.id)) for one in found]


def _line(found: Trigger, users: int, last: Delivery | None) -> TriggerLine:
    public = found.public if isinstance(found.public, dict) else {}
    places = (public.get(name) for name in ("url", "chat_id", "server"))
    target = ", ".join(map(str, public.get("to", []))) or str(next(filter(None, places), ""))
    return TriggerLine(
        id=found.id,
        name=found.name,
        trigger_type=found.trigger_type,
        description=found.description,
        is_active=found.is_active,
        target=target,
        configurations=users,
        last=last.state if last else None,
        last_at=(last.sent_at or last.created_at) if last else None,
        last_answer=last.answer if last else None,
        public=public,
        secret_set_at=found.secret_set_at,
        version=found.version,
        switched_off_at=found.switched_off_at,
        switched_off_because=found.switched_off_because,
    )


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A channel that failed until it was switched off."""

    id: int
    name: str
    at: datetime
    because: str


def switched_off(session: Session) -> tuple[SwitchedOff, ...]:
    """The channels that failed until they were switched off, the newest first."""
    query = select(Trigger.id, Trigger.name, Trigger.switched_off_at, Trigger.switched_off_because).where(
        Trigger.is_active.is_(False), Trigger.switched_off_at.is_not(None)
    )
    found = session.execute(query.order_by(Trigger.switched_off_at.desc(), Trigger.id).limit(20))
    return tuple(SwitchedOff(row[0], row[1], at, row[3] or "") for row in found if (at := row[2]) is not None)


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One message to one channel."""

    id: int
    uid: str
    event: str
    about: str
    trigger_name: str
    trigger_id: int | None
    alert_id: int | None
    config_id: int | None
    incident_id: int | None
    state: DeliveryState
    attempts: int
    answer: str | None
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None


PENDING = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.RETRYING)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: written from `start` on and before `end`; `sought` is a number or the id that the receiver saw.

    `state`: a state, or PENDING for all that have not arrived and may still.
    """

    state: str = ""
    trigger_id: int | None = None
    event: str = ""
    start: datetime | None = None
    end: datetime | None = None
    sought: str = ""

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """For a `where`."""
        found: list[ColumnElement[bool]] = []
        if self.state:
            found.append(Delivery.state.in_(PENDING if self.state == "PENDING" else (DeliveryState(self.state),)))
        if self.trigger_id is not None:
            found.append(Delivery.trigger_id == self.trigger_id)
        if self.event:
            found.append(Delivery.event == self.event)
        if self.start is not None:
            found.append(Delivery.created_at >= self.start)
        if self.end is not None:
            found.append(Delivery.created_at < self.end)
        if self.sought:
            is_number = self.sought.isascii() and self.sought.isdigit() and len(self.sought) < 10
            found.append(Delivery.id == int(self.sought) if is_number else Delivery.uid == self.sought.lower())
        return found


def deliveries(session: Session, wanted: Wanted, *, page: int = 1) -> Part[DeliveryLine]:
    """The outbox, newest first."""
    query = select(Delivery, Alert.config_id).outerjoin(Alert, Alert.id == Delivery.alert_id)
    query = query.where(*wanted.conditions).order_by(Delivery.id.desc())
    return part(session, query, page=page, row=_delivery, whole=True)


def number_of(session: Session, condition: ColumnElement[bool]) -> int:
    """How many deliveries meet a condition."""
    return session.scalar(select(func.count()).select_from(Delivery).where(condition)) or 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the deliveries of a filter are."""

    arrived: int
    failed: int
    pending: int


def progress(session: Session, wanted: Wanted) -> Progress:
    """How many have arrived, failed for good, or are on their way."""
    query = select(Delivery.state, func.count()).where(*wanted.conditions).group_by(Delivery.state)
    found = {row[0]: row[1] for row in session.execute(query)}
    pending = sum(found.get(state, 0) for state in PENDING)
    return Progress(found.get(DeliveryState.SENT, 0), found.get(DeliveryState.FAILED, 0), pending)


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try: when it began, how long it took, what came back."""

    at: datetime
    duration_ms: int
    has_arrived: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Told:
    """One message in full: its words, what templates are filled with, and each try at it."""

    line: DeliveryLine
    text: str
    variables: str
    attempts: tuple[AttemptLine, ...]


def told(session: Session, delivery_id: int) -> Told | None:
    """One message in full, or None."""
    line, kept = delivery(session, delivery_id), session.get(Delivery, delivery_id)
    if line is None or kept is None:
        return None
    tried = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery_id).order_by(DeliveryAttempt.id)
    attempts = tuple(
        AttemptLine(one.at, one.duration_ms, one.has_arrived, one.answer) for one in session.scalars(tried)
    )
    message = kept.message if isinstance(kept.message, dict) else {}
    variables = json.dumps(message.get("variables", {}), indent=2, ensure_ascii=False)
    return Told(line, str(message.get("text", "")), variables, attempts)


def delivery(session: Session, delivery_id: int) -> DeliveryLine | None:
    """One message, or None."""
    query = select(Delivery, Alert.config_id).outerjoin(Alert, Alert.id == Delivery.alert_id)
    row = session.execute(query.where(Delivery.id == delivery_id)).one_or_none()
    return _delivery(row) if row else None


def _delivery(row: Any) -> DeliveryLine:
    found, config_id = row
    message = found.message if isinstance(found.message, dict) else {}
    return DeliveryLine(
        id=found.id,
        uid=found.uid,
        event=found.event,
        about=str(message.get("subject", found.event)),
        trigger_name=found.trigger_name,
        trigger_id=found.trigger_id,
        alert_id=found.alert_id,
        config_id=config_id,
        incident_id=found.incident_id,
        state=found.state,
        attempts=found.attempts,
        answer=found.answer,
        created_at=found.created_at,
        next_at=found.next_at,
        sent_at=found.sent_at,
    )


def trigger_options(session: Session) -> list[tuple[int, str]]:
    """Channels by name, for filters."""
    query = select(Trigger.id, Trigger.name).order_by(func.lower(Trigger.name))
    return [(trigger_id, name) for trigger_id, name in session.execute(query)]
