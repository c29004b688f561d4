"""What each monitor type needs to know: one schema for the form, the API and the import.

Field names and defaults follow the original (`type_data`), so that existing definitions can be moved over.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class MonitorType(StrEnum):
    """How a monitor learns its status."""

    API = "API"
    HEARTBEAT = "HEARTBEAT"
    NONE = "NONE"


def _http_url(value: str) -> str:
    value = value.strip()
    if any(c.isspace() or c == '"' or ord(c) < 32 for c in value):
        raise ValueError("A URL has no spaces or quotes in it.")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("This is not a valid URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("Start the URL with http:// or https:// and a host name.")
    return value


HttpUrl = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_http_url)]


def _header_name(value: str) -> str:
    value = value.strip()
    if not value or not all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in value) or not value.isascii():
        raise ValueError("A header name has letters, digits and hyphens only.")
    return value


def _one_line(value: str) -> str:
    if any(c in value for c in "\r\n\0"):
        raise ValueError("A header value stands on one line.")
    return value


class Header(BaseModel):
    """One request header."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(max_length=128), AfterValidator(_header_name)]
    value: Annotated[str, Field(max_length=4096), AfterValidator(_one_line)] = ""


def _status_codes(value: str) -> str:
    """Normalise `200-399, 429`; raise where a part is no code or range."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("Name at least one status code or range, for instance 200-399, 429.")
    for part in parts:
        low, dash, high = part.partition("-")
        bounds = (low.strip(), (high if dash else low).strip())
        if not all(bound.isascii() and bound.isdigit() and 100 <= int(bound) <= 599 for bound in bounds):
            raise ValueError(f"{part!r} is no status code. Write codes or ranges from 100 to 599: 200-399, 429.")
        if int(bounds[0]) > int(bounds[1]):
            raise ValueError(f"The range {part!r} runs backwards.")
    return ", ".join(parts)


class Spec(BaseModel):
    """Base of every type's settings."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000)


class ApiSpec(Spec):
    """An HTTP or HTTPS request. Times in milliseconds."""

    url: HttpUrl
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    headers: Annotated[list[Header], Field(max_length=50)] = []
    body: Annotated[str, Field(max_length=65_536)] = ""
    timeout: Annotated[int, Field(ge=100, le=60_000)] = 10_000
    allowSelfSignedCert: bool = False
    follow_redirects: bool = True
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    accepted_status_codes: Annotated[str, Field(max_length=200), AfterValidator(_status_codes)] = "200-399, 429"
    degraded_latency_ms: Annotated[int, Field(ge=1, le=60_000)] | None = None
    down_latency_ms: Annotated[int, Field(ge=1, le=60_000)] | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.degraded_latency_ms and self.down_latency_ms and self.down_latency_ms <= self.degraded_latency_ms:
            raise ValueError("down_latency_ms: the limit for DOWN must be above the limit for DEGRADED.")
        return self

    def accepts(self, code: int) -> bool:
        """Whether an HTTP status code counts as an answer."""
        for part in self.accepted_status_codes.split(","):
            low, _, high = part.strip().partition("-")
            if int(low) <= code <= int(high or low):
                return True
        return False


class HeartbeatSpec(Spec):
    """Waits for a call to `/ext/heartbeat/{tag}/{secret}`.

    `secretString` is write-only: it is kept apart, hashed, and one is made where none is given.
    """

    degradedRemainingMinutes: Annotated[int, Field(ge=1, le=525_600)] = 5
    downRemainingMinutes: Annotated[int, Field(ge=1, le=525_600)] = 10
    secretString: Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_\-]+$")] | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.downRemainingMinutes <= self.degradedRemainingMinutes:
            raise ValueError("downRemainingMinutes: must be above the minutes for DEGRADED.")
        return self


class NoneSpec(Spec):
    """Set by hand or by the API."""

    overrideWithLastKnownStatus: bool = False


AnySpec = ApiSpec | HeartbeatSpec | NoneSpec

SPECS: dict[MonitorType, type[Spec]] = {
    MonitorType.API: ApiSpec,
    MonitorType.HEARTBEAT: HeartbeatSpec,
    MonitorType.NONE: NoneSpec,
}


def parse_spec(monitor_type: MonitorType, data: dict[str, Any]) -> Spec:
    """The settings of one type. Raises pydantic.ValidationError naming each bad field, ValueError for a type that is none."""
    if monitor_type not in SPECS:
        raise ValueError(f"there is no type {monitor_type}.")
    return SPECS[monitor_type].model_validate(data)
