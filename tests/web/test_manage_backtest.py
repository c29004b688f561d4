"""The back-test by hand: on the form, on a configuration's page, with and without script, for many monitors."""

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from rq import Queue

from kener import clock, jobs
from kener.models import AlertConfiguration
from kener.services import backtest
from tests import factories
from tests.support.pages import Form, Page, visit, words
from workers.pool import ThreadWorker

HTMX = {"HX-Request": "true"}
FLAPPING = ["DOWN", "DOWN", "DOWN", "UP"] * 3 + ["UP"] * 8


def story(*tags: str) -> None:
    """Three outages of three minutes each within a quarter of an hour, a while ago."""
    start = clock.epoch() // 86_400 * 86_400 - 3 * 86_400
    for tag in tags:
        factories.make_monitor(tag)
        factories.observe(tag, *FLAPPING, start=start)


def figures(page: Page) -> list[list[str]]:
    """The table of measures."""
    return [[words(cell) for cell in line.select("th, td")] for line in page.all(".versus tbody tr")]


def draft(client: FlaskClient, path: str = "/manage/alerts/new", **fields: str) -> Form:
    return visit(client, path).form("Save").fill(monitor_tags=["api"], **fields)


def test_x1_a_draft_is_tested_before_it_is_saved(editor: FlaskClient) -> None:
    story("api")
    page = draft(editor, success_threshold="1", create_incident=True).submit("Test this draft")  # type: ignore[arg-type]
    assert figures(page) == [
        ["Incidents", "3"],
        ["Time in alert", "3 min"],
        ["Longest alert", "1 min"],
        ["Notices to triggers", "0"],
        ["First failure to alert", "2 min"],
    ]
    assert (
        page.texts(".advice li")[0] == "Success 5 would have merged 3 incidents into 1, with 10 minutes more in alert."
    )
    assert page.form("Save")["success_threshold"] == ["1"]
    assert factories.count(AlertConfiguration) == 0
    [drawing] = page.all(".daycount svg")
    assert str(drawing["aria-label"]).startswith("Draft: 3 incidents on ")


def test_x1_an_edited_draft_stands_beside_the_saved_rule(editor: FlaskClient) -> None:
    story("api")
    hook = factories.make_trigger()
    config_id = factories.make_configuration("api", create_incident=True, success_threshold=1, trigger_ids=[hook])
    page = draft(editor, f"/manage/alerts/{config_id}/edit", success_threshold="5").submit("Test this draft")
    assert figures(page) == [
        ["Incidents", "3", "1", "−2"],
        ["Time in alert", "3 min", "13 min", "+10 min"],
        ["Longest alert", "1 min", "13 min", "+12 min"],
        ["Notices to triggers", "6", "2", "−4"],
        ["First failure to alert", "2 min", "2 min", "0"],
    ]
    assert page.texts(".advice li")[0] == "Success 5 would have merged 3 incidents into 1."
    assert page.texts(".versus thead th")[1:] == ["Current 3 and 1", "Draft 3 and 5", "Change"]
    assert factories.only(AlertConfiguration).success_threshold == 1
    assert not page.all("form form")


def test_with_script_only_the_result_is_sent(editor: FlaskClient) -> None:
    story("api")
    form = draft(editor)
    response = editor.post("/manage/alerts/backtest", data=form.data(), headers=HTMX)
    part = Page(editor, response, fragment=True)
    assert not part.all("h1") and len(part.all("#tested")) == 1
    assert figures(part)[0] == ["Alerts", "1"]


def test_a_refused_draft_says_why_and_keeps_what_was_typed(editor: FlaskClient) -> None:
    story("api")
    form = draft(editor, failure_threshold="0")
    page = form.submit("Test this draft", status=422)
    assert page.texts("#e-failure_threshold") == ["Enter a number from 1 up."]
    assert page.form("Save")["failure_threshold"] == ["0"]
    part = Page(editor, editor.post("/manage/alerts/backtest", data=form.data(), headers=HTMX), fragment=True)
    assert part.status == 422
    assert part.texts("#tested li") == ["Failure threshold : Enter a number from 1 up."]


