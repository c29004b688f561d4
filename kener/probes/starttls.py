"""Looks at servers that begin in the clear: asks them to change to TLS, and reads the certificate.

The latency is the time to the end of the TLS handshake. What a server says instead of its consent is part of the error.
"""

import asyncio
import ipaddress
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from kener.domain.readings import Reading
from kener.domain.specs import Spec, StarttlsSpec
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, many, tls
from kener.probes.aio import Down, Watch
from kener.probes.ssl import judged

_SSL_REQUEST = struct.pack("!II", 8, 80_877_103)
_LINES = 100
_SHOWN = 200


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(
        targets, _look, timeout_ms=lambda spec: cast(StarttlsSpec, spec).timeout + many.GRACE_MS, budget_s=budget_s
    )


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec = cast(StarttlsSpec, spec)
    port, protocol = spec.asked_port, _PROTOCOLS[spec.protocol]
    where = f"[{spec.host}]:{port}" if ":" in spec.host else f"{spec.host}:{port}"
    try:
        async with asyncio.timeout(spec.timeout / 1000), aio.connected(spec.host, port, watch) as (reader, writer):
            try:
                await protocol.agree(Talk(reader, writer, watch))
            except ConnectionError:
                raise Down(f"{where} broke the connection off before TLS") from None
            watch.mark("starttls")
            peer = await tls.upgrade(reader, writer, where=where, server_name=spec.serverName or spec.host)
            watch.mark("tls")
            with suppress(OSError):
                writer.write(protocol.goodbye)
                await writer.drain()
    except TimeoutError:
        raise Down(_late(spec, watch), timed_out=True) from None
    return judged(spec, peer, watch)


def _late(spec: StarttlsSpec, watch: Watch) -> str:
    """How far it came in its time."""
    within = f"within {in_seconds(spec.timeout)}"
    if "starttls" in watch.phases:
        return f"It agrees to TLS, but no handshake {within}"
    if "greeting" in watch.phases:
        return f"No answer to the request for TLS {within}"
    if "connect" in watch.phases:
        return f"It takes the connection and says nothing {within}"
    return f"No connection {within}" if "dns" in watch.phases else f"The name {spec.host} was not found {within}"


class Talk:
    """A conversation in lines. Raises Down where the other side hangs up or talks without an end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch) -> None:
        self.reader, self.writer, self.watch = reader, writer, watch

    async def line(self) -> str:
        try:
            raw = await self.reader.readline()
        except ValueError:
            raise Down("It sends a line without an end") from None
        if not raw:
            raise Down("It closed the connection before TLS")
        text = raw.decode(errors="replace").rstrip("\r\n")
        return "".join(char if char.isprintable() else " " for char in text)[:_SHOWN]

    async def lines(self, last: Callable[[str], bool]) -> list[str]:
        """Lines up to the one that is the last."""
        found: list[str] = []
        while len(found) < _LINES:
            found.append(await self.line())
            if last(found[-1]):
                return found
        raise Down("It talks without an end before TLS")

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else f"{text}\r\n".encode())
        await self.writer.drain()

    def greeted(self) -> None:
        self.watch.mark("greeting")


async def _smtp(talk: Talk) -> None:
    def is_last(line: str) -> bool:
        return not (line[:3].isdigit() and line[3:4] == "-")

    greeting = await talk.lines(is_last)
    if not greeting[-1].startswith("220"):
        raise _refused("the connection", greeting[-1], "SMTP", greeting[-1][:3].isdigit())
    talk.greeted()
    await talk.say(f"EHLO {_literal(talk.writer)}")
    offered = await talk.lines(is_last)
    if not offered[-1].startswith("250"):
        raise _refused("EHLO", offered[-1], "SMTP", offered[-1][:3].isdigit())
    if not any(line[4:].strip().upper() == "STARTTLS" for line in offered):
        raise Down("It does not offer STARTTLS", answer=offered[0])
    await talk.say("STARTTLS")
    consent = await talk.lines(is_last)
    if not consent[-1].startswith("220"):
        raise _refused("STARTTLS", consent[-1], "SMTP", consent[-1][:3].isdigit())


def _literal(writer: asyncio.StreamWriter) -> str:
    """Our own address, as mail servers take it in place of a name."""
    own = ipaddress.ip_address(writer.get_extra_info("sockname")[0])
    return f"[IPv6:{own}]" if own.version == 6 else f"[{own}]"


async def _imap(talk: Talk) -> None:
    greeting = await talk.line()
    if not greeting.upper().startswith("* OK"):
        raise _refused("the connection", greeting, "IMAP", greeting.startswith("* "))
    talk.greeted()
    await talk.say("k1 STARTTLS")
    consent = (await talk.lines(lambda line: line.startswith("k1 ")))[-1]
    if not consent.upper().startswith("K1 OK"):
        raise _refused("STARTTLS", consent.removeprefix("k1 "), "IMAP", True)


async def _pop3(talk: Talk) -> None:
    greeting = await talk.line()
    if not greeting.startswith("+OK"):
        raise _refused("the connection", greeting, "POP3", greeting.startswith("-ERR"))
    talk.greeted()
    await talk.say("STLS")
    consent = await talk.line()
    if not consent.startswith("+OK"):
        raise _refused("STLS", consent, "POP3", consent.startswith("-ERR"))


async def _postgresql(talk: Talk) -> None:
    await talk.say(_SSL_REQUEST)
    match await talk.reader.read(1):
        case b"S":
            return
        case b"N":
            raise Down("It does not offer TLS", answer="N")
        case b"":
            raise Down("It closed the connection before TLS")
        case b"E":
            raise Down("It refuses TLS with an error", answer="E")
    raise Down("It does not speak PostgreSQL")


def _refused(what: str, said: str, protocol: str, understood: bool) -> Down:
    if not understood:
        return Down(f"It does not speak {protocol}: {said}", answer=said)
    return Down(f"It refuses {what}: {said}", answer=said)


@dataclass(frozen=True, slots=True)
class _Protocol:
    """How to agree on TLS, and how to take leave."""

    agree: Callable[[Talk], Awaitable[None]]
    goodbye: bytes


_PROTOCOLS = {
    "SMTP": _Protocol(_smtp, b"QUIT\r\n"),
    "IMAP": _Protocol(_imap, b"k2 LOGOUT\r\n"),
    "POP3": _Protocol(_pop3, b"QUIT\r\n"),
    "POSTGRESQL": _Protocol(_postgresql, b""),
}
