"""The five statuses."""

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.status import Status, from_code, worst

WORST_FIRST = [Status.DOWN, Status.DEGRADED, Status.MAINTENANCE, Status.UP, Status.NO_DATA]


def test_stored_codes_never_change() -> None:
    assert {status.name: status.code for status in Status} == {
        "NO_DATA": 0,
        "UP": 1,
        "DEGRADED": 2,
        "DOWN": 3,
        "MAINTENANCE": 4,
    }
    assert [from_code(status.code) for status in Status] == list(Status)


@pytest.mark.parametrize("code", [-1, 5])
def test_a_code_that_stands_for_no_status_says_nothing(code: int) -> None:
    assert from_code(code) is Status.NO_DATA


def test_visitors_read_a_word_of_its_own_for_each_status() -> None:
    assert [status.word for status in WORST_FIRST] == [
        "Down",
        "Degraded",
        "Maintenance",
        "Operational",
        "Not monitored",
    ]


@pytest.mark.parametrize(("bad", "better"), list(combinations(WORST_FIRST, 2)))
def test_the_worse_of_two_wins_in_either_order(bad: Status, better: Status) -> None:
    assert {worst(pair) for pair in permutations([bad, better])} == {bad}


@given(st.lists(st.sampled_from(Status)), st.lists(st.sampled_from(Status)))
def test_the_worst_of_parts_is_the_worst_of_all(some: list[Status], others: list[Status]) -> None:
    assert worst([worst(some), worst(others)]) is worst(some + others)


def test_the_worst_of_nothing_is_no_data() -> None:
    assert worst(iter([])) is Status.NO_DATA
