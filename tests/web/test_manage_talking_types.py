"""Monitors that connect, say something and hear: the form and the API keep the same, and refuse the same."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from kener.domain.specs import MonitorType, parse_spec
from kener.models import Monitor
from tests import factories
from tests.doubles.tcp import TcpDouble, saying
from tests.support.api import Api
from tests.support.pages import Page, visit

HOSTS: dict[str, list[str]] = {
    "hosts_host": ["db-1.example", "2001:db8::2", ""],
    "hosts_port": ["5432", "5433", ""],
    "hosts_timeout": ["250", "1000", "1000"],
}
TYPED: dict[str, dict[str, Any]] = {
    "PING": {
        "hosts_host": ["gateway", "2001:db8::2", ""],
        "hosts_timeout": ["250", "1000", "1000"],
        "hosts_count": ["5", "3", "3"],
        "partial": "DEGRADED",
    },
    "TCP": HOSTS | {"tls": "true", "send": r"PING\r\n", "expect": "PONG", "partial": "UP"},
    "UDP": {"host": "ntp.example", "port": "123", "send": r"\x1b", "expect": ".", "expect_regex": "true"},
    "STARTTLS": {"protocol": "POSTGRESQL", "host": "db.example", "port": "", "downRemainingHours": "48"},
    "WEBSOCKET": {
        "url": "wss://shop.example/live",
        "headers_name": ["Origin"],
        "headers_value": ["https://shop.example"],
        "subprotocols": "chat.v2\nchat.v1",
        "expect": "hello",
    },
}
KEPT: dict[str, dict[str, Any]] = {
    "PING": {
        "hosts": [
            {"host": "gateway", "timeout": 250, "count": 5},
            {"host": "2001:db8::2", "timeout": 1000, "count": 3},
        ],
        "partial": "DEGRADED",
    },
    "TCP": {
        "hosts": [
            {"host": "db-1.example", "port": 5432, "timeout": 250},
            {"host": "2001:db8::2", "port": 5433, "timeout": 1000},
        ],
        "tls": True,
        "send": r"PING\r\n",
        "expect": "PONG",
        "partial": "UP",
    },
    "UDP": {"host": "ntp.example", "port": 123, "send": r"\x1b", "expect": ".", "expect_regex": True},
    "STARTTLS": {"protocol": "POSTGRESQL", "host": "db.example", "downRemainingHours": 48},
    "WEBSOCKET": {
        "url": "wss://shop.example/live",
        "headers": [{"key": "Origin", "value": "https://shop.example"}],
        "subprotocols": ["chat.v2", "chat.v1"],
        "expect": "hello",
    },
}
WRONG: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "PING": (
        {"hosts_host": ["a", "b c"], "hosts_timeout": ["1000", "0"], "hosts_count": ["3", "101"]},
        {
            "hosts": "Row 2, host: Enter a host name or an address, without http:// and without a port. "
            "Row 2, time limit: Enter a number from 1 up. Row 2, packets: Enter a number up to 100."
        },
    ),
    "TCP": (
        {"hosts_host": ["a", "b"], "hosts_port": ["80", ""], "hosts_timeout": ["1000", "1000"], "expect": "x"},
        {"hosts": "Row 2, port: This field is needed."},
    ),
    "UDP": (
        {"host": "a:80", "port": "0", "send": "\\q"},
        {
            "host": "Enter a host name or an address, without http:// and without a port.",
            "port": "Enter a number from 1 up.",
            "send": r"There is no \q. Use \r, \n, \t, \\ or two hexadecimal digits: \x0d.",
        },
    ),
    "STARTTLS": (
        {"host": "", "port": "70000"},
        {"host": "This field is needed.", "port": "Enter a number up to 65535."},
    ),
    "WEBSOCKET": (
        {"url": "https://shop.example", "headers_name": ["Upgrade"], "headers_value": ["x"]},
        {
            "url": "Start the URL with ws:// or wss:// and a host name.",
            "headers": "Row 1: Upgrade belongs to the handshake and cannot be set.",
        },
    ),
}
KINDS = pytest.mark.parametrize("kind", list(TYPED))


def sent(editor: FlaskClient, kind: str, typed: dict[str, Any]) -> Page:
    """The empty form of a type with these fields in it, as a browser sends it. No field is one that the form does not have."""
    form = visit(editor, f"/manage/monitors/-/new?type={kind}").form("Add monitor")
    data = MultiDict(form.data())
    data["name"] = "Shop"
    for name, values in typed.items():
        assert name in data or values == "true", name
        data.setlist(name, values if isinstance(values, list) else [values])
    return Page(editor, editor.post("/manage/monitors", data=data, follow_redirects=True))


@KINDS
def test_the_form_keeps_what_was_entered_and_shows_it_again(editor: FlaskClient, kind: str) -> None:
    assert "Shop is added. Its first check runs now." in sent(editor, kind, TYPED[kind]).text
    stored = factories.only(Monitor).type_data
    assert {name: stored[name] for name in KEPT[kind]} == KEPT[kind]
    assert parse_spec(MonitorType(kind), stored).model_dump(mode="json", exclude_none=True) == stored
    again = visit(editor, "/manage/monitors/shop/edit").form("Save").submit()
    assert again.heading == "Shop"
    assert factories.only(Monitor).type_data == stored


@KINDS
def test_what_cannot_be_checked_is_refused_beside_its_field_and_kept_for_another_try(
    editor: FlaskClient, kind: str
) -> None:
    typed, errors = WRONG[kind]
    page = sent(editor, kind, typed)
    assert page.status == 422
    assert {name: page.texts(f"#e-{name}") for name in errors} == {name: [text] for name, text in errors.items()}
    assert len(page.texts(".error")) == len(errors)
    again = page.form("Add monitor")
    for name, values in typed.items():
        kept = again[name]
        assert kept[: len(values)] == values if isinstance(values, list) else kept == [values]
    assert factories.count(Monitor) == 0


@KINDS
def test_the_api_takes_and_refuses_the_same(api: Api, kind: str) -> None:
    monitor = {"tag": "shop", "name": "Shop", "monitor_type": kind}
    made = api.post("/monitors", monitor | {"type_data": KEPT[kind]})["monitor"]
    assert {name: made["type_data"][name] for name in KEPT[kind]} == KEPT[kind]
    refused = api.refused("POST", "/monitors", monitor | {"tag": "other", "type_data": {"nothing": 1}})
    assert refused["type_data.nothing"] == "There is no such field."
    patched = api.patch("/monitors/shop", {"type_data": {"down_latency_ms": 900}})["monitor"]["type_data"]
    assert patched == made["type_data"] | {"down_latency_ms": 900}


@pytest.mark.parametrize(("kind", "script"), [("PING", "pingEval"), ("TCP", "tcpEval")])
def test_the_api_takes_a_definition_of_the_original_but_no_script(api: Api, kind: str, script: str) -> None:
    host = {"type": "DOMAIN", "host": "redis", "timeout": 1000} | ({"port": 6379} if kind == "TCP" else {"count": 3})
    monitor = {"tag": "redis", "name": "Redis", "monitor_type": kind, "type_data": {"hosts": [host]}}
    api.post("/monitors", monitor)
    data = monitor["type_data"] | {script: "(async function () { return {} })"}  # type: ignore[operator]
    refused = api.refused("POST", "/monitors", monitor | {"tag": "other", "type_data": data})
    assert refused == {
        f"type_data.{script}": "Scripts are not run here. Say with partial, the limits of latency and assertions what counts as UP."
    }


def test_a_test_by_hand_shows_what_each_host_said(editor: FlaskClient) -> None:
    with TcpDouble(saying(b"220 one\r\n")) as one, TcpDouble(saying(b"554 two\r\n")) as two:
        form = visit(editor, "/manage/monitors/-/new?type=TCP").form("Add monitor")
        data = MultiDict(form.data())
        data["expect"], data["partial"] = "220", "DEGRADED"
        data.setlist("hosts_host", ["127.0.0.1", "127.0.0.1"])
        data.setlist("hosts_port", [str(one.port), str(two.port)])
        data.setlist("hosts_timeout", ["2000", "2000"])
        page = Page(editor, editor.post("/manage/monitors/-/test", data=data))
    assert page.status == 200
    said = page.one("#tested").text
    assert "DEGRADED" in said
    assert f"1 of 2 hosts failed: 127.0.0.1:{two.port}: The answer is not what is expected: 554 two" in said
    assert f"127.0.0.1:{one.port}: 220 one" in said
