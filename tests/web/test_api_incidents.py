"""The API's incidents and their comments."""

import time
from typing import Any

import pytest

from tests.support.api import Api

NOW = int(time.time())
START = NOW - 3600


@pytest.fixture
def office(api: Api) -> str:
    api.post("/monitors", {"tag": "office", "name": "Office", "monitor_type": "NONE"})
    return "office"


def open_incident(api: Api, **given: object) -> dict[str, Any]:
    return api.post("/incidents", {"title": "Lights out", "start_date_time": START} | given)["incident"]  # type: ignore[no-any-return]


def comment(api: Api, incident: int, state: str, *, at: int | None = None, text: str = "News.") -> dict[str, Any]:
    body: dict[str, object] = {"comment": text, "state": state} | ({"timestamp": at} if at else {})
    return api.post(f"/incidents/{incident}/comments", body)["comment"]  # type: ignore[no-any-return]


def test_an_incident_is_opened_by_the_api(api: Api, office: str) -> None:
    incident = open_incident(api, monitors=[{"monitor_tag": office, "impact": "DEGRADED"}])
    assert (incident["state"], incident["status"]) == ("INVESTIGATING", "OPEN")
    assert (incident["start_date_time"], incident["end_date_time"]) == (START, None)
    assert (incident["incident_type"], incident["incident_source"]) == ("INCIDENT", "API")
    assert incident["monitors"] == [{"monitor_tag": "office", "monitor_name": "Office", "impact": "DEGRADED"}]
    assert incident["url"] == f"http://localhost/incidents/{incident['id']}"
    assert api.get(f"/incidents/{incident['id']}")["incident"] == incident
    assert api.get(f"/incidents/{incident['id']}/comments")["comments"] == []


def test_an_incident_that_is_over_is_written_down_with_its_end(api: Api) -> None:
    incident = open_incident(api, end_date_time=START + 600)
    assert (incident["state"], incident["end_date_time"]) == ("RESOLVED", START + 600)


def test_the_list_is_filtered_and_paged_newest_first(api: Api, office: str) -> None:
    old = open_incident(api, title="Old", start_date_time=START - 7200)["id"]
    new = open_incident(api, title="New", monitors=[{"monitor_tag": office}])["id"]

    def ids(**filters: object) -> list[int]:
        return [incident["id"] for incident in api.get("/incidents", **filters)["incidents"]]

    assert ids() == [new, old]
    assert ids(monitor_tags="nope, office") == [new]
    assert ids(monitor_tags="nope") == []
    assert ids(start_ts=START) == [new]
    assert ids(end_ts=START) == [old]
    assert ids(start_ts=START - 7200, end_ts=START + 1) == [new, old]
    assert ids(page=2, limit=1) == [old]
    assert api.get("/incidents", limit=1)["total"] == 2


def test_a_change_of_one_field_leaves_the_others_alone(api: Api, office: str) -> None:
    before = open_incident(api, monitors=[{"monitor_tag": office}], end_date_time=START + 60)
    after = api.patch(f"/incidents/{before['id']}", {"title": "Power cut"})["incident"]
    assert after | {"updated_at": ""} == before | {"title": "Power cut", "updated_at": ""}
    assert api.patch(f"/incidents/{before['id']}", {"monitors": []})["incident"]["monitors"] == []


def test_a_change_of_the_title_moves_no_time_by_a_fraction_of_a_second(api: Api) -> None:
    incident = open_incident(api, start_date_time=START)["id"]
    comment(api, incident, "RESOLVED")
    before = api.get(f"/incidents/{incident}/comments")["comments"]
    api.patch(f"/incidents/{incident}", {"title": "Power cut"})
    assert api.get(f"/incidents/{incident}/comments")["comments"] == before


def test_an_end_closes_an_incident_and_moves(api: Api) -> None:
    incident = open_incident(api)["id"]
    assert api.patch(f"/incidents/{incident}", {"end_date_time": START + 60})["incident"]["status"] == "CLOSED"
    moved = api.patch(f"/incidents/{incident}", {"end_date_time": START + 90})["incident"]
    assert (moved["state"], moved["end_date_time"]) == ("RESOLVED", START + 90)
    assert [c["state"] for c in api.get(f"/incidents/{incident}/comments")["comments"]] == ["RESOLVED"]


def test_an_end_is_not_taken_away_but_undone_by_a_comment(api: Api) -> None:
    incident = open_incident(api, end_date_time=START + 60)["id"]
    assert "comment" in api.refused("PATCH", f"/incidents/{incident}", {"end_date_time": None})["end_date_time"]
    comment(api, incident, "MONITORING")
    reopened = api.get(f"/incidents/{incident}")["incident"]
    assert (reopened["state"], reopened["status"], reopened["end_date_time"]) == ("MONITORING", "OPEN", None)


