"""A WebSocket server that plays a part written for the test."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.doubles.background import Background

Part = Callable[[ServerConnection], Awaitable[None]]


async def nothing(socket: ServerConnection) -> None:
    """Say nothing until the other side leaves."""
    await socket.wait_closed()


async def echo(socket: ServerConnection) -> None:
    """Give every message back."""
    async for message in socket:
        await socket.send(message)


def saying(*messages: str | bytes, then_close: tuple[int, str] | None = None) -> Part:
    """Say these things, then close or stay."""

    async def part(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message)
        if then_close:
            await socket.close(*then_close)
        await socket.wait_closed()

    return part


@dataclass
class WebsocketDouble:
    """`with WebsocketDouble(echo) as server: … server.url() … server.closes`."""

    part: Part = nothing
    tls: ssl.SSLContext | None = None
    subprotocols: Sequence[str] = ()
    host: str = "127.0.0.1"
    asked: list[ServerConnection] = field(default_factory=list)
    closes: list[int | None] = field(default_factory=list)

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        return f"{'wss' if self.tls else 'ws'}://{host or self.host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._background = Background()
        self._server = self._background.call(self._start())
        self.port: int = next(iter(self._server.sockets)).getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._background.call(self._stop())
        self._background.stop()

    async def _start(self) -> Server:
        known = [Subprotocol(name) for name in self.subprotocols]
        return await serve(
            self._serve, self.host, 0, ssl=self.tls, subprotocols=known or None, ping_interval=None, close_timeout=1
        )

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        self.asked.append(socket)
        try:
            await self.part(socket)
        except ConnectionClosed:
            pass
        finally:
            self.closes.append(socket.close_code)
