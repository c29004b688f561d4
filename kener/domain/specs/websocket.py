"""WebSockets."""

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from kener.domain.hosts import ascii_host
from kener.domain.secrets import names_in
from kener.domain.specs.api import Header
from kener.domain.specs.assertions import Source
from kener.domain.specs.base import CODE, TimeLimit, url_with
from kener.domain.specs.talk import TalkSpec

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OF_THE_HANDSHAKE = re.compile(r"(?i:upgrade|connection|content-length|transfer-encoding|sec-websocket-.*)")


def _url(value: str) -> str:
    value = url_with(value, "ws", "wss")
    if not names_in(value):
        ascii_host(urlsplit(value).hostname or "")
    return value


def _subprotocol(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("A sub-protocol has letters, digits, hyphens and dots only.")
    return value


def _free(header: Header) -> Header:
    if _OF_THE_HANDSHAKE.fullmatch(header.key):
        raise ValueError(f"{header.key} belongs to the handshake and cannot be set.")
    return header


class WebsocketSpec(TalkSpec):
    """Opens a WebSocket; may send a message and expect one. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.BODY, Source.JSON, Source.LATENCY)

    url: Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_url)] = Field(
        title="URL", json_schema_extra=CODE
    )
    headers: Annotated[list[Annotated[Header, AfterValidator(_free)]], Field(max_length=50)] = Field(
        [], title="Headers"
    )
    subprotocols: Annotated[list[Annotated[str, AfterValidator(_subprotocol)]], Field(max_length=20)] = Field(
        [],
        title="Sub-protocols",
        description="Those that are offered, one a line. The server must choose one of them.",
        json_schema_extra={"code": True, "rows": 2},
    )
    timeout: TimeLimit = Field(10_000, description="Name, TLS, handshake and answer included.")
    allowSelfSignedCert: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Only for test systems: anybody may answer in its place.",
    )
