"""Fire drills by hand: the question before, the report that follows every step, the history on the rule's page."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from kener import clock
from kener.models import Alert, Delivery, Drill
from kener.services import configurations, drills, outbox
from tests.doubles.http import HttpDouble, reply
from tests.factories import (
    SAM,
    count,
    every,
    make_configuration,
    make_monitor,
    make_trigger,
    only,
    plan_maintenance,
)
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}


@pytest.fixture
def hook() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        yield server


@pytest.fixture
def config_id(hook: HttpDouble) -> int:
    make_monitor("api")
    told = [make_trigger(url=hook.url("/hook")), make_trigger(name="Asleep", is_active=False)]
    return make_configuration("api", create_incident="YES", trigger_ids=told)


def steps(page: Page) -> dict[str, list[str]]:
    """The rows of a report, by their heading."""
    rows = [[" ".join(cell.get_text(" ").split()) for cell in line.select("td")] for line in page.all("tbody tr")]
    return {head: rest for head, *rest in rows}


def deliver_all() -> None:
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)


def finish(drill_id: int) -> None:
    """Be all the workers."""
    drills.run(drill_id)
    deliver_all()
    drills.run(drill_id)
    deliver_all()


def token(client: FlaskClient) -> dict[str, str]:
    """What script sends along with a form."""
    return {"X-CSRFToken": str(visit(client, "/manage").one('meta[name="csrf-token"]')["content"])}


def test_who_will_be_told_is_said_before_anything_happens(editor: FlaskClient, config_id: int) -> None:
    page = visit(editor, f"/manage/alerts/{config_id}").click("Fire drill…")
    assert "This channel gets two notices" in page.text
    assert [tag.get_text() for tag in page.all(".confirm li b")] == ["Hook"]
    assert "Left out, since inactive: Asleep." in page.text
    assert "A private incident opens and closes" in page.text
    assert count(Drill) == 0
    page = page.form("Start fire drill").submit()
    assert page.heading == f"Fire drill {only(Drill).id} Running"
    assert only(Drill).requested_by == "editor@example.com"


def test_a_report_follows_every_step_to_the_end(editor: FlaskClient, config_id: int) -> None:
    drill_id = drills.start(config_id, actor=SAM)
    path = f"/manage/alerts/{config_id}/drills/{drill_id}"
    page = visit(editor, path)
    assert "Waiting for a worker." in page.text
    assert page.one("#live")["hx-trigger"].startswith("every 2s")
    assert steps(page)["Taken up by a worker"] == ["still to come", "–", "–", "–"]
    drills.run(drill_id)
    page = visit(editor, path)
    assert "3 of 3 failing: the failure threshold is reached." in steps(page)["Decided by the rule"][0]
    assert f"incident {only(Alert).incident_id}, for operators only" in steps(page)["Visible to operators"][0]
    assert steps(page)["TRIGGERED to Hook"][:2] == ["waiting", "–"]
    assert "RESOLVED to Hook" not in steps(page)
    deliver_all()
    drills.run(drill_id)
    deliver_all()
    page = visit(editor, path)
    assert page.heading.endswith("Passed")
    assert "1 channel told within" in page.texts(".flash")[0]
    assert list(steps(page)) == [
        "Asked for",
        "Taken up by a worker",
        "Decided by the rule",
        "Visible to operators",
        "TRIGGERED to Hook",
        "Resolved",
        "RESOLVED to Hook",
    ]
    for head, (what, at, took, after) in steps(page).items():
        assert "–" not in (at, after) and (took == "–") == (head == "Asked for"), (head, what)
        assert after.endswith((" s", " ms"))
    assert steps(page)["TRIGGERED to Hook"][0] == "sent: HTTP 200"
    assert "5 of 5 passing" in steps(page)["Resolved"][0]
    assert not page.one("#live").has_attr("hx-get")
    assert page.click("Its incident").heading.startswith("[drill] Api STATUS: DOWN")


def test_the_seconds_are_those_of_the_steps(editor: FlaskClient, config_id: int) -> None:
    start = clock.now()
    with time_machine.travel(start, tick=False) as traveller:
        drill_id = drills.start(config_id, actor=SAM)
        traveller.shift(timedelta(seconds=2))
        drills.run(drill_id)
        traveller.shift(timedelta(seconds=0.5))
        deliver_all()
        traveller.shift(timedelta(seconds=4))
        drills.run(drill_id)
        traveller.shift(timedelta(seconds=1))
        deliver_all()
    found = steps(visit(editor, f"/manage/alerts/{config_id}/drills/{drill_id}"))
    assert {head: cells[2:] for head, cells in found.items()} == {
        "Asked for": ["–", "0 ms"],
        "Taken up by a worker": ["2 s", "2 s"],
        "Decided by the rule": ["0 ms", "2 s"],
        "Visible to operators": ["0 ms", "2 s"],
        "TRIGGERED to Hook": ["500 ms", "2.5 s"],
        "Resolved": ["4.5 s", "6.5 s"],
        "RESOLVED to Hook": ["1 s", "7.5 s"],
    }


def test_a_channel_that_refuses_is_named_with_its_answer(editor: FlaskClient, hook: HttpDouble, config_id: int) -> None:
    hook.on("/hook", reply(410, b"This channel was archived."))
    drill_id = drills.start(config_id, actor=SAM)
    finish(drill_id)
    page = visit(editor, f"/manage/alerts/{config_id}/drills/{drill_id}")
    assert page.heading.endswith("Failed")
    assert page.texts(".flash")[0].startswith("1 notice did not arrive.")
    assert steps(page)["TRIGGERED to Hook"][0].startswith("failed for good: HTTP 410")
    assert steps(page)["TRIGGERED to Hook"][3].endswith((" s", " ms"))
    assert "The all-clear goes only to channels that got the alert." in page.text
    history = visit(editor, f"/manage/alerts/{config_id}").one("#h-drills").find_parent("section")
    assert history is not None and "0 of 1 told" in history.get_text() and "Failed" in history.get_text()


def test_a_channel_that_is_late_is_watched_on(editor: FlaskClient, hook: HttpDouble, config_id: int) -> None:
    hook.on("/hook", reply(503))
    drill_id = drills.start(config_id, actor=SAM)
    drills.run(drill_id)
    deliver_all()
    with time_machine.travel(clock.now() + drills.PATIENCE, tick=True):
        drills.run(drill_id)
    page = visit(editor, f"/manage/alerts/{config_id}/drills/{drill_id}")
    assert page.heading.endswith("Late")
    assert page.one("#live")["hx-trigger"].startswith("every 15s")
    assert steps(page)["TRIGGERED to Hook"][0].startswith("will be tried again: HTTP 503")


def test_the_poll_gets_the_live_part_alone(viewer: FlaskClient, config_id: int) -> None:
    drill_id = drills.start(config_id, actor=SAM)
    path = f"/manage/alerts/{config_id}/drills/{drill_id}"
    page = visit(viewer, path, headers=HTMX, fragment=True)
    assert page.one("#live")["hx-get"] == path
    assert not page.all("html > head > title, .side")


def test_what_would_not_fire_for_real_is_refused_with_the_reason(editor: FlaskClient, config_id: int) -> None:
    form = visit(editor, f"/manage/alerts/{config_id}/drills/new").form("Start fire drill")
    configurations.deactivate(config_id, actor=SAM)
    page = form.submit(status=422)
    assert page.heading == "No fire drill now"
    assert "inactive: a real outage would go unnoticed" in page.text
    again = visit(editor, f"/manage/alerts/{config_id}/drills/new")
    assert not again.all("form.confirm")
    assert count(Drill) == 0


def test_one_of_several_monitors_is_chosen_and_maintenance_is_pointed_out(editor: FlaskClient) -> None:
    make_monitor("api")
    make_monitor("web")
    config_id = make_configuration(["api", "web"])
    now = clock.epoch()
    plan_maintenance("web", start=now - 60, end=now + 600)
    page = visit(editor, f"/manage/alerts/{config_id}/drills/new")
    assert "Maintenance runs on Web: a real outage would be held back" in page.text
    assert "Nobody is told:" in page.text
    assert "No incident opens, since create incident is NO." in page.text
    page.form("Start fire drill").fill(monitor_tag="Web").submit()
    assert only(Drill).monitor_tag == "web"
    finish(only(Drill).id)
    page = visit(editor, f"/manage/alerts/{config_id}/drills/{only(Drill).id}")
    assert "Nobody was told" in page.texts(".flash")[0]
    assert page.click("Again…").form("Start fire drill")["monitor_tag"] == ["web"]


def test_a_drill_stands_on_the_page_of_its_own_configuration_only(viewer: FlaskClient, config_id: int) -> None:
    other = make_configuration("api")
    drill_id = drills.start(config_id, actor=SAM)
    visit(viewer, f"/manage/alerts/{other}/drills/{drill_id}", status=404)
    visit(viewer, f"/manage/alerts/{config_id}/drills/{drill_id + 1}", status=404)


def test_viewers_read_reports_and_start_nothing(
    client: FlaskClient, viewer: FlaskClient, editor: FlaskClient, config_id: int
) -> None:
    path = f"/manage/alerts/{config_id}/drills"
    assert viewer.get(f"{path}/new").status_code == viewer.post(path, headers=token(viewer)).status_code == 403
    assert client.get(f"{path}/new").status_code == client.get(f"{path}/1").status_code == 303
    assert count(Drill) == 0
    drill_id = drills.start(config_id, actor=SAM)
    assert visit(viewer, f"{path}/{drill_id}").heading.endswith("Running")
    assert "Fire drill…" not in visit(viewer, f"/manage/alerts/{config_id}").text
    visit(editor, f"/manage/alerts/{config_id + 99}/drills/new", status=404)
    nowhere = f"/manage/alerts/{config_id + 99}/drills"
    assert editor.post(nowhere, headers=token(editor)).status_code == 404


def test_a_drill_that_no_worker_took_says_what_is_wrong(editor: FlaskClient, config_id: int) -> None:
    drill_id = drills.start(config_id, actor=SAM)
    with time_machine.travel(clock.now() + drills.EXPIRES, tick=True):
        drills.sweep()
    page = visit(editor, f"/manage/alerts/{config_id}/drills/{drill_id}")
    assert page.heading.endswith("Failed")
    assert "No worker took it up" in page.texts(".flash")[0]
    assert steps(page)["Resolved"][0] == "did not come to it"
