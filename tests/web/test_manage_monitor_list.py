"""The list of monitors: found, sorted, paged, paused in place; and how one is deleted."""

from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from kener import clock
from kener.models import Alert, AlertConfiguration, Monitor, Sample
from kener.services import monitors
from tests import factories
from tests.support.pages import Page, visit
from tests.support.statements import counted

HTMX = {"HX-Request": "true"}
LONG = ('<script>alert("x")</script>&amp;{{7*7}}' * 10)[:255]


def names(page: Page) -> list[str]:
    """The monitors of a list, top to bottom."""
    return page.texts("tbody .head a")


def in_place(page: Page, form: str, path: str) -> Page:
    """What htmx gets for a button."""
    response = page.client.post(path, data=page.form(form).data(), headers=HTMX)
    assert response.status_code == 200
    return Page(page.client, response, fragment=True)


def make_many(number: int) -> None:
    """Monitors `m-001` and so on, made without their first check."""
    for n in range(1, number + 1):
        factories.make_monitor(f"m-{n:03}", default_status="NO_DATA")


def test_a_long_list_comes_in_pages_and_asks_as_often_as_a_short_one(viewer: FlaskClient) -> None:
    make_many(10)
    visit(viewer, "/manage/monitors")
    with counted() as short:
        page = visit(viewer, "/manage/monitors")
    assert page.texts(".paging span") == ["1 to 10 of 10"]
    for n in range(11, 121):
        factories.make_monitor(f"m-{n:03}", default_status="NO_DATA")
    with counted() as long:
        page = visit(viewer, "/manage/monitors")
    assert len(long) == len(short) < 12
    assert (names(page)[0], names(page)[-1], page.texts(".paging span")[0]) == ("M-001", "M-050", "1 to 50 of 120")
    page = page.click("Older").click("Older")
    assert (names(page)[0], len(names(page)), page.texts(".paging span")[0]) == ("M-101", 20, "101 to 120 of 120")
    assert names(page.click("Newer"))[0] == "M-051"
    for number in ("0", "-1", "x", "2²", "99999999"):
        assert names(visit(viewer, f"/manage/monitors?page={number}"))[0] == "M-001"
    assert names(visit(viewer, "/manage/monitors?page=9999"))[0] == "M-101"


def test_search_takes_every_character_as_it_is(viewer: FlaskClient) -> None:
    for tag, name in (("a", "100% Shop"), ("b_c", "Under_score"), ("d", "Back\\slash"), ("e", "Plain"), ("f", "It's")):
        factories.make_monitor(tag, name=name, category_name="Rooms" if tag == "e" else "Home")
    page = visit(viewer, "/manage/monitors")

    def found(q: str) -> list[str]:
        return names(page.form("Filter").fill(q=q).submit())

    assert found("%") == ["100% Shop"]
    assert found("_") == ["Under_score"]
    assert found("\\") == ["Back\\slash"]
    assert found("' OR 1=1 --") == []
    assert found("it's") == ["It's"]
    assert found(" SHOP ") == ["100% Shop"]
    assert found("rooms") == ["Plain"]
    none = page.form("Filter").fill(q="<b>nothing</b>").submit()
    assert "No monitor matches." in none.text
    assert none.texts(".filter-tags a") == ["Search: <b>nothing</b> , remove"]
    assert len(names(none.click("Clear filters"))) == 5


def observed_now(tag: str, status: str, *, latency_ms: int | None = None, ago_s: int = 10) -> None:
    factories.observe(tag, status, start=clock.epoch() - ago_s, latency_ms=latency_ms)


@pytest.fixture
def mixed(app: Flask) -> None:
    """One monitor of every kind of state."""
    for tag in ("down", "slow", "up", "stale", "paused"):
        factories.make_monitor(tag, default_status="NO_DATA")
    factories.make_monitor("told", default_status="DEGRADED")
    factories.make_monitor("probed", monitor_type="API", type_data={"url": "https://example.com"})
    observed_now("down", "DOWN")
    observed_now("slow", "DEGRADED", latency_ms=900)
    observed_now("up", "UP", latency_ms=20, ago_s=60)
    observed_now("stale", "DOWN", ago_s=3600)
    monitors.pause("paused", actor=factories.SAM)


