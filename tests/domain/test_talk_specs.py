"""Settings of the types that connect to hosts, say something and expect an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kener.domain.inputs import mistakes
from kener.domain.specs import TcpSpec
from kener.domain.specs.talk import TalkSpec, unescaped

HOST = {"host": "db.example", "port": 5432}


def tcp(**settings: Any) -> TcpSpec:
    return TcpSpec.model_validate({"hosts": [HOST], **settings})


def refused(**settings: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        tcp(**settings)
    return mistakes(caught.value)


# Several hosts


def test_a_definition_of_the_original_loads() -> None:
    spec = TcpSpec.model_validate(
        {
            "hosts": [
                {"type": "IP4", "host": "192.0.2.7", "port": "80", "timeout": 1000},
                {"type": "IP6", "host": "2001:db8::7", "port": 443, "timeout": "1"},
                {"type": "DOMAIN", "host": "redis", "port": 6379},
            ],
            "tcpEval": "",
        }
    )
    assert [host.model_dump() for host in spec.hosts] == [
        {"host": "192.0.2.7", "port": 80, "timeout": 1000},
        {"host": "2001:db8::7", "timeout": 1, "port": 443},
        {"host": "redis", "timeout": 1000, "port": 6379},
    ]
    assert "tcpEval" not in spec.model_dump()


def test_a_script_of_the_original_is_refused_with_what_to_do() -> None:
    script = "(async function (arrayOfPings) { return { status: 'UP' } })"
    assert refused(tcpEval=script) == {
        "tcpEval": "Scripts are not run here. Say with partial, the limits of latency and assertions what counts as UP."
    }


@pytest.mark.parametrize(
    ("hosts", "errors"),
    [
        ([], {"hosts": "Choose at least one."}),
        (None, {"hosts": "Give a list."}),
        ([{}], {"hosts.0.host": "This field is needed.", "hosts.0.port": "This field is needed."}),
        ([HOST | {"port": 0}], {"hosts.0.port": "Enter a number from 1 up."}),
        ([HOST | {"port": 65_536}], {"hosts.0.port": "Enter a number up to 65535."}),
        ([HOST | {"timeout": 0}], {"hosts.0.timeout": "Enter a number from 1 up."}),
        ([HOST | {"timeout": 60_001}], {"hosts.0.timeout": "Enter a number up to 60000."}),
        ([HOST | {"timeout": 0.5}], {"hosts.0.timeout": "Enter a whole number."}),
        (
            [HOST, HOST | {"host": "a b"}],
            {"hosts.1.host": "Enter a host name or an address, without http:// and without a port."},
        ),
        ([HOST | {"type": "IP5"}], {"hosts.0.type": "There is no such field."}),
        ([HOST | {"count": 3}], {"hosts.0.count": "There is no such field."}),
        ([HOST] * 51, {"hosts": "At most 50 entries."}),
    ],
)
def test_hosts_that_cannot_be_looked_at_are_refused(hosts: Any, errors: dict[str, str]) -> None:
    assert refused(hosts=hosts) == errors


def test_what_some_hosts_are_enough_for_is_one_of_three() -> None:
    assert tcp().partial == "DOWN"
    assert refused(partial="MAINTENANCE") == {"partial": "Choose one of DOWN, DEGRADED or UP."}


# Send and expect


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("", b""),
        ("PING", b"PING"),
        (r"PING\r\n", b"PING\r\n"),
        (r"\t\\\\", b"\t\\\\"),
        (r"\\r", b"\\r"),
        (r"\x00\xfF\x41b", b"\x00\xffAb"),
        ("grüß", "grüß".encode()),
        ("two\nlines", b"two\nlines"),
    ],
)
def test_escapes_stand_for_bytes(written: str, sent: bytes) -> None:
    assert unescaped(written) == sent
    assert tcp(send=written, expect=written).met_by(b"<" + sent + b">")


@pytest.mark.parametrize("written", ["\\", r"\q", r"\x", r"\x4", r"\xgg", r"end\\\ "])
@pytest.mark.parametrize("field", ["send", "expect"])
def test_what_is_no_escape_is_refused(field: str, written: str) -> None:
    found = refused(**{field: written})
    assert list(found) == [field]
    assert found[field].startswith("There is no \\")


@given(st.binary(max_size=50))
def test_every_bytes_can_be_written(raw: bytes) -> None:
    assert unescaped("".join(f"\\x{byte:02x}" for byte in raw)) == raw


@given(st.text(max_size=50))
def test_a_text_with_its_backslashes_doubled_stands_for_itself(text: str) -> None:
    try:
        plain = text.encode()
    except UnicodeEncodeError:
        return
    assert unescaped(text.replace("\\", "\\\\")) == plain


@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused_with_a_sentence(text: str) -> None:
    try:
        TalkSpec(send=text)
    except ValidationError as error:
        assert set(mistakes(error)) == {"send"}


@pytest.mark.parametrize("expression", ["(", "a{1001}", "(?=a)", r"\1", "[z-a]", "*"])
def test_what_is_no_regular_expression_is_refused(expression: str) -> None:
    found = refused(expect=expression, expect_regex=True)
    assert found["expect"].startswith("This is no RE2 pattern: ")


def test_a_regular_expression_is_found_anywhere_in_text_of_any_script() -> None:
    assert tcp(expect=r"gr.n\s", expect_regex=True).met_by("x grün y".encode())
    assert not tcp(expect=r"^gr.n", expect_regex=True).met_by("x grün y".encode())
    assert tcp(expect=r"\x{FFFD}", expect_regex=True).met_by(b"\xff")
    assert tcp(expect="a.c").met_by(b"a.c")
    assert not tcp(expect="a.c").met_by(b"abc")
