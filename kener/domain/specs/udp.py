"""Datagrams to ports."""

from pydantic import Field

from kener.domain.specs.base import CODE, Host, Port, TimeLimit
from kener.domain.specs.talk import TalkSpec


class UdpSpec(TalkSpec):
    """Sends a datagram to a port. Times in milliseconds.

    Without `expect`, silence is UP: it only proves that nothing refused.
    """

    host: Host = Field(title="Host", description="A name or an address.", json_schema_extra=CODE)
    port: Port = Field(title="Port")
    timeout: TimeLimit = Field(1_000, description="Name and answer included.")
