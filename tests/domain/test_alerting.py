"""The rule of an alert."""

import dataclasses
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kener.domain.alerting import (
    GAP_INTERVALS,
    MIN_UPTIME_SAMPLES,
    UPTIME_WINDOWS,
    AlertType,
    Count,
    Decision,
    Observation,
    Outcome,
    Parent,
    Rule,
    Severity,
    Verdict,
    decide,
    judge,
    normal_value,
    observed_value,
    replay,
    rule_from_facts,
    unseen_since,
)
from kener.domain.status import Status
from kener.domain.uptime import NARROW_SPACE, Seconds

EVERY = 60
DOWN_RULE = Rule(AlertType.STATUS, "DOWN", failure_threshold=3, success_threshold=2)
LETTERS = {"u": Status.UP, "g": Status.DEGRADED, "d": Status.DOWN, "n": Status.NO_DATA, "m": Status.MAINTENANCE}

rules = st.builds(
    Rule,
    st.just(AlertType.STATUS),
    st.sampled_from(["DOWN", "DEGRADED"]),
    failure_threshold=st.integers(1, 4),
    success_threshold=st.integers(1, 4),
)


def seen(letters: str) -> list[Observation]:
    """One observation a minute by letter, capitals inside a maintenance window, `_` leaves out the three intervals of a gap."""
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


sights = st.text("udgnmUDGNM_", max_size=40).map(seen)


def outcomes(letters: str, rule: Rule = DOWN_RULE) -> list[str]:
    return [decision.outcome.value for decision in replay(rule, seen(letters))]


def changes(story: Iterable[Decision]) -> list[Outcome]:
    return [decision.outcome for decision in story if decision.outcome in (Outcome.TRIGGER, Outcome.RESOLVE)]


def uptime_of(down: int, measured: int, samples: int = MIN_UPTIME_SAMPLES) -> Observation:
    return Observation(0, Status.UP, uptime=Seconds(up=measured - down, down=down), uptime_samples=samples)


@pytest.mark.parametrize(
    ("kind", "raw", "stored"),
    [
        (AlertType.STATUS, " down ", "DOWN"),
        (AlertType.STATUS, "DEGRADED", "DEGRADED"),
        (AlertType.LATENCY, "1000.0", "1000"),
        (AlertType.LATENCY, "1", "1"),
        (AlertType.LATENCY, "3600000", "3600000"),
        (AlertType.UPTIME, "99.90", "99.9"),
        (AlertType.UPTIME, "100.00", "100"),
        (AlertType.UPTIME, "1e1", "10"),
        (AlertType.UPTIME, "0.000001", "0.000001"),
    ],
)
def test_c2_a_value_is_stored_without_trailing_zeros(kind: AlertType, raw: str, stored: str) -> None:
    assert normal_value(kind, raw) == stored


