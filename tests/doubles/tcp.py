"""A TCP server that plays a part written for the test: what it says, what it waits for, when it hangs up."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from tests.doubles.background import Background

Part = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take the connection and stay silent."""
    await asyncio.Event().wait()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


def saying(*chunks: bytes, then_hang: bool = False, delay_s: float = 0.0) -> Part:
    """Say these things, one packet each, then hang up or stay silent."""

    async def part(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            await asyncio.sleep(delay_s)
            writer.write(chunk)
            await writer.drain()
        if then_hang:
            await asyncio.Event().wait()

    return part


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk without an end, as fast as it is read."""
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection off (RST), once the other side has seen it come about."""
    await asyncio.sleep(0.05)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


@dataclass
class TcpDouble:
    """`with TcpDouble(saying(b"+PONG\\r\\n")) as server: … server.port … server.connections`."""

    part: Part = nothing
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._background = Background()
        self._server = self._background.call(asyncio.start_server(self._serve, self.host, 0, ssl=self.tls, backlog=512))
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.part(reader, writer)
            await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            with contextlib.suppress(OSError):
                writer.close()


def unused_port(host: str = "127.0.0.1") -> int:
    """A port that refuses connections."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.bind((host, 0))
        return int(holder.getsockname()[1])
