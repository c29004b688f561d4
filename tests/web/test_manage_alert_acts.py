"""A1 and A2 in pages: the log over all configurations, its export, one alert with its deliveries, and what operators may do to it."""

import csv
import io

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import update

from kener import clock
from kener.db import transaction
from kener.models import Alert, AlertConfiguration, Delivery, DeliveryState, Incident
from kener.services import monitors, site, trash
from kener.services.site import Site
from kener.web.manage.alert_log import export
from tests import factories
from tests.support.pages import visit
from tests.support.statements import counted

RULE = {"failure_threshold": 1, "success_threshold": 1}


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


def active_alert(**fields: object) -> int:
    factories.make_monitor("api")
    factories.make_configuration("api", **RULE, **fields)
    factories.observe("api", "DOWN", start=ago(1))
    return factories.only(Alert).id


def test_a1_one_log_over_all_is_filtered_by_configuration_monitor_status_and_time(viewer: FlaskClient) -> None:
    for tag in ("api", "web"):
        factories.make_monitor(tag)
    one, two = factories.make_configuration(["api", "web"], **RULE), factories.make_configuration("api", **RULE)
    factories.observe("api", "DOWN", "UP", "UP")
    factories.observe("web", "DOWN", start=factories.T0 + 86_400)
    page = visit(viewer, "/manage/alerts").click("Alert log")
    assert page.url == "/manage/alerts/log"
    everything = page.texts("tbody .head")

    def shown(**filters: str) -> list[str]:
        return page.form("Filter").fill(**filters).submit().texts("tbody [data-label=Monitor]")

    assert shown() == ["Web", "Api", "Api"]
    assert shown(configuration=str(two)) == ["Api"]
    assert shown(configuration=str(one), monitor="api") == ["Api"]
    assert shown(status="TRIGGERED") == ["Web"]
    assert shown(**{"from": "2024-05-15"}) == ["Web"]
    assert shown(to="2024-05-14") == ["Api", "Api"]
    assert shown(**{"from": "2024-05-14", "to": "2024-05-15"}) == ["Web", "Api", "Api"]
    narrowed = page.form("Filter").fill(to="2024-05-14", monitor="web").submit()
    assert "No alert matches." in narrowed.text
    assert narrowed.click("To 2024-05-14 , remove").texts("tbody [data-label=Monitor]") == ["Web"]
    strange = visit(viewer, "/manage/alerts/log?from=soon&to=0001-01-01&monitor=nope&status=GONE&configuration=x")
    assert strange.texts("tbody .head") == everything
    assert not strange.all(".filter-tags")


def test_a1_days_are_those_of_the_site(viewer: FlaskClient) -> None:
    site.change(Site(zone="Pacific/Auckland"), actor=factories.SAM)
    factories.make_monitor("api")
    factories.make_configuration("api", **RULE)
    factories.observe("api", "DOWN", start=factories.T0 + 4 * 3_600)
    assert visit(viewer, "/manage/alerts/log?from=2024-05-15").all("tbody tr")
    assert not visit(viewer, "/manage/alerts/log?to=2024-05-14").all("tbody tr")


def test_a1_the_log_outlives_monitor_and_configuration(editor: FlaskClient) -> None:
    alert_id = active_alert()
    config_id = factories.only(AlertConfiguration).id
    monitors.delete("api", actor=factories.SAM)
    trash.purge("api", actor=factories.SAM)
    page = visit(editor, "/manage/alerts/log")
    assert page.texts("tbody [data-label=Monitor]") == ["Api"]
    page = page.click(str(alert_id))
    assert "Api, deleted" in page.text
    assert "Resolve The monitor was deleted." in page.text
    assert visit(editor, f"/manage/alerts/{config_id}/log", status=404)
    page = page.click("Delete…").form("Delete alert").submit()
    assert (page.url, factories.count(Alert)) == ("/manage/alerts/log", 0)