@pytest.mark.parametrize(
    ("kind", "raw", "advice"),
    [
        *((AlertType.STATUS, raw, "DOWN or DEGRADED") for raw in ("", "UP", "MAINTENANCE", "NO_DATA", "1000")),
        *(
            (AlertType.LATENCY, raw, "milliseconds")
            for raw in ("", "0", "-1", "0.5", "3600001", "DOWN", "NaN", "Infinity")
        ),
        *((AlertType.UPTIME, raw, "percentage") for raw in ("", "0", "-1", "100.0001", "DOWN", "NaN", "Infinity")),
        (AlertType.UPTIME, "99.9999999", "six decimals"),
    ],
)
def test_c2_a_value_that_does_not_fit_its_type_is_refused_with_advice(kind: AlertType, raw: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        normal_value(kind, raw)


def test_c2_an_uptime_rule_looks_at_one_of_four_windows() -> None:
    windows = {name: Rule(AlertType.UPTIME, "99", uptime_window=name).uptime_window_s for name in UPTIME_WINDOWS}
    assert windows == {"1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}


@pytest.mark.parametrize(
    ("value", "verdicts"),
    [
        ("DOWN", {"d": "fail", "g": "between", "u": "pass", "m": "between", "n": "nothing"}),
        ("DEGRADED", {"d": "fail", "g": "fail", "u": "pass", "m": "between", "n": "nothing"}),
    ],
)
def test_e3_a_status_rule_fails_at_its_value_and_at_what_is_worse(value: str, verdicts: dict[str, str]) -> None:
    rule = Rule(AlertType.STATUS, value)
    assert {letter: judge(rule, seen(letter)[0]).value for letter in verdicts} == verdicts


@pytest.mark.parametrize(
    ("latency_ms", "verdict"),
    [(1001, Verdict.FAIL), (1000, Verdict.PASS), (0, Verdict.PASS), (None, Verdict.NOTHING)],
)
def test_e3_a_latency_rule_fails_above_its_value_only(latency_ms: int | None, verdict: Verdict) -> None:
    rule = Rule(AlertType.LATENCY, "1000")
    assert judge(rule, Observation(0, Status.DOWN, latency_ms)) is verdict
    assert judge(rule, Observation(0, Status.NO_DATA, latency_ms)) is Verdict.NOTHING  # E5


@pytest.mark.parametrize(("down", "verdict"), [(0, Verdict.PASS), (1000, Verdict.PASS), (1001, Verdict.FAIL)])
def test_e3_an_uptime_rule_passes_at_exactly_its_value(down: int, verdict: Verdict) -> None:
    assert judge(Rule(AlertType.UPTIME, "99.9"), uptime_of(down, 1_000_000)) is verdict


def test_e3_an_uptime_rule_says_nothing_before_its_window_holds_enough() -> None:
    assert MIN_UPTIME_SAMPLES == 10
    rule = Rule(AlertType.UPTIME, "99.9")
    assert judge(rule, uptime_of(60, 60, MIN_UPTIME_SAMPLES - 1)) is Verdict.NOTHING
    assert judge(rule, uptime_of(60, 60, MIN_UPTIME_SAMPLES)) is Verdict.FAIL
    assert judge(rule, uptime_of(0, 0)) is Verdict.NOTHING


def test_e4_n_means_n() -> None:
    assert outcomes("dddduduu") == ["hold", "hold", "trigger", "quiet", "hold", "quiet", "hold", "resolve"]


@pytest.mark.parametrize("letters", ["dd", "ddudd", "ddgdd", "gggggg", "ddmdd"])
def test_e4_fewer_failing_in_a_row_than_the_threshold_trigger_nothing(letters: str) -> None:
    assert "trigger" not in outcomes(letters)


@pytest.mark.parametrize(("letters", "last"), [("dddugu", "hold"), ("dddudu", "hold"), ("dddunu", "resolve")])
def test_e4_between_breaks_a_recovery_and_nothing_does_not(letters: str, last: str) -> None:
    assert outcomes(letters)[-1] == last


def test_a3_between_is_a_hold_only_where_something_was_under_way() -> None:
    assert outcomes("g") == ["quiet"]
    assert outcomes("dgg") == ["hold", "hold", "quiet"]
    assert outcomes("dddg")[-1] == "hold"


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (AlertType.STATUS, Status.NO_DATA, "The check could not run"),
        (AlertType.LATENCY, Status.NO_DATA, "The check could not run"),
        (AlertType.LATENCY, Status.DOWN, "No latency was measured."),
        (AlertType.UPTIME, Status.DOWN, "The window holds 0 samples; 10 are needed."),
    ],
)
def test_a3_an_evaluation_that_says_nothing_tells_why(kind: AlertType, status: Status, reason: str) -> None:
    decision = decide(Rule(kind, "DOWN"), Count(), Observation(0, status), active=False)
    assert decision.verdict is Verdict.NOTHING
    assert decision.reason.startswith(reason)


@given(rules, sights)
@example(DOWN_RULE, seen("ddnd"))
def test_e5_what_says_nothing_changes_nothing(rule: Rule, story: list[Observation]) -> None:
    told = [decision for decision in replay(rule, story) if decision.verdict is Verdict.NOTHING]
    assert all(decision.outcome is Outcome.QUIET for decision in told)
    count = Count(failing=1, passing=1)
    assert decide(rule, count, seen("n")[0], active=True).count == count


