"""The back-test over stored samples: what it finds is what the live services made of them. X1."""

import random
import time
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from rq import Queue
from sqlalchemy import insert, update

from kener import clock, jobs
from kener.db import reading, transaction
from kener.domain.inputs import AlertConfigurationInput
from kener.domain.replay import Order
from kener.models import Alert, AlertConfiguration, Decision, Delivery, Hourly, Incident, Sample
from kener.services import backtest
from kener.services.errors import NotFound, Refused
from tests.factories import (
    T0,
    configuration_input,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    make_trigger,
    observe,
    plan_maintenance,
    record,
    sample,
)
from tests.support.statements import counted
from workers.pool import ThreadWorker

pytestmark = pytest.mark.usefixtures("app")

HOUR, DAY = 3_600, 86_400


def as_draft(config_id: int) -> AlertConfigurationInput:
    """A stored configuration, entered again."""
    stored = reading().get_one(AlertConfiguration, config_id, populate_existing=True)
    names = AlertConfigurationInput.model_fields.keys() - {"monitor_tags", "trigger_ids"}
    given = {name: getattr(stored, name) for name in names}
    tags, ids = [monitor.tag for monitor in stored.monitors], [trigger.id for trigger in stored.triggers]
    return AlertConfigurationInput.model_validate({**given, "monitor_tags": tags, "trigger_ids": ids})


def over(given: AlertConfigurationInput, start: int, end: int, *, config_id: int | None = None) -> Order:
    """What to replay of a story in the past."""
    return replace(backtest.order(given, config_id=config_id), start=start - start % HOUR, end=end)


def happened(config_id: int) -> list[tuple[str, int, int | None]]:
    """The alerts of a configuration as they are stored."""
    return [
        (
            alert.monitor_tag,
            int(alert.triggered_at.timestamp()),
            int(alert.resolved_at.timestamp()) if alert.resolved_at else None,
        )
        for alert in every(Alert)
        if alert.config_id == config_id
    ]


def found(order: Order) -> list[tuple[str, int, int | None]]:
    return [(episode.monitor, episode.start, episode.end) for episode in backtest.run(order).draft.episodes]


@pytest.mark.parametrize("seed", [1, 2])
def test_x1_a_back_test_finds_the_very_alerts_that_the_live_services_made(seed: int) -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    hook = make_trigger()
    rules: list[dict[str, Any]] = [
        {"failure_threshold": 2, "success_threshold": 2, "create_incident": "YES", "reopen_minutes": 45},
        {"alert_value": "DEGRADED", "failure_threshold": 3, "success_threshold": 1},
        {"alert_for": "LATENCY", "alert_value": "300", "failure_threshold": 2, "success_threshold": 3},
        {"alert_for": "UPTIME", "alert_value": "80", "uptime_window": "1h", "failure_threshold": 1},
        {"alert_for": "UPTIME", "alert_value": "85.5", "uptime_window": "24h", "failure_threshold": 2},
        {"failure_threshold": 1, "success_threshold": 1, "flapping_start": 10, "flapping_stop": 5},
    ]
    ids = [make_configuration(["api", "web"], trigger_ids=[hook], **rule) for rule in rules]
    plan_maintenance("api", start=T0 + 2 * HOUR, end=T0 + 3 * HOUR)
    end = 0
    for tag in ("api", "web"):
        end = max(end, tell_a_story(tag, random.Random(f"{seed}{tag}")))
    assert all(happened(config_id) for config_id in ids)
    assert count(Alert) > 12
    assert 0 < count(Incident) < len(happened(ids[0]))  # some went on (R4)
    assert {"flap"} <= {decision.outcome.value for decision in every(Decision)}  # X3
    for config_id in ids:
        order = over(as_draft(config_id), T0, end + 1, config_id=config_id)
        result = backtest.run(order)
        assert found(order) == sorted(happened(config_id), key=lambda alert: (alert[1], alert[0]))
        assert result.draft == result.current
        told = [delivery for delivery in every(Delivery) if delivery.alert_id in alerts_of(config_id)]
        assert result.draft.notices == len(told)
        assert result.draft.incidents == (count(Incident) if config_id == ids[0] else 0)
        assert result.samples == count(Sample)