def test_a1_the_export_holds_what_the_list_shows(viewer: FlaskClient) -> None:
    factories.make_monitor("api", name="=HYPERLINK(1)")
    factories.make_monitor("web")
    factories.make_configuration(["api", "web"], **RULE, trigger_ids=[factories.make_trigger(name="Pager")])
    factories.observe("api", *["DOWN", "UP"] * 280, start=ago(700), error='-1+1 "said"\nno')
    factories.observe("web", "DOWN", start=ago(5))
    newest = factories.every(Alert)[-1]
    page = visit(viewer, "/manage/alerts/log")
    response = viewer.get(str(page.all("a[download]")[0]["href"]))
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    table = list(csv.DictReader(io.StringIO(response.text)))
    newest_first = sorted((alert.id for alert in factories.every(Alert)), reverse=True)
    assert [int(row["alert_id"]) for row in table] == newest_first
    first, other = table[0], table[1]
    assert first["triggered_at"] == newest.triggered_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (first["alert_status"], first["resolved_at"], first["duration_s"]) == ("TRIGGERED", "", "")
    assert (first["deliveries"], first["delivered"], first["failed"]) == ("1", "0", "0")
    assert first["fates"] == "TRIGGERED to Pager: WAITING"
    assert (other["monitor_name"], other["duration_s"]) == ("'=HYPERLINK(1)", "60")
    assert other["last_error"] == '\'-1+1 "said"\nno'
    assert other["fates"] == "TRIGGERED to Pager: WAITING; RESOLVED to Pager: WAITING"
    filtered = page.form("Filter").fill(monitor="web", status="TRIGGERED").submit()
    narrowed = viewer.get(str(filtered.all("a[download]")[0]["href"]))
    assert [row["monitor_tag"] for row in csv.DictReader(io.StringIO(narrowed.text))] == ["web"]


def test_a1_alerts_of_the_same_moment_are_exported_once_each(viewer: FlaskClient) -> None:
    tags = [f"m{number}" for number in range(3)]
    for tag in tags:
        factories.make_monitor(tag)
    for _ in range(200):
        factories.make_configuration(tags, **RULE)
    for tag in tags:
        factories.observe(tag, "DOWN", start=ago(5))
    table = list(csv.DictReader(io.StringIO(viewer.get("/manage/alerts/log.csv").text)))
    assert len(table) == len({row["alert_id"] for row in table}) == 600


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1"])
def test_a1_no_cell_begins_a_formula(cell: str) -> None:
    assert export.safe(cell) == f"'{cell}"
    assert export.safe(-1) == -1
    assert export.safe("a=1") == "a=1"


def test_a1_an_alert_shows_its_deliveries_and_their_fate(editor: FlaskClient) -> None:
    alert_id = active_alert(trigger_ids=[factories.make_trigger(name="Pager")])
    with transaction() as session:
        session.execute(update(Delivery).values(state=DeliveryState.FAILED, answer="HTTP 410", attempts=2))
    page = visit(editor, "/manage/alerts/log").click("0 of 1")
    assert page.url == f"/manage/alerts/log/{alert_id}"
    assert page.texts("#deliveries li") == ["Pager: TRIGGERED failed 2 attempts: HTTP 410 Open deliveries to Pager"]
    assert "Trigger 1 of 1 failing: the failure threshold is reached." in page.text
    assert page.click("Why it fired").texts("#h-answer") == ["It triggered"]


def test_a2_changing_the_status_asks_what_becomes_of_the_incident(editor: FlaskClient) -> None:
    alert_id = active_alert(create_incident=True)
    incident_id = factories.only(Incident).id
    page = visit(editor, "/manage/alerts/log").click("Change status…")
    assert f"What should become of incident {incident_id}?" in page.text
    refused = page.form("Resolve alert").submit(status=422)
    assert "Say what should become of the incident" in refused.text
    page = refused.form("Resolve alert").fill(incident="LEAVE", comment="Bye.").submit(status=422)
    assert page.form("Resolve alert")["comment"] == ["Bye."]
    page = page.form("Resolve alert").fill(incident="CLOSE", comment="A false alarm.").submit()
    assert page.url == f"/manage/alerts/log/{alert_id}"
    assert f"Alert {alert_id} is RESOLVED, and counting starts again. Incident {incident_id} is closed." in page.text
    assert "Change status, editor@example.com" in page.text
    page = page.click("View incident")
    assert page.url == f"/manage/incidents/{incident_id}"
    assert "A false alarm." in page.text


