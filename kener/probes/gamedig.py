"""Asks game servers how many play on which map.

Protocols over datagrams are opengsq's, which is loaded when the first of them is asked. Those over streams are spoken here: there an answer
needs a limit, and the end of a connection is an answer, too. The latency is the time to the whole answer.
"""

import asyncio
import dataclasses
import json
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from kener.domain.assertions import judge
from kener.domain.games import FIVEM, GAMES, MINECRAFT, SOURCE, TEAMSPEAK3, Game
from kener.domain.hosts import ascii_host
from kener.domain.readings import Reading
from kener.domain.specs import GamedigSpec, Spec
from kener.domain.specs.assertions import Source
from kener.domain.status import Status
from kener.net.transfer import in_seconds
from kener.probes import Target, aio
from kener.probes.aio import Down, Ours, Watch, connected
from kener.probes.limits import limited

_MARGIN_S = 0.02
_MAX_BYTES = 262_144
_MAX_ADDRESSES = 2
_TEXT = 80
_TEAMSPEAK_QUERY = 10_011

# Module, class and question of each protocol of opengsq.
_DATAGRAMS: dict[str, tuple[str, str, str]] = {
    SOURCE: ("source", "Source", "get_info"),
    "raknet": ("raknet", "RakNet", "get_status"),
    "samp": ("samp", "Samp", "get_status"),
    "vcmp": ("vcmp", "Vcmp", "get_status"),
    "ase": ("ase", "ASE", "get_status"),
    "quake1": ("quake1", "Quake1", "get_status"),
    "quake2": ("quake2", "Quake2", "get_status"),
    "quake3": ("quake3", "Quake3", "get_status"),
    "doom3": ("doom3", "Doom3", "get_status"),
    "gamespy1": ("gamespy1", "GameSpy1", "get_status"),
    "gamespy2": ("gamespy2", "GameSpy2", "get_status"),
    "gamespy3": ("gamespy3", "GameSpy3", "get_status"),
    "gamespy4": ("gamespy4", "GameSpy4", "get_status"),
    "unreal2": ("unreal2", "Unreal2", "get_details"),
}
_PLAYERS = ("num_players", "numplayers", "players", "clients", "virtualserver_clientsonline", "online")
_MOST = ("max_players", "maxplayers", "sv_maxclients", "maxclients", "si_maxplayers", "max", "virtualserver_maxclients")
_MAP = ("map", "mapname", "map_name", "si_map")
_NAME = ("name", "hostname", "server_name", "sv_hostname", "si_name", "motd_line1", "virtualserver_name")


@dataclass(frozen=True, slots=True)
class Server:
    """What a server said of itself; None and empty: not said."""

    players: int | None = None
    most: int | None = None
    map: str = ""
    name: str = ""
    rules: int | None = None

    def __str__(self) -> str:
        said = "an answer"
        if self.players is not None:
            said = f"{self.players} of {self.most} players" if self.most is not None else f"{self.players} players"
        said += f" on {self.map}" if self.map else ""
        said += f", {self.rules} rules" if self.rules is not None else ""
        return f"{self.name}: {said}" if self.name else said


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    if any(GAMES[cast(GamedigSpec, target.spec).gameId].protocol in _DATAGRAMS for target in targets):
        # Its import takes a while: not on the clock of a look.
        import_module("opengsq.protocols")
    return aio.run(targets, _look, timeout_ms=lambda spec: cast(GamedigSpec, spec).timeout, budget_s=budget_s)


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec = cast(GamedigSpec, spec)
    server = await _asked_in_turn(spec, GAMES[spec.gameId], watch)
    watch.mark("answer")
    ms = watch.ms
    seen = Reading(Status.UP, ms, answer=str(server), phases={**watch.phases, "total": ms})
    facts = {} if server.players is None else {Source.PLAYERS: server.players}
    return judge(spec, limited(spec, seen, "The answer came"), facts)