@pytest.mark.parametrize(
    "options", [{}, {"reopen_minutes": 15}, {"group_minutes": 10}, {"group_minutes": 10, "reopen_minutes": 15}]
)
def test_x1_incidents_that_are_shared_or_go_on_are_counted_as_often_as_they_were_opened(
    options: dict[str, int],
) -> None:
    tags = ["api", "db", "inner", "web"]
    for tag in tags:
        make_monitor(tag, is_hidden=tag == "inner")
    config_id = make_configuration(tags, failure_threshold=1, success_threshold=2, create_incident="YES", **options)
    dice, at = random.Random(7), T0
    for _ in range(50):
        for tag in tags:
            record(sample(tag, at, dice.choice(["UP", "UP", "UP", "DOWN"]), span_s=300))
        at += 300
    result = backtest.run(over(as_draft(config_id), T0, at, config_id=config_id))
    assert result.draft.alerts == count(Alert) > 20
    assert result.draft.incidents == sum(result.draft.incidents_by_day) == count(Incident)
    assert (count(Incident) == count(Alert)) is (not options)


def tell_a_story(tag: str, dice: random.Random) -> int:
    """Some hundred samples, one after the other, with outages, slow spells and gaps. Returns when the last was seen."""
    at, status, latency = T0, "UP", 100
    for _ in range(110):
        if dice.random() < 0.25:
            status = dice.choice(["UP", "UP", "UP", "DOWN", "DOWN", "DEGRADED", "NO_DATA"])
            latency = dice.choice([100, 300, 301])
        record(sample(tag, at, status, latency_ms=None if status == "DOWN" else latency, span_s=300))
        at += dice.choice([300] * 12 + [900, 901, 4 * HOUR])
    return at


def alerts_of(config_id: int) -> set[int]:
    return {alert.id for alert in every(Alert) if alert.config_id == config_id}


@pytest.mark.parametrize("window", ["1h", "24h", "7d"])
def test_an_uptime_window_reaches_back_before_the_first_day_that_is_replayed(window: str) -> None:
    make_monitor("api")
    config_id = make_configuration(
        "api", alert_for="UPTIME", alert_value="99.5", uptime_window=window, failure_threshold=1, success_threshold=1
    )
    length = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY}[window]
    step = length // 60
    observe("api", *["UP"] * 40, *["DOWN"] * 3, *["UP"] * 90, step_s=step)
    [(_, began, ended)] = happened(config_id)
    assert ended is not None
    middle = (began + ended) // 2
    order = over(as_draft(config_id), middle, ended + DAY)
    assert found(order) == [("api", next_sample(order.start), ended)]


def next_sample(at: int) -> int:
    return min(row.at for row in every(Sample) if row.at >= at)


def test_a_cancelled_window_and_one_of_another_monitor_hold_nothing_back() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    make_configuration("api", failure_threshold=1)
    end = observe("api", "UP", "DOWN", "UP")
    draft = configuration_input("api", failure_threshold=1)
    plan_maintenance("web", start=T0, end=T0 + HOUR)
    assert len(found(over(draft, T0, end))) == 1
    plan_maintenance("api", start=T0, end=T0 + HOUR)
    assert found(over(draft, T0, end)) == []


def test_a_back_test_changes_nothing() -> None:
    make_monitor("api")
    end = observe("api", *["DOWN"] * 5)
    backtest.run(over(configuration_input("api"), T0, end + 1))
    assert (count(Alert), count(Decision), count(AlertConfiguration)) == (0, 0, 0)


def test_only_active_triggers_are_counted_and_what_is_not_there_is_refused() -> None:
    make_monitor("api")
    ids = [make_trigger(name="One"), make_trigger(name="Two", is_active=False)]
    assert backtest.order(configuration_input("api", trigger_ids=ids)).draft.triggers == 1
    with pytest.raises(Refused, match="There is no trigger 77"):
        backtest.order(configuration_input("api", trigger_ids=[77]))
    with pytest.raises(Refused, match="There is no monitor web"):
        backtest.order(configuration_input(["api", "web"]))
    with pytest.raises(NotFound):
        backtest.order(configuration_input("api"), config_id=77)


def test_a_damaged_rule_is_left_out_of_the_comparison() -> None:
    make_monitor("api")
    config_id = make_configuration("api")
    with transaction() as session:
        session.execute(update(AlertConfiguration).values(failure_threshold=0))
    assert backtest.order(configuration_input("api"), config_id=config_id).current is None


