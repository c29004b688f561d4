"""What is asked, and what comes of it: values that know nothing of libcurl."""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from kener.net.addresses import AddressPolicy

MIB = 1_048_576
_PLACE = re.compile(r"(https?)://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/:?#]*)(?::(\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `timeout_ms` is the hard limit over everything: the name, the connection, TLS, redirects, the last byte.

    `headers` are whole lines. With `max_redirects` 0 a redirect is an answer like any other. Of the body at most `max_bytes` are read, and
    kept only with `keep`; stopping there is no failure. Headers are kept with `keep` or `keep_headers`; `certificate` asks when it ends.

    With `http2` nothing else is spoken, without TLS too. `at` is the host that the connection goes to, where the URL names another.
    """

    url: str
    policy: AddressPolicy
    timeout_ms: int
    method: str = "GET"
    headers: tuple[str, ...] = ()
    body: bytes | None = None
    max_redirects: int = 0
    verify_tls: bool = True
    max_bytes: int = MIB
    keep: bool = False
    keep_headers: bool = False
    certificate: bool = False
    http2: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `headers` have lower-case names and include trailers; `truncated` says that the body was longer than what was read.

    `phases` are cumulative milliseconds: dns, connect, tls, first_byte, total. `certificate_ends` is epoch seconds.
    """

    status: int
    total_ms: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False
    phases: dict[str, int] = field(default_factory=dict)
    certificate_ends: float | None = None


class Cause(Enum):
    """Whose doing a failure is."""

    TARGET = auto()
    """The other side, or the way there."""
    POLICY = auto()
    """We may not go there."""
    OURS = auto()
    """We could not even try: out of file descriptors, an address that is none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer. `reason` is a sentence for people; `address` is the refused one where the policy is the cause."""

    reason: str
    cause: Cause = Cause.TARGET
    timed_out: bool = False
    address: str | None = None


def host_and_port(url: str) -> tuple[str, int]:
    """Where a URL leads. Good enough to look the name up and to speak of it; libcurl reads the URL itself when it connects."""
    found = _PLACE.match(url)
    if found is None:
        return "", 0
    scheme, host, port = found.groups()
    return host.strip("[]").lower(), int(port or (443 if len(scheme) == 5 else 80))
