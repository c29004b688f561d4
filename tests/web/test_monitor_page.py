"""The page of one monitor: status, uptime, response times, incidents."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock, live
from kener.queries.history import RANGES
from kener.services import monitors
from tests.factories import SAM, make_incident, make_monitor, observe, plan_maintenance, post, record, sample
from tests.support.pages import Page
from tests.support.pages import visit as open_page

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
HOUR, DAY = 3_600, 86_400
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


def chart(page: Page) -> str:
    """What the chart says in words."""
    return str(page.one("svg.plot")["aria-label"]).replace("\u202f", " ")


def strip(page: Page) -> dict[str, str]:
    """The paths at the foot of the chart by the name of their status."""
    return {str(path["class"][0]): str(path["d"]) for path in page.all("svg.plot svg path[class^=m-]")}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mariadb"])
def test_what_does_not_exist_is_a_404_page(visit: Visit):
    make_monitor("api")
    for path in ("nothing", "API", "a%00b", "api%20", "x" * 300, "api?range=1y", "api?range=", "api/"):
        assert visit(f"/monitors/{path}", status=404).heading == "Nothing here"


@pytest.mark.parametrize("span", RANGES)
def test_every_span_has_its_chart(visit: Visit, span: str):
    make_monitor("api")
    for hour, ms in ((-30, 900), (-3, 400), (-2, 100), (-1, 200)):
        record(sample("api", NOON + hour * HOUR, "UP", span_s=HOUR, latency_ms=ms))
    page = visit(f"/monitors/api?range={span}")
    assert page.one("nav.ranges [aria-current]").text == span
    assert page.texts("nav.ranges a") == list(RANGES)
    expected = {
        "24h": "Response time from 13 May, 12:00 to 14 May, 12:00: typically 200 ms, 95 % within 400 ms, highest 400 ms at 09:00.",
        "7d": "Response time from 7 May, 12:00 to 14 May, 12:00: typically 300 ms, 95 % within 900 ms, highest 900 ms at 13 May, 06:00.",
        "30d": "Response time from 14 Apr to 14 May: typically 300 ms, 95 % within 900 ms, highest 900 ms at 13 May.",
        "90d": "Response time from 14 Feb to 14 May: typically 566 ms, 95 % within 900 ms, highest 900 ms at 13 May.",
    }
    assert chart(page) == expected[span]
    assert page.all("details.figures tbody tr")


def test_without_a_span_it_is_the_last_day(visit: Visit):
    make_monitor("api")
    page = visit("/monitors/api")
    assert page.one("nav.ranges [aria-current]").text == "24h" and "nothing was measured" in page.text
    assert chart(page) == "Response time from 13 May, 12:00 to 14 May, 12:00: nothing measured."
    assert "Not checked yet." in page.text


def test_the_foot_of_the_chart_is_grey_only_where_nothing_was_measured(visit: Visit):
    make_monitor("api")
    for hour, status in ((-24, "UP"), (-12, "DOWN"), (-6, "UP")):
        record(sample("api", NOON + hour * HOUR, status, span_s=6 * HOUR))
    # 90 ticks of 4 over 24 hours: up from 0 to 6 h, nothing until 12 h, down until 18 h, up until now; a tick shows its worst
    assert strip(visit("/monitors/api")) == {
        "m-up": "M0 12H92M272 12H360",
        "m-none": "M92 18.5H180",
        "m-down": "M180 20H272",
    }


def test_status_and_its_age_are_told_in_words(visit: Visit):
    make_monitor("api", description="Takes <b>money</b>.", external_url="https://api.example.com/health?a=1&b=2")
    observe("api", "DOWN", "DOWN", start=NOON - 90, latency_ms=1200)
    page = visit("/monitors/api")
    assert page.heading == "Api" and page.one(".banner.banner-down")
    assert page.one(".banner p").text == "Down since 14 May, 11:58 UTC. Takes <b>money</b>."
    assert "Last check 11:59:30 UTC , answered in 1.2 s." in page.text
    link = page.one("a[href^='https://api.example.com']")
    assert link["href"] == "https://api.example.com/health?a=1&b=2" and "noopener" in link["rel"]
    plan_maintenance("api", start=NOON - HOUR, end=NOON + HOUR)
    assert visit("/monitors/api").one(".banner p").text.startswith("Maintenance until 14 May, 13:00 UTC.")


def test_a_monitor_that_fell_silent_is_not_monitored(visit: Visit):
    make_monitor("api", monitor_type="API", type_data={"url": "https://example.com"})
    observe("api", "UP", start=NOON - 180)
    assert visit("/monitors/api").one(".banner.banner-up")
    make_monitor("web", monitor_type="API", type_data={"url": "https://example.com"})
    observe("web", "DOWN", start=NOON - 181)
    assert visit("/monitors/web").one(".banner.banner-nodata p").text == "Not monitored."
    make_incident("web", start=NOON)
    assert visit("/monitors/web").one(".banner.banner-down p").text == "Down."


def test_its_incidents_are_listed_and_nobody_elses(visit: Visit, viewer: FlaskClient):
    make_monitor("api"), make_monitor("web")
    over = make_incident("api", "web", title="Cable cut", start=NOON - 5 * DAY)
    post(over, "RESOLVED", at=NOON - 5 * DAY + 1800, text="Spliced.")
    now = make_incident("api", title="Queue full", start=NOON - HOUR)
    make_incident("web", title="Elsewhere", start=NOON - HOUR)
    make_incident("api", title="Between us", start=NOON - HOUR, is_private=True)
    page = visit("/monitors/api")
    assert page.texts(".days .past h4 a") == ["Queue full", "Cable cut"]
    assert "1 hour" in page.texts(".days .past")[0] and "30 minutes Resolved. Spliced." in page.texts(".days .past")[1]
    assert page.click("Queue full").url == f"/incidents/{now}"
    assert "Between us" in open_page(viewer, "/monitors/api").text


def test_a_hidden_monitor_has_a_page_for_staff_and_a_paused_one_for_nobody(visit: Visit, viewer: FlaskClient):
    make_monitor("api", is_hidden=True)
    assert visit("/monitors/api", status=404).heading == "Nothing here"
    assert open_page(viewer, "/monitors/api").heading == "Api"
    monitors.pause("api", actor=SAM)
    assert open_page(viewer, "/monitors/api", status=404).heading == "Nothing here"


def test_the_newest_reading_shows_with_the_next_revision(visit: Visit):
    make_monitor("api")
    visit("/monitors/api")
    observe("api", "DEGRADED", start=NOON - 1)
    live.publish()
    assert visit("/monitors/api").one(".banner.banner-degraded")
