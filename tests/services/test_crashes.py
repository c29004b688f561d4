"""A process that is killed at any step between a due check and the end of its notice: after a restart the story is whole (L2, N3).

A forked child does the work and is killed (SIGKILL) when it enters the n-th function of ours, for every n until it gets through.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import update

from kener import clock, jobs
from kener.db import db, reading, transaction
from kener.domain.alerting import AlertStatus
from kener.domain.channels import MOST_FAILURES
from kener.models import (
    Alert,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Incident,
    MonitorState,
    Notice,
    NoticeDelivery,
    Role,
    Sample,
    Trigger,
)
from kener.services import accounts, failing, monitoring, outbox, scheduling
from kener.settings import SmtpSettings
from tests.doubles.http import HttpDouble, reply
from tests.doubles.smtp import SmtpDouble
from tests.factories import SAM, every, make_configuration, make_monitor, make_trigger, only
from tests.support import databases
from tests.support.ports import wait_for
from tests.support.subscribers import make_subscriber

STRIDE = 19
"""Every so many-th function; the start moves with the database, so that together they see more of them."""


@pytest.fixture
def world(app: Flask) -> Iterator[HttpDouble]:
    """A service that is down, and a receiver of messages."""
    with HttpDouble() as server:
        server.on("/shop", reply(503))
        server.on("/hook", reply(200))
        yield server


def begin(server: HttpDouble) -> tuple[int, int]:
    """A monitor that is due, watched by a rule that triggers at once. Returns its claim."""
    databases.empty(db.engine)
    server.seen.clear()
    hook = make_trigger(url=server.url("/hook"))
    make_subscriber()
    settings = {"url": server.url("/shop"), "timeout": 2000}
    make_monitor("shop", monitor_type="API", type_data=settings, interval_seconds=86_400)
    make_configuration("shop", failure_threshold=1, create_incident=True, trigger_ids=[hook])
    [claim] = scheduling.claim(clock.epoch() + 5)
    return claim.monitor_id, claim.slot


def dies(at: int, act: Callable[[], object]) -> bool:
    """Let a child act until it enters the `at`-th of our functions; whether it came so far and was killed."""
    db.session.remove()
    child = os.fork()
    if child == 0:
        # What follows never returns into the tests.
        try:
            db.engine.dispose(close=False)
            jobs.connect.cache_clear()
            sys.setprofile(_Executioner(at))
            act()
        finally:
            os._exit(0)
    _, ended = os.waitpid(child, 0)
    return os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL


class _Executioner:
    """Counts calls of functions in `kener`, and ends the process at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("kener."):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def restart(redis: Redis) -> None:
    """What the product does by itself: lost slots are handed out again, and what was left in the outbox is sent."""
    redis.flushdb()
    later = clock.epoch() + scheduling.LOST_AFTER_S + 10
    # A database server needs a moment to notice that its client is gone; until then the rows stay locked, and the ticks pass them by.
    wait_for(lambda: not [_check(claim) for claim in scheduling.claim(later)] and _is_idle(), timeout_s=10)
    past = clock.at(clock.epoch() - 60)
    with transaction() as session:
        session.execute(update(Delivery).values(created_at=past, next_at=past))
        session.execute(update(Delivery).where(Delivery.lease_until.is_not(None)).values(lease_until=past))
    for delivery_id in outbox.due():
        outbox.deliver(delivery_id)
    reading()


def _check(claim: scheduling.Claim) -> int:
    return monitoring.run_shard([(claim.monitor_id, claim.slot)], slow=claim.slow)


def _is_idle() -> bool:
    reading()
    return only(MonitorState).slot is None


def is_whole(server: HttpDouble) -> None:
    """One sample, one alert, one incident with its first update, one message, told at least once under one id."""
    assert [sample.status for sample in every(Sample)] == [3]
    assert only(MonitorState).slot is None
    alert, incident, delivery = only(Alert), only(Incident), only(Delivery)
    assert alert.alert_status is AlertStatus.TRIGGERED and alert.incident_id == incident.id
    assert [entry.is_automatic for entry in incident.updates] == [True] and len(incident.affected) == 1
    assert delivery.state is DeliveryState.SENT
    assert only(Notice).update_id == incident.updates[0].id and only(NoticeDelivery).notice_id == only(Notice).id
    told = [asked.headers["x-kener-delivery"] for asked in server.seen if asked.path == "/hook"]
    assert told and set(told) == {delivery.uid}


def deaths(database_kind: str) -> Iterator[int]:
    """When to die: early, and on, by strides."""
    first = {"sqlite": 1, "postgresql": 7, "mariadb": 13}[database_kind]
    return iter(range(first, 10_000, STRIDE))


def test_a_check_that_is_killed_anywhere_leaves_a_whole_story(
    world: HttpDouble, redis: Redis, database_kind: str
) -> None:
    survived = False
    for at in deaths(database_kind):
        claim = begin(world)
        survived = not dies(at, lambda claim=claim: monitoring.run_shard([claim], slow=False))
        restart(redis)
        is_whole(world)
        if survived:
            break
    assert survived and at > 5 * STRIDE


def test_a_delivery_that_is_killed_anywhere_arrives_under_its_id(
    world: HttpDouble, redis: Redis, database_kind: str
) -> None:
    survived = False
    for at in deaths(database_kind):
        monitoring.run_shard([begin(world)], slow=False)
        delivery_id = only(Delivery).id
        survived = not dies(at, lambda delivery_id=delivery_id: outbox.deliver(delivery_id))
        restart(redis)
        is_whole(world)
        if survived:
            break
    assert survived and at > 5 * STRIDE


def test_an_attempt_in_vain_that_is_killed_anywhere_is_made_again_and_counted_as_often_as_it_is_kept(
    world: HttpDouble, redis: Redis, database_kind: str
) -> None:
    survived = False
    for at in deaths(database_kind):
        world.on("/hook", reply(404))
        monitoring.run_shard([begin(world)], slow=False)
        delivery_id = only(Delivery).id
        survived = not dies(at, lambda delivery_id=delivery_id: outbox.deliver(delivery_id))
        restart(redis)
        delivery, attempts, trigger = only(Delivery), every(DeliveryAttempt), only(Trigger)
        assert delivery.state is DeliveryState.FAILED and "404" in (delivery.answer or "")
        assert [attempt.has_arrived for attempt in attempts] == [False] and trigger.failures == 1
        assert 1 <= len([asked for asked in world.seen if asked.path == "/hook"]) <= 2
        if survived:
            break
    assert survived


def test_a_channel_that_is_switched_off_by_a_killed_worker_is_known_to_the_sweep(
    world: HttpDouble, redis: Redis, database_kind: str, make_app: Callable[..., Flask]
) -> None:
    survived = False
    with SmtpDouble() as mail:
        make_app(web=False, smtp=SmtpSettings("127.0.0.1", mail.port, "status@example.com", security="none"))
        for at in deaths(database_kind):
            world.on("/hook", reply(404))
            monitoring.run_shard([begin(world)], slow=False)
            accounts.create_user(email="owner@example.com", password="a long password", role=Role.OWNER, actor=SAM)
            with transaction() as session:
                session.execute(update(Trigger).values(failures=MOST_FAILURES - 1))
            delivery_id = only(Delivery).id
            survived = not dies(at, lambda delivery_id=delivery_id: outbox.deliver(delivery_id))
            restart(redis)
            assert not only(Trigger).is_active
            before = len(mail.kept)
            for trigger_id in failing.due():
                failing.tell_owners(trigger_id)
            assert len(mail.kept) == before + 1 and failing.due() == []
            if survived:
                break
    assert survived
