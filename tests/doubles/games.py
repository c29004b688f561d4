"""Game servers: one that speaks Valve's protocol over UDP, and one that is a Minecraft server over TCP, or any stream at all."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.doubles.background import Background

_HEAD = b"\xff\xff\xff\xff"
_CHALLENGE = b"\x11\x22\x33\x44"


@dataclass
class SourceDouble:
    """`with SourceDouble(players=7) as game: … game.port`. Asks for its challenge first; `mode` may be `silent` or bytes to send instead.

    `rules=None` tells none.
    """

    players: int = 7
    mode: bytes | None = None
    host: str = "127.0.0.1"
    rules: dict[str, str] | None = None
    late_s: float = 0.0
    seen: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._background = Background()
        self._background.call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._transport.close)
        self._background.stop()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(self.host, 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]

    def replies(self, asked: bytes) -> bytes | None:
        self.seen.append(asked)
        if self.mode is not None:
            return self.mode or None
        if not asked.endswith(_CHALLENGE):
            return _HEAD + b"A" + _CHALLENGE
        if asked[4:5] == b"V":
            return None if self.rules is None else _HEAD + b"E" + struct.pack("<H", len(self.rules)) + self._rules()
        names = b"\0".join((b"My server", b"de_dust2", b"csgo", b"Counter-Strike"))
        numbers = struct.pack("<HBBBccBB", 730, self.players, 32, 0, b"d", b"l", 0, 1)
        return _HEAD + b"I\x11" + names + b"\0" + numbers + b"1.38\0"

    def _rules(self) -> bytes:
        return b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in (self.rules or {}).items())


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, double: SourceDouble) -> None:
        self._double = double

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if reply := self._double.replies(data):
            asyncio.get_running_loop().call_later(self._double.late_s, self._transport.sendto, reply, addr)


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class StreamDouble:
    """A TCP server that acts as it is told, once per connection."""

    act: Act
    host: str = "127.0.0.1"
    port: int = 0

    def __enter__(self) -> Self:
        self._background = Background()
        self._server = self._background.call(asyncio.start_server(self._serve, self.host, self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.act(reader, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def minecraft(status: object, heard: list[bytes] | None = None) -> Act:
    """The status of a Minecraft server, behind its lengths."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = await reader.readexactly(1)
        hello = await reader.readexactly(length)
        assert await reader.readexactly(2) == b"\x01\0"
        if heard is not None:
            heard.append(hello)
        text = json.dumps(status).encode()
        body = b"\0" + _varint(len(text)) + text
        writer.write(_varint(len(body)) + body)

    return act


def sends(content: bytes, *, then_waits: bool = False) -> Act:
    """The same bytes to everybody who says something."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)
        writer.write(content)
        await writer.drain()
        if then_waits:
            await asyncio.sleep(3600)

    return act


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
