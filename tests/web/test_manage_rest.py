"""Maintenance, API keys, the site's settings and the overview, as people use them."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import update

from kener import clock
from kener.db import transaction
from kener.models import ApiKey, Delivery, DeliveryState, Maintenance, MaintenanceWindow, MonitorState
from kener.queries.health import SCHEDULER_KEY
from kener.services import monitors, site
from tests import factories
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}
NEW = "/manage/maintenances/new"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def set_zone(zone: str) -> None:
    site.change(site.Site("Acme", "", zone), actor=factories.SAM)


def window() -> tuple[datetime, datetime]:
    found = factories.only(MaintenanceWindow)
    return found.start_at, found.end_at


# Maintenance


def test_maintenance_is_planned_in_the_sites_zone(editor: FlaskClient) -> None:
    set_zone("Europe/Berlin")
    factories.make_monitor("api")
    form = visit(editor, "/manage/maintenances").click("Plan maintenance").form("Plan maintenance")
    start, end = (datetime.fromisoformat(form[name][0]) for name in ("start_at", "end_at"))
    assert (start.minute, start.second, (end - start).total_seconds()) == (0, 0, 3600)
    form.fill(title="Move <b>it</b>", monitor_tags=["api"], start_at="2030-07-01T12:30", end_at="2030-07-01T14:00")
    page = form.submit()
    assert window() == (utc(2030, 7, 1, 10, 30), utc(2030, 7, 1, 12))
    assert page.texts("tbody td")[:6] == [
        "Move <b>it</b>", "Planned", "1 Jul 2030, 12:30 CEST", "1 Jul 2030, 14:00 CEST", "1 h 30 min", "Api",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"),
    [({"title": " "}, "title"), ({"start_at": ""}, "start_at"), ({"start_at": "0001-01-01T00:30"}, "start_at"),
     ({"end_at": "9999-12-31T23:59"}, "end_at"), ({"end_at": "2030-07-01T12:30"}, "end_at"),
     ({"end_at": "2030-08-01T12:30"}, "end_at"), ({"description": "x" * 20_001}, "description")],
)  # fmt: skip
def test_a_refused_maintenance_says_why_and_keeps_what_was_typed(
    editor: FlaskClient, given: dict[str, str], field: str
) -> None:
    set_zone("Europe/Berlin")
    factories.make_monitor("api")
    typed = {"title": "Move", "start_at": "2030-07-01T12:30", "end_at": "2030-07-01T14:00", **given}
    page = visit(editor, NEW).form("Plan maintenance").fill(typed).fill(monitor_tags=["api"]).submit(status=422)
    assert len(page.texts(".error")) == len(page.texts(f"#e-{field}")) == 1
    again = page.form("Plan maintenance")
    assert again["monitor_tags"] == ["api"]
    for name, text in typed.items():
        assert again[name] == [text]
    assert factories.count(Maintenance) == 0


def test_an_edit_keeps_times_in_autumns_double_hour_and_overwrites_nobody(editor: FlaskClient) -> None:
    set_zone("Europe/Berlin")
    start, end = utc(2030, 10, 27, 1, 30), utc(2030, 10, 27, 3)
    factories.plan_maintenance(start=int(start.timestamp()), end=int(end.timestamp()))
    mine, theirs = (visit(editor, "/manage/maintenances").click("Edit Move").form("Save") for _ in range(2))
    assert mine["start_at"] == ["2030-10-27T02:30:00"]
    theirs.fill(title="Theirs", start_at="2030-10-27T02:30").submit()
    assert (factories.only(Maintenance).title, window()) == ("Theirs", (start, end))
    page = mine.fill(title="Mine").submit(status=409)
    assert "Someone else changed it meanwhile." in page.texts("#errors")[0]
    assert page.form("Save")["title"] == ["Mine"]
    assert page.form("Save").submit().texts("tbody .head") == ["Mine"]


def test_a_running_window_can_be_finished_once(editor: FlaskClient, viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.plan_maintenance("api", start=clock.epoch() - 60, end=clock.epoch() + 3600)
    page = visit(editor, "/manage/maintenances")
    assert page.texts("tbody .tail") == ["In progress"]
    assert not visit(viewer, "/manage/maintenances").all("main form, main a.btn")
    stale = page.form("Finish now")
    assert page.form("Finish now").submit().texts("tbody .tail") == ["Finished"]
    assert window()[1] <= clock.now()
    again = stale.submit()
    assert again.texts(".flash-down") == ["It is not running, so there is nothing to finish."]
    page = again.click("Delete…")
    assert "what failed inside it is shown as it was seen" in page.text
    assert "Nothing is planned." in page.form("Delete maintenance").submit().text


# API keys and settings


def test_a_key_is_shown_once_works_and_can_be_taken_back(owner: FlaskClient, client: FlaskClient) -> None:
    page = visit(owner, "/manage/api-keys").form("Make key").fill(name="<i>robot</i>").submit()
    key = str(page.one("#key")["value"])
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get("/api/v4/monitors", headers=headers).status_code == 200
    again = visit(owner, "/manage/api-keys")
    assert key not in again.html
    assert "<i>robot</i>" in again.text
    assert key[:12] in again.text
    assert page.form("Make key").fill(name="<i>robot</i>").submit(status=422).texts("#e-name")
    page = again.click("Delete…").form("Delete key").submit()
    assert "The key <i>robot</i> no longer works." in page.text
    assert client.get("/api/v4/monitors", headers=headers).status_code == 401
    assert factories.count(ApiKey) == 0


def test_name_and_zone_of_the_site_are_what_pages_show(owner: FlaskClient, client: FlaskClient) -> None:
    form = visit(owner, "/manage/settings").form("Save")
    assert form["zone"] == ["UTC"]
    page = form.fill(name="Acme & <Sons>", zone="Asia/Kathmandu").submit()
    assert "Saved. Visitors see it now." in page.text
    assert page.texts("main .brand, header .brand") == ["Acme & <Sons>"]
    assert page.form("Save")["zone"] == ["Asia/Kathmandu"]
    public = visit(client, "/")
    assert "Acme & <Sons>" in public.one("title").text
    assert "Times in Asia/Kathmandu" in public.text
    assert visit(owner, NEW).texts("#h-start_at") == ["Asia/Kathmandu"]
    for wrong in ("Mars/Olympus", "../etc/passwd", ""):
        page = visit(owner, "/manage/settings").form("Save").fill(zone=wrong, name="Typed").submit(status=422)
        assert "Choose a time zone from the list" in page.texts("#e-zone")[0]
        assert (page.form("Save")["zone"], page.form("Save")["name"]) == ([wrong], ["Typed"])


# The overview


def needs(page: Page) -> list[str]:
    """What wants somebody."""
    return page.texts("[aria-labelledby=h-needs] .needs > li")


def test_an_overview_without_monitors_or_scheduler_says_what_is_missing(
    viewer: FlaskClient, editor: FlaskClient
) -> None:
    page = visit(viewer, "/manage")
    assert "Nothing is watched yet." in page.text
    assert [text[:23] for text in needs(page)] == ["No scheduler is running"]
    assert visit(editor, "/manage").click("Add the first monitor").heading == "Add a monitor"


def test_a_quiet_overview_says_that_nothing_needs_anybody(viewer: FlaskClient, redis: Redis) -> None:
    redis.set(SCHEDULER_KEY, clock.epoch())
    factories.make_monitor("api")
    factories.make_monitor("web")
    monitors.pause("web", actor=factories.SAM)
    factories.observe("api", "UP", start=clock.epoch() - 5)
    page = visit(viewer, "/manage")
    assert needs(page) == []
    assert page.texts(".calm")[0].startswith("Nothing needs you. Last check")
    assert page.texts(".numbers dd")[:6] == ["1", "of 2 monitors", "0", "DOWN or DEGRADED", "1", "nothing is measured"]
    assert not page.all("nav.side .tag")
    fragment = Page(viewer, viewer.get("/manage", headers=HTMX), fragment=True)
    assert fragment.one("#live")["hx-get"] == "/manage"
    assert not fragment.all("nav.side")


def test_a_busy_overview_lists_alerts_lost_messages_and_late_checks(viewer: FlaskClient, redis: Redis) -> None:
    redis.set(SCHEDULER_KEY, clock.epoch())
    factories.make_monitor("api", name="<b>API</b>")
    factories.make_monitor("web")
    rule = {"failure_threshold": 1, "trigger_ids": [factories.make_trigger(name="Chat")]}
    factories.make_configuration("api", create_incident=True, **rule)
    factories.observe("api", "DOWN", start=clock.epoch() - 60, error="HTTP 503")
    with transaction() as session:
        session.execute(update(Delivery).values(state=DeliveryState.FAILED, answer="HTTP 410"))
        session.execute(update(MonitorState).values(due_at=None))
        late = update(MonitorState).where(MonitorState.monitor_id == factories.id_of("web"))
        session.execute(late.values(due_at=clock.epoch() - 300))
    page = visit(viewer, "/manage")
    alert, notice, check = needs(page)
    assert alert.startswith("<b>API</b> STATUS: DOWN Triggered")
    assert "Observed DOWN: HTTP 503" in alert
    assert (notice, check[:35]) == (
        "1 notice to Chat failed HTTP 410 Deliveries",
        "1 check overdue The oldest by 5 min",
    )
    assert page.texts("nav.side .tag") == ["1 down", "1 active", "1 open", "1 not sent"]
    assert "Checks are late: 5 min" in page.text
    assert page.texts("[aria-labelledby=h-troubled] .head a") == ["<b>API</b>"]
    assert visit(viewer, str(page.one("[id^=needs-alert] a")["href"])).heading == "<b>API</b> STATUS: DOWN"
