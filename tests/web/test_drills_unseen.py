"""A fire drill changes nothing that anybody else sees: the same bytes before, while and after, and the same figures."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.models import Alert, Delivery, Drill, Incident
from kener.services import drills, outbox
from tests.doubles.http import HttpDouble, reply
from tests.factories import (
    SAM,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    observe,
    only,
    post,
)
from tests.support.api import Api
from tests.support.pages import visit

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
PUBLIC = ("/", "/monitors/api", "/monitors/web", "/incidents/{real}", "/rss.xml", "/atom.xml", "/robots.txt")


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


@pytest.fixture
def hook() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        yield server


@pytest.fixture
def config_id(hook: HttpDouble) -> int:
    """A site with a past, a real outage that is over, and a rule to be drilled."""
    make_monitor("api")
    make_monitor("web")
    post(make_incident("web", start=NOON - 7_200), "MONITORING", at=NOON - 7_000)
    rule = {"failure_threshold": 1, "success_threshold": 1, "create_incident": "YES"}
    made = make_configuration("api", trigger_ids=[make_trigger(url=hook.url("/hook"))], **rule)
    observe("api", "UP", "DOWN", "UP", start=NOON - 200)
    observe("web", "UP", start=NOON - 30)
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)
    return made


def drill(config_id: int, look: Callable[[], object]) -> list[object]:
    """What is to be seen before a drill, while it waits for its channels, and when it is over."""
    seen = [look()]
    drill_id = drills.start(config_id, "api", actor=SAM)
    drills.run(drill_id)
    assert any(incident.is_drill and incident.is_open for incident in every(Incident))
    seen.append(look())
    for _ in range(2):
        for delivery in every(Delivery):
            outbox.deliver(delivery.id)
        drills.run(drill_id)
    assert not only(Drill).is_running and only(Drill).failure is None
    seen.append(look())
    return seen


@pytest.mark.parametrize("path", PUBLIC)
def test_what_visitors_get_stays_the_same_to_the_byte(client: FlaskClient, config_id: int, path: str) -> None:
    real = every(Incident)[0].id

    def look() -> bytes:
        response = client.get(path.format(real=real))
        assert response.status_code == 200
        return re.sub(rb'nonce-[^"\']+', b"nonce", response.data)

    before, while_it_lasts, after = drill(config_id, look)
    assert before == while_it_lasts == after


def test_the_incident_of_a_drill_is_for_staff_only(client: FlaskClient, viewer: FlaskClient, config_id: int) -> None:
    drill(config_id, lambda: None)
    incident = next(incident for incident in every(Incident) if incident.is_drill)
    assert client.get(f"/incidents/{incident.id}").status_code == 404
    assert "[drill] Api STATUS: DOWN" in visit(viewer, f"/incidents/{incident.id}").text


@pytest.mark.parametrize("path", ["/", "/monitors/api", "/manage", "/manage/alerts/{rule}/log", "/manage/monitors/api"])
def test_staff_count_it_nowhere(viewer: FlaskClient, config_id: int, path: str) -> None:
    before, while_it_lasts, after = drill(config_id, lambda: visit(viewer, path.format(rule=config_id)).text)
    assert before == while_it_lasts == after


def test_a_channel_that_fails_in_a_drill_wants_nobody(viewer: FlaskClient, hook: HttpDouble, config_id: int) -> None:
    hook.on("/hook", reply(404))
    before, _, after = drill(config_id, lambda: visit(viewer, "/manage").text)
    assert any(delivery.state == "FAILED" for delivery in every(Delivery))
    assert before == after


def test_the_metrics_do_not_move(client: FlaskClient, config_id: int) -> None:
    def look() -> list[str]:
        lines = client.get("/metrics").text.splitlines()
        return [line for line in lines if not line.startswith("kener_queue_jobs")]

    before, while_it_lasts, after = drill(config_id, look)
    assert before == while_it_lasts == after


def test_the_lists_of_the_api_leave_it_out_and_its_own_address_does_not(api: Api, config_id: int) -> None:
    def look() -> list[object]:
        return [api.get("/alerts")["alerts"], api.get("/incidents")["incidents"]]

    before, while_it_lasts, after = drill(config_id, look)
    assert before == while_it_lasts == after
    alert = next(alert for alert in every(Alert) if alert.is_drill)
    assert api.get(f"/alerts/{alert.id}")["alert"]["alert_status"] == "RESOLVED"
    assert api.get(f"/incidents/{alert.incident_id}")["incident"]["is_private"] == "YES"


def test_nobody_can_publish_the_incident_of_a_drill(api: Api, config_id: int) -> None:
    drills.run(drills.start(config_id, actor=SAM))
    incident = next(incident for incident in every(Incident) if incident.is_drill)
    changed = api.patch(f"/incidents/{incident.id}", {"title": "Hello", "is_private": "NO"})["incident"]
    assert (changed["title"], changed["is_private"]) == ("Hello", "YES")
