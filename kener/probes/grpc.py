"""Asks gRPC servers for their health: `grpc.health.v1.Health/Check` over HTTP/2.

The call is one POST. Its message is so small that it is written and read here: five bytes of frame, then one field of protobuf. SERVING is
UP, NOT_SERVING is DOWN, UNKNOWN and SERVICE_UNKNOWN are DEGRADED.
"""

from collections.abc import Iterator, Sequence
from typing import cast
from urllib.parse import unquote

from kener import __version__, net
from kener.domain.assertions import judge
from kener.domain.hosts import ascii_host
from kener.domain.readings import Reading, cannot_run
from kener.domain.specs import GrpcSpec
from kener.domain.specs.assertions import Source
from kener.domain.status import Status
from kener.net import Answer, Cause, Failure, Request
from kener.net.client import header_lines
from kener.probes import Target
from kener.probes.limits import limited

_ERROR_LENGTH = 500
_MAX_BYTES = 16_384
_FRAME = 5
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_VERDICTS = {
    "SERVING": Status.UP,
    "NOT_SERVING": Status.DOWN,
    "UNKNOWN": Status.DEGRADED,
    "SERVICE_UNKNOWN": Status.DEGRADED,
}
_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


class _Unreadable(Exception):
    """The answer is none; the text says why."""


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    specs = [cast(GrpcSpec, target.spec) for target in targets]
    asked = []
    for place, spec in enumerate(specs):
        try:
            asked.append((place, _request(spec)))
        except ValueError as error:
            yield targets[place].id, cannot_run(f"The request could not be made: {error}"[:_ERROR_LENGTH])
    for place, outcome in net.run(asked, budget_s=budget_s):
        yield targets[place].id, None if outcome is None else _reading(specs[place], outcome)


def _request(spec: GrpcSpec) -> Request:
    """Where another authority is to be told, the URL names that one, and the connection goes to the host."""
    host = ascii_host(spec.host)
    named = ascii_host(spec.authority) if spec.authority else host
    place = f"[{named}]" if ":" in named else named
    headers = {
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": f"Kener/{__version__}",
        "grpc-timeout": f"{spec.timeout}m",
    }
    return Request(
        url=f"{'https' if spec.tls else 'http'}://{place}:{spec.port}/grpc.health.v1.Health/Check",
        policy=net.CHECKS,
        timeout_ms=spec.timeout,
        method="POST",
        headers=header_lines(headers.items()),
        body=framed(spec.service),
        verify_tls=not spec.insecure,
        max_bytes=_MAX_BYTES,
        keep=True,
        http2=True,
        at=host if named != host else "",
    )


def framed(service: str) -> bytes:
    """A HealthCheckRequest in its frame: no compression, the length, field 1 as text."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _reading(spec: GrpcSpec, outcome: Answer | Failure) -> Reading:
    if isinstance(outcome, Failure):
        if outcome.cause is not Cause.TARGET:
            return cannot_run(outcome.reason[:_ERROR_LENGTH])
        return Reading(Status.DOWN, error=outcome.reason[:_ERROR_LENGTH], timed_out=outcome.timed_out)
    try:
        return _judge(spec, outcome)
    except _Unreadable as error:
        return Reading(
            Status.DOWN,
            outcome.total_ms,
            str(error)[:_ERROR_LENGTH],
            answer=f"HTTP {outcome.status}",
            phases=outcome.phases,
        )


def _judge(spec: GrpcSpec, answer: Answer) -> Reading:
    code = _code(answer)
    if code:
        name = _CODES[code] if code < len(_CODES) else f"code {code}"
        return Reading(
            Status.DOWN,
            answer.total_ms,
            _refusal(spec, name, answer)[:_ERROR_LENGTH],
            timed_out=name == "DEADLINE_EXCEEDED",
            answer=name,
            phases=answer.phases,
        )
    number = read_state(answer.body)
    state = _STATES.get(number)
    if state is None:
        raise _Unreadable(f"The server reports a state that is none: {number}")
    status = _VERDICTS[state]
    error = None if status is Status.UP else f"{spec.service or 'The server'} reports {state}"
    seen = Reading(status, answer.total_ms, error, answer=state, phases=answer.phases)
    return judge(spec, limited(spec, seen, state), {Source.STATE: state})


def _code(answer: Answer) -> int:
    """The status of the call, from the trailers. Raises _Unreadable where this is no gRPC."""
    said = answer.headers.get("grpc-status")
    if said is None and answer.status != 200:
        raise _Unreadable(f"No gRPC: the server answers HTTP {answer.status}")
    kind = answer.headers.get("content-type", "")
    if not kind.startswith("application/grpc"):
        raise _Unreadable(f"No gRPC: the answer is {kind[:100] or 'of no type'}")
    if answer.truncated:
        raise _Unreadable("The answer is longer than any state of health")
    if said is None:
        raise _Unreadable("The answer ends without a gRPC status")
    if not (said.isascii() and said.isdigit() and len(said) < 6):
        raise _Unreadable(f"The gRPC status is no number: {said[:100]}")
    return int(said)


def _refusal(spec: GrpcSpec, name: str, answer: Answer) -> str:
    match name:
        case "NOT_FOUND":
            return f"The server knows no service {spec.service or 'at all'} (NOT_FOUND)"
        case "UNIMPLEMENTED":
            return "The server offers no health checks (UNIMPLEMENTED)"
        case "DEADLINE_EXCEEDED":
            return "The server did not finish in time (DEADLINE_EXCEEDED)"
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            return f"The server does not tell strangers about its health ({name})"
    message = " ".join(unquote(answer.headers.get("grpc-message", "")[:600]).split())
    return f"The call failed with {name}" + (f": {message}" if message else "")


def read_state(body: bytes) -> int:
    """The state in a framed HealthCheckResponse; a field that is left out is 0. Raises _Unreadable."""
    if len(body) < _FRAME:
        raise _Unreadable("The answer breaks off")
    compressed, length = body[0], int.from_bytes(body[1:_FRAME], "big")
    if compressed:
        raise _Unreadable("The answer is compressed, which was not asked for")
    message = body[_FRAME:]
    if len(message) != length:
        raise _Unreadable("The answer breaks off" if len(message) < length else "The server sent more than one answer")
    return _field_one(message)


def _field_one(message: bytes) -> int:
    """Field 1 of a protobuf message; other fields are skipped."""
    state, at = 0, 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        match tag & 7:
            case 0:
                value, at = _read_varint(message, at)
                state = value if tag >> 3 == 1 else state
            case 1:
                at += 8
            case 2:
                length, at = _read_varint(message, at)
                at += length
            case 5:
                at += 4
            case _:
                raise _Unreadable("The answer cannot be read")
    if at > len(message):
        raise _Unreadable("The answer cannot be read")
    return state


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise _Unreadable("The answer cannot be read")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
