"""Health of gRPC servers."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, Host, MeasuredSpec, OptionalHost, Port, TimeLimit


def _service(value: str) -> str:
    value = value.strip()
    if any(c.isspace() or ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("Enter the name of one service, for instance shop.v1.Orders.")
    return value


class GrpcSpec(AssertedSpec, MeasuredSpec):
    """Asks a server for its health with `grpc.health.v1.Health/Check`. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.STATE, Source.LATENCY)

    host: Host = Field(title="Host", description="A name or an address.", json_schema_extra=CODE)
    port: Port = Field(50_051, title="Port")
    service: Annotated[str, Field(max_length=500), AfterValidator(_service)] = Field(
        "",
        title="Service",
        description="As the server knows it, for instance shop.v1.Orders. Empty: the server as a whole.",
        json_schema_extra=CODE,
    )
    timeout: TimeLimit = Field(10_000, description="Over everything; the server is told, too.")
    tls: bool = Field(False, title="Use TLS")
    insecure: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Only for test systems: anybody may answer in its place.",
    )
    authority: OptionalHost = Field(
        None,
        title="Authority",
        description="Told to the server, and looked for in its certificate, instead of the host.",
        json_schema_extra=CODE,
    )
