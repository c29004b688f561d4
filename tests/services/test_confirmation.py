"""A change is believed when so many looks agree: what is stored, shown, rolled up and alerted meanwhile and afterwards. E2, E4, E7, X1."""

import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from kener.db import reading, transaction
from kener.domain.confirmation import AT_ONCE, Needed
from kener.domain.status import Status, from_code
from kener.models import Alert, Daily, Decision, Hourly, MonitorState, Sample
from kener.services import backtest, monitors, rollups
from kener.services.recording import Observed
from tests.factories import (
    SAM,
    T0,
    configuration_input,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    only,
    plan_maintenance,
    record,
)
from tests.services.test_backtest import HOUR, as_draft, found, happened, over
from tests.support.statements import counted

pytestmark = pytest.mark.usefixtures("app")

THREE = Needed(failure=3, recovery=2)


def look(tag: str, at: int, status: str, needed: Needed = THREE, **fields: Any) -> Observed:
    return Observed(id_of(tag), at, Status(status), 60, needed=needed, **fields)


def see(tag: str, *statuses: str, needed: Needed = THREE, start: int | None = None, **fields: Any) -> int:
    """Look at a monitor every minute, each time in a transaction of its own. Returns when it was last looked at."""
    newest = reading().scalar(select(MonitorState.at).where(MonitorState.monitor_id == id_of(tag)))
    at = start or (T0 if newest is None else newest + 60)
    for number, status in enumerate(statuses):
        record(look(tag, at + 60 * number, status, needed, **fields))
    return at + 60 * (len(statuses) - 1)


def stored(tag: str = "api") -> list[tuple[str, str | None]]:
    """Status and raw status of the samples, oldest first."""
    rows = [row for row in every(Sample) if row.monitor_id == id_of(tag)]
    return [(from_code(row.status).value, None if row.raw is None else from_code(row.raw).value) for row in rows]


def seconds() -> tuple[int, int, int]:
    """Up, degraded and down seconds of all hours; days must say the same."""
    hours = every(Hourly)
    found = tuple(sum(getattr(hour, name) for hour in hours) for name in ("up_s", "degraded_s", "down_s"))
    assert found == tuple(sum(getattr(day, name) for day in every(Daily)) for name in ("up_s", "degraded_s", "down_s"))
    return found[0], found[1], found[2]


def test_a_failure_that_is_not_confirmed_stays_up_for_everybody_and_is_remembered_as_seen() -> None:
    make_monitor()
    see("api", "UP", "DOWN", "DEGRADED", error="HTTP 503", latency_ms=7)
    assert stored() == [("UP", None), ("UP", "DOWN"), ("UP", "DEGRADED")]
    state = only(MonitorState)
    assert (state.status, state.held, state.held_since, state.since) == (Status.UP, 2, T0 + 60, T0)
    assert (state.raw_code, state.error, state.latency_ms) == (Status.DEGRADED.code, "HTTP 503", 7)
    assert seconds() == (120, 0, 0)
    see("api", "UP")
    assert stored() == [("UP", None), ("UP", "DOWN"), ("UP", "DEGRADED"), ("UP", None)]
    state = only(MonitorState)
    assert (state.held, state.held_since, state.raw_code, state.since) == (0, None, None, T0)
    assert seconds() == (180, 0, 0)


def test_a_confirmed_failure_is_told_from_its_first_look_on() -> None:
    make_monitor()
    see("api", "UP", "UP", "DEGRADED", "DOWN", "DOWN", "DOWN")
    assert stored() == [(status, None) for status in ("UP", "UP", "DEGRADED", "DOWN", "DOWN", "DOWN")]
    state = only(MonitorState)
    assert (state.status, state.held, state.since) == (Status.DOWN, 0, T0 + 180)
    assert seconds() == (120, 60, 120)
    see("api", "UP")
    assert (only(MonitorState).status, stored()[-1]) == (Status.DOWN, ("DOWN", "UP"))
    see("api", "UP", "UP")
    assert stored()[-3:] == [("UP", None)] * 3
    assert seconds() == (240, 60, 180)


def test_a_confirmation_across_a_whole_hour_moves_the_seconds_of_both_hours() -> None:
    make_monitor()
    see("api", "UP", "DOWN", "DOWN", "DOWN", "DOWN", start=T0 + HOUR - 150)
    assert [(hour.hour, hour.up_s, hour.down_s) for hour in every(Hourly)] == [(T0, 60, 90), (T0 + HOUR, 0, 90)]


