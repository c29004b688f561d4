"""Confirmation: what is held, what is believed, and that nothing is lost on the way."""

from dataclasses import dataclass
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from kener.domain.confirmation import AT_ONCE, Belief, Decision, Needed, Outcome, decide
from kener.domain.status import Status

UP, DEGRADED, DOWN, NO_DATA = Status.UP, Status.DEGRADED, Status.DOWN, Status.NO_DATA

needs = st.builds(Needed, failure=st.integers(1, 6), recovery=st.integers(1, 6))
looks = st.lists(st.tuples(st.sampled_from([UP, UP, DOWN, DOWN, DEGRADED, NO_DATA]), st.booleans()), max_size=60).map(
    lambda drawn: [(status, gap and number % 7 == 0) for number, (status, gap) in enumerate(drawn)]
)


@dataclass(frozen=True)
class Stored:
    """A sample as it is kept in the end, and what it was seen as."""

    seen: Status
    status: Status
    raw: Status | None
    outcome: Outcome


def told(needed: Needed, seen: list[tuple[Status, bool]]) -> list[Stored]:
    """What is stored in the end for looks a minute apart, as `(status, after a gap)`."""
    belief, stored = Belief(), list[Stored]()
    for number, (status, gap) in enumerate(seen):
        decision = decide(needed, belief, status, at=60 * number, after_gap=gap)
        if decision.outcome is Outcome.CONFIRM:
            assert belief.held_since is not None
            first = belief.held_since // 60
            stored[first:] = [Stored(one.seen, one.raw or one.status, None, one.outcome) for one in stored[first:]]
        stored.append(Stored(status, decision.status, decision.raw, decision.outcome))
        belief = decision.belief
    return stored


def shown(needed: Needed, *statuses: Status) -> list[Status]:
    return [one.status for one in told(needed, [(status, False) for status in statuses])]


def test_a_failure_is_believed_when_three_looks_agree_and_then_from_the_first_of_them() -> None:
    needed = Needed(failure=3)
    assert shown(needed, UP, DOWN, DOWN) == [UP, UP, UP]
    assert shown(needed, UP, DOWN, DEGRADED, DOWN) == [UP, DOWN, DEGRADED, DOWN]
    assert shown(needed, UP, DOWN, DOWN, UP, DOWN) == [UP] * 5


def test_a_recovery_waits_for_its_own_number_of_looks() -> None:
    needed = Needed(failure=1, recovery=2)
    assert shown(needed, UP, DOWN, UP, DOWN, UP) == [UP, DOWN, DOWN, DOWN, DOWN]
    assert shown(needed, DEGRADED, UP, UP) == [DEGRADED, UP, UP]


def test_a_check_that_could_not_run_neither_confirms_nor_withdraws() -> None:
    assert shown(Needed(failure=2), UP, DOWN, NO_DATA, DOWN) == [UP, DOWN, NO_DATA, DOWN]
    assert shown(Needed(failure=2), UP, NO_DATA, DOWN, NO_DATA, UP) == [UP, NO_DATA, UP, NO_DATA, UP]


def test_the_first_look_is_believed_and_so_is_the_first_after_a_gap() -> None:
    needed = Needed(failure=5, recovery=5)
    assert shown(needed, DOWN) == [DOWN]
    stored = told(needed, [(UP, False), (DOWN, False), (DOWN, True)])
    assert [(one.status, one.raw) for one in stored] == [(UP, None), (UP, DOWN), (DOWN, None)]


def test_worse_and_better_trouble_are_told_at_once() -> None:
    assert shown(Needed(failure=4, recovery=4), DOWN, DEGRADED, DOWN) == [DOWN, DEGRADED, DOWN]


def test_fewer_looks_needed_than_are_held_already_confirm_with_the_next_one() -> None:
    belief = Belief(UP, DOWN, 4, 60)
    assert decide(Needed(failure=2), belief, DOWN, at=300).outcome is Outcome.CONFIRM
    assert decide(AT_ONCE, belief, DOWN, at=300) == Decision(Outcome.CONFIRM, DOWN, Belief(DOWN))
    assert decide(AT_ONCE, belief, UP, at=300) == Decision(Outcome.WITHDRAW, UP, Belief(UP))


@given(looks)
def test_without_confirmation_nothing_is_ever_held(seen: list[tuple[Status, bool]]) -> None:
    for one in told(AT_ONCE, seen):
        assert (one.status, one.raw, one.outcome) == (one.seen, None, Outcome.COMMIT)


@given(needs, looks)
def test_a_run_that_is_too_short_is_never_seen_and_one_that_is_long_enough_is_seen_whole(
    needed: Needed, seen: list[tuple[Status, bool]]
) -> None:
    """Against a model that sees everything at once: runs of one side between gaps, those too short to be believed left out."""
    expected: list[Status] = []
    for stretch in _between_gaps(seen):
        anchor = NO_DATA
        for is_up, run in groupby([status for status in stretch if status is not NO_DATA], lambda status: status is UP):
            statuses = list(run)
            if anchor is NO_DATA or (anchor is UP) is is_up or len(statuses) >= needed.of(UP if is_up else DOWN):
                expected += statuses
                anchor = statuses[-1]
            else:
                expected += [anchor] * len(statuses)
    stored = told(needed, seen)
    assert [one.status for one in stored if one.seen is not NO_DATA] == expected
    for one in stored:
        assert (one.status is NO_DATA) is (one.seen is NO_DATA)
        assert one.raw == (one.seen if one.status is not one.seen else None)


def _between_gaps(seen: list[tuple[Status, bool]]) -> list[list[Status]]:
    stretches: list[list[Status]] = [[]]
    for status, gap in seen:
        if gap:
            stretches.append([])
        stretches[-1].append(status)
    return stretches


@given(needs, looks)
def test_what_is_held_is_always_less_than_what_is_needed(needed: Needed, seen: list[tuple[Status, bool]]) -> None:
    belief = Belief()
    for number, (status, gap) in enumerate(seen):
        before, decision = belief, decide(needed, belief, status, at=number, after_gap=gap)
        belief = decision.belief
        if belief.held:
            assert belief.raw is not None
            assert belief.held < needed.of(belief.raw)
            assert (belief.raw is UP) is not (belief.anchor is UP)
        assert (belief.held_since is None) is (belief.held == 0)
        assert decision.settles is (before.held > 0 and belief.held == 0)
