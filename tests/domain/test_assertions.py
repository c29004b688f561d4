"""Assertions: the first line that matches decides; hostile answers and questions cost little and raise nothing."""

import json
import subprocess
import sys
import time
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from kener.domain import extracts
from kener.domain.assertions import judge
from kener.domain.extracts import Document, Unreadable
from kener.domain.inputs import mistakes
from kener.domain.readings import Reading, cannot_run
from kener.domain.specs.assertions import AssertedSpec, Assertion, Operator, Source
from kener.domain.status import Status

NEEDS_PLACE = {Source.HEADER: "X-Build", Source.JSON: "$.a", Source.HTML: "h1"}


class Everything(AssertedSpec):
    """A type with every source."""

    SOURCES: ClassVar[tuple[Source, ...]] = tuple(Source)


def spec(*lines: dict[str, Any]) -> Everything:
    return Everything.model_validate({"assertions": list(lines)})


def line(source: str, operator: str, value: str = "", path: str = "", then: str = "DOWN") -> dict[str, str]:
    return {"source": source, "operator": operator, "value": value, "path": path, "then": then}


def says(source: str, operator: str, value: str, seen: Any, path: str = "") -> str | None:
    """What a single line makes of one fact; None: it did not match."""
    fact = Source.BODY if source in ("json", "html") else Source(source)
    reading = judge(spec(line(source, operator, value, path)), Reading(Status.UP, latency_ms=70), {fact: seen})
    return reading.error if reading.status is Status.DOWN else None


