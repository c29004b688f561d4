"""The probe of game servers against real local servers, over UDP and TCP."""

import asyncio
import json
import socket
import time
from typing import Any

import pytest

from kener.domain.games import GAMES
from kener.domain.readings import Reading
from kener.domain.specs import GamedigSpec, MonitorType
from kener.domain.status import Status
from kener.probes import PROBES, Target, gamedig
from tests.doubles.games import SourceDouble, StreamDouble, minecraft, sends

STATUS = {"version": {"name": "Paper 1.21"}, "players": {"online": 3, "max": 20}, "description": "hello"}


def look(port: int, game: str = "csgo", **settings: object) -> Reading:
    spec = GamedigSpec.model_validate({"gameId": game, "host": "127.0.0.1", "port": port, "timeout": 3_000, **settings})
    ((_, reading),) = PROBES[MonitorType.GAMEDIG].probe([Target(1, spec)])
    assert reading is not None
    return reading


def test_a_server_of_valves_protocol_tells_its_players_and_its_map() -> None:
    with SourceDouble(players=7) as server:
        reading = look(server.port)
        assert (reading.status, reading.error) == (Status.UP, None)
        assert reading.answer == "My server: 7 of 32 players on de_dust2"
        assert list(reading.phases) == ["dns", "answer", "total"]
        assert reading.latency_ms is not None
        assert len(server.seen) == 2, "the challenge was answered"


def test_a_minecraft_server_tells_its_players_and_hears_which_host_is_meant() -> None:
    heard: list[bytes] = []
    with StreamDouble(minecraft(STATUS, heard)) as server:
        reading = look(server.port, "minecraft", host="localhost")
    assert (reading.status, reading.answer) == (Status.UP, "Paper 1.21: 3 of 20 players")
    assert list(reading.phases) == ["dns", "connect", "answer", "total"]
    assert b"localhost" + server.port.to_bytes(2, "big") in heard[0]


def test_a_fivem_server_tells_its_players() -> None:
    body = json.dumps({"clients": 5, "sv_maxclients": "48", "hostname": "^1 RP\n", "mapname": "Liberty"}).encode()
    with StreamDouble(sends(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)) as server:
        reading = look(server.port, "gta5f")
    assert (reading.status, reading.answer) == (Status.UP, "^1 RP: 5 of 48 players on Liberty")
    with StreamDouble(sends(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n")) as server:
        assert look(server.port, "gta5f").error == f"127.0.0.1:{server.port} answers HTTP 302"


def test_a_teamspeak_server_is_asked_on_its_other_port(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"TS3\n\rWelcome\n\r")
        heard.append(await reader.readline())
        if b"9999" in heard[-1]:
            writer.write(b"error id=1024 msg=invalid\\sserverID\n\r")
            return
        writer.write(b"error id=0 msg=ok\n\r")
        heard.append(await reader.readline())
        writer.write(b"virtualserver_name=My\\sguild virtualserver_clientsonline=4 virtualserver_maxclients=32\n\r")
        writer.write(b"error id=0 msg=ok\n\r")

    with StreamDouble(act) as server:
        monkeypatch.setattr(gamedig, "_TEAMSPEAK_QUERY", server.port)
        reading = look(9987, "teamspeak3")
        assert (reading.error, reading.answer) == (None, "My guild: 4 of 32 players")
        assert heard == [b"use port=9987\n", b"serverinfo\n"]
        assert look(9999, "teamspeak3").error == f"127.0.0.1:{server.port} refuses: invalid serverID"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_silence_ends_at_the_deadline_and_is_a_time_out(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as mute:
        mute.bind(("127.0.0.1", 0))
        if transport == "tcp":
            mute.listen()
        started = time.monotonic()
        reading = look(mute.getsockname()[1], "csgo" if transport == "udp" else "minecraft", timeout=400)
    assert time.monotonic() - started < 1.2
    assert (reading.status, reading.error, reading.timed_out) == (Status.DOWN, "No answer within 400 ms", True)
    assert reading.latency_ms is None


@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff\xffI", b"garbage", b"\xff\xff\xff\xffX\0\0\0\0", b"\xfe\xff\xff\xff\0\0"]
)
def test_garbage_in_a_datagram_is_down_and_says_so(content: bytes) -> None:
    with SourceDouble(mode=content) as server:
        reading = look(server.port, timeout=500)
    assert reading.status is Status.DOWN
    assert "cannot be read" in (reading.error or "") or reading.timed_out


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "cannot be read"),
        (b"\x05\x00\x03{]}", "cannot be read"),
        (b"\x05\x00\x03[1]", "cannot be read"),
        (b"\xff\xff\xff\xff\xff\xff", "cannot be read"),
        (b"\x05\x00\xff\xff\xff\x7f", "announces an answer that is too long"),
        (b"\x20\x00\x10{", "closed the connection without an answer"),
        (b"", "closed the connection without an answer"),
    ],
)
def test_what_is_no_status_of_minecraft_is_down_and_says_so(content: bytes, error: str) -> None:
    with StreamDouble(sends(content)) as server:
        reading = look(server.port, "minecraft")
    assert reading.status is Status.DOWN
    assert error in (reading.error or "")


