"""The page of one incident: what happened, to whom, and the whole timeline with its Markdown made safe."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from bs4 import Tag
from flask import Flask
from flask.testing import FlaskClient

from kener import clock, live
from kener.models import Incident
from kener.services import incidents, monitors
from tests.factories import SAM, make_configuration, make_incident, make_monitor, observe, only, post, update_input
from tests.support.pages import Page, words
from tests.support.pages import visit as open_page

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
MINUTE, HOUR = 60, 3_600
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


def facts(page: Page) -> dict[str, str]:
    return dict(zip(page.texts(".facts dt"), page.texts(".facts dd"), strict=True))


def written(visit: Visit, text: str) -> Tag:
    """An update with this text as it stands on the page."""
    number = make_incident(start=NOON - HOUR)
    post(number, "INVESTIGATING", text=text)
    return visit(f"/incidents/{number}").one(".timeline .prose")


def test_an_open_incident_says_what_is_known(visit: Visit):
    make_monitor("api", name="Payment API"), make_monitor("web")
    number = make_incident(
        start=NOON - 2 * HOUR - 5 * MINUTE,
        monitors=[{"monitor_tag": "api"}, {"monitor_tag": "web", "impact": "DEGRADED"}],
    )
    post(number, "IDENTIFIED", at=NOON - HOUR)
    page = visit(f"/incidents/{number}")
    assert page.heading == "Slow payments" and page.one(".stage").text.strip() == "Identified"
    assert f"Incident {number}, opened 2 h ago" in page.text and "Slow payments" in page.one("title").text
    assert facts(page) == {
        "Affects": "Payment API : down Web : degraded",
        "Started": "14 May, 09:55 UTC",
        "Ended": "not yet",
        "Lasting": "2 hours 5 minutes",
    }
    assert page.click("Payment API").heading == "Payment API"


def test_a_closed_incident_says_when_it_ended_and_how_long_it_lasted(visit: Visit):
    number = make_incident(start=NOON - 2 * HOUR)
    post(number, "RESOLVED", at=NOON - HOUR)
    post(number, "RESOLVED", at=NOON, text="Post-mortem.")
    page = visit(f"/incidents/{number}")
    assert page.one(".stage").text.strip() == "Resolved"
    assert facts(page) == {"Started": "14 May, 10:00 UTC", "Ended": "14 May, 11:00 UTC", "Lasted": "1 hour"}


def test_an_incident_without_updates_says_so(visit: Visit):
    assert "No update yet." in visit(f"/incidents/{make_incident(start=NOON)}").one(".timeline").text


def test_the_timeline_runs_from_the_newest_update_to_the_first(visit: Visit):
    number = make_incident(start=NOON - HOUR)
    for minutes, state in ((30, "MONITORING"), (60, "INVESTIGATING"), (45, "IDENTIFIED")):
        post(number, state, at=NOON - minutes * MINUTE, text=f"{minutes} minutes ago.")
    page = visit(f"/incidents/{number}")
    assert page.texts(".timeline .prose") == ["30 minutes ago.", "45 minutes ago.", "60 minutes ago."]
    assert [text.split()[0] for text in page.texts(".timeline h4")] == ["Monitoring", "Identified", "Investigating"]
    assert page.texts(".timeline .when")[0] == "11:30 UTC 30 min ago"
    for anchor in page.all(".timeline a.anchor"):
        assert str(anchor["href"]) == f"/incidents/{number}#{anchor.find_parent('li')['id']}"


def test_an_edited_update_shows_its_new_words(visit: Visit):
    number = make_incident(start=NOON - HOUR)
    entry = post(number, "INVESTIGATING", at=NOON - HOUR, text="Typo.")
    assert visit(f"/incidents/{number}").texts(".timeline .prose") == ["Typo."]
    incidents.edit_update(number, entry, update_input("IDENTIFIED", text="Mended."), actor=SAM)
    page = visit(f"/incidents/{number}")
    assert page.texts(".timeline .prose") == ["Mended."] and page.one(".stage").text.strip() == "Identified"


@pytest.mark.parametrize(("updates", "folded"), [(4, 0), (5, 2), (9, 6)])
def test_home_folds_the_middle_of_a_long_story_and_the_page_tells_it_all(visit: Visit, updates: int, folded: int):
    number = make_incident(start=NOON - HOUR)
    for n in range(updates):
        post(number, "INVESTIGATING", at=NOON - HOUR + n * MINUTE, text=f"Update {n}.")
    told = [f"Update {n}." for n in reversed(range(updates))]
    assert visit(f"/incidents/{number}").texts(".timeline .prose") == told
    home = visit("/")
    assert home.texts(".timeline .prose") == told
    assert home.texts(".timeline details .prose") == (told[2:-1] if folded else [])
    assert home.texts(".timeline details summary") == ([f"{folded} more"] if folded else [])


def test_an_automatic_incident_says_that_it_was_opened_and_written_automatically(visit: Visit):
    make_monitor("api", name="Payment | API")
    make_configuration("api", create_incident=True, failure_threshold=1, success_threshold=1)
    observe("api", "DOWN", start=NOON - HOUR)
    number = only(Incident).id
    page = visit(f"/incidents/{number}")
    assert page.heading == "Payment | API STATUS: DOWN" and "opened automatically 1 h ago" in page.text
    assert "written automatically" in page.one(".timeline h4").text
    rows = [[words(cell) for cell in row.select("th, td")] for row in page.all(".prose table tr")]
    assert rows[0] == ["Setting", "Value"] and ["Monitor Name", "Payment | API"] in rows
    assert ["Incident Status", "TRIGGERED"] in rows and all(len(row) == 2 for row in rows)
    observe("api", "UP", start=NOON - 13 * MINUTE)
    live.publish()
    page = visit(f"/incidents/{number}")
    assert page.texts(".prose")[0].startswith("The alert has been resolved, Total duration: 47 minutes")
    assert facts(page)["Lasted"] == "47 minutes"


def test_a_private_incident_exists_for_staff_only(visit: Visit, viewer: FlaskClient):
    number = make_incident(start=NOON - HOUR, is_private=True)
    assert visit(f"/incidents/{number}", status=404).heading == "Nothing here"
    assert "for operators only" in open_page(viewer, f"/incidents/{number}").text


def test_monitors_that_are_hidden_paused_or_gone_lead_nowhere(visit: Visit, viewer: FlaskClient):
    for tag in ("gone", "paused", "hidden", "shown"):
        make_monitor(tag, is_hidden=tag == "hidden")
    number = make_incident("gone", "paused", "hidden", "shown", start=NOON - HOUR)
    monitors.delete("gone", actor=SAM)
    monitors.pause("paused", actor=SAM)
    page = visit(f"/incidents/{number}")
    assert facts(page)["Affects"] == "Gone: down Paused: down Shown : down"
    assert page.texts(".facts a") == ["Shown"]
    assert open_page(viewer, f"/incidents/{number}").texts(".facts a") == ["Hidden", "Shown"]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("number", ["0", "-1", "4711", "2147483648", "9" * 19, "9" * 5000, "x", "1.5", ""])
def test_what_does_not_exist_is_a_404_page(visit: Visit, number: str):
    assert visit(f"/incidents/{number}", status=404).heading == "Nothing here"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("[go](javascript:alert(1))", "[go](javascript:alert(1))"),
        ("[go](JaVa&#x53;cript:alert(1))", "[go](JaVaScript:alert(1))"),
        ("[go](data:text/html;base64,PHNjcmlwdD4=)", "[go](data:text/html;base64,PHNjcmlwdD4=)"),
        ("<javascript:alert(1)>", "<javascript:alert(1)>"),
        ('<a href="https://example.com" onclick="x()">go</a>', '<a href="https://example.com" onclick="x()">go</a>'),
    ],
)
def test_what_could_run_is_shown_and_not_obeyed(visit: Visit, text: str, shown: str):
    prose = written(visit, text)
    assert words(prose) == shown and not prose.select("script, img, a[href], iframe, object")


def test_markdown_is_drawn_below_the_headings_of_the_page(visit: Visit):
    prose = written(
        visit,
        "# Cause\n\nA *cable* was **cut**,\nthen `ssh`.\n\n- one\n- two\n\n| A | B |\n|---|--:|\n| 1 | <b> |\n\n~~no~~ [more](https://example.com/?a=1&b=2)",
    )
    assert prose.select_one("h3").text == "Cause" and not prose.select("h1, h2")
    assert [words(item) for item in prose.select("li, td, em, strong, code, s, del")] == [
        *("cable", "cut", "ssh", "one", "two", "1", "<b>", "no")
    ]
    assert prose.select("p br")
    link = prose.select_one("a")
    assert link["href"] == "https://example.com/?a=1&b=2" and {"nofollow", "noopener"} <= set(link["rel"])


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("![the *graph*](https://example.com/g.png?a=1&b=2)", "https://example.com/g.png?a=1&b=2", "the graph"),
        ("![](https://example.com/g.png)", "https://example.com/g.png", "https://example.com/g.png"),
        ('![<b>&"](https://example.com/"onerror=)', "https://example.com/%22onerror=", '<b>&"'),
    ],
)
def test_an_image_becomes_a_link_so_that_nothing_is_loaded_from_elsewhere(
    visit: Visit, text: str, address: str, shown: str
):
    prose = written(visit, text)
    assert [(link["href"], link.text) for link in prose.select("a")] == [(address, shown)] and not prose.select("img")
