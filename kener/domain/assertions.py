"""Judging an answer line by line, without code.

For the developer of a type. Settings: add `AssertedSpec` to the bases and name the `SOURCES` (kener.domain.specs.assertions); in the form
`{{ setting(controls.assertions, form, errors) }}`. A probe calls `judge` last, when the type's own verdict stands:

    return judge(spec, reading, {Source.RECORDS: ["192.0.2.7"], Source.RCODE: "NOERROR", Source.TTL: 300})

`facts` holds what the answer brought, by source; what it did not bring is left out:

    status_code, latency (ms), rows, ttl (s), players   int
    certificate_days, packet_loss (0 to 100)            float
    header      mapping of lower-case names to texts
    body        str, at most 1 MiB; `json` and `html` are read out of it
    records     list of texts
    rcode, state  str
    value       anything a database may return, or None for NULL

Latency is taken from the reading. Where making a fact costs something, make it only if `source in spec.looks_at` (or `spec.assertions`).

The first line that matches decides, also against the type's own verdict; where none does, that verdict stands. A line that cannot be judged
(no such place, not JSON, not measured) does not match and says why. NO_DATA is our own fault and is never judged. Where a source has
several values (records, places of a path), one that fits is enough; for the negative operators none may.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from kener.domain.extracts import Absent, Document, Unreadable, matches, number
from kener.domain.readings import Judged, Reading
from kener.domain.specs.assertions import COMPARES, AssertedSpec, Assertion, Operator, Source
from kener.domain.status import Status

Facts = Mapping[Source, Any]

_SHOWN = 120
_ERROR_LENGTH = 500
_NOT_REACHED = "an earlier line has decided"
_SUBJECTS: dict[Source, str] = {
    Source.STATUS_CODE: "Status code",
    Source.LATENCY: "Latency",
    Source.BODY: "Body",
    Source.CERTIFICATE_DAYS: "Time left of the certificate",
    Source.PACKET_LOSS: "Packet loss",
    Source.RECORDS: "Record",
    Source.RCODE: "Response code",
    Source.TTL: "TTL",
    Source.VALUE: "First value",
    Source.ROWS: "Number of rows",
    Source.STATE: "State",
    Source.PLAYERS: "Number of players",
}


def judge(spec: AssertedSpec, reading: Reading, facts: Facts) -> Reading:
    """The reading after its lines; the same one where the type has none. Never raises."""
    if not spec.assertions or reading.status is Status.NO_DATA:
        return reading
    answer = _Answer(facts, reading.latency_ms)
    judged: list[Judged] = []
    decided: Assertion | None = None
    for line in spec.assertions:
        if decided is not None:
            judged.append(_judged(line, reason=_NOT_REACHED))
            continue
        seen = _evaluate(line, answer)
        if seen.matched:
            decided = line
        judged.append(seen)
    lines = tuple(judged)
    if decided is None:
        return replace(reading, lines=lines)
    status = Status(decided.then)
    error = None if status is Status.UP else sentence(decided, next(one.observed for one in lines if one.matched))
    return replace(reading, status=status, error=error and error[:_ERROR_LENGTH], lines=lines)


def sentence(line: Assertion, observed: str | None) -> str:
    """What was seen by the line that decided, for operators."""
    subject, seen, value = subject_of(line), observed or "", _quoted(line, line.value)
    match line.operator:
        case Operator.EQUALS:
            return f"{subject} is {value if seen.endswith(' more') else seen}"
        case Operator.NOT_EQUALS:
            return f"{subject} is {seen}, not {value}"
        case Operator.CONTAINS:
            return f"{subject} contains {value}"
        case Operator.NOT_CONTAINS:
            return f"{subject} does not contain {value}"
        case Operator.MATCHES:
            return f"{subject} matches {value}"
        case Operator.NOT_MATCHES:
            return f"{subject} does not match {value}"
        case Operator.EXISTS:
            return f"{subject} exists"
        case Operator.MISSING:
            return f"{subject} is missing"
        case Operator.LESS | Operator.AT_MOST | Operator.AT_LEAST | Operator.GREATER:
            return f"{subject} is {seen}, {line.operator.label.removeprefix('is ')} {value}"


def subject_of(line: Assertion) -> str:
    """What a line looks at, in words: `JSON $.status`."""
    match line.source:
        case Source.HEADER | Source.JSON | Source.HTML:
            return f"{'Element' if line.source is Source.HTML else line.source.label} {line.path}"
    return _SUBJECTS[line.source]


@dataclass(slots=True)
class _Answer:
    facts: Facts
    latency_ms: int | None
    document: Document | None = None

    def values(self, line: Assertion) -> Sequence[Any]:
        """What stands at a line's place; nothing: it is missing. Raises Unreadable."""
        match line.source:
            case Source.LATENCY:
                return self._one(self.latency_ms)
            case Source.HEADER:
                headers: Mapping[str, str] = self._fact(Source.HEADER)
                return self._one(headers.get(line.path.lower()), missing=True)
            case Source.JSON:
                return self._body().json(line.path)
            case Source.HTML:
                return self._body().html(line.path)
            case Source.RECORDS:
                return list(self._fact(Source.RECORDS))
            case Source.VALUE:
                return self._one(self._fact(Source.VALUE), missing=True)
        return self._one(self._fact(line.source))

    def _one(self, value: Any, *, missing: bool = False) -> Sequence[Any]:
        if value is None and not missing:
            raise Unreadable("it was not measured")
        return () if value is None else (value,)

    def _fact(self, source: Source) -> Any:
        if source not in self.facts:
            raise Unreadable("the answer did not bring it")
        return self.facts[source]

    def _body(self) -> Document:
        if self.document is None:
            self.document = Document(str(self._fact(Source.BODY)))
        return self.document


