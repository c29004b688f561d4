"""The re-open window: an incident goes on when its alert triggers again soon after its end. R4 of the incident automation."""

from typing import Any

import pytest

from kener import clock
from kener.db import transaction
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState
from kener.domain.inputs import IncidentInput
from kener.models import AffectedMonitor, Alert, Decision, Delivery, Incident, IncidentUpdate
from kener.services import alerts, configurations, incidents, monitors
from tests.factories import (
    SAM,
    T0,
    configuration_input,
    every,
    make_configuration,
    make_monitor,
    make_trigger,
    monitor_input,
    observe,
    only,
    post,
)

pytestmark = pytest.mark.usefixtures("app")

RULE: dict[str, Any] = {
    "failure_threshold": 1,
    "success_threshold": 1,
    "create_incident": "YES",
    "reopen_minutes": 5,
}


def episode(tag: str = "api", *, start: int = T0, minutes: int = 2) -> int:
    """Down, and up again after so many minutes. Returns when it was up."""
    observe(tag, *["DOWN"] * minutes, "UP", start=start)
    return start + 60 * minutes


def test_r4_soon_after_its_end_the_incident_goes_on() -> None:
    make_monitor()
    make_configuration("api", trigger_ids=[make_trigger()], **RULE)
    end = episode()
    assert not only(Incident).is_open
    observe("api", "DOWN", start=end + 240)
    incident = only(Incident)
    assert (incident.state, incident.status, incident.end_at) == (IncidentState.INVESTIGATING, "OPEN", None)
    assert incident.start_at == clock.at(T0)
    assert [alert.incident_id for alert in every(Alert)] == [incident.id] * 2
    assert only(AffectedMonitor).ended_at is None
    newest = every(IncidentUpdate)[-1]
    assert (newest.state, newest.at, newest.is_automatic) == (IncidentState.INVESTIGATING, clock.at(end + 240), True)
    assert newest.text == (
        "Re-opened automatically: the alert Api STATUS: DOWN triggered again, 4 minutes after this incident had ended."
    )
    triggered, _, again = every(Delivery)
    assert (again.event, again.incident_id) == ("TRIGGERED", triggered.incident_id)
    steps = [(step.outcome, step.alert_id) for step in every(Decision)][-2:]
    assert steps == [(Outcome.TRIGGER, every(Alert)[1].id), (Outcome.REOPEN, every(Alert)[1].id)]


def test_r4_r2_the_second_end_counts_from_the_first_start() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    end = episode(start=episode() + 60)
    incident, newest = only(Incident), every(IncidentUpdate)[-1]
    assert (incident.is_open, incident.end_at) == (False, clock.at(end))
    assert newest.text.startswith("The alert has been resolved, Total duration: 5 minutes")
    assert only(AffectedMonitor).ended_at == clock.at(end)
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED] * 2


@pytest.mark.parametrize(("after_s", "number"), [(299, 1), (300, 2)])
def test_r4_less_than_n_minutes_is_less_than_n_minutes(after_s: int, number: int) -> None:
    make_monitor()
    make_configuration("api", **RULE)
    observe("api", "DOWN", start=episode() + after_s)
    assert len(every(Incident)) == number


def test_r4_off_by_default() -> None:
    make_monitor()
    make_configuration("api", **RULE | {"reopen_minutes": None})
    episode(start=episode() + 60)
    assert len(every(Incident)) == 2


def test_r4_without_create_incident_there_is_nothing_to_open_again() -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    end = episode()
    configurations.update(config_id, configuration_input("api", **RULE | {"create_incident": "NO"}), actor=SAM)
    observe("api", "DOWN", start=end + 60)
    assert not only(Incident).is_open
    assert every(Alert)[-1].incident_id is None


def test_r4_only_the_own_monitor_and_configuration_open_an_incident_again() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    make_configuration(["api", "web"], **RULE)
    end = episode()
    make_configuration("api", **RULE)
    observe("web", "DOWN", start=end + 60)
    observe("api", "DOWN", start=end + 60)
    opened = [(alert.config_id, alert.monitor_tag, alert.incident_id) for alert in every(Alert)]
    assert len({incident_id for _, _, incident_id in opened}) == 3
    assert opened[2][2] == opened[0][2]


