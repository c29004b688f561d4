"""Uptime figures and day bars against stories that are computed by hand."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask

from kener import clock, live
from kener.db import reading, transaction
from kener.domain.status import Status
from kener.models import Maintenance, WindowState
from kener.queries import history
from kener.services import incidents, site
from kener.services.site import Site
from tests.factories import (
    SAM,
    id_of,
    make_configuration,
    make_incident,
    make_monitor,
    plan_maintenance,
    post,
    record,
    sample,
)
from tests.support.pages import Page

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
MINUTE, HOUR, DAY = 60, 3_600, 86_400
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


def bars(page: Page, tag: str) -> str:
    """What a screen reader says for a monitor's days."""
    return str(page.one(f"#monitor-{tag} .bars svg[role=img]")["aria-label"])


def test_uptime_is_what_one_computes_by_hand_and_what_was_not_measured_is_outside(visit: Visit):
    make_monitor("api")
    assert bars(visit("/"), "api") == "Not monitored yet." and "–" in visit("/").one("#monitor-api .mon-up").text
    for at, status, span_s in (
        (NOON - 60 * HOUR, "UP", 6 * HOUR),  # 12 May, 00:00 to 06:00; then nothing for six hours
        (NOON - 48 * HOUR, "DOWN", HOUR),
        (NOON - 47 * HOUR, "DEGRADED", HOUR),  # available: it counts as up; then nothing all of 13 May
        (NOON - HOUR, "UP", HOUR),
    ):
        record(sample("api", at, status, span_s=span_s))
    live.publish()
    page = visit("/")
    # 6 h up + 1 h degraded + 1 h up of 9 h measured
    assert page.texts("#monitor-api .mon-up span") == ["88.88 %"] * 2
    assert bars(page, "api") == "Monitored for 3 days, 88.88\u202f% up. Down 1 h on 12 May."
    drawing = page.one("#monitor-api .bars svg")
    assert drawing["data-days"] == "0-86 88-88 87:21600,3600,3600,0"
    assert drawing.select_one("path.b-none")["d"] == "M2 26H607M618 26H621"


def test_a_hundred_percent_is_exact(visit: Visit):
    make_monitor("api")
    for back in range(89, -1, -1):
        record(sample("api", NOON - back * DAY, "UP", span_s=DAY))
    assert visit("/").texts("#monitor-api .mon-up span") == ["100 %", "100 %"]
    record(
        sample("api", NOON - 80 * DAY, "DOWN", span_s=1),
        sample("api", NOON - 80 * DAY + 1, "UP", span_s=DAY),
        replace=True,
    )
    live.publish()
    page = visit("/")
    assert page.texts("#monitor-api .mon-up span") == ["99.99 %", "100 %"]
    assert bars(page, "api") == "90 days, 99.99\u202f% up. Down 1 s on 24 February."


def test_downtime_inside_a_window_is_maintenance_and_downtime_beside_it_stays(visit: Visit):
    make_monitor("api")
    for hour, status in enumerate(["UP", "DOWN", "UP", "DOWN", "UP", "UP"]):
        record(sample("api", NOON - (6 - hour) * HOUR, status, span_s=HOUR))
    plan_maintenance("api", start=NOON - 3 * HOUR, end=NOON - HOUR)
    page = visit("/")
    # The hour from 7 to 8 was an outage, those from 9 to 11 were planned and count as nothing: 3 h of 4 h
    assert page.texts("#monitor-api .mon-up span") == ["75 %"] * 2
    assert bars(page, "api") == "Monitored for 1 day, 75\u202f% up. Down 1 h today."
    assert visit("/monitors/api").texts(".counts b") == ["75 %"] * 4


def test_every_window_counts_once_and_the_open_stretch_is_maintained_too(visit: Visit):
    make_monitor("api")
    for minutes, status in ((120, "UP"), (90, "DEGRADED"), (60, "DOWN")):
        record(sample("api", NOON - minutes * MINUTE, status, span_s=DAY))
    for start, end in ((60, 20), (40, 10), (60, -60)):
        plan_maintenance("api", start=NOON - start * MINUTE, end=NOON - end * MINUTE)
    page = visit("/")
    assert page.texts("#monitor-api .mon-up span") == ["100 %"] * 2
    assert bars(page, "api") == "Monitored for 1 day, 100\u202f% up. Degraded 30 min today."
    assert page.one("#monitor-api .bars svg")["data-days"] == "0-88 89:1800,1800,0,3600"


