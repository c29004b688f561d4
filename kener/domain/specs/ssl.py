"""Certificates of TLS servers."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, Host, MeasuredSpec, OptionalHost, Port, TimeLimit

Hours = Annotated[int, Field(ge=1, le=87_600, json_schema_extra={"unit": "h"})]


class CertificateSpec(AssertedSpec, MeasuredSpec):
    """Whose certificate is read, and what is asked of it. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.CERTIFICATE_DAYS, Source.LATENCY)

    host: Host = Field(title="Host", description="A name or an address.", json_schema_extra=CODE)
    serverName: OptionalHost = Field(
        None,
        title="Server name",
        description="Asked for, and looked for in the certificate, instead of the host.",
        json_schema_extra=CODE,
    )
    timeout: TimeLimit = Field(10_000, description="Name, connection and TLS handshake included.")
    degradedRemainingHours: Hours = Field(
        168, title="DEGRADED from", description="This much before it expires; 168 h are a week."
    )
    downRemainingHours: Hours = Field(24, title="DOWN from", description="This much before it expires.")
    allowSelfSignedCert: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Issuer and name are not checked; only the time that is left counts.",
    )

    @model_validator(mode="after")
    def _hours_in_order(self) -> Self:
        if self.downRemainingHours >= self.degradedRemainingHours:
            raise ValueError("downRemainingHours: must be less than the hours for DEGRADED.")
        return self


class SslSpec(CertificateSpec):
    """Reads a server's certificate. Times in milliseconds."""

    port: Port = Field(443, title="Port")
