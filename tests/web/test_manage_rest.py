"""API keys, the site's settings and the overview, as people use them."""

from datetime import UTC, datetime

from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import update

from kener import clock
from kener.db import transaction
from kener.models import ApiKey, Delivery, DeliveryState, MonitorState
from kener.queries.health import SCHEDULER_KEY
from kener.services import monitors, site
from tests import factories
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def set_zone(zone: str) -> None:
    site.change(site.Site("Acme", "", zone), actor=factories.SAM)


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
    assert visit(owner, "/manage/maintenances/new").form("Plan maintenance")["timezone"] == ["Asia/Kathmandu"]
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
