"""A channel that keeps failing is found broken, and one that fails now and then is not."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kener.domain.channels import LONGEST, MOST_FAILURES, PAUSE, Record

START = datetime(2026, 3, 1, tzinfo=UTC)
attempts = st.lists(st.tuples(st.timedeltas(timedelta(0), timedelta(days=3)), st.booleans()), max_size=30)


def after(story: list[tuple[timedelta, bool]]) -> tuple[Record, datetime]:
    """The record after attempts in vain, each so long after the one before it."""
    record, at = Record(), START
    for pause, for_good in story:
        at += pause
        record = record.failed(at, for_good=for_good)
    return record, at


def test_ten_messages_that_failed_for_good_break_a_channel_and_nine_do_not() -> None:
    moment = timedelta(seconds=1)
    nine, at = after([(moment, True)] * (MOST_FAILURES - 1))
    assert not nine.is_broken(at)
    ten = nine.failed(at, for_good=True)
    assert ten.is_broken(at)
    said = "Switched off after 10 messages in a row could not be delivered. The last answer: HTTP 500"
    assert ten.reason(at, "HTTP 500") == said


def test_a_day_of_attempts_in_vain_breaks_a_channel() -> None:
    record, at = after([(timedelta(hours=8), False)] * 4)
    assert record.is_broken(at)
    assert record.reason(at, "gone").startswith("Switched off after every attempt failed for 1 day")


def test_a_failure_a_month_after_another_is_the_first_of_its_own() -> None:
    record, at = after([(timedelta(0), True), (timedelta(days=30), False)])
    assert record.since == at and not record.is_broken(at)


@given(attempts)
def test_a_broken_channel_has_failed_often_or_for_long(story: list[tuple[timedelta, bool]]) -> None:
    record, at = after(story)
    often = sum(for_good for _, for_good in story) >= MOST_FAILURES
    began = at
    for pause, _ in reversed(story[1:]):
        if pause > PAUSE:
            break
        began -= pause
    assert record.is_broken(at) == (often or (bool(story) and at - began >= LONGEST))
