"""Bodies that are no JSON object, or hold what no field can hold, are refused wherever a body is read."""

import re
from typing import Any

import pytest

from tests.support.api import Api


def paths_with_a_body(api: Api) -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"\{\w+\}", "1", path))
        for method, path in api.operations
        if "requestBody" in api.document["paths"][path][method.lower()]
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"tag=office", "not valid JSON"),
        (b'{"tag": ', "not valid JSON"),
        (b"{'tag': 1}", "not valid JSON"),
        (b'{"tag": NaN}', "not valid JSON"),
        (b'{"tag": ' + b"7" * 5_000 + b"}", "not valid JSON"),
        (b'{"tag":' * 200_000, "not valid JSON"),
        (b"[" * 500 + b"]" * 500, "JSON object"),
        (b"[]", "JSON object"),
        (b"null", "JSON object"),
        (b'"office"', "JSON object"),
        (b"7", "JSON object"),
        (b'{"tag": "\xff"}', "UTF-8"),
        ('{"tag": "office"}'.encode("utf-16"), "UTF-8"),
    ],
)
def test_what_is_no_json_object_cannot_be_read(api: Api, body: bytes, message: str) -> None:
    for method, path in paths_with_a_body(api):
        error = api.send(method, path, expect=400, data=body, content_type="application/json")["error"]
        assert error["code"] == "BAD_REQUEST"
        assert message in error["message"]


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"]
)
def test_another_type_of_content_is_not_read(api: Api, content_type: str | None) -> None:
    for method, path in paths_with_a_body(api):
        error = api.send(method, path, expect=415, data=b'{"tag": "office"}', content_type=content_type)["error"]
        assert error["code"] == "UNSUPPORTED_MEDIA_TYPE"
        assert "application/json" in error["message"]


def test_a_huge_body_is_not_read(api: Api) -> None:
    body = b'{"tag": "' + b"x" * (2 * 1024 * 1024) + b'"}'
    for method, path in paths_with_a_body(api):
        error = api.send(method, path, expect=413, data=body, content_type="application/json")["error"]
        assert error["code"] == "TOO_LARGE"


def test_a_charset_beside_the_type_does_no_harm(api: Api) -> None:
    body = '{"tag": "office", "name": "Büro", "monitor_type": "NONE"}'.encode()
    created = api.send("POST", "/monitors", expect=201, data=body, content_type="application/json; charset=utf-8")
    assert created["monitor"]["name"] == "Büro"


def test_text_with_nul_is_refused_by_the_name_of_its_place(api: Api) -> None:
    for method, path in paths_with_a_body(api):
        given = {"name": "a\0b", "list": [1, {"deep": "\0"}], "odd\0key": 1}
        assert api.refused(method, path, given).keys() == {"name", "list.1.deep", ""} - {""}
    deep = b'{"name": "\\u0000", "x": ' + b"[" * 700 + b"]" * 700 + b"}"
    assert api.request("POST", "/monitors", data=deep, content_type="application/json").status_code in (400, 422)


def test_an_unknown_field_is_named_and_nothing_is_half_saved(api: Api) -> None:
    given = {"tag": "office", "name": "Office", "monitor_type": "NONE", "colour": "green", "__proto__": {}, "id": 7}
    assert api.refused("POST", "/monitors", given).keys() == {"colour", "__proto__", "id"}
    assert api.get("/monitors")["monitors"] == []


def test_all_mistakes_are_named_at_once(api: Api) -> None:
    given = {"tag": "NO", "status": "PAUSED", "interval_seconds": 1}
    wrong = {"tag", "name", "status", "interval_seconds", "type_data.url"}
    assert api.refused("POST", "/monitors", given).keys() == wrong


NASTY: list[Any] = [
    None,
    True,
    10**30,
    1e308,
    " ",
    "x" * 30_000,
    "half \ud800",
    "\x7f\x1b[2J",
    [None],
    [{}],
    {"": {"": 1}},
]


def test_no_value_in_any_field_of_a_change_breaks_the_server(api: Api) -> None:
    api.post("/monitors", {"tag": "1", "name": "One", "monitor_type": "NONE"})
    made = {
        "trigger_id": api.post("/triggers", {"name": "T", "trigger_type": "webhook", "url": "https://example.com"}),
        "config_id": api.post("/alert-configurations", {"monitor_tags": ["1"]}),
        "incident_id": api.post("/incidents", {"title": "I", "start_date_time": 1_700_000_000}),
        "page_id": api.post("/pages", {"page_path": "shop", "page_title": "Shop"}),
        "secret_id": api.post("/secrets", {"name": "TOKEN", "value": "hidden"}),
        "maintenance_id": api.post("/maintenances", {"title": "M", "start_date_time": 1_900_000_000}),
    }
    numbers = {name: str(next(iter(answer.values()))["id"]) for name, answer in made.items()}
    comment = api.post(f"/incidents/{numbers['incident_id']}/comments", {"comment": "C", "state": "IDENTIFIED"})
    numbers["comment_id"] = str(comment["comment"]["id"])
    events = api.get(f"/maintenances/{numbers['maintenance_id']}/events")["events"]
    numbers["event_id"] = str(events[0]["id"])
    for method, path in api.operations:
        if method != "PATCH":
            continue
        body = api.document["paths"][path]["patch"]["requestBody"]["content"]["application/json"]["schema"]
        target = re.sub(r"\{(\w+)\}", lambda found: numbers.get(found[1], "1"), path)
        for field in fields(api, body):
            for value in NASTY:
                status = api.request(method, target, json={field: value}).status_code
                assert status in (200, 422), f"{target} {field} {value!r:.40}"


def fields(api: Api, schema: dict[str, Any]) -> set[str]:
    references = [part["$ref"] for part in schema.get("anyOf", [schema])]
    schemas = api.document["components"]["schemas"]
    return {name for reference in references for name in schemas[reference.rpartition("/")[2]]["properties"]}
