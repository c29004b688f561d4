"""A name server that answers as it is told, over UDP, TCP and TLS, rightly or wrongly."""

import asyncio
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.doubles.background import Background

Act = Callable[[dns.message.Message, bool], list[bytes]]
"""What is sent for a question; whether it came in a datagram."""


def records(*lines: str) -> Act:
    """An answer with these lines of a zone file: `shop.example. 300 IN A 203.0.113.7`."""

    def act(query: dns.message.Message, _datagram: bool) -> list[bytes]:
        reply = dns.message.make_response(query)
        for line in lines:
            name, ttl, _, kind, rest = line.split(" ", 4)
            reply.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, rest))
        return [reply.to_wire(max_size=65_535)]

    return act


def rcode(number: int) -> Act:
    """A response code and nothing else."""

    def act(query: dns.message.Message, _datagram: bool) -> list[bytes]:
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.Rcode.make(number))
        return [reply.to_wire(max_size=65_535)]

    return act


def truncated(full: Act) -> Act:
    """Cut off in datagrams, whole on streams."""

    def act(query: dns.message.Message, datagram: bool) -> list[bytes]:
        if not datagram:
            return full(query, datagram)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return [reply.to_wire(max_size=65_535)]

    return act


def with_wrong_id(*, then: Act | None = None) -> Act:
    """An answer with an id that is not the question's, and perhaps the right one behind it."""

    def act(query: dns.message.Message, datagram: bool) -> list[bytes]:
        (wrong,) = records(f"{query.question[0].name} 60 IN A 192.0.2.66")(query, datagram)
        wrong = struct.pack("!H", query.id ^ 1) + wrong[2:]
        return [wrong, *(then(query, datagram) if then else [])]

    return act


def with_wrong_question(*, then: Act | None = None) -> Act:
    """An answer to a question that was not asked, with the right id."""

    def act(query: dns.message.Message, datagram: bool) -> list[bytes]:
        other = dns.message.make_query("other.example", "A", id=query.id)
        wrong = records("other.example. 60 IN A 192.0.2.66")(other, datagram)
        return wrong + (then(query, datagram) if then else [])

    return act


def lost(times: int, then: Act) -> Act:
    """Says nothing to the first questions."""
    left = [times]

    def act(query: dns.message.Message, datagram: bool) -> list[bytes]:
        if left[0] > 0:
            left[0] -= 1
            return []
        return then(query, datagram)

    return act


def without_edns(then: Act) -> Act:
    """Does not understand questions with EDNS."""

    def act(query: dns.message.Message, datagram: bool) -> list[bytes]:
        if query.edns < 0:
            return then(query, datagram)
        bare = dns.message.make_query(query.question[0].name, query.question[0].rdtype, id=query.id)
        return rcode(dns.rcode.FORMERR)(bare, datagram)

    return act


def garbage(content: bytes, *, right_id: bool) -> Act:
    """Bytes that are no message, behind the header of an answer or not."""

    def act(query: dns.message.Message, _datagram: bool) -> list[bytes]:
        head = struct.pack("!HHHHHH", query.id, 0x8180, 9, 9, 9, 9) if right_id else b""
        return [head + content]

    return act


def silent(_query: dns.message.Message, _datagram: bool) -> list[bytes]:
    """Never answers."""
    return []


@dataclass
class DnsDouble:
    """`with DnsDouble() as dns: dns.on("shop.example", records(…)) … dns.port`. With `tls`, `tls_port` speaks DNS over TLS."""

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, type and road (udp, tcp, tls) of each question."""
    ids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._acts: dict[str, Act] = {}

    def on(self, name: str, act: Act) -> None:
        self._acts[name.rstrip(".").lower()] = act

    def __enter__(self) -> Self:
        self._background = Background()
        self._background.call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            self._background.loop.call_soon_threadsafe(server.close)
        self._background.stop()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            stream = await asyncio.start_server(lambda r, w: self._serve(r, w, "tcp"), self.host, 0)
            self.port: int = stream.sockets[0].getsockname()[1]
            try:
                datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(self.host, self.port)
                )
            except OSError:
                stream.close()
                continue
            break
        self._servers: list[Any] = [stream, datagrams]
        if self.tls:
            secure = await asyncio.start_server(lambda r, w: self._serve(r, w, "tls"), self.host, 0, ssl=self.tls)
            self.tls_port: int = secure.sockets[0].getsockname()[1]
            self._servers.append(secure)

    def replies(self, wire: bytes, road: str) -> list[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        self.seen.append((name, dns.rdatatype.to_text(question.rdtype), road))
        self.ids.append(query.id)
        return self._acts.get(name, rcode(dns.rcode.NXDOMAIN))(query, road == "udp")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, road: str) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                for reply in self.replies(await reader.readexactly(length), road):
                    writer.write(struct.pack("!H", len(reply)) + reply)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, double: DnsDouble) -> None:
        self._double = double

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for reply in self._double.replies(data, "udp"):
            self._transport.sendto(reply, addr)
