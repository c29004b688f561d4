"""What people laid over what was observed: every second has one status, the same one by every road."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kener.domain.layers import (
    Bucket,
    Layer,
    Level,
    Overlay,
    counted,
    effective,
    guessed,
    layers,
    rebuilt,
    shown,
    told,
    uncovered,
)
from kener.domain.status import Status, worst
from kener.domain.uptime import Point, covered, disjoint

U, G, D, M, N = Status.UP, Status.DEGRADED, Status.DOWN, Status.MAINTENANCE, Status.NO_DATA
END = 300
moments = st.integers(-20, END + 20)
impacts = st.builds(Overlay, moments, moments, st.just(Level.INCIDENT), st.sampled_from([G, D]))
windows = st.builds(Overlay, moments, moments, st.just(Level.MAINTENANCE), st.sampled_from([U, G, D, M]))
exclusions = st.builds(Overlay.excluded, moments, moments)
overlays = st.lists(st.one_of(impacts, windows, exclusions), max_size=8)
samples = st.lists(
    st.builds(Point, st.integers(-50, END), st.sampled_from([U, G, D, N]), st.integers(1, 90)),
    max_size=20,
    unique_by=lambda point: point.at,
).map(lambda found: sorted(found, key=lambda point: point.at))
pieces = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)), max_size=4).map(disjoint)


def by_second(found: list[Overlay], seen: dict[int, Status], moment: int) -> Status:
    """The table of the documentation, read for one second."""
    for level in (Level.EXCLUDED, Level.MAINTENANCE, Level.INCIDENT):
        there = [one.status for one in found if one.level is level and one.start <= moment < one.end]
        if there:
            return N if level is Level.EXCLUDED else worst(there)
    return seen.get(moment, N)


def seconds_of(stretches: list[tuple[int, int, Status]]) -> dict[int, Status]:
    found: dict[int, Status] = {}
    for start, end, status in stretches:
        for moment in range(start, end):
            assert moment not in found, "no second counts twice"
            found[moment] = status
    return found


@given(samples, overlays)
def test_every_second_has_the_status_that_the_table_gives_it(found: list[Point], over: list[Overlay]) -> None:
    observed = [stretch for stretch in covered(found, until=END) if stretch[1] > 0]
    observed = [(max(0, start), end, status) for start, end, status in observed]
    seen = seconds_of(observed)
    shown_seconds = seconds_of(effective(observed, layers(over, start=0, end=END)))
    for moment in range(END):
        expected = by_second(over, seen, moment)
        assert shown_seconds.get(moment, N) is expected
        assert shown(seen.get(moment, N), over, at=moment) is expected


@given(overlays)
def test_layers_are_disjoint_in_order_and_as_few_as_can_be(over: list[Overlay]) -> None:
    found = layers(over, start=0, end=END)
    for one, following in pairwise(found):
        assert one.end <= following.start
        assert one.end < following.start or (one.level, one.status) != (following.level, following.status)
    assert all(0 <= one.start < one.end <= END for one in found)
    assert layers(list(reversed(over)), start=0, end=END) == found


def test_inside_a_level_the_worst_wins_and_the_order_does_not_matter() -> None:
    over = [Overlay(0, 20, Level.MAINTENANCE, U), Overlay(10, 30, Level.MAINTENANCE, M)]
    assert layers(over, start=0, end=60) == [Layer(0, 10, Level.MAINTENANCE, U), Layer(10, 30, Level.MAINTENANCE, M)]
    over = [Overlay(0, 60, Level.INCIDENT, D), Overlay(20, 40, Level.MAINTENANCE, U), Overlay.excluded(30, 50)]
    assert [(one.start, one.end, one.status) for one in layers(over, start=0, end=60)] == [
        (0, 20, D),
        (20, 30, U),
        (30, 50, N),
        (50, 60, D),
    ]


def test_a_window_of_an_hour_covers_an_hour() -> None:
    hour = [Overlay(3_600, 7_200, Level.MAINTENANCE, M)]
    assert list(uncovered([(0, 10_800, U)], layers(hour, start=0, end=10_800))) == [(0, 3_600, U), (7_200, 10_800, U)]
    assert [shown(U, hour, at=at) for at in (3_599, 3_600, 7_199, 7_200)] == [U, M, M, U]


def bucket_of(found: list[Point], newest: Point, length_s: int) -> Bucket:
    """What the roll-ups hold of `[0, length_s)`, and where they end."""
    totals = Counter(dict.fromkeys(Status, 0))
    for start, end, status in covered(found, until=0):
        totals[status] += max(0, min(end, length_s) - max(start, 0))
    inside = sum(1 for point in found if 0 <= point.at < length_s)
    return Bucket(0, max(0, min(length_s, newest.at)), totals[U], totals[G], totals[D], inside)


@given(samples.filter(bool), pieces, st.integers(1, END))
def test_an_hour_is_rebuilt_from_its_roll_up_and_its_own_samples(
    found: list[Point], touched: list[tuple[int, int]], length_s: int
) -> None:
    bucket = bucket_of(found, found[-1], length_s)
    seen = seconds_of([(max(0, start), end, status) for start, end, status in covered(found, until=0) if end > 0])
    expected = Counter(
        seen[moment] for low, high in touched for moment in range(low, min(high, length_s)) if moment in seen
    )
    del expected[N]
    stretches = rebuilt(bucket, [point for point in found if 0 <= point.at < length_s])
    assert stretches is not None
    for tallies in (counted(stretches, touched), told(bucket, touched)):
        if tallies is not None:
            totals: Counter[Status] = Counter()
            for status, seconds in tallies:
                totals[status] += seconds
            del totals[N]
            assert +totals == expected


def test_where_samples_are_gone_the_trouble_was_inside_the_overlay() -> None:
    bucket = Bucket(0, 3_600, up_s=3_000, degraded_s=200, down_s=400, samples=60)
    assert rebuilt(bucket, []) is None and told(bucket, [(0, 500)]) is None
    assert guessed(bucket, [(0, 500)]) == [(D, 400), (G, 100), (U, 0)]
    assert guessed(bucket, [(0, 1_000)]) == [(D, 400), (G, 200), (U, 400)]