@pytest.mark.usefixtures("mixed")
def test_filters_find_what_the_list_shows(viewer: FlaskClient) -> None:
    page = visit(viewer, "/manage/monitors")
    shown = dict(zip(names(page), page.texts("tbody .tail"), strict=True))
    assert shown == {
        "Down": "DOWN", "Slow": "DEGRADED", "Up": "UP", "Stale": "NO DATA", "Paused": "Paused", "Told": "DEGRADED",
        "Probed": "NO DATA",
    }  # fmt: skip
    for text in set(shown.values()):
        found = page.form("Filter").fill(status=text).submit()
        assert names(found) == sorted(name for name, status in shown.items() if status == text), text
    api = page.form("Filter").fill(type="API").submit()
    assert names(api) == ["Probed"]
    both = api.form("Filter").fill(status="UP").submit()
    assert names(both) == []
    assert names(both.click("Status: UP , remove")) == ["Probed"]
    for wrong in ("status=MAINTENANCE", "type=SSH", "sort=password", "status=UP&status=DOWN'"):
        assert names(visit(viewer, f"/manage/monitors?{wrong}"))


@pytest.mark.usefixtures("mixed")
def test_columns_sort_both_ways(viewer: FlaskClient) -> None:
    page = visit(viewer, "/manage/monitors")
    assert names(page) == sorted(names(page))
    page = page.click("Status").click("Status")
    assert names(page) == ["Down", "Slow", "Told", "Probed", "Stale", "Up", "Paused"]
    assert page.one("[aria-sort]")["aria-sort"] == "descending"
    page = page.click("Latency").click("Latency")
    assert names(page)[:2] == ["Slow", "Up"]
    page = page.click("Last check").click("Last check")
    assert names(page)[-1] == "Told"
    assert names(page).index("Up") < names(page).index("Stale")
    assert names(page.click("Monitor").click("Monitor"))[0] == "Up"


