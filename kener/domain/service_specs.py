"""What the chats, pagers and push services need to know: an address or a key, and little more."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from kener.domain.placeholders import Place
from kener.domain.secrets import names_in
from kener.domain.specs import HttpUrl
from kener.domain.trigger_base import (
    SECRET_FIELD,
    TEMPLATE_FIELD,
    JsonTemplate,
    Settings,
    Template,
)

_VISIBLE = re.compile(r"[!-~]+")
_CHAT = re.compile(r"-?\d{1,20}|@[A-Za-z0-9_]{4,64}")
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")


def _key(value: str) -> str:
    """Keys travel in headers and addresses: one line, no blanks."""
    value = value.strip()
    if not _VISIBLE.fullmatch(value):
        raise ValueError("A key has no blanks in it, and only plain letters, digits and signs.")
    return value


def _token(value: str) -> str:
    if "/" in _key(value) or "?" in value or "#" in value:
        raise ValueError("Enter the token alone, for instance 123456:ABC-DEF.")
    return value.strip()


def _chat(value: object) -> object:
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else value
    if isinstance(text, str) and text and not names_in(text) and not _CHAT.fullmatch(text):
        raise ValueError("Enter a number like -1001234567890, or @name of a public channel.")
    return text


def _topic(value: str) -> str:
    value = value.strip()
    if not names_in(value) and not _TOPIC.fullmatch(value):
        raise ValueError("A topic has letters, digits, - and _, at most 64.")
    return value


def _server(value: str) -> str:
    if "?" in value or "#" in value:
        raise ValueError("Enter the address of the server alone.")
    return value.rstrip("/")


Key = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_key)]
Token = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_token)]
Server = Annotated[HttpUrl, AfterValidator(_server)]
MessageTemplate = Annotated[
    Template | None,
    Field(
        title="Message", description="A Mustache template. Empty: our own message.", json_schema_extra=TEMPLATE_FIELD
    ),
]


class ChatSettings(JsonTemplate):
    """Base of the chats that take JSON at a secret address."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"url"})

    url: Annotated[
        HttpUrl,
        Field(
            title="Webhook URL",
            description="Whoever knows it can write there, so it is kept encrypted and never shown. $NAME of a secret works.",
            json_schema_extra=SECRET_FIELD,
        ),
    ]


class SlackSettings(ChatSettings):
    """A message to a Slack channel by an incoming webhook. `body`: a template of the JSON; without one the message is ours."""


class DiscordSettings(ChatSettings):
    """A message to a Discord channel by a webhook. `body`: a template of the JSON; without one the message is ours."""


class TeamsSettings(ChatSettings):
    """A card to a channel of Microsoft Teams by a workflow. `body`: a template of the JSON; without one the card is ours."""


class TelegramSettings(Settings):
    """A message of a Telegram bot. `body`: a template of its text, in the HTML that Telegram knows."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"token"})
    BOUND: ClassVar[str] = "server"

    token: Annotated[
        Token, Field(title="Token of the bot", description="As @BotFather gave it.", json_schema_extra=SECRET_FIELD)
    ]
    chat_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=80,
            title="Chat",
            description="The number of a chat or group, or @name of a public channel.",
        ),
        BeforeValidator(_chat),
    ]
    thread_id: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1, title="Topic", description="The number of a topic of the group. Empty: none."),
    ] = None
    server: Annotated[
        Server, Field(title="Server", description="Another one where you run the Bot API server yourself.")
    ] = "https://api.telegram.org"
    body: MessageTemplate = None

    @property
    def place(self) -> Place:
        """Telegram reads a little HTML."""
        return Place.HTML


class PagerDutySettings(Settings):
    """An event of PagerDuty's Events API v2: opened when an alert triggers, resolved with it, under one key."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"routing_key"})
    BOUND: ClassVar[str] = "server"

    routing_key: Annotated[
        Key,
        Field(title="Integration key", description="Of the integration Events API v2.", json_schema_extra=SECRET_FIELD),
    ]
    server: Annotated[
        Server, Field(title="Server", description="Accounts in Europe use https://events.eu.pagerduty.com.")
    ] = "https://events.pagerduty.com"


class OpsgenieSettings(Settings):
    """An alert of Opsgenie or Jira Service Management: opened when an alert triggers, closed with it, under one alias."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"api_key"})
    BOUND: ClassVar[str] = "server"

    api_key: Annotated[
        Key, Field(title="API key", description="Of an API integration.", json_schema_extra=SECRET_FIELD)
    ]
    team: Annotated[
        str | None,
        Field(max_length=100, title="Team", description="Who shall respond. Empty: as the integration says."),
    ] = None
    server: Annotated[
        Server,
        Field(
            title="Server",
            description="Accounts in Europe use https://api.eu.opsgenie.com, Jira Service Management https://api.atlassian.com/jsm/ops/integration.",
        ),
    ] = "https://api.opsgenie.com"


class NtfySettings(Settings):
    """A push by ntfy. `body`: a template of its text."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"topic", "token"})
    BOUND: ClassVar[str] = "server"

    topic: Annotated[
        str,
        Field(
            min_length=1,
            max_length=80,
            title="Topic",
            description="On a public server whoever knows the topic can read it, so it is kept encrypted and never shown.",
            json_schema_extra=SECRET_FIELD,
        ),
        AfterValidator(_topic),
    ]
    token: Annotated[
        Key | None,
        Field(title="Access token", description="Where the topic is protected.", json_schema_extra=SECRET_FIELD),
    ] = None
    server: Annotated[Server, Field(title="Server", description="Another one where you run your own.")] = (
        "https://ntfy.sh"
    )
    body: MessageTemplate = None

    @property
    def place(self) -> Place:
        """Nothing means anything in a push."""
        return Place.PLAIN
