"""Connections to ports."""

from typing import Annotated, ClassVar

from pydantic import Field

from kener.domain.specs.base import CODE, OptionalHost, Port
from kener.domain.specs.hosts import HostTimeLimit, ManyHosts, OneHost
from kener.domain.specs.talk import TalkSpec


class TcpHost(OneHost):
    """A host and its port."""

    port: Port = Field(title="Port")
    timeout: HostTimeLimit = 1_000


class TcpSpec(ManyHosts, TalkSpec):
    """Connects to one host or several. Times in milliseconds."""

    CODE_OF_ORIGINAL: ClassVar[str] = "tcpEval"

    hosts: Annotated[list[TcpHost], Field(min_length=1, max_length=50)] = Field(
        title="Hosts",
        description="All are connected to at once, over IPv4 or IPv6. The time limit is over everything: name, TLS and answer included.",
    )
    tls: bool = Field(False, title="Speak TLS", description="From the first byte on. The certificate is checked.")
    server_name: OptionalHost = Field(
        None,
        title="Server name",
        description="Asked for, and looked for in the certificate, instead of the host.",
        json_schema_extra=CODE,
    )
    allowSelfSignedCert: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Only for test systems: anybody may answer in its place.",
    )
