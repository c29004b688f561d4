"""Days of a time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.days import day_bounds

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland"]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("UTC", "2026-03-29", "2026-03-29T00:00", 24),
        ("Europe/Berlin", "2026-03-28", "2026-03-27T23:00", 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", 25),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5),
        # Clocks jump at midnight: the day begins at one o'clock.
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", 23),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone: str, day: str, begins: str, hours: float) -> None:
    start, end = day_bounds(date.fromisoformat(day), ZoneInfo(zone))
    assert datetime.fromtimestamp(start, UTC) == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert (end - start) / 3_600 == hours


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2037, 12, 30)))
def test_every_second_belongs_to_exactly_one_day(zone: str, day: date) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    assert end == day_bounds(day + timedelta(days=1), ZoneInfo(zone))[0]
    inside = {datetime.fromtimestamp(moment, ZoneInfo(zone)).date() for moment in (start, end - 1)}
    assert inside == {day}
    assert datetime.fromtimestamp(start - 1, ZoneInfo(zone)).date() < day
