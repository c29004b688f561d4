"""Time-weighted uptime."""

import math
from dataclasses import astuple
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.status import Status
from kener.domain.uptime import NARROW_SPACE, Point, Seconds, covered, disjoint, percent, tally

points = st.lists(
    st.builds(Point, st.integers(0, 2000), st.sampled_from(Status), st.integers(1, 300)),
    max_size=20,
    unique_by=lambda point: point.at,
).map(lambda found: sorted(found, key=lambda point: point.at))
moments = st.integers(-100, 2500)


def counted(found: list[Point], start: int, end: int, *, until: int = 2500) -> Seconds:
    return tally(covered(found, until=until), start=start, end=end)


def test_a_sample_weighs_as_long_as_it_holds() -> None:
    found = [Point(0, Status.UP, 60), Point(60, Status.DOWN, 60), Point(80, Status.DEGRADED, 60)]
    assert counted(found, 0, 1000) == Seconds(up=60, down=20, degraded=60)


def test_what_was_not_measured_is_outside_the_ratio() -> None:
    found = [Point(0, Status.UP, 60), Point(600, Status.NO_DATA, 60), Point(660, Status.DOWN, 20)]
    seconds = counted(found, 0, 1000)
    assert (seconds.measured, seconds.ratio) == (80, 0.75)


def test_nothing_measured_has_no_ratio() -> None:
    assert Seconds().ratio is None
    assert counted([Point(0, Status.NO_DATA, 60)], 0, 60).ratio is None


def test_only_being_down_costs_uptime() -> None:
    assert Seconds(up=1, degraded=1, maintenance=1).ratio == 1
    assert Seconds(up=1, degraded=1, maintenance=1, down=1).ratio == 0.75


def test_the_last_sample_holds_until_now_and_never_beyond_its_span() -> None:
    last = [Point(100, Status.UP, 60)]
    assert [list(covered(last, until=until)) for until in (100, 130, 500)] == [
        [],
        [(100, 130, Status.UP)],
        [(100, 160, Status.UP)],
    ]
    assert list(covered([], until=500)) == []


@given(points, moments, moments, moments)
def test_parts_of_a_span_add_up_to_it(found: list[Point], one: int, two: int, three: int) -> None:
    start, middle, end = sorted((one, two, three))
    assert counted(found, start, middle) + counted(found, middle, end) == counted(found, start, end)


@given(points, moments, moments)
def test_no_second_is_counted_twice(found: list[Point], one: int, two: int) -> None:
    start, end = sorted((one, two))
    assert 0 <= counted(found, start, end).measured <= end - start
    assert all(seconds >= 0 for seconds in astuple(counted(found, start, end)))


@given(points, moments)
def test_stretches_stand_in_time_order_without_overlap(found: list[Point], until: int) -> None:
    edges = [edge for begin, finish, _ in covered(found, until=until) for edge in (begin, finish)]
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.0, "100"),
        (0.99999, "99.99"),
        (0.9999, "99.99"),
        (0.99996, "99.99"),
        (math.nextafter(1, 0), "99.99"),
        (0.995, "99.5"),
        (0.29, "29"),
        (0.0, "0"),
    ],
)
def test_a_share_is_cut_to_two_places(ratio: float, said: str) -> None:
    assert percent(ratio) == f"{said}{NARROW_SPACE}%"


def test_where_nothing_was_measured_stands_a_dash() -> None:
    assert percent(None) == "–"


@given(st.integers(1, 10**10), st.integers(0, 10**10))
def test_a_hundred_percent_is_exact(measured: int, down: int) -> None:
    down = min(down, measured)
    said = percent(Seconds(up=measured - down, down=down).ratio)
    assert (said == f"100{NARROW_SPACE}%") == (down == 0)


@given(st.integers(1, 10**7), st.integers(0, 10**7))
def test_a_share_is_never_told_better_than_it_was(measured: int, down: int) -> None:
    down = min(down, measured)
    told = float(percent(Seconds(up=measured - down, down=down).ratio).removesuffix(f"{NARROW_SPACE}%"))
    exact = 100 * (measured - down) / measured
    assert exact - 0.01 - 1e-6 <= told <= exact + 1e-6


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


@given(spans)
def test_time_that_several_spans_share_counts_once(given: list[tuple[int, int]]) -> None:
    found = disjoint(given)
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))
    shared = {second for begin, end in given for second in range(begin, end)}
    assert sorted(second for begin, end in found for second in range(begin, end)) == sorted(shared)