def test_what_was_known_before_a_gap_confirms_nothing_after_it() -> None:
    make_monitor()
    end = see("api", "UP", "DOWN", "DOWN")
    see("api", "DOWN", start=end + 181)
    assert stored() == [("UP", None), ("UP", "DOWN"), ("UP", "DOWN"), ("DOWN", None)]
    assert only(MonitorState).held == 0


def test_a_check_that_could_not_run_is_told_and_changes_nothing_of_what_is_held() -> None:
    make_monitor()
    see("api", "UP", "DOWN", "NO_DATA", "NO_DATA")
    assert only(MonitorState).status is Status.NO_DATA
    see("api", "DOWN", "DOWN")
    assert [status for status, _ in stored()] == ["UP", "DOWN", "NO_DATA", "NO_DATA", "DOWN", "DOWN"]
    assert seconds() == (60, 0, 120)


def test_e2_nothing_is_evaluated_before_it_is_settled_and_then_in_the_order_in_which_it_was_seen() -> None:
    make_monitor()
    make_configuration(failure_threshold=2, success_threshold=1)
    see("api", "UP", "DOWN", "DOWN")
    assert (count(Alert), count(Decision)) == (0, 0)
    end = see("api", "DOWN")
    assert int(only(Alert).triggered_at.timestamp()) == end - 60
    see("api", "UP")
    assert only(Alert).resolved_at is None
    end = see("api", "UP")
    assert int(only(Alert).resolved_at.timestamp()) == end - 60


def test_e4_what_was_withdrawn_counts_as_what_it_was_taken_for() -> None:
    make_monitor()
    make_configuration(failure_threshold=1, success_threshold=4)
    see("api", "DOWN", "UP", "UP", needed=AT_ONCE)
    assert only(Alert).resolved_at is None
    end = see("api", "DOWN", "UP")
    assert stored()[-2:] == [("UP", "DOWN"), ("UP", None)]
    assert int(only(Alert).resolved_at.timestamp()) == end


def test_an_uptime_rule_sees_no_held_second_wrongly() -> None:
    make_monitor()
    make_configuration(alert_for="UPTIME", alert_value="90", uptime_window="24h", failure_threshold=1)
    see("api", *["UP"] * 20, "DOWN", "DOWN", "UP")
    assert count(Alert) == 0
    see("api", *["UP"] * 4, "DOWN", "DOWN")
    assert count(Alert) == 0
    see("api", "DOWN")
    assert count(Alert) == 0  # confirmed: 3 of 30 minutes are not below 90 %
    end = see("api", "DOWN")
    assert int(only(Alert).triggered_at.timestamp()) == end


def test_a_person_who_writes_over_what_is_held_ends_the_waiting() -> None:
    make_monitor()
    end = see("api", "UP", "DOWN", "DOWN")
    record(look("api", end, "DOWN", AT_ONCE, source="manual"), replace=True)
    assert stored() == [("UP", None), ("UP", "DOWN"), ("DOWN", None)]
    state = only(MonitorState)
    assert (state.status, state.held, state.held_since) == (Status.DOWN, 0, None)
    see("api", "DOWN")
    assert only(MonitorState).status is Status.DOWN


def test_pausing_forgets_what_was_held() -> None:
    make_monitor()
    make_configuration(failure_threshold=1)
    see("api", "UP", "DOWN", "DOWN")
    monitors.pause("api", actor=SAM)
    monitors.resume("api", actor=SAM)
    see("api", "DOWN", "DOWN")
    assert count(Alert) == 0
    assert only(MonitorState).held == 2


def test_switching_confirmation_off_believes_with_the_next_look_and_forgets_the_anchor() -> None:
    make_monitor()
    see("api", "UP", "DOWN")
    see("api", "DOWN", needed=AT_ONCE)
    assert stored() == [("UP", None), ("DOWN", None), ("DOWN", None)]
    assert only(MonitorState).anchor_code is None


