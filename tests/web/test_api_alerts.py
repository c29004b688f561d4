"""The API's alert configurations, alerts and deliveries."""

import time
from typing import Any

import pytest

from kener import clock
from kener.services import outbox
from tests.doubles.http import HttpDouble, reply
from tests.support.api import Api

NOW = int(time.time()) // 60 * 60


@pytest.fixture
def office(api: Api) -> str:
    for tag in ("office", "garage"):
        api.post("/monitors", {"tag": tag, "name": tag.capitalize(), "monitor_type": "NONE"})
    return "office"


def configure(api: Api, **given: object) -> dict[str, Any]:
    body = {"monitor_tags": ["office"], "failure_threshold": 1, "success_threshold": 1} | given
    return api.post("/alert-configurations", body)["alert_configuration"]  # type: ignore[no-any-return]


def see(api: Api, status: str, at: int, monitor: str = "office") -> None:
    api.patch(f"/monitors/{monitor}/data/{at}", {"status": status})


def test_a_configuration_comes_back_with_its_defaults(api: Api, office: str) -> None:
    configuration = api.post("/alert-configurations", {"monitor_tags": [office]})["alert_configuration"]
    assert configuration | {"id": 0, "created_at": "", "updated_at": ""} == {
        "id": 0,
        "reopen_minutes": None,
        "flapping_start": None,
        "flapping_stop": None,
        "group_minutes": None,
        "title_template": None,
        "first_update_template": None,
        "closing_update_template": None,
        "monitor_tags": ["office"],
        "alert_for": "STATUS",
        "alert_value": "DOWN",
        "uptime_window": "24h",
        "failure_threshold": 3,
        "success_threshold": 5,
        "severity": "WARNING",
        "create_incident": "NO",
        "is_active": "YES",
        "alert_description": None,
        "trigger_ids": [],
        "warnings": [],
        "created_at": "",
        "updated_at": "",
    }
    assert api.get(f"/alert-configurations/{configuration['id']}")["alert_configuration"] == configuration


def test_what_is_allowed_but_seldom_meant_is_warned_of(api: Api, office: str) -> None:
    warnings = configure(api, failure_threshold=2, success_threshold=1)["warnings"]
    assert len(warnings) == 2
    assert "Success threshold 1" in warnings[0]
    assert "Failure threshold 2" in warnings[1]


def test_values_may_be_numbers(api: Api, office: str) -> None:
    assert configure(api, alert_for="LATENCY", alert_value=1000)["alert_value"] == "1000"
    assert configure(api, alert_for="UPTIME", alert_value=99.90, uptime_window="7d")["alert_value"] == "99.9"


def test_a_change_of_one_field_leaves_the_others_alone(api: Api, office: str) -> None:
    before = configure(api, create_incident="YES", alert_description="Call the janitor.")
    after = api.patch(f"/alert-configurations/{before['id']}", {"severity": "CRITICAL"})["alert_configuration"]
    assert after | {"updated_at": ""} == before | {"severity": "CRITICAL", "updated_at": ""}


def test_the_list_is_filtered_and_paged(api: Api, office: str) -> None:
    one = configure(api)["id"]
    two = configure(api, monitor_tags=["office", "garage"])["id"]

    def ids(**filters: object) -> list[int]:
        return [found["id"] for found in api.get("/alert-configurations", **filters)["alert_configurations"]]

    assert ids() == [one, two]
    assert ids(monitor_tag="garage") == [two]
    assert ids(page=2, limit=1) == [two]


