"""The list of alert configurations and the log of their alerts: filters, pages, actions in place, deletion."""

from flask.testing import FlaskClient

from kener import clock
from kener.models import Alert, AlertConfiguration, Incident
from kener.services import configurations
from tests import factories
from tests.support.pages import Page, visit
from tests.support.statements import counted

HTMX = {"HX-Request": "true"}


def links(page: Page) -> list[str]:
    """The configurations of a list, top to bottom."""
    return page.texts("tbody .head a")


def in_place(page: Page, path: str) -> Page:
    """What htmx gets for a button."""
    response = page.client.post(path, data=page.form(path).data(), headers=HTMX)
    assert response.status_code == 200
    return Page(page.client, response, fragment=True)


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


def test_an_empty_list_says_what_it_is_for(viewer: FlaskClient, editor: FlaskClient) -> None:
    assert "An alert configuration watches monitors" in visit(viewer, "/manage/alerts").text
    assert not visit(viewer, "/manage/alerts").all("main .btn")
    assert visit(editor, "/manage/alerts").texts("main a.btn") == ["Add an alert configuration"] * 2


def test_the_list_is_searched_and_filtered_with_active_alerts_on_top(viewer: FlaskClient) -> None:
    factories.make_monitor("api", name="100% API")
    factories.make_monitor("web")
    factories.make_configuration("api", failure_threshold=1)
    factories.make_configuration("web", alert_for="LATENCY", alert_value="900", alert_description="Slow_ness")
    factories.make_configuration(["api", "web"], alert_for="UPTIME", alert_value="99.50")
    configurations.deactivate(factories.make_configuration("web"), actor=factories.SAM)
    factories.observe("api", "DOWN", start=ago(1))
    page = visit(viewer, "/manage/alerts")
    uptime, latency, inactive = "2 monitors UPTIME: 99.5", "Web LATENCY: 900", "Web STATUS: DOWN"
    assert links(page) == ["100% API STATUS: DOWN", inactive, uptime, latency]
    assert [text.split()[0] for text in page.texts("tbody .tail")] == ["TRIGGERED", "Inactive", "Quiet", "Quiet"]

    def found(**filters: str) -> list[str]:
        return links(page.form("Filter").fill(**filters).submit())

    assert found(q="%") == ["100% API STATUS: DOWN", uptime]
    assert found(q="_") == [latency]
    assert found(type="UPTIME") == [uptime]
    assert found(state="TRIGGERED") == ["100% API STATUS: DOWN"]
    assert found(state="Inactive") == [inactive]
    assert found(state="Active", type="LATENCY") == [latency]
    assert found(q="web", state="TRIGGERED") == []


def test_the_list_asks_as_often_for_many_as_for_few(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    for _ in range(3):
        factories.make_configuration("api")
    visit(viewer, "/manage/alerts")
    with counted() as few:
        visit(viewer, "/manage/alerts")
    for _ in range(57):
        factories.make_configuration("api")
    with counted() as many:
        page = visit(viewer, "/manage/alerts")
    assert len(few) == len(many)
    assert (len(links(page)), len(links(page.click("Older")))) == (50, 10)


def test_a_configuration_is_switched_off_and_on_in_its_line(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", failure_threshold=1)
    factories.make_configuration("api")
    factories.observe("api", "DOWN", start=ago(1))
    page = visit(editor, "/manage/alerts")
    row = in_place(page, f"/manage/alerts/{config_id}/deactivate")
    assert row.html.strip().startswith("<tr")
    assert row.html.count("<tr") == 1
    assert "Inactive" in row.text
    assert f"/manage/alerts/{config_id}/activate" in row.html
    assert factories.only(Alert).closing_reason == "The alert configuration was deactivated."
    page = visit(editor, "/manage/alerts").form(f"/manage/alerts/{config_id}/activate").submit()
    assert page.url == "/manage/alerts"
    assert "Active: it counts from the next check on." in page.text


def test_a_configuration_is_switched_off_and_on_on_its_page(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", failure_threshold=1)
    factories.observe("api", "DOWN", start=ago(1))
    live = in_place(visit(editor, f"/manage/alerts/{config_id}"), f"/manage/alerts/{config_id}/deactivate")
    assert live.one("#live")["hx-get"] == f"/manage/alerts/{config_id}"
    assert live.texts(".flash")[0] == "Inactive: nothing is counted, and its active alerts have ended."
    assert "ended early: The alert configuration was deactivated." in live.text
    page = visit(editor, f"/manage/alerts/{config_id}").form("Activate").submit()
    assert page.heading == "Api STATUS: DOWN WARNING Active"
    assert [text.rpartition(" ")[2] for text in page.texts(".changes span")] == [
        "editor@example.com",
        "editor@example.com",
        "sam@example.com",
    ]


def test_a1_the_log_is_filtered_and_comes_in_pages(viewer: FlaskClient) -> None:
    for tag in ("api", "web"):
        factories.make_monitor(tag)
    rule = {"failure_threshold": 1, "success_threshold": 1}
    config_id = factories.make_configuration(["api", "web"], **rule)
    other = factories.make_configuration("api", create_incident=True, **rule)
    factories.observe("api", *(["DOWN", "UP"] * 54), start=ago(120))
    factories.observe("web", "DOWN", start=ago(5))
    page = visit(viewer, f"/manage/alerts/{config_id}").click("Alert Logs")
    assert page.texts(".paging span")[0] == "1 to 50 of 55"
    newest = page.texts("tbody tr")[0]
    assert "TRIGGERED" in newest
    assert "active" in newest
    assert len(page.click("Older").all("tbody tr")) == 5
    active = page.form("Filter").fill(status="TRIGGERED").submit()
    assert len(active.all("tbody tr")) == 1
    none = active.form("Filter").fill(monitor="api").submit()
    assert "No alert matches." in none.text
    assert len(none.click("TRIGGERED , remove").all("tbody tr")) == 50
    lines = visit(viewer, f"/manage/alerts/{other}/log").all("tbody tr")
    incidents = {incident.id for incident in factories.every(Incident)}
    shown = {int(line.select("[data-label=Incident] a")[0].get_text()) for line in lines}
    assert len(shown) == 50
    assert shown <= incidents


def test_an_empty_log_says_so(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api")
    page = visit(viewer, f"/manage/alerts/{config_id}/log")
    assert "No alert so far." in page.text
    assert visit(viewer, f"/manage/alerts/{config_id}/log?status=RESOLVED").click("Clear filters").url == (
        f"/manage/alerts/{config_id}/log"
    )


def test_a_configuration_goes_and_its_incident_stays(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", failure_threshold=1, create_incident=True)
    factories.observe("api", "DOWN", start=ago(1))
    page = visit(editor, f"/manage/alerts/{config_id}").click("Delete…")
    assert "1 active alert will end with a closing update" in page.text
    assert page.click("Cancel").url == f"/manage/alerts/{config_id}"
    page = page.form("Delete configuration").submit()
    assert (page.url, factories.count(AlertConfiguration)) == ("/manage/alerts", 0)
    incident = factories.only(Incident)
    assert incident.state == "RESOLVED"
    assert "The alert configuration was deleted." in visit(editor, f"/manage/incidents/{incident.id}").text
    assert factories.only(Alert).config_id is None
