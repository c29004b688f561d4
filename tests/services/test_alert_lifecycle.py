"""From a bad sample to an incident and back, as the contract has it: C, E, L, R and N1 of the incident automation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import IntegrityError

from kener import clock
from kener.db import db, reading, transaction
from kener.domain.alerting import AlertStatus, AlertType, Outcome, Severity
from kener.domain.incidents import IncidentState, Source
from kener.domain.inputs import AlertConfigurationInput
from kener.domain.messages import escape
from kener.domain.status import Status
from kener.models import (
    AffectedMonitor,
    Alert,
    AlertConfiguration,
    Decision,
    Delivery,
    DeliveryState,
    Hourly,
    Incident,
    IncidentUpdate,
    MonitorState,
    Notice,
    NoticeDelivery,
    Sample,
    Streak,
)
from kener.queries.public import feed as feeds
from kener.queries.public import incidents as pages
from kener.services import configurations, heartbeats, incidents, manual_data, monitoring, outbox
from kener.services.errors import Refused
from kener.services.manual_data import Edit
from tests.doubles.http import HttpDouble, reply
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    observe,
    only,
    plan_maintenance,
    post,
    record,
    sample,
)
from tests.support.subscribers import make_subscriber

pytestmark = pytest.mark.usefixtures("app")

STORY = (
    Sample,
    MonitorState,
    Streak,
    Alert,
    Incident,
    IncidentUpdate,
    AffectedMonitor,
    Delivery,
    Decision,
    Hourly,
    Notice,
    NoticeDelivery,
)


def fragile(**fields: Any) -> int:
    """A configuration that one bad sample triggers and one good one resolves, with an incident."""
    given = {"failure_threshold": 1, "success_threshold": 1, "create_incident": "YES", **fields}
    return make_configuration(**given)


def told() -> list[tuple[str, str]]:
    """Who was promised which notice, in order."""
    return [(delivery.trigger_name, delivery.event) for delivery in every(Delivery)]


# C: configuration


def test_c1_a_configuration_keeps_every_field() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    given = {
        "alert_for": "UPTIME",
        "alert_value": "99.950",
        "uptime_window": "7d",
        "failure_threshold": 4,
        "success_threshold": 6,
        "severity": "CRITICAL",
        "create_incident": "YES",
        "is_active": "NO",
        "alert_description": "Customers cannot pay.",
        "trigger_ids": [make_trigger(name="One"), make_trigger(name="Two")],
    }
    make_configuration(["web", "api"], **given)
    made = only(AlertConfiguration)
    assert (made.alert_for, made.alert_value, made.uptime_window) == (AlertType.UPTIME, "99.95", "7d")
    assert (made.failure_threshold, made.success_threshold, made.severity) == (4, 6, Severity.CRITICAL)
    assert (made.create_incident, made.is_active, made.alert_description) == (True, False, "Customers cannot pay.")
    assert {monitor.tag for monitor in made.monitors} == {"api", "web"}
    assert [trigger.name for trigger in made.triggers] == ["One", "Two"]


def test_c3_a_configuration_of_which_nothing_is_said_has_the_documented_defaults() -> None:
    make_monitor()
    make_configuration("api")
    made = only(AlertConfiguration)
    assert (made.alert_for, made.alert_value) == (AlertType.STATUS, "DOWN")
    assert (made.failure_threshold, made.success_threshold, made.severity) == (3, 5, Severity.WARNING)
    assert (made.create_incident, made.is_active, made.alert_description) == (False, True, None)
    assert [monitor.tag for monitor in made.monitors] == ["api"]
    assert made.triggers == []


@pytest.mark.parametrize(
    ("failure", "success", "warned"),
    [(3, 5, []), (3, 3, []), (4, 3, ["Success threshold 3"]), (2, 5, ["Failure threshold 2"])],
)
def test_c3_seldom_meant_thresholds_are_allowed_with_a_warning(failure: int, success: int, warned: list[str]) -> None:
    given = AlertConfigurationInput(monitor_tags=["api"], failure_threshold=failure, success_threshold=success)
    assert [warning.split(" is ")[0] for warning in given.warnings()] == warned


def test_c2_a_configuration_that_names_unknown_things_is_refused_and_leaves_nothing() -> None:
    make_monitor()
    with pytest.raises(Refused) as refused:
        make_configuration(["api", "gone"], trigger_ids=[77])
    assert refused.value.errors == {
        "monitor_tags": "There is no monitor gone.",
        "trigger_ids": "There is no trigger 77.",
    }
    assert count(AlertConfiguration) == 0


def test_c4_each_configuration_of_a_monitor_has_its_own_alerts_and_incidents() -> None:
    make_monitor()
    quick = fragile(success_threshold=3)
    slow = fragile(failure_threshold=2)
    strict = fragile(alert_for="LATENCY", alert_value="100")
    observe("api", "DOWN")
    observe("api", "DOWN", latency_ms=150)
    assert [alert.config_id for alert in every(Alert)] == [quick, slow, strict]
    assert len({alert.incident_id for alert in every(Alert)}) == 3
    observe("api", "UP", latency_ms=50)
    active = {alert.config_id: alert.alert_status is AlertStatus.TRIGGERED for alert in every(Alert)}
    assert active == {quick: True, slow: False, strict: False}
    assert [incident.is_open for incident in every(Incident)] == [True, False, False]


def test_c4_one_configuration_counts_each_of_its_monitors_alone() -> None:
    make_monitor("api")
    make_monitor("web")
    make_configuration(["api", "web"], failure_threshold=3)
    for tag in ("api", "web", "api", "web"):
        observe(tag, "DOWN")
    assert count(Alert) == 0
    observe("web", "DOWN")
    assert only(Alert).monitor_tag == "web"


# E: evaluation


def test_e1_a_check_is_evaluated_as_it_is_stored() -> None:
    with HttpDouble() as target:
        target.on("/", reply(503))
        make_monitor(monitor_type="API", type_data={"url": target.url("/")})
        fragile()
        slot = clock.epoch() - 1
        with transaction() as session:
            session.execute(update(MonitorState).values(slot=slot, claimed_at=slot))
        assert monitoring.run_shard([(id_of("api"), slot)], slow=False) == 1
    assert only(Alert).triggered_at == clock.at(slot)
    assert "503" in (only(Alert).last_error or "")


def test_e1_a_heartbeat_is_evaluated_as_it_is_stored() -> None:
    secret = "a-secret-of-some-length"
    make_monitor("job", monitor_type="HEARTBEAT", type_data={"secretString": secret})
    fragile(monitor_tags="job")
    observe("job", "DOWN")
    heartbeats.take("job", secret)
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_e1_what_an_operator_or_a_program_writes_is_evaluated_as_it_is_stored() -> None:
    make_monitor()
    make_configuration(failure_threshold=3)
    first = clock.epoch() // 60 * 60 - 600
    manual_data.write("api", Edit(first, first + 120, Status.DOWN, None), actor=SAM)
    assert only(Alert).triggered_at == clock.at(first + 120)


def test_e2_what_an_incident_paints_over_a_monitor_is_not_evaluated() -> None:
    make_monitor()
    make_incident("api")
    fragile()
    observe("api", "UP", "UP", "UP")
    assert count(Alert) == 0


def test_e4_the_failure_threshold_is_exact_and_young_monitors_never_trigger() -> None:
    make_monitor()
    make_configuration(failure_threshold=3)
    observe("api", "DOWN", "DOWN")
    assert count(Alert) == 0
    third = observe("api", "DOWN")
    assert only(Alert).triggered_at == clock.at(third)


def test_e4_the_success_threshold_is_exact_and_one_failure_starts_it_again() -> None:
    make_monitor()
    make_configuration(failure_threshold=1, success_threshold=3)
    observe("api", "DOWN", "UP", "UP", "DOWN", "UP", "UP")
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    third = observe("api", "UP")
    assert only(Alert).resolved_at == clock.at(third)


@pytest.mark.parametrize(
    ("seen", "triggers"),
    [
        (["DOWN", "DOWN", "UP", "DOWN"], False),
        (["DOWN", "DOWN", "DEGRADED", "DOWN"], False),
        (["DOWN", "DOWN", "NO_DATA", "NO_DATA"], False),
        (["DOWN", "NO_DATA", "DOWN", "NO_DATA", "DOWN"], True),
    ],
)
def test_e4_between_breaks_a_streak_and_nothing_neither_breaks_nor_adds(seen: list[str], triggers: bool) -> None:
    make_monitor()
    make_configuration(failure_threshold=3)
    observe("api", *seen)
    assert count(Alert) == triggers


@pytest.mark.parametrize(("seen", "resolves"), [(["UP", "DEGRADED", "UP"], False), (["UP", "NO_DATA", "UP"], True)])
def test_e4_the_same_holds_for_a_recovery(seen: list[str], resolves: bool) -> None:
    make_monitor()
    make_configuration(failure_threshold=1, success_threshold=2)
    observe("api", "DOWN", *seen)
    assert (only(Alert).alert_status is AlertStatus.RESOLVED) is resolves


@pytest.mark.parametrize(("pause_s", "triggers"), [(180, True), (240, False)])
def test_e5_a_gap_of_more_than_three_intervals_breaks_a_failing_streak(pause_s: int, triggers: bool) -> None:
    make_monitor()
    make_configuration(failure_threshold=3)
    last = observe("api", "DOWN", "DOWN")
    observe("api", "DOWN", start=last + pause_s)
    assert count(Alert) == triggers


def test_e5_a_gap_breaks_a_passing_streak() -> None:
    make_monitor()
    make_configuration(failure_threshold=1, success_threshold=3)
    last = observe("api", "DOWN", "UP", "UP")
    observe("api", "UP", "UP", start=last + 3_600)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_e5_an_edit_of_the_newest_sample_makes_no_gap() -> None:
    make_monitor(cron="0 * * * *")
    make_configuration(failure_threshold=2)
    hour = clock.epoch() // 3_600 * 3_600 - 7_200
    record(sample("api", hour, "DOWN", span_s=3_600))
    manual_data.write("api", Edit(hour, hour, Status.DOWN, None), actor=SAM)
    record(sample("api", hour + 3_600, "DOWN", span_s=3_600))
    assert only(Alert).triggered_at == clock.at(hour + 3_600)


def test_e6_nothing_triggers_inside_a_window_and_what_failed_there_does_not_count_afterwards() -> None:
    make_monitor()
    make_configuration(failure_threshold=3)
    plan_maintenance("api", start=T0, end=T0 + 600)
    observe("api", *["DOWN"] * 10)
    assert {decision.outcome for decision in every(Decision)} == {Outcome.SUPPRESS}
    observe("api", "DOWN", "DOWN")
    assert count(Alert) == 0
    third = observe("api", "DOWN")
    assert third == T0 + 12 * 60
    assert only(Alert).triggered_at == clock.at(third)


def test_e6_the_first_second_after_a_window_counts_even_in_the_batch_of_its_last() -> None:
    make_monitor()
    make_configuration(failure_threshold=1)
    plan_maintenance("api", start=T0, end=T0 + 120)
    record(*[sample("api", T0 + second, "DOWN") for second in (0, 60, 120)])
    assert only(Alert).triggered_at == clock.at(T0 + 120)


def test_e6_down_before_and_after_a_window_is_one_alert_and_one_notice() -> None:
    make_monitor()
    fragile(trigger_ids=[make_trigger()])
    plan_maintenance("api", start=T0 + 60, end=T0 + 600)
    observe("api", *["DOWN"] * 20)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    assert told() == [("Hook", "TRIGGERED")]
    assert only(Incident).is_open


def test_e6_a_recovery_inside_a_window_resolves_an_alert_from_before() -> None:
    make_monitor()
    fragile(success_threshold=2)
    plan_maintenance("api", start=T0 + 60, end=T0 + 600)
    observe("api", "DOWN", "DOWN", "UP", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert not only(Incident).is_open


def test_e6_a_window_of_another_monitor_changes_nothing() -> None:
    make_monitor("api")
    make_monitor("web")
    fragile()
    plan_maintenance("web", start=T0, end=T0 + 600)
    observe("api", "DOWN")
    assert count(Alert) == 1


def test_e7_the_same_sample_again_changes_nothing() -> None:
    make_monitor()
    make_configuration(failure_threshold=2)
    for _ in range(3):
        observe("api", "DOWN", start=T0)
    record(sample("api", T0, "DOWN"), sample("api", T0, "DOWN"))
    assert (count(Sample), count(Alert), only(Streak).failing) == (1, 0, 1)
    assert only(Hourly).samples == 1


def test_e7_samples_of_one_batch_are_evaluated_in_time_order() -> None:
    make_monitor()
    make_configuration(failure_threshold=2, success_threshold=1)
    record(*[sample("api", T0 + 60 * n, status) for n, status in ((3, "UP"), (1, "DOWN"), (0, "DOWN"), (2, "DOWN"))])
    assert only(Alert).triggered_at == clock.at(T0 + 60)
    assert only(Alert).resolved_at == clock.at(T0 + 180)


def test_e7_an_uptime_rule_sees_nothing_of_the_samples_that_were_stored_with_its_own() -> None:
    """Told at once or one by one: the same alerts at the same times."""
    statuses = ["UP"] * 70 + ["DOWN"] * 12 + ["UP"] * 90
    for tag in ("whole", "single"):
        make_monitor(tag)
        rule = {"alert_for": "UPTIME", "alert_value": "90", "failure_threshold": 1, "success_threshold": 1}
        make_configuration(tag, **rule)
    observe("single", *statuses)
    record(*[sample("whole", T0 + 60 * n, status) for n, status in enumerate(statuses)])
    told = {
        tag: [(a.triggered_at, a.resolved_at) for a in every(Alert) if a.monitor_tag == tag]
        for tag in ("whole", "single")
    }
    assert told["whole"] == told["single"] and told["single"][0][1] is not None


def test_e7_late_samples_are_kept_but_neither_trigger_nor_resolve_nor_count() -> None:
    make_monitor("api")
    make_monitor("web")
    fragile(monitor_tags=["api", "web"], failure_threshold=2)
    observe("api", "UP", start=T0 + 600)
    observe("api", "DOWN", "DOWN", "DOWN", start=T0)
    observe("web", "DOWN", "DOWN", start=T0 + 600)
    observe("web", "UP", "UP", start=T0)
    assert count(Sample) == 8
    assert only(Alert).monitor_tag == "web"
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "DOWN")
    assert count(Alert) == 1


# L: from trigger to incident


def test_l1_an_episode_is_one_alert_however_long_it_lasts() -> None:
    make_monitor()
    fragile()
    observe("api", *["DOWN"] * 10)
    assert (count(Alert), count(Incident), count(IncidentUpdate)) == (1, 1, 1)


def test_l1_the_database_itself_refuses_a_second_active_alert() -> None:
    make_monitor()
    fragile()
    observe("api", "DOWN")
    first = only(Alert)
    copied = {
        name: getattr(first, name)
        for name in ("config_id", "monitor_id", "active_key", "monitor_tag", "monitor_name", "rule", "triggered_at")
    }
    with pytest.raises(IntegrityError), transaction() as session:
        session.add(Alert(**copied))
    assert count(Alert) == 1


def test_l2_when_the_database_refuses_the_alert_nothing_of_it_remains() -> None:
    make_monitor()
    config_id = fragile(trigger_ids=[make_trigger()])
    observe("api", "UP")
    with transaction() as session:
        # A second process that has just opened the alert, as far as the constraint can tell.
        key = f"{config_id}:{id_of('api')}"
        session.add(Alert(active_key=key, monitor_tag="", monitor_name="", rule={}, triggered_at=clock.at(T0)))
    before = snapshot()
    with pytest.raises(IntegrityError):
        observe("api", "DOWN")
    assert snapshot() == before


@pytest.mark.parametrize("status", ["DOWN", "UP"])
def test_l2_r1_a_crash_at_any_statement_leaves_all_or_nothing(status: str) -> None:
    make_monitor()
    fragile(trigger_ids=[make_trigger(name="One"), make_trigger(name="Two")])
    for address in ("ann@example.com", "bea@example.com"):
        make_subscriber(address)
    observe("api", "UP", "DOWN") if status == "UP" else observe("api", "UP")
    due = sample("api", T0 + 600, status)
    before = snapshot()
    survived = 0
    for allowed in range(200):
        try:
            with crash_after(allowed):
                record(due)
        except Crash:
            assert snapshot() == before
            survived += 1
        else:
            break
    assert survived > 15
    after = snapshot()
    assert after["delivery"] == before["delivery"] + 2
    assert after["incident_update"] == before["incident_update"] + 1
    assert (after["notice"], after["notice_delivery"]) == (before["notice"] + 1, before["notice_delivery"] + 2)
    assert only(Alert).alert_status is (AlertStatus.TRIGGERED if status == "DOWN" else AlertStatus.RESOLVED)


def test_l2_without_create_incident_there_is_an_alert_and_its_notices_but_no_incident() -> None:
    make_monitor()
    fragile(create_incident="NO", trigger_ids=[make_trigger()])
    observe("api", "DOWN", error="HTTP 503")
    alert = only(Alert)
    assert (alert.incident_id, alert.observed_value, alert.last_error) == (None, "DOWN", "HTTP 503")
    assert count(Incident) == 0
    assert told() == [("Hook", "TRIGGERED")]
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert told() == [("Hook", "TRIGGERED"), ("Hook", "RESOLVED")]


@pytest.mark.parametrize(
    ("name", "alert_for", "value", "title", "impact"),
    [
        ("Payment API", "STATUS", "DOWN", "Payment API STATUS: DOWN", Status.DOWN),
        ("Payment API", "STATUS", "DEGRADED", "Payment API STATUS: DEGRADED", Status.DEGRADED),
        ("Web Server", "LATENCY", "1000", "Web Server LATENCY: 1000", Status.DOWN),
        ("Database", "UPTIME", "99.90", "Database UPTIME: 99.9", Status.DOWN),
    ],
)
def test_l3_l6_title_and_impact_follow_from_the_rule(
    name: str, alert_for: str, value: str, title: str, impact: Status
) -> None:
    make_monitor(name=name)
    fragile(alert_for=alert_for, alert_value=value)
    observe("api", *["UP"] * 9, latency_ms=1000)
    assert count(Alert) == 0
    observe("api", "DOWN", latency_ms=1001)
    assert only(Incident).title == title
    affected = only(AffectedMonitor)
    assert (affected.monitor_id, affected.monitor_tag, affected.impact) == (id_of("api"), "api", impact)


def test_e3_a_latency_alert_resolves_at_the_limit_and_ignores_checks_without_a_latency() -> None:
    make_monitor()
    fragile(alert_for="LATENCY", alert_value="1000")
    observe("api", "DEGRADED", latency_ms=1001)
    observe("api", "DOWN")
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "UP", latency_ms=1000)
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_e3_an_uptime_alert_looks_at_the_whole_window() -> None:
    make_monitor()
    fragile(alert_for="UPTIME", alert_value="90", uptime_window="1h")
    observe("api", *["UP"] * 18, "DOWN", "DOWN")
    assert count(Alert) == 0
    third = observe("api", "DOWN")
    assert (only(Alert).triggered_at, only(Alert).observed_value) == (clock.at(third), "85.71\u202f%")
    observe("api", *["UP"] * 8)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_l4_the_incident_starts_when_the_alert_triggered() -> None:
    make_monitor()
    fragile(failure_threshold=3)
    third = observe("api", "DOWN", "DOWN", "DOWN")
    incident = only(Incident)
    assert incident.start_at == only(Alert).triggered_at == clock.at(third)
    assert (incident.state, incident.source) == (IncidentState.INVESTIGATING, Source.ALERT)
    assert (incident.status, incident.end_at) == ("OPEN", None)
    assert only(Alert).incident_id == incident.id


def test_l5_the_first_update_is_the_documented_table() -> None:
    make_monitor("pay", name="Payment API")
    fragile(monitor_tags="pay", severity="CRITICAL")
    observe("pay", "DOWN")
    first = only(IncidentUpdate)
    assert (first.state, first.at, first.is_automatic) == (IncidentState.INVESTIGATING, clock.at(T0), True)
    assert first.text == (
        "Alert triggered\n"
        "\n"
        "| Setting | Value |\n"
        "| :--- | :--- |\n"
        "| **Monitor Name** | Payment API |\n"
        "| **Monitor Tag** | pay |\n"
        "| **Incident Status** | TRIGGERED |\n"
        "| **Severity** | CRITICAL |\n"
        "| **Alert Type** | STATUS |\n"
        "| **Alert Value** | DOWN |\n"
        "| **Failure Threshold** | 1 |"
    )


def test_l5_a_description_leads_and_no_name_can_break_the_table() -> None:
    name = "a | b ** <i>c</i> `d` [e](https://f.example) \\"
    make_monitor(name=name)
    fragile(alert_description="Customers cannot pay.")
    observe("api", "DOWN")
    lines = only(IncidentUpdate).text.split("\n")
    assert lines[0] == "Customers cannot pay."
    assert lines[4] == f"| **Monitor Name** | {escape(name)} |"
    assert "a \\| b" in lines[4]
    assert len(lines) == 11


@pytest.mark.parametrize(("hidden", "seen"), [("YES", False), ("NO", True)])
def test_l7_the_automatic_incident_of_a_hidden_monitor_is_for_operators_only(hidden: str, seen: bool) -> None:
    make_monitor(is_hidden=hidden)
    fragile()
    observe("api", "DOWN")
    incident_id = only(Incident).id
    assert (pages.incident(reading(), incident_id) is not None) is seen
    assert bool(feeds.feed(reading())) is seen
    assert pages.incident(reading(), incident_id, staff=True) is not None


# R: resolution


def test_r1_alert_and_incident_end_together() -> None:
    make_monitor()
    fragile(trigger_ids=[make_trigger()])
    end = observe("api", "DOWN", "DOWN", "UP")
    alert, incident = only(Alert), only(Incident)
    assert (alert.alert_status, alert.resolved_at, alert.active_key) == (AlertStatus.RESOLVED, clock.at(end), None)
    assert alert.incident_id == incident.id
    assert (incident.state, incident.status, incident.end_at) == (IncidentState.RESOLVED, "CLOSED", clock.at(end))
    closing = every(IncidentUpdate)[1:]
    assert [(entry.state, entry.at, entry.is_automatic) for entry in closing] == [
        (IncidentState.RESOLVED, clock.at(end), True)
    ]
    affected = only(AffectedMonitor)
    assert (affected.monitor_tag, affected.impact, affected.ended_at) == ("api", Status.DOWN, clock.at(end))
    assert told() == [("Hook", "TRIGGERED"), ("Hook", "RESOLVED")]


@pytest.mark.parametrize(
    ("after_s", "words"),
    [(45, "45 seconds"), (60, "1 minute"), (47 * 60 + 12, "47 minutes"), (125 * 60, "2 hours 5 minutes")],
)
def test_r2_the_closing_update_tells_how_long_it_took_and_what_the_rule_was(after_s: int, words: str) -> None:
    make_monitor("pay", name="Payment API")
    fragile(monitor_tags="pay", severity="CRITICAL")
    observe("pay", "DOWN")
    observe("pay", "UP", start=T0 + after_s)
    assert every(IncidentUpdate)[-1].text == (
        f"The alert has been resolved, Total duration: {words}\n"
        "\n"
        "#### Alert Details\n"
        "\n"
        "| Setting | Value |\n"
        "| :--- | :--- |\n"
        "| **Monitor Name** | Payment API |\n"
        "| **Incident Status** | RESOLVED |\n"
        "| **Monitor Tag** | pay |\n"
        "| **Alert Type** | STATUS |\n"
        "| **Alert Value** | DOWN |\n"
        "| **Severity** | CRITICAL |\n"
        "| **Failure Threshold** | 1 |\n"
        "| **Success Threshold** | 1 |"
    )


def test_r2_the_texts_speak_of_the_rule_as_it_was_when_the_alert_triggered() -> None:
    make_monitor()
    config_id = fragile(severity="CRITICAL", failure_threshold=2)
    observe("api", "DOWN", "DOWN")
    given = AlertConfigurationInput(
        monitor_tags=["api"], severity="WARNING", failure_threshold=9, success_threshold=1, create_incident="YES"
    )
    configurations.update(config_id, given, actor=SAM)
    observe("api", "UP")
    text = every(IncidentUpdate)[-1].text
    assert "| **Severity** | CRITICAL |" in text
    assert "| **Failure Threshold** | 2 |" in text


def test_r3_an_incident_resolved_by_hand_is_left_alone_and_the_notices_still_go_out() -> None:
    make_monitor()
    fragile(trigger_ids=[make_trigger()])
    observe("api", "DOWN")
    post(only(Incident).id, "RESOLVED", at=T0 + 30, text="Restarted it.")
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert only(Incident).end_at == clock.at(T0 + 30)
    assert [entry.text for entry in every(IncidentUpdate)][1:] == ["Restarted it."]
    assert told() == [("Hook", "TRIGGERED"), ("Hook", "RESOLVED")]


def test_r3_a_deleted_incident_does_not_keep_its_alert_from_resolving() -> None:
    make_monitor()
    fragile(trigger_ids=[make_trigger()])
    observe("api", "DOWN")
    incidents.delete(only(Incident).id, actor=SAM)
    observe("api", "DOWN", "UP")
    assert (only(Alert).alert_status, only(Alert).incident_id) == (AlertStatus.RESOLVED, None)
    assert count(Incident) == 0
    assert told() == [("Hook", "TRIGGERED"), ("Hook", "RESOLVED")]


def test_r4_the_next_trigger_makes_a_new_incident() -> None:
    make_monitor()
    fragile()
    observe("api", "DOWN", "UP", "DOWN")
    first, second = every(Alert)
    assert (first.alert_status, second.alert_status) == (AlertStatus.RESOLVED, AlertStatus.TRIGGERED)
    assert first.incident_id != second.incident_id
    assert [incident.is_open for incident in every(Incident)] == [False, True]


def test_r5_a_post_mortem_does_not_move_the_end() -> None:
    make_monitor()
    fragile()
    end = observe("api", "DOWN", "UP")
    post(only(Incident).id, "RESOLVED", at=end + 86_400, text="What we learned.")
    incident = only(Incident)
    assert (incident.status, incident.end_at) == ("CLOSED", clock.at(end))
    assert only(AffectedMonitor).ended_at == clock.at(end)


# N1: who hears of it


def test_n1_only_triggers_that_are_active_at_that_moment_hear_of_an_alert() -> None:
    make_monitor()
    on, off = make_trigger(name="On"), make_trigger(name="Off", is_active=False)
    make_trigger(name="Somebody else's")
    fragile(trigger_ids=[on, off])
    observe("api", "DOWN")
    assert told() == [("On", "TRIGGERED")]
    assert only(Delivery).alert_id == only(Alert).id
    assert only(Delivery).incident_id == only(Incident).id


def test_n1_the_resolution_goes_to_those_who_heard_of_the_alert() -> None:
    make_monitor()
    stays, leaves, late = make_trigger(name="Stays"), make_trigger(name="Leaves"), make_trigger(name="Late")
    off = make_trigger(name="Wakes", is_active=False)
    config_id = fragile(trigger_ids=[stays, leaves, off])
    observe("api", "DOWN")
    make_trigger(name="Leaves", is_active=False, trigger_id=leaves)
    make_trigger(name="Wakes", trigger_id=off)
    given = AlertConfigurationInput(
        monitor_tags=["api"],
        failure_threshold=1,
        success_threshold=1,
        create_incident="YES",
        trigger_ids=[stays, leaves, off, late],
    )
    configurations.update(config_id, given, actor=SAM)
    observe("api", "UP")
    assert told() == [("Leaves", "TRIGGERED"), ("Stays", "TRIGGERED"), ("Stays", "RESOLVED")]


def test_n1_who_was_never_reached_with_the_alert_is_not_told_that_it_is_over() -> None:
    with HttpDouble() as gone:
        gone.on("/hook", reply(410))
        make_monitor()
        fragile(trigger_ids=[make_trigger(url=gone.url("/hook"))])
        observe("api", "DOWN")
        outbox.deliver(only(Delivery).id)
    assert only(Delivery).state is DeliveryState.FAILED
    observe("api", "UP")
    assert told() == [("Hook", "TRIGGERED")]


# What the crash tests are made of


class Crash(Exception):
    """The process dies here."""


@contextmanager
def crash_after(statements: int) -> Iterator[None]:
    """Let so many statements pass; the next one, or else the commit, does not happen any more."""
    left = [statements]

    def count_down(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    event.listen(db.engine, "before_cursor_execute", count_down)
    event.listen(db.engine, "commit", count_down)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", count_down)
        event.remove(db.engine, "commit", count_down)


def snapshot() -> dict[str, int]:
    """How many rows there are, and the parts of them that the story changes."""
    found = {table.__tablename__: count(table) for table in STORY}
    state = only(MonitorState)
    found |= {"seen": state.at or 0, "active": sum(alert.active_key is not None for alert in every(Alert))}
    found |= {"open": sum(incident.is_open for incident in every(Incident))}
    found |= {"counted": sum(10_000 * streak.failing + streak.passing for streak in every(Streak))}
    return found
