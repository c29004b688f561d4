"""X2: the four questions of a configuration's page, each answered by what is measured now, each failing line with its mend."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from kener import clock
from kener.db import transaction
from kener.models import Alert, AlertConfiguration, Delivery, DeliveryState, Incident, MonitorState, Trigger
from kener.services import configurations, incidents, monitors
from tests import factories
from tests.support.pages import Page, visit
from tests.support.statements import counted

RULE = {"failure_threshold": 2, "success_threshold": 2, "create_incident": True}


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


@pytest.fixture
def config_id(app: object) -> int:
    factories.make_monitor("api")
    return factories.make_configuration("api", trigger_ids=[factories.make_trigger(name="Pager")], **RULE)


def answers(client: FlaskClient, config_id: int) -> dict[str, str]:
    """The four answers, by the name of their question."""
    page = visit(client, f"/manage/alerts/{config_id}")
    return {str(one["id"]): one.select("h3 span")[0].get_text() for one in page.all("#diagnosis > section")}


def lines(client: FlaskClient, config_id: int, question: str) -> list[str]:
    """The facts of a question, worst marked: `i-down The newest check fails …`."""
    page = visit(client, f"/manage/alerts/{config_id}")
    return [" ".join([tone_of(line), *line.get_text(" ").split()]) for line in page.all(f"#diagnosis > #{question} li")]


def tone_of(line: object) -> str:
    return next(name for name in line.select("svg")[0]["class"] if name.startswith("i-"))  # type: ignore[attr-defined]


def found(client: FlaskClient, config_id: int, question: str, start: str) -> str:
    """The one fact that begins like this."""
    matching = [line for line in lines(client, config_id, question) if line.partition(" ")[2].startswith(start)]
    assert len(matching) == 1, lines(client, config_id, question)
    return matching[0]


def mended(client: FlaskClient, config_id: int, question: str, link: str) -> Page:
    """Where the mend of a question leads."""
    page = visit(client, f"/manage/alerts/{config_id}")
    [address] = {str(a["href"]) for a in page.all(f"#diagnosis > #{question} a") if a.get_text() == link}
    return visit(client, address)


def sent(state: DeliveryState, **values: object) -> None:
    with transaction() as session:
        session.execute(update(Delivery).values(state=state, **values))


def test_x2_all_is_well(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "UP", "UP", start=ago(1))
    assert answers(editor, config_id) == {
        "opened": "No",
        "closes": "Nothing is open",
        "several": "None",
        "notices": "Nothing to send yet",
    }
    everything = [line for question in answers(editor, config_id) for line in lines(editor, config_id, question)]
    assert not [line for line in everything if line.startswith(("i-down", "i-degraded"))]


def test_x2_an_outage_in_progress(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(1), error="HTTP 503")
    sent(DeliveryState.SENT, sent_at=clock.now())
    assert answers(editor, config_id) == {"opened": "Yes", "closes": "Not yet", "several": "One", "notices": "1 of 1"}
    assert found(editor, config_id, "opened", "It is linked and public").startswith("i-up")
    assert "HTTP 503" in found(editor, config_id, "opened", "The newest check fails: DOWN")
    assert found(editor, config_id, "closes", "Passing in a row: 0 of 2").startswith("i-nodata")
    assert mended(editor, config_id, "closes", "Test now").url == "/manage/monitors/api/edit"
    assert found(editor, config_id, "notices", "TRIGGERED to Pager: sent").startswith("i-up")
    factories.observe("api", "UP")
    assert answers(editor, config_id)["closes"] == "Soon"


def test_x2_no_incident_because_none_is_asked_for(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", failure_threshold=1)
    factories.observe("api", "DOWN", start=ago(1))
    assert answers(editor, config_id)["opened"] == "Not asked for"
    assert "An alert opens none." in found(editor, config_id, "opened", "Create incident is NO")
    assert mended(editor, config_id, "opened", "Edit the rule").url == f"/manage/alerts/{config_id}/edit"


def test_x2_no_incident_because_the_threshold_is_not_reached(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "UP", "DOWN", start=ago(1))
    assert answers(editor, config_id)["opened"] == "No"
    assert found(editor, config_id, "opened", "The failure threshold is not reached: 1 of 2").startswith("i-degraded")
    page = mended(editor, config_id, "opened", "Why?")
    assert page.heading == "Why?"
    assert page.texts("#h-answer")


def test_x2_no_incident_because_nothing_is_watched(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", start=ago(30))
    assert found(editor, config_id, "opened", "Checks do not come in").startswith("i-down")
    monitors.pause("api", actor=factories.SAM)
    configurations.deactivate(config_id, actor=factories.SAM)
    assert found(editor, config_id, "opened", "The monitor is paused").startswith("i-down")
    assert found(editor, config_id, "opened", "The configuration is inactive").startswith("i-down")
    assert mended(editor, config_id, "opened", "Open the monitor").url == "/manage/monitors/api"


def test_x2_no_incident_because_of_maintenance(editor: FlaskClient, config_id: int) -> None:
    maintenance_id = factories.plan_maintenance("api", start=ago(10), end=ago(-10))
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    assert found(editor, config_id, "opened", "In maintenance: Move").startswith("i-degraded")
    assert mended(editor, config_id, "opened", "Open it").url == f"/manage/maintenances/{maintenance_id}/edit"


def test_x2_an_incident_that_visitors_do_not_see(editor: FlaskClient) -> None:
    factories.make_monitor("api", is_hidden=True)
    config_id = factories.make_configuration("api", **RULE)
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    assert "the monitor is hidden" in found(editor, config_id, "opened", "Visitors do not see it")


def test_x2_an_incident_that_an_operator_closed_or_deleted(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    incident_id = factories.only(Incident).id
    factories.post(incident_id, "RESOLVED")
    assert answers(editor, config_id)["opened"] == "No"
    assert "opens it again" in found(editor, config_id, "opened", "It was resolved by hand")
    incidents.delete(incident_id, actor=factories.SAM)
    assert "sam@example.com" in found(editor, config_id, "opened", "Its incident is gone")


def test_x2_an_incident_that_no_alert_will_close(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", "UP", "UP", start=ago(4))
    incident_id = factories.only(Incident).id
    factories.post(incident_id, "MONITORING")
    assert answers(editor, config_id)["closes"] == "No"
    line = found(editor, config_id, "closes", f"Incident {incident_id} is open and no alert will close it")
    assert "Its alert is over." in line
    with transaction() as session:
        session.delete(session.get_one(Alert, factories.only(Alert).id))
    assert "Its alert was deleted." in found(editor, config_id, "closes", f"Incident {incident_id} is open")
    assert mended(editor, config_id, "closes", "Close it by hand").url == f"/manage/incidents/{incident_id}"


def test_x2_a_monitor_that_wavers_and_a_threshold_that_is_too_high(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", success_threshold=90, create_incident=True)
    factories.observe("api", *["UP", "DOWN"] * 4, start=ago(8))
    assert "4 of the newest 8 checks failed" in found(editor, config_id, "closes", "It wavers")
    assert "1 hour 30 minutes" in found(editor, config_id, "closes", "The success threshold is high")


def test_x2_several_incidents_each_of_a_rule_of_its_own(editor: FlaskClient, config_id: int) -> None:
    twin = factories.make_configuration("api", **RULE)
    quiet = factories.make_configuration("api", alert_for="UPTIME", alert_value="99.9")
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    assert answers(editor, config_id)["several"] == "2"
    assert "Each rule opens its own." in found(editor, config_id, "several", "Open for Api: 2")
    same = found(editor, config_id, "several", "Another rule watches for the same")
    assert same.startswith("i-degraded")
    assert "triggered" in same
    assert mended(editor, config_id, "several", "STATUS: DOWN").url == f"/manage/alerts/{twin}"
    assert mended(editor, config_id, "several", "UPTIME: 99.9").url == f"/manage/alerts/{quiet}"


def test_x2_alerts_that_come_back_at_once_are_counted(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", *["DOWN", "DOWN", "UP", "UP"] * 3, start=ago(20))
    line = found(editor, config_id, "several", "3 alerts in 30 days")
    assert line.startswith("i-degraded")
    assert "2 began within 10 minutes" in line


def test_x2_notices_that_nobody_was_to_get(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api")
    assert answers(editor, config_id)["notices"] == "Nobody is told"
    assert mended(editor, config_id, "notices", "Choose triggers").url == f"/manage/alerts/{config_id}/edit"


def test_x2_notices_that_failed_wait_or_were_never_meant_to_go(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    trigger_id = factories.only(Delivery).trigger_id
    assert answers(editor, config_id)["notices"] == "0 of 1"
    assert found(editor, config_id, "notices", "TRIGGERED to Pager: on its way").startswith("i-nodata")
    sent(DeliveryState.WAITING, created_at=clock.now() - timedelta(minutes=5))
    assert "No worker has taken it up" in found(editor, config_id, "notices", "TRIGGERED to Pager: on its way")
    sent(DeliveryState.RETRYING, attempts=3, answer="HTTP 503")
    assert "3 attempts. HTTP 503" in found(editor, config_id, "notices", "TRIGGERED to Pager: tried again at")
    sent(DeliveryState.FAILED, answer="HTTP 410")
    assert "HTTP 410" in found(editor, config_id, "notices", "TRIGGERED to Pager: failed")
    assert mended(editor, config_id, "notices", "Send again").url == f"/manage/deliveries?trigger={trigger_id}"
    factories.make_trigger(name="Pager", is_active=False, trigger_id=trigger_id)
    assert found(editor, config_id, "notices", "Pager is inactive").startswith("i-down")
    assert mended(editor, config_id, "notices", "Open the trigger").url == f"/manage/triggers/{trigger_id}/edit"


def test_x2_how_a_trigger_did_elsewhere_is_told_before_it_is_needed(editor: FlaskClient, config_id: int) -> None:
    trigger_id = factories.only(Trigger).id
    assert found(editor, config_id, "notices", "Pager was never used").startswith("i-nodata")
    factories.make_monitor("web")
    factories.make_configuration("web", failure_threshold=1, trigger_ids=[trigger_id])
    factories.observe("web", "DOWN", start=ago(1))
    sent(DeliveryState.FAILED, answer="HTTP 401")
    assert "HTTP 401" in found(editor, config_id, "notices", "Pager did not work last time")
    sent(DeliveryState.SENT, sent_at=clock.now())
    assert found(editor, config_id, "notices", "Pager works, last sent").startswith("i-up")


def test_x2_a_trigger_that_was_attached_later_was_not_told(editor: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    both = [factories.only(Trigger).id, factories.make_trigger(name="Mail")]
    given = factories.configuration_input("api", trigger_ids=both, **RULE)
    configurations.update(config_id, given, actor=factories.SAM)
    line = found(editor, config_id, "notices", "Mail was not told of alert")
    assert "after it triggered" in line


def test_x2_a_viewer_gets_no_mend_that_only_an_editor_can_use(viewer: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(1))
    page = visit(viewer, f"/manage/alerts/{config_id}")
    hrefs = [str(link["href"]) for link in page.all("#diagnosis a")]
    assert hrefs
    assert not [href for href in hrefs if href.endswith("/edit")]


def test_x2_a_rule_that_cannot_be_used_and_a_monitor_without_checks(editor: FlaskClient, config_id: int) -> None:
    assert found(editor, config_id, "opened", "No check is stored yet").startswith("i-degraded")
    with transaction() as session:
        session.execute(update(MonitorState).values(at=None))
    with transaction() as session:
        session.get_one(AlertConfiguration, config_id).alert_value = "PURPLE"
    assert found(editor, config_id, "opened", "The rule cannot be used").startswith("i-down")


def test_x2_measuring_asks_as_often_for_many_as_for_few(viewer: FlaskClient, config_id: int) -> None:
    factories.observe("api", "DOWN", "DOWN", start=ago(120))
    visit(viewer, f"/manage/alerts/{config_id}")
    with counted() as few:
        visit(viewer, f"/manage/alerts/{config_id}")
    for _ in range(5):
        factories.make_configuration("api", **RULE)
    factories.observe("api", *["UP", "UP", "DOWN", "DOWN"] * 10)
    with counted() as many:
        visit(viewer, f"/manage/alerts/{config_id}")
    assert len(many) <= len(few) + 2
