"""Monitors of DNS, certificates, gRPC and game servers: the form and the API keep the same, and refuse the same."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from kener.domain.specs import MonitorType, parse_spec
from kener.models import Monitor
from tests import factories
from tests.doubles.dns import DnsDouble, records
from tests.doubles.games import SourceDouble
from tests.support.api import Api
from tests.support.pages import Form, visit

GIVEN: dict[str, dict[str, Any]] = {
    "DNS": {
        "host": "_dmarc.shop.example",
        "lookupRecord": "TXT",
        "nameServer": "dns.example",
        "nameServerPort": "5353",
        "transport": "TCP",
        "matchType": "CONTAINS",
        "values": "v=DMARC1\np=reject",
        "down_latency_ms": "900",
    },
    "SSL": {"host": "203.0.113.7", "port": "8443", "serverName": "shop.example", "degradedRemainingHours": "72"},
    "GRPC": {"host": "orders.example", "service": "shop.v1.Orders", "tls": ["true"], "authority": "api.example"},
    "GAMEDIG": {"gameId": "valheim", "host": "play.example", "port": "2456", "guessPort": ["true"]},
}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "DNS": ({"host": "shop.example", "matchType": "REGEX", "values": "("}, "values"),
    "SSL": ({"host": "shop.example", "downRemainingHours": 200}, "downRemainingHours"),
    "GRPC": ({"host": "http://orders.example"}, "host"),
    "GAMEDIG": ({"gameId": "rust", "host": "a b"}, "host"),
}
KINDS = pytest.mark.parametrize("kind", list(GIVEN))


def new(client: FlaskClient, kind: str) -> Form:
    return visit(client, f"/manage/monitors/-/new?type={kind}").form("Add monitor")


@KINDS
def test_the_form_keeps_what_was_entered_and_shows_it_again(editor: FlaskClient, kind: str) -> None:
    page = new(editor, kind).fill(GIVEN[kind] | {"name": "Shop"}).submit()
    assert "Shop is added. Its first check runs now." in page.text
    stored = factories.only(Monitor).type_data
    for name, value in GIVEN[kind].items():
        expected = {"values": ["v=DMARC1", "p=reject"]}.get(name, value)
        assert str(stored[name]) == str(True if expected == ["true"] else expected)
    assert parse_spec(MonitorType(kind), stored).model_dump(mode="json", exclude_none=True) == stored
    again = visit(editor, "/manage/monitors/shop/edit").form("Save").submit()
    assert again.heading == "Shop"
    assert factories.only(Monitor).type_data == stored


@KINDS
def test_what_cannot_be_checked_is_refused_beside_its_field(editor: FlaskClient, kind: str) -> None:
    fields, wrong = BAD[kind]
    page = (
        new(editor, kind)
        .fill({name: str(value) for name, value in fields.items()} | {"name": "Shop"})
        .submit(status=422)
    )
    assert page.one(f"#e-{wrong}").text
    assert "Not tested" not in page.text


@KINDS
def test_the_api_takes_and_refuses_the_same(api: Api, kind: str) -> None:
    fields, wrong = BAD[kind]
    monitor = {"tag": "shop", "name": "Shop", "monitor_type": kind}
    values = {name: value[0] == "true" if isinstance(value, list) else value for name, value in GIVEN[kind].items()}
    if kind == "DNS":
        values["values"] = values["values"].split("\n")
        fields = fields | {"values": ["("]}
    assert list(api.refused("POST", "/monitors", monitor | {"type_data": fields})) == [f"type_data.{wrong}"]
    made = api.post("/monitors", monitor | {"type_data": values})["monitor"]
    assert made["type_data"]["host"] == GIVEN[kind]["host"]


def test_a_script_of_the_original_is_refused_with_advice(api: Api) -> None:
    data = {"gameId": "rust", "host": "play.example", "eval": "(async function () {})"}
    fields = api.refused("POST", "/monitors", {"tag": "g", "name": "G", "monitor_type": "GAMEDIG", "type_data": data})
    assert "scripts are not run" in fields["type_data.eval"].lower()
    assert "assertions" in fields["type_data.eval"]


def test_a_test_by_hand_shows_what_was_answered(editor: FlaskClient) -> None:
    with DnsDouble() as dns, SourceDouble(players=9) as game:
        dns.on("shop.example", records("shop.example. 60 IN A 203.0.113.7"))
        form = new(editor, "DNS").fill(host="shop.example", nameServer="127.0.0.1", nameServerPort=str(dns.port))
        assert "NOERROR: 203.0.113.7, TTL 60 s" in form.submit("Test now").text
        form = new(editor, "GAMEDIG").fill(gameId="csgo", host="127.0.0.1", port=str(game.port))
        assert "9 of 32 players on de_dust2" in form.submit("Test now").text


def test_a_refused_test_calls_fields_as_the_form_does(editor: FlaskClient) -> None:
    page = new(editor, "DNS").fill(host="a b", nameServerPort="70000").submit("Test now", status=422)
    said = page.one("#tested").text
    assert "Not tested" in said
    assert "Name to look up" in said
    assert "nameServerPort" not in said
