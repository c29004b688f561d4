"""Changing an incident: times that nobody touched, whom it affects, two people at once; and the list of incidents."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.models import AffectedMonitor, Incident, IncidentUpdate
from kener.services import monitors, site
from tests import factories
from tests.support.pages import Page, visit
from tests.support.statements import counted


@pytest.fixture(autouse=True)
def berlin(app: Flask) -> None:
    """A site in Berlin."""
    site.change(site.Site("Acme", "", "Europe/Berlin"), actor=factories.SAM)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


def edit(client: FlaskClient, incident_id: int) -> Page:
    return visit(client, f"/manage/incidents/{incident_id}").click("Edit")


def as_browsers_send(text: str) -> str:
    """A `datetime-local` value comes back without its seconds when they are nought."""
    return text.removesuffix(":00") if text.count(":") == 2 else text


@pytest.mark.parametrize(
    "start",
    [
        utc(2026, 7, 1, 10, 30, 20) + timedelta(microseconds=123456),
        utc(2026, 7, 1, 10, 30) + timedelta(microseconds=5),
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 25, 1, 30),
        utc(2026, 3, 29, 1, 0),
    ],
)
def test_a_time_that_nobody_touched_stays_to_the_instant(editor: FlaskClient, start: datetime) -> None:
    incident_id = factories.make_incident(start=start.timestamp())  # type: ignore[arg-type]
    factories.post(incident_id, "RESOLVED", at=(start + timedelta(minutes=15)).timestamp())  # type: ignore[arg-type]
    before = factories.only(Incident)
    assert before.start_at == start
    ended = before.end_at
    form = edit(editor, incident_id).form("Save").fill(title="Renamed")
    form.fill({name: as_browsers_send(form[name][0]) for name in ("start_at", "end_at")}).submit()
    after = factories.only(Incident)
    assert (after.title, after.start_at, after.end_at) == ("Renamed", start, ended)

    update = factories.only(IncidentUpdate)
    form = visit(editor, f"/manage/incidents/{incident_id}/updates/{update.id}/edit").form("Save")
    form.fill(text="Corrected.", at=as_browsers_send(form["at"][0])).submit()
    assert (factories.only(IncidentUpdate).text, factories.only(IncidentUpdate).at) == ("Corrected.", ended)


def test_times_that_were_changed_are_stored_in_utc(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=int(utc(2026, 1, 5, 12).timestamp()))
    form = edit(editor, incident_id).form("Save")
    assert form["start_at"] == ["2026-01-05T13:00:00"]
    page = form.fill(start_at="2026-01-05T10:00", end_at="2026-01-05T14:00:30").submit()
    found = factories.only(Incident)
    assert (found.start_at, found.end_at, found.state) == (utc(2026, 1, 5, 9), utc(2026, 1, 5, 13, 0, 30), "RESOLVED")
    assert "5 Jan, 10:00:00 CET to 5 Jan, 14:00:30 CET" in page.text


def test_affected_monitors_are_added_changed_and_taken_out(editor: FlaskClient) -> None:
    for tag in ("api", "web", "gone"):
        factories.make_monitor(tag)
    incident_id = factories.make_incident("api", "gone", start=ago(5))
    monitors.delete("gone", actor=factories.SAM)
    form = edit(editor, incident_id).form("Save")
    assert (form["impact-api"], form["impact-web"], form["impact-gone"]) == (["DOWN"], [""], ["DOWN"])
    page = form.fill({"impact-api": "DEGRADED", "impact-web": "DOWN"}).submit()
    assert page.texts("[aria-labelledby=h-affected] li") == ["Api DEGRADED", "Gone DOWN", "Web DOWN"]
    page = edit(editor, incident_id).form("Save").fill({"impact-api": "", "impact-gone": ""}).submit()
    assert [one.monitor_tag for one in factories.every(AffectedMonitor)] == ["web"]


def test_an_automatic_incident_gets_no_end_by_hand_while_its_alert_is_active(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.make_configuration("api", failure_threshold=1, create_incident=True)
    factories.observe("api", "DOWN", start=ago(5))
    incident_id = factories.only(Incident).id
    form = edit(editor, incident_id).form("Save")
    assert "end_at" not in form.fields
    sent = form.data()
    sent["end_at"] = "2026-01-01T00:00"
    sent["start_at"] = "2025-12-31T00:00"
    response = editor.post(f"/manage/incidents/{incident_id}/edit", data=sent)
    assert response.status_code == 422
    assert "Its alert is still active" in Page(editor, response).texts("#e-end_at")[0]
    assert factories.only(Incident).end_at is None


def test_an_edit_that_came_late_shows_both_versions(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=ago(5))
    mine, theirs = edit(editor, incident_id).form("Save"), edit(editor, incident_id).form("Save")
    theirs.fill(title="Theirs", is_private=True).submit()
    page = mine.fill(title="Mine").submit(status=409)
    assert "it is now “Theirs”" in page.texts(".flash")[0]
    assert page.form("Save")["title"] == ["Mine"]
    assert factories.only(Incident).title == "Theirs"
    assert page.form("Save").submit().heading == "Mine"


def test_an_edit_is_refused_beside_the_field(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=int(utc(2026, 1, 5, 12).timestamp()))
    factories.post(incident_id, "MONITORING", at=int(utc(2026, 1, 5, 13).timestamp()))
    form = edit(editor, incident_id).form("Save").fill(title="Typed", end_at="2026-01-05T13:30")
    page = form.submit(status=422)
    assert page.texts("#e-end_at") == ["There are updates after this time. Correct or delete them first."]
    assert page.form("Save")["title"] == ["Typed"]
    assert factories.only(Incident).end_at is None


def test_an_end_is_not_taken_back_without_a_word(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=ago(30))
    factories.post(incident_id, "RESOLVED", at=ago(10))
    page = edit(editor, incident_id).form("Save").fill(end_at="").submit(status=422)
    assert "Post another update to open it again." in page.texts("#e-end_at")[0]
    form = visit(editor, f"/manage/incidents/{incident_id}").form("Post update")
    form.fill(text="It is back.", state="INVESTIGATING").submit()
    assert factories.only(Incident).end_at is None


def test_the_list_shows_open_ones_first_and_is_filtered(viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.post(factories.make_incident("api", title="Old_one", start=ago(60)), "RESOLVED", at=ago(30))
    factories.make_incident("api", title="100%", start=ago(90))
    factories.make_configuration("api", failure_threshold=1, create_incident=True)
    factories.observe("api", "DOWN", start=ago(5))
    page = visit(viewer, "/manage/incidents")

    def titles(found: Page) -> list[str]:
        return found.texts("tbody .head a")

    assert titles(page) == ["Api STATUS: DOWN", "100%", "Old_one"]
    for filters, wanted in (
        ({"q": "%"}, ["100%"]),
        ({"q": "_"}, ["Old_one"]),
        ({"state": "Open"}, ["Api STATUS: DOWN", "100%"]),
        ({"state": "Resolved"}, ["Old_one"]),
        ({"source": "ALERT"}, ["Api STATUS: DOWN"]),
        ({"source": "API"}, []),
    ):
        assert titles(page.form("Filter").fill(filters).submit()) == wanted  # type: ignore[arg-type]
    with counted() as few:
        visit(viewer, "/manage/incidents")
    for number in range(60):
        factories.make_incident("api", title=f"More {number}", start=ago(5))
    with counted() as many:
        page = visit(viewer, "/manage/incidents")
    assert len(few) == len(many)
    assert len(titles(page.click("Older"))) == 13
