"""A3: "Why?" for any monitor and minute of the last 30 days, answered from decision records or by replay."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.db import transaction
from kener.domain.confirmation import Needed
from kener.models import Alert, AlertConfiguration, Decision
from kener.services import configurations, monitors
from kener.services.audit import Actor
from tests import factories
from tests.factories import T0, record, sample
from tests.support.pages import Page, visit
from tests.support.statements import counted

KIM = Actor("kim@example.com")
RULE = {"failure_threshold": 3, "success_threshold": 2}


@pytest.fixture(autouse=True)
def now(app: Flask) -> Iterator[time_machine.Traveller]:
    """The clock, five minutes before the first check; the monitor is new."""
    with time_machine.travel(clock.at(T0 - 300), tick=False) as traveller:
        factories.make_monitor("api")
        yield traveller


def watch(**fields: object) -> int:
    return factories.make_configuration("api", **{**RULE, **fields})


def see(now: time_machine.Traveller, *statuses: str, tag: str = "api", **more: object) -> None:
    """Checks a minute apart, each stored when it is made, from T0 on."""
    for status in statuses:
        at = factories.next_slot(tag)
        now.move_to(clock.at(at))
        factories.observe(tag, status, start=at, **more)


def ask(viewer: FlaskClient, config_id: int, minute: int, *, monitor: str = "api", status: int = 200) -> Page:
    """The answer for so many minutes after T0."""
    moment = clock.at(T0 + 60 * minute).strftime("%Y-%m-%dT%H:%M")
    return visit(viewer, f"/manage/alerts/{config_id}/why?monitor={monitor}&at={moment}", status=status)


def answer(page: Page) -> str:
    return page.texts("#h-answer")[0]


def hit(page: Page) -> list[str]:
    """The count and the decision of the check that was asked about."""
    [row] = page.all("tbody tr:is(.hit, .meant)")
    return [" ".join(row.select(f"[data-label={label}]")[0].get_text(" ").split()) for label in ("Count", "Decision")]


def test_a3_why_it_fired_is_answered_from_the_record_with_the_samples_it_counted(
    viewer: FlaskClient, now: time_machine.Traveller
) -> None:
    config_id = watch()
    see(now, "UP")
    see(now, "DOWN", "DOWN", "DOWN", error="HTTP 503")
    page = ask(viewer, config_id, 3)
    assert (answer(page), hit(page)) == ("It triggered", ["3 of 3 failing", "Trigger"])
    assert "3 of 3 failing: the failure threshold is reached." in page.text
    assert "From the decision record" in page.text
    assert page.texts("[data-label=Count]") == ["1 of 2 passing", "1 of 3 failing", "2 of 3 failing", "3 of 3 failing"]
    assert "HTTP 503" in page.text


def test_a3_why_not_yet(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "UP", "DOWN", "DOWN")
    page = ask(viewer, config_id, 2)
    assert (answer(page), hit(page)) == (
        "Not yet: the failure threshold was not reached",
        ["2 of 3 failing", "Hold"],
    )
    assert "Failing in a row: 2 of 3" in page.text
    assert "No alert was active" in page.text


def test_a3_what_left_no_record_is_decided_again_with_the_right_count(
    viewer: FlaskClient, now: time_machine.Traveller
) -> None:
    config_id = watch(success_threshold=4)
    see(now, "DOWN", "DOWN", "DOWN", "DOWN", "DOWN", "UP", "UP")
    page = ask(viewer, config_id, 4)
    alert_id = factories.only(Alert).id
    assert (answer(page), hit(page)) == (f"Alert {alert_id} was active already", ["5 failing", "Nothing"])
    assert "Replayed from the samples" in page.text
    page = ask(viewer, config_id, 6)
    assert (answer(page), hit(page)) == (
        "Not yet: the success threshold was not reached",
        ["2 of 4 passing", "Hold"],
    )


def test_a3_what_waits_for_confirmation_and_what_was_never_confirmed_say_so(
    viewer: FlaskClient, now: time_machine.Traveller
) -> None:
    config_id = watch(failure_threshold=1)
    for minute, status in enumerate(["UP", "DOWN", "UP", "DOWN"]):
        now.move_to(clock.at(T0 + 60 * minute))
        record(replace(sample("api", T0 + 60 * minute, status), needed=Needed(failure=3)))
    assert answer(ask(viewer, config_id, 1)) == "Seen DOWN, which was not confirmed"
    assert answer(ask(viewer, config_id, 3)) == "Seen DOWN, which waits for confirmation"


def test_a3_all_is_well_is_an_answer_too(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "UP", "UP")
    page = ask(viewer, config_id, 1)
    assert (answer(page), hit(page)) == ("Nothing to do", ["2 of 2 passing", "Nothing"])


def test_a3_a_check_that_could_not_run_says_nothing(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "DOWN", "NO_DATA")
    page = ask(viewer, config_id, 1)
    assert (answer(page), hit(page)) == ("NO_DATA says nothing", ["1 of 3 failing", "Nothing"])


def test_a3_a_latency_rule_hears_nothing_of_a_failed_check(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(alert_for="LATENCY", alert_value="900")
    see(now, "DOWN")
    page = ask(viewer, config_id, 0)
    assert (answer(page), hit(page)) == ("The check said nothing", ["0", "Nothing"])
    assert "No latency was measured." in page.text


def test_a3_between_breaks_the_count(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "DOWN", "DEGRADED", "DEGRADED")
    assert answer(ask(viewer, config_id, 1)) == "Neither failing nor passing"
    page = ask(viewer, config_id, 2)
    assert (answer(page), hit(page)) == ("Neither failing nor passing", ["0", "Nothing"])


def test_a3_a_maintenance_window_is_named(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=1)
    factories.plan_maintenance("api", start=T0, end=T0 + 120)
    see(now, "DOWN")
    page = ask(viewer, config_id, 0)
    assert (answer(page), hit(page)) == ("Held back by maintenance", ["0", "Suppress"])
    assert "Maintenance window “Move”" in page.text


def test_a3_no_sample_is_told_apart_from_a_gap(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    now.move_to(clock.at(T0 + 30))
    assert answer(ask(viewer, config_id, 0)) == "No sample"
    see(now, "DOWN", "DOWN")
    now.move_to(clock.at(T0 + 3_600))
    page = ask(viewer, config_id, 3)
    assert answer(page) == "No check in this minute"
    assert "of the check before" in page.text
    assert answer(ask(viewer, config_id, 30)) == "No sample: a gap"
    factories.observe("api", "DOWN", start=T0 + 3_600)
    page = ask(viewer, config_id, 60)
    assert hit(page) == ["1 of 3 failing after a gap of 59 min", "Hold"]
    assert "A gap of 59 min came before it" in page.text


def test_a3_a_pause_is_named_with_who_did_it(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "DOWN")
    now.move_to(clock.at(T0 + 70))
    monitors.pause("api", actor=KIM)
    now.move_to(clock.at(T0 + 900))
    page = ask(viewer, config_id, 10)
    assert answer(page) == "The monitor was paused"
    assert "kim@example.com" in page.text
    monitors.resume("api", actor=KIM)
    now.move_to(clock.at(T0 + 1_000))
    assert answer(ask(viewer, config_id, 10)) == "The monitor was paused"
    assert answer(ask(viewer, config_id, 16)) == "No sample: a gap"


def test_a3_an_end_without_a_check_is_told(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=1)
    see(now, "DOWN")
    now.move_to(clock.at(T0 + 130))
    monitors.pause("api", actor=KIM)
    page = ask(viewer, config_id, 2)
    assert (answer(page), hit(page)) == ("It resolved", ["0", "Resolve"])
    assert f"Alert {factories.only(Alert).id} was active since" in page.text
    assert "The monitor was paused." in page.text


def test_a3_an_inactive_configuration_did_not_count(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=1)
    see(now, "UP")
    now.shift(20)
    configurations.deactivate(config_id, actor=KIM)
    see(now, "DOWN", "DOWN")
    now.shift(20)
    configurations.activate(config_id, actor=KIM)
    see(now, "UP")
    page = ask(viewer, config_id, 2)
    assert (answer(page), hit(page)) == ("The configuration was inactive", ["0", "Not counted"])
    assert "kim@example.com" in page.text
    assert answer(ask(viewer, config_id, 0)) == "Nothing to do"
    assert answer(ask(viewer, config_id, 3)) == "Nothing to do"


def test_a3_a_monitor_that_was_taken_out_was_not_watched(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    factories.make_monitor("web")
    config_id = factories.make_configuration(["api", "web"], failure_threshold=1)
    see(now, "UP", "UP")
    now.shift(20)
    configurations.update(config_id, factories.configuration_input("web", failure_threshold=1), actor=KIM)
    see(now, "DOWN")
    now.shift(20)
    configurations.update(config_id, factories.configuration_input(["api", "web"], failure_threshold=1), actor=KIM)
    see(now, "UP")
    assert answer(ask(viewer, config_id, 0)) == "Nothing to do"
    page = ask(viewer, config_id, 2)
    assert answer(page) == "The monitor was not watched"
    assert "kim@example.com" in page.text
    assert answer(ask(viewer, config_id, 3)) == "Nothing to do"


def test_a3_what_came_before_configuration_and_monitor_is_said(
    viewer: FlaskClient, now: time_machine.Traveller
) -> None:
    see(now, "DOWN", "DOWN")
    config_id = watch()
    now.move_to(clock.at(T0 + 120))
    assert answer(ask(viewer, config_id, 0)) == "The configuration did not exist yet"
    factories.make_monitor("web")
    assert answer(ask(viewer, config_id, -2, monitor="web")) == "The monitor did not exist yet"


def test_a3_the_rule_as_it_was_decides_not_the_rule_of_today(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=5)
    see(now, "DOWN", "DOWN", "UP", "DOWN")
    now.shift(20)
    given = factories.configuration_input("api", alert_for="UPTIME", alert_value="99.9", failure_threshold=1)
    configurations.update(config_id, given, actor=KIM)
    see(now, "DOWN")
    page = ask(viewer, config_id, 2)
    assert answer(page) == "Nothing to do"
    assert "STATUS: DOWN" in page.text
    assert page.texts("[data-label=Count]")[2] == "1 of 2 passing"
    page = ask(viewer, config_id, 4)
    assert answer(page) == "The check said nothing"
    assert "UPTIME: 99.9" in page.text


def test_a3_a_sample_that_came_late_was_not_counted(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=1)
    see(now, "UP")
    now.move_to(clock.at(T0 + 120))
    factories.observe("api", "UP", start=T0 + 120)
    record(sample("api", T0 + 60, "DOWN"))
    page = ask(viewer, config_id, 1)
    assert (answer(page), hit(page)) == ("The sample was not counted", ["1 of 2 passing", "Not counted"])
    assert "it was stored late, or changed since" in page.text


def test_a3_records_and_replay_tell_the_same_story(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    """Without its records, every counted check is still decided as it was; only that it was stored can no longer be seen."""
    config_id = watch()
    see(now, *(["UP"] * 3 + ["DOWN"] * 2 + ["UP"] + ["NO_DATA", "DOWN", "DEGRADED"] + ["UP"] * 3))
    told = ask(viewer, config_id, 8).texts("[data-label=Count]")
    for decision in factories.every(Decision):
        assert decision.outcome == "hold"
    assert told[3:9] == ["1 of 3 failing", "2 of 3 failing", "1 of 2 passing", "1 of 2 passing", "1 of 3 failing", "0"]


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("soon", "Enter a date and a time"),
        ("2024-05-14T12:00", "has not come yet"),
        ("2024-04-01T12:00", "30 days back"),
        ("9999-12-31T23:59", "has not come yet"),
        ("0001-01-01T00:00", "30 days back"),
    ],
)
def test_a_minute_that_cannot_be_asked_about_is_refused(viewer: FlaskClient, at: str, problem: str) -> None:
    config_id = watch()
    page = visit(viewer, f"/manage/alerts/{config_id}/why?monitor=api&at={at}", status=422)
    assert problem in page.texts("#e-at")[0]
    assert not page.all("#h-answer")


def test_the_form_asks_about_any_monitor(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    factories.make_monitor("web")
    config_id = watch()
    see(now, "DOWN")
    page = visit(viewer, f"/manage/alerts/{config_id}/why")
    page = page.form("ask").fill(monitor="web", at="2024-05-14T09:00").submit()
    assert answer(page) == "The monitor was not watched"
    page = page.form("ask").fill(monitor="api").submit()
    assert answer(page) == "Not yet: the failure threshold was not reached"
    assert visit(viewer, f"/manage/alerts/{config_id}/why?monitor=nope", status=422).texts("#e-monitor")


def test_the_page_of_a_configuration_asks_too(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch(failure_threshold=1)
    see(now, "UP")
    page = visit(viewer, f"/manage/alerts/{config_id}").form("ask").fill(at="2024-05-14T09:00").submit()
    assert answer(page) == "Nothing to do"
    see(now, "DOWN")
    page = visit(viewer, f"/manage/alerts/{config_id}")
    assert page.one(".why-end form")["id"] == "ask"
    assert answer(page.form("ask").submit()) == "It triggered"


def test_one_goes_from_check_to_check(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "UP", "DOWN", "UP")
    page = ask(viewer, config_id, 1)
    assert hit(page.click("Check before")) == ["1 of 2 passing", "Nothing"]
    assert hit(page.click("Check after")) == ["1 of 2 passing", "Nothing"]
    assert not ask(viewer, config_id, 0).all("a[rel=prev]")


def test_a_damaged_rule_is_named(viewer: FlaskClient, now: time_machine.Traveller) -> None:
    config_id = watch()
    see(now, "DOWN")
    with transaction() as session:
        session.get_one(AlertConfiguration, config_id).alert_value = "PURPLE"
    assert answer(ask(viewer, config_id, 0)) == "The rule could not be used"


def test_an_answer_asks_as_often_after_many_checks_as_after_few(
    viewer: FlaskClient, now: time_machine.Traveller
) -> None:
    config_id = watch()
    see(now, "UP", "DOWN", "UP")
    ask(viewer, config_id, 1)
    with counted() as few:
        ask(viewer, config_id, 1)
    see(now, *["UP", "DOWN"] * 40)
    ask(viewer, config_id, 60)
    with counted() as many:
        ask(viewer, config_id, 60)
    assert len(few) == len(many)
