"""A deleted monitor is gone for everybody, can be had back for seven days, and is gone for good after that."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from kener import clock
from kener.db import reading
from kener.domain.alerting import AlertStatus
from kener.models import (
    AffectedMonitor,
    Alert,
    AlertConfiguration,
    AuditEntry,
    Incident,
    Monitor,
    MonitorLabel,
    MonitorState,
    Sample,
)
from kener.services import housekeeping, monitors, scheduling, trash
from kener.services.errors import NotFound, Refused
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    monitor_input,
    observe,
    only,
)

pytestmark = pytest.mark.usefixtures("app")


def all_tags() -> list[str]:
    return list(reading().scalars(select(Monitor.tag).execution_options(deleted=True)))


def test_no_question_finds_a_deleted_monitor_unless_it_asks_for_deleted_ones() -> None:
    kept, gone = make_monitor("api"), make_monitor("web", labels=["shop"])
    make_incident("web")
    observe("web", "UP")
    monitors.delete("web", actor=SAM)
    session, other = reading(), aliased(Monitor)
    assert session.scalars(select(Monitor.tag)).all() == ["api"]
    assert session.scalars(select(other.tag)).all() == ["api"]
    assert session.scalar(select(func.count()).select_from(Monitor)) == 1
    assert session.get(Monitor, gone) is None
    assert session.scalars(select(MonitorState.monitor_id).join(Monitor)).all() == [kept]
    assert session.scalars(select(Sample.at).where(Sample.monitor_id.in_(select(Monitor.id)))).all() == []
    assert (
        session.scalars(select(MonitorLabel.label).where(exists().where(Monitor.id == MonitorLabel.monitor_id))).all()
        == []
    )
    assert only(AffectedMonitor).monitor_name == "Web"
    assert sorted(all_tags()) == ["api", "web"]


def test_deleting_ends_alerts_and_checks_and_restoring_brings_everything_else_back() -> None:
    make_monitor(interval_seconds=60)
    config_id = make_configuration(failure_threshold=1, create_incident="YES")
    observe("api", "UP", "DOWN")
    monitors.delete("api", actor=SAM)
    alert = only(Alert)
    assert (alert.alert_status, alert.closing_reason) == (AlertStatus.RESOLVED, "The monitor was deleted.")
    assert only(Incident).end_at is not None
    assert scheduling.claim(clock.epoch() + 600) == []
    with pytest.raises(NotFound):
        monitors.delete("api", actor=SAM)
    with pytest.raises(NotFound):
        monitors.update("api", monitor_input("api"), actor=SAM)
    trash.restore("api", actor=SAM)
    assert [monitor.tag for monitor in only(AlertConfiguration).monitors] == ["api"]
    assert only(Alert).config_id == config_id
    assert count(Sample) == 2
    assert len(scheduling.claim(clock.epoch())) == 1
    assert [entry.action for entry in every(AuditEntry)][-2:] == ["delete", "restore"]
    with pytest.raises(NotFound):
        trash.restore("api", actor=SAM)


def test_a_paused_monitor_comes_back_paused() -> None:
    make_monitor()
    monitors.pause("api", actor=SAM)
    monitors.delete("api", actor=SAM)
    trash.restore("api", actor=SAM)
    assert not only(Monitor).is_active
    assert scheduling.claim(clock.epoch() + 600) == []


def test_the_tag_of_a_deleted_monitor_is_kept_for_it() -> None:
    make_monitor()
    monitors.delete("api", actor=SAM)
    with pytest.raises(Refused) as caught:
        make_monitor()
    assert "was deleted" in caught.value.errors["tag"]
    trash.purge("api", actor=SAM)
    make_monitor()
    assert all_tags() == ["api"]


def test_after_seven_days_it_is_gone_for_good_and_not_before() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
        make_configuration(tag)
        observe(tag, "UP", start=T0)
    monitors.delete("api", actor=SAM)
    with time_machine.travel(clock.now() + timedelta(days=6, hours=23)):
        assert trash.empty() == 0
        monitors.delete("web", actor=SAM)
    with time_machine.travel(clock.now() + timedelta(days=7, minutes=1)):
        housekeeping.prune()
        assert trash.empty() == 0
    assert all_tags() == ["web"]
    assert count(AlertConfiguration) == 1
    assert ("purge", "Kener") in [(entry.action, entry.actor) for entry in every(AuditEntry)]


def test_what_is_not_deleted_cannot_be_purged() -> None:
    make_monitor()
    for act in (trash.purge, trash.restore):
        with pytest.raises(NotFound):
            act("api", actor=SAM)
    assert all_tags() == ["api"]
