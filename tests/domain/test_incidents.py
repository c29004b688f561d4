"""What an incident's updates amount to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.incidents import (
    IncidentState,
    Story,
    goes_on,
    impact_end,
    is_shared,
    outcome,
    reopenings,
    state_before_resolution,
)

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


@pytest.mark.parametrize(("seconds", "fresh"), [(-60, True), (0, True), (299, True), (300, False), (86_400, False)])
def test_r4_what_ended_less_than_n_minutes_ago_goes_on(seconds: int, fresh: bool) -> None:
    assert goes_on(START, START + timedelta(seconds=seconds), 5) is fresh


moments = st.none() | st.integers(0, 9).map(lambda hours: START + timedelta(hours=hours))


@given(moments, moments, moments)
def test_x4_an_impact_lasts_no_longer_than_its_incident(
    own: datetime | None, before: datetime | None, now: datetime | None
) -> None:
    end = impact_end(own, before=before, now=now)
    assert now is None or (end is not None and end <= now)
    assert impact_end(end, before=now, now=now) == end


def test_x4_an_impact_that_ended_early_stays_ended_until_the_incident_has_ended_and_goes_on() -> None:
    early, end, later = (START + timedelta(hours=hours) for hours in (1, 2, 3))
    assert impact_end(early, before=None, now=None) == early
    assert impact_end(early, before=None, now=end) == early
    assert impact_end(early, before=end, now=later) == early
    assert impact_end(end, before=end, now=later) == later
    assert impact_end(early, before=end, now=None) is None


@pytest.mark.parametrize(("seconds", "shared"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_x4_what_begins_within_n_minutes_is_shared(seconds: int, shared: bool) -> None:
    assert is_shared(START, START + timedelta(seconds=seconds), 5) is shared


def test_the_states_are_four_stages_with_a_word_each() -> None:
    told = [(state.stage, state.word) for state in IncidentState]
    assert told == [(1, "Investigating"), (2, "Identified"), (3, "Monitoring"), (4, "Resolved")]


def test_o3_an_update_after_a_resolution_re_opens_and_a_merged_story_keeps_its_own_end():
    resolved, looking = IncidentState.RESOLVED, IncidentState.INVESTIGATING
    assert reopenings([(None, looking), (None, resolved), (None, resolved), (None, looking), (None, looking)]) == [
        False, False, False, True, False,
    ]  # fmt: skip
    assert reopenings([(7, resolved), (None, looking), (7, looking), (None, resolved)]) == [False, False, True, False]


def test_x4_the_last_end_of_merged_stories_counts():
    resolved, looking = IncidentState.RESOLVED, IncidentState.INVESTIGATING
    minutes = [START + timedelta(minutes=n) for n in range(4)]
    told = list(zip((looking, resolved, resolved, resolved), minutes, strict=True))
    assert outcome(told, [None, None, 7, None]) == Story(resolved, minutes[2])
    assert outcome(told, [None] * 4) == outcome(told) == Story(resolved, minutes[1])
    assert outcome([*told, (looking, minutes[3])], [None, None, 7, None, 7]) == Story(looking, None)
