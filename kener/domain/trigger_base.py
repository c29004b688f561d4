"""What the settings of all trigger types are made of.

A setting's `title` and `description` are its label and help in the form; `json_schema_extra` says how it is shown there, as for monitors.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kener.domain import placeholders
from kener.domain.alerting import AlertType, Rule
from kener.domain.messages import AlertFacts, alert_variables
from kener.domain.placeholders import Place


class TriggerType(StrEnum):
    """The kinds of channels."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"
    TELEGRAM = "telegram"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    NTFY = "ntfy"

    @property
    def label(self) -> str:
        """What operators read."""
        return LABELS[self][0]

    @property
    def about(self) -> str:
        """How it is set up, in a sentence or two."""
        return LABELS[self][1]


LABELS: dict[TriggerType, tuple[str, str]] = {
    TriggerType.WEBHOOK: ("Webhook", "Sends a POST to an address of yours."),
    TriggerType.EMAIL: ("E-mail", "Writes to a team."),
    TriggerType.SLACK: (
        "Slack",
        "In Slack, add an app with Incoming Webhooks, and copy the address it makes for a channel. Mattermost takes the same.",
    ),
    TriggerType.DISCORD: (
        "Discord",
        "In Discord, open the settings of the channel, Integrations, Webhooks, and copy the address of a new one.",
    ),
    TriggerType.TEAMS: (
        "Microsoft Teams",
        "In Teams, add the workflow “Post to a channel when a webhook request is received”, and copy its address.",
    ),
    TriggerType.TELEGRAM: (
        "Telegram",
        "Ask @BotFather for a bot, add the bot to your group or channel, and enter its token.",
    ),
    TriggerType.PAGERDUTY: (
        "PagerDuty",
        "Opens an incident with an alert and resolves it with it. In PagerDuty, add the integration Events API v2 to a service.",
    ),
    TriggerType.OPSGENIE: (
        "Opsgenie",
        "Opens an alert and closes it again. Add an API integration there. Jira Service Management takes the same.",
    ),
    TriggerType.NTFY: (
        "ntfy",
        "Pushes to telephones and desktops that listen to a topic, by ntfy.sh or a server of your own.",
    ),
}


class Settings(BaseModel):
    """Base of every trigger type's settings.

    `SECRET` names what is kept encrypted and never shown; `BOUND` the setting that says who gets to read it: with another one, what is kept
    is not used. `TEMPLATES` names the templates, in which the names of secrets become variables.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    SECRET: ClassVar[frozenset[str]] = frozenset()
    BOUND: ClassVar[str] = ""
    TEMPLATES: ClassVar[frozenset[str]] = frozenset({"body"})

    def split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`(what may be shown, what may not)`."""
        shown = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        secret = {name: shown.pop(name) for name in sorted(self.SECRET) if name in shown}
        return shown, secret | ({"for": shown[self.BOUND]} if secret and self.BOUND else {})

    @classmethod
    def merged(
        cls, data: dict[str, Any], kept: dict[str, Any], removed: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Raw settings, with what is kept from before where nothing is given; `removed` names what shall not be kept."""
        if cls.BOUND and kept.get("for") != data.get(cls.BOUND, cls.model_fields[cls.BOUND].default):
            return data
        return {name: kept[name] for name in cls.SECRET & kept.keys() - removed} | data


def _template(value: str) -> str:
    if mistake := placeholders.check(value):
        raise ValueError(mistake)
    return value


Template = Annotated[str, Field(max_length=placeholders.MAX_LENGTH), AfterValidator(_template)]

SECRET_FIELD: dict[str, Any] = {"writeOnly": True}
TEMPLATE_FIELD: dict[str, Any] = {"rows": 10, "code": True}


class JsonTemplate(Settings):
    """Base of what may send JSON from a template of its own."""

    body: Template | None = None

    @property
    def place(self) -> Place:
        """How values are written into the body."""
        return Place.JSON

    @model_validator(mode="after")
    def _makes_json(self) -> Self:
        if self.body is not None and self.place is Place.JSON:
            for example in _EXAMPLES:
                _refuse_broken_json(self.body, example)
        return self


def _refuse_broken_json(template: str, example: dict[str, placeholders.Value]) -> None:
    """Services refuse broken JSON when it matters most, so it is refused here, on save."""
    try:
        json.loads(placeholders.render(template, example, place=Place.JSON))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno} of the filled-in text"
        raise ValueError(
            f"body: This is not valid JSON once it is filled in for an alert that {_state(example)}: {error.msg}, {place}."
        ) from None
    except ValueError as error:
        raise ValueError(f"body: {error}") from None


def _state(example: dict[str, placeholders.Value]) -> str:
    return "has resolved" if example["is_resolved"] else "was triggered"


def _examples() -> tuple[dict[str, placeholders.Value], ...]:
    """Alerts with and without everything that may be missing."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rule = Rule(AlertType.STATUS, "DOWN", description="The shop is down.")
    bare = AlertFacts(1, Rule(AlertType.LATENCY, "1000"), "API", "api", moment, moment)
    full = AlertFacts(1, rule, "API", "api", moment, None, "DOWN", "HTTP 503", 7, None, "Site", "https://example.com")
    extra: dict[str, placeholders.Value] = {"event": "TRIGGERED", "delivery_id": "1"}
    return alert_variables(full) | extra, alert_variables(bare) | extra | {"event": "RESOLVED"}


_EXAMPLES = _examples()
