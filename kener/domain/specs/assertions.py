"""Assertions: what an answer has to look like, in lines without code.

A type that offers them adds `AssertedSpec` to its bases and names its sources:

    class DnsSpec(AssertedSpec, MeasuredSpec):
        SOURCES: ClassVar[tuple[Source, ...]] = (Source.RECORDS, Source.RCODE, Source.TTL, Source.LATENCY)

The first of them is what an empty row of the form offers. The probe calls `kener.domain.assertions.judge` last; see there.
"""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from kener.domain import extracts
from kener.domain.secrets import names_in
from kener.domain.specs.base import CODE, Spec

MAX_LINES = 20
MAX_PATTERN = 500
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


class Source(StrEnum):
    """What a line looks at."""

    STATUS_CODE = "status_code"
    LATENCY = "latency"
    HEADER = "header"
    BODY = "body"
    JSON = "json"
    HTML = "html"
    CERTIFICATE_DAYS = "certificate_days"
    PACKET_LOSS = "packet_loss"
    RECORDS = "records"
    RCODE = "rcode"
    TTL = "ttl"
    VALUE = "value"
    ROWS = "rows"
    STATE = "state"
    PLAYERS = "players"

    @property
    def label(self) -> str:
        """What operators choose."""
        return _SOURCES[self][0]

    @property
    def place(self) -> str | None:
        """What has to be named besides, or None."""
        return _PLACES.get(self)

    @property
    def is_number(self) -> bool:
        """Whether it is always a number."""
        return self in _NUMBERS

    @property
    def unit(self) -> str:
        """The unit of a number, with a blank before it where one stands."""
        return _SOURCES[self][1]


_SOURCES: dict[Source, tuple[str, str]] = {
    Source.STATUS_CODE: ("Status code", ""),
    Source.LATENCY: ("Latency (ms)", " ms"),
    Source.HEADER: ("Header", ""),
    Source.BODY: ("Body text", ""),
    Source.JSON: ("JSON", ""),
    Source.HTML: ("HTML element", ""),
    Source.CERTIFICATE_DAYS: ("Certificate days", " days"),
    Source.PACKET_LOSS: ("Packet loss (%)", " %"),
    Source.RECORDS: ("Records", ""),
    Source.RCODE: ("Response code", ""),
    Source.TTL: ("TTL (s)", " s"),
    Source.VALUE: ("First value", ""),
    Source.ROWS: ("Number of rows", ""),
    Source.STATE: ("State", ""),
    Source.PLAYERS: ("Players", ""),
}
_PLACES = {Source.HEADER: "name of the header", Source.JSON: "JSON path", Source.HTML: "CSS selector"}
_NUMBERS = frozenset(
    (
        Source.STATUS_CODE,
        Source.LATENCY,
        Source.CERTIFICATE_DAYS,
        Source.PACKET_LOSS,
        Source.TTL,
        Source.ROWS,
        Source.PLAYERS,
    )
)


