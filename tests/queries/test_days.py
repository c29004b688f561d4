"""Days with overlays are exact to the second, and cost what the overlays cut, not what they cover."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete

from kener.db import reading, transaction
from kener.domain.counting import Day, Newest, uptime_of
from kener.domain.layers import HOUR, Level, Overlay
from kener.domain.status import Status, worst
from kener.models import Sample
from kener.queries import days as counting
from kener.queries.days import days_of, hours_of, newest_of
from kener.queries.overlays import overlays
from tests.factories import SAM, T0, id_of, make_incident, make_monitor, plan_maintenance, post, record, sample
from tests.support.statements import counted

pytestmark = pytest.mark.usefixtures("app")

DAY = 86_400
MIDNIGHT = T0 - T0 % DAY
UTC_ZONE = ZoneInfo("UTC")
U, G, D, M, N = Status.UP, Status.DEGRADED, Status.DOWN, Status.MAINTENANCE, Status.NO_DATA


def observe_at_random(dice: random.Random, start: int, end: int) -> list[tuple[int, str, int]]:
    """Samples of a monitor that fails, is not watched for a while, and changes its interval."""
    story, at = [], start
    while at < end:
        status = dice.choice(["UP"] * 6 + ["DOWN", "DOWN", "DEGRADED", "NO_DATA"])
        for _ in range(dice.randint(1, 40)):
            span_s = dice.choice([60, 60, 90, 300])
            story.append((at, status, span_s))
            at += dice.choice([60, 60, 60, 55, 300, 1_000])
        at += dice.choice([0, 0, 0, 5_000, 20_000])
    return [entry for entry in story if entry[0] < end]


def overlays_at_random(dice: random.Random, start: int, end: int) -> list[Overlay]:
    found = []
    for _ in range(dice.randint(1, 9)):
        begin = dice.randint(start - HOUR, end)
        length = dice.choice([dice.randint(1, 300), dice.randint(1, 8 * HOUR), HOUR, 40 * HOUR])
        begin = begin - begin % HOUR if dice.random() < 0.3 else begin
        found.append(
            dice.choice(
                [
                    Overlay(begin, begin + length, Level.INCIDENT, dice.choice([G, D])),
                    Overlay(begin, begin + length, Level.MAINTENANCE, dice.choice([U, G, D, M, M])),
                    Overlay.excluded(begin, begin + length),
                ]
            )
        )
    return found


def naively(
    story: Sequence[tuple[int, str, int]], over: Sequence[Overlay], dates: Sequence[date], zone: ZoneInfo, now: int
) -> list[Day]:
    """Second by second, as the documentation says."""
    seen: dict[int, Status] = {}
    for number, (at, status, span_s) in enumerate(story):
        until = story[number + 1][0] if number + 1 < len(story) else now
        for moment in range(at, min(until, at + span_s)):
            seen[moment] = Status(status)
    totals = {day: [0] * 5 for day in dates}
    start = int(datetime(dates[0].year, dates[0].month, dates[0].day, tzinfo=zone).timestamp())
    ordered = sorted(over, key=lambda one: one.level, reverse=True)
    for moment in range(start, now):
        there = [one for one in ordered if one.start <= moment < one.end]
        status = worst(one.status for one in there if one.level is there[0].level) if there else seen.get(moment, N)
        # Half an hour of a day's offset stays with the hour that it began in, as in the roll-ups.
        day = datetime.fromtimestamp(moment - moment % HOUR, zone).date()
        if there and there[0].level is Level.EXCLUDED:
            totals[day][4] += 1
        elif status is not N and day in totals:
            totals[day][(U, G, D, M).index(status)] += 1
    return [Day(day, *seconds) for day, seconds in totals.items()]


@pytest.mark.parametrize("seed", range(8))
def test_days_are_what_one_counts_second_by_second(seed: int) -> None:
    dice = random.Random(seed)
    zone = ZoneInfo(dice.choice(["UTC", "Pacific/Auckland", "Asia/Kolkata"]))
    monitor_id = make_monitor("api")
    start, now = MIDNIGHT - 3 * DAY, MIDNIGHT + dice.randint(1, DAY - 1)
    today = datetime.fromtimestamp(now, zone).date()
    dates = [today - timedelta(days=back) for back in range(3, -1, -1)]
    story = observe_at_random(dice, start, now - dice.choice([30, 30, 2_000]))
    if zone is not UTC_ZONE:
        from kener.services import site
        from kener.services.site import Site

        site.change(Site(name="Kener", url="", zone=zone.key), actor=SAM)
    record(*(sample("api", at, status, span_s=span_s) for at, status, span_s in story))
    over = overlays_at_random(dice, start, now)
    newest = {monitor_id: newest_of(reading(), monitor_id)}
    found = days_of(reading(), newest, {monitor_id: over}, zone=zone, dates=dates, now=now)[monitor_id]
    assert list(found) == naively(story, over, dates, zone, now)
    hours = hours_of(reading(), monitor_id, newest[monitor_id], over, start=start, now=now)
    for day in found:
        mine = [seconds for hour, seconds in hours if datetime.fromtimestamp(hour, zone).date() == day.date]
        if len(mine) >= 23 or (mine and day.date == today):
            assert [sum(column) for column in list(zip(*mine, strict=True))[1:]] == list(day[1:])


def make_many(number: int, days: int) -> dict[int, Newest]:
    """Monitors that were up all the time but for 20 minutes in the middle of an hour of each day."""
    newest = {}
    for n in range(number):
        tag = f"m{n}"
        make_monitor(tag)
        for back in range(days, 0, -1):
            at = MIDNIGHT - back * DAY
            record(
                sample(tag, at, "UP", span_s=DAY),
                sample(tag, at + 10 * HOUR + 1_200, "DOWN", span_s=DAY),
                sample(tag, at + 10 * HOUR + 2_400, "UP", span_s=DAY),
            )
        newest[id_of(tag)] = Newest(MIDNIGHT - DAY + 10 * HOUR + 2_400, U, DAY)
    return newest


def test_an_overlay_over_many_monitors_reads_no_sample_where_it_covers_whole_hours() -> None:
    newest = make_many(3, 5)
    dates = [datetime.fromtimestamp(MIDNIGHT, UTC).date() - timedelta(days=back) for back in range(5, 0, -1)]

    def count(start: int, end: int) -> tuple[list[str], list[Day]]:
        over = {key: [Overlay(start, end, Level.MAINTENANCE, M)] for key in newest}
        with counted() as statements:
            found = days_of(reading(), newest, over, zone=UTC_ZONE, dates=dates, now=MIDNIGHT)
        assert len(set(found.values())) == 1
        return [text for text in statements if text.startswith("SELECT")], list(found.popitem()[1])

    statements, days = count(MIDNIGHT - 4 * DAY, MIDNIGHT - 2 * DAY)  # whole days
    assert len(statements) == 1 and [day.maintenance_s for day in days] == [0, DAY, DAY, 0, 0]
    statements, days = count(MIDNIGHT - 4 * DAY + 8 * HOUR, MIDNIGHT - 2 * DAY)  # whole hours
    assert len(statements) == 2 and "sample.at" not in " ".join(statements)
    assert days[1] == Day(dates[1], up_s=8 * HOUR, maintenance_s=16 * HOUR)
    statements, days = count(MIDNIGHT - 4 * DAY + 10 * HOUR + 1_800, MIDNIGHT - 2 * DAY)  # half of the bad hour
    assert len(statements) == 3
    assert days[1] == Day(dates[1], up_s=10 * HOUR + 1_200, down_s=600, maintenance_s=13 * HOUR + 1_800)


def test_beyond_a_bound_and_where_samples_are_gone_trouble_was_inside_the_overlay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newest = make_many(1, 2)
    [monitor_id] = newest
    dates = [datetime.fromtimestamp(MIDNIGHT - 2 * DAY, UTC).date(), datetime.fromtimestamp(MIDNIGHT - DAY, UTC).date()]
    over = {
        monitor_id: [
            Overlay(MIDNIGHT - back * DAY + 10 * HOUR, MIDNIGHT - back * DAY + 10 * HOUR + 1_800, Level.INCIDENT, G)
            for back in (1, 2)
        ]
    }

    def downs() -> list[int]:
        found = days_of(reading(), newest, over, zone=UTC_ZONE, dates=dates, now=MIDNIGHT)[monitor_id]
        assert all(sum(day[1:]) == DAY for day in found)
        return [day.down_s for day in found]

    assert downs() == [600, 600]
    monkeypatch.setattr(counting, "MOST_SAMPLED", 1)
    assert downs() == [0, 600]
    with transaction() as session:
        session.execute(delete(Sample).where(Sample.at < MIDNIGHT - DAY + 9 * HOUR))
    assert downs() == [0, 600]


def test_what_lies_over_a_monitor_is_read_for_all_of_them_at_once() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    by_hand = make_incident("api", start=T0, monitors=[{"monitor_tag": "api", "impact": "DEGRADED"}])
    plan_maintenance("api", "web", start=T0 + 60, end=T0 + 120)
    ids = [id_of("api"), id_of("web")]
    with counted() as statements:
        found = overlays(reading(), ids, since=T0, until=T0 + 300)
    assert len([text for text in statements if text.startswith("SELECT")]) == 4
    assert found[ids[1]] == [Overlay(T0 + 60, T0 + 120, Level.MAINTENANCE, M)]
    assert [(one.start, one.level, one.status) for one in found[ids[0]]] == [
        (T0, Level.INCIDENT, G),
        (T0 + 60, Level.MAINTENANCE, M),
    ]
    post(by_hand, "RESOLVED", at=T0 + 200)
    assert overlays(reading(), ids, since=T0, until=T0 + 300)[ids[0]][0].end == T0 + 200
    assert [one.level for one in overlays(reading(), ids, since=T0 + 200, until=T0 + 300)[ids[0]]] == []


def test_uptime_leaves_maintenance_and_what_is_excluded_out() -> None:
    day = date(2024, 5, 14)
    assert uptime_of([Day(day, up_s=50, degraded_s=25, down_s=25, maintenance_s=900, excluded_s=900)]) == 0.75
    assert uptime_of([Day(day, maintenance_s=900, excluded_s=900)]) is None
