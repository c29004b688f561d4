"""The API's maintenance and its events."""

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.api import Api
from tests.support.statements import counted

NOW = int(time.time())
SOON = NOW - NOW % 60 + 7200
DAY = 86_400
ONCE = "FREQ=MINUTELY;COUNT=1"


@pytest.fixture
def office(api: Api) -> str:
    api.post("/monitors", {"tag": "office", "name": "Office", "monitor_type": "NONE"})
    return "office"


def plan(api: Api, **given: object) -> dict[str, Any]:
    body = {"title": "Patches", "start_date_time": SOON, "rrule": ONCE, "duration_seconds": 3600}
    return api.post("/maintenances", body | given)["maintenance"]  # type: ignore[no-any-return]


def events(api: Api, maintenance_id: int) -> list[dict[str, Any]]:
    return api.get(f"/maintenances/{maintenance_id}/events")["events"]  # type: ignore[no-any-return]


def test_what_the_original_calls_once_is_once(api: Api, office: str) -> None:
    made = plan(api, monitors=[{"monitor_tag": office, "impact": "DEGRADED"}])
    assert (made["rrule"], made["status"], made["is_global"], made["timezone"]) == (ONCE, "ACTIVE", "YES", "UTC")
    assert made["monitors"] == [{"monitor_tag": "office", "monitor_name": "Office", "impact": "DEGRADED"}]
    assert (made["reminders"], made["exdates"]) == ([1440, 60], [])
    assert made["notices"] == ["reminder", "started", "ended", "rescheduled", "cancelled"]
    assert made["url"] == f"http://localhost/maintenances/{made['id']}"
    [event] = events(api, made["id"])
    assert (event["start_date_time"], event["end_date_time"], event["status"]) == (SOON, SOON + 3600, "READY")
    assert event["monitors"] == made["monitors"] and event["title"] == "Patches"
    assert api.get(f"/maintenances/{made['id']}")["maintenance"] == made


def test_ten_times_is_ten_and_the_zone_keeps_the_time_of_day(api: Api) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    made = plan(api, rrule="FREQ=WEEKLY;COUNT=10", timezone="Europe/Berlin", start_date_time=SOON)
    assert made["schedule"].endswith(
        f"at {datetime.fromtimestamp(SOON, berlin):%H:%M}, Europe/Berlin, for 1 hour, 10 times"
    )
    found = [datetime.fromtimestamp(one["start_date_time"], berlin) for one in events(api, made["id"])]
    assert len(found) == 10 and len({f"{at:%a %H:%M}" for at in found}) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [({"title": ""}, "title"), ({"start_date_time": "soon"}, "start_date_time"), ({"duration_seconds": 0}, "duration_seconds"),
     ({"rrule": "FREQ=HOURLY"}, "rrule"), ({"rrule": "FREQ=MINUTELY;COUNT=10"}, "rrule"), ({"timezone": "Mars"}, "timezone"),
     ({"status": "GONE"}, "status"), ({"monitors": [{"monitor_tag": "nope"}]}, "monitors"),
     ({"monitors": [{"monitor_tag": "office", "impact": "NO_DATA"}]}, "monitors.0.impact"), ({"is_global": "NO"}, "monitors"),
     ({"exdates": ["soon"]}, "exdates.0"), ({"start_at": 1}, "start_at"),
     ({"rrule": "FREQ=DAILY", "duration_seconds": 200_000}, "duration_seconds")],
)  # fmt: skip
def test_a_mistake_is_named_by_its_field(api: Api, office: str, given: dict[str, object], field: str) -> None:
    body = {"title": "Patches", "start_date_time": SOON} | given
    assert set(api.refused("POST", "/maintenances", body)) == {field}
    assert api.get("/maintenances")["total"] == 0


def test_a_change_of_one_field_leaves_the_others_and_the_events_alone(api: Api, office: str) -> None:
    made = plan(api, rrule="FREQ=DAILY", monitors=[{"monitor_tag": office}], description="Short.")
    before = events(api, made["id"])
    after = api.patch(f"/maintenances/{made['id']}", {"title": "Disks"})["maintenance"]
    assert after | {"updated_at": ""} == made | {"title": "Disks", "updated_at": ""}
    assert [one | {"title": ""} for one in events(api, made["id"])] == [one | {"title": ""} for one in before]
    api.patch(f"/maintenances/{made['id']}", {"rrule": "FREQ=WEEKLY;COUNT=3"})
    assert len(events(api, made["id"])) == 3
    gone = api.patch(f"/maintenances/{made['id']}", {"status": "INACTIVE"})["maintenance"]
    assert gone["status"] == "INACTIVE" and events(api, made["id"]) == []