def fill_month(tag: str, *, until: int) -> None:
    """Thirty days of a sample a minute, with an outage of 20 minutes every day."""
    monitor_id, start = id_of(tag), until - until % HOUR - 30 * DAY
    rows = [
        {"monitor_id": monitor_id, "at": at, "status": 3 if at % DAY < 1_200 else 1, "latency_ms": 90, "span_s": 60}
        for at in range(start, until, 60)
    ]
    hours = [
        {"monitor_id": monitor_id, "hour": hour, "up_s": 3_600, "degraded_s": 0, "down_s": 0, "samples": 60,
         "latency_n": 0, "latency_sum": 0}
        for hour in range(start, until, HOUR)
    ]  # fmt: skip
    with transaction() as session:
        session.execute(insert(Sample), rows)
        session.execute(insert(Hourly), hours)


@pytest.mark.parametrize(
    ("rule", "alerts"),
    [
        ({}, 30),
        ({"alert_for": "LATENCY", "alert_value": 80}, 1),
        ({"alert_for": "UPTIME", "alert_value": 95, "uptime_window": "1h"}, 30),
        ({"alert_for": "UPTIME", "alert_value": 99}, 1),
    ],
)
def test_thirty_days_of_every_minute_take_about_a_second_at_most(rule: dict[str, Any], alerts: int) -> None:
    make_monitor("api")
    fill_month("api", until=clock.epoch())
    config_id = make_configuration("api", failure_threshold=5, **rule)
    order = backtest.order(configuration_input("api", **rule), config_id=config_id)
    begun = time.process_time()
    result = backtest.run(order)
    # 0.4 to 0.8 s where this was written; the bound is generous for slower machines.
    assert time.process_time() - begun < 3
    assert result.samples > 43_000
    assert result.current is not None
    assert result.draft.alerts == result.current.alerts == alerts


def test_many_monitors_are_read_in_few_statements() -> None:
    tags = [f"m{number}" for number in range(8)]
    for tag in tags:
        make_monitor(tag)
        observe(tag, "UP", "DOWN")
    order = over(configuration_input(tags, alert_for="UPTIME", alert_value="99"), T0, T0 + HOUR)
    with counted() as statements:
        assert backtest.run(order).monitors == 8
    # monitors, parents, windows and site, then samples and hours of each
    assert len([text for text in statements if text.startswith("SELECT")]) == 4 + 2 * len(tags)


def test_a_worker_makes_a_back_test_of_many_monitors_and_tells_how_far_it_is(app: Flask) -> None:
    for tag in ("api", "web", "db"):
        make_monitor(tag)
        observe(tag, "DOWN", "DOWN", "DOWN", "UP")
    order = over(configuration_input(["api", "web", "db"]), T0, T0 + HOUR)
    name = backtest.begin(order, config_id=7)
    assert backtest.begin(order, config_id=7) == name
    asked = backtest.find(name)
    assert asked is not None
    assert (asked.done, asked.total, asked.result, asked.is_waiting, asked.config_id) == (0, 3, None, False, 7)
    seen: list[int] = []
    backtest.run(order, progress=seen.append)
    assert seen == [1, 2, 3]
    connection = jobs.connect_worker(app.config["REDIS"])
    queue = Queue(jobs.HOUSEKEEPING, connection=connection)
    assert queue.count == 1
    worker = ThreadWorker([queue], connection=connection)
    worker.app = app
    worker.work(burst=True, logging_level="WARNING")
    done = backtest.find(name)
    assert done is not None
    assert (done.done, done.total, done.is_broken) == (3, 3, False)
    assert done.result == backtest.run(order)
    assert done.result.draft.alerts == 3


def test_a_monitor_that_goes_away_meanwhile_is_left_out() -> None:
    make_monitor("api")
    observe("api", "DOWN")
    order = over(configuration_input("api", failure_threshold=1), T0, T0 + HOUR)
    gone = replace(order, draft=replace(order.draft, monitors=("api", "gone")))
    assert len(found(gone)) == 1


def test_how_far_a_back_test_is_that_nobody_asked_for_is_not_known() -> None:
    assert backtest.find("0" * 32) is None
    backtest.work("0" * 32)
