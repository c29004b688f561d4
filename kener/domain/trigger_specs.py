"""What each trigger type needs to know, and which part of it is secret."""

import json
import re
from datetime import UTC, datetime
from email.utils import parseaddr
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from kener.domain import placeholders
from kener.domain.alerting import AlertType, Rule
from kener.domain.messages import AlertFacts, alert_variables
from kener.domain.placeholders import Place
from kener.domain.specs import Header, HttpUrl


class TriggerType(StrEnum):
    """The kinds of channels."""

    WEBHOOK = "webhook"
    EMAIL = "email"


JSON = "application/json"
MAX_RECIPIENTS = 50

_LISTED = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^,;\n"])+')
_WRITTEN = re.compile(r"""(?:(?P<name>"(?:\\.|[^"\\])*"|[^"<>@,;]*)\s*<(?P<inner>[^<>\s]+)>|(?P<bare>[^<>\s,;"]+))""")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")


def _template(value: str) -> str:
    if mistake := placeholders.check(value):
        raise ValueError(mistake)
    return value


def _addresses(value: Any) -> Any:
    """Addresses in one text stand apart by commas, semicolons or lines."""
    if isinstance(value, str):
        return [part.strip() for part in _LISTED.findall(value) if part.strip()]
    return value


def _address(value: str) -> str:
    """Normalise `you@example.com` or `Name <you@example.com>`."""
    found = _WRITTEN.fullmatch(value.strip())
    name, address = (found["name"] or "", found["inner"] or found["bare"]) if found else ("", "")
    local, _, host = address.rpartition("@")
    fine = _LOCAL.fullmatch(local) and all(_LABEL.fullmatch(label) for label in host.split(".")) and len(host) <= 253
    if not fine or not name.isprintable():
        raise ValueError(f"{value[:80]!r} is no e-mail address. Write you@example.com or Name <you@example.com>.")
    return f"{name.strip()} <{address}>" if name.strip(' "') else address


Address = Annotated[str, Field(max_length=320), AfterValidator(_address)]
Template = Annotated[str, Field(max_length=placeholders.MAX_LENGTH), AfterValidator(_template)]


class Settings(BaseModel):
    """Base of every trigger type's settings."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class WebhookSettings(Settings):
    """A POST. `body` is a template; without one all variables are sent as JSON. `secret` signs."""

    url: HttpUrl
    headers: Annotated[list[Header], Field(max_length=50)] = []
    body: Template | None = None
    secret: Annotated[str, Field(min_length=8, max_length=255)] | None = None

    @field_validator("headers")
    @classmethod
    def _each_once_with_a_value(cls, headers: list[Header]) -> list[Header]:
        names = [header.key.lower() for header in headers]
        for header in headers:
            if names.count(header.key.lower()) > 1:
                raise ValueError(f"The header {header.key} stands here twice.")
            if not header.value.strip():
                raise ValueError(f"Enter the value of {header.key}.")
        return headers

    @model_validator(mode="after")
    def _makes_json(self) -> Self:
        if self.body is not None and self.place is Place.JSON:
            for example in _EXAMPLES:
                _refuse_broken_json(self.body, example)
        return self

    @property
    def content_type(self) -> str:
        """What the body is sent as: JSON, unless a header says otherwise."""
        return next((header.value for header in self.headers if header.key.lower() == "content-type"), "") or JSON

    @property
    def place(self) -> Place:
        """How values are written into the body."""
        return placeholders.place_of(self.content_type)


class EmailSettings(Settings):
    """An e-mail to a team: the addresses see each other."""

    to: Annotated[list[Address], BeforeValidator(_addresses), Field(min_length=1, max_length=MAX_RECIPIENTS)]
    sender: Annotated[Address | None, Field(alias="from")] = None

    @field_validator("to")
    @classmethod
    def _once(cls, addresses: list[str]) -> list[str]:
        found: dict[str, str] = {}
        for address in addresses:
            found.setdefault(parseaddr(address)[1].lower(), address)
        return list(found.values())


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

SETTINGS: dict[TriggerType, type[Settings]] = {TriggerType.WEBHOOK: WebhookSettings, TriggerType.EMAIL: EmailSettings}


def parse(kind: TriggerType, given: dict[str, Any], *, kept: dict[str, Any] | None = None) -> Settings:
    """Settings from raw input; a secret that is missing or empty is taken from `kept` (see `split`). Raises pydantic.ValidationError."""
    data = {name: value for name, value in given.items() if value not in ("", None)}
    if kind is TriggerType.WEBHOOK and kept:
        data = _with_kept(data, kept)
    return SETTINGS[kind].model_validate(data)


def split(settings: BaseModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """`(what may be shown, what may not)`: header values, a password inside the URL and the signing secret may not."""
    shown = settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not isinstance(settings, WebhookSettings):
        return shown, {}
    secret: dict[str, Any] = {}
    parts = urlsplit(settings.url)
    if parts.username or parts.password:
        secret["url"] = settings.url
        shown["url"] = _without_user(settings.url)
    if settings.headers:
        secret["host"] = _host(settings.url)
        secret["headers"] = {header.key: header.value for header in settings.headers}
        shown["headers"] = [{"key": header.key} for header in settings.headers]
    if settings.secret:
        secret["secret"] = shown.pop("secret")
    return shown, secret


def join(kind: TriggerType, shown: dict[str, Any], secret: dict[str, Any]) -> Settings:
    """The reverse of `split`."""
    data = dict(shown)
    if kind is TriggerType.WEBHOOK:
        data = _with_kept(data, secret)
    return SETTINGS[kind].model_validate(data)


def _with_kept(data: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Fill in kept secrets: the URL's password while its address is the same, values of headers that come without one, the signing secret.

    Header values are kept for their host only. Otherwise whoever may edit a trigger could point it elsewhere and read them there.
    """
    merged = dict(data)
    if "url" in kept and _without_user(kept["url"]) == merged.get("url"):
        merged["url"] = kept["url"]
    values = kept.get("headers", {}) if _host(str(merged.get("url"))) == kept.get("host") else {}
    if isinstance(merged.get("headers"), list):
        merged["headers"] = [
            {**header, "value": header.get("value") or values.get(header.get("key"), "")}
            if isinstance(header, dict)
            else header
            for header in merged["headers"]
        ]
    if "secret" in kept and not merged.get("secret"):
        merged["secret"] = kept["secret"]
    return merged


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}"
    except ValueError:
        return ""


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