async def _asked_in_turn(spec: GamedigSpec, game: Game, watch: Watch) -> Server:
    """The first port and address that answers; each gets its share of the time."""
    host = ascii_host(spec.host)
    found = (await aio.addresses(host))[:_MAX_ADDRESSES]
    watch.mark("dns")
    places = [(address, port) for port in game.ports(spec.port, guess=spec.guessPort) for address in found]
    last: Down | Ours | None = None
    for number, (address, port) in enumerate(places):
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        left_s = max(0.05, (spec.timeout - watch.ms) / 1000 - _MARGIN_S)
        try:
            async with asyncio.timeout(left_s / (len(places) - number)):
                return await _ask(spec, game, _Place(host, address, port, where), watch)
        except TimeoutError:
            silent = f"{where} does not answer" if len(places) > 1 else f"No answer within {in_seconds(spec.timeout)}"
            last = Down(silent, timed_out=True)
        except (Down, Ours) as error:
            last = error
        except OSError as error:
            last = aio.sorted_out(error, where)
    assert last is not None
    raise last


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a server is asked: its host as the monitor names it, one of its addresses, a port, and both in words."""

    host: str
    address: str
    port: int
    where: str


async def _ask(spec: GamedigSpec, game: Game, place: _Place, watch: Watch) -> Server:
    ask = _STREAMS.get(game.protocol)
    try:
        if ask is not None:
            return await ask(place, watch)
        return await _ask_with_datagrams(spec, game, place)
    except (Down, Ours, OSError, TimeoutError):
        raise
    except Exception as error:
        # What a stranger sends may break a parser in any way.
        raise Down(f"{place.where} does not speak the protocol of {game.title}: its answer cannot be read") from error


async def _ask_with_datagrams(spec: GamedigSpec, game: Game, place: _Place) -> Server:
    module, kind, question = _DATAGRAMS[game.protocol]
    protocol = getattr(import_module(f"opengsq.protocols.{module}"), kind)(
        place.address, place.port, spec.timeout / 1000
    )
    server = read(await getattr(protocol, question)())
    if spec.requestRules and game.protocol == SOURCE:
        server = dataclasses.replace(server, rules=len(await protocol.get_rules()))
    return server


def read(answer: Any) -> Server:
    """An answer of any protocol, as a dataclass or a mapping, in the few words that they have in common."""
    fields = _flat(answer)
    return Server(
        players=next((n for name in _PLAYERS if (n := _number(fields.get(name))) is not None), None),
        most=next((n for name in _MOST if (n := _number(fields.get(name))) is not None), None),
        map=_text(fields, _MAP),
        name=_text(fields, _NAME),
    )


def _flat(answer: Any) -> dict[str, Any]:
    """Fields by their names in small letters; those of an inner `info` count, too."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        answer = {each.name: getattr(answer, each.name) for each in dataclasses.fields(answer)}
    if not isinstance(answer, Mapping):
        raise ValueError("not an answer")
    fields = {str(name).lower(): value for name, value in answer.items()}
    inner = fields.get("info")
    return fields | _flat(inner) if isinstance(inner, Mapping) else fields