def test_a_day_is_a_day_of_the_site(visit: Visit, app: Flask):
    site.change(Site(name="Kener", url="", zone="Pacific/Auckland"), actor=SAM)
    make_monitor("api")
    record(sample("api", NOON - HOUR, "DOWN", span_s=HOUR), sample("api", NOON, "UP", span_s=HOUR))
    live.publish()
    drawing = visit("/").one("#monitor-api .bars svg")
    # Noon is midnight in Auckland: the outage was yesterday
    assert drawing["data-days"] == "0-87 89-89 88:0,0,3600,0" and drawing["data-from"] == "2024-02-16"


def test_a_stop_of_half_an_hour_is_thirty_grey_minutes_and_changes_no_uptime(visit: Visit):
    make_monitor("api")
    minutes = [*range(-60, -45), *range(-15, 0)]  # the product was off from 11:15 to 11:45
    record(*(sample("api", NOON + n * MINUTE, "DOWN" if n in (-60, -1) else "UP") for n in minutes))
    strip = history.last_hour(reading(), [id_of("api")]).statuses[id_of("api")]
    assert strip[:-1].count(Status.NO_DATA) == 30  # the last one is the minute that begins now
    page = visit("/monitors/api")
    # 28 of 30 measured minutes, as if the stop had not been
    assert page.texts(".counts b") == ["93.33 %"] * 4
    assert page.one(".bars svg")["data-days"] == "0-88 89:1680,0,120,0"


def test_an_edited_window_and_a_late_incident_correct_the_past(visit: Visit):
    make_monitor("api")
    record(*(sample("api", NOON - n * MINUTE, "DOWN" if n <= 60 else "UP") for n in range(120, 0, -1)))
    number = plan_maintenance("api", start=NOON - 60 * MINUTE, end=NOON)
    assert visit("/monitors/api").texts(".counts b") == ["100 %"] * 4
    with transaction() as session:
        session.get_one(Maintenance, number).windows[0].state = WindowState.CANCELLED
    live.publish()
    assert visit("/monitors/api").texts(".counts b") == ["50 %"] * 4
    incident = make_incident("api", start=NOON - 90 * MINUTE, monitors=[{"monitor_tag": "api", "impact": "DOWN"}])
    post(incident, "RESOLVED", at=NOON - 60 * MINUTE)
    assert visit("/monitors/api").texts(".counts b") == ["25 %"] * 4
    incidents.delete(incident, actor=SAM)
    assert visit("/monitors/api").texts(".counts b") == ["50 %"] * 4


@pytest.mark.parametrize(
    ("impact", "uptime", "data"),
    [
        ("UP", "100 %", None),
        ("DEGRADED", "100 %", "0-88 89:3600,3600,0,0"),
        ("DOWN", "50 %", "0-88 89:3600,0,3600,0"),
        ("MAINTENANCE", "100 %", "0-88 89:3600,0,0,3600"),
    ],
)
def test_a_window_of_sixty_minutes_counts_sixty_minutes_as_its_impact(
    visit: Visit, impact: str, uptime: str, data: str | None
):
    make_monitor("api")
    record(*(sample("api", NOON - n * MINUTE, "DOWN" if n <= 60 else "UP") for n in range(120, 0, -1)))
    number = plan_maintenance("api", start=NOON - 60 * MINUTE, end=NOON)
    with transaction() as session:
        session.get_one(Maintenance, number).monitors[0].impact = Status(impact)
    live.publish()
    page = visit("/monitors/api")
    assert page.texts(".counts b") == [uptime] * 4
    assert page.one(".bars svg")["data-days"] == (data or "0-88")


def test_what_an_alert_opened_paints_over_nothing(visit: Visit):
    make_monitor("api")
    make_configuration("api", failure_threshold=1, create_incident=True)
    record(*(sample("api", NOON - n * MINUTE, "DOWN" if n == 30 else "UP") for n in range(60, 0, -1)))
    assert visit("/monitors/api").texts(".counts b") == ["98.33 %"] * 4
