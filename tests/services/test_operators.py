"""What operators may and may not do to alerts and incidents: O1 to O7 of the incident automation."""

from collections.abc import Callable, Sequence

import pytest
import time_machine
from redis import Redis
from rq import Queue

from kener import clock, jobs
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState, Source
from kener.domain.inputs import IncidentInput
from kener.models import (
    AffectedMonitor,
    Alert,
    AlertConfiguration,
    AuditEntry,
    Decision,
    Delivery,
    Incident,
    IncidentUpdate,
    Sample,
    Streak,
)
from kener.services import configurations, incidents, monitors, trash
from kener.services.audit import Actor
from kener.services.errors import Conflict, Refused
from tests.factories import (
    SAM,
    T0,
    configuration_input,
    count,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    monitor_input,
    observe,
    only,
    plan_maintenance,
    post,
    record,
    sample,
    update_input,
)

pytestmark = pytest.mark.usefixtures("app")

RULE = {"failure_threshold": 1, "success_threshold": 1, "create_incident": "YES"}


@pytest.fixture
def automatic(app: object) -> int:
    """An automatic incident that opened at T0; its alert is active. Its id."""
    make_monitor("api")
    make_monitor("web")
    make_configuration("api", trigger_ids=[make_trigger()], **RULE)
    observe("api", "DOWN")
    return only(Incident).id


def change(incident_id: int, **given: object) -> None:
    """Save the form of an incident; what is not given stays."""
    row = next(incident for incident in every(Incident) if incident.id == incident_id)
    kept = {
        "title": row.title,
        "start_at": row.start_at,
        "end_at": row.end_at,
        "monitors": [{"monitor_tag": one.monitor_tag, "impact": one.impact} for one in row.affected],
    }
    incidents.update(incident_id, IncidentInput.model_validate(kept | given), actor=SAM)


def states() -> list[str]:
    """The states of all updates, in time order."""
    return [entry.state.value for entry in sorted(every(IncidentUpdate), key=lambda entry: (entry.at, entry.id))]


# O1, O2: an automatic incident in human hands


def test_o1_operators_may_edit_all_of_an_automatic_incident(automatic: int) -> None:
    post(automatic, "IDENTIFIED", at=T0 + 60)
    update_id = post(automatic, "MONITORING", at=T0 + 120)
    incidents.edit_update(automatic, update_id, update_input("MONITORING", at=T0 + 90, text="Better."), actor=SAM)
    monitors_now = [{"monitor_tag": "api", "impact": "DEGRADED"}, {"monitor_tag": "web"}]
    change(automatic, title="Cards are refused", start_at=clock.at(T0 - 600), monitors=monitors_now)
    incident = only(Incident)
    assert (incident.title, incident.start_at) == ("Cards are refused", clock.at(T0 - 600))
    assert [(one.monitor_tag, one.impact.value) for one in incident.affected] == [("api", "DEGRADED"), ("web", "DOWN")]
    assert states() == ["INVESTIGATING", "IDENTIFIED", "MONITORING"]
    assert (incident.state, incident.source) == (IncidentState.MONITORING, Source.ALERT)


def test_o2_whatever_operators_do_the_closing_update_comes(automatic: int) -> None:
    first = only(IncidentUpdate).id
    change(automatic, title="Cards are refused", monitors=[{"monitor_tag": "web"}])
    post(automatic, "MONITORING", at=T0 + 30)
    incidents.delete_update(automatic, first, actor=SAM)
    end = observe("api", "UP")
    incident = only(Incident)
    assert (incident.state, incident.end_at) == (IncidentState.RESOLVED, clock.at(end))
    assert only(Alert).incident_id == automatic
    assert every(IncidentUpdate)[-1].text.startswith("The alert has been resolved")
    assert only(AffectedMonitor).ended_at == clock.at(end)


def test_o2_the_closing_update_stands_last_even_after_an_update_from_the_near_future(automatic: int) -> None:
    post(automatic, "MONITORING", at=T0 + 75)
    observe("api", "UP", start=T0 + 60)
    incident = only(Incident)
    assert states() == ["INVESTIGATING", "MONITORING", "RESOLVED"]
    assert (incident.status, incident.end_at) == ("CLOSED", clock.at(T0 + 75))


def test_o2_an_automatic_incident_gets_no_end_while_its_alert_is_active(automatic: int) -> None:
    with pytest.raises(Refused) as refused:
        change(automatic, end_at=clock.at(T0 + 60), title="Over")
    assert list(refused.value.errors) == ["end_at"]
    assert (only(Incident).end_at, only(Incident).title) == (None, "Api STATUS: DOWN")
    observe("api", "UP")
    change(automatic, end_at=clock.at(T0 + 30))
    assert only(Incident).end_at == clock.at(T0 + 30)


