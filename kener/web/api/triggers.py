"""Triggers: the channels. Their secrets go in and never come out."""

from typing import Any, Literal

from flask import Blueprint

from kener.domain.inputs import Flag, Input, Name, OptionalProse
from kener.domain.service_specs import (
    DiscordSettings,
    NtfySettings,
    OpsgenieSettings,
    PagerDutySettings,
    SlackSettings,
    TeamsSettings,
    TelegramSettings,
)
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import EmailSettings, WebhookSettings
from kener.queries import api as rows
from kener.services import triggers
from kener.services.triggers import TriggerInput
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Changes, Paging

TAG = "Triggers"
bp = Blueprint("api_triggers", __name__)


class _Words(Input):
    """What every trigger has."""

    name: Name
    description: OptionalProse = None
    is_active: Flag = True


class WebhookTrigger(_Words, WebhookSettings):
    """A JSON POST. Header values, a password inside the URL, `secret` and `old_secret` are kept encrypted and never shown."""

    trigger_type: Literal[TriggerType.WEBHOOK]


class EmailTrigger(_Words, EmailSettings):
    """An e-mail to a team."""

    trigger_type: Literal[TriggerType.EMAIL]


class SlackTrigger(_Words, SlackSettings):
    """A message to a Slack channel. `url` is write-only."""

    trigger_type: Literal[TriggerType.SLACK]


class DiscordTrigger(_Words, DiscordSettings):
    """A message to a Discord channel. `url` is write-only."""

    trigger_type: Literal[TriggerType.DISCORD]


class TeamsTrigger(_Words, TeamsSettings):
    """A card to a channel of Microsoft Teams. `url` is write-only."""

    trigger_type: Literal[TriggerType.TEAMS]


class TelegramTrigger(_Words, TelegramSettings):
    """A message of a Telegram bot. `token` is write-only, and given again when `server` changes."""

    trigger_type: Literal[TriggerType.TELEGRAM]


class PagerdutyTrigger(_Words, PagerDutySettings):
    """An incident of PagerDuty, opened and resolved. `routing_key` is write-only, and given again when `server` changes."""

    trigger_type: Literal[TriggerType.PAGERDUTY]


class OpsgenieTrigger(_Words, OpsgenieSettings):
    """An alert of Opsgenie, opened and closed. `api_key` is write-only, and given again when `server` changes."""

    trigger_type: Literal[TriggerType.OPSGENIE]


class NtfyTrigger(_Words, NtfySettings):
    """A push by ntfy. `topic` and `token` are write-only, and given again when `server` changes."""

    trigger_type: Literal[TriggerType.NTFY]


class NewTrigger(Body, TriggerInput):
    """A trigger, its settings beside its name."""

    shapes = (
        WebhookTrigger,
        EmailTrigger,
        SlackTrigger,
        DiscordTrigger,
        TeamsTrigger,
        TelegramTrigger,
        PagerdutyTrigger,
        OpsgenieTrigger,
        NtfyTrigger,
    )
    notes = {
        "body": "A template of what is sent: JSON, HTML of an e-mail or of Telegram, or text. Without one the words are ours.",
        "subject": "A template of an e-mail's subject.",
        "secret": "Signs every message (X-Kener-Signature). Write-only. A new one makes the one before it `old_secret`; null: none.",
        "old_secret": "Signs as well while receivers change over. Write-only. Null: it is removed.",
        "headers": "On a change, a header without a value keeps the value it has.",
        "is_active": "NO: nothing is sent.",
    }

    @classmethod
    def arranged(cls, data: dict[str, Any]) -> dict[str, Any]:
        common = TriggerInput.model_fields.keys() - {"settings"}
        settings = {name: value for name, value in data.items() if name not in common}
        return {name: value for name, value in data.items() if name in common} | {"settings": settings}

    @classmethod
    def public_name(cls, field: str) -> str:
        return field.removeprefix("settings.")


class TriggerAnswer(Answer):
    """One trigger."""

    trigger: rows.Trigger


class TriggerList(Listed):
    """Triggers by name."""

    triggers: list[rows.Trigger]


@bp.get("/triggers")
@api_key_required
@operation(tag=TAG, query=Paging, answer=TriggerList)
def index(query: Paging) -> Answer:
    """List triggers."""
    page = rows.triggers(**query.model_dump())
    return TriggerList(triggers=page.rows, **part(page))


@bp.post("/triggers")
@api_key_required
@operation(tag=TAG, body=NewTrigger, answer=TriggerAnswer, status=201)
def create(body: NewTrigger) -> Answer:
    """Add a trigger."""
    return _answer(triggers.create(body, actor=actor()))


@bp.get("/triggers/<id:trigger_id>")
@api_key_required
@operation(tag=TAG, answer=TriggerAnswer)
def show(trigger_id: int) -> Answer:
    """Read a trigger, without its secrets."""
    return _answer(trigger_id)


@bp.patch("/triggers/<id:trigger_id>")
@api_key_required
@operation(tag=TAG, changes=NewTrigger, answer=TriggerAnswer)
def update(trigger_id: int, changes: Changes[NewTrigger]) -> Answer:
    """Change a trigger.

    What is left out stays, secrets included; the list of headers is replaced as a whole.
    """
    current = found(rows.trigger(trigger_id))
    triggers.update(trigger_id, changes.over(_as_given(current)), actor=actor(), version=current.version)
    return _answer(trigger_id)


@bp.delete("/triggers/<id:trigger_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(trigger_id: int) -> Answer:
    """Delete a trigger.

    Deliveries that wait for it fail with a reason; the record of past ones stays.
    """
    triggers.delete(trigger_id, actor=actor())
    return Message(message=f"The trigger {trigger_id} was deleted.")


def _answer(trigger_id: int) -> TriggerAnswer:
    return TriggerAnswer(trigger=found(rows.trigger(trigger_id)))


def _as_given(trigger: rows.Trigger) -> dict[str, Any]:
    """A trigger as a request would have given it, without its secrets."""
    headers = [{"key": header.key} for header in trigger.headers] if trigger.headers else None
    given = {
        "name": trigger.name,
        "trigger_type": trigger.trigger_type,
        "description": trigger.description,
        "is_active": trigger.is_active,
        "url": trigger.url,
        "headers": headers,
        "body": trigger.body,
        "to": trigger.to,
        "from": trigger.sender,
        "subject": trigger.subject,
        "server": trigger.server,
        "chat_id": trigger.chat_id,
        "thread_id": trigger.thread_id,
        "team": trigger.team,
    }
    return {name: value for name, value in given.items() if value is not None}