def test_a_deleted_configuration_is_gone_and_ends_its_alert(api: Api, office: str) -> None:
    number = configure(api)["id"]
    see(api, "DOWN", NOW - 600)
    api.delete(f"/alert-configurations/{number}")
    api.get(f"/alert-configurations/{number}", expect=404)
    api.patch(f"/alert-configurations/{number}", {"severity": "CRITICAL"}, expect=404)
    api.delete(f"/alert-configurations/{number}", expect=404)
    [alert] = api.get("/alerts")["alerts"]
    assert (alert["alert_status"], alert["config_id"]) == ("RESOLVED", None)
    assert alert["closing_reason"] == "The alert configuration was deleted."


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"monitor_tags": []}, "monitor_tags"),
        ({"monitor_tags": "office"}, "monitor_tags"),
        ({"monitor_tags": ["nope"]}, "monitor_tags"),
        ({"monitor_tags": [7]}, "monitor_tags.0"),
        ({"alert_for": "MOOD"}, "alert_for"),
        ({"alert_value": "UP"}, "alert_value"),
        ({"alert_value": True}, "alert_value"),
        ({"alert_for": "LATENCY", "alert_value": 0}, "alert_value"),
        ({"alert_for": "LATENCY", "alert_value": "1e400"}, "alert_value"),
        ({"alert_for": "UPTIME", "alert_value": 101}, "alert_value"),
        ({"uptime_window": "1y"}, "uptime_window"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"failure_threshold": 1.5}, "failure_threshold"),
        ({"success_threshold": "many"}, "success_threshold"),
        ({"severity": "MILD"}, "severity"),
        ({"create_incident": "PERHAPS"}, "create_incident"),
        ({"is_active": 7}, "is_active"),
        ({"alert_description": 7}, "alert_description"),
        ({"trigger_ids": [999]}, "trigger_ids"),
        ({"trigger_ids": [10**30]}, "trigger_ids.0"),
        ({"trigger_ids": ["x"]}, "trigger_ids.0"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_what_cannot_be_accepted_is_named(api: Api, office: str, given: dict[str, object], field: str) -> None:
    assert api.refused("POST", "/alert-configurations", {"monitor_tags": [office]} | given).keys() == {field}
    assert api.get("/alert-configurations")["total"] == 0


def test_an_alert_says_when_and_what(api: Api, office: str) -> None:
    number = configure(api)["id"]
    see(api, "DOWN", NOW - 600)
    [active] = api.get("/alerts")["alerts"]
    assert (active["config_id"], active["monitor_tag"], active["alert_status"]) == (number, "office", "TRIGGERED")
    assert active["triggered_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 600))
    assert (active["incident_id"], active["resolved_at"], active["observed_value"]) == (None, None, "DOWN")
    assert 600 <= active["duration_s"] <= time.time() - NOW + 600
    see(api, "UP", NOW - 300)
    over = api.get(f"/alerts/{active['id']}")["alert"]
    assert (over["alert_status"], over["duration_s"]) == ("RESOLVED", 300)
    assert over["resolved_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 300))


def test_alerts_are_filtered_and_paged_newest_first(api: Api, office: str) -> None:
    one = configure(api)["id"]
    two = configure(api, monitor_tags=["office", "garage"])["id"]
    see(api, "DOWN", NOW - 600)
    see(api, "UP", NOW - 540)
    see(api, "DOWN", NOW - 480, monitor="garage")

    def found(**filters: object) -> list[tuple[int, str]]:
        return [(alert["config_id"], alert["monitor_tag"]) for alert in api.get("/alerts", **filters)["alerts"]]

    assert found() == [(two, "garage"), (two, "office"), (one, "office")]
    assert found(config_id=one) == [(one, "office")]
    assert found(monitor_tag="garage") == [(two, "garage")]
    assert found(alert_status="TRIGGERED") == [(two, "garage")]
    assert found(alert_status="RESOLVED", config_id=two) == [(two, "office")]
    assert found(page=2, limit=2) == [(one, "office")]
    assert api.get("/alerts", limit=1)["total"] == 3
    for query in ({"alert_status": "OPEN"}, {"config_id": "x"}, {"config_id": 0}, {"monitor_tag": "A B"}):
        assert api.refused("GET", "/alerts", query_string=query).keys() == query.keys()
    api.get("/alerts/999999", expect=404)


def test_a_delivery_is_followed_and_sent_again_under_the_same_id(api: Api, office: str) -> None:
    with HttpDouble() as receiver:
        receiver.on("/in", reply(200))
        hook = {"name": "Chat", "trigger_type": "webhook", "url": receiver.url("/in")}
        trigger = api.post("/triggers", hook)["trigger"]["id"]
        configure(api, trigger_ids=[trigger])
        see(api, "DOWN", NOW - 600)
        [waiting] = api.get("/deliveries", state="WAITING")["deliveries"]
        assert (waiting["event"], waiting["trigger_id"], waiting["attempts"]) == ("TRIGGERED", trigger, 0)
        outbox.deliver(waiting["id"])
        story = api.get(f"/deliveries/{waiting['id']}")
        assert [(one["has_arrived"], one["answer"]) for one in story["history"]] == [("YES", "HTTP 200")]
        sent = story["delivery"]
        assert (sent["state"], sent["attempts"]) == ("SENT", 1)
        again = api.post(f"/deliveries/{waiting['id']}/resend", expect=200)["delivery"]
        assert (again["state"], again["uid"]) == ("WAITING", waiting["uid"])
        outbox.deliver(waiting["id"])
        assert [asked.headers["x-kener-delivery"] for asked in receiver.seen] == [waiting["uid"]] * 2
        now = clock.epoch()
        wanted = {"trigger_id": trigger, "start_ts": now - 600, "end_ts": now + 600}
        assert api.post("/deliveries/replay", wanted | {"which": "ALL"}, expect=200) == {"deliveries": 1}
        assert api.get("/deliveries", event="TRIGGERED", start_ts=now - 600, end_ts=now + 600)["total"] == 1
        assert api.get("/deliveries", event="RESOLVED")["total"] == api.get("/deliveries", end_ts=1)["total"] == 0
        api.post("/deliveries/replay", wanted, expect=422)


def test_deliveries_are_filtered_and_paged_newest_first(api: Api, office: str) -> None:
    trigger = api.post("/triggers", {"name": "Team", "trigger_type": "email", "to": "a@example.com"})["trigger"]["id"]
    configure(api, trigger_ids=[trigger])
    see(api, "DOWN", NOW - 600)
    see(api, "UP", NOW - 540)
    [alert] = api.get("/alerts")["alerts"]

    def events(**filters: object) -> list[str]:
        return [delivery["event"] for delivery in api.get("/deliveries", **filters)["deliveries"]]

    assert events() == ["RESOLVED", "TRIGGERED"]
    assert events(trigger_id=trigger, alert_id=alert["id"], state="WAITING") == ["RESOLVED", "TRIGGERED"]
    assert events(trigger_id=trigger + 1) == events(alert_id=alert["id"] + 1) == events(state="SENT") == []
    assert events(page=2, limit=1) == ["TRIGGERED"]
    assert api.refused("GET", "/deliveries", query_string={"state": "LOST"}).keys() == {"state"}
    api.get("/deliveries/999999", expect=404)
    api.post("/deliveries/999999/resend", expect=404)


def test_a2_an_active_alert_is_resolved_by_hand(api: Api, office: str) -> None:
    configure(api, create_incident="YES")
    see(api, "DOWN", NOW - 600)
    [alert] = api.get("/alerts")["alerts"]
    path = f"/alerts/{alert['id']}"
    assert api.refused("PATCH", path, {"alert_status": "RESOLVED"}).keys() == {"incident"}
    assert api.refused("PATCH", path, {"alert_status": "TRIGGERED"}).keys() == {"alert_status"}
    assert api.refused("PATCH", path, {"incident": "CLOSE"}).keys() == {"alert_status"}
    given = {"alert_status": "RESOLVED", "incident": "LEAVE", "comment": "Bye."}
    assert api.refused("PATCH", path, given).keys() == {"comment"}
    over = api.patch(path, {"alert_status": "RESOLVED", "incident": "CLOSE", "comment": "A false alarm."})["alert"]
    assert (over["alert_status"], over["closing_reason"]) == ("RESOLVED", "Resolved by hand.")
    comments = api.get(f"/incidents/{alert['incident_id']}/comments")["comments"]
    assert [(one["state"], one["is_automatic"]) for one in comments] == [("INVESTIGATING", "YES"), ("RESOLVED", "NO")]
    assert comments[1]["comment"] == "A false alarm."
    assert api.refused("PATCH", path, {"alert_status": "TRIGGERED"}).keys() == {"alert_status"}
    api.patch("/alerts/99999", {"alert_status": "RESOLVED"}, expect=404)


def test_a2_only_a_resolved_alert_is_deleted(api: Api, office: str) -> None:
    configure(api)
    see(api, "DOWN", NOW - 600)
    [alert] = api.get("/alerts")["alerts"]
    api.delete(f"/alerts/{alert['id']}", expect=422)
    see(api, "UP", NOW - 540)
    api.delete(f"/alerts/{alert['id']}")
    api.get(f"/alerts/{alert['id']}", expect=404)
    api.delete(f"/alerts/{alert['id']}", expect=404)
