"""Looks at WebSockets: the handshake, then a message if one is to be sent, and the messages that come until one is as expected.

The latency is the time until that message, or until the handshake where none is expected.
"""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast
from urllib.parse import SplitResult, quote, unquote, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from kener import __version__
from kener.domain.assertions import judge
from kener.domain.hosts import ascii_host
from kener.domain.readings import Reading
from kener.domain.specs import Spec, WebsocketSpec
from kener.domain.specs.talk import unescaped
from kener.domain.status import Status
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, many, tls
from kener.probes.aio import Down, Ours, Watch
from kener.probes.limits import limited
from kener.probes.talk import MAX_BYTES, Heard

_AT_A_TIME = 16_384
_GOODBYE_S = 0.2
_PRINTABLE = "".join(chr(number) for number in range(33, 127))


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(
        targets, _look, timeout_ms=lambda spec: cast(WebsocketSpec, spec).timeout + many.GRACE_MS, budget_s=budget_s
    )


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec, heard = cast(WebsocketSpec, spec), Heard()
    try:
        reading = await _seen(spec, watch, heard)
    except Down as down:
        reading = aio.failed(down, watch)
    return judge(spec, reading, heard.facts)


async def _seen(spec: WebsocketSpec, watch: Watch, heard: Heard) -> Reading:
    try:
        async with asyncio.timeout(spec.timeout / 1000):
            ms, said = await _exchange(spec, watch, heard)
    except TimeoutError:
        raise Down(_late(spec, watch, heard), timed_out=True, answer=heard.text or None) from None
    except ConnectionError as error:
        if "connect" not in watch.phases:
            raise
        raise Down("It broke the connection off", answer=heard.text or None) from error
    reading = Reading(Status.UP, ms, answer=said, phases=dict(watch.phases))
    return limited(spec, reading, "Message" if spec.wants_answer else "Handshake")


