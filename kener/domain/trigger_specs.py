"""What each trigger type needs to know, and which part of it is secret."""

import re
from email.utils import parseaddr
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from kener.domain import placeholders
from kener.domain.placeholders import Place
from kener.domain.service_specs import (
    DiscordSettings,
    NtfySettings,
    OpsgenieSettings,
    PagerDutySettings,
    SlackSettings,
    TeamsSettings,
    TelegramSettings,
)
from kener.domain.specs import Header, HttpUrl
from kener.domain.trigger_base import JsonTemplate, Settings, Template, TriggerType

JSON = "application/json"
MAX_RECIPIENTS = 50

_LISTED = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^,;\n"])+')
_WRITTEN = re.compile(r"""(?:(?P<name>"(?:\\.|[^"\\])*"|[^"<>@,;]*)\s*<(?P<inner>[^<>\s]+)>|(?P<bare>[^<>\s,;"]+))""")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")


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


class WebhookSettings(JsonTemplate):
    """A POST. `body` is a template; without one all variables are sent as JSON.

    `secret` signs. A new one does not end the old one: until it is removed, `old_secret` signs as well.
    """

    url: HttpUrl
    headers: Annotated[list[Header], Field(max_length=50)] = []
    secret: Annotated[str, Field(min_length=8, max_length=255)] | None = None
    old_secret: Annotated[str, Field(min_length=8, max_length=255)] | None = None

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

    @property
    def content_type(self) -> str:
        """What the body is sent as: JSON, unless a header says otherwise."""
        return next((header.value for header in self.headers if header.key.lower() == "content-type"), "") or JSON

    @property
    def place(self) -> Place:
        """How values are written into the body."""
        return placeholders.place_of(self.content_type)

    @property
    def signing(self) -> list[str]:
        """The secrets that sign, the newest first."""
        return [one for one in (self.secret, self.old_secret) if one]

    def split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        secret: dict[str, Any] = {}
        parts = urlsplit(self.url)
        if parts.username or parts.password:
            secret["url"] = self.url
            shown["url"] = _without_user(self.url)
        if self.headers:
            secret["host"] = _host(self.url)
            secret["headers"] = {header.key: header.value for header in self.headers}
            shown["headers"] = [{"key": header.key} for header in self.headers]
        secret |= {name: shown.pop(name) for name in ("secret", "old_secret") if name in shown}
        return shown, secret

    @classmethod
    def merged(
        cls, data: dict[str, Any], kept: dict[str, Any], removed: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The URL's password is kept while its address is the same, and values of headers that come without one.

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
        return _signing(merged, kept, removed)


def _signing(data: dict[str, Any], kept: dict[str, Any], removed: frozenset[str]) -> dict[str, Any]:
    """A new secret makes the one before it the old one; without a secret nothing signs."""
    new, before = data.get("secret"), kept.get("secret")
    if "secret" in removed:
        return {name: value for name, value in data.items() if name != "old_secret"}
    old = before if new and before and new != before else kept.get("old_secret")
    found = {
        "secret": new or before,
        "old_secret": data.get("old_secret") or (None if "old_secret" in removed else old),
    }
    return data | {name: value for name, value in found.items() if value}


class EmailSettings(Settings):
    """An e-mail to a team: the addresses see each other. `subject` and `body` (HTML) are templates; without them the words are ours."""

    TEMPLATES: ClassVar[frozenset[str]] = frozenset({"subject", "body"})

    to: Annotated[list[Address], BeforeValidator(_addresses), Field(min_length=1, max_length=MAX_RECIPIENTS)]
    sender: Annotated[Address | None, Field(alias="from")] = None
    subject: Annotated[Template, Field(max_length=1_000)] | None = None
    body: Template | None = None

    @field_validator("to")
    @classmethod
    def _once(cls, addresses: list[str]) -> list[str]:
        found: dict[str, str] = {}
        for address in addresses:
            found.setdefault(parseaddr(address)[1].lower(), address)
        return list(found.values())

    @property
    def place(self) -> Place:
        """How values are written into the body."""
        return Place.HTML


SETTINGS: dict[TriggerType, type[Settings]] = {
    TriggerType.WEBHOOK: WebhookSettings,
    TriggerType.EMAIL: EmailSettings,
    TriggerType.SLACK: SlackSettings,
    TriggerType.DISCORD: DiscordSettings,
    TriggerType.TEAMS: TeamsSettings,
    TriggerType.TELEGRAM: TelegramSettings,
    TriggerType.PAGERDUTY: PagerDutySettings,
    TriggerType.OPSGENIE: OpsgenieSettings,
    TriggerType.NTFY: NtfySettings,
}


def parse(kind: TriggerType, given: dict[str, Any], *, kept: dict[str, Any] | None = None) -> Settings:
    """Settings from raw input. Raises pydantic.ValidationError.

    A secret that is missing or empty is taken from `kept` (see `split`); one that is None is not kept any longer.
    """
    data = {name: value for name, value in given.items() if value not in ("", None)}
    removed = frozenset(name for name, value in given.items() if value is None)
    return SETTINGS[kind].model_validate(SETTINGS[kind].merged(data, kept or {}, removed))


def split(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """`(what may be shown, what may not)`."""
    return settings.split()


def join(kind: TriggerType, shown: dict[str, Any], secret: dict[str, Any]) -> Settings:
    """The reverse of `split`."""
    return SETTINGS[kind].model_validate(SETTINGS[kind].merged(shown, secret))


def kept_back(settings: Settings) -> list[str]:
    """The values that nobody shall read, wherever they turn up."""
    values: list[str] = []
    for name, value in settings.split()[1].items():
        if name not in ("host", "for"):
            values += value.values() if isinstance(value, dict) else [value]
    return sorted(values, key=len, reverse=True)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}"
    except ValueError:
        return ""


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
