"""Durations in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.durations import in_words, short

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.mark.parametrize(
    ("seconds", "words", "brief"),
    [
        (47 * MINUTE, "47 minutes", "47 min"),
        (2 * HOUR + 5 * MINUTE, "2 hours 5 minutes", "2 h 5 min"),
        (45, "45 seconds", "45 s"),
        (MINUTE, "1 minute", "1 min"),
        (1, "1 second", "1 s"),
        (0, "0 seconds", "0 s"),
        (59.9, "59 seconds", "59 s"),
        (MINUTE + 59, "1 minute", "1 min"),
        (HOUR - 1, "59 minutes", "59 min"),
        (HOUR, "1 hour", "1 h"),
        (HOUR + MINUTE, "1 hour 1 minute", "1 h 1 min"),
        (DAY - 1, "23 hours 59 minutes", "23 h 59 min"),
        (DAY, "1 day", "1 d"),
        (2 * DAY + HOUR + 30 * MINUTE, "2 days 1 hour", "2 d 1 h"),
        (3 * DAY + 30 * MINUTE, "3 days 30 minutes", "3 d 30 min"),
        (-5, "0 seconds", "0 s"),
    ],
)
def test_r2_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str, brief: str) -> None:
    assert (in_words(seconds), short(seconds)) == (words, brief)


@given(st.floats(0, 10**9))
def test_r2_a_duration_is_never_told_longer_than_it_was(seconds: float) -> None:
    sizes = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY}
    parts = in_words(seconds).split()
    units = [unit.removesuffix("s") for unit in parts[1::2]]
    told = sum(int(number) * sizes[unit] for number, unit in zip(parts[::2], units, strict=True))
    cut = HOUR if "day" in units and "minute" not in units else MINUTE if seconds >= MINUTE else 1
    assert told <= seconds < told + cut
    assert 1 <= len(units) <= 2