def test_a_line_is_paused_and_resumed_in_its_place(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.make_monitor("web")
    page = visit(editor, "/manage/monitors")
    row = in_place(page, "/manage/monitors/api/pause", "/manage/monitors/api/pause")
    assert row.html.strip().startswith("<tr")
    assert 'id="monitor-api"' in row.html
    assert "Web" not in row.text
    assert "Resume" in row.text
    page = visit(editor, "/manage/monitors").form("/manage/monitors/api/resume").submit()
    assert page.url == "/manage/monitors"
    assert [one.is_active for one in factories.every(Monitor)] == [True, True]


def test_pausing_ends_alerts_and_redraws_the_page_in_place(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.make_configuration("api", failure_threshold=1)
    factories.observe("api", "DOWN")
    page = visit(editor, "/manage/monitors/api").form("Pause").submit()
    assert (page.url, page.heading) == ("/manage/monitors/api", "Api Paused")
    assert factories.only(Alert).closing_reason == "The monitor was paused."
    live = in_place(page, "Resume", "/manage/monitors/api/resume")
    assert live.heading == "Api"
    assert "Resumed: it is checked at once." in live.text
    assert live.one("#live")["hx-get"] == "/manage/monitors/api"
    assert factories.only(Monitor).is_active


def test_a_deleted_monitor_is_gone_can_be_had_back_and_goes_for_good_once_its_name_was_typed(
    editor: FlaskClient,
) -> None:
    factories.make_monitor("api", name=LONG)
    factories.make_configuration("api", failure_threshold=1)
    factories.observe("api", "DOWN", "DOWN")
    page = visit(editor, "/manage/monitors/api").click("Delete…")
    assert "2 samples" in page.text
    assert "1 alert configuration that watches nothing else" in page.text
    assert "1 active alert will end" in page.text
    page = page.form("Delete monitor").submit()
    assert "It can be had back for seven days." in page.text
    assert editor.get("/manage/monitors/api").status_code == 404
    assert LONG[:60] in page.form("Undo").submit().heading
    assert (factories.count(Monitor), factories.count(Sample), factories.count(AlertConfiguration)) == (1, 2, 1)
    visit(editor, "/manage/monitors/api").click("Delete…").form("Delete monitor").submit()
    page = visit(editor, "/manage/monitors").click("Deleted monitors").click("Delete for good…")
    page = page.form("Delete for good").fill(confirm="api").submit(status=422)
    assert "This is not the name." in page.texts("#e-confirm")[0]
    assert factories.count(Sample) == 2
    page = page.form("Delete for good").fill(confirm=f" {LONG} ").submit()
    assert "Nothing was deleted within the last seven days." in page.text
    assert (factories.count(Sample), factories.count(AlertConfiguration)) == (0, 0)
    assert factories.only(Alert).monitor_name == LONG


def test_labels_are_entered_shown_and_found(editor: FlaskClient) -> None:
    for tag, labels in (("api", ["eu", "shop"]), ("web", ["shop"]), ("db", [])):
        factories.make_monitor(tag, labels=labels)
    page = visit(editor, "/manage/monitors")
    assert names(page.form("Filter").fill(label="shop").submit()) == ["Api", "Web"]
    assert names(page.form("Filter").fill(q="eu").submit()) == ["Api"]
    edit = visit(editor, "/manage/monitors/web/edit")
    assert edit.form("Save")["labels"] == ["shop"]
    page = edit.form("Save").fill(labels=" us ,shop, us").submit()
    assert names(page.click("us")) == ["Web"]
    page = visit(editor, "/manage/monitors/web/edit").form("Save").fill(labels="x" * 65).submit(status=422)
    assert "Row 1: Use at most 64 characters." in page.text
    visit(editor, "/manage/monitors/web/edit").form("Save").fill(labels="").submit()
    assert names(visit(editor, "/manage/monitors?label=shop")) == ["Api"]


def test_many_monitors_are_chosen_looked_at_once_more_and_changed(editor: FlaskClient) -> None:
    for tag in ("api", "web", "db"):
        factories.make_monitor(tag)
    page = visit(editor, "/manage/monitors")
    form = page.form("Go on")
    data = MultiDict([("act", "label"), ("tags", "api"), ("tags", "web"), ("tags", "nobody"), ("tags", "../x")])
    page = visit(editor, f"{form.tag['action']}?{urlencode(list(data.items(multi=True)))}")
    assert page.heading == "Add labels: 2 monitors"
    page = page.form("Add labels (2)").submit(status=422)
    assert "This field is needed." in page.text
    page = page.form("Add labels (2)").fill(labels="shop").submit()
    assert "2 monitors labelled." in page.text
    assert names(visit(editor, "/manage/monitors?label=shop")) == ["Api", "Web"]
    page = visit(editor, "/manage/monitors/-/many?act=pause&all=true&label=shop").form("Pause (2)").submit()
    assert "2 monitors paused." in page.text
    assert names(visit(editor, "/manage/monitors?status=PAUSED")) == ["Api", "Web"]
    page = visit(editor, "/manage/monitors/-/many?act=delete&all=true").form("Delete (3)").submit()
    assert page.heading == "Deleted monitors"
    assert factories.count(Monitor) == 0
    assert "No monitor was chosen." in visit(editor, "/manage/monitors/-/many?act=nonsense&tags=api").text


def test_a_monitor_is_cloned(editor: FlaskClient) -> None:
    factories.make_monitor("api", name="Payment API", labels=["shop"])
    page = visit(editor, "/manage/monitors/api").click("Clone")
    assert page.form("Clone monitor")["name"] == ["Payment API (copy)"]
    page = page.form("Clone monitor").fill(name="Payment API", tag="api").submit(status=422)
    assert "The tag api is taken." in page.text
    page = page.form("Clone monitor").fill(name="Refunds", tag="").submit()
    assert page.heading == "Refunds Paused"
    assert page.url == "/manage/monitors/refunds"
    factories.make_monitor("job", monitor_type="HEARTBEAT")
    page = visit(editor, "/manage/monitors/job/clone").form("Clone monitor").submit()
    assert "/ext/heartbeat/job-copy/" in page.html


def test_a_long_name_full_of_markup_stays_a_name_everywhere(editor: FlaskClient) -> None:
    assert len(LONG) == 255
    page = visit(editor, "/manage/monitors/-/new?type=NONE").form("Add monitor").fill(name=LONG, tag="long").submit()
    assert page.heading == LONG
    config_id = factories.make_configuration("long", failure_threshold=1, create_incident=True)
    monitors.resume("long", actor=factories.SAM)
    factories.observe("long", "DOWN")
    for path in ("/manage", "/manage/monitors", "/manage/monitors/long/edit", "/manage/alerts", f"/manage/alerts/{config_id}",
                 f"/manage/alerts/{config_id}/edit", "/manage/incidents", "/manage/incidents/new", "/"):  # fmt: skip
        page = visit(editor, path)
        assert LONG[:60] in page.text, path
        assert not page.all("script:not([src])")
