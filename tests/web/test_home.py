"""The home page: the verdict, the monitors with their days, incidents and maintenance, for visitors and for staff."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.services import monitors
from tests.factories import SAM, make_incident, make_monitor, observe, plan_maintenance, post
from tests.support.pages import Page
from tests.support.pages import visit as open_page
from tests.support.statements import counted

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
HOUR, DAY = 3_600, 86_400
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


def seen(tag: str, status: str = "UP", **fields: object) -> None:
    """A monitor that was checked just now."""
    make_monitor(tag, **fields)
    observe(tag, status, start=NOON - 30)


def row(page: Page, tag: str) -> str:
    """A monitor's line in words."""
    return " ".join(page.texts(f"#monitor-{tag} .mon"))


def test_a_new_installation_points_to_its_set_up(visit: Visit):
    page = visit("/")
    assert page.heading == "No monitors here yet"
    assert "sets it up with the link that was printed at the start" in page.text
    assert not page.all("#monitors, #past, .counts")


def test_once_set_up_the_page_waits_for_the_first_monitor(visit: Visit, owner: FlaskClient):
    assert "Monitors appear here as soon as there are any." in visit("/").text
    page = open_page(owner, "/")
    assert page.click("Add the first monitor").heading == "Add a monitor"


@pytest.mark.parametrize(
    ("statuses", "tone", "headline", "reason"),
    [
        ("UP UP UP", "up", "Everything works", "All monitors answer as they should."),
        ("UP DEGRADED UP", "degraded", "Degraded performance", "Web is slow or limited. Everything else works."),
        ("UP UP DOWN", "down", "Partial outage", "Mail is down. Everything else works."),
        ("DEGRADED DOWN UP", "down", "Partial outage", "Web is down. Api is slow or limited. Everything else works."),
        ("DOWN DOWN DOWN", "down", "Major outage", "Api, Web and Mail are down."),
        ("NO_DATA NO_DATA NO_DATA", "nodata", "Not monitored at the moment", "Api, Web and Mail are not monitored"),
    ],
)
def test_the_banner_says_the_worst_and_why(visit: Visit, statuses: str, tone: str, headline: str, reason: str):
    for tag, status in zip(("api", "web", "mail"), statuses.split(), strict=True):
        seen(tag, status)
    page = visit("/")
    assert page.heading == headline
    assert page.one(f".banner.banner-{tone} p").text.startswith(reason)
    assert sum(int(number) for number in page.texts(".counts b")) == 3


def test_maintenance_goes_over_incident_and_observation(visit: Visit):
    seen("api", "DOWN")
    make_incident("api", start=NOON - 60)
    plan_maintenance("api", start=NOON - HOUR, end=NOON + HOUR)
    page = visit("/")
    assert page.heading == "Maintenance in progress"
    assert row(page, "api").endswith("Maintenance until 13:00 UTC")
    assert "In progress" in page.one("article.window").text
    assert "2 h" in page.one("article.window").text and "Api" in page.one("article.window footer").text


def test_planned_maintenance_is_announced_and_changes_nothing_yet(visit: Visit):
    seen("api")
    plan_maintenance("api", start=NOON + HOUR, end=NOON + 2 * HOUR)
    page = visit("/")
    assert page.heading == "Everything works" and "Planned" in page.one("article.window header").text


def test_an_incident_by_hand_goes_over_the_observation_until_it_ends(visit: Visit):
    seen("api")
    number = make_incident(start=NOON - 60, monitors=[{"monitor_tag": "api", "impact": "DEGRADED"}])
    assert visit("/").heading == "Degraded performance"
    post(number, "RESOLVED")
    assert visit("/").heading == "Everything works"


def test_a_paused_monitor_is_absent(visit: Visit):
    seen("api")
    seen("web", "DOWN")
    monitors.pause("web", actor=SAM)
    page = visit("/")
    assert page.heading == "Everything works" and not page.all("#monitor-web")


def test_what_is_hidden_or_private_is_shown_to_staff_only(visit: Visit, viewer: FlaskClient):
    seen("api")
    seen("vault", "DOWN", is_hidden=True)
    make_incident("vault", title="Vault sealed", start=NOON - 60, is_private=True)
    make_incident("api", "vault", title="Slow payments", start=NOON - 60)
    plan_maintenance("api", "vault", start=NOON + HOUR, end=NOON + 2 * HOUR)
    plan_maintenance("vault", start=NOON + 3 * HOUR, end=NOON + 4 * HOUR)
    page, theirs = visit("/"), open_page(viewer, "/")
    assert len(page.all("article.window")) == 1 and len(theirs.all("article.window")) == 2
    assert "vault" not in page.html.lower() and "Slow payments" in page.text
    assert row(theirs, "vault").startswith("Vault") and "Vault sealed" in theirs.text
    assert "for operators only" in theirs.text and "Api and Vault" in theirs.texts("article.window footer")