# O3: resolved by hand while the alert is active


@pytest.mark.parametrize("before", ["IDENTIFIED", "MONITORING"])
def test_o3_an_incident_resolved_too_early_is_reopened_once_in_the_state_before(automatic: int, before: str) -> None:
    post(automatic, before, at=T0 + 10)
    post(automatic, "RESOLVED", at=T0 + 20)
    assert only(Incident).end_at == clock.at(T0 + 20)
    observe("api", "DOWN", "DOWN", "DOWN", "DOWN")
    incident, reopened = only(Incident), every(IncidentUpdate)[-1]
    assert states() == ["INVESTIGATING", before, "RESOLVED", before]
    assert (incident.status, incident.state.value, incident.end_at) == ("OPEN", before, None)
    assert (reopened.is_automatic, reopened.at) == (True, clock.at(T0 + 60))
    assert "resolved by hand" in reopened.text
    assert only(AffectedMonitor).ended_at is None
    assert [d.outcome for d in every(Decision)].count(Outcome.REOPEN) == 1


def test_o3_two_failures_that_are_stored_together_reopen_once(automatic: int) -> None:
    post(automatic, "RESOLVED", at=T0 + 20)
    record(sample("api", T0 + 60, "DOWN"), sample("api", T0 + 120, "DOWN"))
    assert states() == ["INVESTIGATING", "RESOLVED", "INVESTIGATING"]


def test_o3_every_resolution_by_hand_is_undone_once_and_the_real_one_stands(automatic: int) -> None:
    for _ in range(2):
        last = observe("api", "DOWN")
        post(automatic, "RESOLVED", at=last + 1)
        observe("api", "DOWN", "DOWN")
    end = observe("api", "UP")
    assert states() == ["INVESTIGATING", *["RESOLVED", "INVESTIGATING"] * 2, "RESOLVED"]
    assert (count(Alert), count(Incident), only(Incident).end_at) == (1, 1, clock.at(end))
    assert [delivery.event for delivery in every(Delivery)] == ["TRIGGERED", "RESOLVED"]


def test_o3_only_a_failing_check_outside_maintenance_reopens(automatic: int) -> None:
    post(automatic, "RESOLVED", at=T0 + 20)
    plan_maintenance("api", start=T0 + 180, end=T0 + 240)
    observe("api", "NO_DATA", "DEGRADED", "DOWN")
    assert not only(Incident).is_open
    observe("api", "DOWN")
    assert only(Incident).is_open


# O4: deleted while the alert is active


def test_o4_a_deleted_incident_leaves_the_alert_which_says_who_deleted_it(automatic: int) -> None:
    incidents.delete(automatic, actor=Actor("kim@example.com"))
    observe("api", "DOWN", "DOWN")
    alert = only(Alert)
    assert (alert.alert_status, alert.incident_id) == (AlertStatus.TRIGGERED, None)
    assert f"Incident {automatic} was deleted by kim@example.com" in (alert.incident_note or "")
    assert (count(Incident), count(IncidentUpdate), count(AffectedMonitor)) == (0, 0, 0)
    logged = [(entry.actor, entry.action) for entry in every(AuditEntry) if entry.about == f"incident-{automatic}"]
    assert logged == [("kim@example.com", "delete")]
    end = observe("api", "UP")
    assert only(Alert).resolved_at == clock.at(end)


# O5: incidents by hand


@pytest.mark.parametrize("source", [Source.DASHBOARD, Source.API])
def test_o5_an_incident_by_hand_can_be_ended_and_reopened_and_has_no_alert(source: Source) -> None:
    make_monitor("api")
    given = IncidentInput.model_validate({"title": "Slow payments", "start_at": clock.at(T0)})
    incident_id = incidents.create(
        given, actor=Actor("sam@example.com", source), first_update=update_input("IDENTIFIED")
    )
    incident = only(Incident)
    assert (incident.source, incident.title, incident.state) == (source, "Slow payments", IncidentState.IDENTIFIED)
    assert only(IncidentUpdate).at == clock.at(T0)
    change(incident_id, end_at=clock.at(T0 + 600))
    assert (only(Incident).status, only(Incident).end_at) == ("CLOSED", clock.at(T0 + 600))
    change(incident_id, end_at=clock.at(T0 + 300))
    assert states() == ["IDENTIFIED", "RESOLVED"]
    assert only(Incident).end_at == clock.at(T0 + 300)
    post(incident_id, "INVESTIGATING", at=T0 + 900)
    assert (only(Incident).status, only(Incident).end_at) == ("OPEN", None)
    assert count(Alert) == 0


