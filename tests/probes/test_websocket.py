"""The WebSocket probe against real local servers."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection

from kener.domain.inputs import mistakes
from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, WebsocketSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target
from tests.doubles import tcp
from tests.doubles.http import HttpDouble, hang, raw, reply
from tests.doubles.tcp import TcpDouble, unused_port
from tests.doubles.tls import Authority
from tests.doubles.websocket import WebsocketDouble, echo, nothing, saying


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def look(url: str, **settings: Any) -> Reading:
    spec = WebsocketSpec.model_validate({"url": url, "timeout": 3_000, **settings})
    ((_, reading),) = PROBES[MonitorType.WEBSOCKET].probe([Target(1, spec)])
    assert reading is not None
    return reading


def test_a_websocket_that_opens_is_up_with_its_latency_and_is_closed_properly() -> None:
    with WebsocketDouble(nothing) as server:
        reading = look(server.url("/live?room=1"))
        assert server.asked[0].request is not None
        assert server.asked[0].request.path == "/live?room=1"
    assert (reading.status, reading.error, reading.answer) == (Status.UP, None, "HTTP 101")
    assert 1 <= (reading.latency_ms or 0) < 1_000
    assert list(reading.phases) == ["dns", "connect", "handshake"]
    assert server.closes == [1000]


def test_a_message_is_sent_and_the_one_that_is_expected_waited_for() -> None:
    with WebsocketDouble(echo) as server:
        reading = look(server.url(), send='{"type": "ping"}', expect='"ping"')
    assert (reading.status, reading.answer) == (Status.UP, '{"type": "ping"}')
    assert list(reading.phases) == ["dns", "connect", "handshake", "answer"]


def test_bytes_that_are_no_text_are_a_message_of_bytes() -> None:
    with WebsocketDouble(echo) as server:
        assert look(server.url(), send=r"\xff\x00", expect=r"\xff\x00").status is Status.UP


def test_each_message_is_looked_at_by_itself() -> None:
    with WebsocketDouble(saying("welcome", "status: green", "more")) as server:
        assert look(server.url(), expect="^status: gr", expect_regex=True).status is Status.UP
    with WebsocketDouble(saying("foo", "bar")) as server:
        reading = look(server.url(), expect="foobar", timeout=250)
    assert (reading.status, reading.timed_out) == (Status.DOWN, True)
    assert reading.error == "No more than this within 250 ms, which is not what is expected: bar"


def test_a_message_in_many_fragments_is_one_message() -> None:
    async def fragments(socket: ServerConnection) -> None:
        await socket.send(["one ", "two ", "three"])
        await socket.wait_closed()

    with WebsocketDouble(fragments) as server:
        assert look(server.url(), expect="^one two three$", expect_regex=True).status is Status.UP


def test_pings_are_answered_on_the_way() -> None:
    async def pinging(socket: ServerConnection) -> None:
        await (await socket.ping())
        await socket.send("you are there")
        await socket.wait_closed()

    with WebsocketDouble(pinging) as server:
        assert look(server.url(), expect="you are there").status is Status.UP


def test_headers_and_sub_protocols_are_sent() -> None:
    with WebsocketDouble(nothing, subprotocols=["chat.v2"]) as server:
        headers = [{"key": "Authorization", "value": "Bearer abc"}, {"key": "Origin", "value": "https://shop.example"}]
        reading = look(server.url(), subprotocols=["chat.v1", "chat.v2"], headers=headers)
        request = server.asked[0].request
    assert request is not None
    assert (reading.status, reading.answer) == (Status.UP, "HTTP 101, sub-protocol chat.v2")
    assert request.headers["Authorization"] == "Bearer abc"
    assert request.headers["Origin"] == "https://shop.example"
    assert request.headers["User-Agent"].startswith("Kener/")
    assert request.headers["Host"] == f"127.0.0.1:{server.port}"


def test_a_host_of_ones_own_choice_and_an_account_are_sent() -> None:
    with WebsocketDouble(nothing) as server:
        url = server.url().replace("ws://", "ws://me:s%20cret@")
        assert look(url, headers=[{"key": "Host", "value": "shop.example"}]).status is Status.UP
        request = server.asked[0].request
    assert request is not None
    assert request.headers["Host"] == "shop.example"
    assert request.headers["Authorization"] == "Basic bWU6cyBjcmV0"


def test_a_server_that_chooses_no_sub_protocol_is_down() -> None:
    with WebsocketDouble(nothing) as server:
        reading = look(server.url(), subprotocols=["chat"])
    assert (reading.status, reading.error) == (Status.DOWN, "It chooses none of the sub-protocols chat")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, "HTTP 200 OK instead of a WebSocket (101)"),
        (401, "HTTP 401 Unauthorized instead of a WebSocket (101)"),
        (503, "HTTP 503 Service Unavailable instead of a WebSocket (101)"),
        (599, "HTTP 599 instead of a WebSocket (101)"),
    ],
)
def test_another_answer_than_a_websocket_is_named_with_its_status(status: int, error: str) -> None:
    with HttpDouble() as http:
        http.on("/ws", reply(status))
        reading = look(http.url("/ws").replace("http:", "ws:"))
    assert (reading.status, reading.error, reading.answer) == (Status.DOWN, error, f"HTTP {status}")
    assert reading.latency_ms is None


def test_a_redirect_is_named_with_where_it_leads() -> None:
    with HttpDouble() as http:
        http.on("/ws", reply(301, Location="wss://new.example/ws"))
        error = look(http.url("/ws").replace("http:", "ws:")).error
    assert error == "HTTP 301 Moved Permanently instead of a WebSocket (101); it leads to wss://new.example/ws"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00" * 100_000,
    ],
    ids=["no proof", "wrong proof", "SSH", "zeros"],
)
def test_what_is_no_handshake_is_no_websocket(answer: bytes) -> None:
    with HttpDouble() as http:
        http.on("/", raw(answer, then_hang=True))
        reading = look(http.url("/").replace("http:", "ws:"))
    assert reading.status is Status.DOWN
    assert (reading.error or "").startswith("It does not speak WebSocket: ")


def test_a_close_is_named_with_its_code_and_reason() -> None:
    with WebsocketDouble(saying("hello", then_close=(4_001, "no token"))) as server:
        reading = look(server.url(), expect="welcome")
    assert (reading.status, reading.error) == (Status.DOWN, "It closed the WebSocket with code 4001: no token")
    assert reading.answer == "hello"


def test_hanging_up_breaking_off_and_refusing_are_told_apart() -> None:
    port = unused_port()
    assert look(f"ws://127.0.0.1:{port}").error == f"Connection refused by 127.0.0.1:{port}"

    async def polite(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    with TcpDouble(polite) as server:
        assert (
            look(f"ws://127.0.0.1:{server.port}").error == "It closed the connection without an answer to the handshake"
        )
    with TcpDouble(tcp.reset) as server:
        assert look(f"ws://127.0.0.1:{server.port}").error == "It broke the connection off"


def test_a_server_that_says_nothing_ends_at_the_deadline() -> None:
    with HttpDouble() as http:
        http.on("/", hang)
        started = time.monotonic()
        reading = look(http.url("/").replace("http:", "ws:"), timeout=200)
        assert 0.2 <= time.monotonic() - started < 1.0
    assert (reading.error, reading.timed_out) == ("No answer to the handshake within 200 ms", True)
    with WebsocketDouble(nothing) as server:
        reading = look(server.url(), expect="x", timeout=200)
    assert (reading.error, reading.timed_out) == ("The WebSocket is open, but no message within 200 ms", True)
    with TcpDouble(tcp.nothing) as server_:
        reading = look(f"wss://127.0.0.1:{server_.port}", timeout=200)
    assert (reading.error, reading.timed_out) == ("No TLS handshake within 200 ms", True)


def test_a_server_that_does_not_take_leave_costs_no_latency() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import base64
        import hashlib

        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        proof = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {proof}\r\n\r\n".encode()
        )
        await asyncio.Event().wait()

    with TcpDouble(rude) as server:
        started = time.monotonic()
        reading = look(f"ws://127.0.0.1:{server.port}")
    assert reading.status is Status.UP
    assert (reading.latency_ms or 0) < 200
    assert time.monotonic() - started < 1.5


def test_no_more_than_64_kib_of_messages_are_heard() -> None:
    async def endless(socket: ServerConnection) -> None:
        while True:
            await socket.send("x" * 10_000)

    async def huge(socket: ServerConnection) -> None:
        await socket.send("y" * 5_000_000)

    for part in (endless, huge):
        with WebsocketDouble(part) as server:
            started = time.monotonic()
            reading = look(server.url(), expect="z")
            assert time.monotonic() - started < 2.0
        assert reading.status is Status.DOWN
        assert (reading.error or "").startswith("None of its messages is what is expected: ")


def test_wss_is_encrypted_and_the_certificate_checked(authority: Authority) -> None:
    with WebsocketDouble(echo, tls=authority.context("127.0.0.1", "localhost")) as server:
        reading = look(server.url(), send="x", expect="x")
        assert reading.status is Status.UP
        assert list(reading.phases) == ["dns", "connect", "tls", "handshake", "answer"]
        assert look(server.url(host="localhost")).status is Status.UP
    with WebsocketDouble(echo, tls=authority.context("127.0.0.1", self_signed=True)) as server:
        assert look(server.url()).error == "The certificate is not trusted: it is self-signed"
        assert look(server.url(), allowSelfSignedCert=True).status is Status.UP


def test_ipv6_addresses_are_connected_to() -> None:
    with WebsocketDouble(nothing, host="::1") as server:
        assert look(server.url(host="[::1]")).status is Status.UP
        request = server.asked[0].request
    assert request is not None
    assert request.headers["Host"] == f"[::1]:{server.port}"


def test_link_local_addresses_are_never_connected_to() -> None:
    reading = look("ws://169.254.169.254/latest/meta-data")
    assert (reading.status, reading.error) == (Status.NO_DATA, "Not allowed: 169.254.169.254 is a link-local address")


def test_latency_above_its_limits_is_degraded_and_then_down() -> None:
    async def slow(socket: ServerConnection) -> None:
        await asyncio.sleep(0.15)
        await socket.send("here")
        await socket.wait_closed()

    with WebsocketDouble(slow) as server:
        degraded = look(server.url(), expect="here", degraded_latency_ms=50)
        down = look(server.url(), expect="here", down_latency_ms=100)
    assert (degraded.status, down.status) == (Status.DEGRADED, Status.DOWN)
    assert down.error == f"Message after {down.latency_ms} ms, limit 100 ms"


def test_assertions_see_the_message_as_text_and_json() -> None:
    line = {"source": "json", "path": "$.queue", "operator": "greater", "value": "10", "then": "DEGRADED"}
    with WebsocketDouble(saying('{"queue": 12}')) as server:
        assert look(server.url(), assertions=[line]).status is Status.DEGRADED
        assert look(server.url(), assertions=[line | {"value": "12"}]).status is Status.UP
        line = {"source": "body", "operator": "contains", "value": "queue", "then": "UP"}
        assert look(server.url(), expect="never", timeout=200, assertions=[line]).status is Status.UP


# Settings


@pytest.mark.parametrize(
    "url",
    ["ws://a", "wss://shop.example:8443/x?y=1", "ws://[::1]:80", "WSS://bücher.example", "$WS_URL", "wss://${HOST}/x"],
)
def test_an_address_of_a_websocket_is_accepted(url: str) -> None:
    assert WebsocketSpec.model_validate({"url": url}).url == url


@pytest.mark.parametrize(
    ("given", "field", "advice"),
    [
        ({"url": "https://shop.example"}, "url", "Start the URL with ws:// or wss://"),
        ({"url": "shop.example"}, "url", "Start the URL with ws:// or wss://"),
        ({"url": "ws://"}, "url", "host name"),
        ({"url": "ws://a b"}, "url", "no spaces"),
        ({"url": "ws://a:99999"}, "url", "not a valid URL"),
        ({"url": "ws://a..b"}, "url", "host name"),
        ({"headers": [{"key": "Upgrade", "value": "x"}]}, "headers.0", "belongs to the handshake"),
        ({"headers": [{"key": "sec-websocket-key", "value": "x"}]}, "headers.0", "belongs to the handshake"),
        ({"headers": [{"key": "X", "value": "a\r\nb"}]}, "headers.0.value", "one line"),
        ({"subprotocols": ["a b"]}, "subprotocols.0", "letters, digits"),
        ({"subprotocols": ["a"] * 21}, "subprotocols", "At most 20"),
        ({"send": "\\q"}, "send", "There is no \\q"),
        ({"timeout": 99}, "timeout", "from 100 up"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, Any], field: str, advice: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebsocketSpec.model_validate({"url": "wss://shop.example"} | given)
    found = mistakes(caught.value)
    assert list(found) == [field]
    assert advice in found[field]
