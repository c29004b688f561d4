"""The API's monitors."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from kener.db import db
from tests.support.api import Api

API = {"tag": "shop", "name": "Shop", "monitor_type": "API", "type_data": {"url": "https://shop.example.com/health"}}
MANUAL = {"tag": "office", "name": "Office", "monitor_type": "NONE"}


def test_a_new_monitor_comes_back_with_its_defaults(api: Api) -> None:
    monitor = api.post("/monitors", API)["monitor"]
    assert monitor["status"] == "ACTIVE"
    assert monitor["is_hidden"] == "NO"
    assert (monitor["interval_seconds"], monitor["cron"]) == (60, None)
    assert monitor["category_name"] == "Home"
    assert (monitor["current_status"], monitor["latency_ms"]) == ("NO_DATA", None)
    assert monitor["type_data"]["url"] == "https://shop.example.com/health"
    assert monitor["type_data"]["timeout"] == 10_000
    assert monitor["created_at"].endswith("Z")
    assert api.get("/monitors/shop")["monitor"] == monitor


def test_the_list_is_filtered_and_paged(api: Api) -> None:
    api.post("/monitors", API)
    api.post("/monitors", MANUAL | {"status": "INACTIVE", "category_name": "Rooms", "is_hidden": "YES"})

    def tags(**filters: object) -> list[str]:
        return [monitor["tag"] for monitor in api.get("/monitors", **filters)["monitors"]]

    assert tags() == ["shop", "office"]
    assert tags(status="INACTIVE") == ["office"]
    assert tags(category_name="Home") == ["shop"]
    assert tags(monitor_type="NONE") == ["office"]
    assert tags(is_hidden="NO") == ["shop"]
    assert tags(status="ACTIVE", monitor_type="NONE") == []
    second = api.get("/monitors", page=2, limit=1)
    assert [monitor["tag"] for monitor in second["monitors"]] == ["office"]
    assert (second["page"], second["limit"], second["total"]) == (2, 1, 2)


def test_a_change_of_one_field_leaves_the_others_alone(api: Api) -> None:
    before = api.post("/monitors", API | {"description": "Where we sell", "is_hidden": True})["monitor"]
    after = api.patch("/monitors/shop", {"name": "The shop"})["monitor"]
    assert after | {"updated_at": ""} == before | {"name": "The shop", "updated_at": ""}


def test_settings_are_merged_field_by_field(api: Api) -> None:
    api.post("/monitors", API | {"type_data": API["type_data"] | {"timeout": 2000}})
    data = api.patch("/monitors/shop", {"type_data": {"method": "HEAD"}})["monitor"]["type_data"]
    assert (data["method"], data["timeout"], data["url"]) == ("HEAD", 2000, "https://shop.example.com/health")


def test_a_new_type_starts_from_its_own_settings(api: Api) -> None:
    api.post("/monitors", API)
    monitor = api.patch("/monitors/shop", {"monitor_type": "NONE"})["monitor"]
    assert monitor["type_data"] == {"overrideWithLastKnownStatus": False}
    assert api.refused("PATCH", "/monitors/shop", {"monitor_type": "API"}).keys() == {"type_data.url"}


def test_an_interval_replaces_a_cron_expression_and_the_reverse(api: Api) -> None:
    api.post("/monitors", MANUAL)
    monitor = api.patch("/monitors/office", {"cron": "*/5 * * * *"})["monitor"]
    assert (monitor["cron"], monitor["interval_seconds"]) == ("*/5 * * * *", None)
    monitor = api.patch("/monitors/office", {"interval_seconds": 30})["monitor"]
    assert (monitor["cron"], monitor["interval_seconds"]) == (None, 30)
    both = {"cron": "*/5 * * * *", "interval_seconds": 30}
    assert api.refused("PATCH", "/monitors/office", both).keys() == {"cron"}


def test_a_heartbeat_tells_its_address_once_and_that_address_works(api: Api, client: FlaskClient) -> None:
    monitor = api.post("/monitors", {"tag": "backup", "name": "Backup", "monitor_type": "HEARTBEAT"})["monitor"]
    assert monitor["heartbeat_url"].startswith("http://localhost/ext/heartbeat/backup/")
    assert api.get("/monitors/backup")["monitor"]["heartbeat_url"] is None
    assert api.patch("/monitors/backup", {"name": "Nightly backup"})["monitor"]["heartbeat_url"] is None
    assert "secret" not in str(api.get("/monitors/backup")).lower()
    assert client.post(monitor["heartbeat_url"]).status_code < 300
    assert api.get("/monitors/backup")["monitor"]["current_status"] == "UP"


def test_a_heartbeat_takes_a_secret_of_ones_own(api: Api) -> None:
    api.post("/monitors", {"tag": "backup", "name": "Backup", "monitor_type": "HEARTBEAT"})
    change = {"type_data": {"secretString": "a-secret-of-my-own-choice"}}
    url = api.patch("/monitors/backup", change)["monitor"]["heartbeat_url"]
    assert url == "http://localhost/ext/heartbeat/backup/a-secret-of-my-own-choice"


def test_a_deleted_monitor_is_gone(api: Api) -> None:
    api.post("/monitors", MANUAL)
    assert "office" in api.delete("/monitors/office")["message"]
    for method in ("GET", "DELETE"):
        assert api.send(method, "/monitors/office", expect=404)["error"]["code"] == "NOT_FOUND"
    api.patch("/monitors/office", {"name": "x"}, expect=404)
    assert "was deleted" in api.refused("POST", "/monitors", MANUAL)["tag"]
    assert [one["tag"] for one in api.get("/deleted-monitors")["deleted_monitors"]] == ["office"]
    assert api.post("/deleted-monitors/office/restore", expect=200)["monitor"]["tag"] == "office"
    api.delete("/monitors/office")
    api.delete("/deleted-monitors/office")
    api.delete("/deleted-monitors/office", expect=404)
    api.post("/monitors", MANUAL)


def test_monitors_are_labelled_and_found_by_label(api: Api) -> None:
    api.post("/monitors", MANUAL | {"labels": ["eu", "shop", "eu"]})
    assert api.get("/monitors/office")["monitor"]["labels"] == ["eu", "shop"]
    assert api.get("/monitors", label="shop")["total"] == 1
    assert api.get("/monitors", label="us")["total"] == 0
    assert api.patch("/monitors/office", {"name": "Head office"})["monitor"]["labels"] == ["eu", "shop"]
    assert api.patch("/monitors/office", {"labels": []})["monitor"]["labels"] == []
    assert api.refused("PATCH", "/monitors/office", {"labels": ["a,b"]}).keys() == {"labels.0"}


def test_a_heartbeat_is_cloned_with_an_address_of_its_own(api: Api) -> None:
    made = api.post("/monitors", {"tag": "job", "name": "Job", "monitor_type": "HEARTBEAT"})["monitor"]
    copy = api.post("/monitors/job/clone", {"tag": "copy", "name": "Copy"})["monitor"]
    assert copy["status"] == "INACTIVE"
    assert copy["heartbeat_url"] not in (None, made["heartbeat_url"])
    assert api.refused("POST", "/monitors/job/clone", {"tag": "job", "name": "Copy"}).keys() == {"tag"}
    api.post("/monitors/nobody/clone", {"tag": "third", "name": "Third"}, expect=404)


def test_a_tag_is_taken_once_and_never_changes(api: Api) -> None:
    api.post("/monitors", MANUAL)
    assert api.refused("POST", "/monitors", MANUAL).keys() == {"tag"}
    assert api.refused("PATCH", "/monitors/office", {"tag": "bureau"}).keys() == {"tag"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tag": "Shop"}, "tag"),
        ({"tag": 7}, "tag"),
        ({"tag": "x" * 300}, "tag"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": ["Shop"]}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "half a pair \ud800"}, "name"),
        ({"status": "PAUSED"}, "status"),
        ({"is_hidden": "MAYBE"}, "is_hidden"),
        ({"monitor_type": "PIGEON"}, "monitor_type"),
        ({"default_status": "MAINTENANCE"}, "default_status"),
        ({"interval_seconds": 9}, "interval_seconds"),
        ({"interval_seconds": "often"}, "interval_seconds"),
        ({"interval_seconds": 10**30}, "interval_seconds"),
        ({"cron": "* * *"}, "cron"),
        ({"external_url": "javascript:alert(1)"}, "external_url"),
        ({"category_name": ""}, "category_name"),
        ({"type_data": "url"}, "type_data"),
        ({"type_data": {"url": "ftp://example.com"}}, "type_data.url"),
        ({"type_data": {"url": "https://example.com", "eval": "true"}}, "type_data.eval"),
        ({"type_data": {"url": "https://example.com", "timeout": 1}}, "type_data.timeout"),
        ({"type_data": {"url": "https://example.com", "headers": [{"key": "a b"}]}}, "type_data.headers.0.key"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_what_cannot_be_accepted_is_named(api: Api, given: dict[str, object], field: str) -> None:
    assert api.refused("POST", "/monitors", API | given).keys() == {field}
    assert api.get("/monitors")["total"] == 0


def test_fields_of_the_original_are_accepted_where_they_change_nothing(api: Api) -> None:
    harmless = {"include_degraded_in_downtime": "NO", "monitor_settings_json": None}
    assert not api.post("/monitors", MANUAL | harmless)["monitor"].keys() & harmless.keys()
    for field, value in (
        ("include_degraded_in_downtime", "YES"),
        ("monitor_settings_json", {"uptime_formula_numerator": "up"}),
    ):
        assert "This version" in api.refused("PATCH", "/monitors/office", {field: value})[field]


def test_one_threshold_stands_for_both_numbers_of_confirmations(api: Api) -> None:
    both = ("failure_confirmations", "recovery_confirmations", "confirmation_threshold")
    monitor = api.post("/monitors", MANUAL | {"confirmation_threshold": 3, "retries": 2})["monitor"]
    assert [monitor[name] for name in both] == [3, 3, 3]
    assert (monitor["retries"], monitor["retry_delay_ms"]) == (2, 1_000)
    monitor = api.patch("/monitors/office", {"recovery_confirmations": 5})["monitor"]
    assert [monitor[name] for name in both] == [3, 5, 3]
    monitor = api.patch("/monitors/office", {"confirmation_threshold": 4, "failure_confirmations": 2})["monitor"]
    assert [monitor[name] for name in both] == [2, 4, 2]
    monitor = api.patch("/monitors/office", {"confirmation_threshold": None, "name": "Here"})["monitor"]
    assert [monitor[name] for name in both] == [2, 4, 2]
    for name in both:
        assert api.refused("PATCH", "/monitors/office", {name: 61}).keys() == {name}
    assert api.refused("PATCH", "/monitors/office", {"retries": 6, "retry_delay_ms": 99}).keys() == {
        "retries",
        "retry_delay_ms",
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "PAUSED"}, "status"),
        ({"page": 0}, "page"),
        ({"limit": 1001}, "limit"),
        ({"page": "first"}, "page"),
        ({"page": 10**40}, "page"),
        ({"colour": "green"}, "colour"),
        ({"category_name": "a\0b"}, "category_name"),
        ({"status": ["ACTIVE", "INACTIVE"]}, "status"),
    ],
)
def test_a_query_that_cannot_be_understood_is_refused(api: Api, query: dict[str, object], field: str) -> None:
    assert api.refused("GET", "/monitors", query_string=query).keys() == {field}


@pytest.mark.parametrize("tag", ["nope", "NOPE", "%00", "a%20b", "x" * 300, "%F0%9F%98%80", "%ff", "-", "a'--"])
def test_what_is_no_tag_of_ours_is_not_found(api: Api, tag: str) -> None:
    for path in (f"/monitors/{tag}", f"/monitors/{tag}/data?start_ts=0&end_ts=60", f"/monitors/{tag}/data/60"):
        assert api.get(path, expect=404)["error"]["code"] == "NOT_FOUND"


def test_of_two_changes_at_once_none_is_lost_in_silence(api: Api) -> None:
    """A change is merged over what was read; when that is no longer what is stored, it is sent back."""
    api.post("/monitors", MANUAL)

    def change(field: str) -> str:
        kept = ""
        for number in range(10):
            answer = api.request("PATCH", "/monitors/office", json={field: f"{field} {number}"})
            assert answer.status_code in (200, 409)
            kept = f"{field} {number}" if answer.status_code == 200 else kept
        return kept

    with ThreadPoolExecutor(2) as threads:
        name, description = threads.map(change, ("name", "description"))
    monitor = api.get("/monitors/office")["monitor"]
    assert (monitor["name"], monitor["description"]) == (name, description)


def test_a_damaged_row_does_not_take_the_others_down(api: Api) -> None:
    api.post("/monitors", API)
    api.post("/monitors", MANUAL)
    db.session.execute(text("""UPDATE monitor SET type_data = '"gone"' WHERE tag = 'shop'"""))
    db.session.commit()
    assert [monitor["type_data"] for monitor in api.get("/monitors")["monitors"]] == [
        {},
        {"overrideWithLastKnownStatus": False},
    ]
    assert api.refused("PATCH", "/monitors/shop", {"name": "Shop 2"}).keys() == {"type_data.url"}
    api.patch("/monitors/shop", {"type_data": API["type_data"]})
