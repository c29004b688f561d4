"""The API's fire drills."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kener.models import Delivery, Drill
from kener.services import drills, outbox
from tests import factories
from tests.doubles.http import HttpDouble, reply
from tests.support.api import Api


@pytest.fixture
def receiver() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/in", reply(200))
        yield server


@pytest.fixture
def config_id(api: Api, receiver: HttpDouble) -> int:
    for tag in ("office", "garage"):
        api.post("/monitors", {"tag": tag, "name": tag.capitalize(), "monitor_type": "NONE"})
    hook = {"name": "Chat", "trigger_type": "webhook", "url": receiver.url("/in")}
    trigger = api.post("/triggers", hook)["trigger"]["id"]
    rule = {"monitor_tags": ["office", "garage"], "create_incident": "YES", "trigger_ids": [trigger]}
    return int(api.post("/alert-configurations", rule)["alert_configuration"]["id"])


def finish(drill_id: int) -> None:
    """Be the workers."""
    for _ in range(2):
        drills.run(drill_id)
        for delivery in factories.every(Delivery):
            outbox.deliver(delivery.id)


def start(api: Api, config_id: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
    return api.post(f"/alert-configurations/{config_id}/drill", body)["drill"]  # type: ignore[no-any-return]


def test_a_drill_is_followed_to_its_end(api: Api, config_id: int) -> None:
    drill = start(api, config_id)
    assert (drill["state"], drill["monitor_tag"], drill["requested_by"]) == ("RUNNING", "garage", "deploy robot")
    assert [step["at"] is None for step in drill["steps"]] == [False, True, True, True, True]
    assert drill["notices"] == []
    finish(drill["id"])
    report = api.get(f"/drills/{drill['id']}")["drill"]
    assert (report["state"], report["failure"]) == ("PASSED", None)
    assert [step["step"] for step in report["steps"]] == ["REQUESTED", "TAKEN_UP", "DECIDED", "OPENED", "RESOLVED"]
    assert [(one["event"], one["state"], one["answer"]) for one in report["notices"]] == [
        ("TRIGGERED", "SENT", "HTTP 200"),
        ("RESOLVED", "SENT", "HTTP 200"),
    ]
    seconds = [step["after_s"] for step in report["steps"]]
    assert seconds == sorted(seconds) and seconds[0] == 0
    assert 0 <= report["notices"][0]["took_s"] <= report["notices"][0]["after_s"] < 30
    assert api.get(f"/alerts/{report['alert_id']}")["alert"]["incident_id"] == report["incident_id"]


def test_one_of_several_monitors_is_chosen(api: Api, config_id: int) -> None:
    assert start(api, config_id, {"monitor_tag": "office"})["monitor_tag"] == "office"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"monitor_tag": "nope"}, "monitor_tag"),
        ({"monitor_tag": "A B"}, "monitor_tag"),
        ({"monitor": "office"}, "monitor"),
    ],
)
def test_what_cannot_be_accepted_is_named(api: Api, config_id: int, given: dict[str, object], field: str) -> None:
    assert api.refused("POST", f"/alert-configurations/{config_id}/drill", given).keys() == {field}
    assert factories.count(Drill) == 0


def test_a_second_drill_has_to_wait(api: Api, config_id: int) -> None:
    first = start(api, config_id)
    answer = api.send("POST", f"/alert-configurations/{config_id}/drill", expect=422)
    assert "is running" in answer["error"]["message"]
    finish(first["id"])
    assert start(api, config_id)["id"] > first["id"]


def test_what_is_not_there_is_not_found(api: Api, config_id: int) -> None:
    api.send("POST", f"/alert-configurations/{config_id + 9}/drill", expect=404)
    api.get("/drills/999999", expect=404)


def test_a_body_may_be_left_out_but_not_broken(api: Api, config_id: int) -> None:
    path = f"/alert-configurations/{config_id}/drill"
    api.send("POST", path, expect=415, data=b'{"monitor_tag": "office"}')
    api.send("POST", path, expect=400, data=b"", content_type="application/json")
    assert factories.count(Drill) == 0
    api.send("POST", path, expect=201)


def test_the_alert_of_a_real_outage_may_be_triggered_meanwhile(api: Api, config_id: int) -> None:
    minute = int(time.time()) // 60 * 60
    drill = start(api, config_id)
    drills.run(drill["id"])
    api.patch("/monitors/garage/data", {"start_ts": minute - 180, "end_ts": minute - 60, "status": "DOWN"})
    [real] = api.get("/alerts", alert_status="TRIGGERED")["alerts"]
    finish(drill["id"])
    assert [alert["id"] for alert in api.get("/alerts", alert_status="TRIGGERED")["alerts"]] == [real["id"]]