def test_o5_an_end_that_the_updates_contradict_is_refused() -> None:
    incident_id = make_incident()
    post(incident_id, "MONITORING", at=T0 + 600)
    with pytest.raises(Refused, match="updates after this time"):
        change(incident_id, end_at=clock.at(T0 + 300))
    change(incident_id, end_at=clock.at(T0 + 700))
    post(incident_id, "RESOLVED", at=T0 + 900, text="What we learned.")
    with pytest.raises(Refused) as refused:
        change(incident_id, end_at=clock.at(T0 + 1_000))
    assert list(refused.value.errors) == ["end_at"]
    assert only(Incident).end_at == clock.at(T0 + 700)


def test_o5_a_start_after_the_end_is_refused() -> None:
    incident_id = make_incident(end_at=clock.at(T0 + 600))
    with pytest.raises(Refused) as refused:
        change(incident_id, start_at=clock.at(T0 + 900), end_at=None)
    assert list(refused.value.errors) == ["start_at"]


def test_o5_nothing_can_be_told_of_the_future() -> None:
    with time_machine.travel(clock.at(T0 + 600), tick=False):
        incident_id = make_incident()
        for act in (
            lambda: make_incident(start=T0 + 700),
            lambda: post(incident_id, "RESOLVED", at=T0 + 700),
            lambda: change(incident_id, end_at=clock.at(T0 + 700)),
        ):
            with pytest.raises(Refused, match="future"):
                act()
        post(incident_id, "RESOLVED", at=T0 + 630)
    assert count(Incident) == 1


def test_an_edit_of_a_version_that_is_gone_is_a_conflict(automatic: int) -> None:
    version = only(Incident).version
    change(automatic, title="Mine")
    given = IncidentInput.model_validate({"title": "Theirs", "start_at": clock.at(T0)})
    with pytest.raises(Conflict):
        incidents.update(automatic, given, actor=SAM, version=version)
    assert only(Incident).title == "Mine"


# O6: state and end follow from the updates, on every path


def test_o6_editing_the_time_of_an_update_retells_the_story() -> None:
    incident_id = make_incident()
    early = post(incident_id, "MONITORING", at=T0 + 60)
    post(incident_id, "RESOLVED", at=T0 + 120)
    assert only(Incident).end_at == clock.at(T0 + 120)
    incidents.edit_update(incident_id, early, update_input("MONITORING", at=T0 + 180), actor=SAM)
    assert (only(Incident).state, only(Incident).end_at) == (IncidentState.MONITORING, None)


def test_o6_editing_the_state_of_an_update_retells_the_story() -> None:
    incident_id = make_incident()
    last = post(incident_id, "RESOLVED", at=T0 + 120)
    incidents.edit_update(incident_id, last, update_input("IDENTIFIED"), actor=SAM)
    assert (only(Incident).state, only(Incident).status, only(Incident).end_at) == (
        IncidentState.IDENTIFIED,
        "OPEN",
        None,
    )
    assert only(IncidentUpdate).at == clock.at(T0 + 120)


def test_o6_a_late_entry_takes_its_place_in_time() -> None:
    incident_id = make_incident()
    post(incident_id, "RESOLVED", at=T0 + 120)
    post(incident_id, "IDENTIFIED", at=T0 + 60)
    assert (only(Incident).state, only(Incident).end_at) == (IncidentState.RESOLVED, clock.at(T0 + 120))


@pytest.mark.parametrize(
    ("deleted", "state", "end_s"),
    [
        (0, "RESOLVED", 120),
        (1, "RESOLVED", 180),
        (2, "RESOLVED", 120),
        ((1, 2), "IDENTIFIED", None),
        ((0, 1, 2), None, None),
    ],
)
def test_o6_deleting_updates_retells_the_story(
    deleted: int | Sequence[int], state: str | None, end_s: int | None
) -> None:
    make_monitor("api")
    incident_id = make_incident("api")
    posted = [post(incident_id, "IDENTIFIED", at=T0 + 60)]
    posted += [post(incident_id, "RESOLVED", at=T0 + second) for second in (120, 180)]
    for index in (deleted,) if isinstance(deleted, int) else deleted:
        incidents.delete_update(incident_id, posted[index], actor=SAM)
    end_at = clock.at(T0 + end_s) if end_s else None
    incident = only(Incident)
    assert (incident.state.value, incident.end_at) == (state or "INVESTIGATING", end_at)
    assert incident.status == ("CLOSED" if end_at else "OPEN")
    assert only(AffectedMonitor).ended_at == end_at


