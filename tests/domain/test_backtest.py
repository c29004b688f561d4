"""The back-test: what is replayed is what was decided live, and what is said of it is true. X1."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain import alerting, backtest
from kener.domain.alerting import AlertType, Observation, Outcome, Rule
from kener.domain.backtest import BackTest, tell
from kener.domain.replay import Episode, History, Order, Side, replay
from kener.domain.running_uptime import HOUR
from kener.domain.status import Status
from kener.domain.uptime import Point, Seconds, covered, tally

LETTERS = {"u": Status.UP, "g": Status.DEGRADED, "d": Status.DOWN, "n": Status.NO_DATA}
UTC = ZoneInfo("UTC")
DOWN_RULE = Rule(AlertType.STATUS, "DOWN", failure_threshold=3, success_threshold=2)

rules = st.builds(
    Rule,
    st.just(AlertType.STATUS),
    st.sampled_from(["DOWN", "DEGRADED"]),
    failure_threshold=st.integers(1, 4),
    success_threshold=st.integers(1, 6),
) | st.builds(
    lambda kind, failure, success, window: Rule(*kind, failure, success, uptime_window=window),
    st.sampled_from([(AlertType.LATENCY, "300"), (AlertType.UPTIME, "90"), (AlertType.UPTIME, "99.9")]),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from(["1h", "24h"]),
)
unstable = st.builds(
    lambda rule, stop, more: replace(rule, flapping_start=stop + more, flapping_stop=stop),
    rules,
    st.integers(0, 20),
    st.integers(1, 20),
)
points = st.lists(
    st.tuples(
        st.sampled_from([60, 60, 60, 180, 181, 4_000]),
        st.sampled_from([*LETTERS.values(), Status.DOWN, Status.UP]),
        st.none() | st.integers(250, 350),
    ),
    min_size=1,
    max_size=60,
).map(
    lambda steps: [
        Point(sum(step for step, _, _ in steps[: number + 1]), status, 60, latency)
        for number, (_, status, latency) in enumerate(steps)
    ]
)
windows = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)), max_size=3)


def minutes(letters: str) -> list[Point]:
    """A sample a minute by letter; `_` leaves out five."""
    found, at = [], 0
    for letter in letters:
        at += 300 if letter == "_" else 60
        if letter != "_":
            found.append(Point(at, LETTERS[letter], 60))
    return found


def ran(letters: str, draft: Rule = DOWN_RULE, current: Rule | None = None, **sides: Any) -> BackTest:
    """A back-test of one monitor of which nothing is known before."""
    seen = minutes(letters)
    order = Order(0, seen[-1].at + 1 if seen else 60, Side(draft, ("api",), **sides))
    if current is not None:
        order = replace(order, current=Side(current, ("api",), **sides))
    return tell(order, [replay(order, History("api", seen))], zone=UTC)


def spans(found: Sequence[Episode]) -> list[tuple[int, int | None]]:
    return [(episode.start, episode.end) for episode in found]


def seen_live(rule: Rule, story: Sequence[Point], spans: Sequence[tuple[int, int]]) -> list[Observation]:
    """What live evaluation looks at after each sample, everything summed up anew."""
    found = []
    for number, (previous, point) in enumerate(pairwise([None, *story])):
        assert point is not None
        far = point.at - rule.uptime_window_s
        edge = far if rule.uptime_window_s == HOUR else far - far % HOUR
        seconds = tally(
            covered(story[: number + 1], until=point.at + point.span_s), start=edge, end=point.at + point.span_s
        )
        if rule.uptime_window_s == HOUR:
            samples = sum(1 for one in story[: number + 1] if one.at > edge and one.status is not Status.NO_DATA)
        else:
            samples = sum(1 for one in story[: number + 1] if one.at >= edge)
        found.append(
            Observation(
                point.at,
                point.status,
                point.latency_ms,
                previous.at if previous else None,
                previous.span_s if previous else 0,
                seconds if rule.alert_for is AlertType.UPTIME else Seconds(),
                samples if rule.alert_for is AlertType.UPTIME else 0,
                any(start <= point.at < end for start, end in spans),
            )
        )
    return found


@given(rules | unstable, points, windows)
def test_x1_a_replay_triggers_and_resolves_exactly_where_the_live_rule_does(
    rule: Rule, story: list[Point], spans: list[tuple[int, int]]
) -> None:
    expected: list[tuple[int, int | None]] = []
    looked_at = seen_live(rule, story, spans)
    for seen, decision in zip(looked_at, alerting.replay(rule, looked_at), strict=True):
        if decision.outcome is Outcome.TRIGGER:
            expected.append((seen.at, None))
        elif decision.outcome is Outcome.RESOLVE:
            expected[-1] = expected[-1][0], seen.at
    order = Order(0, story[-1].at + 1, Side(rule, ("api",)))
    part = replay(order, History("api", story, spans))
    assert [(episode.start, episode.end) for episode in part.draft.episodes] == expected
    assert part.samples == len(story)


@given(rules | unstable, points)
def test_x1_a_draft_equal_to_the_current_rule_shows_no_change(rule: Rule, story: list[Point]) -> None:
    side = Side(rule, ("api",), triggers=2)
    order = Order(0, story[-1].at + 1, side, side)
    found = tell(order, [replay(order, History("api", story))], zone=UTC)
    assert found.draft == found.current
    assert found.advice[0] == "The draft is the current rule: nothing changes."


@given(rules | unstable, points)
def test_more_patience_makes_nothing_of_what_less_made_nothing_of(rule: Rule, story: list[Point]) -> None:
    """What spares monitors of which the draft makes nothing the other replays."""
    patient = [
        replace(rule, failure_threshold=rule.failure_threshold + 1),
        replace(rule, success_threshold=rule.success_threshold + 1),
    ]
    for other in patient:
        order = Order(0, story[-1].at + 1, Side(rule, ("api",)), Side(other, ("api",)))
        part = replay(order, History("api", story))
        assert part.draft.episodes or not part.current.episodes


def test_the_figures_of_a_worked_example() -> None:
    found = ran("uuddduuudddddduu", replace(DOWN_RULE, create_incident=True), triggers=3).draft
    assert spans(found.episodes) == [(300, 420), (660, 960)]
    assert [episode.failing_since for episode in found.episodes] == [180, 540]
    assert (found.alerts, found.incidents, found.notices) == (2, 2, 12)
    assert (found.in_alert_s, found.longest_s, found.delay_s) == (420, 300, 120)
    assert found.alerts_by_day == found.incidents_by_day == (2,)


@pytest.mark.parametrize(("minutes", "incidents"), [(None, 3), (2, 3), (3, 2), (5, 1)])
def test_r4_an_alert_soon_after_the_last_goes_on_in_its_incident(minutes: int | None, incidents: int) -> None:
    rule = replace(DOWN_RULE, failure_threshold=1, success_threshold=1, create_incident=True)
    found = ran("duu" + "uuduudu", rule, reopen_minutes=minutes).draft
    assert spans(found.episodes) == [(60, 120), (360, 420), (540, 600)]
    assert (found.alerts, found.incidents, found.incidents_by_day) == (3, incidents, (incidents,))


def test_an_alert_that_is_still_active_counts_until_the_end_and_has_told_once() -> None:
    found = ran("dddd", triggers=2)
    assert spans(found.draft.episodes) == [(180, None)]
    assert (found.draft.in_alert_s, found.draft.notices, found.draft.incidents) == (found.end - 180, 2, 0)


def test_a_streak_that_a_gap_broke_does_not_delay_the_alert() -> None:
    found = ran("dd_ddd").draft
    assert (found.episodes[0].failing_since, found.delay_s) == (480, 120)


def test_what_lies_before_the_start_is_not_replayed_but_ends_a_gap() -> None:
    seen = minutes("ddd" + "d" * 60)
    order = Order(HOUR, HOUR + 300, Side(replace(DOWN_RULE, failure_threshold=1), ("api",)))
    part = replay(order, History("api", seen))
    assert (part.samples, spans(part.draft.episodes)) == (4, [(HOUR, None)])


def test_every_monitor_is_counted_by_itself_under_the_rules_that_watch_it() -> None:
    draft, current = Side(DOWN_RULE, ("api", "web"), 1), Side(DOWN_RULE, ("web", "db"), 1)
    order = Order(0, 600, draft, current)
    assert order.monitors == ("api", "web", "db")
    found = tell(order, [replay(order, History(tag, minutes("dddd"))) for tag in order.monitors], zone=UTC)
    assert [episode.monitor for episode in found.draft.episodes] == ["api", "web"]
    assert found.current is not None
    assert [episode.monitor for episode in found.current.episodes] == ["web", "db"]
    assert (found.monitors, found.samples, found.draft.notices) == (3, 12, 2)


def test_days_are_those_of_the_site() -> None:
    order = Order(22 * HOUR, 47 * HOUR, Side(replace(DOWN_RULE, failure_threshold=1), ("api",)))
    seen = [Point(22 * HOUR + 60, Status.DOWN, 60)]
    found = tell(order, [replay(order, History("api", seen))], zone=ZoneInfo("Europe/Berlin"))
    assert found.days == (date(1970, 1, 1), date(1970, 1, 2))
    assert (found.draft.alerts_by_day, found.draft.incidents_by_day) == ((1, 0), (0, 0))
    berlin_day = tell(replace(order, start=23 * HOUR), [], zone=ZoneInfo("Europe/Berlin"))
    assert berlin_day.days == (date(1970, 1, 2),)


def test_a_result_names_the_newest_episodes_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "EPISODES_TOLD", 2)
    found = ran("du" * 5, replace(DOWN_RULE, failure_threshold=1, success_threshold=1)).draft
    assert (found.alerts, [episode.start for episode in found.episodes]) == (5, [420, 540])


FLAPPING = "dddu" * 9 + "uuuuuuuuu"
QUICK = replace(DOWN_RULE, success_threshold=1, create_incident=True)


@pytest.mark.parametrize(
    ("letters", "draft", "current", "said"),
    [
        (
            FLAPPING,
            {"success_threshold": 5},
            {},
            [
                "Success 5 would have merged 9 incidents into 1.",
                "People would have heard of the end 4 minutes later.",
            ],
        ),
        (
            FLAPPING,
            {},
            {"success_threshold": 5},
            [
                "Success 1 would have split 1 incident into 9.",
                "People would have heard of the end 4 minutes earlier.",
                "Success 5 would have merged 9 incidents into 1, with 28 minutes more in alert.",
                "Failure 5 would have left out 9 incidents, the longest of 1 minute.",
            ],
        ),
        (
            "dddu" + "u" * 5 + "dddddduu",
            {"failure_threshold": 5},
            {},
            [
                "Failure 5 would have left out 1 incident of 1 minute: nobody would have been told.",
                "People would have heard of an outage 2 minutes later.",
            ],
        ),
        (
            "ggguuudddddguuu",
            {"alert_value": "DEGRADED"},
            {},
            ["The draft would have added 1 incident of 1 minute."],
        ),
        (
            "dduu" * 4,
            {},
            {"failure_threshold": 4},
            ["The draft would not have triggered: at most 2 of 3 checks failed in a row."],
        ),
        ("uuuu", {}, {"failure_threshold": 4}, ["The draft would not have triggered: no check failed."]),
        ("", {}, {"failure_threshold": 4}, ["There is no sample yet to replay."]),
    ],
)
def test_advice_says_gains_and_costs(
    letters: str, draft: dict[str, Any], current: dict[str, Any], said: list[str]
) -> None:
    assert list(ran(letters, replace(QUICK, **draft), replace(QUICK, **current)).advice) == said


def test_a_rule_without_incidents_speaks_of_alerts_and_a_new_rule_of_itself_only() -> None:
    rule = replace(QUICK, create_incident=False)
    assert list(ran(FLAPPING, rule).advice) == [
        "Success 5 would have merged 9 alerts into 1, with 28 minutes more in alert.",
        "Failure 5 would have left out 9 alerts, the longest of 1 minute.",
    ]
