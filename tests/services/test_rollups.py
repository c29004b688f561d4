"""Hours and days are always what the samples amount to, whatever order those came in, and outlive them."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import update

from kener import clock, jobs
from kener.db import transaction
from kener.domain.status import Status, from_code
from kener.models import AuditEntry, Daily, Decision, Delivery, DeliveryState, Hourly, MonitorState, Sample, SampleNote
from kener.services import housekeeping, manual_data, site
from kener.services.errors import Refused
from kener.services.manual_data import Edit
from kener.services.site import Site
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    make_trigger,
    observe,
    only,
    record,
    sample,
)

pytestmark = pytest.mark.usefixtures("app")

HOUR, DAY = 3_600, 86_400
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
NUMBERS = ("up_s", "degraded_s", "down_s", "samples", "latency_n", "latency_sum", "latency_min", "latency_max")
Bucket = dict[str, Any]


# What the tables should hold, worked out from the samples alone


def hours_from_samples(rows: list[Sample]) -> dict[tuple[int, int], Bucket]:
    """Every hour of every monitor, counted in the most simple-minded way."""
    found: dict[tuple[int, int], Bucket] = {}

    def bucket(row: Sample, moment: int) -> Bucket:
        return found.setdefault((row.monitor_id, moment - moment % HOUR), dict.fromkeys(NUMBERS[:-2], 0) | {"seen": []})

    for row in rows:
        hour = bucket(row, row.at)
        hour["samples"] += 1
        if row.latency_ms is not None:
            hour["seen"].append(row.latency_ms)
        following = min(
            (other.at for other in rows if other.monitor_id == row.monitor_id and other.at > row.at), default=None
        )
        status = from_code(row.status)
        if following is not None and status is not Status.NO_DATA:
            end = min(following, row.at + row.span_s)
            for hour_at in range(row.at - row.at % HOUR, end, HOUR):
                inside = min(end, hour_at + HOUR) - max(row.at, hour_at)
                bucket(row, hour_at)[f"{status.value.lower()}_s"] += inside
    return {key: finished(hour) for key, hour in found.items()}


def days_from_hours(hours: dict[tuple[int, int], Bucket], zone: str) -> dict[tuple[int, date], Bucket]:
    """Every local day: the hours that begin in it."""
    days: dict[tuple[int, date], Bucket] = {}
    for (monitor_id, hour), values in hours.items():
        key = (monitor_id, datetime.fromtimestamp(hour, ZoneInfo(zone)).date())
        day = days.setdefault(key, dict.fromkeys(NUMBERS[:-2], 0) | {"low": [], "high": []})
        for name in NUMBERS[:-2]:
            day[name] += values[name]
        if values["latency_n"]:
            day["low"].append(values["latency_min"])
            day["high"].append(values["latency_max"])
    return {
        key: {name: day[name] for name in NUMBERS[:-2]}
        | {"latency_min": min(day["low"], default=None), "latency_max": max(day["high"], default=None)}
        for key, day in days.items()
    }


def finished(hour: Bucket) -> Bucket:
    seen = hour.pop("seen")
    latencies = {"latency_n": len(seen), "latency_sum": sum(seen)}
    return hour | latencies | {"latency_min": min(seen, default=None), "latency_max": max(seen, default=None)}


def stored_hours() -> dict[tuple[int, int], Bucket]:
    return {(row.monitor_id, row.hour): numbers(row) for row in every(Hourly)}


def stored_days() -> dict[tuple[int, date], Bucket]:
    return {(row.monitor_id, row.day): numbers(row) for row in every(Daily)}


def numbers(row: Hourly | Daily) -> Bucket:
    return {name: getattr(row, name) for name in NUMBERS}


def check(zone: str) -> None:
    """Hours and days are what the samples amount to."""
    expected = hours_from_samples(every(Sample))
    assert stored_hours() == expected
    assert stored_days() == days_from_hours(expected, zone)


# Stories


@pytest.mark.parametrize("zone", ZONES)
def test_hours_and_days_are_what_the_samples_amount_to(zone: str) -> None:
    site.change(Site(zone=zone), actor=SAM)
    for tag in ("api", "web"):
        make_monitor(tag)
    for step in story(random.Random(zone)):
        record(*step["samples"], replace=step["replace"])
        check(zone)
    assert len(stored_hours()) > 12
    assert len(stored_days()) > 2
    assert len({status for status, in_use in totals().items() if in_use}) == 3


def story(dice: random.Random) -> Iterator[dict[str, Any]]:
    """In order, in batches, late, twice and edited: whatever may arrive."""
    newest = {"api": T0, "web": T0}

    def one(tag: str, at: int) -> Any:
        status = dice.choice(["UP", "UP", "DEGRADED", "DOWN", "NO_DATA"])
        latency = dice.choice([None, dice.randrange(1, 3_000)])
        return sample(tag, at, status, latency_ms=latency, span_s=dice.choice([60, 300, 3_600]))

    for _ in range(50):
        kind = dice.choice(["next", "next", "batch", "late", "again", "edit", "edit the newest"])
        tag = dice.choice(["api", "web"])
        stored = [row.at for row in every(Sample) if row.monitor_id == id_of(tag)] or [T0]
        match kind:
            case "next" | "batch":
                samples = []
                for _ in range(1 if kind == "next" else 6):
                    who = dice.choice(["api", "web"])
                    newest[who] += dice.choice([1, 59, 60, 61, 600, 5_000, 20_000])
                    samples.append(one(who, newest[who]))
            case "late":
                samples = [one(tag, dice.randrange(T0 - HOUR, newest[tag] + 1)) for _ in range(2)]
            case "edit the newest":
                samples = [one(tag, max(stored))]
            case _:
                samples = [one(tag, at) for at in {dice.choice(stored), dice.choice(stored)}]
        yield {"samples": samples, "replace": kind.startswith("edit")}


def totals() -> dict[str, int]:
    return {name: sum(day[name] for day in stored_days().values()) for name in ("up_s", "degraded_s", "down_s")}


def test_one_hour_worked_by_hand() -> None:
    make_monitor()
    observe("api", "UP", "DOWN", "DEGRADED", latency_ms=200, step_s=600)
    observe("api", "NO_DATA", start=T0 + 1_230)
    observe("api", "UP", start=T0 + 3_590, latency_ms=50)
    observe("api", "UP", start=T0 + 3_620)
    assert numbers(every(Hourly)[0]) == {
        "up_s": 60 + 10,
        "down_s": 60,
        "degraded_s": 30,
        "samples": 5,
        "latency_n": 4,
        "latency_sum": 650,
        "latency_min": 50,
        "latency_max": 200,
    }
    assert (every(Hourly)[1].hour, every(Hourly)[1].up_s) == (T0 + HOUR, 20)


def test_samples_written_by_hand_are_counted_like_any_other() -> None:
    make_monitor("api", interval_seconds=30)
    first = clock.epoch() // 60 * 60 - 2 * HOUR
    observe("api", *["UP"] * 20, start=first, step_s=30, latency_ms=10)
    manual_data.write("api", Edit(first + 60, first + 1_200, Status.DOWN, 90, 9), actor=SAM)
    check("UTC")
    manual_data.write("api", Edit(first, first + 60, Status.DEGRADED, None), actor=SAM)
    observe("api", "UP")
    check("UTC")
    assert {note.source for note in every(SampleNote)} == {"manual"}


def test_an_edit_of_the_newest_sample_is_what_the_next_one_ends() -> None:
    make_monitor()
    record(sample("api", T0, "UP", span_s=3_600))
    record(sample("api", T0, "DOWN", latency_ms=5, span_s=60), replace=True)
    state = only(MonitorState)
    assert (state.status, state.latency_ms, state.span_s) == (Status.DOWN, 5, 60)
    record(sample("api", T0 + 1_800, "UP"))
    check("UTC")


# Another time zone


def test_a_new_time_zone_cuts_the_days_anew(redis: Redis) -> None:
    midnight = T0 - T0 % DAY
    for tag in ("api", "web"):
        make_monitor(tag)
        record(*[sample(tag, midnight + n * 1_700, "UP", latency_ms=n, span_s=1_700) for n in range(150)])
    check("UTC")
    for number, zone in enumerate(["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "UTC"], start=1):
        site.change(Site(zone=zone), actor=SAM)
        queue = Queue(jobs.HOUSEKEEPING, connection=redis)
        assert [job.func_name for job in queue.jobs] == [jobs.REBUILD_DAYS] * number
        with time_machine.travel(clock.at(midnight + 5 * DAY), tick=False):
            housekeeping.rebuild_days()
        check(zone)


def test_a_new_time_zone_leaves_days_alone_whose_hours_are_not_kept_any_more() -> None:
    make_monitor()
    midnight = T0 - T0 % DAY
    for day in range(4):
        record(*[sample("api", midnight + day * DAY + n * 3_600, "UP", span_s=3_600) for n in range(24)])
    before = {day: row["up_s"] for (_, day), row in stored_days().items()}
    with time_machine.travel(clock.at(midnight + 401 * DAY + 12 * HOUR), tick=False):
        housekeeping.prune()
        assert min(row.hour for row in every(Hourly)) == midnight + DAY + 12 * HOUR
        site.change(Site(zone="America/New_York"), actor=SAM)
        housekeeping.rebuild_days()
    after = {day: row["up_s"] for (_, day), row in stored_days().items()}
    first, second, third, last = sorted(before)
    assert (after[first], after[second], after[third]) == (DAY, DAY, DAY)
    assert after[last] == DAY - 4 * HOUR - HOUR


# Retention


def test_what_is_kept_no_longer_goes_and_the_days_stay() -> None:
    make_monitor("api")
    make_monitor("web")
    for tag in ("api", "web"):
        observe(tag, "DOWN", start=T0, error="HTTP 500")
        observe(tag, *["UP"] * 3, start=T0 + 60)
        observe(tag, "DOWN", start=T0 + 30 * DAY, error="HTTP 500")
    days = stored_days()
    with time_machine.travel(clock.at(T0 + 100 * DAY), tick=False):
        housekeeping.prune()
        assert {row.at for row in every(Sample)} == {row.at for row in every(SampleNote)} == {T0 + 30 * DAY}
        assert (count(Sample), count(Hourly)) == (2, 4)
    with time_machine.travel(clock.at(T0 + 500 * DAY), tick=False):
        assert housekeeping.prune() >= 6
        assert housekeeping.prune() == 0
    assert (count(Sample), count(SampleNote), count(Hourly)) == (0, 0, 0)
    assert stored_days() == days
    assert {state.at for state in every(MonitorState)} == {T0 + 30 * DAY}


@pytest.mark.parametrize(("days", "kept"), [(29, (1, 2, 4)), (31, (0, 2, 4)), (91, (0, 1, 4)), (401, (0, 1, 0))])
def test_records_are_kept_as_long_as_documented(days: int, kept: tuple[int, int, int]) -> None:
    make_monitor()
    make_configuration(failure_threshold=1, trigger_ids=[make_trigger(name="One"), make_trigger(name="Two")])
    observe("api", "DOWN")
    with transaction() as session:
        first = update(Delivery).where(Delivery.id == every(Delivery)[0].id)
        session.execute(first.values(state=DeliveryState.SENT))
    with time_machine.travel(clock.now() + timedelta(days=days), tick=False):
        housekeeping.prune()
    assert (count(Decision), count(Delivery), count(AuditEntry)) == kept


@pytest.mark.parametrize("days", [{"retention_days": 90}, {"retention_days": 400, "hourly_retention_days": 90}])
def test_history_without_its_samples_or_hours_cannot_be_edited_away(
    make_app: Callable[..., Flask], days: dict[str, int]
) -> None:
    make_app(web=False, **days)
    make_monitor()
    start = datetime(2024, 5, 14, tzinfo=UTC)
    at = int(start.timestamp())
    record(*[sample("api", at + 600 * n, "UP", span_s=600) for n in range(3 * 144)])
    days_before = stored_days()
    with time_machine.travel(start + timedelta(days=120), tick=False):
        housekeeping.prune()
        for second in (0, 2 * DAY):
            with pytest.raises(Refused) as refused:
                manual_data.write("api", Edit(at + second, at + second, Status.DOWN, None), actor=SAM)
            assert list(refused.value.errors) == ["start_ts"]
    assert stored_days() == days_before
