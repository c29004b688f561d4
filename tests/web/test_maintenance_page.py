"""The public page of a maintenance: when, for how long, what it concerns; and nothing of what is hidden."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from kener.domain.inputs import MaintenanceInput, SpanInput
from kener.models import MaintenanceWindow
from kener.services import maintenances, occurrences
from tests.factories import SAM, every, make_monitor, plan_maintenance
from tests.support.pages import Page
from tests.support.pages import visit as open_page
from tests.support.statements import counted

Visit = Callable[..., Page]
NOW = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
HOUR, DAY = 3600, 86_400


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_a_page_says_when_what_and_for_how_long(visit: Visit) -> None:
    make_monitor("api")
    make_monitor("web")
    impacts = [{"monitor_tag": "api", "impact": "DOWN"}, {"monitor_tag": "web", "impact": "UP"}]
    key = plan_maintenance(start=NOW - HOUR, end=NOW + HOUR, description="**Slow** <b>logins</b>", monitors=impacts)
    page = visit("/").click("Move")
    assert page.url == f"/maintenances/{key}" and page.heading == "Move"
    assert page.texts(".incident > header .tag") == ["In progress"]
    assert page.texts(".prose strong") == ["Slow"] and not page.all(".prose b")
    facts = dict(zip(page.texts(".facts dt"), page.texts(".facts dd"), strict=True))
    assert facts["Until"] == "4 Mar, 13:00 UTC" and facts["Lasts"] == "2 hours"
    assert facts["Concerns"] == "Api : down Web : operational"
    assert page.click("Web").url == "/monitors/web"


def test_a_series_shows_what_was_what_comes_and_what_was_called_off(visit: Visit) -> None:
    key = plan_maintenance(start=NOW - HOUR, end=NOW, rrule="FREQ=DAILY", timezone="Europe/Berlin")
    first, second, third = every(MaintenanceWindow)[:3]
    occurrences.cancel(key, second.id, actor=SAM)
    later = SpanInput(start_at=third.start_at + timedelta(hours=4), end_at=third.end_at + timedelta(hours=4))
    occurrences.reschedule(key, third.id, later, actor=SAM)
    with time_machine.travel(NOW + 60, tick=False):
        page = visit(f"/maintenances/{key}")
    assert "Every day at 12:00, Europe/Berlin, for 1 hour" in page.text
    assert page.texts("section h2") == ["To come"]
    rows = page.texts(".occurrences li")
    assert rows[1].endswith("Cancelled") and "moved" in rows[2] and rows[-1] == "and more after these"
    assert len(rows) == 11 and page.texts(".incident > header .tag") == ["Soon"]
    assert first.start_at.timestamp() == NOW + DAY - HOUR


def test_past_occurrences_are_listed(visit: Visit) -> None:
    key = plan_maintenance(start=NOW - HOUR, end=NOW + HOUR, rrule="FREQ=DAILY")
    with time_machine.travel(NOW + 8 * DAY, tick=False):
        while occurrences.advance(datetime.now(UTC)):
            pass
        page = visit(f"/maintenances/{key}")
    assert page.texts("section h2") == ["In progress", "To come", "Past"]
    assert len(page.texts("section:last-of-type .occurrences li")) == 5


def test_hidden_monitors_leak_nowhere(visit: Visit, viewer: FlaskClient) -> None:
    make_monitor("api")
    make_monitor("vault", is_hidden=True)
    mixed = plan_maintenance("api", "vault", start=NOW - HOUR, end=NOW + HOUR)
    secret = plan_maintenance("vault", start=NOW - HOUR, end=NOW + HOUR, title="Secret")
    page = visit(f"/maintenances/{mixed}")
    assert "Api" in page.text and "vault" not in page.html.lower()
    assert "Secret" not in visit(f"/maintenances/{secret}", status=404).text
    assert "for operators only" in open_page(viewer, f"/maintenances/{secret}").text
    assert "Vault" in open_page(viewer, f"/maintenances/{mixed}").text


def test_what_is_inactive_or_not_there_is_not_found(visit: Visit, viewer: FlaskClient) -> None:
    key = plan_maintenance(start=NOW + HOUR, end=NOW + 2 * HOUR)
    given = {"title": "Move", "start_at": datetime.fromtimestamp(NOW + HOUR, UTC), "is_active": False}
    maintenances.update(key, MaintenanceInput.model_validate(given), actor=SAM)
    visit(f"/maintenances/{key}", status=404)
    visit("/maintenances/999", status=404)
    assert "inactive: only operators see it" in open_page(viewer, f"/maintenances/{key}").text


def test_the_home_page_shows_of_a_series_what_comes_next(visit: Visit) -> None:
    plan_maintenance(start=NOW + HOUR, end=NOW + 2 * HOUR, rrule="FREQ=DAILY")
    page = visit("/")
    assert len(page.all("article.window")) == 1
    assert "Every day at 13:00, UTC, for 1 hour" in page.one("article.window").text


def test_a_page_polls_while_something_is_to_come(visit: Visit, client: FlaskClient) -> None:
    key = plan_maintenance(start=NOW - HOUR, end=NOW + HOUR)
    page = visit(f"/maintenances/{key}")
    poll = str(page.one("#live")["hx-get"])
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 204
    occurrences.finish(key, every(MaintenanceWindow)[0].id, actor=SAM)
    assert not visit(f"/maintenances/{key}").one("#live").has_attr("hx-get")


def test_a_page_asks_a_fixed_number_of_questions(client: FlaskClient) -> None:
    numbers = []
    for count in (1, 20):
        tags = [f"m{count}-{number}" for number in range(count)]
        for tag in tags:
            make_monitor(tag)
        key = plan_maintenance(*tags, start=NOW - 10 * DAY, end=NOW - 10 * DAY + HOUR, rrule="FREQ=DAILY")
        with counted() as statements:
            assert client.get(f"/maintenances/{key}").status_code == 200
        numbers.append(len([one for one in statements if one.startswith("SELECT")]))
    assert numbers[0] == numbers[1] <= 9
