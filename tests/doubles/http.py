"""An HTTP server that follows a script by path, and remembers what it was asked."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from tests.doubles.background import Background

Act = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case, repeated ones joined with a comma."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    address: tuple[str, int]


def reply(status: int = 200, body: bytes = b"ok", *, delay_s: float = 0.0, **headers: str) -> Act:
    """An ordinary answer. Header names are written with underscores: `Retry_After="5"`."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay_s)
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if asked.method != "HEAD":
            writer.write(body)

    return act


def raw(content: bytes, *, then_hang: bool = False) -> Act:
    """Any bytes at all, then the end of the connection or silence."""

    async def act(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        if then_hang:
            await asyncio.sleep(3600)

    return act


async def hang(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.sleep(3600)


async def drop(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def reset(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Abort the connection (RST)."""
    raw_socket = writer.get_extra_info("socket")
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def endless(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A body without an end, as fast as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def drip(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A body of which a byte comes every 50 ms, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


@dataclass
class HttpDouble:
    """`with HttpDouble() as http: http.on("/x", reply(503))`. A list of acts is played in order; the last one repeats."""

    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    seen: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._acts: dict[str, list[Act]] = {}

    def on(self, path: str, *acts: Act) -> None:
        self._acts[path] = list(acts)

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        return f"{'https' if self.tls else 'http'}://{host or self.host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._background = Background()
        self._server = self._background.call(
            asyncio.start_server(self._serve, self.host, 0, ssl=self.tls, backlog=1024)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader, writer)
            if asked is not None:
                self.seen.append(asked)
                await self._act_for(asked.path)(asked, writer)
                await writer.drain()
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _act_for(self, path: str) -> Act:
        acts = self._acts.get(path.partition("?")[0])
        if acts is None:
            return reply(404, b"nothing here")
        return acts.pop(0) if len(acts) > 1 else acts[0]


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """None where nothing comes, or something that is no HTTP: that is answered as servers do."""
    try:
        start = await reader.readexactly(1)
        if not start.isupper():
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return None
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body, writer.get_extra_info("peername")[:2])
