"""Triggers: create, change, test, delete."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, notifiers
from kener.db import reading, transaction
from kener.domain import messages
from kener.domain.alerting import AlertStatus, AlertType, Rule, Severity
from kener.domain.inputs import Input, Name, OptionalProse, mistakes
from kener.domain.messages import AlertFacts
from kener.domain.trigger_base import Settings, TriggerType
from kener.domain.trigger_specs import parse as parse_settings
from kener.models import Monitor, Trigger
from kener.services import audit, failing, outbox, secrets, site, vault
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused


class TriggerInput(Input):
    """A trigger. `settings` are those of its type; on a change, secrets that are left out stay as they are."""

    name: Name
    trigger_type: TriggerType
    description: OptionalProse = None
    is_active: bool = True
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent in one state."""

    status: AlertStatus
    text: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a test send."""

    arrived: bool
    answer: str


def create(given: TriggerInput, *, actor: Actor) -> int:
    """Add a trigger. Raises Refused. Returns its id."""
    settings = _settings(given.trigger_type, given.settings)
    with transaction() as session:
        _refuse_taken_name(session, given.name, None)
        trigger = Trigger(trigger_type=given.trigger_type.value)
        _fill(trigger, given, settings)
        session.add(trigger)
        session.flush()
        audit.note(session, actor, "create", f"trigger-{trigger.id}", trigger.name)
        trigger_id = trigger.id
    return trigger_id


def update(trigger_id: int, given: TriggerInput, *, actor: Actor, version: int | None = None) -> None:
    """Change a trigger. Secrets that are not given stay as they are. Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        trigger = _find(session, trigger_id)
        if version is not None and trigger.version != version:
            raise Conflict
        if trigger.trigger_type != given.trigger_type.value:
            raise Refused({"trigger_type": "The type of a trigger never changes. Create another one."})
        _refuse_taken_name(session, given.name, trigger_id)
        settings = merged_settings(trigger, given.trigger_type, given.settings)
        _fill(trigger, given, settings)
        audit.note(session, actor, "change", f"trigger-{trigger_id}", trigger.name)


def delete(trigger_id: int, *, actor: Actor) -> None:
    """Delete a trigger. Deliveries that wait for it fail with a reason; the record of past ones stays. Raises NotFound."""
    with transaction() as session:
        trigger = _find(session, trigger_id)
        audit.note(session, actor, "delete", f"trigger-{trigger_id}", trigger.name)
        session.delete(trigger)


def test_send(
    kind: TriggerType,
    given: dict[str, Any],
    *,
    trigger_id: int | None = None,
    status: AlertStatus = AlertStatus.TRIGGERED,
    monitor_tag: str = "",
) -> Attempt:
    """Send a marked test through settings that need not be saved; secrets that are left out come from the saved trigger. Raises Refused.

    `monitor_tag`: the monitor that it speaks of; an invented one where there is none of that tag.
    """
    session = reading()
    settings, known = secrets.ready(session, _draft(session, kind, given, trigger_id))
    message = _sample_message(session, status, monitor_tag)
    session.rollback()
    try:
        answer = outbox.attempt(kind, settings, message, f"test-{uuid.uuid4()}", known)
    except notifiers.Undeliverable as failure:
        return Attempt(False, str(failure))
    return Attempt(True, answer)


def preview(
    kind: TriggerType, given: dict[str, Any], *, trigger_id: int | None = None, monitor_tag: str = ""
) -> list[Preview]:
    """What settings that need not be saved would send, in both states; secrets stand there by name. Raises Refused."""
    session = reading()
    settings, known = secrets.ready(session, _draft(session, kind, given, trigger_id))
    named = outbox.context({name: f"${name}" for name in known})
    found = []
    for status in AlertStatus:
        message = _sample_message(session, status, monitor_tag)
        try:
            text = notifiers.SHOWN[kind](settings, message, delivery_id="preview", context=named)
        except notifiers.Undeliverable as failure:
            raise Refused({"body": str(failure)}) from None
        found.append(Preview(status, _indented(outbox.discreet(text, settings, known))))
    session.rollback()
    return found


def _draft(session: Session, kind: TriggerType, given: dict[str, Any], trigger_id: int | None) -> Settings:
    trigger = session.get(Trigger, trigger_id) if trigger_id is not None else None
    return _settings(kind, given) if trigger is None else merged_settings(trigger, kind, given)


def _indented(text: str) -> str:
    """JSON as people read it; anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def merged_settings(trigger: Trigger, kind: TriggerType, given: dict[str, Any]) -> Settings:
    """New settings over the stored ones: a secret that is missing or empty stays."""
    _, secret = vault.open_trigger(trigger).split() if trigger.secret else ({}, {})
    return _settings(kind, given, kept=secret)


def _settings(kind: TriggerType, given: dict[str, Any], *, kept: dict[str, Any] | None = None) -> Settings:
    try:
        return parse_settings(kind, given, kept=kept or {})
    except ValidationError as error:
        raise Refused(mistakes(error, prefix="settings.")) from error


def _sample_message(session: Session, status: AlertStatus, monitor_tag: str) -> messages.Message:
    """A notice on an invented alert, marked as a test."""
    now, here = clock.now(), site.read(session)
    monitor = session.scalar(select(Monitor).where(Monitor.tag == monitor_tag)) if monitor_tag else None
    facts = AlertFacts(
        alert_id=0,
        rule=Rule(AlertType.STATUS, "DOWN", severity=Severity.WARNING, description="This is a test. Nothing is wrong."),
        monitor_name=monitor.name if monitor else "Test monitor",
        monitor_tag=monitor.tag if monitor else "test-monitor",
        triggered_at=now,
        resolved_at=now if status is AlertStatus.RESOLVED else None,
        observed_value="DOWN",
        site_name=here.name,
        site_url=here.url,
    )
    message = messages.alert_message(facts)
    return messages.Message(message.event, f"[test] {message.subject}", message.text, message.html, message.variables)


def _fill(trigger: Trigger, given: TriggerInput, settings: Settings) -> None:
    if given.is_active and not trigger.is_active:
        failing.reset(trigger)
    trigger.name, trigger.description, trigger.is_active = given.name, given.description, given.is_active
    before = trigger.secret
    vault.close_trigger(trigger, settings)
    if trigger.secret and (before is None or vault.unseal(before) != vault.unseal(trigger.secret)):
        trigger.secret_set_at = clock.now()
    trigger.version = (trigger.version or 0) + 1


def _find(session: Session, trigger_id: int) -> Trigger:
    trigger = session.get(Trigger, trigger_id, with_for_update=True)
    if trigger is None:
        raise NotFound
    return trigger


def _refuse_taken_name(session: Session, name: str, own_id: int | None) -> None:
    holder = session.scalar(select(Trigger.id).where(Trigger.name == name))
    if holder is not None and holder != own_id:
        raise Refused({"name": f"There is a trigger named {name} already."})
