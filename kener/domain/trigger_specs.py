"""What each trigger type needs to know, and which part of it is secret."""

from email.utils import parseaddr
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kener.domain import placeholders
from kener.domain.specs import Header, HttpUrl


class TriggerType(StrEnum):
    """The kinds of channels."""

    WEBHOOK = "webhook"
    EMAIL = "email"


def _template(value: str) -> str:
    mistake = placeholders.check(value)
    if mistake:
        raise ValueError(mistake)
    return value


def _addresses(value: Any) -> Any:
    """A comma-separated text is a list as well."""
    if isinstance(value, str):
        value = [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
    return value


def _address(value: str) -> str:
    value = value.strip()
    _, address = parseaddr(value)
    local, at, host = address.rpartition("@")
    if not (local and at and host) or any(ord(c) < 32 or c in "\r\n" for c in value) or " " in address:
        raise ValueError(f"{value!r} is no e-mail address. Write you@example.com or Name <you@example.com>.")
    return value


Address = Annotated[str, Field(max_length=320), AfterValidator(_address)]
Template = Annotated[str, Field(max_length=20_000), AfterValidator(_template)]


class Settings(BaseModel):
    """Base of every trigger type's settings."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class WebhookSettings(Settings):
    """A JSON POST. `body` is a template; without one all variables are sent. `secret` signs."""

    url: HttpUrl
    headers: Annotated[list[Header], Field(max_length=50)] = []
    body: Template | None = None
    secret: Annotated[str, Field(min_length=8, max_length=255)] | None = None


class EmailSettings(Settings):
    """An e-mail to a team: the addresses see each other."""

    to: Annotated[list[Address], BeforeValidator(_addresses), Field(min_length=1, max_length=50)]
    sender: Annotated[Address | None, Field(alias="from")] = None


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
        shown["url"] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if settings.headers:
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
    """Fill in kept secrets: the URL's password while its address is the same, values of headers that come without one, the signing secret."""
    merged = dict(data)
    if "url" in kept and _without_user(kept["url"]) == merged.get("url"):
        merged["url"] = kept["url"]
    values = kept.get("headers", {})
    if isinstance(merged.get("headers"), list):
        merged["headers"] = [
            {**header, "value": header.get("value") or values.get(header.get("key"), "")} if isinstance(header, dict) else header
            for header in merged["headers"]
        ]
    if "secret" in kept and not merged.get("secret"):
        merged["secret"] = kept["secret"]
    return merged


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