def refused(**given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Assertion.model_validate(given)
    return mistakes(caught.value)


@pytest.mark.parametrize(
    ("source", "path", "operator", "value", "seen", "sentence"),
    [
        ("status_code", "", "equals", "503", 503, "Status code is 503"),
        ("status_code", "", "matches", "^5", 503, "Status code matches ^5"),
        ("status_code", "", "at_least", "400", 404, "Status code is 404, at least 400"),
        ("latency", "", "greater", "50", None, "Latency is 70 ms, greater than 50 ms"),
        (
            "header",
            "Cache-Control",
            "contains",
            "no-",
            {"cache-control": "no-store"},
            'Header Cache-Control contains "no-"',
        ),
        ("header", "X-Build", "missing", "", {}, "Header X-Build is missing"),
        ("body", "", "not_contains", "ok", "fine", 'Body does not contain "ok"'),
        ("body", "", "not_equals", "ok", "fine\n", 'Body is "fine", not "ok"'),
        ("body", "", "matches", r"v\d+", "at v12", r'Body matches "v\d+"'),
        ("json", "$.status", "equals", "degraded", '{"status": "degraded"}', 'JSON $.status is "degraded"'),
        ("json", "$.n", "equals", "1", '{"n": 1.0}', "JSON $.n is 1.0"),
        ("json", "$.ok", "equals", "true", '{"ok": true}', "JSON $.ok is true"),
        ("json", "$.db", "equals", "null", '{"db": null}', "JSON $.db is null"),
        ("json", "$.x", "missing", "", "<html>", "JSON $.x is missing"),
        (
            "json",
            "$.q[?@.name=='db'].depth",
            "greater",
            "9",
            '{"q": [{"name": "db", "depth": 12}]}',
            "12, greater than 9",
        ),
        ("html", "h1.state", "equals", "All  well", "<h1 class=state>All <b>well</b></h1>", None),
        (
            "html",
            "h1.state",
            "contains",
            "well",
            "<h1 class=state>All <b>well</b></h1>",
            'Element h1.state contains "well"',
        ),
        ("certificate_days", "", "less", "14", 3.14159, "Time left of the certificate is 3.14 days, less than 14 days"),
        ("packet_loss", "", "greater", "10", 33.333, "Packet loss is 33.33 %, greater than 10 %"),
        ("records", "", "equals", "192.0.2.7", ["192.0.2.1", "192.0.2.7"], 'Record is "192.0.2.7"'),
        ("records", "", "not_contains", "192.0.2.9", ["192.0.2.1"], 'Record does not contain "192.0.2.9"'),
        ("records", "", "missing", "", [], "Record is missing"),
        ("rcode", "", "not_equals", "NOERROR", "NXDOMAIN", 'Response code is "NXDOMAIN", not "NOERROR"'),
        ("value", "", "less", "5", Decimal("4.20"), "First value is 4.20, less than 5"),
        ("value", "", "missing", "", None, "First value is missing"),
        ("rows", "", "equals", "0", 0, "Number of rows is 0"),
        ("state", "", "not_equals", "SERVING", "UNKNOWN", 'State is "UNKNOWN", not "SERVING"'),
        ("players", "", "at_most", "0", 0, "Number of players is 0, at most 0"),
        # What does not match:
        ("json", "$.version", "equals", "1.1", '{"version": "1.10"}', None),
        ("json", "$.x", "not_equals", "ok", "{}", None),
        ("json", "$.a[*]", "not_equals", "2", '{"a": [1, 2]}', None),
        ("body", "", "greater", "5", "many", None),
        ("records", "", "not_equals", "192.0.2.7", ["192.0.2.1", "192.0.2.7"], None),
        ("value", "", "equals", "null", None, None),
    ],
)
def test_a_line_says_in_words_what_it_saw(
    source: str, path: str, operator: str, value: str, seen: Any, sentence: str | None
) -> None:
    said = says(source, operator, value, seen, path)
    assert said == sentence or (said is not None and sentence is not None and said.endswith(sentence)), said


def test_the_first_line_that_matches_decides_and_the_own_verdict_stands_where_none_does() -> None:
    own = Reading(Status.DOWN, latency_ms=5, error="HTTP 404", answer="HTTP 404")
    facts = {Source.STATUS_CODE: 404, Source.BODY: "gone"}
    up, degraded = line("status_code", "equals", "404", then="UP"), line("body", "contains", "gone", then="DEGRADED")
    overruled = judge(spec(up, degraded), own, facts)
    assert (overruled.status, overruled.error, overruled.answer, overruled.latency_ms) == (
        Status.UP,
        None,
        "HTTP 404",
        5,
    )
    assert [one.reason for one in overruled.lines] == [None, "an earlier line has decided"]
    assert judge(spec(degraded, up), own, facts).status is Status.DEGRADED
    untouched = judge(spec(line("body", "contains", "here", then="UP")), own, facts)
    assert (untouched.status, untouched.error) == (Status.DOWN, "HTTP 404")


def test_our_own_trouble_is_never_judged_and_no_lines_change_nothing() -> None:
    ours = cannot_run("No socket left")
    assert judge(spec(line("body", "missing")), ours, {}) is ours
    plain = Reading(Status.UP, latency_ms=1)
    assert judge(spec(), plain, {Source.BODY: "x"}) is plain


@pytest.mark.parametrize(
    ("given", "named", "advice"),
    [
        ({"source": "header", "value": "x"}, "path", "Enter the name of the header."),
        ({"source": "header", "path": "X Y", "value": "x"}, "path", "letters, digits and hyphens"),
        ({"source": "body", "path": "$.a", "value": "x"}, "path", "Leave the place empty"),
        ({"source": "json", "path": "status", "value": "x"}, "path", "at character 1. Begin with $"),
        ({"source": "json", "path": "$.a[?@.b =~ /x/]", "value": "x"}, "path", "at character 10"),
        ({"source": "json", "path": "$..a..b", "value": "x"}, "path", ".. once at most"),
        ({"source": "json", "path": "$[?match(@.a, 'x')]", "value": "x"}, "path", "may only compare"),
        ({"source": "json", "path": "$[?@..a]", "value": "x"}, "path", "single places only"),
        ({"source": "json", "path": "$" + ".a" * 21, "value": "x"}, "path", "at most 20 steps"),
        ({"source": "json", "path": "$[0,1]", "value": "x"}, "path", "only one thing"),
        ({"source": "html", "path": "h1[", "value": "x"}, "path", "no CSS selector"),
        ({"source": "html", "path": "div:has(p)", "value": "x"}, "path", "may take too long"),
        ({"source": "html", "path": "p ~ p", "value": "x"}, "path", "may take too long"),
        ({"source": "html", "path": "p:not(a b)", "value": "x"}, "path", "may take too long"),
        ({"source": "body", "operator": "matches", "value": "(a"}, "value", "missing ): (a"),
        ({"source": "body", "operator": "matches", "value": r"(a)\1"}, "value", r"\1"),
        ({"source": "body", "operator": "matches", "value": "a" * 501}, "value", "at most 500"),
        ({"source": "body", "operator": "matches", "value": r"\pL{300}"}, "value", "too large"),
        ({"source": "body"}, "value", "Enter a value"),
        ({"source": "body", "operator": "exists", "value": "x"}, "value", "Leave the value empty"),
        ({"source": "latency", "operator": "less", "value": "fast"}, "value", "Enter a number."),
        ({"source": "rows", "value": "inf"}, "value", "Enter a number."),
        ({"source": "body", "value": "x", "then": "NO_DATA"}, "then", "UP"),
        ({"source": "eval", "value": "x"}, "source", "Choose one of"),
        ({"source": "body", "operator": "eval", "value": "x"}, "operator", "Choose one of"),
    ],
)
def test_a_line_that_cannot_be_judged_is_refused_with_what_to_do(given: Any, named: str, advice: str) -> None:
    errors = refused(**given)
    assert list(errors) == [named]
    assert advice in errors[named]


def test_a_type_refuses_sources_that_it_does_not_have_and_more_than_twenty_lines() -> None:
    class Few(AssertedSpec):
        SOURCES: ClassVar[tuple[Source, ...]] = (Source.BODY,)

    with pytest.raises(ValidationError) as caught:
        Few.model_validate({"assertions": [line("body", "exists"), line("rows", "equals", "1")]})
    assert mistakes(caught.value) == {"assertions": "Row 2: this type has no rows; it offers body."}
    with pytest.raises(ValidationError):
        Few.model_validate({"assertions": [line("body", "exists")] * 21})


def test_a_named_secret_may_stand_where_a_pattern_or_number_will() -> None:
    assert Assertion(source=Source.ROWS, operator=Operator.LESS, value="$LIMIT").value == "$LIMIT"
    assert Assertion(source=Source.BODY, operator=Operator.MATCHES, value="${PATTERN}").value == "${PATTERN}"


texts = st.text(max_size=200)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    texts,
    st.binary(max_size=50),
    st.dates(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(texts, texts, max_size=3),
)
documents = st.one_of(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=4),
        max_leaves=15,
    ).map(json.dumps),
    st.text(alphabet="<>/=\"' h1abp!-&;", max_size=300),
)
facts = st.fixed_dictionaries(
    {},
    optional={
        Source.STATUS_CODE: st.integers(0, 999),
        Source.HEADER: st.dictionaries(st.sampled_from(["x-build", "etag"]), texts),
        Source.BODY: documents,
        Source.CERTIFICATE_DAYS: st.floats(),
        Source.PACKET_LOSS: st.floats(0, 100),
        Source.RECORDS: st.lists(texts, max_size=4),
        Source.RCODE: texts,
        Source.TTL: st.integers(),
        Source.VALUE: values,
        Source.ROWS: st.integers(0),
        Source.STATE: texts,
        Source.PLAYERS: st.integers(0),
    },
)
paths = st.sampled_from(
    ["$", "$.a", "$..a", "$..*", "$[*].a", "$.a[?@.b==1]", "$.a[::-1]", "$[?@ != @.a]", "$['a','b']"]
)
selectors = st.sampled_from(["h1", "*", "p > b", "a:not(b)", "p:nth-child(2n+1)", "[a]", "#x", "h1, p"])
asserted = st.builds(
    line,
    st.sampled_from([one.value for one in Source]),
    st.sampled_from([one.value for one in Operator]),
    st.one_of(texts, st.integers().map(str), st.sampled_from(["a+", ".*", "^$", "1e400", "NaN", "0x1", "½"])),
    st.one_of(st.just(""), paths, selectors, texts),
    st.sampled_from(["UP", "DEGRADED", "DOWN"]),
)


