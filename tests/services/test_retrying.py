"""A look that fails is repeated before it is told, all of a shard together, and holds up nobody."""

import time
from typing import Any

import pytest
from redis import Redis

from kener import jobs
from kener.domain.status import Status
from kener.models import MonitorState, Sample
from kener.services import monitoring, scheduling
from tests.doubles.http import HttpDouble, reply
from tests.factories import count, every, id_of, make_monitor, only
from tests.services.test_scheduling import NOW, check_all, due_at, queued, seen

pytestmark = pytest.mark.usefixtures("app")


def http_monitor(tag: str, target: HttpDouble, **fields: Any) -> None:
    make_monitor(tag, monitor_type="API", type_data={"url": target.url(f"/{tag}")}, **fields)


def test_a_look_that_fails_is_repeated_until_it_passes_and_the_note_says_so() -> None:
    with HttpDouble() as target:
        target.on("/api", reply(503), reply(503), reply(200))
        http_monitor("api", target, retries=3, retry_delay_ms=100)
        due_at(NOW, "api")
        assert check_all(NOW) == 1
        assert len(target.seen) == 3
    assert seen() == {id_of("api"): (Status.UP, "UP on look 3; the first said: HTTP 503")}
    assert only(MonitorState).slow is False


def test_a_failure_is_told_when_every_look_failed() -> None:
    with HttpDouble() as target:
        target.on("/api", reply(503), reply(502))
        http_monitor("api", target, retries=1, retry_delay_ms=100)
        due_at(NOW, "api")
        assert check_all(NOW) == 1
        assert len(target.seen) == 2
    assert seen() == {id_of("api"): (Status.DOWN, "HTTP 502 (2 looks)")}
    assert count(Sample) == 1


def test_a_look_that_passes_and_one_that_could_not_be_made_are_not_repeated() -> None:
    with HttpDouble() as target:
        target.on("/api", reply(200))
        http_monitor("api", target, retries=5, retry_delay_ms=100)
        settings = {"url": "http://169.254.169.254/latest"}
        make_monitor("barred", monitor_type="API", type_data=settings, retries=5, retry_delay_ms=10_000)
        due_at(NOW, "api", "barred")
        begun = time.monotonic()
        assert check_all(NOW) == 2
        assert time.monotonic() - begun < 1
        assert len(target.seen) == 1


def test_repeats_of_many_monitors_run_side_by_side_and_those_without_are_stored_first() -> None:
    tags = [f"m{number}" for number in range(20)]
    with HttpDouble() as target:
        for tag in tags:
            target.on(f"/{tag}", reply(503))
            http_monitor(tag, target, retries=2, retry_delay_ms=300)
        target.on("/plain", reply(500))
        http_monitor("plain", target)
        due_at(NOW, "plain", *tags)
        begun = time.monotonic()
        assert check_all(NOW) == 21
        assert time.monotonic() - begun < monitoring.FAST_BUDGET_S + 1
    told = seen()
    assert told[id_of("plain")] == (Status.DOWN, "HTTP 500")
    assert {told[id_of(tag)] for tag in tags} == {(Status.DOWN, "HTTP 503 (3 looks)")}


def test_repeats_that_do_not_fit_the_fast_lane_go_to_the_slow_one_at_once(redis: Redis) -> None:
    with HttpDouble() as target:
        target.on("/patient", reply(503), reply(503), reply(200))
        target.on("/quick", reply(503))
        http_monitor("patient", target, retries=1, retry_delay_ms=1_600)
        http_monitor("quick", target)
        due_at(NOW, "patient", "quick")
        begun = time.monotonic()
        assert check_all(NOW) == 1
        assert time.monotonic() - begun < 1
        [[[monitor_id, slot]]] = queued(redis, jobs.SLOW_CHECKS)
        assert (monitor_id, slot) == (id_of("patient"), NOW)
        assert monitoring.run_shard([(monitor_id, slot)], slow=True) == 1
    assert seen()[id_of("patient")] == (Status.UP, "UP on look 2; the first said: HTTP 503")
    assert {state.slow for state in every(MonitorState)} == {False}


def test_what_is_out_of_time_is_told_with_the_looks_that_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "SLOW_BUDGET_S", 0.8)
    with HttpDouble() as target:
        target.on("/api", reply(503))
        target.on("/late", reply(503), reply(200, delay_s=5))
        http_monitor("api", target, retries=5, retry_delay_ms=300)
        http_monitor("late", target, retries=5, retry_delay_ms=300)
        due_at(NOW, "api", "late")
        begun = time.monotonic()
        claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW)]
        assert monitoring.run_shard(claims, slow=True) == 2
        assert time.monotonic() - begun < 3
    told = seen()
    assert told[id_of("api")] == (Status.DOWN, "HTTP 503 (2 looks)")
    assert told[id_of("late")] == (Status.DOWN, "HTTP 503")