def test_state_and_end_follow_the_comments_in_time_order(api: Api) -> None:
    incident = open_incident(api)["id"]
    resolved = comment(api, incident, "RESOLVED", at=START + 1800)
    comment(api, incident, "IDENTIFIED", at=START + 600)
    shown = api.get(f"/incidents/{incident}")["incident"]
    assert (shown["state"], shown["end_date_time"]) == ("RESOLVED", START + 1800)
    states = [entry["state"] for entry in api.get(f"/incidents/{incident}/comments")["comments"]]
    assert states == ["IDENTIFIED", "RESOLVED"]
    api.patch(f"/incidents/{incident}/comments/{resolved['id']}", {"timestamp": START + 1200})
    assert api.get(f"/incidents/{incident}")["incident"]["end_date_time"] == START + 1200
    api.delete(f"/incidents/{incident}/comments/{resolved['id']}")
    shown = api.get(f"/incidents/{incident}")["incident"]
    assert (shown["state"], shown["end_date_time"]) == ("IDENTIFIED", None)


def test_a_comment_is_read_corrected_and_signed_with_the_name_of_the_key(api: Api) -> None:
    incident = open_incident(api)["id"]
    first = comment(api, incident, "INVESTIGATING", at=START, text="We look.")
    assert (first["author"], first["is_automatic"], first["timestamp"]) == ("deploy robot", "NO", START)
    path = f"/incidents/{incident}/comments/{first['id']}"
    assert api.get(path)["comment"] == first
    corrected = api.patch(path, {"comment": "We **look**."})["comment"]
    assert corrected | {"updated_at": ""} == first | {"comment": "We **look**.", "updated_at": ""}


def test_a_comment_belongs_to_its_incident(api: Api) -> None:
    one, other = open_incident(api)["id"], open_incident(api)["id"]
    entry = comment(api, one, "IDENTIFIED")["id"]
    api.get(f"/incidents/{other}/comments/{entry}", expect=404)
    api.patch(f"/incidents/{other}/comments/{entry}", {"comment": "x"}, expect=404)
    api.delete(f"/incidents/{other}/comments/{entry}", expect=404)
    assert api.get(f"/incidents/{one}/comments/{entry}")["comment"]["state"] == "IDENTIFIED"


def test_a_deleted_incident_is_gone_with_its_comments(api: Api) -> None:
    incident = open_incident(api)["id"]
    entry = comment(api, incident, "IDENTIFIED")["id"]
    api.delete(f"/incidents/{incident}")
    api.get(f"/incidents/{incident}", expect=404)
    api.get(f"/incidents/{incident}/comments", expect=404)
    api.get(f"/incidents/{incident}/comments/{entry}", expect=404)
    api.delete(f"/incidents/{incident}", expect=404)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 256}, "title"),
        ({"start_date_time": None}, "start_date_time"),
        ({"start_date_time": "yesterday"}, "start_date_time"),
        ({"start_date_time": True}, "start_date_time"),
        ({"start_date_time": -5}, "start_date_time"),
        ({"start_date_time": 10**18}, "start_date_time"),
        ({"start_date_time": NOW + 86_400}, "start_date_time"),
        ({"end_date_time": START}, "end_date_time"),
        ({"end_date_time": NOW + 86_400}, "end_date_time"),
        ({"end_date_time": []}, "end_date_time"),
        ({"monitors": "office"}, "monitors"),
        ({"monitors": [{"monitor_tag": "nope"}]}, "monitors"),
        ({"monitors": [{"monitor_tag": "office"}, {"monitor_tag": "office"}]}, "monitors"),
        ({"monitors": [{"monitor_tag": "office", "impact": "UP"}]}, "monitors.0.impact"),
        ({"monitors": [{"impact": "DOWN"}]}, "monitors.0.monitor_tag"),
        ({"start_at": START}, "start_at"),
        ({"state": "RESOLVED"}, "state"),
        ({"is_global": "NO"}, "is_global"),
    ],
)
def test_what_cannot_be_accepted_is_named(api: Api, office: str, given: dict[str, object], field: str) -> None:
    body = {"title": "Lights out", "start_date_time": START} | given
    assert api.refused("POST", "/incidents", body).keys() == {field}
    assert api.get("/incidents")["total"] == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"comment": " "}, "comment"),
        ({"comment": None}, "comment"),
        ({"comment": "x" * 20_001}, "comment"),
        ({"state": "OPEN"}, "state"),
        ({"state": None}, "state"),
        ({"timestamp": "now"}, "timestamp"),
        ({"timestamp": NOW + 86_400}, "timestamp"),
        ({"text": "News."}, "text"),
    ],
)
def test_what_no_comment_can_be_is_named(api: Api, given: dict[str, object], field: str) -> None:
    incident = open_incident(api)["id"]
    body = {"comment": "News.", "state": "IDENTIFIED"} | given
    assert api.refused("POST", f"/incidents/{incident}/comments", body).keys() == {field}
    entry = comment(api, incident, "IDENTIFIED")["id"]
    assert api.refused("PATCH", f"/incidents/{incident}/comments/{entry}", body).keys() == {field}


@pytest.mark.parametrize("number", ["0", "999", "-1", "x", "1.5", "9" * 30])
def test_what_is_no_incident_of_ours_is_not_found(api: Api, number: str) -> None:
    api.get(f"/incidents/{number}", expect=404)
    api.patch(f"/incidents/{number}", {"title": "x"}, expect=404)
    api.delete(f"/incidents/{number}", expect=404)
    api.post(f"/incidents/{number}/comments", {"comment": "x", "state": "IDENTIFIED"}, expect=404)
    api.get(f"/incidents/1/comments/{number}", expect=404)