def _number(value: Any) -> int | None:
    if isinstance(value, list | tuple):
        return len(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if 0 <= number < 1_000_000 else None


def _text(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    found = next((value for name in names if isinstance(value := fields.get(name), str) and value.strip()), "")
    return " ".join("".join(c for c in found if c.isprintable()).split())[:_TEXT]


async def _ask_minecraft(place: _Place, watch: Watch) -> Server:
    """A handshake that says which host is meant, and a request for the status: JSON behind two lengths."""
    async with connected(place.address, place.port, watch) as (reader, writer):
        host = place.host.encode()
        hello = b"\0\x2f" + _varint(len(host)) + host + struct.pack("!H", place.port) + b"\x01"
        writer.write(_varint(len(hello)) + hello + b"\x01\0")
        await _read_varint(reader, place)
        if await _read_varint(reader, place) != 0:
            raise ValueError("not a status")
        length = await _read_varint(reader, place)
        if length > _MAX_BYTES:
            raise Down(f"{place.where} announces an answer that is too long")
        status = json.loads(await _exactly(reader, length, place))
    said = status.get("players") or {}
    return Server(
        _number(said.get("online")), _number(said.get("max")), name=_text(status.get("version") or {}, ("name",))
    )


async def _ask_fivem(place: _Place, watch: Watch) -> Server:
    """One HTTP request whose answer is JSON. No redirect is followed: it could lead anywhere."""
    async with connected(place.address, place.port, watch) as (reader, writer):
        host = f"[{place.host}]" if ":" in place.host else place.host
        writer.write(
            f"GET /dynamic.json HTTP/1.0\r\nHost: {host}:{place.port}\r\nAccept: application/json\r\n\r\n".encode()
        )
        head, _, body = (await _to_the_end(reader, place)).partition(b"\r\n\r\n")
    first = head.split(b"\r\n", 1)[0].split()
    if len(first) < 2 or not first[0].startswith(b"HTTP/"):
        raise ValueError("not HTTP")
    if first[1] != b"200":
        raise Down(f"{place.where} answers HTTP {first[1][:3].decode('ascii', 'replace')}")
    status = json.loads(body)
    return Server(
        _number(status.get("clients")),
        _number(status.get("sv_maxclients")),
        map=_text(status, ("mapname",)),
        name=_text(status, ("hostname",)),
    )


async def _ask_teamspeak(place: _Place, watch: Watch) -> Server:
    """Commands as lines on a port of their own; the answers are lines of `key=value`, ended by one that says `error`."""
    at = f"{place.address}:{_TEAMSPEAK_QUERY}" if ":" not in place.address else f"[{place.address}]:{_TEAMSPEAK_QUERY}"
    query = dataclasses.replace(place, port=_TEAMSPEAK_QUERY, where=at)
    async with connected(place.address, _TEAMSPEAK_QUERY, watch) as (reader, writer):
        if (await _line(reader, query)).strip() != b"TS3":
            raise ValueError("not TeamSpeak")
        await _line(reader, query)
        writer.write(f"use port={place.port}\n".encode())
        await _teamspeak_answer(reader, query)
        writer.write(b"serverinfo\n")
        fields = await _teamspeak_answer(reader, query)
    return read(fields)


async def _teamspeak_answer(reader: asyncio.StreamReader, place: _Place) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(50):
        line = (await _line(reader, place)).decode(errors="replace").strip()
        pairs = dict(word.partition("=")[::2] for word in line.split(" "))
        if not line.startswith("error "):
            fields |= {name: value.replace("\\s", " ").replace("\\p", "|") for name, value in pairs.items()}
        elif pairs.get("id") == "0":
            return fields
        else:
            reason = pairs.get("msg", "").replace("\\s", " ")[:100]
            raise Down(f"{place.where} refuses: {reason or 'no reason given'}")
    raise ValueError("no end")


_STREAMS: dict[str, Callable[[_Place, Watch], Awaitable[Server]]] = {
    MINECRAFT: _ask_minecraft,
    FIVEM: _ask_fivem,
    TEAMSPEAK3: _ask_teamspeak,
}


async def _exactly(reader: asyncio.StreamReader, length: int, place: _Place) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise Down(f"{place.where} closed the connection without an answer") from None


async def _line(reader: asyncio.StreamReader, place: _Place) -> bytes:
    line = await reader.readline()
    if not line:
        raise Down(f"{place.where} closed the connection without an answer")
    return line


async def _to_the_end(reader: asyncio.StreamReader, place: _Place) -> bytes:
    found = bytearray()
    while chunk := await reader.read(65_536):
        found += chunk
        if len(found) > _MAX_BYTES:
            raise Down(f"The answer of {place.where} is too long")
    if not found:
        raise Down(f"{place.where} closed the connection without an answer")
    return bytes(found)


async def _read_varint(reader: asyncio.StreamReader, place: _Place) -> int:
    value = 0
    for shift in range(0, 35, 7):
        (byte,) = await _exactly(reader, 1, place)
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
    raise ValueError("not a number")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
