"""A3: every automatic step leaves a record: the samples it saw, the rule as it was, the outcome."""

import pytest

from kener.domain.alerting import Outcome
from kener.models import Alert, Decision, Incident
from kener.services import configurations
from tests.factories import (
    SAM,
    T0,
    configuration_input,
    every,
    make_configuration,
    make_monitor,
    observe,
    only,
    plan_maintenance,
    post,
)

pytestmark = pytest.mark.usefixtures("app")

RULE = {"failure_threshold": 2, "success_threshold": 2, "create_incident": "YES"}


def told() -> list[tuple[int, Outcome, int, int]]:
    """When, what, and how far the counts were."""
    return [((row.at - T0) // 60, row.outcome, row.failing, row.passing) for row in every(Decision)]


def test_a3_every_step_of_an_episode_is_recorded_once() -> None:
    make_monitor("api")
    make_configuration("api", **RULE)
    plan_maintenance("api", start=T0, end=T0 + 60)
    observe("api", "DOWN", "UP", "DOWN", "DEGRADED", "NO_DATA", "DOWN", "DOWN", "DOWN")
    post(only(Incident).id, "RESOLVED", at=T0 + 450)
    observe("api", "DOWN", "UP", "UP", "UP")
    assert told() == [
        (0, Outcome.SUPPRESS, 0, 0),
        (2, Outcome.HOLD, 1, 0),
        (3, Outcome.HOLD, 0, 0),
        (5, Outcome.HOLD, 1, 0),
        (6, Outcome.TRIGGER, 2, 0),
        (6, Outcome.OPEN, 2, 0),
        (8, Outcome.REOPEN, 4, 0),
        (9, Outcome.HOLD, 0, 1),
        (10, Outcome.RESOLVE, 0, 2),
    ]
    assert [row.alert_id for row in every(Decision)] == [None] * 4 + [only(Alert).id] * 5


def test_a3_a_record_holds_the_samples_it_saw_and_the_rule_as_it_was() -> None:
    make_monitor("api")
    config_id = make_configuration("api", **RULE)
    observe("api", "UP", latency_ms=120)
    observe("api", "DOWN", "DOWN", error="HTTP 503")
    changed = configuration_input("api", **{**RULE, "success_threshold": 9, "severity": "CRITICAL"})
    configurations.update(config_id, changed, actor=SAM)
    hold, trigger, _ = every(Decision)
    down = {"status": "DOWN", "latency_ms": None, "error": "HTTP 503"}
    assert hold.samples == [{"at": T0 + 60, **down}]
    assert trigger.samples == [
        {"at": T0, "status": "UP", "latency_ms": 120, "error": None},
        {"at": T0 + 60, **down},
        {"at": T0 + 120, **down},
    ]
    assert (trigger.rule["success_threshold"], trigger.rule["severity"]) == (2, "WARNING")
    assert (trigger.observed, trigger.verdict) == ("DOWN", "fail")