def test_a2_an_incident_may_be_left_open_and_diagnosis_finds_it(editor: FlaskClient) -> None:
    alert_id = active_alert(create_incident=True)
    page = visit(editor, f"/manage/alerts/log/{alert_id}/status").form("Resolve alert").fill(incident="LEAVE").submit()
    incident_id = factories.only(Incident).id
    assert f"Incident {incident_id} stays as it was." in page.text
    page = visit(editor, f"/manage/alerts/{factories.only(AlertConfiguration).id}")
    assert f"Incident {incident_id} is open and no alert will close it" in page.text


def test_a2_without_an_incident_nothing_is_asked_about_it(editor: FlaskClient) -> None:
    alert_id = active_alert()
    form = visit(editor, f"/manage/alerts/log/{alert_id}/status").form("Resolve alert")
    assert "incident" not in form.fields
    assert f"Alert {alert_id} is RESOLVED" in form.submit().text


def test_a2_why_a_resolved_alert_cannot_be_triggered_is_said(editor: FlaskClient) -> None:
    alert_id = active_alert()
    form = visit(editor, f"/manage/alerts/log/{alert_id}/status").form("Resolve alert")
    factories.observe("api", "UP")
    late = form.submit(status=422)
    assert late.heading == f"Alert {alert_id} is resolved"
    page = visit(editor, f"/manage/alerts/log/{alert_id}").click("Change status…")
    assert "only failing checks begin one" in page.text
    assert page.click("open an incident").url == "/manage/incidents/new?monitor=api"


def test_a2_deleting_asks_first_and_spares_active_alerts(editor: FlaskClient) -> None:
    alert_id = active_alert(create_incident=True)
    config_id = factories.only(AlertConfiguration).id
    page = visit(editor, f"/manage/alerts/log/{alert_id}/delete")
    assert page.heading == f"Alert {alert_id} is active"
    token = visit(editor, "/manage").all("meta[name=csrf-token]")[0]["content"]
    answer = editor.post(f"/manage/alerts/log/{alert_id}/delete", data={"csrf_token": token}, follow_redirects=True)
    assert "it would leave its incident open for ever" in answer.text
    factories.observe("api", "UP")
    page = visit(editor, f"/manage/alerts/{config_id}/log").click("Delete…")
    assert f"Incident {factories.only(Incident).id} stays" in page.text
    page = page.form("Delete alert").submit()
    assert (page.url, factories.count(Alert), factories.count(Incident)) == (f"/manage/alerts/{config_id}/log", 0, 1)


def test_a2_a_viewer_sees_no_action(viewer: FlaskClient) -> None:
    alert_id = active_alert()
    for address in ("/manage/alerts/log", f"/manage/alerts/log/{alert_id}"):
        page = visit(viewer, address)
        assert not [link for link in page.all("main a") if str(link["href"]).endswith(("/status", "/delete"))]
    assert viewer.get(f"/manage/alerts/log/{alert_id}/status").status_code == 403


def test_the_log_asks_as_often_for_many_as_for_few(viewer: FlaskClient) -> None:
    with time_machine.travel(clock.at(factories.T0 + 3_600), tick=False):
        factories.make_monitor("api")
        factories.make_configuration("api", **RULE)
        factories.observe("api", "DOWN", "UP")
    visit(viewer, "/manage/alerts/log")
    with counted() as few:
        visit(viewer, "/manage/alerts/log")
    factories.observe("api", *["DOWN", "UP"] * 40)
    with counted() as many:
        page = visit(viewer, "/manage/alerts/log")
    assert (len(few), len(page.all("tbody tr"))) == (len(many), 41)
