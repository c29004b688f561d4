"""Incidents by hand: open, post, resolve, correct, change, delete; times are entered in the site's zone."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.models import AffectedMonitor, Alert, Incident, IncidentUpdate
from kener.services import site
from tests import factories
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}


@pytest.fixture
def berlin(app: Flask) -> None:
    """A site in Berlin."""
    site.change(site.Site("Acme", "", "Europe/Berlin"), actor=factories.SAM)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def ago(minutes: int) -> int:
    return clock.epoch() - minutes * 60


def story(page: Page) -> list[str]:
    """The states of the updates, newest first."""
    return page.texts(".entries .stage")


def facts(page: Page) -> dict[str, str]:
    names = page.texts("[aria-labelledby=h-facts] dt")
    return dict(zip(names, page.texts("[aria-labelledby=h-facts] dd"), strict=True))


def automatic() -> int:
    """An incident that an alert opened; its alert is still active."""
    factories.make_monitor("api")
    factories.make_configuration("api", failure_threshold=1, success_threshold=1, create_incident=True)
    factories.observe("api", "DOWN", start=ago(10))
    return factories.only(Incident).id


@pytest.mark.usefixtures("berlin")
def test_o5_an_incident_is_opened_with_its_first_update(editor: FlaskClient, client: FlaskClient) -> None:
    for tag in ("api", "web", "mail"):
        factories.make_monitor(tag)
    form = visit(editor, "/manage/incidents").click("Open an incident").form("Open incident")
    assert (form["state"], form["end_at"], form["is_private"]) == (["INVESTIGATING"], [""], [])
    form.fill({"impact-api": "DOWN", "impact-mail": "DEGRADED"}, title="Slow <b>mail</b>", text="We **look**.")
    page = form.fill(start_at="2026-07-01T12:30", state="IDENTIFIED").submit()
    incident = factories.only(Incident)
    assert (page.url, page.heading) == (f"/manage/incidents/{incident.id}", "Slow <b>mail</b>")
    assert incident.start_at == factories.only(IncidentUpdate).at == utc(2026, 7, 1, 10, 30)
    assert (incident.source, incident.state, incident.created_by) == ("DASHBOARD", "IDENTIFIED", "editor@example.com")
    assert "1 Jul, 12:30:00 CEST" in page.text
    assert page.one(".entries strong").text == "look"
    affected = {one.monitor_tag: one.impact for one in factories.every(AffectedMonitor)}
    assert affected == {"api": "DOWN", "mail": "DEGRADED"}
    assert "Slow <b>mail</b>" in visit(client, "/").text


@pytest.mark.parametrize(
    ("given", "field"),
    [({"title": " "}, "title"), ({"title": "x" * 256}, "title"), ({"text": " "}, "text"), ({"start_at": ""}, "start_at"),
     ({"start_at": "soon"}, "start_at"), ({"start_at": "2126-01-01T00:00"}, "start_at"), ({"end_at": "soon"}, "end_at"),
     ({"end_at": "2026-07-01T12:00"}, "end_at"), ({"end_at": "2126-01-01T00:00"}, "end_at"),
     ({"start_at": "0001-01-01T00:30"}, "start_at"), ({"start_at": "9999-12-31T23:59"}, "start_at")],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles"])
def test_a_refused_incident_says_why_and_keeps_what_was_typed(
    editor: FlaskClient, given: dict[str, str], field: str, zone: str
) -> None:
    site.change(site.Site("Acme", "", zone), actor=factories.SAM)
    factories.make_monitor("api")
    typed = {"title": "Slow", "text": "We look.", "start_at": "2026-07-01T12:30", "impact-api": "DEGRADED", **given}
    page = visit(editor, "/manage/incidents/new").form("Open incident").fill(typed).fill(is_private=True)
    page = page.submit(status=422)
    assert len(page.texts(".error")) == len(page.texts(f"#e-{field}")) == 1
    again = page.form("Open incident")
    assert again["is_private"] == ["true"]
    for name, text in typed.items():
        assert again[name] == [text]
    assert factories.count(Incident) == 0


def test_a_private_incident_is_for_operators_only(editor: FlaskClient, client: FlaskClient) -> None:
    form = visit(editor, "/manage/incidents/new").form("Open incident")
    page = form.fill(title="Secret", text="Quiet.", is_private=True).submit()
    assert page.heading == "Secret Private"
    assert facts(page)["Seen by"] == "operators only"
    assert page.click("Its page").status == 200
    assert "Secret" not in visit(client, "/").text
    visit(client, f"/incidents/{factories.only(Incident).id}", status=404)


def test_an_update_is_posted_in_place(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=ago(60))
    path = f"/manage/incidents/{incident_id}/updates"
    form = visit(editor, f"/manage/incidents/{incident_id}").form("Post update")
    refused = editor.post(path, data=form.fill(state="MONITORING").data(), headers=HTMX)
    assert refused.status_code == 422
    fragment = Page(editor, refused, fragment=True)
    assert fragment.texts("#e-text") == ["This field is needed."]
    assert fragment.form("Post update")["state"] == ["MONITORING"]
    posted = editor.post(path, data=form.fill(text="Better <script>x</script>").data(), headers=HTMX)
    fragment = Page(editor, posted, fragment=True)
    assert (fragment.texts(".flash"), story(fragment)) == (["Posted. Visitors see it now."], ["Monitoring"])
    assert fragment.form("Post update")["text"] == [""]
    assert "<script" not in fragment.html
    page = visit(editor, f"/manage/incidents/{incident_id}").form("Post update")
    page = page.fill(text="Over.", state="RESOLVED").submit()
    assert (story(page), facts(page)["State"]) == (["Resolved", "Monitoring"], "Resolved")
    assert factories.only(Incident).end_at == factories.every(IncidentUpdate)[1].at


def test_o3_resolving_while_the_alert_is_triggered_is_asked_for_first(editor: FlaskClient) -> None:
    incident_id = automatic()
    form = visit(editor, f"/manage/incidents/{incident_id}").form("Post update")
    assert "confirm" not in form.fields
    page = form.fill(text="Over.", state="RESOLVED").submit(status=422)
    assert "is still TRIGGERED: the next failing check opens the incident again" in page.texts("#e-confirm")[0]
    assert factories.only(Incident).state == "INVESTIGATING"
    page = page.form("Post update").fill(confirm=True).submit()
    assert story(page) == ["Resolved", "Investigating"]
    assert "Resolved by hand while alert" in page.text
    assert factories.only(Alert).alert_status == "TRIGGERED"
    factories.observe("api", "DOWN", start=clock.epoch())
    page = visit(editor, f"/manage/incidents/{incident_id}")
    assert story(page) == ["Investigating", "Resolved", "Investigating"]
    assert "Resolved by hand" not in page.text


def test_o3_once_the_alert_has_resolved_nothing_is_asked(editor: FlaskClient) -> None:
    incident_id = automatic()
    factories.observe("api", "UP")
    page = visit(editor, f"/manage/incidents/{incident_id}").form("Post update")
    assert story(page.fill(text="What we learned.", state="RESOLVED").submit())[0] == "Resolved"


@pytest.mark.usefixtures("berlin")
def test_o6_correcting_and_deleting_updates_retells_state_and_end(editor: FlaskClient) -> None:
    incident_id = factories.make_incident(start=int(utc(2026, 7, 1, 8).timestamp()))
    for state, hour in (("IDENTIFIED", 9), ("RESOLVED", 10)):
        factories.post(incident_id, state, at=int(utc(2026, 7, 1, hour).timestamp()))
    first, last = factories.every(IncidentUpdate)
    page = visit(editor, f"/manage/incidents/{incident_id}/updates/{last.id}/edit")
    assert page.form("Save")["at"] == ["2026-07-01T12:00:00"]
    assert page.form("Save").fill(text=" ").submit(status=422).texts("#e-text") == ["This field is needed."]
    page.form("Save").fill(at="2026-07-01T13:15", text="Later.").submit()
    assert factories.only(Incident).end_at == utc(2026, 7, 1, 11, 15)
    page = visit(editor, f"/manage/incidents/{incident_id}/updates/{last.id}/delete")
    assert "Resolved, 1 Jul, 13:15:00 CEST : “Later.”" in page.text
    page = page.form("Delete update").submit()
    assert (story(page), facts(page)["State"]) == (["Identified"], "Identified")
    assert factories.only(Incident).end_at is None
    other = factories.make_incident(start=ago(5), title="Other")
    visit(editor, f"/manage/incidents/{other}/updates/{first.id}/edit", status=404)


def test_o4_deleting_an_incident_leaves_its_alert_with_a_note(editor: FlaskClient) -> None:
    incident_id = automatic()
    page = visit(editor, f"/manage/incidents/{incident_id}").click("Delete…")
    assert "stays TRIGGERED, without an incident, until it resolves" in page.text
    page = page.form("Delete incident").submit()
    assert (page.url, factories.count(Incident), factories.count(IncidentUpdate)) == ("/manage/incidents", 0, 0)
    alert = factories.only(Alert)
    assert alert.alert_status == "TRIGGERED"
    log = visit(editor, f"/manage/alerts/{alert.config_id}/log").text
    assert f"Incident {incident_id} was deleted by editor@example.com" in log