def _evaluate(line: Assertion, answer: _Answer) -> Judged:
    try:
        values = answer.values(line)
    except Absent as fault:
        return _judged(line, matched=line.operator is Operator.MISSING, reason=str(fault))
    except Unreadable as fault:
        return _judged(line, reason=str(fault))
    if line.operator in (Operator.EXISTS, Operator.MISSING):
        return _judged(line, _shown(line, values), matched=bool(values) is (line.operator is Operator.EXISTS))
    if not values:
        return _judged(line, reason="there is no such place in the answer")
    try:
        return _judged(line, _shown(line, values), matched=_fits(line, values))
    except Unreadable as fault:
        return _judged(line, _shown(line, values), reason=str(fault))


def _fits(line: Assertion, values: Sequence[Any]) -> bool:
    """Raises Unreadable."""
    match line.operator:
        case Operator.EQUALS:
            return any(_equal(one, line.value) for one in values)
        case Operator.NOT_EQUALS:
            return not any(_equal(one, line.value) for one in values)
        case Operator.CONTAINS:
            return any(line.value in _text(one) for one in values)
        case Operator.NOT_CONTAINS:
            return not any(line.value in _text(one) for one in values)
        case Operator.MATCHES:
            return any(matches(line.value, _text(one)) for one in values)
        case Operator.NOT_MATCHES:
            return not any(matches(line.value, _text(one)) for one in values)
    limit = number(line.value)
    if limit is None:
        raise Unreadable("the value to compare with is no number")
    numbers = [found for one in values if (found := number(one)) is not None]
    if not numbers:
        raise Unreadable("what is there is no number")
    return any(_COMPARE[line.operator](found, limit) for found in numbers)


_COMPARE: dict[Operator, Callable[[Decimal, Decimal], bool]] = {
    Operator.LESS: lambda seen, limit: seen < limit,
    Operator.AT_MOST: lambda seen, limit: seen <= limit,
    Operator.AT_LEAST: lambda seen, limit: seen >= limit,
    Operator.GREATER: lambda seen, limit: seen > limit,
}


def _equal(seen: Any, value: str) -> bool:
    """Numbers as numbers (1 is 1.0), texts as texts without blanks at their ends (version 1.10 is not 1.1)."""
    if not isinstance(seen, str | bool) and (found := number(seen)) is not None:
        return found == number(value)
    return _text(seen).strip() == value.strip()


def _text(value: Any) -> str:
    """A value as it would stand in JSON, texts without their quotes."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float | dict | list):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, RecursionError, TypeError):
            return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)


def _shown(line: Assertion, values: Sequence[Any]) -> str | None:
    if not values:
        return None
    more = f" and {len(values) - 1} more" if len(values) > 1 else ""
    return _quoted(line, values[0]) + more


def _quoted(line: Assertion, value: Any) -> str:
    """A number with its unit, a text in quotes; long ones are cut."""
    if line.source.is_number or (line.operator in COMPARES and number(value) is not None):
        rounded = round(value, 2) if isinstance(value, float) else value
        return f"{rounded}{line.source.unit}"
    text = " ".join(_text(value)[: _SHOWN * 4].split())
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f'"{cut}"' if isinstance(value, str) else cut


def _judged(
    line: Assertion, observed: str | None = None, *, matched: bool = False, reason: str | None = None
) -> Judged:
    return Judged(
        subject=subject_of(line),
        operator=line.operator.label,
        expected=line.value,
        then=Status(line.then),
        observed=observed,
        matched=matched,
        reason=reason,
    )