# O7: nothing strands an alert

ACTS: dict[str, tuple[Callable[[int], object], str]] = {
    "pause": (lambda _: monitors.pause("api", actor=SAM), "The monitor was paused."),
    "pause by form": (
        lambda _: monitors.update("api", monitor_input(status="INACTIVE"), actor=SAM),
        "The monitor was paused.",
    ),
    "hide": (lambda _: monitors.update("api", monitor_input(is_hidden=True), actor=SAM), "The monitor was hidden."),
    "delete the monitor": (lambda _: monitors.delete("api", actor=SAM), "The monitor was deleted."),
    "detach": (
        lambda config_id: configurations.update(config_id, configuration_input("web", **RULE), actor=SAM),
        "The monitor was taken out of the alert configuration.",
    ),
    "deactivate": (
        lambda config_id: configurations.deactivate(config_id, actor=SAM),
        "The alert configuration was deactivated.",
    ),
    "deactivate by form": (
        lambda config_id: configurations.update(
            config_id, configuration_input(["api", "web"], is_active="NO", **RULE), actor=SAM
        ),
        "The alert configuration was deactivated.",
    ),
    "change the rule": (
        lambda config_id: configurations.update(
            config_id, configuration_input(["api", "web"], alert_value="DEGRADED", **RULE), actor=SAM
        ),
        "The alert configuration was changed.",
    ),
    "delete the configuration": (
        lambda config_id: configurations.delete(config_id, actor=SAM),
        "The alert configuration was deleted.",
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_o7_an_alert_whose_ground_goes_away_ends_with_the_reason(name: str, redis: Redis) -> None:
    act, reason = ACTS[name]
    make_monitor("api")
    make_monitor("web")
    config_id = make_configuration(["api", "web"], trigger_ids=[make_trigger()], **RULE)
    observe("api", "DOWN")
    with time_machine.travel(clock.at(T0 + 90), tick=False):
        act(config_id)
    alert, incident = only(Alert), only(Incident)
    assert (alert.alert_status, alert.active_key) == (AlertStatus.RESOLVED, None)
    assert (alert.resolved_at, alert.closing_reason) == (clock.at(T0 + 90), reason)
    assert (alert.monitor_tag, alert.monitor_name) == ("api", "Api")
    assert (incident.state, incident.end_at) == (IncidentState.RESOLVED, clock.at(T0 + 90))
    assert only(AffectedMonitor).ended_at == clock.at(T0 + 90)
    closing = every(IncidentUpdate)[-1]
    assert closing.is_automatic
    assert closing.text.split("\n\n")[:2] == ["The alert has been resolved, Total duration: 1 minute", reason]
    _, notice = every(Delivery)
    assert (notice.event, notice.message["variables"]["closing_reason"]) == ("RESOLVED", reason)
    assert reason in notice.message["text"]
    assert [job.args for job in Queue(jobs.DELIVERIES, connection=redis).jobs] == [(notice.id,)]


@pytest.mark.parametrize("name", ACTS)
def test_a3_an_end_that_no_check_decided_leaves_a_decision_record(name: str) -> None:
    act, reason = ACTS[name]
    make_monitor("api")
    make_monitor("web")
    config_id = make_configuration(["api", "web"], **RULE)
    observe("api", "DOWN")
    with time_machine.travel(clock.at(T0 + 90), tick=False):
        act(config_id)
    record = every(Decision)[-1]
    assert (record.alert_id, record.outcome, record.at, record.reason) == (
        only(Alert).id,
        Outcome.RESOLVE,
        T0 + 90,
        reason,
    )
    gone = "delete" in name
    assert (record.config_id, record.rule["failure_threshold"]) == (None if gone else config_id, 1)


@pytest.mark.parametrize("name", ACTS)
def test_o7_other_alerts_stay_as_they_are(name: str) -> None:
    act, _ = ACTS[name]
    make_monitor("api")
    make_monitor("web")
    config_id = make_configuration(["api", "web"], trigger_ids=[make_trigger()], **RULE)
    other = make_configuration("web", **RULE)
    observe("web", "DOWN")
    act(config_id)
    still = {alert.config_id for alert in every(Alert) if alert.alert_status is AlertStatus.TRIGGERED}
    if name in ("pause", "pause by form", "hide", "delete the monitor", "detach"):
        assert still == {config_id, other}
    else:
        assert still == {other}


def test_o7_after_a_pause_the_counting_starts_again() -> None:
    make_monitor()
    make_configuration(failure_threshold=2, create_incident="YES")
    observe("api", "DOWN", "DOWN", "DOWN")
    monitors.pause("api", actor=SAM)
    assert count(Streak) == 0
    monitors.resume("api", actor=SAM)
    observe("api", "DOWN")
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED]
    observe("api", "DOWN")
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED, AlertStatus.TRIGGERED]