def test_a_batch_is_decided_as_its_samples_would_be_one_by_one() -> None:
    dice = random.Random(5)
    for tag in ("one", "all"):
        make_monitor(tag)
        make_configuration(tag, failure_threshold=1, success_threshold=1)
    at, looks = T0, []
    for _ in range(60):
        looks.append((at, dice.choice(["UP", "UP", "DOWN", "DOWN", "DOWN", "DEGRADED", "NO_DATA"])))
        at += dice.choice([60] * 9 + [240])
    for moment, status in looks:
        record(look("one", moment, status))
    for start in range(0, 60, 20):
        record(*[look("all", moment, status) for moment, status in looks[start : start + 20]])
    assert stored("one") == stored("all")
    one, other = ({name: getattr(state, name) for name in STATE} for state in every(MonitorState))
    assert one == other
    hours = [[_figures(hour) for hour in every(Hourly) if hour.monitor_id == id_of(tag)] for tag in ("one", "all")]
    assert hours[0] == hours[1]
    alerts = [
        [(alert.triggered_at, alert.resolved_at) for alert in every(Alert) if alert.monitor_tag == tag]
        for tag in ("one", "all")
    ]
    assert alerts[0] == alerts[1] != []


STATE = ("at", "status_code", "span_s", "since", "raw_code", "held", "held_since", "anchor_code")
FIGURES = ("up_s", "degraded_s", "down_s", "samples", "latency_n", "latency_sum")


def _figures(hour: Hourly) -> list[int]:
    return [hour.hour, *(getattr(hour, name) for name in FIGURES)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_x1_a_replay_of_what_is_stored_tells_what_happened_live(seed: int) -> None:
    dice = random.Random(seed)
    make_monitor()
    rules: list[dict[str, Any]] = [
        {"failure_threshold": 2, "success_threshold": 2},
        {"failure_threshold": 1, "success_threshold": 1},
        {"alert_value": "DEGRADED", "failure_threshold": 3, "success_threshold": 1},
        {"alert_for": "LATENCY", "alert_value": "300", "failure_threshold": 2, "success_threshold": 3},
        {"alert_for": "UPTIME", "alert_value": "80", "uptime_window": "1h", "failure_threshold": 1},
        {"alert_for": "UPTIME", "alert_value": "85.5", "uptime_window": "24h", "failure_threshold": 2},
    ]
    ids = [make_configuration(**rule) for rule in rules]
    plan_maintenance("api", start=T0 + 2 * HOUR, end=T0 + 3 * HOUR)
    at, status, latency = T0, "UP", 100
    for _ in range(150):
        if dice.random() < 0.35:
            status = dice.choice(["UP", "UP", "UP", "DOWN", "DOWN", "DEGRADED", "NO_DATA"])
            latency = dice.choice([100, 300, 301])
        needed = Needed(dice.choice([2, 3]), dice.choice([1, 3])) if dice.random() < 0.1 else THREE
        seen = Observed(id_of("api"), at, Status(status), 300, None if status == "DOWN" else latency, needed=needed)
        record(seen)
        at += dice.choice([300] * 15 + [900, 901, 4 * HOUR])
    assert {raw for _, raw in stored()} >= {"DOWN", "UP", None}
    assert sum(len(happened(config_id)) for config_id in ids) > 5
    for config_id in ids:
        assert found(over(as_draft(config_id), T0, at + 1)) == happened(config_id)
    kept = [_figures(hour) for hour in every(Hourly)]
    rebuild()
    assert kept == [_figures(hour) for hour in every(Hourly)]


def rebuild() -> None:
    """Make the hours anew from the samples."""
    with transaction() as session:
        newest = session.scalar(select(MonitorState.at))
        rollups.recompute(session, id_of("api"), start=T0, end=newest, zone=ZoneInfo("UTC"))


def test_what_waits_still_is_not_replayed() -> None:
    make_monitor()
    end = see("api", "DOWN", "UP", "UP", "DOWN", needed=Needed(failure=2))
    draft = configuration_input(failure_threshold=1, success_threshold=3)
    [(_, _, ended)] = found(over(draft, T0, end + 1))
    assert ended is None
    see("api", "UP", needed=Needed(failure=2))
    [(_, _, ended)] = found(over(draft, T0, end + 61))
    assert ended == end
    assert backtest.run(over(draft, T0, end + 61)).samples == 5


def test_a_monitor_without_confirmation_costs_no_statement_more_and_one_that_is_steady_neither() -> None:
    for tag in ("plain", "careful"):
        make_monitor(tag)
    record(look("plain", T0, "UP", AT_ONCE), look("careful", T0, "UP", AT_ONCE))
    with counted() as first:
        record(look("plain", T0 + 60, "UP", AT_ONCE), look("careful", T0 + 60, "UP", AT_ONCE))
    record(look("careful", T0 + 90, "UP"))
    with counted() as second:
        record(look("plain", T0 + 120, "UP", AT_ONCE), look("careful", T0 + 120, "UP"))
    assert len(second) == len(first)