def test_an_event_is_started_extended_and_ended(api: Api) -> None:
    made = plan(api, rrule="FREQ=DAILY")
    first = f"/maintenances/{made['id']}/events/{events(api, made['id'])[0]['id']}"
    started = api.patch(first, {"status": "ONGOING"})["event"]
    assert started["status"] == "ONGOING" and started["start_date_time"] <= time.time()
    assert started["end_date_time"] - started["start_date_time"] == 3600 and started["occurrence_date_time"] == SOON
    longer = api.patch(first, {"end_date_time": started["end_date_time"] + 900})["event"]
    assert longer["end_date_time"] == started["end_date_time"] + 900
    both = {"start_date_time": started["start_date_time"], "end_date_time": started["end_date_time"]}
    assert api.patch(first, both)["event"]["end_date_time"] == started["end_date_time"]
    assert api.refused("PATCH", first, {"start_date_time": SOON, "end_date_time": SOON + 60}) == {
        "start_date_time": "It has begun: only its end can change."
    }
    assert api.patch(first, {"status": "COMPLETED"})["event"]["status"] == "COMPLETED"
    assert (
        api.send("PATCH", first, expect=422, json={"status": "COMPLETED"})["error"]["message"]
        == "It is over, and stays as it was."
    )


def test_an_event_is_moved_cancelled_and_deleted(api: Api) -> None:
    made = plan(api, rrule="FREQ=DAILY;COUNT=3")
    base = f"/maintenances/{made['id']}/events"
    one, two, three = (event["id"] for event in events(api, made["id"]))
    moved = api.patch(f"{base}/{one}", {"start_date_time": SOON + 3600, "end_date_time": SOON + 5400})["event"]
    assert (moved["start_date_time"], moved["occurrence_date_time"]) == (SOON + 3600, SOON)
    assert set(api.refused("PATCH", f"{base}/{one}", {"status": "CANCELLED", "end_date_time": SOON})) == {"status"}
    assert set(api.refused("PATCH", f"{base}/{one}", {"start_date_time": SOON})) == {"end_date_time"}
    assert set(api.refused("PATCH", f"{base}/{one}", {"start_date_time": 60, "end_date_time": 120})) == {
        "start_date_time"
    }
    assert set(api.refused("PATCH", f"{base}/{one}", {"status": "READY"})) == {"status"}
    assert api.patch(f"{base}/{two}", {"status": "CANCELLED"})["event"]["status"] == "CANCELLED"
    assert api.delete(f"{base}/{three}") == {"message": f"The event {three} was deleted."}
    assert [event["id"] for event in events(api, made["id"])] == [one, two]
    assert api.get(f"/maintenances/{made['id']}")["maintenance"]["exdates"] == [SOON + 2 * DAY]
    api.get(f"{base}/{three}", expect=404)
    other = plan(api)["id"]
    for method, json in (("GET", None), ("PATCH", {"status": "CANCELLED"}), ("DELETE", None)):
        api.send(method, f"/maintenances/{other}/events/{one}", expect=404, json=json)


def test_lists_are_filtered_and_paged(api: Api, office: str) -> None:
    past = plan(api, title="Past", start_date_time=NOW - 2 * DAY)["id"]
    running = plan(api, title="Running", start_date_time=NOW - 60, monitors=[{"monitor_tag": office}])["id"]
    daily = plan(api, title="Daily", rrule="FREQ=DAILY", status="ACTIVE")["id"]
    gone = plan(api, title="Gone", status="INACTIVE")["id"]

    def ids(**query: object) -> list[int]:
        return [one["id"] for one in api.get("/maintenances", **query)["maintenances"]]

    assert ids() == [gone, daily, running, past] and ids(limit=1, page=2) == [daily]
    assert ids(status="INACTIVE") == [gone] and ids(monitor_tag=office) == [running]

    def of(**query: object) -> list[int]:
        return [one["maintenance_id"] for one in api.get("/maintenances/events", **query)["events"]]

    # What runs is among what is to come.
    assert of()[:2] == [running, daily] and len(of()) == 20
    assert of(event_start_date_time=0)[:2] == [past, running]
    assert of(event_status="ONGOING") == [running] and of(monitors="nope, office") == [running]
    assert of(event_status="COMPLETED", event_start_date_time=0) == [past]
    assert set(of(maintenance_id=daily)) == {daily}
    assert set(of(event_status="READY")) == {daily}
    assert api.get("/maintenances/events", limit=1)["total"] > 80


def test_a_list_asks_a_fixed_number_of_questions(api: Api, office: str) -> None:
    numbers = []
    for more in (1, 4):
        for _ in range(more):
            plan(api, monitors=[{"monitor_tag": office}])
        with counted() as statements:
            api.get("/maintenances")
            api.get("/maintenances/events")
        numbers.append(len(statements))
    assert numbers[0] == numbers[1]


def test_a_deleted_maintenance_is_gone(api: Api) -> None:
    made = plan(api)["id"]
    assert api.delete(f"/maintenances/{made}") == {"message": f"The maintenance {made} was deleted."}
    for path in (f"/maintenances/{made}", f"/maintenances/{made}/events"):
        api.get(path, expect=404)
    assert api.get("/maintenances/events")["total"] == 0
