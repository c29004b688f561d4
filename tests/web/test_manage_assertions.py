"""Assertions in the form of a monitor: lines of choices, in an order, without code."""

from flask.testing import FlaskClient

from kener.models import Monitor
from tests import factories
from tests.support.pages import Form, Page, visit

Line = tuple[str, str, str, str, str]
COLUMNS = ("source", "path", "operator", "value", "then")
NONE: Line = ("", "", "equals", "", "DOWN")
STATUS: Line = ("json", "$.status", "equals", "degraded", "DEGRADED")
LACKING: Line = ("body", "", "not_contains", "ok", "DOWN")


def send(form: Form, *lines: Line, to: str, status: int = 200) -> Page:
    data = form.data()
    for place, column in enumerate(COLUMNS):
        data.setlist(f"assertions_{column}", [line[place] for line in lines])
    response = form.page.client.post(to, data=data, follow_redirects=True)
    assert response.status_code == status
    return Page(form.page.client, response)


def add(client: FlaskClient, *lines: Line, status: int = 200) -> Page:
    form = (
        visit(client, "/manage/monitors/-/new?type=API").form("Add monitor").fill(name="Shop", url="http://x.example")
    )
    return send(form, *lines, to="/manage/monitors", status=status)


def stored() -> list[Line]:
    lines = factories.only(Monitor).type_data["assertions"]
    return [(line["source"], line["path"], line["operator"], line["value"], line["then"]) for line in lines]


def test_lines_are_kept_in_their_order_and_empty_ones_are_not(editor: FlaskClient) -> None:
    add(editor, STATUS, NONE, LACKING, NONE)
    assert stored() == [STATUS, LACKING]
    form = visit(editor, "/manage/monitors/shop/edit").form("Save")
    chosen = [one["value"] for one in form.tag.select("[name=assertions_source] [selected]")]
    assert chosen == ["json", "body"]
    send(form, LACKING, STATUS, NONE, to="/manage/monitors/shop/edit")
    assert stored() == [LACKING, STATUS]


def test_a_line_goes_when_its_first_choice_says_so(editor: FlaskClient) -> None:
    add(editor, STATUS, LACKING)
    form = visit(editor, "/manage/monitors/shop/edit").form("Save")
    assert [one.text for one in form.tag.select("[name=assertions_source] [value='-']")] == ["Remove this line"] * 2
    send(form, ("-", *STATUS[1:]), LACKING, NONE, to="/manage/monitors/shop/edit")
    assert stored() == [LACKING]


def test_a_type_offers_the_sources_that_it_has(editor: FlaskClient) -> None:
    form = visit(editor, "/manage/monitors/-/new?type=API").form("Add monitor")
    select = form.tag.select("[name=assertions_source]")[0]
    offered = [str(one["value"]) for one in select.select("option")]
    assert offered == ["", "body", "json", "html", "header", "status_code", "latency", "certificate_days"]


def test_a_line_that_cannot_be_judged_is_refused_with_its_row_and_stays_as_typed(editor: FlaskClient) -> None:
    page = add(editor, LACKING, ("json", "$.items[", "equals", "1", "DOWN"), NONE, status=422)
    assert page.texts("#e-assertions") == ["Row 2: This is no JSON path: unexpected end of query at its end."]
    assert [one["value"] for one in page.form("Add monitor").tag.select("[name=assertions_path]")][:2] == [
        "",
        "$.items[",
    ]
    other = add(editor, ("records", "", "equals", "1", "DOWN"), status=422)
    assert other.texts("#e-assertions")[0].startswith("Row 1: this type has no records; it offers body, json")
    nameless = add(editor, ("", "$.status", "equals", "ok", "DOWN"), status=422)
    assert nameless.texts("#e-assertions")[0].startswith("Row 1: ")
