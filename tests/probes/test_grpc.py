"""The gRPC probe against a real gRPC server, and against what is none."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.readings import Reading
from kener.domain.specs import GrpcSpec, MonitorType
from kener.domain.status import Status
from kener.probes import PROBES, Target
from kener.probes import grpc as grpc_probe
from tests.doubles.grpc import NOT_SERVING, SERVICE_UNKNOWN, SERVING, UNKNOWN, GrpcDouble
from tests.doubles.http import HttpDouble, reply
from tests.doubles.http2 import Http2Double
from tests.doubles.tls import Authority


@pytest.fixture
def server() -> Iterator[GrpcDouble]:
    with GrpcDouble() as double:
        yield double


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def look(port: int, **settings: object) -> Reading:
    spec = GrpcSpec.model_validate({"host": "127.0.0.1", "port": port, "timeout": 5_000, **settings})
    ((_, reading),) = PROBES[MonitorType.GRPC].probe([Target(1, spec)])
    assert reading is not None
    return reading


def test_a_server_that_serves_is_up_with_its_latency_and_phases(server: GrpcDouble) -> None:
    reading = look(server.port)
    assert (reading.status, reading.error, reading.answer) == (Status.UP, None, "SERVING")
    assert list(reading.phases) == ["dns", "connect", "first_byte", "total"]
    assert reading.latency_ms == reading.phases["total"]


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (SERVING, Status.UP, None),
        (NOT_SERVING, Status.DOWN, "shop.v1.Orders reports NOT_SERVING"),
        (UNKNOWN, Status.DEGRADED, "shop.v1.Orders reports UNKNOWN"),
        (SERVICE_UNKNOWN, Status.DEGRADED, "shop.v1.Orders reports SERVICE_UNKNOWN"),
    ],
)
def test_each_state_has_its_status(server: GrpcDouble, state: Any, status: Status, error: str | None) -> None:
    server.set("shop.v1.Orders", state)
    reading = look(server.port, service="shop.v1.Orders")
    assert (reading.status, reading.error) == (status, error)


def test_a_service_that_the_server_does_not_know_is_named(server: GrpcDouble) -> None:
    reading = look(server.port, service="shop.v1.Gone")
    assert (reading.status, reading.error) == (Status.DOWN, "The server knows no service shop.v1.Gone (NOT_FOUND)")
    assert reading.answer == "NOT_FOUND"


def test_a_long_name_of_a_service_arrives_whole(server: GrpcDouble) -> None:
    server.set("s" * 500, NOT_SERVING)
    assert look(server.port, service="s" * 500).answer == "NOT_SERVING"


def test_a_server_without_health_checks_says_so() -> None:
    with GrpcDouble(health_service=False) as server:
        assert look(server.port).error == "The server offers no health checks (UNIMPLEMENTED)"


def test_a_failed_call_is_named_with_what_the_server_says() -> None:
    def fail(_request: Any, context: Any) -> None:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Zu viele Läufe: 100 %")

    with GrpcDouble(answer=fail) as server:
        reading = look(server.port)
    assert reading.status is Status.DOWN
    assert reading.error == "The call failed with RESOURCE_EXHAUSTED: Zu viele Läufe: 100 %"


def test_a_state_that_is_none_is_down_and_told() -> None:
    with GrpcDouble(answer=lambda *_: health_pb2.HealthCheckResponse(status=17)) as server:
        assert look(server.port).error == "The server reports a state that is none: 17"


def test_the_server_is_told_the_time_limit_and_who_asks() -> None:
    heard: list[tuple[float, dict[str, Any]]] = []

    def answer(_request: Any, context: Any) -> Any:
        metadata = {one.key: one.value for one in context.invocation_metadata()}
        heard.append((context.time_remaining(), metadata))
        return health_pb2.HealthCheckResponse(status=SERVING)

    with GrpcDouble(answer=answer) as server:
        assert look(server.port).status is Status.UP
    remaining, metadata = heard[0]
    assert 3 < remaining <= 5
    assert metadata["user-agent"].startswith("Kener/")


def test_tls_with_a_trusted_certificate_is_up(authority: Authority) -> None:
    with GrpcDouble(pem=authority.chain("127.0.0.1")) as server:
        reading = look(server.port, tls=True)
        assert (reading.status, reading.error) == (Status.UP, None)
        assert "tls" in reading.phases


def test_a_certificate_that_is_not_in_order_is_down_unless_it_is_accepted(authority: Authority) -> None:
    for made, words in (({"expired": True}, "it has expired"), ({"self_signed": True}, "it is self-signed")):
        with GrpcDouble(pem=authority.chain("127.0.0.1", **made)) as server:
            assert look(server.port, tls=True).error == f"The certificate is not trusted: {words}"
            assert look(server.port, tls=True, insecure=True).status is Status.UP


def test_the_certificate_is_looked_at_for_the_authority_where_one_is_given(authority: Authority) -> None:
    with GrpcDouble(pem=authority.chain("orders.example")) as server:
        assert "another host name" in (look(server.port, tls=True).error or "")
        assert look(server.port, tls=True, authority="orders.example").status is Status.UP
        assert look(server.port, host="localhost", tls=True, authority="orders.example").status is Status.UP


def test_tls_against_a_plain_server_and_the_reverse_are_down(server: GrpcDouble, authority: Authority) -> None:
    assert (look(server.port, tls=True).error or "").startswith(f"No TLS connection with 127.0.0.1:{server.port}")
    with GrpcDouble(pem=authority.chain("127.0.0.1")) as secure:
        reading = look(secure.port)
    assert reading.status is Status.DOWN
    assert reading.error


def test_addresses_of_ipv6_and_names_are_reached() -> None:
    with GrpcDouble(host="::1") as server:
        assert look(server.port, host="::1").status is Status.UP
        assert look(server.port, host="[::1]", authority="orders.example").status is Status.UP
    with GrpcDouble() as server:
        assert look(server.port, host="localhost").status is Status.UP


def test_a_server_that_speaks_only_http_1_is_named() -> None:
    with HttpDouble() as http:
        reading = look(http.port, timeout=2_000)
    assert (reading.status, reading.timed_out) == (Status.DOWN, False)
    assert reading.error == f"127.0.0.1:{http.port} does not speak HTTP/2"


def test_an_https_server_that_speaks_only_http_1_is_named(authority: Authority) -> None:
    with HttpDouble(tls=authority.context("127.0.0.1")) as https:
        https.on("/grpc.health.v1.Health/Check", reply())
        reading = look(https.port, tls=True, timeout=2_000)
    assert reading.error == f"127.0.0.1:{https.port} does not speak HTTP/2"


def test_a_server_of_http_2_that_is_no_grpc_is_named(authority: Authority, tmp_path: Path) -> None:
    with Http2Double(tmp_path, authority.chain("127.0.0.1")) as server:
        assert look(server.port, tls=True).error == "No gRPC: the answer is text/plain"


def test_silence_ends_at_the_deadline_and_holds_up_nobody(server: GrpcDouble) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        targets = [
            Target(1, GrpcSpec(host="127.0.0.1", port=mute.getsockname()[1], timeout=400)),
            Target(2, GrpcSpec(host="127.0.0.1", port=server.port)),
        ]
        started = time.monotonic()
        readings = list(PROBES[MonitorType.GRPC].probe(targets))
    assert time.monotonic() - started < 1.5
    assert [number for number, _ in readings] == [2, 1]
    stalled = readings[1][1]
    assert stalled is not None
    assert (stalled.status, stalled.error, stalled.timed_out) == (Status.DOWN, "No answer within 400 ms", True)


def test_a_call_that_takes_too_long_is_a_time_out() -> None:
    def slow(_request: Any, context: Any) -> Any:
        time.sleep(1)
        return health_pb2.HealthCheckResponse(status=SERVING)

    with GrpcDouble(answer=slow) as server:
        reading = look(server.port, timeout=300)
    assert (reading.status, reading.timed_out) == (Status.DOWN, True)


def test_latency_above_its_limits_is_degraded_and_then_down() -> None:
    def slow(_request: Any, _context: Any) -> Any:
        time.sleep(0.15)
        return health_pb2.HealthCheckResponse(status=SERVING)

    with GrpcDouble(answer=slow) as server:
        degraded = look(server.port, degraded_latency_ms=100)
        down = look(server.port, degraded_latency_ms=50, down_latency_ms=100)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"SERVING after {degraded.latency_ms} ms, limit 100 ms"
    assert down.status is Status.DOWN


def test_assertions_look_at_the_state(server: GrpcDouble) -> None:
    server.set("shop", UNKNOWN)
    line = {"source": "state", "operator": "equals", "value": "UNKNOWN", "then": "DOWN"}
    assert look(server.port, service="shop").status is Status.DEGRADED
    assert look(server.port, service="shop", assertions=[line]).status is Status.DOWN


def test_refused_connections_and_addresses_are_told_apart() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    assert look(port).error == f"Connection refused by 127.0.0.1:{port}"
    reading = look(50_051, host="169.254.169.254")
    assert (reading.status, reading.error) == (
        Status.NO_DATA,
        "Not allowed: 169.254.169.254 is a link-local address",
    )
    disguised = look(50_051, host="169.254.169.254", authority="orders.example")
    assert disguised.status is Status.NO_DATA


@given(st.text(max_size=300))
def test_the_question_is_what_protobuf_would_write(service: str) -> None:
    written = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    assert grpc_probe.framed(service) == b"\0" + len(written).to_bytes(4, "big") + written


@given(st.integers(0, 3))
def test_the_state_is_what_protobuf_would_read(state: int) -> None:
    written = health_pb2.HealthCheckResponse(status=state).SerializeToString()  # type: ignore[arg-type]
    assert grpc_probe.read_state(b"\0" + len(written).to_bytes(4, "big") + written) == state


@given(st.binary(max_size=60))
def test_any_bytes_are_a_number_or_refused(body: bytes) -> None:
    for framed in (body, b"\0" + len(body).to_bytes(4, "big") + body):
        try:
            assert grpc_probe.read_state(framed) >= 0
        except grpc_probe._Unreadable as error:
            assert str(error)
