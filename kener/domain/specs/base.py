"""What the settings of all monitor types are made of.

A setting's `title` and `description` are its label and help in the form; `json_schema_extra` says how it is shown there: `unit`, `code`,
`rows` (of a text area) and `options` (words for choices).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kener.domain.hosts import ascii_host
from kener.domain.secrets import names_in, replaced


class MonitorType(StrEnum):
    """How a monitor learns its status."""

    API = "API"
    SSL = "SSL"
    DNS = "DNS"
    TCP = "TCP"
    GRPC = "GRPC"
    PING = "PING"
    UDP = "UDP"
    GAMEDIG = "GAMEDIG"
    STARTTLS = "STARTTLS"
    WEBSOCKET = "WEBSOCKET"
    SQL = "SQL"
    HEARTBEAT = "HEARTBEAT"
    GROUP = "GROUP"
    NONE = "NONE"

    @property
    def label(self) -> str:
        """What operators read."""
        return LABELS[self][0]

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return LABELS[self][1]


LABELS: dict[MonitorType, tuple[str, str]] = {
    MonitorType.API: ("HTTP", "Sends an HTTP request and judges the answer."),
    MonitorType.SSL: ("Certificate", "Reads a server's TLS certificate: how long it lasts, and whether it is trusted."),
    MonitorType.DNS: ("DNS", "Asks a resolver for records and compares them."),
    MonitorType.TCP: ("TCP port", "Connects to a port of one host or several; may say something and expect an answer."),
    MonitorType.GRPC: ("gRPC health", "Asks a gRPC server for its health."),
    MonitorType.PING: ("Ping", "Sends echo requests (ICMP) to one host or several."),
    MonitorType.UDP: ("UDP port", "Sends a datagram to a port and may expect an answer."),
    MonitorType.GAMEDIG: ("Game server", "Asks a game server for its map and its players."),
    MonitorType.STARTTLS: ("STARTTLS", "Asks a mail server or database to change to TLS, and reads its certificate."),
    MonitorType.WEBSOCKET: ("WebSocket", "Opens a WebSocket; may send a message and expect one."),
    MonitorType.SQL: ("Database", "Sends a query to PostgreSQL, MySQL, MariaDB or SQLite and judges what comes back."),
    MonitorType.HEARTBEAT: (
        "Heartbeat",
        "Waits for your job to call a secret address, and worries when it does not.",
    ),
    MonitorType.GROUP: ("Group", "Has no check of its own: its status follows from other monitors."),
    MonitorType.NONE: ("Manual", "Is set by hand or by the API; nothing is checked."),
}


def url_with(value: str, *schemes: str) -> str:
    """A trimmed URL of one of these schemes. Where the name of a secret stands, it is checked again when its value has been put in."""
    value = value.strip()
    if any(c.isspace() or c == '"' or ord(c) < 32 for c in value):
        raise ValueError("A URL has no spaces or quotes in it.")
    if value.startswith("$") and names_in(value):
        return value
    try:
        parts = urlsplit(replaced(value, lambda _: "1"))
        _ = parts.port
    except ValueError:
        raise ValueError("This is not a valid URL.") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"Start the URL with {' or '.join(f'{one}://' for one in schemes)} and a host name.")
    return value


def _http_url(value: str) -> str:
    return url_with(value, "http", "https")


HttpUrl = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_http_url)]


def _host(value: str) -> str:
    """A name (of one label, with underscores or in any script) or an address; addresses in their shortest form, names as written."""
    value = value.strip()
    if names_in(value):
        return value
    known = ascii_host(value)
    return known if ":" in known else value


Host = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65_535)]


def _blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalHost = Annotated[Host | None, BeforeValidator(_blank)]
OptionalPort = Annotated[Port | None, BeforeValidator(_blank)]

MILLISECONDS: dict[str, Any] = {"unit": "ms"}
CODE: dict[str, Any] = {"code": True}

TimeLimit = Annotated[int, Field(ge=100, le=60_000, title="Time limit", json_schema_extra=MILLISECONDS)]
LatencyLimit = Annotated[Annotated[int, Field(ge=1, le=60_000)] | None, BeforeValidator(_blank)]


KEPT = "********"
"""Stands for a secret setting that is set: what forms and API show, and what keeps it when it comes back."""


def is_sealed(value: Any) -> bool:
    """Whether this is the envelope of a secret setting, as it stands in the database."""
    return isinstance(value, dict) and isinstance(value.get("sealed"), str)


def for_showing(settings: Any) -> Any:
    """Stored settings with `KEPT` in place of each envelope."""
    if not isinstance(settings, dict):
        return settings
    return {name: KEPT if is_sealed(value) else value for name, value in settings.items()}


class Spec(BaseModel):
    """Base of every type's settings."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000, hide_input_in_errors=True)

    NOT_IN_FORM: ClassVar[frozenset[str]] = frozenset()
    """Settings that only programs give."""

    @classmethod
    def idle(cls, data: Mapping[str, Any]) -> frozenset[str]:
        """Settings that have no effect, others being as they are."""
        return frozenset()

    SECRET: ClassVar[frozenset[str]] = frozenset()
    """Texts that are kept encrypted (`kener.services.vault`) and never shown again. Their checks let `KEPT` pass."""


class MeasuredSpec(Spec):
    """Base of the types that measure how long an answer takes."""

    degraded_latency_ms: LatencyLimit = Field(None, title="DEGRADED above", json_schema_extra=MILLISECONDS)
    down_latency_ms: LatencyLimit = Field(None, title="DOWN above", json_schema_extra=MILLISECONDS)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.degraded_latency_ms and self.down_latency_ms and self.down_latency_ms <= self.degraded_latency_ms:
            raise ValueError("down_latency_ms: the limit for DOWN must be above the limit for DEGRADED.")
        return self
