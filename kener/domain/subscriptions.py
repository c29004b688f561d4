"""Subscribers: by which channel they hear, of what, from which impact on; and the words of what they are told."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from kener.domain.inputs import Input, Tag
from kener.domain.specs import HttpUrl
from kener.domain.status import Status
from kener.domain.trigger_specs import Address


class Channel(StrEnum):
    """How a subscriber is told: by mail, by a signed POST, or by a message into a chat channel's own webhook."""

    EMAIL = "EMAIL"
    WEBHOOK = "WEBHOOK"
    SLACK = "SLACK"
    DISCORD = "DISCORD"
    TEAMS = "TEAMS"

    @property
    def word(self) -> str:
        return _CHANNELS[self]


_CHANNELS = {
    Channel.EMAIL: "E-mail",
    Channel.WEBHOOK: "Webhook",
    Channel.SLACK: "Slack",
    Channel.DISCORD: "Discord",
    Channel.TEAMS: "Microsoft Teams",
}


class SubscriberState(StrEnum):
    """PENDING until its owner confirms it."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"


class NoticeKind(StrEnum):
    """What one can subscribe to."""

    INCIDENTS = "INCIDENTS"
    MAINTENANCE = "MAINTENANCE"

    @property
    def word(self) -> str:
        return "Incidents" if self is NoticeKind.INCIDENTS else "Maintenance"


CODE_DIGITS = 6
LEAST_IMPACTS = (Status.DEGRADED, Status.DOWN)

_email: TypeAdapter[str] = TypeAdapter(Address)
_url: TypeAdapter[str] = TypeAdapter(HttpUrl)


def _zone(value: str) -> str:
    try:
        return value and ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("Choose a time zone from the list, for instance Europe/Berlin.") from None


def _listed(value: Any) -> Any:
    """A comma-separated text is a list as well."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Kinds = Annotated[list[NoticeKind], BeforeValidator(_listed), Field(min_length=1, max_length=2)]
PagePath = Annotated[str, Field(min_length=1, max_length=128)]
IncidentId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Choices(Input):
    """What somebody wants to hear. Without pages, monitors and incidents it is everything; an empty zone is the site's."""

    kinds: Kinds = list(NoticeKind)
    least_impact: Literal[Status.DEGRADED, Status.DOWN] = Status.DEGRADED
    pages: Annotated[list[PagePath], BeforeValidator(_listed), Field(max_length=200)] = []
    monitors: Annotated[list[Tag], BeforeValidator(_listed), Field(max_length=500)] = []
    incident_ids: Annotated[list[IncidentId], BeforeValidator(_listed), Field(max_length=100)] = []
    zone: Zone = ""
    language: Literal["en"] = "en"

    @property
    def is_everything(self) -> bool:
        return not (self.pages or self.monitors or self.incident_ids)


class SubscriberInput(Choices):
    """Somebody who wants to hear, and where."""

    channel: Channel = Channel.EMAIL
    address: Annotated[str, Field(min_length=1, max_length=2048)]

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        self.address = checked_address(self.channel, self.address)
        return self


def checked_address(channel: Channel, address: str) -> str:
    """The address in the form in which it is compared: an e-mail address in lower case, or a URL. Raises ValueError."""
    try:
        if channel is not Channel.EMAIL:
            return _url.validate_python(address)
        found = _email.validate_python(address)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"address: {reason}") from None
    bare = found[found.rindex("<") + 1 : -1] if found.endswith(">") else found
    if len(bare) > 254:
        raise ValueError("address: This address is too long.")
    return bare.lower()


def shown_address(channel: Channel, address: str) -> str:
    """What may be shown of an address: of a chat channel's URL only the host, because who knows the rest can write there."""
    if channel is Channel.EMAIL:
        return address
    return f"{urlsplit(address).hostname}/…"


def in_zone(at: datetime, zone: str) -> str:
    """A moment for people, with its zone named: `24 November 2026, 10:14 CET`."""
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        local = at
    return f"{local.day} {local:%B %Y, %H:%M} {local:%Z}"
