"""Alert configurations by hand: the form with its defaults and warnings, the page of a rule, its log, in-place actions."""

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.models import Alert, AlertConfiguration, Incident
from tests import factories
from tests.support.pages import Form, Page, visit

HTMX = {"HX-Request": "true"}


def rows(page: Page, heading: str) -> list[list[str]]:
    """The cells of the table in the section with this heading."""
    section = next(tag for tag in page.all("section") if tag.h2 and tag.h2.get_text() == heading)
    return [[" ".join(cell.get_text(" ").split()) for cell in line.select("td")] for line in section.select("tbody tr")]


def live(page: Page) -> list[str]:
    """The figures on top of a rule's page."""
    return [" ".join(tag.get_text(" ").split()) for tag in page.all(".live dl > div")]


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


def new(client: FlaskClient) -> Form:
    return visit(client, "/manage/alerts").click("Add an alert configuration").form("Save")


def test_without_a_monitor_there_is_nothing_to_watch(editor: FlaskClient) -> None:
    page = visit(editor, "/manage/alerts/new")
    assert page.click("Add a monitor").heading == "Add a monitor"
    assert not page.all("form.form")


def test_c3_a_new_one_has_the_defaults(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    form = visit(editor, "/manage/monitors/api").click("Add").form("Save")
    assert form["monitor_tags"] == ["api"]
    assert (form["alert_for"], form["alert_value"], form["severity"]) == (["STATUS"], ["DOWN"], ["WARNING"])
    assert (form["failure_threshold"], form["success_threshold"]) == (["3"], ["5"])
    assert (form["create_incident"], form["is_active"], form["uptime_window"]) == ([], ["true"], ["24h"])
    page = form.submit()
    assert page.heading == "Api STATUS: DOWN WARNING Active"
    assert "Keeps a log when Api is DOWN 3 times in a row, resolves after 5 passing." in page.text
    assert not page.all(".warning")
    made = factories.only(AlertConfiguration)
    assert (made.failure_threshold, made.success_threshold, made.create_incident, made.is_active) == (3, 5, False, True)


def test_c3_what_is_seldom_meant_is_allowed_and_warned_of(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    page = new(editor).fill(monitor_tags=["api"], failure_threshold="2", success_threshold="1").submit()
    assert [text.split(":")[0] for text in page.texts(".warning")] == [
        "Success threshold 1 is below failure threshold 2",
        "Failure threshold 2 is below 3",
    ]
    assert "Success threshold 1 is below" in page.texts(".flash")[0]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"monitor_tags": []}, "monitor_tags"), ({"alert_value": "SIDEWAYS"}, "alert_value"),
     ({"alert_value": ""}, "alert_value"), ({"alert_for": "LATENCY", "alert_value": "0"}, "alert_value"),
     ({"alert_for": "UPTIME", "alert_value": "100.1"}, "alert_value"), ({"failure_threshold": "0"}, "failure_threshold"),
     ({"success_threshold": "many"}, "success_threshold"), ({"alert_description": "x" * 20_001}, "alert_description")],
)  # fmt: skip
def test_c2_a_refused_rule_says_why_and_saves_nothing(editor: FlaskClient, given: dict[str, str], field: str) -> None:
    factories.make_monitor("api")
    trigger_id = factories.make_trigger()
    typed = {
        "monitor_tags": ["api"],
        "trigger_ids": [str(trigger_id)],
        "create_incident": ["true"],
        "severity": "CRITICAL",
    }
    page = new(editor).fill({**typed, **given}).submit(status=422)
    assert len(page.texts(".error")) == len(page.texts(f"#e-{field}")) == 1
    again = page.form("Save")
    for name, value in {**typed, **given}.items():
        assert again[name] == ([value] if isinstance(value, str) else value)
    assert factories.count(AlertConfiguration) == 0


