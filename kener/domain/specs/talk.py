"""Types that may say something and expect an answer."""

import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from kener.domain.extracts import matches, mistake_in_pattern
from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, MeasuredSpec

_SIGNS = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
_PARTS = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.?)|([^\\]+)", re.DOTALL)


def unescaped(text: str) -> bytes:
    r"""Text as bytes: `\r`, `\n`, `\t`, `\\` and `\x00` to `\xff` stand for one byte each, all else for itself in UTF-8."""
    return b"".join(_bytes(found) for found in _PARTS.finditer(text))


def _bytes(found: "re.Match[str]") -> bytes:
    byte, sign, plain = found.groups()
    if plain is not None:
        return str(plain).encode()
    if byte is not None:
        return bytes.fromhex(byte)
    if sign not in _SIGNS:
        raise ValueError(rf"There is no \{sign}. Use \r, \n, \t, \\ or two hexadecimal digits: \x0d.")
    return _SIGNS[sign]


def _escaped(value: str) -> str:
    unescaped(value)
    return value


class TalkSpec(AssertedSpec, MeasuredSpec):
    """Something to say, and something that must come back."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.BODY, Source.LATENCY)

    send: Annotated[str, Field(max_length=10_000), AfterValidator(_escaped)] = Field(
        "",
        title="Send",
        description=r"\r, \n, \t, \\ and \x00 to \xff stand for one byte each.",
        json_schema_extra=CODE,
    )
    expect: Annotated[str, Field(max_length=1_000)] = Field(
        "",
        title="Expect",
        description="The first 64 KiB of the answer must contain this. Same escapes as above.",
        json_schema_extra=CODE,
    )
    expect_regex: bool = Field(
        False,
        title="What is expected is a regular expression",
        description="RE2 syntax, found anywhere in the answer.",
    )

    @model_validator(mode="after")
    def _expectation(self) -> Self:
        if self.expect_regex:
            if mistake := mistake_in_pattern(self.expect):
                raise ValueError(f"expect: {mistake}")
            return self
        try:
            unescaped(self.expect)
        except ValueError as error:
            raise ValueError(f"expect: {error}") from None
        return self

    @property
    def wants_answer(self) -> bool:
        """Whether it matters what comes back."""
        return bool(self.expect) or bool(self.looks_at & {Source.BODY, Source.JSON})

    def met_by(self, answer: bytes | bytearray) -> bool:
        """Whether an answer has in it what is expected."""
        if self.expect_regex:
            return matches(self.expect, answer.decode(errors="replace"))
        return unescaped(self.expect) in answer
