"""A2: what operators may do to one alert: resolve it by hand, delete it; also while checks decide the same alert."""

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue

from kener import clock, jobs
from kener.db import again
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState
from kener.domain.inputs import AlertStatusInput, check
from kener.models import Alert, AuditEntry, Decision, Delivery, Incident, IncidentUpdate, Streak
from kener.services import alert_log, incidents, merging, monitors
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused
from tests.factories import (
    SAM,
    T0,
    count,
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
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")

RULE = {"failure_threshold": 2, "success_threshold": 2, "create_incident": "YES"}
KIM = Actor("kim@example.com")


@pytest.fixture
def active(app: Flask) -> int:
    """An active alert with an incident and a notice. Its id."""
    make_monitor("api")
    make_configuration("api", trigger_ids=[make_trigger()], **RULE)
    observe("api", "DOWN", "DOWN")
    return only(Alert).id


def resolve(alert_id: int, incident: str | None = "CLOSE", comment: str | None = None) -> alert_log.Changed:
    given = AlertStatusInput.model_validate({"alert_status": "RESOLVED", "incident": incident, "comment": comment})
    with time_machine.travel(clock.at(T0 + 90), tick=False):
        return alert_log.change_status(alert_id, given, actor=KIM)


def test_a2_resolved_by_hand_the_incident_ends_with_it_and_the_notices_go_out(active: int, redis: Redis) -> None:
    assert resolve(active) == alert_log.Changed(only(Incident).id, is_closed=True)
    alert, incident = only(Alert), only(Incident)
    assert (alert.alert_status, alert.active_key, alert.resolved_at) == (
        AlertStatus.RESOLVED,
        None,
        clock.at(T0 + 90),
    )
    assert (incident.state, incident.end_at) == (IncidentState.RESOLVED, clock.at(T0 + 90))
    closing = every(IncidentUpdate)[-1]
    assert closing.text.split("\n\n")[:2] == [
        "The alert has been resolved, Total duration: 30 seconds",
        alert_log.REASON,
    ]
    _, notice = every(Delivery)
    assert (notice.event, notice.message["variables"]["closing_reason"]) == ("RESOLVED", alert_log.REASON)
    assert notice.id in [job.args[0] for job in Queue(jobs.DELIVERIES, connection=redis).jobs]


def test_a2_who_did_it_and_when_is_kept_for_operators_only(active: int) -> None:
    resolve(active)
    entry = next(entry for entry in every(AuditEntry) if entry.about == f"alert-{active}")
    assert (entry.actor, entry.action, entry.at) == (KIM.name, "change status", clock.at(T0 + 90))
    assert entry.detail == f"RESOLVED, incident {only(Incident).id} closed"
    record = every(Decision)[-1]
    assert (record.outcome, record.alert_id, record.reason) == (
        Outcome.RESOLVE,
        active,
        "Resolved by hand by kim@example.com.",
    )
    told = [update.text for update in every(IncidentUpdate)] + [row.message["text"] for row in every(Delivery)]
    assert not [text for text in told if "kim" in text]


def test_a2_the_operators_own_words_close_the_incident(active: int) -> None:
    resolve(active, comment="A **false** alarm.")
    closing = every(IncidentUpdate)[-1]
    assert (closing.text, closing.author, closing.state, closing.is_automatic) == (
        "A **false** alarm.",
        KIM.name,
        IncidentState.RESOLVED,
        False,
    )
    assert only(Incident).end_at == clock.at(T0 + 90)


def test_a2_an_incident_that_is_left_stays_as_it_is(active: int) -> None:
    assert not resolve(active, "LEAVE").is_closed
    incident = only(Incident)
    assert (incident.state, incident.end_at, count(IncidentUpdate)) == (IncidentState.INVESTIGATING, None, 1)
    assert only(Alert).incident_id == incident.id
    assert [row.event for row in every(Delivery)] == ["TRIGGERED", "RESOLVED"]
    observe("api", "UP", "UP", "UP")
    assert only(Incident).is_open


def test_a2_counting_starts_again_and_the_next_alert_is_a_new_one(active: int) -> None:
    resolve(active)
    assert count(Streak) == 0
    observe("api", "DOWN")
    assert (count(Alert), every(Streak)[0].failing) == (1, 1)
    observe("api", "DOWN")
    assert [alert.alert_status for alert in every(Alert)] == [AlertStatus.RESOLVED, AlertStatus.TRIGGERED]
    assert [incident.is_open for incident in every(Incident)] == [False, True]


def test_a2_without_an_open_incident_nothing_is_asked(active: int) -> None:
    post(only(Incident).id, "RESOLVED", at=T0 + 80)
    assert resolve(active, None) == alert_log.Changed(only(Incident).id, is_closed=False)
    assert only(Incident).end_at == clock.at(T0 + 80)
    observe("api", "DOWN", "DOWN")
    incidents.delete(every(Incident)[-1].id, actor=SAM)
    assert resolve(every(Alert)[-1].id, None).incident_id is None


def test_a2_it_asks_what_should_become_of_an_open_incident(active: int) -> None:
    with pytest.raises(Refused) as refused:
        resolve(active, None)
    assert list(refused.value.errors) == ["incident"]
    assert only(Alert).alert_status is AlertStatus.TRIGGERED


def test_a2_words_for_an_incident_that_is_left_are_refused() -> None:
    given = {"alert_status": "RESOLVED", "incident": "LEAVE", "comment": "Bye."}
    assert check(AlertStatusInput, given)[1] == {"comment": "An incident that is left as it is gets no update."}


def test_a2_an_incident_of_several_alerts_goes_on_until_the_last(active: int) -> None:
    make_monitor("web")
    make_configuration("web", **RULE)
    observe("web", "DOWN", "DOWN")
    first, second = every(Incident)
    merging.merge(second.id, first.id, actor=SAM)
    assert not resolve(active).is_closed
    assert every(Incident)[0].is_open
    assert resolve(every(Alert)[-1].id).is_closed
    assert not every(Incident)[0].is_open


def test_a2_a_resolved_alert_cannot_be_triggered_or_resolved_again(active: int) -> None:
    triggered = AlertStatusInput.model_validate({"alert_status": "TRIGGERED"})
    with pytest.raises(Refused, match="TRIGGERED already"):
        alert_log.change_status(active, triggered, actor=KIM)
    resolve(active)
    before = count(AuditEntry), count(Delivery)
    with pytest.raises(Refused, match="only failing checks begin one"):
        alert_log.change_status(active, triggered, actor=KIM)
    with pytest.raises(Refused, match="RESOLVED already"):
        resolve(active)
    assert (count(AuditEntry), count(Delivery)) == before


def test_a2_only_a_resolved_alert_is_deleted_and_its_incident_stays(active: int) -> None:
    with pytest.raises(Refused, match="active"):
        alert_log.delete(active, actor=KIM)
    observe("api", "UP", "UP")
    alert_log.delete(active, actor=KIM)
    assert (count(Alert), count(Incident), count(IncidentUpdate)) == (0, 1, 2)
    assert [row.alert_id for row in every(Delivery)] == [None, None]
    assert {record.alert_id for record in every(Decision)} == {None}
    entry = every(AuditEntry)[-1]
    assert (entry.actor, entry.action, entry.about) == (KIM.name, "delete", f"alert-{active}")
    assert entry.detail.startswith("Api STATUS: DOWN, triggered 2024-05-14 09:01")
    with pytest.raises(NotFound):
        alert_log.delete(active, actor=KIM)


def test_a2_an_alert_outlives_its_monitor_and_is_deleted_without_it(active: int) -> None:
    monitors.delete("api", actor=SAM)
    alert_log.delete(active, actor=KIM)
    assert count(Alert) == 0


def test_a2_by_hand_and_by_check_at_once_an_alert_resolves_once(app: Flask) -> None:
    """Whoever wins: one resolution, one closing update, one notice, one decision."""
    make_monitor("api")
    make_configuration(
        "api", trigger_ids=[make_trigger()], failure_threshold=1, success_threshold=1, create_incident="YES"
    )

    def by_hand() -> None:
        for _ in range(40):
            for alert in [alert for alert in every(Alert) if alert.alert_status is AlertStatus.TRIGGERED]:
                given = AlertStatusInput.model_validate({"alert_status": "RESOLVED", "incident": "CLOSE"})
                try:
                    again(lambda alert=alert, given=given: alert_log.change_status(alert.id, given, actor=KIM))
                except NotFound:
                    continue
                except Refused as refused:
                    assert "RESOLVED already" in str(refused)

    def by_check() -> None:
        for step in range(60):
            again(lambda step=step: record(sample("api", T0 + 60 * step, "DOWN" if step % 2 else "UP")))

    def delete() -> None:
        for _ in range(40):
            for alert in [alert for alert in every(Alert) if alert.alert_status is AlertStatus.RESOLVED][:1]:
                try:
                    again(lambda alert=alert: alert_log.delete(alert.id, actor=SAM))
                except NotFound:
                    continue

    at_once(app, by_check, by_hand, by_hand, delete, delete)
    observe("api", "UP")
    assert not [alert for alert in every(Alert) if alert.alert_status is AlertStatus.TRIGGERED]
    updates: dict[int, list[IncidentUpdate]] = {}
    for update in every(IncidentUpdate):
        updates.setdefault(update.incident_id, []).append(update)
    assert len(updates) == count(Incident) > 3
    for story in updates.values():
        assert [update.state for update in story] == [IncidentState.INVESTIGATING, IncidentState.RESOLVED]
    told = [row.event for row in every(Delivery)]
    assert told.count("TRIGGERED") == told.count("RESOLVED") == count(Incident)
    decided = [decision.outcome for decision in every(Decision)]
    assert decided.count(Outcome.TRIGGER) == decided.count(Outcome.RESOLVE) == count(Incident)
