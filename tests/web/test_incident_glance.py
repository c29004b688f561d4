"""An automatic incident at a glance, for visitors and for operators: measured, counted, sent, done by hand. Issue 3, items 4 and 11."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.domain.inputs import IncidentInput
from kener.models import Alert, Incident, IncidentUpdate
from kener.services import configurations, incidents, monitors, trash
from tests.factories import (
    SAM,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    monitor_input,
    observe,
    only,
    post,
)
from tests.support.pages import Page
from tests.support.pages import visit as open_page

Visit = Callable[..., Page]
MINUTE, DAY = 60, 86_400


@pytest.fixture(autouse=True)
def _app(app: object) -> None:
    """Every test needs the app."""


def outage(*, latency_ms: int | None = 100, back: bool = True, start: int | None = None, **monitor: object) -> int:
    """A monitor that fails three times and, if it is `back`, passes twice. Returns the incident."""
    start = start or clock.epoch() - 40 * MINUTE
    make_monitor("web", **monitor)
    make_configuration(
        "web", failure_threshold=3, success_threshold=2, create_incident=True, trigger_ids=[make_trigger(name="Team")]
    )
    observe("web", "UP", "UP", start=start, latency_ms=latency_ms)
    observe("web", "DOWN", "DOWN", "DOWN", latency_ms=latency_ms and 4000, error="refused by 10.0.0.7")
    if back:
        observe("web", "UP", "UP", latency_ms=latency_ms)
    return only(Incident).id


def clock_of(at: int) -> str:
    return f"{clock.at(at):%H:%M:%S}"


def test_visitors_see_what_was_measured_and_when_each_threshold_was_counted(visit: Visit) -> None:
    start = clock.epoch() - 40 * MINUTE
    page = visit(f"/incidents/{outage(start=start)}")
    chart = page.one(".glance svg.plot")
    assert "highest 4 s" in str(chart["aria-label"]) and len(chart.select(".gone")) == 1
    assert page.texts(".glance svg text") == [
        f"{clock_of(start + 4 * MINUTE)} triggered",
        f"{clock_of(start + 6 * MINUTE)} resolved",
    ]
    triggered, resolved = page.texts(".glance dd")
    assert f"after 3 of 3 failing checks in a row since {clock_of(start + 2 * MINUTE)}" in triggered
    assert "Observed: DOWN." in triggered
    assert f"after 2 of 2 passing checks in a row since {clock_of(start + 5 * MINUTE)}" in resolved
    assert "10.0.0.7" not in page.html and "Team" not in page.text


def test_while_it_lasts_there_is_no_recovery_to_tell(visit: Visit) -> None:
    page = visit(f"/incidents/{outage(back=False)}")
    assert page.texts(".glance dd")[1] == "not yet"
    assert len(page.texts(".glance svg text")) == 1


def test_without_response_times_the_statuses_are_drawn(visit: Visit) -> None:
    page = visit(f"/incidents/{outage(latency_ms=None)}")
    assert not page.all(".glance .plot")
    assert "down from" in str(page.one(".glance .minutes svg")["aria-label"])


def test_a_long_outage_is_drawn_around_its_beginning_and_around_its_end(visit: Visit) -> None:
    start = clock.epoch() - 3 * DAY
    number = outage(back=False, start=start)
    observe("web", "UP", "UP", start=start + 2 * DAY, latency_ms=90)
    page = visit(f"/incidents/{number}")
    first, second = page.all(".glance svg.plot")
    assert [text.text.split()[1] for text in first.select("text") + second.select("text")] == ["triggered", "resolved"]


def test_an_incident_by_hand_has_no_such_part(visit: Visit) -> None:
    assert not visit(f"/incidents/{make_incident()}").all(".glance")


def test_a_monitor_that_was_hidden_meanwhile_is_not_shown_to_visitors(visit: Visit, editor: FlaskClient) -> None:
    number = outage()
    monitors.update("web", monitor_input("web", is_hidden=True), actor=SAM)
    incidents.update(number, IncidentInput(title="Still public", start_at=only(Incident).start_at), actor=SAM)
    assert not visit(f"/incidents/{number}").all(".glance")
    assert open_page(editor, f"/incidents/{number}").one(".glance")


def test_what_is_left_is_told_when_monitor_and_rule_are_gone(visit: Visit, viewer: FlaskClient) -> None:
    number = outage(back=False)
    configurations.delete(only(Alert).config_id or 0, actor=SAM)
    monitors.delete("web", actor=SAM)
    trash.purge("web", actor=SAM)
    page = visit(f"/incidents/{number}")
    assert page.texts(".glance dd")[1].endswith("The alert configuration was deleted.")
    assert not page.all(".glance svg")
    assert open_page(viewer, f"/manage/incidents/{number}").one(".glance")


def test_operators_also_see_what_was_sent_what_was_decided_and_who_did_what(viewer: FlaskClient) -> None:
    number = outage()
    post(number, "RESOLVED", text="Really over.")
    page = open_page(viewer, f"/manage/incidents/{number}")
    assert page.one(".glance svg.plot")
    assert [text.split(",")[0] for text in page.texts("#notices .needs > li")] == ["Team TRIGGERED", "Team RESOLVED"]
    steps = page.texts("[aria-labelledby=h-decided] .needs > li")
    assert [step.split()[0] for step in steps] == ["Resolve", "Trigger"]
    [done] = page.texts("[aria-labelledby=h-changes] .needs > li")
    assert done.startswith("Post update, sam@example.com")


def test_o3_a_re_opening_is_told_as_one(visit: Visit, viewer: FlaskClient) -> None:
    number = outage(back=False)
    post(number, "RESOLVED")
    observe("web", "DOWN")
    assert [text.split(" written")[0] for text in visit(f"/incidents/{number}").texts(".timeline h4")] == [
        "Re-opened, investigating", "Resolved #", "Investigating",
    ]  # fmt: skip
    page = open_page(viewer, f"/manage/incidents/{number}")
    assert page.texts(".entry-head .tag") == ["Re-opened"]
    assert "Re-open" in page.texts("[aria-labelledby=h-decided] .needs > li")[0]


def test_o3_resolving_by_an_edit_is_asked_for_as_well(editor: FlaskClient) -> None:
    number = outage(back=False)
    update_id = only(IncidentUpdate).id
    form = open_page(editor, f"/manage/incidents/{number}/updates/{update_id}/edit").form("Save").fill(state="RESOLVED")
    page = form.submit(status=422)
    assert "is still TRIGGERED" in page.one("#e-confirm").text
    assert [update.state for update in every(IncidentUpdate)] == ["INVESTIGATING"]
    page.form("Save").fill(confirm=True).submit()
    assert only(Incident).state == "RESOLVED"