def test_o7_a_streak_without_an_alert_does_not_outlive_a_detachment() -> None:
    make_monitor("api")
    make_monitor("web")
    config_id = make_configuration(["api", "web"], failure_threshold=2)
    observe("api", "DOWN")
    for tags in ("web", ["api", "web"]):
        configurations.update(config_id, configuration_input(tags, failure_threshold=2), actor=SAM)
    observe("api", "DOWN")
    assert count(Alert) == 0


@pytest.mark.parametrize("by_form", [True, False])
def test_e4_what_a_configuration_counted_before_it_slept_does_not_count_afterwards(by_form: bool) -> None:
    make_monitor()
    config_id = make_configuration(failure_threshold=3)
    observe("api", "DOWN", "DOWN")
    if by_form:
        configurations.update(config_id, configuration_input(is_active="NO"), actor=SAM)
    else:
        configurations.deactivate(config_id, actor=SAM)
    observe("api", "UP", "UP")
    if by_form:
        configurations.update(config_id, configuration_input(), actor=SAM)
    else:
        configurations.activate(config_id, actor=SAM)
    observe("api", "DOWN")
    assert count(Alert) == 0


def test_o7_a_hidden_monitor_that_is_still_down_opens_a_private_incident() -> None:
    make_monitor()
    make_configuration(**RULE)
    observe("api", "DOWN")
    monitors.update("api", monitor_input(is_hidden=True), actor=SAM)
    observe("api", "DOWN")
    assert [(incident.is_open, incident.is_private) for incident in every(Incident)] == [(False, True), (True, True)]


def test_o7_new_thresholds_and_words_leave_an_active_alert_alone() -> None:
    make_monitor()
    config_id = make_configuration(**RULE)
    observe("api", "DOWN")
    given = configuration_input(severity="CRITICAL", success_threshold=2, create_incident="YES")
    configurations.update(config_id, given, actor=SAM)
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_o7_an_incident_resolved_by_hand_keeps_its_end_when_the_monitor_goes_away() -> None:
    make_monitor()
    make_configuration(**RULE)
    observe("api", "DOWN")
    post(only(Incident).id, "RESOLVED", at=T0 + 20)
    monitors.delete("api", actor=SAM)
    assert only(Incident).end_at == clock.at(T0 + 20)
    assert count(IncidentUpdate) == 2
    trash.purge("api", actor=SAM)
    assert only(AffectedMonitor).monitor_id is None
    assert only(Alert).closing_reason == "The monitor was deleted."


def test_a_configuration_goes_with_its_last_monitor() -> None:
    make_monitor("api")
    make_monitor("web")
    make_configuration(["api", "web"])
    monitors.delete("api", actor=SAM)
    assert [monitor.tag for monitor in only(AlertConfiguration).monitors] == ["web"]
    monitors.delete("web", actor=SAM)
    assert only(AlertConfiguration).monitors == []
    trash.purge("web", actor=SAM)
    assert [count(AlertConfiguration), trash.restore("api", actor=SAM)] == [1, None]
    monitors.delete("api", actor=SAM)
    trash.purge("api", actor=SAM)
    assert count(AlertConfiguration) == 0


def test_l7_hiding_a_monitor_hides_its_automatic_incidents_from_visitors() -> None:
    for tag in ("api", "db"):
        make_monitor(tag)
        make_configuration(tag, failure_threshold=1, success_threshold=1, create_incident="YES")
        observe(tag, "DOWN", "UP")
    shared = make_incident("api", "db")
    monitors.update("api", monitor_input("api", is_hidden=True), actor=SAM)
    private = {incident.title: incident.is_private for incident in every(Incident)}
    assert private == {"Api STATUS: DOWN": True, "Db STATUS: DOWN": False, "Slow payments": False}
    assert shared


def test_o7_a_sample_by_hand_decides_nothing_about_a_paused_monitor() -> None:
    make_monitor()
    make_configuration(failure_threshold=1)
    monitors.pause("api", actor=SAM)
    observe("api", "DOWN", "DOWN")
    assert count(Alert) == 0 and count(Sample) == 2
    monitors.resume("api", actor=SAM)
    observe("api", "DOWN")
    assert count(Alert) == 1
