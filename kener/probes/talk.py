"""Waits for the answer that is expected, and no longer than it takes."""

import asyncio
from collections.abc import Awaitable, Callable

from kener.domain.specs.assertions import Source
from kener.domain.specs.talk import TalkSpec
from kener.probes.aio import Down

MAX_BYTES = 65_536
_SHOWN = 120
_EAGER_LOOKS = 100
_PATIENCE_S = 0.02


class Heard:
    """What a server has said so far, up to 64 KiB."""

    def __init__(self) -> None:
        self.said = bytearray()

    @property
    def text(self) -> str:
        """The beginning of it, for people: on one line, without what cannot be seen."""
        text = self.said[: _SHOWN * 2].decode(errors="replace")
        shown = "".join(char if char.isprintable() else " " for char in text)
        shown = " ".join(shown.split())
        return shown[:_SHOWN] + "…" if len(shown) > _SHOWN or len(self.said) > _SHOWN * 2 else shown

    @property
    def facts(self) -> dict[Source, str]:
        """What assertions may look at."""
        return {Source.BODY: self.said.decode(errors="replace")} if self.said else {}

    async def until(self, spec: TalkSpec, read: Callable[[int], Awaitable[bytes]]) -> None:
        """Read until the answer has what is expected; where nothing is, what comes first is the answer.

        Raises Down where it ends, or grows too long, without.
        """
        looks = 0
        while len(self.said) < MAX_BYTES and (chunk := await read(MAX_BYTES - len(self.said))):
            self.said += chunk
            if spec.met_by(self.said):
                return
            looks += 1
            if looks > _EAGER_LOOKS:
                # What comes in drops is not searched again for every drop.
                await asyncio.sleep(_PATIENCE_S)
        if not self.said:
            raise Down("It closed the connection without an answer")
        raise Down(f"The answer is not what is expected: {self.text}", answer=self.text)