class Operator(StrEnum):
    """How a line compares."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    MATCHES = "matches"
    NOT_MATCHES = "not_matches"
    LESS = "less"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    GREATER = "greater"
    EXISTS = "exists"
    MISSING = "missing"

    @property
    def label(self) -> str:
        """What operators choose."""
        return _OPERATORS[self]


_OPERATORS: dict[Operator, str] = {
    Operator.EQUALS: "is",
    Operator.NOT_EQUALS: "is not",
    Operator.CONTAINS: "contains",
    Operator.NOT_CONTAINS: "does not contain",
    Operator.MATCHES: "matches",
    Operator.NOT_MATCHES: "does not match",
    Operator.LESS: "is less than",
    Operator.AT_MOST: "is at most",
    Operator.AT_LEAST: "is at least",
    Operator.GREATER: "is greater than",
    Operator.EXISTS: "exists",
    Operator.MISSING: "is missing",
}
COMPARES = frozenset((Operator.LESS, Operator.AT_MOST, Operator.AT_LEAST, Operator.GREATER))
LOOKS = frozenset((Operator.EXISTS, Operator.MISSING))
PATTERNS = frozenset((Operator.MATCHES, Operator.NOT_MATCHES))


class Assertion(BaseModel):
    """One line: if this is so, the monitor is UP, DEGRADED or DOWN."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    source: Source = Field(title="Look at", json_schema_extra={"options": {one.value: one.label for one in Source}})
    path: Annotated[str, Field(max_length=200)] = Field(
        "",
        title="Header, path, selector",
        description="Name of a header, a JSON path ($.status) or a CSS selector (h1.title); empty for the other sources.",
        json_schema_extra=CODE,
    )
    operator: Operator = Field(
        Operator.EQUALS, title="Operator", json_schema_extra={"options": {one.value: one.label for one in Operator}}
    )
    value: Annotated[str, Field(max_length=1_000)] = Field(
        "", title="Value", description="A text, a number or an RE2 pattern.", json_schema_extra=CODE
    )
    then: Literal["UP", "DEGRADED", "DOWN"] = Field(
        "DOWN", title="Then", json_schema_extra={"options": {one: f"then {one}" for one in ("UP", "DEGRADED", "DOWN")}}
    )

    @field_validator("path")
    @classmethod
    def _place(cls, path: str, info: ValidationInfo) -> str:
        source: Source | None = info.data.get("source")
        path = path.strip()
        mistake = None if source is None else _mistake_in_place(source, path)
        if mistake:
            raise ValueError(mistake)
        return path

    @field_validator("value")
    @classmethod
    def _something_to_compare_with(cls, value: str, info: ValidationInfo) -> str:
        source, operator = info.data.get("source"), info.data.get("operator")
        mistake = None if source is None or operator is None else _mistake_in_value(source, operator, value)
        if mistake:
            raise ValueError(mistake)
        return value


def _mistake_in_place(source: Source, path: str) -> str | None:
    if source.place is None:
        return f"Leave the place empty: there is only one {source.label.lower()}." if path else None
    if not path:
        return f"Enter the {source.place}."
    match source:
        case Source.JSON:
            return extracts.mistake_in_path(path)
        case Source.HTML:
            return extracts.mistake_in_selector(path)
    return None if _HEADER.fullmatch(path) else "The name of a header has letters, digits and hyphens only."


def _mistake_in_value(source: Source, operator: Operator, value: str) -> str | None:
    """A value in which a secret is named is tried once the secret has been put in."""
    if operator in LOOKS:
        return "Leave the value empty: only whether something is there counts." if value.strip() else None
    if not value.strip():
        return "Enter a value to compare with, or choose exists or is missing."
    if names_in(value):
        return None
    if operator in PATTERNS:
        return _mistake_in_pattern(value)
    if operator in COMPARES or (source.is_number and operator in (Operator.EQUALS, Operator.NOT_EQUALS)):
        return None if extracts.number(value) is not None else "Enter a number."
    return None


def _mistake_in_pattern(value: str) -> str | None:
    if len(value) > MAX_PATTERN:
        return f"A pattern has at most {MAX_PATTERN} characters."
    return extracts.mistake_in_pattern(value)


_NOTHING: frozenset[Source] = frozenset()


class AssertedSpec(Spec):
    """Mixin of the types whose answers can be judged line by line."""

    SOURCES: ClassVar[tuple[Source, ...]] = ()
    """What this type's answers offer; everything else is refused."""

    assertions: Annotated[list[Assertion], Field(max_length=MAX_LINES)] = Field(
        [],
        title="Assertions",
        description="The first line that matches decides; where none does, the rules above stand. "
        "A line that says UP also overrules them.",
        json_schema_extra={"ordered": True},
    )

    @field_validator("assertions")
    @classmethod
    def _only_own_sources(cls, lines: list[Assertion]) -> list[Assertion]:
        for number, line in enumerate(lines, 1):
            if line.source not in cls.SOURCES:
                offered = ", ".join(one.value for one in cls.SOURCES)
                raise ValueError(f"Row {number}: this type has no {line.source.value}; it offers {offered}.")
        return lines

    @property
    def looks_at(self) -> frozenset[Source]:
        """The sources that its lines need."""
        return frozenset([line.source for line in self.assertions]) if self.assertions else _NOTHING
