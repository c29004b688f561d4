"""Monitors by hand: add one of each type, correct what was refused, test, change."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from kener.domain.specs import MonitorType
from kener.models import Monitor, Sample
from tests import factories
from tests.doubles.http import HttpDouble, hang, reply
from tests.support.pages import Form, Page, visit

HTMX = {"HX-Request": "true"}


@pytest.fixture
def http() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        yield server


def new(client: FlaskClient, kind: str = "API") -> Form:
    """The empty form of a type, reached by its link."""
    page = visit(client, "/manage/monitors")
    page = page.click("Add a monitor").click(MonitorType(kind).label)
    assert page.one("[aria-label='Type of monitor'] [aria-current]").text == MonitorType(kind).label
    return page.form("Add monitor")


def by_htmx(page: Form, button: str | None, path: str) -> Page:
    """What htmx gets when it sends the form."""
    response = page.page.client.post(path, data=page.data(button), headers=HTMX)
    assert response.status_code == 200
    return Page(page.page.client, response, fragment=True)


def test_an_http_monitor_gets_its_tag_from_its_name(editor: FlaskClient) -> None:
    form = new(editor).fill(name=" Payment API (EU) ", url="https://pay.example.com/health", timeout="2000")
    form.fill(headers_name="Accept", headers_value="text/plain", degraded_latency_ms="800", category_name="Shop")
    page = form.submit()
    assert (page.url, page.heading) == ("/manage/monitors/payment-api-eu", "Payment API (EU)")
    assert "Payment API (EU) is added. Its first check runs now." in page.text
    monitor = factories.only(Monitor)
    assert (monitor.monitor_type, monitor.interval_seconds, monitor.is_active) == ("API", 60, True)
    data = monitor.type_data
    assert (data["url"], data["timeout"], data["degraded_latency_ms"]) == ("https://pay.example.com/health", 2000, 800)
    assert {(header["key"], header["value"]) for header in data["headers"]} == {("Accept", "text/plain")}
    assert monitor.state.due_at is not None


def test_no_check_is_promised_where_none_runs(editor: FlaskClient) -> None:
    shop = {"name": "Shop", "url": "https://a.example", "is_active": []}
    for kind, fields in (("NONE", {"name": "Office"}), ("API", shop)):
        page = new(editor, kind).fill(fields).submit()
        assert f"{fields['name']} is added." in page.text and "first check runs" not in page.text


def test_a_name_without_latin_letters_asks_for_a_tag(editor: FlaskClient) -> None:
    form = new(editor, "NONE").fill(name="支付接口")
    assert "No tag can be made from this name" in form.submit(status=422).one("#e-tag").text
    assert form.fill(tag="pay").submit().heading == "支付接口"


def test_a_heartbeat_shows_its_address_once_and_it_works(editor: FlaskClient, client: FlaskClient) -> None:
    page = new(editor, "HEARTBEAT").fill(name="Backup", downRemainingMinutes="90").submit()
    address = str(page.one("#address")["value"])
    assert address.startswith("http://localhost/ext/heartbeat/backup/")
    secret = address.rpartition("/")[2]
    assert client.get(address).status_code == 200
    for path in ("/manage/monitors/backup", "/manage/monitors/backup/edit", "/manage/monitors"):
        assert secret not in visit(editor, path).html
    renewed = visit(editor, "/manage/monitors/backup").form("Make a new one").submit()
    assert client.get(address).status_code == 404
    assert client.get(str(renewed.one("#address")["value"])).status_code == 200


def test_a_monitor_set_by_hand_starts_as_it_was_told(editor: FlaskClient) -> None:
    page = new(editor, "NONE").fill(name="Office", default_status="DEGRADED", cron="*/5 * * * *", is_hidden=["true"])
    shown = page.submit()
    assert shown.heading == "Office Hidden"
    assert shown.texts(".live dd")[0] == "DEGRADED"
    monitor = factories.only(Monitor)
    assert (monitor.cron, monitor.interval_seconds, monitor.is_hidden) == ("*/5 * * * *", None, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("name", "x" * 256), ("url", "ftp://example.com"), ("url", ""), ("timeout", "soon"),
     ("interval_seconds", "5"), ("cron", "* * *"), ("accepted_status_codes", "2xx"), ("max_redirects", "-1"),
     ("tag", "Not a tag"), ("tag", "taken"), ("external_url", "javascript:alert(1)"), ("down_latency_ms", "100"),
     ("category_name", "x" * 256), ("body", "x" * 65_537)],
)  # fmt: skip
def test_a_refused_field_says_why_and_nothing_typed_is_lost(editor: FlaskClient, field: str, value: str) -> None:
    factories.make_monitor("taken")
    typed = {
        "name": "A <b>name</b>",
        "url": "https://example.com/?a=1&b=2",
        "description": "Some\nwords <i>",
        "body": "{}",
    }
    typed |= {"degraded_latency_ms": "200", "category_name": "Shop", "timeout": "3000", field: value}
    form = new(editor).fill(typed).fill(method="POST", headers_name=["X-One", "X-Two"], headers_value=["1", "2"])
    form.values.pop("headers_name"), form.values.pop("headers_value")
    page = form.fill(is_hidden=["true"], follow_redirects=False).submit(status=422)
    assert len(page.texts(".error")) == 1
    assert page.texts(f"#e-{field}")
    assert page.one(f"#f-{field}")["aria-invalid"] == "true"
    again = page.form("Add monitor")
    for name, text in typed.items():
        assert again[name] == [text]
    assert (again["method"], again["is_hidden"], again["follow_redirects"]) == (["POST"], ["true"], [])
    assert factories.count(Monitor) == 1


def test_headers_that_were_typed_survive_a_refusal(editor: FlaskClient) -> None:
    form = new(editor).fill(name="Shop", url="https://example.com")
    sent = form.data()
    sent.setlist("headers_name", ["X-One", "bad name", ""])
    sent.setlist("headers_value", ["1", "2", ""])
    page = Page(editor, editor.post("/manage/monitors", data=sent))
    assert page.status == 422
    assert page.texts("#e-headers") == ["Row 2: A header name has letters, digits and hyphens only."]
    again = page.form("Add monitor")
    assert (again["headers_name"][:2], again["headers_value"][:2]) == (["X-One", "bad name"], ["1", "2"])


def test_an_edit_keeps_what_it_does_not_name_and_says_when_somebody_was_faster(editor: FlaskClient) -> None:
    factories.make_monitor("shop", monitor_type="API", type_data={"url": "https://one.example", "timeout": 1234})
    mine = visit(editor, "/manage/monitors/shop").click("Edit").form("Save")
    theirs = (
        visit(editor, "/manage/monitors/shop/edit")
        .form("Save")
        .fill(name="Theirs", url="https://two.example", is_active=False)
    )
    assert theirs.submit().heading == "Theirs Paused"
    page = mine.fill(name="Mine").submit(status=409)
    rows = [row.split() for row in page.texts("section[aria-labelledby=h-newer] tbody tr")]
    assert rows == [
        ["name", "Theirs", "Mine"],
        ["is_active", "NO", "YES"],
        ["url", "https://two.example", "https://one.example"],
    ]
    assert factories.only(Monitor).name == "Theirs"
    assert page.form("Save")["name"] == ["Mine"]
    assert page.form("Save").submit().heading == "Mine"
    monitor = factories.only(Monitor)
    assert (monitor.name, monitor.type_data["url"], monitor.type_data["timeout"]) == (
        "Mine",
        "https://one.example",
        1234,
    )


def test_an_edit_keeps_what_the_form_does_not_have(editor: FlaskClient) -> None:
    address = {"url": "https://one.example"}
    factories.make_monitor("shop", monitor_type="API", type_data=address, default_status="DOWN", image="/logo.svg")
    visit(editor, "/manage/monitors/shop/edit").form("Save").fill(name="Shop 2").submit()
    monitor = factories.only(Monitor)
    assert (monitor.name, monitor.default_status, monitor.image) == ("Shop 2", "DOWN", "/logo.svg")


def test_the_type_of_a_monitor_can_be_changed(editor: FlaskClient) -> None:
    factories.make_monitor("shop", name="The shop", description="Sells", category_name="Sales")
    form = visit(editor, "/manage/monitors/shop/edit").click("HTTP").form("Save")
    assert (form["name"], form["description"], form["category_name"]) == (["The shop"], ["Sells"], ["Sales"])
    form.fill(url="https://shop.example.com").submit()
    assert factories.only(Monitor).monitor_type == "API"


def test_a_test_shows_the_answer_and_saves_nothing(editor: FlaskClient, http: HttpDouble) -> None:
    http.on("/health", reply(503, b"busy"))
    form = new(editor).fill(url=http.url("/health"), description="Typed", headers_name="X-Probe", headers_value="yes")
    page = form.submit("Test now")
    tested = page.texts("[aria-label=Test]")[0]
    assert "DOWN" in tested
    assert "HTTP 503" in tested
    assert page.form("Add monitor")["description"] == ["Typed"]
    assert http.seen[0].headers["x-probe"].startswith("yes")
    fragment = by_htmx(form, "Test now", "/manage/monitors/-/test")
    assert "HTTP 503" in fragment.one("#tested").text
    assert not fragment.all("form")
    assert (factories.count(Monitor), factories.count(Sample)) == (0, 0)


def test_a_stored_monitor_is_tested_with_what_stands_in_the_form(editor: FlaskClient, http: HttpDouble) -> None:
    http.on("/new", reply(200))
    http.on("/slow", hang)
    factories.make_monitor("shop", monitor_type="API", type_data={"url": http.url("/old")})
    form = visit(editor, "/manage/monitors/shop/edit").form("Save").fill(url=http.url("/new"))
    page = form.submit("Test now")
    assert "UP" in page.one("[aria-label=Test]").text
    assert (page.heading, page.form("Save")["url"]) == ("Edit Shop", [http.url("/new")])
    assert [asked.path for asked in http.seen] == ["/new"]
    slow = by_htmx(form.fill(url=http.url("/slow"), timeout="200"), "Test now", "/manage/monitors/-/test")
    assert "DOWN" in slow.one("#tested").text
    refused = by_htmx(form.fill(timeout="soon"), "Test now", "/manage/monitors/-/test")
    assert "Enter a whole number." in refused.one("[role=alert]").text
    assert form.submit("Test now", status=422).texts("#e-timeout") == ["Enter a whole number."]
