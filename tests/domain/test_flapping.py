"""Flapping in the rule of an alert: it holds the alert of an unstable monitor, and lets go when it is calm. X3."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kener.domain.alerting import (
    FLAP_WINDOW,
    GAP_INTERVALS,
    AlertType,
    Count,
    Decision,
    Observation,
    Outcome,
    Rule,
    Verdict,
    decide,
    flaw,
    replay,
)
from kener.domain.status import Status

EVERY = 60
RULE = Rule(AlertType.STATUS, "DOWN", failure_threshold=2, success_threshold=2, flapping_start=40, flapping_stop=20)
OFF = replace(RULE, flapping_start=None, flapping_stop=None)
LETTERS = {"u": Status.UP, "g": Status.DEGRADED, "d": Status.DOWN, "n": Status.NO_DATA}

rules = st.builds(
    lambda failure, success, limits: replace(
        RULE,
        failure_threshold=failure,
        success_threshold=success,
        flapping_start=max(limits),
        flapping_stop=min(limits),
    ),
    st.integers(1, 4),
    st.integers(1, 4),
    st.lists(st.integers(0, 20).map(lambda step: 5 * step), min_size=2, max_size=2, unique=True),
)


def seen(letters: str) -> list[Observation]:
    """One observation a minute by letter, capitals inside a maintenance window; `_` leaves out the three intervals of a gap."""
    found: list[Observation] = []
    at = 0
    for letter in letters:
        at += EVERY * (GAP_INTERVALS if letter == "_" else 1)
        if letter != "_":
            previous = found[-1].at if found else None
            found.append(
                Observation(at, LETTERS[letter.lower()], None, previous, EVERY, in_maintenance=letter.isupper())
            )
    return found


restless = st.text("uuudddgnUD_", max_size=120)
stories = st.builds(str.__add__, st.text("ud", max_size=60), restless) | restless


def told(letters: str, rule: Rule = RULE) -> list[str]:
    return [decision.outcome.value for decision in replay(rule, seen(letters))]


def live(story: Sequence[Decision]) -> list[bool]:
    """Whether the alert was active at each decision, before it."""
    active, found = False, []
    for decision in story:
        found.append(active)
        active = decision.outcome is Outcome.TRIGGER or (active and decision.outcome is not Outcome.RESOLVE)
    return found


def share(recent: str) -> float:
    return 100 * sum(a != b for a, b in pairwise(recent)) / (FLAP_WINDOW - 1)


def test_x3_an_unstable_monitor_keeps_its_alert_until_it_is_calm() -> None:
    # 8 of 19 possible changes are more than 40 %: from then on nothing resolves, until at most 3 of them are left in the window.
    restless = told("dd" + "ud" * 4 + "u" * 17)
    assert restless == [
        *("hold", "trigger"),
        *("hold", "quiet") * 3,
        *("hold", "flap"),
        *["hold"] * 16,
        "resolve",
    ]
    assert told("dd" + "ud" * 4 + "u" * 17, OFF)[11:] == ["resolve", *["quiet"] * 15]


def test_x3_one_that_has_calmed_down_and_fails_says_so_and_goes_on() -> None:
    story = told("dd" + "ud" * 4 + "d" * 16 + "uu")
    assert story[9] == "flap"
    assert story[10:] == [*["quiet"] * 15, "calm", "hold", "resolve"]


def test_x3_the_limits_are_shares_of_the_nineteen_changes_that_twenty_checks_can_make() -> None:
    all_of_them = replace(RULE, failure_threshold=1, success_threshold=1, flapping_start=100, flapping_stop=0)
    story = told("du" * 10 + "d", all_of_them)
    assert (story[18], story[19], story[20]) == ("trigger", "flap", "quiet")
    least = replace(all_of_them, flapping_start=5)
    assert told("du" + "u" * 18 + "u", least)[:3] == ["trigger", "flap", "hold"]
    assert told("du" + "u" * 18 + "u", least)[-2:] == ["hold", "resolve"]


def test_x3_failing_inside_maintenance_is_no_change() -> None:
    assert "flap" not in told("dd" + "uD" * 15)
    assert "flap" in told("dd" + "ud" * 15)


def test_x3_e5_a_gap_ends_what_is_known() -> None:
    story = told("dd" + "ud" * 4 + "_uu")
    assert story[9:] == ["flap", "hold", "resolve"]


@pytest.mark.parametrize("rule", [OFF, replace(RULE, flapping_stop=None), replace(RULE, flapping_start=None)])
def test_x3_without_both_limits_it_is_off(rule: Rule) -> None:
    assert not {"flap", "calm"} & set(told("dd" + "ud" * 20, rule))


def test_x3_a_flapping_limit_that_was_damaged_from_outside_is_a_flaw() -> None:
    assert flaw(RULE) is None
    assert flaw(replace(RULE, flapping_stop="few")) == "A limit of flapping is no whole number."  # type: ignore[arg-type]


@given(rules, stories)
def test_x3_switched_off_it_changes_nothing(rule: Rule, letters: str) -> None:
    off = replace(rule, flapping_start=None, flapping_stop=None)
    for decision in replay(off, seen(letters)):
        assert (decision.count.recent, decision.count.flapping) == ("", False)
        assert decision.outcome not in (Outcome.FLAP, Outcome.CALM)


@given(rules, stories)
def test_x3_recent_is_the_newest_evaluations_that_counted(rule: Rule, letters: str) -> None:
    expected = ""
    for observation, decision in zip(seen(letters), replay(rule, seen(letters)), strict=True):
        expected = "" if observation.after_gap else expected
        if decision.verdict in (Verdict.FAIL, Verdict.PASS) and decision.outcome is not Outcome.SUPPRESS:
            expected += "F" if decision.verdict is Verdict.FAIL else "P"
        assert decision.count.recent == expected[-FLAP_WINDOW:]


@given(rules, stories)
@example(RULE, "dd" + "ud" * 4 + "d" * 13 + "uu")
def test_x3_it_begins_at_one_limit_under_an_alert_and_ends_at_the_other_in_a_steady_state(
    rule: Rule, letters: str
) -> None:
    assert rule.flapping_start is not None and rule.flapping_stop is not None
    story = replay(rule, seen(letters))
    before = Count()
    for decision, active in zip(story, live(story), strict=True):
        now = decision.count
        begins, ends = now.flapping and not before.flapping, before.flapping and not now.flapping
        assert begins == (decision.outcome is Outcome.FLAP)
        if begins:
            assert active and share(now.recent) >= rule.flapping_start
        if ends:
            assert share(now.recent) <= rule.flapping_stop
            steady = now.passing >= rule.success_threshold or now.failing >= rule.failure_threshold
            assert steady and decision.outcome in (Outcome.RESOLVE, Outcome.CALM)
        if before.flapping and now.flapping:
            assert decision.outcome not in (Outcome.RESOLVE, Outcome.FLAP, Outcome.CALM)
        before = now


@given(rules, stories)
def test_x3_an_unstable_monitor_is_told_once_until_it_is_calm(rule: Rule, letters: str) -> None:
    turns = [
        d.outcome for d in replay(rule, seen(letters)) if d.outcome in (Outcome.FLAP, Outcome.CALM, Outcome.RESOLVE)
    ]
    assert all((a, b) != (Outcome.FLAP, Outcome.FLAP) for a, b in pairwise(turns))
    assert all(a is Outcome.FLAP for a, b in pairwise([None, *turns]) if b is Outcome.CALM)


@given(rules, stories)
def test_x3_it_merges_episodes_and_never_makes_more(rule: Rule, letters: str) -> None:
    off = replace(rule, flapping_start=None, flapping_stop=None)
    number = [[d.outcome for d in replay(one, seen(letters))].count(Outcome.TRIGGER) for one in (rule, off)]
    assert number[0] <= number[1]
    for held, free in zip(live(replay(rule, seen(letters))), live(replay(off, seen(letters))), strict=True):
        assert held or not free


@given(st.integers(0, 3), st.sampled_from("dug"))
def test_x3_o3_while_its_incident_is_resolved_by_hand_nothing_begins_and_a_failure_opens_it_again(
    number: int, letter: str
) -> None:
    count = Count(failing=number, recent="FP" * 10, flapping=False)
    decision = decide(RULE, count, seen(letter)[0], active=True, reopen=True)
    assert (decision.outcome is Outcome.REOPEN) == (letter == "d")
    assert not decision.count.flapping
    calm = Count(failing=9, recent="F" * 20, flapping=True)
    assert decide(RULE, calm, seen("d")[0], active=True, reopen=True).outcome is Outcome.REOPEN
    assert decide(RULE, calm, seen("d")[0], active=True).outcome is Outcome.CALM


def test_x3_an_alert_that_ended_otherwise_leaves_no_instability_behind() -> None:
    count = Count(failing=1, recent="FP" * 10, flapping=True)
    assert not decide(RULE, count, seen("d")[0], active=False).count.flapping