def accepted(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Those of the lines that may be saved."""
    found = []
    for one in lines:
        try:
            Assertion.model_validate(one)
        except ValidationError:
            continue
        found.append(one)
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(asserted, max_size=20).map(accepted), facts, st.sampled_from([Status.UP, Status.DEGRADED, Status.DOWN]))
def test_judging_never_raises_says_the_same_twice_and_follows_the_first_match(
    lines: list[dict[str, str]], seen: dict[Source, Any], own: Status
) -> None:
    reading = Reading(own, latency_ms=12, error=None if own is Status.UP else "why")
    judged = judge(spec(*lines), reading, seen)
    assert judged == judge(spec(*lines), reading, seen)
    assert len(judged.lines) == len(lines)
    first = next((one for one in judged.lines if one.matched), None)
    assert judged.status is (own if first is None else first.then)
    assert (judged.error is None) is (judged.status is Status.UP)
    assert len(judged.error or "") <= 500
    assert all(len(one.observed or "") < 200 for one in judged.lines)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), documents)
def test_any_question_is_answered_or_refused(path: str, pattern: str, text: str) -> None:
    for mistake, ask in (
        (extracts.mistake_in_path(path), lambda: Document(text).json(path)),
        (extracts.mistake_in_selector(path), lambda: Document(text).html(path)),
        (extracts.mistake_in_pattern(pattern), lambda: extracts.matches(pattern, text)),
    ):
        assert mistake is None or mistake
        if mistake is None:
            try:
                ask()
            except Unreadable as fault:
                assert str(fault)


@pytest.mark.parametrize(
    ("source", "path", "operator", "value", "body"),
    [
        ("body", "", "matches", "(a|aa)+$", "a" * 200_000 + "b"),
        ("body", "", "matches", "(x+x+)+y", "x" * 200_000),
        ("body", "", "matches", "[^b]{200}c", "a" * 262_144),
        ("json", "$..x", "exists", "", "[" * 900 + "]" * 900),
        ("json", "$..x", "exists", "", "[" * 200_000),
        ("json", "$..*[*][*].x", "exists", "", "[" + "[[0]]," * 30_000 + "0]"),
        ("json", "$..[?@.a == @.b]", "exists", "", '{"a":' * 38 + "[" + "{}," * 40_000 + "{}]" + "}" * 38),
        ("html", "div div div x", "exists", "", "<div>" * 50_000),
        ("html", "div div div x", "exists", "", "<div>" * 10_000),
        ("html", "b p", "exists", "", "<b><p>" * 30_000),
        ("html", "p:nth-child(2n+1)", "exists", "", "<p></p>" * 10_000),
        ("body", "", "contains", "ab", "a" * 1_048_576),
    ],
)
def test_hostile_answers_cost_a_bounded_time(source: str, path: str, operator: str, value: str, body: str) -> None:
    lines = spec(line(source, operator, value, path))
    started = time.process_time()
    judge(lines, Reading(Status.UP), {Source.BODY: body})
    assert time.process_time() - started < 4.0


def test_the_libraries_are_loaded_only_when_an_answer_is_taken_apart() -> None:
    code = (
        "import sys\nimport kener.domain.assertions, kener.domain.inputs\n"
        "from kener.domain.specs import ApiSpec\nApiSpec(url='http://x.example')\n"
        "print(sorted({'jsonpath', 'selectolax', 'psycopg', 'pymysql'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
