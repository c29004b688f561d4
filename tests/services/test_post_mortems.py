"""Post-mortems: a part of an incident beside its timeline, on every kind of database. Contract: incident automation, R5."""

import pytest

from kener import clock
from kener.domain.inputs import PostMortemInput
from kener.models import AuditEntry, Incident, IncidentUpdate
from kener.services import post_mortems
from kener.services.errors import Conflict, NotFound, Refused
from tests.factories import SAM, T0, every, make_configuration, make_incident, make_monitor, observe, only, post

pytestmark = pytest.mark.usefixtures("app")


def learn(incident_id: int, text: str = "A cable.", **options: int) -> None:
    post_mortems.write(incident_id, PostMortemInput(text=text), actor=SAM, **options)


def test_r5_a_post_mortem_never_moves_the_end_and_is_no_update() -> None:
    make_monitor()
    make_configuration(failure_threshold=1, success_threshold=1, create_incident=True)
    end = observe("api", "DOWN", "UP")
    updates = [(update.state, update.at) for update in every(IncidentUpdate)]
    learn(only(Incident).id)
    incident = only(Incident)
    assert (incident.state, incident.status, incident.end_at) == ("RESOLVED", "CLOSED", clock.at(end))
    assert [(update.state, update.at) for update in every(IncidentUpdate)] == updates
    assert (incident.post_mortem, incident.post_mortem_by) == ("A cable.", "sam@example.com")
    post_mortems.remove(incident.id, actor=SAM)
    incident = only(Incident)
    assert (incident.end_at, incident.post_mortem, incident.post_mortem_at, incident.post_mortem_by) == (
        clock.at(end), None, None, None,
    )  # fmt: skip


def test_it_is_written_once_the_incident_is_resolved() -> None:
    incident_id = make_incident()
    with pytest.raises(Refused, match="not resolved yet"):
        learn(incident_id)
    assert only(Incident).post_mortem is None
    post(incident_id, "RESOLVED", at=T0 + 60)
    learn(incident_id)
    assert only(Incident).post_mortem == "A cable."


def test_a_re_opened_incident_keeps_it_and_it_can_be_removed_but_not_changed() -> None:
    incident_id = make_incident()
    post(incident_id, "RESOLVED", at=T0 + 60)
    learn(incident_id)
    post(incident_id, "IDENTIFIED", at=T0 + 120)
    with pytest.raises(Refused):
        learn(incident_id, "A shark.")
    assert only(Incident).post_mortem == "A cable."
    post_mortems.remove(incident_id, actor=SAM)
    assert only(Incident).post_mortem is None


def test_who_wrote_changed_and_removed_it_stands_in_the_audit_trail() -> None:
    incident_id = make_incident()
    post(incident_id, "RESOLVED", at=T0 + 60)
    learn(incident_id)
    written_at = only(Incident).post_mortem_at
    learn(incident_id, "A shark.")
    assert only(Incident).post_mortem_at == written_at
    learn(incident_id, "A shark.")
    post_mortems.remove(incident_id, actor=SAM)
    noted = [(entry.actor, entry.action) for entry in every(AuditEntry) if entry.about == f"incident-{incident_id}"]
    assert noted[2:] == [("sam@example.com", f"{act} post-mortem") for act in ("write", "edit", "remove")]


def test_two_who_write_at_once_do_not_overwrite_each_other() -> None:
    incident_id = make_incident()
    post(incident_id, "RESOLVED", at=T0 + 60)
    seen = only(Incident).version
    learn(incident_id, "A cable.", version=seen)
    with pytest.raises(Conflict):
        learn(incident_id, "A shark.", version=seen)
    assert only(Incident).post_mortem == "A cable."


def test_there_is_none_without_an_incident() -> None:
    with pytest.raises(NotFound):
        learn(1)
    with pytest.raises(NotFound):
        post_mortems.remove(1, actor=SAM)
