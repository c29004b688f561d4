"""Types that may say something and expect an answer."""

import re
from functools import lru_cache
from typing import Annotated, Any, Self

import re2
from pydantic import AfterValidator, Field, model_validator

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


@lru_cache(maxsize=2_000)
def pattern(text: str) -> Any:
    """A regular expression that takes time in proportion to the text and no more. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"This is not a regular expression: {words}.") from None


class TalkSpec(MeasuredSpec):
    """Something to say, and something that must come back."""

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
        try:
            if self.expect_regex:
                pattern(self.expect)
            else:
                unescaped(self.expect)
        except ValueError as error:
            raise ValueError(f"expect: {error}") from None
        return self

    def met_by(self, answer: bytes | bytearray) -> bool:
        """Whether an answer has in it what is expected."""
        if self.expect_regex:
            return pattern(self.expect).search(answer.decode(errors="replace")) is not None
        return unescaped(self.expect) in answer
