"""Servers that begin in the clear and change to TLS when asked."""

from typing import Literal

from pydantic import Field

from kener.domain.specs.base import OptionalPort
from kener.domain.specs.ssl import CertificateSpec

PORTS = {"SMTP": 587, "IMAP": 143, "POP3": 110, "POSTGRESQL": 5432}


class StarttlsSpec(CertificateSpec):
    """Asks a server to change to TLS and reads its certificate. Times in milliseconds."""

    protocol: Literal["SMTP", "IMAP", "POP3", "POSTGRESQL"] = Field(
        "SMTP", title="Protocol", json_schema_extra={"options": {"POSTGRESQL": "PostgreSQL"}}
    )
    port: OptionalPort = Field(
        None,
        title="Port",
        description="Left empty: 587 for SMTP, 143 for IMAP, 110 for POP3, 5432 for PostgreSQL.",
    )

    @property
    def asked_port(self) -> int:
        """The port that is given, or that of the protocol."""
        return self.port or PORTS[self.protocol]
