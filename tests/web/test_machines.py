"""What other machines call: heartbeats, the health check, metrics, robots.txt."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.robotparser import RobotFileParser

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from kener import __version__, clock, jobs
from kener.models import Alert, Delivery, HeartbeatSignal, MonitorState
from kener.services import monitors, scheduling
from tests.factories import (
    SAM,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    monitor_input,
    observe,
    only,
)
from tests.support.pages import Page

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def traveller(redis: Redis) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(clock.at(NOON), tick=False) as traveller:
        yield traveller


def heartbeat(tag: str = "job", **fields: object) -> str:
    """A monitor that waits for heartbeats; the address that it gave out."""
    settings = {"degradedRemainingMinutes": 5, "downRemainingMinutes": 10}
    given = monitor_input(tag, monitor_type="HEARTBEAT", type_data=settings, **fields)
    return f"/ext/heartbeat/{tag}/{monitors.create(given, actor=SAM).secret}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_heartbeat_is_taken_and_shows_at_once(client: FlaskClient, visit: Callable[..., Page], method: str):
    address = heartbeat()
    assert visit("/").heading == "Not monitored at the moment"
    answer = client.open(address, method=method, data=b"whatever the job says")
    assert (answer.status_code, answer.json) == (200, {"status": "OK"})
    assert visit("/").heading == "Everything works" and only(MonitorState).beat_at == NOON


def test_a_heartbeat_ends_an_outage_at_once(client: FlaskClient, visit: Callable[..., Page]):
    address = heartbeat()
    observe("job", "DOWN", start=NOON - 60)
    assert visit("/").heading == "Major outage"
    client.post(address)
    assert visit("/").heading == "Everything works"


def test_whoever_guesses_learns_nothing(client: FlaskClient, app: Flask):
    right = heartbeat()
    paused, other = heartbeat("paused"), heartbeat("other")
    monitors.pause("paused", actor=SAM)
    make_monitor("api")
    wrong = [
        f"{right}x",
        right.replace("job", "none"),
        right.replace("job", "other"),
        paused,
        right[:-1],
        f"{right[:-10]}{right[-10:].swapcase()}",
    ]
    wrong += ["/ext/heartbeat/api/x", "/ext/heartbeat/job/%00", "/ext/heartbeat/a%00b/x", "/ext/heartbeat/job/é"]
    answers = [client.open(address, method=method) for address in wrong for method in ("GET", "POST")]
    assert {(answer.status_code, answer.data) for answer in answers} == {
        (404, client.get("/ext/heartbeat/nothing/x").data)
    }
    assert client.get(other).status_code == 200
    monitors.resume("paused", actor=SAM)
    assert client.get(paused).status_code == 200
    assert client.delete(right).status_code == 405


def test_a_job_tells_what_it_does_in_the_last_word_of_the_address(client: FlaskClient):
    address = heartbeat()
    old = address.replace("/job/", "/job:")
    calls = ["", "/start", "/log", "/0", "/3", "/255", "/fail"]
    for call in calls:
        assert client.post(f"{address}{call}", data=b"Backup of 3 files\n").json == {"status": "OK"}
        assert client.get(f"{old}{call}").status_code == client.head(f"{address}{call}").status_code == 200
    told = [(signal.kind, signal.exit_code, signal.body) for signal in every(HeartbeatSignal)]
    assert told[0::3] == [
        ("success", None, "Backup of 3 files"),
        ("start", None, "Backup of 3 files"),
        ("log", None, "Backup of 3 files"),
        ("success", 0, "Backup of 3 files"),
        ("fail", 3, "Backup of 3 files"),
        ("fail", 255, "Backup of 3 files"),
        ("fail", None, "Backup of 3 files"),
    ]
    assert {body for _, _, body in told[1::3] + told[2::3]} == {None}
    nothing = client.get("/ext/heartbeat/nothing/x").data
    for word in ("256", "-1", "1.5", "0003", "stop", "²", "x" * 300):
        answer = client.get(f"{address}/{word}")
        assert (answer.status_code, answer.data) == (404, nothing)


def test_however_much_a_job_says_its_beginning_is_kept(client: FlaskClient):
    address = heartbeat()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(address, data=b"line\n" * 1_000_000, headers=form).status_code == 200
    assert only(HeartbeatSignal).body == ("line\n" * 2_000).strip()


def test_guesses_are_slowed_down_and_jobs_of_one_machine_are_not(client: FlaskClient):
    addresses = [heartbeat(f"job-{number}") for number in range(3)]
    for _ in range(60):
        assert {client.get(address).status_code for address in addresses} == {200}
    guesses = [client.get(f"/ext/heartbeat/nothing/{number}").status_code for number in range(61)]
    assert guesses == [404] * 60 + [429]


def test_a_heartbeat_is_taken_while_redis_is_away(make_app: Callable[..., Flask]):
    app = make_app(redis_url=AWAY)
    assert app.test_client().post(heartbeat()).json == {"status": "OK"}
    assert only(MonitorState).status == "UP"


@pytest.mark.parametrize(("age", "well"), [(0, True), (29, True), (30, False), (4000, False), (None, False)])
def test_health_is_as_good_as_the_scheduler_is_punctual(client: FlaskClient, redis: Redis, age: int | None, well: bool):
    if age is not None:
        redis.set(scheduling.HEARTBEAT, NOON - age)
    answer = client.get("/healthcheck")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "status": "ok" if well else "degraded",
        "version": __version__,
        "db": True,
        "redis": True,
        "scheduler_lag_s": age,
    }
    assert client.get("/healthcheck?strict=1").status_code == (200 if well else 503)
    assert client.get("/healthcheck?strict=0").status_code == 200


def test_the_scheduler_itself_is_what_counts(client: FlaskClient, app: Flask):
    scheduling.tick(NOON)
    assert client.get("/healthcheck").json["status"] == "ok"


def test_health_is_told_while_redis_is_away(make_app: Callable[..., Flask]):
    client = make_app(redis_url=AWAY).test_client()
    answer = client.get("/healthcheck")
    assert answer.status_code == 200 and (answer.json["db"], answer.json["redis"]) == (True, False)
    assert answer.json["status"] == "degraded" and answer.json["scheduler_lag_s"] is None
    assert client.get("/healthcheck?strict=1").status_code == 503
    assert client.get("/").status_code == 200


def test_a_redis_that_hangs_is_not_mistaken_for_a_lost_database(make_app: Callable[..., Flask]):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        app = make_app(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with ThreadPoolExecutor(6) as watchdogs:
            answers = list(watchdogs.map(lambda _: app.test_client().get("/healthcheck").json, range(6)))
    assert [(answer["db"], answer["redis"]) for answer in answers] == [(True, False)] * 6


def test_a_redis_that_hangs_holds_up_neither_visitors_nor_heartbeats_for_long(make_app: Callable[..., Flask]):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        client = make_app(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0").test_client()
        begun = time.perf_counter()
        assert client.get("/").status_code == 200
        assert client.post("/ext/heartbeat/job/wrong").status_code == 404
        assert time.perf_counter() - begun < 3 * jobs.ANSWER_S
        begun = time.perf_counter()
        assert [client.get(path).status_code for path in ("/", "/rss.xml", "/")] == [200] * 3
        assert time.perf_counter() - begun < jobs.ANSWER_S


def figures(client: FlaskClient) -> dict[str, dict[str, float]]:
    """The metrics as Prometheus reads them: name, label, value."""
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(response.text):
        assert family.documentation.endswith(".") and family.type == "gauge"
        for sample in family.samples:
            found.setdefault(sample.name, {})[",".join(sample.labels.values())] = sample.value
    return found


def test_metrics_count_everything(client: FlaskClient, app: Flask, traveller: time_machine.Traveller):
    for tag, status in (("a", "UP"), ("b", "DOWN"), ("c", "DOWN"), ("d", "UP")):
        make_monitor(tag)
        if tag == "b":
            make_configuration("b", failure_threshold=1, trigger_ids=[make_trigger()])
        observe(tag, status, start=NOON - 30)
    monitors.pause("d", actor=SAM)
    make_incident("c", start=NOON - 60)
    traveller.shift(timedelta(seconds=90))
    found = figures(client)
    assert found["kener_monitors"] == {"UP": 1, "DOWN": 2} and found["kener_monitors_paused"] == {"": 1}
    assert found["kener_alerts_active"] == {"": 1} and found["kener_incidents_open"] == {"": 1}
    assert only(Alert).alert_status == "TRIGGERED" and found["kener_deliveries"] == {only(Delivery).state: 1}
    assert set(found["kener_queue_jobs"]) == {"checks", "slow-checks", "deliveries", "housekeeping"}
    assert 60 <= found["kener_check_overdue_seconds"][""] <= 90
    assert found["kener_check_lateness_milliseconds"] == {"": 0}


def test_metrics_of_a_new_installation_and_without_redis(make_app: Callable[..., Flask]):
    found = figures(make_app(redis_url=AWAY).test_client())
    assert found["kener_alerts_active"] == {"": 0} and "kener_queue_jobs" not in found


def test_crawlers_read_the_public_pages_only(client: FlaskClient):
    answer, rules = client.get("/robots.txt"), RobotFileParser()
    assert answer.content_type == "text/plain; charset=utf-8"
    rules.parse(answer.text.splitlines())
    assert all(rules.can_fetch("any", path) for path in ("/", "/monitors/api", "/incidents/1", "/rss.xml"))
    assert not any(
        rules.can_fetch("any", path)
        for path in ("/manage", "/manage/monitors", "/account/sign-in", "/api/v1", "/ext/x")
    )
