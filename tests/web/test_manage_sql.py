"""Database monitors by hand and by program: the connection string goes in and never comes out."""

import json
import sqlite3
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from kener.domain.specs.base import KEPT
from kener.models import Monitor
from tests import factories
from tests.support.api import Api
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "hunter-2.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE item (name TEXT)")
        connection.executemany("INSERT INTO item VALUES (?)", [("apple",), ("pear",)])
    connection.close()
    return f"sqlite://{path}"


def add(client: FlaskClient, url: str, **fields: str) -> Page:
    form = visit(client, "/manage/monitors/-/new?type=SQL").form("Add monitor")
    form.fill(name="Shop", dbType="better-sqlite3", connectionString=url, query="SELECT name FROM item", **fields)
    return form.submit()


def test_a_connection_string_is_shown_as_set_and_kept_when_left_empty(editor: FlaskClient, url: str) -> None:
    page = add(editor, url)
    assert (page.url, "hunter" in page.text) == ("/manage/monitors/shop", False)
    before = factories.only(Monitor).type_data["connectionString"]
    page = visit(editor, "/manage/monitors/shop/edit")
    field = page.one("#f-connectionString")
    assert (field["type"], field["value"], field["placeholder"]) == ("password", "", "Set. Leave empty to keep it.")
    assert "hunter" not in str(page.soup) and "sealed" not in str(page.soup)
    page.form("Save").fill(query="SELECT 2").submit()
    stored = factories.only(Monitor).type_data
    assert (stored["connectionString"], stored["query"]) == (before, "SELECT 2")
    visit(editor, "/manage/monitors/shop/edit").form("Save").fill(connectionString="sqlite:////other.db").submit()
    assert factories.only(Monitor).type_data["connectionString"] != before


def test_a_refused_form_does_not_repeat_the_connection_string(editor: FlaskClient, url: str) -> None:
    form = visit(editor, "/manage/monitors/-/new?type=SQL").form("Add monitor")
    page = form.fill(name="Shop", connectionString=f"{url}?no=such").submit(status=422)
    assert page.texts("#e-connectionString") == ["The parameter no is not known here; leave it out."]
    assert "hunter" not in str(page.soup)
    page = form.fill(connectionString=url, dbType="pg").submit(status=422)
    assert page.texts("#e-dbType") == ["The connection string leads to SQLite. Choose that."]


def test_a_test_uses_what_is_kept_and_shows_each_line(editor: FlaskClient, url: str) -> None:
    add(editor, url)
    form = visit(editor, "/manage/monitors/shop/edit").form("Save")
    data = form.data("Test now")
    lines = [("rows", "equals", "3", "DOWN"), ("value", "equals", "apple", "DEGRADED"), ("latency", "less", "0", "UP")]
    for place, column in enumerate(("source", "operator", "value", "then")):
        data.setlist(f"assertions_{column}", [line[place] for line in lines])
    response = editor.post("/manage/monitors/-/test", data=data, headers=HTMX)
    page = Page(editor, response, fragment=True)
    assert 'First value is "apple"' in page.text
    assert [" ".join(one.split()).replace(" ,", ",") for one in page.texts(".verdicts li")] == [
        "Number of rows is 3, then DOWN Does not match. Seen: 2",
        'First value is apple, then DEGRADED Matches and decides. Seen: "apple"',
        "Latency is less than 0, then UP Not judged: an earlier line has decided.",
    ]
    assert page.texts(".phases tbody th") == ["Connection", "The rest", "Together"]
    assert [line["then"] for line in factories.only(Monitor).type_data["assertions"]] == []


def test_a_program_reads_only_that_it_is_set_and_may_send_it_back(api: Api, url: str) -> None:
    made = api.post(
        "/monitors", {"tag": "shop", "name": "Shop", "monitor_type": "SQL", "type_data": {"connectionString": url}}
    )["monitor"]
    assert (made["type_data"]["connectionString"], made["type_data"]["dbType"]) == (KEPT, "better-sqlite3")
    before = factories.only(Monitor).type_data["connectionString"]
    changed = api.patch("/monitors/shop", {"type_data": {"query": "SELECT 2"}})["monitor"]
    again = api.patch("/monitors/shop", {"type_data": changed["type_data"]})["monitor"]
    assert (again["type_data"]["query"], factories.only(Monitor).type_data["connectionString"]) == ("SELECT 2", before)
    other = {"tag": "new", "name": "New", "monitor_type": "SQL", "type_data": made["type_data"]}
    refused = api.post("/monitors", other, expect=422)
    assert refused["error"]["fields"] == {"type_data.connectionString": "Enter it: nothing is kept from before."}
    assert "hunter" not in json.dumps([made, changed, again])


def test_a_program_tests_settings_without_saving_them(api: Api, url: str) -> None:
    lines = [{"source": "rows", "operator": "at_least", "value": "2", "then": "DEGRADED"}]
    settings = {"connectionString": url, "query": "SELECT name FROM item", "assertions": lines}
    seen = api.post(
        "/monitors/test", {"tag": "x", "name": "X", "monitor_type": "SQL", "type_data": settings}, expect=200
    )
    assert (seen["status"], seen["error"], seen["answer"]) == ("DEGRADED", "Number of rows is 2, at least 2", "2 rows")
    assert seen["assertions"][0]["matched"] is True
    assert factories.every(Monitor) == []
    manual = {"tag": "x", "name": "X", "monitor_type": "NONE"}
    assert "nothing to test" in json.dumps(api.post("/monitors/test", manual, expect=422))
    wrong = {"tag": "x", "name": "X", "monitor_type": "SQL", "type_data": {"connectionString": "oracle://x"}}
    assert "postgresql://" in json.dumps(api.post("/monitors/test", wrong, expect=422))
