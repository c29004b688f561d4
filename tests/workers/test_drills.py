"""Fire drills by real workers on a real Redis, and what remains of one when they are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from redis import Redis

from kener import clock, jobs
from kener.cli.processes import environment
from kener.domain.alerting import AlertStatus
from kener.domain.incidents import IncidentState
from kener.models import Alert, Delivery, DeliveryState, Drill, Incident
from kener.services import drills
from tests.doubles.http import HttpDouble, hang, reply
from tests.factories import SAM, every, make_configuration, make_monitor, make_trigger, only
from tests.workers.test_jobs import work
from workers.scheduler import Scheduler


@pytest.fixture
def hook() -> Iterator[HttpDouble]:
    with HttpDouble() as running:
        running.on("/hook", reply(200))
        yield running


@pytest.fixture
def drill_id(app: Flask, hook: HttpDouble) -> int:
    """A drill that was just asked for."""
    make_monitor()
    told = [make_trigger(url=hook.url("/hook"))]
    return drills.start(make_configuration(create_incident="YES", trigger_ids=told), actor=SAM)


def sweep(app: Flask) -> None:
    """What the scheduler does every few seconds."""
    scheduler = Scheduler(app)
    scheduler.swept_at = float("-inf")
    scheduler.step(clock.epoch())


def states() -> tuple[AlertStatus, IncidentState, bool]:
    return only(Alert).alert_status, only(Incident).state, only(Drill).is_running


def test_the_workers_take_a_drill_through_all_its_steps(app: Flask, hook: HttpDouble, drill_id: int) -> None:
    work(app, jobs.CHECKS)
    assert states() == (AlertStatus.TRIGGERED, IncidentState.INVESTIGATING, True)
    work(app, jobs.DELIVERIES)
    work(app, jobs.CHECKS)
    assert states() == (AlertStatus.RESOLVED, IncidentState.RESOLVED, False)
    work(app, jobs.DELIVERIES)
    assert [(one.event, one.state) for one in every(Delivery)] == [
        ("TRIGGERED", DeliveryState.SENT),
        ("RESOLVED", DeliveryState.SENT),
    ]
    assert len(hook.seen) == 2


def test_a_flushed_redis_delays_a_drill_and_no_more(app: Flask, hook: HttpDouble, redis: Redis, drill_id: int) -> None:
    for number, queue in enumerate((jobs.CHECKS, jobs.DELIVERIES, jobs.CHECKS, jobs.DELIVERIES), start=1):
        redis.flushdb()
        with time_machine.travel(clock.now() + timedelta(seconds=10 * number), tick=True):
            sweep(app)
            work(app, queue)
    assert states() == (AlertStatus.RESOLVED, IncidentState.RESOLVED, False)
    assert [one.state for one in every(Delivery)] == [DeliveryState.SENT] * 2


def test_a_worker_that_is_killed_while_it_sends_strands_nothing(app: Flask, hook: HttpDouble, drill_id: int) -> None:
    hook.on("/hook", hang, reply(200))
    work(app, jobs.CHECKS)
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "deliveries"],
        env=os.environ | environment(app.extensions["kener"]) | {"KENER_ALLOW_PRIVATE_TARGETS": "1"},
    )
    try:
        deadline = time.monotonic() + 30
        while not hook.seen and time.monotonic() < deadline:
            time.sleep(0.05)
        assert hook.seen, "the worker never called"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert only(Delivery).state is DeliveryState.SENDING
    with time_machine.travel(clock.now() + drills.PATIENCE, tick=True):
        sweep(app)
    assert states() == (AlertStatus.RESOLVED, IncidentState.RESOLVED, False)
    with time_machine.travel(clock.now() + timedelta(seconds=100), tick=True):
        sweep(app)
        work(app, jobs.DELIVERIES)
    assert [(one.event, one.state) for one in every(Delivery)] == [
        ("TRIGGERED", DeliveryState.SENT),
        ("RESOLVED", DeliveryState.SENT),
    ]
