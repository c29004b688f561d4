"""Every slot is handed out once, none is lost, and one bad monitor spoils no other."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import text, update

from kener import clock, jobs
from kener.db import transaction
from kener.domain.schedule import Schedule
from kener.domain.status import Status, from_code
from kener.models import MonitorState, Sample, SampleNote
from kener.services import heartbeats, monitoring, monitors, scheduling
from kener.services.scheduling import LOST_AFTER_S, Claim
from tests.doubles.http import HttpDouble, reply
from tests.factories import SAM, T0, count, every, id_of, make_monitor, observe, only, record, sample
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")

NOW = T0 - T0 % 3
"""A second in which the slow lane is handed out as well."""


def due_at(moment: int, *tags: str, **values: Any) -> None:
    """Make monitors due at a moment."""
    with transaction() as session:
        states = update(MonitorState).where(MonitorState.monitor_id.in_([id_of(tag) for tag in tags or ("api",)]))
        session.execute(states.values(due_at=moment, slot=None, claimed_at=None, **values))


def seen() -> dict[str | int, tuple[Status, str | None]]:
    """Status and error of every sample, by monitor."""
    notes = {(note.monitor_id, note.at): note.error for note in every(SampleNote)}
    return {row.monitor_id: (from_code(row.status), notes.get((row.monitor_id, row.at))) for row in every(Sample)}


def queued(redis: Redis, queue: str) -> list[list[list[int]]]:
    """The shards that wait in a queue."""
    return [job.args[0] for job in Queue(queue, connection=redis).jobs]


# Claiming


def test_a_slot_is_claimed_once_and_the_next_one_follows() -> None:
    make_monitor()
    due_at(NOW)
    assert scheduling.claim(NOW) == [Claim(id_of("api"), NOW, False)]
    assert scheduling.claim(NOW) == []
    following = only(MonitorState).due_at
    assert following == Schedule(interval_s=60).next_after(NOW, key="api")
    assert scheduling.claim(following - 1) == []
    assert [claim.slot for claim in scheduling.claim(following)] == [following]


def test_a_new_monitor_is_due_at_once_and_a_paused_one_never() -> None:
    make_monitor("api")
    make_monitor("idle", status="INACTIVE")
    now = clock.epoch()
    assert [claim.monitor_id for claim in scheduling.claim(now)] == [id_of("api")]
    monitors.pause("api", actor=SAM)
    assert scheduling.claim(now + 86_400) == []
    monitors.resume("api", actor=SAM)
    assert [claim.monitor_id for claim in scheduling.claim(clock.epoch())] == [id_of("api")]


def test_schedulers_that_claim_at_once_hand_out_every_slot_once(app: Flask) -> None:
    tags = [f"m{number}" for number in range(40)]
    for tag in tags:
        make_monitor(tag)
    due_at(NOW, *tags)
    for moment in (NOW, NOW + 60, NOW + 120):
        claims = [claim for found in at_once(app, *[lambda at=moment: scheduling.claim(at)] * 4) for claim in found]
        assert len(claims) == len({claim.monitor_id for claim in claims}) == len(tags)
        record(*[sample(tag, moment, "UP") for tag in tags])
        with transaction() as session:
            session.execute(update(MonitorState).values(slot=None, claimed_at=None))


def test_a_claim_that_was_lost_is_handed_out_again_and_only_then() -> None:
    make_monitor(interval_seconds=3_600)
    due_at(NOW)
    scheduling.claim(NOW)
    assert scheduling.claim(NOW + LOST_AFTER_S - 1) == []
    again = NOW + LOST_AFTER_S
    assert [claim.slot for claim in scheduling.claim(again)] == [NOW]
    assert scheduling.claim(again) == []
    assert [claim.slot for claim in scheduling.claim(again + LOST_AFTER_S)] == [NOW]


@pytest.mark.parametrize("late_s", [0, 59, 60, 61, 3_600, 100_000])
def test_after_a_stop_only_the_newest_slot_is_checked(late_s: int) -> None:
    make_monitor()
    schedule = Schedule(interval_s=60)
    missed = schedule.next_after(NOW, key="api")
    due_at(missed)
    now = missed + late_s
    [claim] = scheduling.claim(now)
    assert now - 60 < claim.slot <= now
    assert schedule.next_after(claim.slot - 1, key="api") == claim.slot
    assert only(MonitorState).due_at == claim.slot + 60
    assert scheduling.claim(now) == []


@pytest.mark.parametrize(("late_s", "slot_s"), [(5, 0), (7_200, 7_200)])
def test_a_cron_monitor_that_was_missed_is_checked_once_now(late_s: int, slot_s: int) -> None:
    make_monitor(cron="0 * * * *")
    due_at(T0)
    assert [claim.slot for claim in scheduling.claim(T0 + late_s)] == [T0 + slot_s]
    assert only(MonitorState).due_at == T0 + late_s - late_s % 3_600 + 3_600


def test_slow_monitors_are_handed_out_together_and_apart_from_the_others(redis: Redis) -> None:
    make_monitor("api")
    make_monitor("slow")
    due_at(NOW + 1, "api")
    due_at(NOW + 1, "slow", slow=True)
    assert scheduling.tick(NOW + 1) == 1
    assert scheduling.tick(NOW + 2) == 0
    assert scheduling.tick(NOW + 3) == 1
    assert queued(redis, jobs.CHECKS) == [[[id_of("api"), NOW + 1]]]
    assert queued(redis, jobs.SLOW_CHECKS) == [[[id_of("slow"), NOW + 1]]]
    assert int(redis.get(scheduling.HEARTBEAT)) == NOW + 3


# Checking what was claimed


def test_a_slot_that_is_handed_out_twice_has_one_sample() -> None:
    with HttpDouble() as target:
        target.on("/", reply(200))
        make_monitor(monitor_type="API", type_data={"url": target.url("/")})
        due_at(NOW)
        claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW)]
        assert monitoring.run_shard(claims, slow=False) == 1
        assert monitoring.run_shard(claims, slow=False) == 0
        assert len(target.seen) == 1
    assert (only(Sample).at, from_code(only(Sample).status)) == (NOW, Status.UP)
    assert (only(MonitorState).slot, only(MonitorState).claimed_at) == (None, None)


def test_a_slot_that_waited_for_months_is_checked_all_the_same() -> None:
    make_monitor("job", monitor_type="HEARTBEAT")
    due_at(NOW, "job")
    with time_machine.travel(clock.at(NOW) + timedelta(days=90), tick=False):
        assert check_all(NOW) == 1
    assert only(MonitorState).lateness_ms == 2**31 - 1
    due_at(NOW + 60, "job")
    with time_machine.travel(clock.at(NOW + 62), tick=False):
        assert check_all(NOW + 60) == 1
    assert only(MonitorState).lateness_ms == 2_000


def test_workers_with_the_same_slot_at_once_store_one_sample(app: Flask) -> None:
    with HttpDouble() as target:
        target.on("/", reply(200, delay_s=0.2))
        make_monitor(monitor_type="API", type_data={"url": target.url("/")})
        due_at(NOW)
        claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW)]
        assert sorted(at_once(app, *[lambda: monitoring.run_shard(claims, slow=False)] * 3)) == [0, 0, 1]
    assert count(Sample) == 1


def test_an_answer_that_comes_after_its_slot_went_to_another_is_dropped() -> None:
    make_monitor("job", monitor_type="HEARTBEAT")
    due_at(NOW, "job")
    old = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW)]
    newer = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW + 60)]
    assert old != newer
    assert monitoring.run_shard(old, slow=False) == 0
    assert monitoring.run_shard(newer, slow=False) == 1


def test_what_a_monitor_paused_meanwhile_was_asked_is_not_stored() -> None:
    make_monitor("job", monitor_type="HEARTBEAT")
    due_at(NOW, "job")
    claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(NOW)]
    monitors.pause("job", actor=SAM)
    assert monitoring.run_shard(claims, slow=False) == 0
    assert count(Sample) == 0


def test_a_check_that_could_not_run_is_no_data_with_a_reason() -> None:
    make_monitor(monitor_type="API", type_data={"url": "http://169.254.169.254/latest"})
    due_at(NOW)
    assert check_all(NOW) == 1
    [(status, reason)] = seen().values()
    assert status is Status.NO_DATA
    assert reason
    assert (only(MonitorState).status, only(MonitorState).error) == (Status.NO_DATA, reason)


def test_a_heartbeat_that_never_came_is_no_data_and_one_that_stopped_is_down() -> None:
    secret = "a-secret-of-some-length"
    make_monitor("job", monitor_type="HEARTBEAT", type_data={"secretString": secret})
    with time_machine.travel(clock.at(NOW), tick=False):
        due_at(NOW, "job")
        assert check_all(NOW) == 1
        assert seen() == {id_of("job"): (Status.NO_DATA, "No heartbeat has arrived yet.")}
    found = []
    with time_machine.travel(clock.at(NOW + 30), tick=False):
        heartbeats.take("job", secret)
    for minutes in (2, 6, 11):
        moment = NOW + minutes * 60
        with time_machine.travel(clock.at(moment), tick=False):
            due_at(moment, "job")
            assert check_all(moment) == 1
            found.append(only(MonitorState).status)
    assert found == [Status.UP, Status.DEGRADED, Status.DOWN]


@pytest.mark.parametrize(
    "damage", [{"url": "gopher://example.com"}, {"url": 5}, {}, [], "text", None, {"url": "http://h", "surprise": 1}]
)
def test_a_damaged_row_is_no_data_with_a_reason_and_disables_only_itself(damage: object) -> None:
    with HttpDouble() as target:
        target.on("/", reply(200))
        for tag in ("api", "broken", "web"):
            make_monitor(tag, monitor_type="API", type_data={"url": target.url("/")})
        with transaction() as session:
            session.execute(
                text("UPDATE monitor SET type_data = :damage WHERE tag = 'broken'"), {"damage": json.dumps(damage)}
            )
        due_at(NOW, "api", "broken", "web")
        assert check_all(NOW) == 3
    found = seen()
    assert found[id_of("api")] == found[id_of("web")] == (Status.UP, None)
    status, reason = found[id_of("broken")]
    assert status is Status.NO_DATA
    assert (reason or "").startswith("The settings of this monitor cannot be used:")
    assert id_of("broken") in {claim.monitor_id for claim in scheduling.claim(NOW + 3_600)}


def test_a_monitor_that_is_told_its_status_keeps_the_last_one_when_it_should() -> None:
    make_monitor("told", type_data={"overrideWithLastKnownStatus": True})
    make_monitor("grey")
    for tag in ("told", "grey"):
        observe(tag, "DEGRADED", start=NOW - 60)
    due_at(NOW, "told", "grey")
    assert check_all(NOW) == 1
    assert [row.at for row in every(Sample) if row.monitor_id == id_of("told")] == [NOW - 60, NOW]
    assert [row.at for row in every(Sample) if row.monitor_id == id_of("grey")] == [NOW - 60]
    assert {state.slot for state in every(MonitorState)} == {None}


def test_what_does_not_answer_in_time_goes_to_the_slow_lane_and_holds_up_nobody(redis: Redis) -> None:
    with HttpDouble() as target:
        target.on("/quick", reply(200))
        target.on("/slow", reply(200, delay_s=2.0))
        for tag in ("quick", "slow"):
            make_monitor(tag, monitor_type="API", type_data={"url": target.url(f"/{tag}")})
        due_at(NOW, "quick", "slow")
        assert check_all(NOW) == 1
        [[[monitor_id, slot]]] = queued(redis, jobs.SLOW_CHECKS)
        assert (monitor_id, slot) == (id_of("slow"), NOW)
        assert monitoring.run_shard([(monitor_id, slot)], slow=True) == 1
    assert {status for status, _ in seen().values()} == {Status.UP}
    slow = {state.monitor_id: state.slow for state in every(MonitorState)}
    assert slow == {id_of("quick"): False, id_of("slow"): True}


# Helpers


def check_all(moment: int) -> int:
    """Claim what is due and check it, as scheduler and worker do. Returns how many samples were stored."""
    return monitoring.run_shard([(claim.monitor_id, claim.slot) for claim in scheduling.claim(moment)], slow=False)
