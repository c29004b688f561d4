"""What the queues carry, by real workers on a real Redis."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue

from kener import clock, jobs
from kener.db import reading, transaction
from kener.models import Delivery, DeliveryState, MonitorState, Sample
from kener.services import monitors, outbox, scheduling
from tests import factories
from tests.doubles.http import HttpDouble, reply
from workers.pool import ThreadWorker
from workers.scheduler import Scheduler

NOW = clock.epoch() + 5


@pytest.fixture(autouse=True)
def shortly_before() -> Iterator[None]:
    """However long the tests before took."""
    with time_machine.travel(clock.at(NOW - 5), tick=True):
        yield


@pytest.fixture
def server() -> Iterator[HttpDouble]:
    with HttpDouble() as running:
        running.on("/hook", reply(200))
        running.on("/shop", reply(200))
        yield running


def work(app: Flask, *names: str) -> None:
    """Let a worker empty these queues."""
    connection = jobs.connect_worker(app.config["REDIS"])
    worker = ThreadWorker([Queue(name, connection=connection) for name in names], connection=connection)
    worker.app = app
    worker.work(burst=True, logging_level="WARNING")


@pytest.mark.parametrize(
    "path", sorted(value for value in vars(jobs).values() if isinstance(value, str) and value.startswith("workers."))
)
def test_every_job_is_found_by_its_path(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_what_is_due_is_checked_by_a_worker_and_its_notice_sent_by_another(app: Flask, server: HttpDouble) -> None:
    server.on("/shop", reply(503))
    hook = factories.make_trigger(url=server.url("/hook"))
    settings = {"url": server.url("/shop"), "timeout": 2000}
    factories.make_monitor("shop", monitor_type="API", type_data=settings, interval_seconds=10)
    factories.make_configuration("shop", failure_threshold=1, trigger_ids=[hook])
    assert scheduling.tick(NOW) == 1 and scheduling.tick(NOW) == 0
    work(app, jobs.CHECKS)
    assert factories.only(Sample).status == 3
    assert factories.only(Delivery).state is DeliveryState.WAITING
    work(app, jobs.DELIVERIES)
    reading()
    assert factories.only(Delivery).state is DeliveryState.SENT
    assert [asked.path for asked in server.seen] == ["/shop", "/hook"]


def test_a_shard_that_nobody_took_does_not_wait_for_ever(app: Flask, redis: Redis) -> None:
    factories.make_monitor("shop", monitor_type="API", type_data={"url": "http://127.0.0.1:9/"})
    scheduling.tick(NOW)
    [job] = Queue(jobs.CHECKS, connection=redis).get_jobs()
    assert job.ttl == jobs.SHARD_TTL_S and redis.ttl(job.key) > 0


def test_a_paused_monitor_is_not_checked_by_a_shard_that_was_handed_out_before(app: Flask, server: HttpDouble) -> None:
    factories.make_monitor("shop", monitor_type="API", type_data={"url": server.url("/shop")})
    scheduling.tick(NOW)
    monitors.pause("shop", actor=factories.SAM)
    work(app, jobs.CHECKS)
    assert server.seen == [] and factories.count(Sample) == 0


def test_a_flushed_redis_loses_no_check_and_no_notice(app: Flask, redis: Redis, server: HttpDouble) -> None:
    hook = factories.make_trigger(url=server.url("/hook"))
    factories.make_monitor("shop", monitor_type="API", type_data={"url": server.url("/shop")}, interval_seconds=86_400)
    factories.make_configuration("shop", failure_threshold=1, trigger_ids=[hook])
    server.on("/shop", reply(500))
    scheduling.tick(NOW)
    redis.flushdb()
    scheduling.tick(NOW + scheduling.LOST_AFTER_S)
    work(app, jobs.CHECKS)
    redis.flushdb()
    with transaction() as session:
        session.execute(Delivery.__table__.update().values(created_at=clock.at(NOW - 60), next_at=clock.at(NOW - 60)))
    scheduler = Scheduler(app)
    scheduler.swept_at = float("-inf")
    scheduler.step(clock.epoch())
    work(app, jobs.DELIVERIES)
    reading()
    assert factories.count(Sample) == 1 and factories.only(MonitorState).slot is None
    assert factories.only(Delivery).state is DeliveryState.SENT
    assert [asked.path for asked in server.seen] == ["/shop", "/hook"]


def test_a_sweep_does_not_pile_up_what_waits_already(app: Flask, redis: Redis) -> None:
    hook = factories.make_trigger()
    factories.make_monitor("shop")
    factories.make_configuration("shop", failure_threshold=1, trigger_ids=[hook])
    factories.observe("shop", "DOWN")
    queue = Queue(jobs.DELIVERIES, connection=redis)
    for _ in range(jobs.CROWDED + 1):
        queue.enqueue(jobs.DELIVER, 1)
    assert outbox.due() == [] or jobs.is_crowded()
    before = queue.count
    scheduler = Scheduler(app)
    scheduler.swept_at = float("-inf")
    scheduler.step(clock.epoch())
    assert queue.count == before
