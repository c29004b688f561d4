"""Merging and splitting where it is done and seen: management pages, the old address, feeds, API. Contract: X4."""

from collections.abc import Callable

import feedparser
import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.domain.inputs import IncidentInput
from kener.models import Incident
from kener.services import incidents
from tests.factories import SAM, every, make_configuration, make_incident, make_monitor, observe, post
from tests.support.api import Api
from tests.support.pages import Page
from tests.support.pages import visit as open_page

HTMX = {"HX-Request": "true"}
Visit = Callable[..., Page]


@pytest.fixture
def web_and_api(app: object) -> tuple[int, int]:
    """Two automatic incidents, a minute apart."""
    for number, tag in enumerate(("web", "api")):
        make_monitor(tag)
        make_configuration(tag, failure_threshold=1, success_threshold=1, create_incident=True)
        observe(tag, "DOWN", start=clock.epoch() - 600 + 60 * number)
    web, api = (incident.id for incident in every(Incident))
    return web, api


def facts(page: Page) -> dict[str, str]:
    return dict(zip(page.texts(".facts dt"), page.texts(".facts dd"), strict=True))


def test_x4_an_operator_looks_for_the_other_one_is_told_what_will_happen_and_merges(
    editor: FlaskClient, visit: Visit, web_and_api: tuple[int, int]
) -> None:
    web, api = web_and_api
    make_incident(title="Old news", start=clock.epoch() - 7200)
    page = open_page(editor, f"/manage/incidents/{api}").click("Merge into…")
    assert page.texts("td.head a") == ["Web STATUS: DOWN", "Old news"]
    assert page.form("Search").fill(q="web").submit().texts("td.head a") == ["Web STATUS: DOWN"]
    assert page.form("Search").fill(q=str(web)).submit().texts("td.head a") == ["Web STATUS: DOWN"]
    assert "No other incident matches." in page.form("Search").fill(q="%").submit().text
    asked = page.click(f"Merge into {web}…")
    assert asked.heading == f"Merge incident {api} into incident {web}"
    for words in (
        "1 update moves into its timeline",
        "Api is added to its affected monitors.",
        "1 alert is linked to it.",
        f"The address of incident {api} leads to incident {web}",
    ):
        assert words in asked.text
    assert {incident.merged_into_id for incident in every(Incident)} == {None}
    page = asked.form(f"Merge into incident {web}").submit()
    assert page.url == f"/manage/incidents/{web}"
    assert page.texts(".flash") == [f"Incident {api} goes on here. Its old address leads to this incident."]
    assert facts(page)["Merged"] == f"{api}, Api STATUS: DOWN"
    assert [head.endswith(f", from incident {api}") for head in page.texts(".entry-head > .soft")] == [True, False]
    assert page.texts("#story a[href*='/manage/monitors/']") == ["Web", "Api"]
    listed = open_page(editor, "/manage/incidents").texts("td.head a")
    assert "Api STATUS: DOWN" not in listed and "Web STATUS: DOWN" in listed
    assert "Api STATUS: DOWN" not in visit("/").texts("h3 a")
    assert "Api STATUS: DOWN" not in visit("/monitors/api").text and "Web STATUS: DOWN" in visit("/monitors/api").text


def test_x4_the_old_address_leads_on_as_long_as_it_is_merged(
    client: FlaskClient, editor: FlaskClient, web_and_api: tuple[int, int]
) -> None:
    web, api = web_and_api
    links = {entry.id: entry.link for entry in feedparser.parse(client.get("/atom.xml").data).entries}
    open_page(editor, f"/manage/incidents/{api}/merge?into={web}").form(f"Merge into incident {web}").submit()
    for path in ("/incidents", "/manage/incidents"):
        response = (client if path == "/incidents" else editor).get(f"{path}/{api}")
        assert (response.status_code, response.location) == (301, f"{path}/{web}")
        assert response.headers["Cache-Control"] in ("no-cache", "no-store")
    assert client.get(f"/incidents/{api}", headers=HTMX).status_code == 301
    now = {entry.id: entry.link for entry in feedparser.parse(client.get("/atom.xml").data).entries}
    assert now.keys() == links.keys() and {link.partition("#")[2] for link in now.values()} == {
        link.partition("#")[2] for link in links.values()
    }
    shown = open_page(client, f"/incidents/{api}")
    assert shown.url == f"/incidents/{web}"
    assert all(shown.one(f"#{link.partition('#')[2]}") for link in links.values())
    edited = IncidentInput(title="Secret", start_at=clock.now(), is_private=True)
    incidents.update(web, edited, actor=SAM)
    assert client.get(f"/incidents/{api}").status_code == 404
    assert editor.get(f"/incidents/{api}").status_code == 301


