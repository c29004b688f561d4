"""Uptime that is kept as samples arrive, against the same summed up anew for each."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.running_uptime import HOUR, ExactUptime, Hour, HourlyUptime
from kener.domain.status import Status
from kener.domain.uptime import Point, Seconds, covered, tally

DAY = 24 * HOUR


@st.composite
def points(draw: st.DrawFn) -> list[Point]:
    """Samples at uneven steps, some of which leave gaps, some of which last for hours."""
    found, at = [], draw(st.integers(0, 2 * HOUR))
    for _ in range(draw(st.integers(2, 40))):
        at += draw(st.sampled_from([1, 60, 600, 1_799, HOUR, 7_000, DAY]))
        found.append(Point(at, draw(st.sampled_from(list(Status))), draw(st.sampled_from([60, 3_000, 9_000, DAY]))))
    return found


def stood_for(seen: Sequence[Point], start: int) -> Seconds:
    """What the samples up to the newest stood for since `start`, the newest one's own span included."""
    end = seen[-1].at + seen[-1].span_s
    return tally(covered(seen, until=end), start=start, end=end)


@given(points(), st.sampled_from([600, HOUR]))
def test_a_short_window_is_exact_to_the_second(story: list[Point], window_s: int) -> None:
    running = ExactUptime(window_s)
    for number, (previous, point) in enumerate(pairwise([None, *story])):
        assert point is not None
        start = point.at - window_s
        inside = [seen for seen in story[: number + 1] if seen.at > start and seen.status is not Status.NO_DATA]
        assert running.add(point, previous) == (stood_for(story[: number + 1], start), len(inside))


@given(points(), st.sampled_from([2 * HOUR, DAY, 7 * DAY]), st.integers(0, 39))
def test_a_long_window_begins_on_a_whole_hour_wherever_the_roll_ups_end(
    story: list[Point], window_s: int, cut: int
) -> None:
    since = story[min(cut, len(story) - 1)].at // HOUR * HOUR
    running = HourlyUptime(window_s, rolled_up(story, until=since))
    for number, (previous, point) in enumerate(pairwise([None, *story])):
        assert point is not None
        if point.at < since:
            continue
        edge = (point.at - window_s) // HOUR * HOUR
        seconds, samples = running.add(point, previous, since=since)
        sums = stood_for(story[: number + 1], edge)
        assert samples == sum(1 for seen in story[: number + 1] if seen.at >= edge)
        assert (seconds.up, seconds.degraded, seconds.down) == (sums.up, sums.degraded, sums.down)


def rolled_up(story: Sequence[Point], *, until: int) -> list[Hour]:
    """The hours before `until`, as the tables hold them."""
    hours = range(story[0].at // HOUR * HOUR, until, HOUR)
    stretches = list(covered(story, until=story[-1].at))
    return [
        Hour(at, tally(stretches, start=at, end=at + HOUR), sum(1 for point in story if at <= point.at < at + HOUR))
        for at in hours
    ]


@pytest.mark.parametrize(("age", "down"), [(HOUR - 1, 60), (HOUR, 60), (HOUR + 30, 30), (HOUR + 60, 0)])
def test_what_has_left_the_window_no_longer_counts(age: int, down: int) -> None:
    running = ExactUptime(HOUR)
    bad, good = Point(0, Status.DOWN, 60), Point(age, Status.UP, 60)
    running.add(bad, None)
    assert running.add(good, bad)[0] == Seconds(up=60, down=down)
