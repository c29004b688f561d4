"""Grouping: monitors of one configuration that fail together share an incident. X4 of the incident automation, its automatic part."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from kener import clock
from kener.db import again, transaction
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState
from kener.domain.inputs import IncidentInput
from kener.models import AffectedMonitor, Alert, Decision, Delivery, Incident, IncidentUpdate
from kener.services import alerts, configurations, incidents, monitors
from tests.factories import (
    SAM,
    T0,
    every,
    id_of,
    make_configuration,
    make_monitor,
    make_trigger,
    monitor_input,
    observe,
    only,
    post,
    record,
    sample,
)
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")

RULE: dict[str, Any] = {
    "failure_threshold": 1,
    "success_threshold": 1,
    "create_incident": "YES",
    "group_minutes": 5,
}
TAGS = ("api", "db", "web")


@pytest.fixture
def watched(app: Flask) -> int:
    """Three monitors under one rule that groups them. Its id."""
    for tag in TAGS:
        make_monitor(tag)
    return make_configuration(TAGS, trigger_ids=[make_trigger()], **RULE)


def see(tag: str, status: str, minute: float) -> None:
    observe(tag, status, start=T0 + int(60 * minute))


def minute_of(moment: Any) -> float | None:
    return None if moment is None else (moment.timestamp() - T0) / 60


def impacts() -> dict[str, float | None]:
    """Since which minute a monitor is no longer affected."""
    return {one.monitor_tag: minute_of(one.ended_at) for one in every(AffectedMonitor)}


def texts() -> list[str]:
    return [entry.text for entry in sorted(every(IncidentUpdate), key=lambda entry: (entry.at, entry.id))]


def test_x4_what_fails_within_the_window_joins_and_the_last_recovery_ends_it(watched: int) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", 2)
    see("db", "DOWN", 5)
    incident = only(Incident)
    assert (incident.title, minute_of(incident.start_at)) == ("Api STATUS: DOWN", 0)
    assert {alert.incident_id for alert in every(Alert)} == {incident.id}
    assert impacts() == {"api": None, "web": None, "db": None}
    see("api", "UP", 7)
    see("db", "UP", 8)
    assert only(Incident).is_open
    assert impacts() == {"api": 7, "web": None, "db": 8}
    see("web", "UP", 9)
    assert (only(Incident).is_open, minute_of(only(Incident).end_at)) == (False, 9)
    assert impacts() == {"api": 7, "web": 9, "db": 8}
    assert texts()[1:5] == [
        "Affected as well: the alert Web STATUS: DOWN triggered.",
        "Affected as well: the alert Db STATUS: DOWN triggered.",
        "The alert Api STATUS: DOWN has been resolved after 7 minutes.\n\nThe incident goes on: Db and Web are still affected.",
        "The alert Db STATUS: DOWN has been resolved after 3 minutes.\n\nThe incident goes on: Web is still affected.",
    ]
    closing = texts()[5]
    assert closing.startswith("The alert has been resolved, Total duration: 9 minutes\n\n#### Alert Details")
    assert closing.endswith("Affected as well, and over earlier: Api, Db.")
    assert len(texts()) == 6
    told = [(delivery.alert_id, delivery.event) for delivery in every(Delivery)]
    api, web, db = (alert.id for alert in every(Alert))
    assert told == [(api, "TRIGGERED"), (web, "TRIGGERED"), (db, "TRIGGERED"),
                    (api, "RESOLVED"), (db, "RESOLVED"), (web, "RESOLVED")]  # fmt: skip
    outcomes = [(step.outcome, step.alert_id) for step in every(Decision) if step.outcome is not Outcome.RESOLVE]
    assert outcomes == [(Outcome.TRIGGER, api), (Outcome.OPEN, api), (Outcome.TRIGGER, web), (Outcome.JOIN, web),
                        (Outcome.TRIGGER, db), (Outcome.JOIN, db)]  # fmt: skip


@pytest.mark.parametrize(("minute", "number"), [(5, 1), (5.02, 2), (-5, 1), (-5.02, 2)])
def test_x4_the_window_reaches_so_many_minutes_from_the_start_of_the_incident(
    watched: int, minute: float, number: int
) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", minute)
    assert len(every(Incident)) == number


def test_x4_off_by_default_every_monitor_has_its_own() -> None:
    for tag in TAGS:
        make_monitor(tag)
    make_configuration(TAGS, **RULE | {"group_minutes": None})
    for tag in TAGS:
        see(tag, "DOWN", 0)
    assert len(every(Incident)) == 3


def test_x4_c4_only_monitors_of_the_same_configuration_share(watched: int) -> None:
    make_configuration("web", **RULE)
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    assert [alert.incident_id for alert in every(Alert)].count(every(Incident)[0].id) == 2
    assert len(every(Incident)) == 2


def test_x4_what_is_over_is_joined_by_nobody(watched: int) -> None:
    see("api", "DOWN", 0)
    see("api", "UP", 1)
    see("web", "DOWN", 2)
    assert len(every(Incident)) == 2


def test_x4_one_that_fails_again_is_affected_again(watched: int) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    see("api", "UP", 2)
    see("api", "DOWN", 3)
    assert impacts() == {"api": None, "web": None}
    assert texts()[-1] == "Affected again: the alert Api STATUS: DOWN triggered."
    see("web", "UP", 4)
    see("api", "UP", 5)
    assert not only(Incident).is_open


@pytest.mark.parametrize("hidden", ["api", "web"])
def test_x4_l7_hidden_and_shown_monitors_never_share(watched: int, hidden: str) -> None:
    monitors.update(hidden, monitor_input(hidden, is_hidden=True), actor=SAM)
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    see("db", "DOWN", 2)
    private = {alert.monitor_tag: alert.incident_id for alert in every(Alert)}
    assert [one.id for one in every(Incident) if one.is_private] == [private[hidden]]
    assert len(every(Incident)) == 2


def test_x4_o1_the_state_that_operators_chose_stays(watched: int) -> None:
    see("api", "DOWN", 0)
    post(only(Incident).id, "IDENTIFIED", at=T0 + 30)
    see("web", "DOWN", 1)
    see("api", "UP", 2)
    assert only(Incident).state is IncidentState.IDENTIFIED
    states = [entry.state.value for entry in every(IncidentUpdate)]
    assert states == ["INVESTIGATING", "IDENTIFIED", "IDENTIFIED", "IDENTIFIED"]


def test_x4_o6_what_operators_post_does_not_bring_an_impact_back(watched: int) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    see("api", "UP", 2)
    post(only(Incident).id, "MONITORING", at=T0 + 150)
    assert impacts() == {"api": 2, "web": None}


def test_x4_o3_resolved_by_hand_too_early_it_is_opened_again_once_for_those_who_still_fail(watched: int) -> None:
    for tag in TAGS:
        see(tag, "DOWN", 0)
    see("db", "UP", 1)
    post(only(Incident).id, "RESOLVED", at=T0 + 90)
    assert impacts() == {"api": 1.5, "web": 1.5, "db": 1}
    record(sample("api", T0 + 120, "DOWN"), sample("web", T0 + 120, "DOWN"))
    assert only(Incident).is_open
    assert impacts() == {"api": None, "web": None, "db": 1}
    assert [text.startswith("Re-opened automatically") for text in texts()].count(True) == 1
    assert [step.outcome for step in every(Decision)].count(Outcome.REOPEN) == 1


def test_x4_r3_resolved_by_hand_the_recoveries_leave_it_alone(watched: int) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    post(only(Incident).id, "RESOLVED", at=T0 + 90)
    see("api", "UP", 2)
    see("web", "UP", 3)
    assert minute_of(only(Incident).end_at) == 1.5
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED] * 2
    assert len(texts()) == 3


def test_x4_o4_without_its_incident_each_alert_goes_on_alone(watched: int) -> None:
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    gone = only(Incident).id
    incidents.delete(gone, actor=SAM)
    see("db", "DOWN", 2)
    assert [alert.incident_id for alert in every(Alert)] == [None, None, only(Incident).id]
    assert all(f"Incident {gone} was deleted" in (alert.incident_note or "") for alert in every(Alert)[:2])
    for tag in TAGS:
        see(tag, "UP", 3)
    assert not only(Incident).is_open


def test_x4_o7_a_monitor_that_goes_leaves_with_its_reason_and_the_incident_stays(watched: int) -> None:
    observe("api", "DOWN", start=clock.epoch() - 60)
    observe("web", "DOWN", start=clock.epoch() - 60)
    monitors.delete("api", actor=SAM)
    assert only(Incident).is_open
    assert "\n\nThe monitor was deleted.\n\nThe incident goes on: Web is still affected." in texts()[-1]
    assert [one.ended_at is None for one in every(AffectedMonitor)] == [False, True]
    observe("web", "UP")
    assert not only(Incident).is_open


def test_x4_o7_a_configuration_that_goes_ends_all_of_it(watched: int) -> None:
    for tag in TAGS:
        observe(tag, "DOWN", start=clock.epoch() - 60)
    configurations.delete(watched, actor=SAM)
    assert not only(Incident).is_open
    assert [alert.closing_reason for alert in every(Alert)] == ["The alert configuration was deleted."] * 3
    assert [entry.state for entry in every(IncidentUpdate)].count(IncidentState.RESOLVED) == 1


def test_x4_a_form_that_was_open_when_a_monitor_joined_cannot_take_it_off_again(watched: int) -> None:
    see("api", "DOWN", 0)
    before = only(Incident)
    incident_id, version = before.id, before.version
    given = IncidentInput(title="Api", start_at=before.start_at, monitors=[{"monitor_tag": "api"}])  # type: ignore[list-item]
    see("web", "DOWN", 1)
    with pytest.raises(incidents.Conflict):
        incidents.update(incident_id, given, actor=SAM, version=version)


def test_x4_r4_both_options_together_continue_the_shared_incident() -> None:
    for tag in TAGS:
        make_monitor(tag)
    make_configuration(TAGS, **RULE | {"reopen_minutes": 10})
    see("api", "DOWN", 0)
    see("web", "DOWN", 1)
    see("api", "UP", 2)
    see("web", "UP", 3)
    see("web", "DOWN", 8)
    assert impacts() == {"api": 2, "web": None}
    # It began too long ago to be shared, but its own part of it ended a moment ago.
    see("api", "DOWN", 9)
    assert impacts() == {"api": None, "web": None}
    assert texts()[-1] == "Affected again: the alert Api STATUS: DOWN triggered 7 minutes after it had been resolved."
    assert {alert.incident_id for alert in every(Alert)} == {only(Incident).id}


def test_x4_fire_drills_join_nothing_and_are_joined_by_nothing(watched: int) -> None:
    def drill(tag: str, minute: int) -> None:
        with transaction() as session:
            alerts.trigger(
                session, watched, id_of(tag), at=clock.at(T0 + 60 * minute), observed="DOWN", error=None, drill=True
            )

    drill("db", 0)
    see("api", "DOWN", 1)
    drill("db", 2)
    assert [one.is_drill for one in every(Incident)] == [True, False, True]


def test_x4_monitors_that_fail_at_the_same_moment_in_several_workers_share_one_incident(
    watched: int, app: Flask
) -> None:
    def fail(tag: str, minute: int) -> Callable[[], None]:
        return lambda: (again(lambda: record(sample(tag, T0 + 60 * minute, "DOWN"))), None)[1]

    def recover(tag: str, minute: int) -> Callable[[], None]:
        return lambda: (again(lambda: record(sample(tag, T0 + 60 * minute, "UP"))), None)[1]

    for turn in range(5):
        at_once(app, *[fail(tag, 60 * turn) for tag in TAGS])
        newest = every(Incident)[-1]
        assert len(every(Incident)) == turn + 1
        assert newest.is_open
        at_once(app, *[recover(tag, 60 * turn + 1) for tag in TAGS])
        assert not every(Incident)[-1].is_open
    closing = [entry for entry in every(IncidentUpdate) if entry.state is IncidentState.RESOLVED]
    assert len(closing) == 5
    assert len(every(Alert)) == 15