def test_an_active_incident_leads_with_its_newest_update(visit: Visit):
    seen("api", "DOWN")
    number = make_incident("api", start=NOON - HOUR)
    post(number, "INVESTIGATING", at=NOON - HOUR, text="We look.")
    post(number, "IDENTIFIED", at=NOON - 60, text="It is the **switch**.")
    card = visit("/").one(f"article#incident-{number}")
    assert [each.text.strip() for each in card.select(".prose")] == ["It is the switch.", "We look."]
    assert card.select_one("a[href='/monitors/api']") and "1 hour" in card.text
    strip = card.select_one(".minutes svg")
    assert strip and str(strip["aria-label"]).startswith("Not monitored from 11:01 to 11:59, down from 11:59 to 12:00")


def test_the_last_seven_days_list_what_ended_and_fold_what_was_quiet(visit: Visit):
    seen("api")
    for title, start, end in (
        ("Two days ago", NOON - 2 * DAY, NOON - 2 * DAY + HOUR),
        ("Began long ago", NOON - 9 * DAY, NOON - 4 * DAY),
        ("Long over", NOON - 9 * DAY, NOON - 8 * DAY),
    ):
        number = make_incident("api", title=title, start=start)
        post(number, "RESOLVED", at=end, text="Cash & cards _work_ again.")
    page = visit("/")
    assert page.texts(".days > li h3") == [
        "13 May to 14 May",
        "Sunday 12 May",
        "Saturday 11 May",
        "Friday 10 May",
        "8 May to 9 May",
    ]
    two, long = page.texts(".days .past")
    assert two == "Two days ago 12:00 to 13:00 UTC , 1 hour Resolved. Cash & cards work again."
    assert long.startswith("Began long ago 5 May, 12:00 UTC to 10 May, 12:00 UTC , 5 days")


def test_sections_stand_in_the_order_of_their_first_monitor(visit: Visit):
    seen("api")
    assert visit("/").texts(".ledger-head h3") == ["All monitors"]
    for tag, section in (("pay", "Payments"), ("web", "Home"), ("card", "Payments")):
        seen(tag, category_name=section)
    page = visit("/")
    assert page.texts(".ledger-head h3") == ["Home", "Payments"]
    assert [str(line["id"]) for line in page.all(".ledger > li")] == [
        f"monitor-{t}" for t in ("api", "web", "pay", "card")
    ]


def test_names_are_text_whatever_they_hold(visit: Visit):
    name = """<img src=x onerror=alert(1)> & "quotes' {{ 7 * 7 }} """ + "x" * 200
    seen("api", name=name, category_name="<b>Core</b>")
    make_incident("api", title=name[:255], start=NOON - 60)
    page = visit("/")
    assert page.one("#monitor-api .mon a").text == name and page.one("#monitor-api")["data-name"] == name
    assert page.one(".ledger-head h3").text == "<b>Core</b>" and page.one("article.incident h3").text == name[:255]


def test_the_number_of_statements_does_not_grow_with_the_page(visit: Visit):
    def fill(numbers: range) -> int:
        for n in numbers:
            seen(f"m{n}", "DOWN")
            post(make_incident(f"m{n}", start=NOON - 60), "INVESTIGATING")
            plan_maintenance(f"m{n}", start=NOON + HOUR, end=NOON + 2 * HOUR)
        with counted() as statements:
            assert len(visit("/").all(".ledger > li")) == numbers.stop
        return len(statements)

    assert fill(range(5)) == fill(range(5, 100)) < 20


def test_everything_can_be_read_without_script(visit: Visit):
    seen("api")
    make_incident("api", start=NOON - 60)
    page = visit("/")
    assert all(time.text.strip() and "datetime" in time.attrs for time in page.all("time"))
    assert [tag.get("id") for tag in page.all("main [hidden], footer [hidden]")] == []
    assert page.form("/preferences").fields == {"theme"} and page.click("Api").heading == "Api"
