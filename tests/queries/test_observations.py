"""Stored samples are read back as the rule saw them when they came (A3, X1)."""

import random

import pytest

from kener.db import reading
from kener.domain.alerting import UPTIME_WINDOWS, AlertType, Rule
from kener.queries.observations import observations
from kener.services import evaluation
from tests.factories import T0, make_monitor, record, sample

pytestmark = pytest.mark.usefixtures("app")


@pytest.mark.parametrize("window", UPTIME_WINDOWS)
def test_a3_uptime_is_read_back_as_it_was_counted_live(window: str) -> None:
    monitor_id, dice, at = make_monitor("api"), random.Random(window), T0 + 1_234
    live = {}
    for _ in range(150):
        at += dice.choice([60, 60, 300, 1_800, 7_200])
        record(sample("api", at, dice.choice(["UP", "UP", "DOWN", "DEGRADED", "NO_DATA"]), span_s=300))
        live[at] = evaluation.uptime_over(reading(), monitor_id, until=at, window_s=UPTIME_WINDOWS[window])
    rule, moments = Rule(AlertType.UPTIME, "99", uptime_window=window), sorted(live)
    for first in (moments[0], moments[60], moments[140]):
        seen = observations(reading(), monitor_id, rule, first=first, last=at, windows=())
        assert {one.at: (one.uptime, one.uptime_samples) for one in seen} == {
            moment: figures for moment, figures in live.items() if moment >= first
        }


def test_a3_the_sample_before_and_maintenance_come_along() -> None:
    monitor_id = make_monitor("api")
    record(*(sample("api", T0 + 60 * n, "UP", latency_ms=n) for n in range(4)))
    rule = Rule(AlertType.STATUS, "DOWN")
    seen = observations(reading(), monitor_id, rule, first=T0 + 60, last=T0 + 180, windows=[(T0 + 120, T0 + 180)])
    assert [(one.at, one.previous_at, one.latency_ms) for one in seen] == [
        (T0 + 60 * n, T0 + 60 * (n - 1), n) for n in (1, 2, 3)
    ]
    assert [one.in_maintenance for one in seen] == [False, True, False]
