"""ICMP echo requests."""

from typing import Annotated, ClassVar

from pydantic import Field

from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.hosts import HostTimeLimit, ManyHosts, OneHost

SPACING_MS = 100
"""Between two packets to one host."""


class PingHost(OneHost):
    """A host and how many packets it gets."""

    timeout: HostTimeLimit = 1_000
    count: Annotated[int, Field(ge=1, le=100, title="Packets", json_schema_extra={"unit": "packets"})] = 3

    @property
    def lasts_ms(self) -> int:
        """How long it takes until the last packet is given up."""
        return self.timeout + (self.count - 1) * SPACING_MS


class PingSpec(ManyHosts, AssertedSpec):
    """Sends echo requests to one host or several. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.PACKET_LOSS, Source.LATENCY)

    CODE_OF_ORIGINAL: ClassVar[str] = "pingEval"

    hosts: Annotated[list[PingHost], Field(min_length=1, max_length=50)] = Field(
        title="Hosts",
        description="All are asked at once. The time limit is that of each packet; they leave 100 ms apart. "
        "A host answers as soon as one reply comes.",
    )