def test_the_page_of_a_rule_tests_thresholds_and_uses_them(editor: FlaskClient) -> None:
    story("api")
    config_id = factories.make_configuration("api", success_threshold=1, alert_description="Keep me")
    page = visit(editor, f"/manage/alerts/{config_id}")
    page = page.form("Test this draft").fill(success_threshold="5").submit()
    assert page.heading == "Back-test"
    assert figures(page)[0] == ["Alerts", "3", "1", "−2"]
    assert page.form("Test this draft")["success_threshold"] == ["5"]
    page = page.form("Use it").submit()
    assert page.url == f"/manage/alerts/{config_id}"
    assert page.texts(".flash")[0].startswith("The draft is in use.")
    made = factories.only(AlertConfiguration)
    assert (made.success_threshold, made.alert_description) == (5, "Keep me")


def test_what_equals_the_saved_rule_or_cannot_be_used_offers_no_use(editor: FlaskClient) -> None:
    story("api")
    config_id = factories.make_configuration("api")
    page = visit(editor, f"/manage/alerts/{config_id}/backtest")
    assert page.texts(".advice li")[0] == "The draft is the current rule: nothing changes."
    assert {line[-1] for line in figures(page)} == {"0"}
    assert "Use it" not in page.text
    page = visit(editor, f"/manage/alerts/{config_id}/backtest?alert_value=SIDEWAYS", status=422)
    assert page.texts("#e-alert_value") == ["Choose DOWN or DEGRADED."]


def test_a_draft_tested_on_an_older_version_is_not_used(editor: FlaskClient) -> None:
    story("api")
    config_id = factories.make_configuration("api")
    tested = visit(editor, f"/manage/alerts/{config_id}/backtest?failure_threshold=4")
    visit(editor, f"/manage/alerts/{config_id}/edit").form("Save").fill(severity="CRITICAL").submit()
    page = tested.form("Use it").submit()
    assert "nothing was saved" in page.texts(".flash")[0]
    assert factories.only(AlertConfiguration).failure_threshold == 3


def test_many_monitors_are_tested_by_a_worker_and_the_page_tells_how_far_it_is(
    app: Flask, editor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest, "AT_ONCE", 30)
    story("api", "web")
    config_id = factories.make_configuration(["api", "web"])
    page = visit(editor, f"/manage/alerts/{config_id}").form("Test this draft").fill(success_threshold="6").submit()
    assert "0 of 2 monitors" in page.text
    again = page.one("#tested")["hx-get"]
    part = Page(editor, editor.get(str(again), headers=HTMX), fragment=True)
    assert part.texts("#tested > p")[0] == "0 of 2 monitors"
    assert part.one("progress")["max"] == "2"
    work(app)
    page = page.click("Look again")
    assert figures(page)[0] == ["Alerts", "2", "2", "0"]
    assert not page.one("#tested").has_attr("hx-get")
    assert page.form("Use it").submit().texts(".flash")[0].startswith("The draft is in use.")
    form = draft(editor, f"/manage/alerts/{config_id}/edit").fill(monitor_tags=["api", "web"], success_threshold="7")
    response = editor.post("/manage/alerts/backtest", data=form.data(), headers=HTMX)
    again = BeautifulSoup(response.text, "html5lib").select("#tested")[0]["hx-get"]
    work(app)
    done = Page(editor, editor.get(str(again), headers=HTMX), fragment=True)
    assert figures(done)[0] == ["Alerts", "2", "2", "0"]
    assert not done.all("form")


def work(app: Flask) -> None:
    """Let a worker empty the queue."""
    connection = jobs.connect_worker(app.config["REDIS"])
    worker = ThreadWorker([Queue(jobs.HOUSEKEEPING, connection=connection)], connection=connection)
    worker.app = app
    worker.work(burst=True, logging_level="WARNING")


def test_a_test_that_is_not_kept_any_more_says_so(editor: FlaskClient) -> None:
    assert "not kept any more" in visit(editor, "/manage/alerts/backtest?run=" + "0" * 32).text


def test_viewers_are_offered_no_test(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api")
    assert "Back-test" not in visit(viewer, f"/manage/alerts/{config_id}").text
