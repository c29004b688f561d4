"""What an incident's updates amount to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.incidents import IncidentState, Story, outcome, state_before_resolution

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LETTERS = {state.name[:2]: state for state in IncidentState}

Updates = list[tuple[IncidentState, datetime]]
states = st.lists(st.sampled_from(IncidentState), max_size=12)


def updates(letters: str) -> Updates:
    """`"IN MO RE"`: one update an hour."""
    return hourly([LETTERS[word] for word in letters.split()])


def hourly(found: list[IncidentState]) -> Updates:
    return [(state, START + timedelta(hours=number)) for number, state in enumerate(found)]


@pytest.mark.parametrize(
    ("letters", "state", "end"),
    [
        ("", "INVESTIGATING", None),
        ("IN", "INVESTIGATING", None),
        ("IN ID MO", "MONITORING", None),
        ("IN MO RE", "RESOLVED", 2),
        ("RE", "RESOLVED", 0),
        ("IN RE MO", "MONITORING", None),
        ("IN RE MO RE", "RESOLVED", 3),
    ],
)
def test_o6_the_last_update_says_the_state_and_a_resolution_the_end(letters: str, state: str, end: int | None) -> None:
    ended = None if end is None else START + timedelta(hours=end)
    assert outcome(updates(letters)) == Story(IncidentState(state), ended)


@given(states)
def test_o6_an_incident_has_an_end_exactly_when_it_is_resolved(found: list[IncidentState]) -> None:
    story = outcome(hourly(found))
    assert (story.end_at is not None) == (story.state is IncidentState.RESOLVED)
    assert story.state is (found[-1] if found else IncidentState.INVESTIGATING)


@given(states, st.integers(1, 5))
def test_r5_post_mortems_never_move_the_end(found: list[IncidentState], more: int) -> None:
    resolved = [*found, IncidentState.RESOLVED]
    assert outcome(hourly(resolved + [IncidentState.RESOLVED] * more)) == outcome(hourly(resolved))


@pytest.mark.parametrize(
    ("letters", "before"),
    [
        ("IN ID RE", "IDENTIFIED"),
        ("IN MO RE RE", "MONITORING"),
        ("ID RE MO RE", "MONITORING"),
        ("RE", "INVESTIGATING"),
        ("", "INVESTIGATING"),
    ],
)
def test_o3_a_re_opened_incident_returns_to_the_state_before_its_resolution(letters: str, before: str) -> None:
    assert state_before_resolution(updates(letters)) is IncidentState(before)


def test_the_states_are_four_stages_with_a_word_each() -> None:
    told = [(state.stage, state.word) for state in IncidentState]
    assert told == [(1, "Investigating"), (2, "Identified"), (3, "Monitoring"), (4, "Resolved")]