def test_e5_a_gap_breaks_a_streak_of_failures_and_one_of_passes() -> None:
    assert outcomes("dd_ddd") == ["hold", "hold", "hold", "hold", "trigger"]
    assert outcomes("dddu_uu") == ["hold", "hold", "trigger", "hold", "hold", "resolve"]
    assert outcomes("dd_nd")[-1] == "hold"


def test_e5_three_intervals_are_no_gap_yet() -> None:
    def after(seconds: int) -> bool:
        return Observation(1000 + seconds, Status.UP, previous_at=1000, previous_span_s=EVERY).after_gap

    assert [after(180), after(181)] == [False, True]
    assert not Observation(1000, Status.UP).after_gap


def test_e6_failing_counts_for_nothing_inside_a_maintenance_window() -> None:
    assert outcomes("ddDDDd") == ["hold", "hold", "suppress", "suppress", "suppress", "trigger"]
    assert outcomes("DDDDD") == ["suppress"] * 5


def test_e6_a_recovery_inside_a_maintenance_window_resolves_the_alert() -> None:
    assert outcomes("dddDUU") == ["hold", "hold", "trigger", "suppress", "hold", "resolve"]


def test_e6_down_before_and_after_a_window_is_the_same_alert() -> None:
    assert changes(replay(DOWN_RULE, seen("ddddDDDDDdddd"))) == [Outcome.TRIGGER]


@given(rules, sights, st.booleans())
def test_e6_nothing_opens_inside_a_maintenance_window(rule: Rule, story: list[Observation], reopen: bool) -> None:
    opening = {Outcome.TRIGGER, Outcome.OPEN, Outcome.REOPEN}
    assert all(not (o.in_maintenance and d.outcome in opening) for o, d in zip(story, replay(rule, story), strict=True))
    inside = Observation(0, Status.DOWN, in_maintenance=True)
    assert decide(rule, Count(failing=9), inside, active=reopen, reopen=reopen).outcome is Outcome.SUPPRESS


@given(rules, sights)
def test_e4_alerts_alternate_between_triggered_and_resolved(rule: Rule, story: list[Observation]) -> None:
    assert all(before is not after for before, after in pairwise([Outcome.RESOLVE, *changes(replay(rule, story))]))


@given(rules, sights)
def test_e4_every_change_ends_a_streak_as_long_as_its_threshold(rule: Rule, story: list[Observation]) -> None:
    streak: list[Verdict] = []
    for observation, decision in zip(story, replay(rule, story), strict=True):
        if observation.after_gap or decision.verdict is Verdict.BETWEEN:
            streak = []
        if decision.verdict in (Verdict.FAIL, Verdict.PASS) and decision.outcome is not Outcome.SUPPRESS:
            streak = [*(said for said in streak if said is decision.verdict), decision.verdict]
        if decision.outcome is Outcome.TRIGGER:
            assert (streak[-1], len(streak)) == (Verdict.FAIL, rule.failure_threshold)
        if decision.outcome is Outcome.RESOLVE:
            assert streak[-1] is Verdict.PASS and len(streak) >= rule.success_threshold


@given(rules, sights, st.integers(0, 40))
def test_what_is_decided_does_not_depend_on_what_comes_after(rule: Rule, story: list[Observation], cut: int) -> None:
    assert replay(rule, story)[:cut] == replay(rule, story[:cut])


@given(st.integers(0, 9), st.sampled_from("dgunm"))
def test_o3_an_active_alert_re_opens_at_the_next_failing_evaluation_and_no_other(failing: int, letter: str) -> None:
    decision = decide(DOWN_RULE, Count(failing=failing), seen(letter)[0], active=True, reopen=True)
    assert (decision.outcome is Outcome.REOPEN) == (letter == "d")
    unasked = decide(DOWN_RULE, Count(failing=failing), seen(letter)[0], active=True)
    assert unasked.outcome is not Outcome.REOPEN


def test_o3_nothing_re_opens_without_an_active_alert() -> None:
    assert decide(DOWN_RULE, Count(), seen("d")[0], active=False, reopen=True).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("kind", "value", "impact"),
    [
        (AlertType.STATUS, "DOWN", Status.DOWN),
        (AlertType.STATUS, "DEGRADED", Status.DEGRADED),
        (AlertType.LATENCY, "1000", Status.DOWN),
        (AlertType.UPTIME, "99.9", Status.DOWN),
    ],
)
def test_l6_an_incident_says_what_the_rule_says_of_its_monitor(kind: AlertType, value: str, impact: Status) -> None:
    assert Rule(kind, value).impact is impact


