"""Fire drills: the complete path with a marked outage, told to whom the rule tells, and without a trace in what is counted."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue

from kener import clock, jobs
from kener.db import transaction
from kener.domain.alerting import AlertStatus
from kener.domain.incidents import IncidentState
from kener.models import (
    Alert,
    AlertConfiguration,
    AuditEntry,
    Decision,
    Delivery,
    DeliveryState,
    Drill,
    Incident,
    IncidentUpdate,
    Monitor,
    MonitorState,
    Sample,
    Streak,
)
from kener.services import configurations, drills, housekeeping, monitors, outbox, trash
from kener.services.errors import NotFound, Refused
from tests.doubles.http import HttpDouble, reply
from tests.factories import (
    SAM,
    configuration_input,
    count,
    every,
    make_configuration,
    make_monitor,
    make_trigger,
    observe,
    only,
)
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def hook(app: Flask) -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        yield server


def make(hook: HttpDouble | None = None, tags: str | list[str] = "api", **rule: object) -> int:
    """Monitors, and a configuration that opens incidents and tells the hook, if there is one."""
    for tag in [tags] if isinstance(tags, str) else tags:
        make_monitor(tag)
    told = [make_trigger(url=hook.url("/hook"))] if hook else []
    return make_configuration(tags, **{"create_incident": "YES", "trigger_ids": told} | rule)


def deliver_all() -> None:
    """Be the delivery workers."""
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)
        drills.heed(delivery.id)


def later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds), tick=False)


def asked_for(redis: Redis) -> list[int]:
    """The drills that workers are asked to go on with."""
    return [job.args[0] for job in Queue(jobs.CHECKS, connection=redis).jobs]


# The path


def test_a_drill_goes_the_whole_way_and_back(hook: HttpDouble, redis: Redis) -> None:
    config_id = make(hook, failure_threshold=3, success_threshold=5)
    drill_id = drills.start(config_id, "api", actor=SAM)
    assert asked_for(redis) == [drill_id]
    assert (only(Drill).monitor_tag, count(Alert)) == ("api", 0)
    assert [(entry.actor, entry.detail) for entry in every(AuditEntry) if entry.action == "start fire drill"] == [
        (SAM.name, "api")
    ]
    drills.run(drill_id)
    alert, incident = only(Alert), only(Incident)
    assert (alert.is_drill, alert.alert_status, alert.observed_value) == (True, AlertStatus.TRIGGERED, "DOWN")
    assert (incident.is_drill, incident.is_private, incident.title) == (True, True, "[drill] Api STATUS: DOWN")
    assert alert.incident_id == incident.id
    assert only(IncidentUpdate).text.startswith("This is a fire drill")
    assert only(Delivery).is_drill
    deliver_all()
    assert asked_for(redis) == [drill_id, drill_id]
    drills.run(drill_id)
    deliver_all()
    alert, incident, drill = only(Alert), only(Incident), only(Drill)
    assert (alert.alert_status, incident.state) == (AlertStatus.RESOLVED, IncidentState.RESOLVED)
    assert alert.closing_reason is None
    first, closing = every(IncidentUpdate)
    assert (first.is_automatic, closing.is_automatic, closing.state) == (True, True, IncidentState.RESOLVED)
    assert [json.loads(asked.body)["is_drill"] for asked in hook.seen] == [True, True]
    assert [json.loads(asked.body)["event"] for asked in hook.seen] == ["TRIGGERED", "RESOLVED"]
    moments = [drill.requested_at, drill.started_at, alert.triggered_at, drill.opened_at, drill.resolved_at]
    assert None not in moments and moments == sorted(moments)  # type: ignore[type-var]
    assert not drill.is_running


@pytest.mark.parametrize(
    ("rule", "observed"),
    [
        ({"alert_for": "STATUS", "alert_value": "DEGRADED"}, "DEGRADED"),
        ({"alert_for": "LATENCY", "alert_value": "800"}, "801 ms"),
        ({"alert_for": "UPTIME", "alert_value": "99.9", "uptime_window": "7d"}, "0"),
    ],
)
def test_every_type_of_rule_can_be_drilled(rule: dict[str, str], observed: str) -> None:
    drills.run(drills.start(make(**rule), actor=SAM))
    alert = only(Alert)
    assert (alert.observed_value or "").startswith(observed)
    assert (alert.alert_status, only(Drill).failure) == (AlertStatus.RESOLVED, None)


def test_a_rule_that_opens_no_incidents_opens_none_in_a_drill(hook: HttpDouble) -> None:
    drills.run(drills.start(make(hook, create_incident="NO"), actor=SAM))
    assert (count(Alert), count(Incident), count(Delivery)) == (1, 0, 1)


def test_only_active_triggers_are_told_and_the_all_clear_goes_to_those(hook: HttpDouble) -> None:
    make_monitor()
    silent = make_trigger(name="Asleep", is_active=False)
    told = make_trigger(url=hook.url("/hook"))
    drill_id = drills.start(make_configuration(trigger_ids=[silent, told]), actor=SAM)
    drills.run(drill_id)
    deliver_all()
    drills.run(drill_id)
    assert [(one.event, one.trigger_name) for one in every(Delivery)] == [("TRIGGERED", "Hook"), ("RESOLVED", "Hook")]


def test_a_channel_that_does_not_answer_is_waited_for_no_longer_than_a_minute(hook: HttpDouble) -> None:
    hook.on("/hook", reply(503))
    drill_id = drills.start(make(hook), actor=SAM)
    drills.run(drill_id)
    deliver_all()
    assert only(Delivery).state is DeliveryState.RETRYING
    with later(59):
        drills.sweep()
        assert only(Alert).alert_status is AlertStatus.TRIGGERED
    with later(61):
        drills.sweep()
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert [one.event for one in every(Delivery)] == ["TRIGGERED", "RESOLVED"]


def test_a_channel_that_failed_for_good_gets_no_all_clear_and_says_when_it_failed(hook: HttpDouble) -> None:
    hook.on("/hook", reply(404))
    drill_id = drills.start(make(hook), actor=SAM)
    drills.run(drill_id)
    written = only(Delivery).next_at
    with later(7):
        deliver_all()
        drills.run(drill_id)
    failed = only(Delivery)
    assert (failed.state, failed.next_at > written + timedelta(seconds=6)) == (DeliveryState.FAILED, True)
    assert only(Alert).alert_status is AlertStatus.RESOLVED


# What may not start


@pytest.mark.parametrize(
    ("hinder", "words"),
    [
        (lambda config_id: configurations.deactivate(config_id, actor=SAM), "inactive"),
        (lambda config_id: monitors.pause("api", actor=SAM), "paused"),
        (lambda config_id: drills.start(config_id, actor=SAM), "running"),
    ],
)
def test_what_would_not_fire_for_real_is_not_drilled(hinder: Callable[[int], object], words: str) -> None:
    config_id = make()
    hinder(config_id)
    before = count(Drill)
    with pytest.raises(Refused, match=words):
        drills.start(config_id, actor=SAM)
    assert count(Drill) == before


def test_a_drill_names_a_monitor_that_the_configuration_watches() -> None:
    config_id = make(tags=["api", "web"])
    make_monitor("other")
    monitors.pause("api", actor=SAM)
    for tag in ("other", "nope", "api"):
        with pytest.raises(Refused) as refused:
            drills.start(config_id, tag, actor=SAM)
        assert refused.value.errors.keys() == {"monitor_tag"}
    drills.start(config_id, actor=SAM)
    assert only(Drill).monitor_tag == "web"
    with pytest.raises(NotFound):
        drills.start(config_id + 1, actor=SAM)


def test_one_drill_at_a_time_however_many_ask(app: Flask) -> None:
    config_id = make()

    def ask() -> bool:
        try:
            drills.start(config_id, actor=SAM)
        except Refused:
            return False
        return True

    assert sorted(at_once(app, *[ask] * 4)) == [False, False, False, True]
    drills.run(only(Drill).id)
    drills.start(config_id, actor=SAM)
    assert count(Drill) == 2


# Twice, at once, broken off


def test_a_job_that_runs_many_times_at_once_does_everything_once(app: Flask, hook: HttpDouble) -> None:
    drill_id = drills.start(make(hook), actor=SAM)
    at_once(app, *[lambda: drills.run(drill_id)] * 4)
    assert (count(Alert), count(Incident), count(Delivery)) == (1, 1, 1)
    deliver_all()
    at_once(app, *[lambda: drills.run(drill_id)] * 4)
    assert (count(IncidentUpdate), count(Delivery)) == (2, 2)


def test_a_lost_job_is_asked_for_again_until_nobody_would_expect_it_any_more(redis: Redis) -> None:
    drill_id = drills.start(make(), actor=SAM)
    redis.flushdb()
    drills.sweep()
    assert asked_for(redis) == []
    with later(6):
        drills.sweep()
        assert asked_for(redis) == [drill_id]
    with later(301):
        drills.sweep()
        assert "No worker" in (only(Drill).failure or "")
        drills.run(drill_id)
        assert (count(Alert), drills.start(only(AlertConfiguration).id, actor=SAM)) == (0, drill_id + 1)


class Killed(BaseException):
    """What a process feels of SIGKILL."""


@pytest.mark.parametrize("step", ["_open", "_resolve"])
def test_what_a_crash_broke_off_is_finished_by_the_sweep(
    hook: HttpDouble, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(_drill_id: int) -> list[int]:
        raise Killed

    drill_id = drills.start(make(hook), actor=SAM)
    with monkeypatch.context() as patch:
        patch.setattr(drills, step, die)
        with pytest.raises(Killed):
            drills.run(drill_id)
    with later(6):
        drills.sweep()
        deliver_all()
        drills.sweep()
    assert not only(Drill).is_running
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert only(Incident).state is IncidentState.RESOLVED


def test_what_a_crash_left_between_commit_and_queue_goes_out_with_the_next_sweeps(
    hook: HttpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_delivery_ids: object) -> None:
        raise Killed

    drill_id = drills.start(make(hook), actor=SAM)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "enqueue_deliveries", die)
        with pytest.raises(Killed):
            drills.run(drill_id)
    with later(6):
        assert outbox.due() == [only(Delivery).id]


# What it hangs on goes away


def test_deleting_the_configuration_ends_the_drill_and_tells_those_who_heard_of_it(hook: HttpDouble) -> None:
    config_id = make(hook)
    drills.run(drills.start(config_id, actor=SAM))
    configurations.delete(config_id, actor=SAM)
    alert = only(Alert)
    assert (alert.alert_status, alert.closing_reason) == (
        AlertStatus.RESOLVED,
        "The alert configuration was deleted.",
    )
    assert only(Incident).state is IncidentState.RESOLVED
    assert [one.event for one in every(Delivery)] == ["TRIGGERED", "RESOLVED"]
    assert count(Drill) == 0


def test_a_deletion_in_the_middle_of_a_worker_s_step_strands_nothing(app: Flask) -> None:
    make_monitor()
    told = [make_trigger()]
    for _ in range(6):
        config_id = make_configuration("api", create_incident="YES", trigger_ids=told)
        drill_id = drills.start(config_id, actor=SAM)
        acts = (partial(drills.run, drill_id), partial(configurations.delete, config_id, actor=SAM))
        at_once(app, *acts, partial(drills.run, drill_id))
    assert (count(AlertConfiguration), count(Drill)) == (0, 0)
    assert {alert.alert_status for alert in every(Alert)} <= {AlertStatus.RESOLVED}
    assert [incident for incident in every(Incident) if incident.is_open] == []


def test_deleting_the_last_monitor_ends_the_drill(hook: HttpDouble) -> None:
    drills.run(drills.start(make(hook), actor=SAM))
    monitors.delete("api", actor=SAM)
    assert (only(Alert).alert_status, only(Incident).state) == (AlertStatus.RESOLVED, IncidentState.RESOLVED)
    trash.purge("api", actor=SAM)
    assert (count(AlertConfiguration), count(Drill)) == (0, 0)


def test_a_drill_goes_on_when_its_rule_is_changed_deactivated_or_loses_the_monitor(hook: HttpDouble) -> None:
    config_id = make(hook, tags=["api", "web"])
    drill_id = drills.start(config_id, "api", actor=SAM)
    drills.run(drill_id)
    configurations.update(config_id, configuration_input("web", alert_for="LATENCY", alert_value="9"), actor=SAM)
    configurations.deactivate(config_id, actor=SAM)
    monitors.delete("api", actor=SAM)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    deliver_all()
    drills.run(drill_id)
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_a_monitor_that_is_taken_out_before_a_worker_comes_is_named_as_the_reason() -> None:
    config_id = make(tags=["api", "web"])
    drill_id = drills.start(config_id, "api", actor=SAM)
    configurations.update(config_id, configuration_input("web"), actor=SAM)
    drills.run(drill_id)
    assert "no longer part" in (only(Drill).failure or "")
    assert count(Alert) == 0


def test_a_drill_alert_whose_drill_is_gone_is_not_stranded(hook: HttpDouble) -> None:
    drills.run(drills.start(make(hook), actor=SAM))
    with transaction() as session:
        session.delete(session.get_one(Drill, only(Drill).id))
    housekeeping.prune()
    assert (only(Alert).alert_status, only(Incident).state) == (AlertStatus.RESOLVED, IncidentState.RESOLVED)


def test_drills_are_forgotten_with_their_deliveries(hook: HttpDouble) -> None:
    drill_id = drills.start(make(hook), actor=SAM)
    drills.run(drill_id)
    deliver_all()
    drills.run(drill_id)
    deliver_all()
    with later(89 * 86_400):
        housekeeping.prune()
        assert (count(Drill), count(Alert), count(Incident)) == (1, 1, 1)
    with later(91 * 86_400):
        housekeeping.prune()
    assert (count(Drill), count(Alert), count(Incident), count(Delivery)) == (0, 0, 0, 0)


# Not seen by what counts


def test_the_evaluator_neither_sees_a_drill_nor_is_seen_by_it(hook: HttpDouble) -> None:
    config_id = make(hook, failure_threshold=2, success_threshold=2)
    observe("api", "DOWN")
    drill_id = drills.start(config_id, actor=SAM)
    drills.run(drill_id)
    assert (only(Streak).failing, count(Sample), count(Decision)) == (1, 1, 1)
    observe("api", "DOWN")
    drilled, real = every(Alert)
    assert (drilled.is_drill, real.is_drill) == (True, False)
    observe("api", "UP", "UP")
    drilled, real = every(Alert)
    assert (drilled.alert_status, real.alert_status) == (AlertStatus.TRIGGERED, AlertStatus.RESOLVED)
    deliver_all()
    drills.run(drill_id)
    assert every(Alert)[0].alert_status is AlertStatus.RESOLVED


def test_a_drill_beside_an_active_alert_leaves_that_alone(hook: HttpDouble) -> None:
    config_id = make(hook, failure_threshold=1, success_threshold=1)
    observe("api", "DOWN")
    state = only(MonitorState).status_code
    drill_id = drills.start(config_id, actor=SAM)
    drills.run(drill_id)
    deliver_all()
    drills.run(drill_id)
    real, drilled = every(Alert)
    assert (real.alert_status, drilled.alert_status) == (AlertStatus.TRIGGERED, AlertStatus.RESOLVED)
    assert [incident.is_open for incident in every(Incident)] == [True, False]
    assert (only(MonitorState).status_code, only(Monitor).is_active) == (state, True)