def test_x4_what_is_sent_from_a_page_that_was_open_meanwhile_changes_nothing(
    editor: FlaskClient, web_and_api: tuple[int, int]
) -> None:
    web, api = web_and_api
    late = open_page(editor, f"/manage/incidents/{api}").form("Post update").fill(text="Late.", state="RESOLVED")
    open_page(editor, f"/manage/incidents/{api}/merge?into={web}").form(f"Merge into incident {web}").submit()
    page = late.submit()
    assert page.url == f"/manage/incidents/{web}"
    assert page.texts(".flash") == [f"Incident {api} was merged into this one meanwhile. Nothing was changed."]
    answer = editor.post(f"/manage/incidents/{api}/updates", data=late.data(), headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"/manage/incidents/{web}")
    assert "Late." not in open_page(editor, f"/manage/incidents/{web}").text


def test_x4_an_operator_splits_it_again(editor: FlaskClient, visit: Visit, web_and_api: tuple[int, int]) -> None:
    web, api = web_and_api
    open_page(editor, f"/manage/incidents/{api}/merge?into={web}").form(f"Merge into incident {web}").submit()
    page = open_page(editor, f"/manage/incidents/{web}").click("Split…")
    form = page.form("Split")
    assert form.submit(status=422).texts(".error") == ["Choose at least one."]
    refused = form.fill(monitor_tags=["web", "api"]).submit(status=422)
    assert refused.texts(".error") == ["Leave at least one monitor in the incident."]
    page = refused.form("Split").fill(monitor_tags=["api"]).submit()
    assert (page.url, page.heading) == (f"/manage/incidents/{api}", "Api STATUS: DOWN")
    assert visit(f"/incidents/{api}").heading == "Api STATUS: DOWN"
    assert "Split…" not in page.text


def test_x4_a_refusal_is_said_above_the_list(editor: FlaskClient, web_and_api: tuple[int, int]) -> None:
    web, api = web_and_api
    form = open_page(editor, f"/manage/incidents/{api}/merge?into={web}").form(f"Merge into incident {web}")
    post(api, "MONITORING")
    incidents.update(web, IncidentInput(title="Secret", start_at=clock.now(), is_private=True), actor=SAM)
    page = form.submit(status=422)
    assert page.texts(".flash") == ["One of them is for operators only. Make both private, or both public, first."]
    assert not page.texts("td.head a")
    for into in ("99", str(api), "x", "9" * 30):
        open_page(editor, f"/manage/incidents/{api}/merge", status=404, query_string={"into": into})


def test_x4_the_api_merges_and_splits(api: Api, web_and_api: tuple[int, int]) -> None:
    one, other = web_and_api
    merged = api.post(f"/incidents/{other}/merge", {"into_id": one}, expect=200)["incident"]
    assert (merged["id"], [monitor["monitor_tag"] for monitor in merged["monitors"]]) == (one, ["web", "api"])
    assert [row["id"] for row in api.get("/incidents")["incidents"]] == [one]
    assert api.get(f"/incidents/{other}")["incident"]["merged_into_id"] == one
    [comment] = api.get(f"/incidents/{other}/comments")["comments"]
    assert comment["incident_id"] == one
    assert api.get(f"/incidents/{other}/comments/{comment['id']}")["comment"] == comment
    answer = api.send("POST", f"/incidents/{other}/comments", expect=409, json={"comment": "x", "state": "RESOLVED"})
    assert answer["error"]["message"] == f"Incident {other} was merged into incident {one}. Go on there."
    assert api.send("PATCH", f"/incidents/{other}", expect=409, json={"title": "x"})
    assert api.send("DELETE", f"/incidents/{other}", expect=409)
    assert api.refused("POST", f"/incidents/{one}/merge", {"into_id": other}).keys() == {"into_id"}
    assert api.refused("POST", f"/incidents/{one}/split", {}).keys() == {"monitor_tags"}
    assert api.refused("POST", f"/incidents/{one}/split", {"incident_ids": [99]}).keys() == {"incident_ids"}
    back = api.post(f"/incidents/{one}/split", {"monitor_tags": ["api"]}, expect=200)["incident"]
    assert (back["id"], back["merged_into_id"], back["incident_source"]) == (other, None, "ALERT")
    api.send("POST", "/incidents/99/merge", expect=404, json={"into_id": one})