def test_a_trigger_that_is_gone_meanwhile_is_named(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    sent = new(editor).fill(monitor_tags=["api"]).data()
    sent.add("trigger_ids", "77")
    page = Page(editor, editor.post("/manage/alerts", data=sent))
    assert (page.status, page.texts("#e-trigger_ids")) == (422, ["There is no trigger 77."])


def test_an_edit_that_came_late_shows_both_versions(editor: FlaskClient) -> None:
    for tag in ("api", "web"):
        factories.make_monitor(tag)
    trigger_id = factories.make_trigger()
    config_id = factories.make_configuration(["web", "api"], trigger_ids=[trigger_id], alert_description="Before")
    mine = visit(editor, f"/manage/alerts/{config_id}/edit").form("Save")
    theirs = visit(editor, f"/manage/alerts/{config_id}/edit").form("Save")
    theirs.fill(failure_threshold="7", create_incident=True, alert_description="").submit()
    page = mine.fill(failure_threshold="4").submit(status=409)
    assert rows(page, "Changed by someone else meanwhile") == [
        ["failure_threshold", "7", "4"],
        ["alert_description", "", "Before"],
        ["create_incident", "YES", "NO"],
    ]
    assert factories.only(AlertConfiguration).failure_threshold == 7
    assert page.form("Save").submit().url == f"/manage/alerts/{config_id}"
    assert factories.only(AlertConfiguration).failure_threshold == 4


def test_the_page_of_a_rule_before_any_alert(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", create_incident=True)
    factories.observe("api", "UP", "DOWN", "DOWN", start=ago(3))
    page = visit(viewer, f"/manage/alerts/{config_id}")
    assert live(page)[0].startswith("Api Quiet no alert so far")
    assert live(page)[1].startswith("Failing in a row 2")
    assert live(page)[3] == "Incident None opens with the next alert"
    assert "No alert so far." in page.text
    assert not page.all("form[action$='activate']")


def test_the_page_of_a_rule_while_its_alert_is_active(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", create_incident=True, trigger_ids=[factories.make_trigger()])
    factories.observe("api", "UP", start=ago(5))
    factories.observe("api", "DOWN", "DOWN", "DOWN", "DOWN", error="HTTP 503")
    page = visit(viewer, f"/manage/alerts/{config_id}")
    alert, incident = factories.only(Alert), factories.only(Incident)
    assert live(page)[0].startswith(f"Alert {alert.id} TRIGGERED for 2 min")
    assert live(page)[3] == f"Incident {incident.id} Investigating"
    assert live(page)[4].startswith("Notices 0 of 1 sent")
    assert [line[1:] for line in rows(page, "Why it fired")] == [
        ["UP", "–", "0 of 3", "Hold"],
        ["DOWN", "HTTP 503", "1 of 3", "Hold"],
        ["DOWN", "HTTP 503", "2 of 3", "Hold"],
        ["DOWN", "HTTP 503", "3 of 3", "Trigger"],
    ]
    assert f"In one step: alert {alert.id}, incident {incident.id} with its first update, 1 notice" in page.text
    assert "Why it resolved" not in page.text
    assert page.one("#live")["hx-get"] == f"/manage/alerts/{config_id}"
    assert "1 active" in page.one("nav.side").text


def test_the_page_of_a_rule_after_its_alert_resolved(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    limits = {"failure_threshold": 2, "success_threshold": 2, "create_incident": True}
    config_id = factories.make_configuration("api", alert_for="LATENCY", alert_value="100", **limits)
    for minutes, status, ms in ((6, "UP", 500), (5, "DOWN", None), (4, "UP", 700), (3, "UP", 50), (2, "UP", 60)):
        factories.observe("api", status, start=ago(minutes), latency_ms=ms)
    page = visit(viewer, f"/manage/alerts/{config_id}")
    assert live(page)[0].startswith("Api Quiet last alert")
    fired = [(line[2], line[3]) for line in rows(page, "Why it fired")]
    assert fired == [("500 ms", "1 of 2"), ("–", "1 of 2"), ("700 ms", "2 of 2")]
    resolved = [(line[2], line[3], line[4]) for line in rows(page, "Why it resolved")]
    assert resolved == [("700 ms", "0 of 2", "Hold"), ("50 ms", "1 of 2", "Hold"), ("60 ms", "2 of 2", "Resolve")]
    incident = factories.only(Incident)
    assert f"incident {incident.id} closed" in page.text
    [line] = rows(page, "Alert log")
    assert (line[1], line[4], line[5]) == ("RESOLVED", "2 min", f"{incident.id} Resolved")


def test_with_several_monitors_each_one_can_be_looked_at(viewer: FlaskClient) -> None:
    for tag in ("api", "web"):
        factories.make_monitor(tag)
    config_id = factories.make_configuration(["api", "web"], failure_threshold=1, success_threshold=1)
    factories.observe("web", "DOWN", start=ago(60))
    factories.observe("api", *(["DOWN", "UP"] * 11), start=ago(30))
    page = visit(viewer, f"/manage/alerts/{config_id}")
    assert page.heading.startswith("2 monitors STATUS: DOWN")
    assert " TRIGGERED for 1 h" in live(page)[0]
    assert live(page.click("Api"))[0].startswith("Api Quiet last alert")
    assert " TRIGGERED for 1 h" in live(page.click("Web"))[0]
    assert " TRIGGERED for 1 h" in live(visit(viewer, f"/manage/alerts/{config_id}?monitor=nothing"))[0]