async def _exchange(spec: WebsocketSpec, watch: Watch, heard: Heard) -> tuple[int, str]:
    """Milliseconds, and what was heard in a few words. Raises Down, Ours, OSError."""
    parts = urlsplit(spec.url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    async with aio.connected(host, _port(parts), watch) as (reader, writer):
        if secure:
            peer = await tls.upgrade(reader, writer, where=f"{host}:{_port(parts)}", server_name=host)
            watch.mark("tls")
            if peer.objection and not spec.allowSelfSignedCert:
                raise Down(peer.objection)
        line = Line(reader, writer)
        chosen = await _shake_hands(spec, parts, line)
        watch.mark("handshake")
        said = f"HTTP 101, sub-protocol {chosen}" if chosen else "HTTP 101"
        if spec.send:
            await line.send(_message(unescaped(spec.send)))
        if spec.wants_answer:
            await _until(spec, line, heard)
            watch.mark("answer")
            said = heard.text
        ms = max(1, watch.ms)
        await _take_leave(line)
        return ms, said


async def _shake_hands(spec: WebsocketSpec, parts: SplitResult, line: "Line") -> str | None:
    """The sub-protocol that the server chose."""
    await line.send(_request(spec, parts))
    match await line.next():
        case AcceptConnection(subprotocol=chosen):
            if spec.subprotocols and not chosen:
                raise Down(f"It chooses none of the sub-protocols {', '.join(spec.subprotocols)}")
            return chosen
        case RejectConnection(status_code=code, headers=headers):
            raise Down(_rejected(code, dict(headers)), answer=f"HTTP {code}")
        case None:
            raise Down("It closed the connection without an answer to the handshake")
    raise Down("It speaks before the handshake has ended")


def _request(spec: WebsocketSpec, parts: SplitResult) -> Request:
    name = ascii_host(parts.hostname or "")
    host = f"[{name}]" if ":" in name else name
    headers = {"user-agent": ("User-Agent", f"Kener/{__version__}")}
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = ("Authorization", f"Basic {base64.b64encode(account.encode()).decode()}")
    headers |= {header.key.lower(): (header.key, header.value.strip()) for header in spec.headers}
    _, given_host = headers.pop("host", ("", ""))
    target = quote(parts.path or "/", safe=_PRINTABLE) + (
        f"?{quote(parts.query, safe=_PRINTABLE)}" if parts.query else ""
    )
    return Request(
        host=given_host or (f"{host}:{parts.port}" if parts.port else host),
        target=target,
        subprotocols=list(spec.subprotocols),
        extra_headers=[(key.encode(), value.encode()) for key, value in headers.values()],
    )


def _rejected(code: int, headers: dict[bytes, bytes]) -> str:
    try:
        phrase = f" {HTTPStatus(code).phrase}"
    except ValueError:
        phrase = ""
    said = f"HTTP {code}{phrase} instead of a WebSocket (101)"
    location = headers.get(b"location", b"").decode(errors="replace")[:200]
    return f"{said}; it leads to {location}" if location and 300 <= code < 400 else said


def _message(content: bytes) -> TextMessage | BytesMessage:
    """Text where it is text, else bytes."""
    try:
        return TextMessage(data=content.decode())
    except UnicodeDecodeError:
        return BytesMessage(data=content)


async def _until(spec: WebsocketSpec, line: "Line", heard: Heard) -> None:
    """Hear message after message until one has what is expected, in 64 KiB of them at most."""
    whole = bytearray()
    read = 0
    while read <= MAX_BYTES:
        match await line.next():
            case TextMessage() | BytesMessage() as part:
                data = part.data.encode() if isinstance(part, TextMessage) else bytes(part.data)
                whole += data
                read += len(data) + 1
                heard.said = bytearray(whole[:MAX_BYTES])
                if part.message_finished:
                    if spec.met_by(heard.said):
                        return
                    whole.clear()
            case CloseConnection(code=code, reason=reason):
                why = f": {reason}" if reason else ""
                raise Down(f"It closed the WebSocket with code {int(code)}{why}", answer=heard.text or None)
            case None:
                raise Down("It closed the connection without closing the WebSocket", answer=heard.text or None)
    raise Down(f"None of its messages is what is expected: {heard.text}", answer=heard.text)


async def _take_leave(line: "Line") -> None:
    """Close as is proper, if the other side is quick about it: what was measured stands already."""
    with suppress(OSError, TimeoutError, Down, Ours):
        async with asyncio.timeout(_GOODBYE_S):
            await line.send(CloseConnection(code=1000))
            while not isinstance(await line.next(), CloseConnection | None):
                pass


@dataclass(slots=True)
class Line:
    """A WebSocket on open streams. Pings are answered on the way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _protocol: WSConnection = field(default_factory=lambda: WSConnection(ConnectionType.CLIENT))
    _arrived: list[Event] = field(default_factory=list)
    _ended: bool = False

    async def send(self, event: Event) -> None:
        """Raises Ours for what the protocol does not allow."""
        try:
            self.writer.write(self._protocol.send(event))
        except LocalProtocolError as error:
            raise Ours(f"This cannot be sent over a WebSocket: {error}") from None
        await self.writer.drain()

    async def next(self) -> Event | None:
        """What the other side says next; None once it has hung up. Raises Down where it is no WebSocket."""
        while True:
            while not self._arrived:
                if self._ended:
                    return None
                await self._receive()
            event = self._arrived.pop(0)
            if not isinstance(event, Ping):
                return event
            await self.send(event.response())

    async def _receive(self) -> None:
        raw = await self.reader.read(_AT_A_TIME)
        self._ended = not raw
        if self._ended:
            return
        try:
            self._protocol.receive_data(raw)
            self._arrived += self._protocol.events()
        except RemoteProtocolError as error:
            raise Down(f"It does not speak WebSocket: {error}") from None


def _late(spec: WebsocketSpec, watch: Watch, heard: Heard) -> str:
    """How far it came in its time."""
    within = f"within {in_seconds(spec.timeout)}"
    if heard.said:
        return f"No more than this {within}, which is not what is expected: {heard.text}"
    if "handshake" in watch.phases:
        return f"The WebSocket is open, but no message {within}"
    secure = spec.url.startswith("wss:")
    if "tls" in watch.phases or ("connect" in watch.phases and not secure):
        return f"No answer to the handshake {within}"
    if "connect" in watch.phases:
        return f"No TLS handshake {within}"
    return f"No connection {within}" if "dns" in watch.phases else f"The name was not found {within}"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "wss" else 80)
