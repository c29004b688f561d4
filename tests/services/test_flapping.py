"""Flapping, from the samples to what visitors read: X3 of the incident automation."""

from typing import Any

import pytest

from kener import clock
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState
from kener.models import Alert, Decision, Delivery, Incident, IncidentUpdate, Streak
from kener.services import configurations, incidents, monitors
from tests.factories import (
    SAM,
    T0,
    configuration_input,
    every,
    make_configuration,
    make_monitor,
    make_trigger,
    observe,
    only,
    post,
    record,
    sample,
)

pytestmark = pytest.mark.usefixtures("app")

RULE: dict[str, Any] = {
    "failure_threshold": 2,
    "success_threshold": 2,
    "create_incident": "YES",
    "flapping_start": 40,
    "flapping_stop": 20,
}
UNSTABLE = ["DOWN", "DOWN", *["UP", "DOWN"] * 4]
"""Ten checks with eight changes: 42 % of nineteen."""


def told() -> list[str]:
    """The automatic updates by their words, in time order."""
    words = {
        "Alert triggered": "first",
        "Unstable: ": "unstable",
        "No longer unstable": "calm",
        "been resolved": "closing",
    }
    found = sorted(every(IncidentUpdate), key=lambda entry: (entry.at, entry.id))
    return [next((word for part, word in words.items() if part in entry.text), entry.text) for entry in found]


def test_x3_while_it_flaps_the_incident_stays_open_with_one_update_and_ends_once_when_it_is_calm() -> None:
    make_monitor()
    make_configuration("api", trigger_ids=[make_trigger()], **RULE)
    flap = observe("api", *UNSTABLE)
    assert told() == ["first", "unstable"]
    newest = every(IncidentUpdate)[-1]
    assert (newest.state, newest.at, newest.is_automatic) == (IncidentState.INVESTIGATING, clock.at(flap), True)
    assert newest.text == (
        "Unstable: Api STATUS: DOWN keeps changing between failing and passing. This incident stays open until it has calmed down."
    )
    observe("api", *["UP"] * 16)
    assert only(Incident).is_open
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    end = observe("api", "UP")
    assert told() == ["first", "unstable", "closing"]
    assert only(Incident).end_at == only(Alert).resolved_at == clock.at(end)
    assert [delivery.event for delivery in every(Delivery)] == ["TRIGGERED", "RESOLVED"]
    streak = only(Streak)
    assert (streak.is_flapping, streak.recent[-17:], len(streak.recent)) == (False, "P" * 17, 20)


def test_x3_when_it_calms_down_failing_an_update_says_so_and_the_normal_rule_ends_it() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    observe("api", *UNSTABLE, *["DOWN"] * 16)
    assert told() == ["first", "unstable", "calm"]
    assert not only(Streak).is_flapping
    observe("api", "UP", "UP")
    assert told() == ["first", "unstable", "calm", "closing"]
    assert not only(Incident).is_open


def test_x3_off_by_default_every_recovery_ends_an_alert() -> None:
    make_monitor()
    make_configuration("api", **RULE | {"flapping_start": None, "flapping_stop": None})
    observe("api", *UNSTABLE, "UP", "UP")
    assert told() == ["first", "closing"]
    assert (only(Streak).recent, only(Streak).is_flapping) == ("", False)


def test_x3_the_record_says_what_was_seen() -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    observe("api", *UNSTABLE, "UP", "UP")
    record = next(step for step in every(Decision) if step.outcome is Outcome.FLAP)
    assert (
        record.reason == "Unstable, 8 changes in the newest 10 checks: the alert stays active until it has calmed down."
    )
    assert [fact["status"] for fact in record.samples] == UNSTABLE
    assert (record.config_id, record.alert_id) == (config_id, only(Alert).id)
    assert every(Decision)[-1].reason == "Passing, but still unstable: 9 changes in the newest 12 checks."


def test_x3_what_operators_wrote_keeps_its_state() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    observe("api", *UNSTABLE[:-1])
    post(only(Incident).id, "IDENTIFIED", at=T0 + 500)
    observe("api", UNSTABLE[-1])
    assert (told()[-1], only(Incident).state) == ("unstable", IncidentState.IDENTIFIED)


def test_x3_o3_one_that_was_resolved_by_hand_is_not_opened_by_its_instability() -> None:
    make_monitor()
    make_configuration("api", **RULE | {"flapping_start": 36})
    observe("api", *UNSTABLE[:-2])
    post(only(Incident).id, "RESOLVED", at=T0 + 450)
    observe("api", "UP")
    assert not only(Incident).is_open
    observe("api", "DOWN", "UP")
    assert only(Incident).is_open
    assert [word.partition(":")[0] for word in told()] == [
        "first",
        "We are on it.",
        "Re-opened automatically",
        "unstable",
    ]


def test_x3_o4_without_an_incident_only_the_alert_is_held() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    observe("api", "DOWN", "DOWN")
    incidents.delete(only(Incident).id, actor=SAM)
    observe("api", *UNSTABLE[2:], *["UP"] * 16)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert every(IncidentUpdate) == []


@pytest.mark.parametrize("act", ["pause", "deactivate"])
def test_x3_o7_an_unstable_alert_ends_with_its_ground_and_nothing_of_it_is_left(act: str) -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    observe("api", *UNSTABLE)
    if act == "pause":
        monitors.pause("api", actor=SAM)
        monitors.resume("api", actor=SAM)
    else:
        configurations.deactivate(config_id, actor=SAM)
        configurations.activate(config_id, actor=SAM)
    assert not only(Incident).is_open
    assert every(Streak) == []
    observe("api", "DOWN", "DOWN", "UP", "UP")
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED] * 2


def test_x3_switched_off_while_it_flaps_the_next_recovery_ends_it() -> None:
    make_monitor()
    config_id = make_configuration("api", **RULE)
    observe("api", *UNSTABLE)
    off = configuration_input("api", **RULE | {"flapping_start": None, "flapping_stop": None})
    configurations.update(config_id, off, actor=SAM)
    observe("api", "UP", "UP")
    assert not only(Incident).is_open
    assert (only(Streak).recent, only(Streak).is_flapping) == ("", False)


def test_x3_samples_of_one_batch_flap_like_samples_one_by_one() -> None:
    make_monitor()
    make_configuration("api", **RULE)
    record(*[sample("api", T0 + 60 * number, status) for number, status in enumerate([*UNSTABLE, *["UP"] * 17])])
    assert told() == ["first", "unstable", "closing"]
