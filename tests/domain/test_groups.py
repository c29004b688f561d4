"""The status of a group."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kener.domain.groups import (
    InMaintenance,
    Latency,
    Member,
    Rule,
    Step,
    Strategy,
    WithoutData,
    counts_as,
    cycle,
    in_words,
    outlook,
    status_of,
)
from kener.domain.inputs import mistakes
from kener.domain.specs.group import GroupSpec
from kener.domain.status import Status, worst

UP, DEGRADED, DOWN, NO_DATA = Status.UP, Status.DEGRADED, Status.DOWN, Status.NO_DATA
RANK = {UP: 0, DEGRADED: 1, DOWN: 2}

weights = st.integers(0, 2000).map(lambda thousandths: thousandths / 1000)
limits = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(sorted)
rules = st.builds(
    lambda limit, **given: Rule(down_below=limit[0] / 100, degraded_below=limit[1] / 100, **given),
    limit=limits,
    strategy=st.sampled_from(Strategy),
    quorum=st.integers(1, 8),
    maintenance=st.sampled_from(InMaintenance),
    no_data=st.sampled_from(WithoutData),
    latency=st.sampled_from(Latency),
)
members = st.lists(
    st.builds(
        Member,
        name=st.text("abc é,", min_size=1, max_size=60),
        status=st.sampled_from([UP, DEGRADED, DOWN, NO_DATA]),
        weight=weights,
        latency_ms=st.none() | st.integers(0, 60_000),
        in_maintenance=st.booleans(),
        is_paused=st.booleans(),
        is_hidden=st.booleans(),
    ),
    max_size=8,
)


def group(*statuses: Status, **fields: Any) -> list[Member]:
    return [Member(f"m{number}", status, **fields) for number, status in enumerate(statuses)]


def judged(statuses: list[Status], strategy: Strategy, **given: Any) -> Status:
    return status_of(Rule(strategy=strategy, **given), group(*statuses)).status


@given(rules, members)
def test_nothing_that_counts_is_no_data_and_anything_that_counts_is_not(rule: Rule, given: list[Member]) -> None:
    counted = [counts_as(rule, member) for member in given]
    found = status_of(rule, given)
    assert (found.status is NO_DATA) == (set(counted) <= {None})
    assert found.status is not Status.MAINTENANCE


@given(rules, members, st.randoms())
def test_the_order_of_members_says_nothing(rule: Rule, given: list[Member], dice: Any) -> None:
    shuffled = given.copy()
    dice.shuffle(shuffled)
    assert status_of(rule, given).status is status_of(rule, shuffled).status


@given(rules, members, st.data())
def test_a_member_that_gets_worse_never_makes_its_group_better(rule: Rule, given: list[Member], data: Any) -> None:
    seen = [number for number, member in enumerate(given) if member.status in RANK]
    if not seen:
        return
    number = data.draw(st.sampled_from(seen))
    worse = data.draw(st.sampled_from([status for status in RANK if RANK[status] >= RANK[given[number].status]]))
    changed = [
        Member(m.name, worse, m.weight, m.latency_ms, m.in_maintenance, m.is_paused, m.is_hidden) if n == number else m
        for n, m in enumerate(given)
    ]
    before, after = status_of(rule, given).status, status_of(rule, changed).status
    if before is not NO_DATA:
        assert RANK[after] >= RANK[before]


@given(rules, st.sampled_from([UP, DOWN]), st.lists(weights, min_size=1, max_size=8).filter(any))
def test_members_that_all_say_up_or_down_are_believed(rule: Rule, status: Status, given: list[float]) -> None:
    assert status_of(rule, [Member("m", status, weight) for weight in given]).status is status


@given(members, rules)
def test_the_worst_and_the_best_are_among_the_members(given: list[Member], rule: Rule) -> None:
    for strategy in (Strategy.WORST, Strategy.BEST):
        one = Rule(strategy=strategy, maintenance=rule.maintenance, no_data=rule.no_data)
        counted = [status for member in given if (status := counts_as(one, member)) is not None]
        best = next((status for status in (UP, DEGRADED, DOWN) if status in counted), NO_DATA)
        assert status_of(one, given).status is (worst(counted) if strategy is Strategy.WORST else best)


@given(st.lists(st.sampled_from([UP, DEGRADED, DOWN]), min_size=1, max_size=12))
def test_the_score_is_that_of_the_original(statuses: list[Status]) -> None:
    score = sum({UP: 1, DEGRADED: 0.5, DOWN: 0}[status] for status in statuses) / len(statuses)
    expected = UP if score == 1 else DOWN if score == 0 else DEGRADED
    assert judged(statuses, Strategy.WEIGHTED) is expected


def test_weights_that_floating_point_would_not_add_up_to_one_are_still_all_up() -> None:
    assert status_of(Rule(), [Member("m", UP, 0.1) for _ in range(10)]).status is UP
    assert status_of(Rule(), [Member("m", UP, 0.333)] * 3).status is UP


@pytest.mark.parametrize(
    ("ups", "degraded", "quorum", "status"),
    [(3, 0, 3, UP), (2, 1, 3, DEGRADED), (2, 0, 3, DOWN), (0, 3, 3, DEGRADED), (5, 0, 1, UP), (0, 0, 1, DOWN)],
)
def test_a_quorum_needs_so_many_up(ups: int, degraded: int, quorum: int, status: Status) -> None:
    statuses = [UP] * ups + [DEGRADED] * degraded + [DOWN] * (5 - ups - degraded)
    assert judged(statuses, Strategy.QUORUM, quorum=quorum) is status


def test_where_fewer_count_than_the_quorum_all_of_them_must_be_up() -> None:
    assert judged([UP, UP, NO_DATA, NO_DATA], Strategy.QUORUM, quorum=3) is UP
    assert judged([UP, DOWN, NO_DATA, NO_DATA], Strategy.QUORUM, quorum=3) is DOWN


@pytest.mark.parametrize(
    ("ups", "degraded", "status"),
    [(10, 0, UP), (8, 0, UP), (7, 0, DEGRADED), (5, 0, DEGRADED), (4, 0, DOWN), (0, 9, DEGRADED)],
)
def test_a_share_has_limits_for_degraded_and_down(ups: int, degraded: int, status: Status) -> None:
    statuses = [UP] * ups + [DEGRADED] * degraded + [DOWN] * (10 - ups - degraded)
    assert judged(statuses, Strategy.PERCENT, degraded_below=80, down_below=50) is status


def test_thirds_are_compared_exactly() -> None:
    assert judged([UP, UP, DOWN], Strategy.PERCENT, degraded_below=66.66) is UP
    assert judged([UP, UP, DOWN], Strategy.PERCENT, degraded_below=66.67) is DEGRADED


def test_a_member_of_weight_nought_counts_only_where_weights_do_not() -> None:
    statuses = [Member("a", UP), Member("b", DOWN, weight=0)]
    assert status_of(Rule(), statuses).status is UP
    assert status_of(Rule(strategy=Strategy.WORST), statuses).status is DOWN
    assert status_of(Rule(), statuses[1:]).reason == "No member that counts has data."


def test_maintenance_is_ignored_counted_as_up_or_taken_as_it_is_seen() -> None:
    given = [Member("a", UP), Member("b", DOWN, in_maintenance=True)]
    for how, status in ((InMaintenance.IGNORED, UP), (InMaintenance.UP, UP), (InMaintenance.OBSERVED, DEGRADED)):
        assert status_of(Rule(maintenance=how), given).status is status
    alone = given[1:]
    assert status_of(Rule(), alone) == type(status_of(Rule(), alone))(NO_DATA, "Every member is in maintenance.")
    assert status_of(Rule(maintenance=InMaintenance.UP), alone).status is UP


def test_no_data_is_ignored_or_counts_as_down() -> None:
    assert judged([UP, NO_DATA], Strategy.WORST) is UP
    assert judged([UP, NO_DATA], Strategy.WORST, no_data=WithoutData.DOWN) is DOWN


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "The group has no members."),
        (group(NO_DATA), "No member has data."),
        (group(UP, DOWN, is_paused=True), "Every member is paused."),
        (group(NO_DATA, is_paused=True) + group(NO_DATA), "No member has data."),
    ],
)
def test_a_silent_group_says_why(given: list[Member], reason: str) -> None:
    found = status_of(Rule(), given)
    assert (found.status, found.reason) == (NO_DATA, reason)


@pytest.mark.parametrize(("kind", "latency"), [(Latency.AVG, 200), (Latency.MAX, 300), (Latency.MIN, 101)])
def test_the_latency_is_that_of_the_members_that_measured_one(kind: Latency, latency: int) -> None:
    given = [Member("a", UP, latency_ms=101), Member("b", UP, latency_ms=300), Member("c", DOWN), Member("d", NO_DATA)]
    assert status_of(Rule(latency=kind), given).latency_ms == latency
    assert status_of(Rule(latency=kind), given[2:]).latency_ms is None


def test_the_reason_names_who_is_not_up() -> None:
    given = [Member("Shop", DOWN), Member("Mail", DEGRADED), Member("Web", UP)]
    assert status_of(Rule(), given).reason == "1 of 3 is DOWN: Shop. 1 of 3 is DEGRADED: Mail."
    assert status_of(Rule(), given[2:]).reason == "It is UP."
    assert status_of(Rule(), group(UP, UP)).reason == "All 2 are UP."


@given(rules, members)
def test_a_reason_is_short_and_never_names_a_hidden_member(rule: Rule, given: list[Member]) -> None:
    hidden = [Member(f"Secret{n}", DOWN, is_hidden=True) for n in range(5)]
    reason = status_of(rule, [*given, *hidden]).reason
    assert len(reason) <= 400
    assert "Secret" not in reason


@given(rules, st.lists(weights, min_size=1, max_size=8).filter(any))
def test_the_outlook_tells_every_number_of_failing_members_once(rule: Rule, given: list[float]) -> None:
    steps = outlook(rule, given)
    assert (steps[0].most, steps[-1].fewest) == (len(given), 0)
    assert all(before.fewest == after.most + 1 for before, after in pairwise(steps))
    assert steps[-1].statuses == (DOWN,) and steps[0].statuses == (UP,)


def test_the_outlook_of_a_quorum_is_two_steps() -> None:
    steps = outlook(Rule(strategy=Strategy.QUORUM, quorum=3), [1.0] * 5)
    assert steps == (Step(3, 5, (UP,)), Step(0, 2, (DOWN,)))
    assert outlook(Rule(down_below=50), [8, 1, 1])[1] == Step(1, 2, (DEGRADED, DOWN))


@pytest.mark.parametrize(
    ("rule", "weights", "told"),
    [
        (Rule(), [1] * 5, "With 5 of 5 up it is UP, with 1 to 4 DEGRADED, with none DOWN."),
        (Rule(strategy=Strategy.WORST), [1] * 2, "With 2 of 2 up it is UP, with 0 or 1 DOWN."),
        (Rule(strategy=Strategy.BEST), [1], "With 1 of 1 up it is UP, with none DOWN."),
        (
            Rule(down_below=50),
            [8, 1, 1],
            "With 3 of 3 up it is UP, with 1 or 2 DEGRADED or DOWN, depending on which, with none DOWN.",
        ),
    ],
)
def test_the_outlook_is_told_in_a_sentence(rule: Rule, weights: list[float], told: str) -> None:
    assert in_words(outlook(rule, weights)) == told


def test_a_cycle_is_found_and_told_from_beginning_to_end() -> None:
    assert cycle("a", {"a": ["a"]}) == ["a", "a"]
    assert cycle("a", {"a": ["b", "c"], "c": ["d"], "d": ["a"]}) == ["a", "c", "d", "a"]
    assert cycle("a", {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["d"]}) is None
    assert cycle("a", {}) is None


def spec(**given: Any) -> GroupSpec:
    return GroupSpec.model_validate(given)


def refused(**given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        spec(**given)
    return mistakes(caught.value)


def test_a_definition_of_the_original_means_what_it_meant_there() -> None:
    given = spec(
        monitors=[{"tag": "a", "weight": 0.333}, {"tag": "b", "weight": 0.667}],
        executionDelay=1000,
        latencyCalculation="MAX",
    )
    assert given.rule == Rule(latency=Latency.MAX)
    assert [member.weight for member in given.monitors] == [0.333, 0.667]
    assert status_of(given.rule, group(UP, DOWN)).status is DEGRADED


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"monitors": [{"tag": "a"}, {"tag": "a"}]}, "monitors"),
        ({"monitors": [{"tag": "a", "weight": -1}]}, "monitors.0.weight"),
        ({"monitors": [{"tag": "a", "weight": float("nan")}]}, "monitors.0.weight"),
        ({"monitors": [{"tag": ""}]}, "monitors.0.tag"),
        ({"monitors": [{"tag": "a\0"}]}, "monitors.0.tag"),
        ({"monitors": [{"tag": "über"}]}, "monitors.0.tag"),
        ({"monitors": [{"tag": f"m{n}"} for n in range(501)]}, "monitors"),
        ({"strategy": "MOST"}, "strategy"),
        ({"quorum": 0}, "quorum"),
        ({"degraded_below": 101}, "degraded_below"),
        ({"down_below": -1}, "down_below"),
        ({"down_below": 60, "degraded_below": 50}, "down_below"),
        ({"freshness_minutes": 0}, "freshness_minutes"),
        ({"maintenance": "DOWN"}, "maintenance"),
        ({"no_data": "UP"}, "no_data"),
        ({"latencyCalculation": "SUM"}, "latencyCalculation"),
        ({"executionDelay": -1}, "executionDelay"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any], field: str) -> None:
    assert list(refused(**given)) == [field]


def test_what_only_deletions_may_leave_is_named() -> None:
    assert set(spec().flaws()) == {"monitors"}
    assert set(spec(monitors=[{"tag": "a", "weight": 0}]).flaws()) == {"monitors"}
    two = [{"tag": "a"}, {"tag": "b"}]
    assert spec(monitors=two, strategy="QUORUM", quorum=3).flaws() == {"quorum": "There are 2 members only."}
    assert spec(monitors=two, strategy="QUORUM", quorum=2).flaws() == {}
