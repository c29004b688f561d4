"""Dependencies: while a monitor's parent is down, its alerts are held, and said to be. Contract: incident automation, A3."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from kener import clock
from kener.db import again, reading, transaction
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.confirmation import Needed
from kener.domain.replay import Order, Side, replay
from kener.models import (
    Alert,
    AlertConfiguration,
    Decision,
    Incident,
    IncidentUpdate,
    Monitor,
    MonitorParent,
    NoticeDelivery,
)
from kener.queries import diagnosis, explanations, observations
from kener.services import incidents, monitors
from kener.services.errors import Refused
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    monitor_input,
    observe,
    only,
    plan_maintenance,
    record,
    sample,
)
from tests.support.statements import counted
from tests.support.threads import at_once


def make_child(tag: str = "shop", *parents: str, **fields: Any) -> int:
    """A monitor that depends on others."""
    return make_monitor(tag, parent_tags=list(parents or ("gate",)), **fields)


def watch(tag: str, failing: int = 2, **fields: Any) -> int:
    return make_configuration(tag, failure_threshold=failing, success_threshold=1, create_incident="YES", **fields)


def together(statuses: str, *, start: int = T0, step_s: int = 60, tags: tuple[str, str] = ("gate", "shop")) -> None:
    """Both are seen at every step, the parent first: `ud` says that the parent is up and the child down."""
    words = {"u": "UP", "d": "DOWN", "n": "NO_DATA"}
    for step, pair in enumerate(statuses.split()):
        for late, (tag, letter) in enumerate(zip(tags, pair, strict=True)):
            record(sample(tag, start + step * step_s + late, words[letter], span_s=step_s))


def held() -> list[str]:
    """The reasons of what was held by a parent."""
    return [row.reason for row in every(Decision) if row.outcome is Outcome.HOLD and "held:" in row.reason]


def triggered() -> list[int]:
    """When alerts triggered, in seconds since T0."""
    return [int(alert.triggered_at.timestamp()) - T0 for alert in every(Alert)]


@pytest.fixture
def pair(app: Flask) -> Flask:
    """A gateway, and a shop behind it whose alert needs two failing checks."""
    make_monitor("gate")
    make_child("shop")
    watch("shop")
    return app


def test_a_child_does_not_trigger_while_its_parent_is_down(pair: Flask) -> None:
    together("uu dd dd dd dd")
    assert count(Alert) == 0
    assert held() == [f"{number} of 2 failing, but held: Gate is down." for number in (2, 3, 4)]


def test_a_child_that_still_fails_when_its_parent_is_back_triggers_with_the_next_failing_check(pair: Flask) -> None:
    together("uu dd dd dd ud ud")
    assert triggered() == [241]


def test_a_child_that_recovers_with_its_parent_never_triggers(pair: Flask) -> None:
    together("uu dd dd dd uu uu dd")
    assert count(Alert) == count(Incident) == 0


def test_a_child_that_triggered_before_its_parent_failed_stays_as_it_is(pair: Flask) -> None:
    together("uu ud ud dd dd du")
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert triggered() == [121]
    assert held() == []


def test_a_parent_that_is_degraded_holds_nothing(pair: Flask) -> None:
    observe("gate", "DEGRADED", "DEGRADED", "DEGRADED")
    observe("shop", "UP", "DOWN", "DOWN", start=T0 + 1)
    assert triggered() == [121]


def test_the_counting_goes_on_while_a_child_is_held(pair: Flask) -> None:
    together("uu dd dd dd")
    assert [row.failing for row in every(Decision)] == [1, 2, 3]


def test_a_child_whose_parent_was_not_looked_at_since_it_began_to_fail_waits(app: Flask) -> None:
    make_monitor("gate")
    make_child("shop")
    watch("shop", failing=1)
    together("uu uu")
    observe("shop", "DOWN", start=T0 + 110)
    assert held() == ["1 of 1 failing, but held: Gate was not looked at since this began to fail."]
    observe("gate", "DOWN", start=T0 + 120)
    observe("shop", "DOWN", start=T0 + 170)
    assert held()[1:] == ["2 of 1 failing, but held: Gate is down."]
    assert count(Alert) == 0


def test_a_child_that_waited_triggers_once_its_parent_was_seen_to_be_up(app: Flask) -> None:
    make_monitor("gate")
    make_child("shop")
    watch("shop", failing=1)
    together("uu")
    observe("shop", "DOWN", start=T0 + 50)
    observe("gate", "UP", start=T0 + 60)
    observe("shop", "DOWN", start=T0 + 110)
    assert triggered() == [110]


def test_nobody_waits_longer_than_five_minutes_for_a_parent_that_is_looked_at_seldom(app: Flask) -> None:
    make_monitor("gate", interval_seconds=86_400)
    make_child("shop")
    watch("shop")
    record(sample("gate", T0, "UP", span_s=86_400))
    observe("shop", *["UP"] * 5, *["DOWN"] * 10, start=T0 + 1)
    assert len(held()) == 4
    assert triggered() == [301 + 5 * 60]


def test_a_parent_that_nobody_looks_at_holds_nothing(app: Flask) -> None:
    make_monitor("gate")
    make_child("shop")
    watch("shop")
    observe("gate", "DOWN", start=T0)
    observe("shop", "UP", start=T0 + 60)
    observe("shop", "DOWN", "DOWN", "DOWN", start=T0 + 240)
    assert triggered() == [300]


def test_a_change_of_the_parent_that_waits_for_confirmation_holds_already(app: Flask) -> None:
    make_monitor("gate", failure_confirmations=5)
    make_child("shop")
    watch("shop")
    for step, status in enumerate(["UP", "DOWN", "DOWN"]):
        record(dataclasses.replace(sample("gate", T0 + 60 * step, status), needed=Needed(5, 1)))
        observe("shop", status, start=T0 + 60 * step + 1)
    assert held() == ["2 of 2 failing, but held: Gate is down."]


@pytest.mark.parametrize("act", [monitors.pause, monitors.delete])
def test_a_parent_that_is_paused_or_deleted_holds_nothing(pair: Flask, act: Callable[..., None]) -> None:
    together("uu dd dd")
    act("gate", actor=SAM)
    observe("shop", "DOWN")
    assert triggered() == [181]


def test_any_of_several_parents_holds(app: Flask) -> None:
    make_monitor("gate")
    make_monitor("disk")
    make_child("shop", "disk", "gate")
    watch("shop")
    observe("disk", *["UP"] * 4)
    together("uu dd dd")
    assert held() == ["2 of 2 failing, but held: Gate is down."]


def test_maintenance_of_the_parent_holds_its_children_all_the_same(pair: Flask) -> None:
    plan_maintenance("gate", start=T0, end=T0 + 3_600)
    together("uu dd dd dd")
    assert count(Alert) == 0


def test_the_incident_of_the_parent_names_its_children_in_one_update(app: Flask) -> None:
    make_monitor("gate")
    for tag in ("shop", "mail", "blog"):
        make_child(tag)
        watch(tag)
    watch("gate", failing=3)
    for step in range(5):
        at = T0 + 60 * step
        record(sample("gate", at, "DOWN"))
        record(
            *(sample(tag, at + 1, "UP" if tag == "blog" and step < 3 else "DOWN") for tag in ("shop", "mail", "blog"))
        )
    [incident] = every(Incident)
    said = [update.text for update in every(IncidentUpdate) if update.also_affected is not None]
    assert said == ["Also affected: Shop, Mail and Blog."]
    assert incident.title == "Gate STATUS: DOWN"
    assert [alert.monitor_tag for alert in every(Alert)] == ["gate"]
    assert count(NoticeDelivery) == 0


def test_an_update_that_was_deleted_does_not_come_back(pair: Flask) -> None:
    watch("gate", failing=1)
    together("uu dd dd dd")
    [update] = [one for one in every(IncidentUpdate) if one.also_affected is not None]
    incidents.delete_update(update.incident_id, update.id, actor=SAM)
    together("dd dd", start=T0 + 240)
    assert not [one for one in every(IncidentUpdate) if one.also_affected is not None]


def test_a_hidden_child_is_not_named_to_visitors(app: Flask) -> None:
    make_monitor("gate")
    make_child("shop", is_hidden=True)
    watch("shop")
    watch("gate", failing=1)
    together("uu dd dd dd")
    assert held()
    assert not [one for one in every(IncidentUpdate) if one.also_affected is not None]


def test_a_monitor_without_parents_is_asked_for_them_only_when_it_would_trigger(app: Flask) -> None:
    make_monitor("api")
    watch("api")

    def statements(at: int, status: str) -> int:
        given = sample("api", at, status)
        with counted() as seen:
            record(given)
        return sum("monitor_parent" in statement for statement in seen)

    assert [statements(T0 + 60 * step, status) for step, status in enumerate(["UP", "DOWN", "DOWN", "DOWN", "UP"])] == [
        0,
        0,
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("story", "failing"),
    [
        ("uu dd dd dd ud ud uu ud ud", 2),
        ("uu ud dd dd uu du dd dd uu", 1),
        ("uu ud ud ud uu dd dd ud", 3),
        ("nu nd nd nd uu", 2),
    ],
)
def test_x1_a_back_test_holds_what_was_held_live(app: Flask, story: str, failing: int) -> None:
    start = clock.epoch() // 3_600 * 3_600 - 7_200
    make_monitor("gate")
    make_child("shop")
    config_id = watch("shop", failing=failing)
    together(story, start=start)
    configuration = reading().get_one(AlertConfiguration, config_id)
    side = Side(configuration.rule, ("shop",))
    [history] = observations.histories(reading(), Order(start, start + 3_600, side))
    part = replay(Order(start, start + 3_600, side), history)
    assert [episode.start for episode in part.draft.episodes] == [
        int(alert.triggered_at.timestamp()) for alert in every(Alert)
    ]


def test_a3_why_not_names_the_parent(app: Flask) -> None:
    start = clock.epoch() // 60 * 60 - 1_800
    make_monitor("gate")
    make_child("shop")
    config_id = watch("shop")
    together("uu dd dd dd", start=start)
    session = reading()
    configuration = session.get_one(AlertConfiguration, config_id)
    monitor = session.get_one(Monitor, id_of("shop"))
    found = explanations.explain(session, configuration, monitor, clock.at(start + 180))
    assert (found.headline, found.sentence) == (
        "Held: it depends on another monitor",
        "3 of 2 failing, but held: Gate is down.",
    )
    assert "Held because of a monitor that it depends on" in [line.text for line in found.lines]
    [opened, *_] = diagnosis.diagnose(session, configuration, monitor.id, failing=3, passing=0)
    assert "The alert is held: a monitor that it depends on is DOWN" in [line.text for line in opened.lines]


def refusal(save: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        save()
    return refused.value.errors


def test_parents_that_cannot_be_are_refused_by_name(app: Flask) -> None:
    make_monitor("a")
    make_child("b", "a")
    make_child("c", "b")
    assert refusal(lambda: make_child("d", "a", "nobody")) == {"parent_tags": "There is no monitor nobody."}
    given = monitor_input("a", parent_tags=["c"])
    assert refusal(lambda: monitors.update("a", given, actor=SAM)) == {
        "parent_tags": "A monitor cannot depend on itself: A → C → B → A."
    }
    itself = monitor_input("a", parent_tags=["a"])
    assert "A → A" in refusal(lambda: monitors.update("a", itself, actor=SAM))["parent_tags"]
    assert [parent.tag for parent in reading().get_one(Monitor, id_of("c")).parents] == ["b"]


def test_parents_are_changed_and_taken_away(app: Flask) -> None:
    make_monitor("a")
    make_monitor("b")
    make_child("c", "a")
    monitors.update("c", monitor_input("c", parent_tags=["b", "b"]), actor=SAM)
    assert only(MonitorParent).parent_id == id_of("b")
    monitors.update("c", monitor_input("c"), actor=SAM)
    assert count(MonitorParent) == 0


def test_parents_and_children_that_fail_at_once_tell_one_story(app: Flask) -> None:
    make_monitor("gate")
    tags = [f"shop{number}" for number in range(5)]
    for tag in tags:
        make_child(tag)
        watch(tag, failing=2)
    watch("gate", failing=1)
    record(*(sample(tag, T0, "UP") for tag in ["gate", *tags]))
    record(sample("gate", T0 + 60, "DOWN"))

    def write(tag: str) -> None:
        for step in (1, 2, 3):
            again(lambda step=step: record(sample(tag, T0 + 60 * step + 5, "DOWN")))  # type: ignore[misc]

    at_once(app, *[lambda tag=tag: write(tag) for tag in tags])  # type: ignore[misc]
    with transaction() as session:
        session.expire_all()
    [told] = [one for one in every(IncidentUpdate) if one.also_affected is not None]
    assert sorted(told.also_affected or ()) == sorted(id_of(tag) for tag in tags)
    assert [alert.monitor_tag for alert in every(Alert)] == ["gate"]