def test_r4_o4_a_deleted_incident_stays_deleted() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    first = episode(minutes=1)
    observe("api", "DOWN", start=first + 400)
    incidents.delete(every(Incident)[1].id, actor=SAM)
    observe("api", "UP", "DOWN")
    assert [incident.is_open for incident in every(Incident)] == [False, True]
    assert every(Alert)[1].incident_id is None


def test_r4_an_end_that_an_operator_moved_is_the_end_that_counts() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    end = episode(minutes=10)
    incident = only(Incident)
    given = {"title": "Api", "start_at": incident.start_at, "end_at": clock.at(end - 300)}
    incidents.update(incident.id, IncidentInput.model_validate(given), actor=SAM)
    observe("api", "DOWN")
    assert len(every(Incident)) == 2


def test_r4_o3_one_that_was_resolved_by_hand_goes_on_as_well() -> None:
    make_monitor()
    make_configuration("api", **RULE | {"success_threshold": 2})
    observe("api", "DOWN", "UP")
    post(only(Incident).id, "RESOLVED", at=T0 + 70)
    observe("api", "UP", "DOWN")
    assert only(Incident).is_open
    assert "1 minute after this incident had ended" in every(IncidentUpdate)[-1].text


def test_r4_o1_a_monitor_that_was_taken_off_the_list_is_affected_again() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    observe("api", "DOWN")
    incident = only(Incident)
    incidents.update(incident.id, IncidentInput(title="Api", start_at=incident.start_at), actor=SAM)
    observe("api", "UP", "DOWN")
    assert [(one.monitor_tag, one.ended_at) for one in every(AffectedMonitor)] == [("api", None)]


@pytest.mark.parametrize(("first", "then", "private"), [(False, True, [True]), (True, False, [True, False])])
def test_r4_l7_what_visitors_may_see_never_goes_on_where_they_see_something_else(
    first: bool, then: bool, private: list[bool]
) -> None:
    make_monitor(is_hidden=first)
    make_configuration("api", **RULE)
    end = episode()
    monitors.update("api", monitor_input("api", is_hidden=then), actor=SAM)
    observe("api", "DOWN", start=end + 60)
    assert [incident.is_private for incident in every(Incident)] == private


def test_r4_l7_a_public_incident_does_not_go_on_for_a_monitor_that_is_hidden_now() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    make_configuration("api", **RULE)
    end = episode()
    incident = only(Incident)
    both = [{"monitor_tag": tag} for tag in ("api", "web")]
    given = {"title": "Api", "start_at": incident.start_at, "end_at": incident.end_at, "monitors": both}
    incidents.update(incident.id, IncidentInput.model_validate(given), actor=SAM)
    monitors.update("api", monitor_input("api", is_hidden=True), actor=SAM)
    observe("api", "DOWN", start=end + 60)
    assert [(one.is_private, one.is_open) for one in every(Incident)] == [(False, False), (True, True)]


def test_r4_o7_after_a_pause_it_is_still_the_same_incident() -> None:
    make_monitor()
    make_configuration("api", **RULE | {"reopen_minutes": 10_000})
    observe("api", "DOWN", start=clock.epoch() - 120)
    monitors.pause("api", actor=SAM)
    assert not only(Incident).is_open
    monitors.resume("api", actor=SAM)
    observe("api", "DOWN", start=clock.epoch())
    assert only(Incident).is_open


def test_r4_o7_a_rule_that_looks_for_something_else_begins_anew() -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    observe("api", "DOWN", start=clock.epoch() - 120)
    changed = configuration_input("api", **RULE | {"alert_value": "DEGRADED"})
    configurations.update(config_id, changed, actor=SAM)
    observe("api", "DEGRADED", start=clock.epoch())
    assert [incident.title for incident in every(Incident)] == ["Api STATUS: DOWN", "Api STATUS: DEGRADED"]


def test_r4_a_fire_drill_opens_nothing_again_and_is_not_opened_again() -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    end = episode()
    before = only(Incident).id
    with transaction() as session:
        drill = alerts.trigger(
            session,
            config_id,
            every(Alert)[0].monitor_id or 0,
            at=clock.at(end + 30),
            observed="DOWN",
            error=None,
            drill=True,
        ).alert
        alerts.resolve(session, drill, at=clock.at(end + 40))
    observe("api", "DOWN", start=end + 60)
    assert [(one.is_drill, one.is_open) for one in every(Incident)] == [(False, True), (True, False)]
    assert every(Alert)[-1].incident_id == before