def test_a_rule_survives_being_kept() -> None:
    rule = Rule(AlertType.UPTIME, "99.9", 4, 7, Severity.CRITICAL, True, "Read the book.", "7d")
    assert rule_from_facts({**rule.facts(), "since": "a later version"}) == rule
    least = rule_from_facts({"alert_for": "STATUS", "alert_value": "DOWN", "severity": "WARNING"})
    assert (least.failure_threshold, least.success_threshold, least.create_incident) == (3, 5, False)


def test_what_was_seen_is_told_in_the_unit_of_the_rule() -> None:
    slow = Observation(0, Status.DOWN, 1900, uptime=Seconds(up=982, down=18))
    told = [observed_value(Rule(kind, "1"), slow) for kind in (AlertType.LATENCY, AlertType.UPTIME)]
    assert told == ["1900 ms", f"98.2{NARROW_SPACE}%"]
    assert observed_value(DOWN_RULE, slow) == "DOWN"
    assert observed_value(Rule(AlertType.LATENCY, "1"), Observation(0, Status.DOWN)) == "none"


GATE = Parent("gate", "Gate", is_down=True)


def depending(letters: str, parents: str, rule: Rule = DOWN_RULE) -> list[Decision]:
    """A story in which the parent is up, down, or was not looked at since the last so many checks."""
    known = {"u": Parent("gate", "Gate"), "d": GATE} | {str(n): Parent("gate", "Gate", unseen=n) for n in range(1, 9)}
    pairs = zip(seen(letters), parents, strict=True)
    return replay(rule, [dataclasses.replace(one, parents=(known[parent],)) for one, parent in pairs])


def test_a3_a_parent_that_is_down_holds_and_is_named() -> None:
    story = depending("udddddu", "udddduu")
    assert [decision.outcome for decision in story] == [
        Outcome.QUIET,
        *[Outcome.HOLD] * 4,
        Outcome.TRIGGER,
        Outcome.HOLD,
    ]
    assert story[4].reason == "4 of 3 failing, but held: Gate is down."
    assert [decision.held_by for decision in story] == [None, None, None, GATE, GATE, None, None]


def test_an_active_alert_is_not_touched_by_a_parent() -> None:
    assert changes(depending("dddddduu", "uuuddddd")) == [Outcome.TRIGGER, Outcome.RESOLVE]


def test_a_child_waits_only_while_all_of_its_failing_checks_are_newer_than_the_parents_look() -> None:
    assert changes(depending("uddd", "1111")) == [Outcome.TRIGGER]
    patient = depending("udddddd", "1123451")
    assert [decision.outcome for decision in patient].index(Outcome.TRIGGER) == 6
    assert patient[5].reason == "5 of 3 failing, but held: Gate was not looked at since this began to fail."


@given(rules, sights, st.data())
def test_a_held_story_only_triggers_later_and_never_more_often(
    rule: Rule, story: list[Observation], data: st.DataObject
) -> None:
    parents = st.lists(st.builds(Parent, st.just("p"), st.just("P"), st.booleans(), st.integers(0, 5)), max_size=2)
    hung = [dataclasses.replace(one, parents=tuple(data.draw(parents))) for one in story]
    free = [decision.outcome for decision in replay(rule, story)]
    held = [decision.outcome for decision in replay(rule, hung)]
    assert held.count(Outcome.TRIGGER) <= free.count(Outcome.TRIGGER)
    assert all(o.verdict is Verdict.FAIL for o in replay(rule, hung) if o.held_by is not None)
    if all(not parent.is_down and not parent.unseen for one in hung for parent in one.parents):
        assert held == free


@given(st.none() | st.integers(0, 10**6), st.integers(1, 90_000), st.integers(0, 10**6))
def test_nobody_waits_for_a_parent_longer_than_its_interval_or_five_minutes(
    at: int | None, span: int, now: int
) -> None:
    since = unseen_since(at, span, now)
    assert now - since <= min(span, 300)
    assert at is None or since >= at