def test_a_stream_without_an_end_is_cut_off() -> None:
    with StreamDouble(sends(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 400_000, then_waits=True)) as server:
        assert look(server.port, "gta5f").error == f"The answer of 127.0.0.1:{server.port} is too long"


def test_a_closed_port_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    assert look(port, "minecraft").error == f"Connection refused by 127.0.0.1:{port}"


def test_the_port_for_questions_is_guessed_only_where_that_is_chosen() -> None:
    with SourceDouble() as server:
        assert look(server.port - 1, "valheim", guessPort=True, timeout=2_000).status is Status.UP
        assert look(server.port, "valheim", guessPort=True, timeout=2_000).status is Status.UP
        assert look(server.port - 1, "valheim", timeout=300).status is Status.DOWN


@pytest.mark.parametrize(
    ("game", "given", "guess", "ports"),
    [
        ("valheim", 2456, True, (2457, 2456)),
        ("valheim", 2456, False, (2456,)),
        ("conanexiles", 7777, True, (27015, 7777)),
        ("conanexiles", 7000, True, (7000,)),
        ("unrealtournament3", 7777, True, (6500, 7777)),
        ("dayz", 65_000, True, (65_000,)),
        ("rust", 28015, True, (28015,)),
    ],
)
def test_where_a_game_is_asked(game: str, given: int, guess: bool, ports: tuple[int, ...]) -> None:
    assert GAMES[game].ports(given, guess=guess) == ports


def test_rules_are_asked_for_where_that_is_chosen() -> None:
    with SourceDouble(rules={"sv_cheats": "0", "mp_roundtime": "5"}) as server:
        assert look(server.port, requestRules=True).answer == "My server: 7 of 32 players on de_dust2, 2 rules"
    with SourceDouble() as server:
        assert look(server.port, requestRules=True, timeout=500).status is Status.DOWN


def test_latency_above_its_limits_is_degraded_and_then_down() -> None:
    with SourceDouble(late_s=0.1) as server:
        degraded = look(server.port, degraded_latency_ms=100)
        down = look(server.port, down_latency_ms=100)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"The answer came after {degraded.latency_ms} ms, limit 100 ms"
    assert down.status is Status.DOWN


def test_assertions_look_at_the_players() -> None:
    line = {"source": "players", "operator": "greater", "value": "6", "then": "DEGRADED"}
    with SourceDouble(players=7) as server:
        assert look(server.port, assertions=[line]).status is Status.DEGRADED
        assert look(server.port, assertions=[line | {"value": "7"}]).status is Status.UP


def test_a_slow_server_holds_up_nobody() -> None:
    with SourceDouble() as server, SourceDouble(mode=b"") as mute:
        targets = [
            Target(1, GamedigSpec(gameId="rust", host="127.0.0.1", port=mute.port, timeout=600)),
            Target(2, GamedigSpec(gameId="rust", host="127.0.0.1", port=server.port)),
        ]
        readings = list(PROBES[MonitorType.GAMEDIG].probe(targets))
    assert [number for number, _ in readings] == [2, 1]


def test_metadata_addresses_are_not_asked() -> None:
    assert look(80, "gta5f", host="169.254.169.254").status is Status.NO_DATA


def test_every_game_has_a_protocol_that_is_spoken_and_a_title_of_its_own() -> None:
    assert len(GAMES) > 200
    assert len({game.title for game in GAMES.values()}) == len(GAMES)
    for game in GAMES.values():
        assert game.protocol in gamedig._STREAMS or game.protocol in gamedig._DATAGRAMS
        assert 0 < game.port < 65_536
    from importlib import import_module

    for module, kind, question in gamedig._DATAGRAMS.values():
        assert callable(getattr(getattr(import_module(f"opengsq.protocols.{module}"), kind), question))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"info": {"sv_hostname": "A", "mapname": "q3dm6", "sv_maxclients": "16"}, "players": [1, 2]},
            "A: 2 of 16 players on q3dm6",
        ),
        ({"info": {"hostname": "B", "numplayers": "4", "maxplayers": "8"}, "players": []}, "B: 4 of 8 players"),
        ({"num_players": 1, "max_players": 2, "server_name": "C\x00\x1b"}, "C: 1 of 2 players"),
        ({"numplayers": "many", "players": None}, "an answer"),
    ],
)
def test_every_protocols_words_are_understood(answer: Any, told: str) -> None:
    assert str(gamedig.read(answer)) == told
