"""Hosts, as people write them and as resolvers know them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kener.domain.hosts import ascii_host
from kener.domain.specs.base import Host

HOST = TypeAdapter(Host)
LABELS = st.from_regex(r"\A[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z").filter(lambda label: not label.isdigit())
LETTERS = st.text(st.characters(categories=["Ll", "Lo"], codec="utf-8"), min_size=1, max_size=20)


def host(text: str) -> str:
    return HOST.validate_python(text)


@pytest.mark.parametrize(
    ("written", "asked_for"),
    [
        ("localhost", "localhost"),
        ("redis", "redis"),
        ("Shop.Example", "shop.example"),
        ("shop.example.", "shop.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example"),
        ("my_service", "my_service"),
        ("a--b.example", "a--b.example"),
        ("web1.node-2.example.3com", "web1.node-2.example.3com"),
        ("日本。jp", "xn--wgv71a.jp"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_what_resolves_is_accepted_however_it_is_written(written: str, asked_for: str) -> None:
    assert ascii_host(written) == asked_for
    assert ascii_host(host(f" {written} ")) == asked_for


def test_a_name_with_a_sharp_s_is_a_name_of_its_own() -> None:
    assert ascii_host("straße.example") == "xn--strae-oqa.example" != ascii_host("strasse.example")


def test_a_name_stays_as_it_was_written_and_an_address_becomes_short() -> None:
    assert host(" Bücher.example ") == "Bücher.example"
    assert host("[2001:DB8:0::1]") == "2001:db8::1"


@pytest.mark.parametrize("reference", ["$DB_HOST", "${DB_HOST}", "node-$NUMBER.example"])
def test_the_name_of_a_secret_waits_for_its_value(reference: str) -> None:
    assert host(reference) == reference


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        ".",
        "a..b",
        "-a.example",
        "a-.example",
        "a b",
        "http://shop.example",
        "shop.example:80",
        "shop.example/path",
        "user@shop.example",
        "999.999.999.999",
        "1.2.3",
        "0x7f.1",
        "127.1",
        "0x7f000001",
        "2001:db8::g",
        "[192.0.2.7]",
        "[shop.example]",
        "[::1",
        "fe80::1%eth0",
        "☃.example",
        "a\0b",
        "a\nb",
        "x" * 64,
        "ß" * 60 + ".example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_host_is_refused_with_a_sentence(written: str) -> None:
    with pytest.raises(ValidationError) as caught:
        host(written)
    assert caught.value.errors()[0]["msg"].endswith((".", "character", "characters"))


@given(st.lists(LABELS, min_size=1, max_size=3))
def test_every_name_of_legal_labels_is_a_host(labels: list[str]) -> None:
    name = ".".join([*labels, "example"])
    assert ascii_host(name) == name
    assert host(name) == name


@given(st.ip_addresses().filter(lambda address: address.version == 4 or not address.is_link_local))
def test_every_address_is_a_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert ipaddress.ip_address(ascii_host(str(address))) == address
    assert ipaddress.ip_address(host(str(address))) == address


@given(LETTERS)
def test_a_name_in_any_script_is_refused_or_has_one_ascii_form(label: str) -> None:
    try:
        known = ascii_host(f"{label}.example")
    except ValueError:
        return
    assert known.isascii()
    assert known == known.lower()
    assert ascii_host(known) == known


@given(st.text(max_size=80))
def test_any_text_is_a_host_or_refused_and_never_more(text: str) -> None:
    try:
        known = ascii_host(text)
    except ValueError:
        return
    assert known.isascii()
    assert not set(known) & set(" /\\@?#%\r\n\t\0[]")
