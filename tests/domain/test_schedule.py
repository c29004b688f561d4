"""When a monitor is due."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.schedule import MAX_INTERVAL_S, MIN_INTERVAL_S, Schedule, check_cron

intervals = st.integers(MIN_INTERVAL_S, MAX_INTERVAL_S)
moments = st.integers(0, 4_000_000_000)
keys = st.text(max_size=20)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_intervals_reach_from_ten_seconds_to_a_day() -> None:
    assert (MIN_INTERVAL_S, MAX_INTERVAL_S) == (10, 24 * 3_600)


@given(intervals, moments, keys)
def test_the_next_slot_lies_later_and_at_most_an_interval_away(interval: int, moment: int, key: str) -> None:
    assert 0 < Schedule(interval).next_after(moment, key=key) - moment <= interval


@given(intervals, moments, moments, keys)
def test_every_slot_of_a_monitor_stands_on_one_grid(interval: int, one: int, two: int, key: str) -> None:
    schedule = Schedule(interval)
    assert (schedule.next_after(one, key=key) - schedule.next_after(two, key=key)) % interval == 0


@given(intervals, moments, keys)
def test_no_slot_is_left_out(interval: int, moment: int, key: str) -> None:
    slot = Schedule(interval).next_after(moment, key=key)
    assert Schedule(interval).next_after(slot, key=key) == slot + interval
    assert Schedule(interval).next_after(slot - 1, key=key) == slot


def test_a_monitor_keeps_its_place_across_restarts_and_releases() -> None:
    assert [Schedule(60).next_after(0, key=key) for key in ("api", "shop", "mail")] == [19, 6, 48]


def test_monitors_spread_over_their_interval() -> None:
    places = [Schedule(60).next_after(0, key=f"monitor-{number}") for number in range(600)]
    assert len(set(places)) == 60
    assert max(places.count(place) for place in range(1, 61)) < 30


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("*/5 * * * *", "2026-03-01T12:00:00", "2026-03-01T12:05:00"),
        ("*/5 * * * *", "2026-03-01T12:04:59", "2026-03-01T12:05:00"),
        ("0 3 * * MON", "2026-03-01T12:00:00", "2026-03-02T03:00:00"),
        ("30 2 29 2 *", "2026-03-01T12:00:00", "2028-02-29T02:30:00"),
        ("30 2 29 3 *", "2026-03-29T00:00:00", "2026-03-29T02:30:00"),
    ],
)
def test_a_cron_expression_is_due_in_utc(cron: str, after: str, due: str) -> None:
    assert Schedule(cron=cron).next_after(seconds(after), key="any") == seconds(due)


@given(moments)
def test_the_next_slot_of_a_cron_expression_lies_later(moment: int) -> None:
    assert 0 < Schedule(cron="*/7 * * * *").next_after(moment, key="any") - moment <= 7 * 60


def test_a_sample_stands_until_the_next_slot_and_at_most_a_day() -> None:
    slot = seconds("2026-03-01T12:56:00")
    spans = [Schedule(cron=cron).span_after(slot) for cron in ("* * * * *", "*/7 * * * *", "0 3 1 * *")]
    assert spans == [60, 240, MAX_INTERVAL_S]
    assert Schedule(45).span_after(slot) == 45


@pytest.mark.parametrize("cron", ["* * * * *", "*/5 0-6,22 * * MON-FRI", "0 0 29 2 *", "0 0 1 JAN *"])
def test_a_sound_cron_expression_has_no_mistake(cron: str) -> None:
    assert check_cron(cron) is None


@pytest.mark.parametrize(
    ("cron", "advice"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "not a cron expression"),
        ("* * * * SOMEDAY", "not a cron expression"),
        ("*/0 * * * *", "not a cron expression"),
        ("5-1 * * * *", "not a cron expression"),
    ],
)
def test_a_mistake_in_a_cron_expression_is_explained(cron: str, advice: str) -> None:
    assert advice in (check_cron(cron) or "")


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4 *"])
def test_an_expression_that_never_comes_due_is_refused(cron: str) -> None:
    assert "never comes due" in (check_cron(cron) or "")


def test_an_expression_is_due_within_five_years() -> None:
    # The 29th of February on a Sunday: 2032. The 1st of February on a Sunday: 2026.
    assert check_cron("0 0 29 2 */7") == "This expression is not due within five years."
    assert check_cron("0 0 1 2 */7") is None


@given(st.lists(st.text("0123456789*/-,LW#MONJAN ", max_size=4), min_size=5, max_size=5).map(" ".join))
def test_what_is_accepted_does_come_due(cron: str) -> None:
    if check_cron(cron) is None:
        assert Schedule(cron=cron).next_after(0, key="any") > 0
