"""Maintenance as operators plan it, look at it and act on it, without a line of script."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.domain.status import Status
from kener.domain.windows import WindowState
from kener.models import Maintenance, MaintenanceMonitor, MaintenanceWindow
from kener.services import site
from tests import factories
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}
LIST = "/manage/maintenances"
NEW = f"{LIST}/new"
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def set_zone(zone: str) -> None:
    site.change(site.Site("Acme", "", zone), actor=factories.SAM)


def windows() -> list[tuple[datetime, datetime]]:
    return [(one.start_at, one.end_at) for one in factories.every(MaintenanceWindow)]


def states() -> list[WindowState]:
    return [one.state for one in factories.every(MaintenanceWindow)]


def weekly(editor: FlaskClient, **fields: str) -> Page:
    form = visit(editor, NEW).form("Plan maintenance")
    given = {"title": "Patches", "start_at": "2030-07-07T02:00", "timezone": "Europe/Berlin", "repeats": "weekly"}
    return form.fill(given).fill(**fields).submit("Plan maintenance")


def running(**fields: object) -> int:
    now = clock.epoch()
    return factories.plan_maintenance("api", start=now - 60, end=now + 3600, **fields)


def test_maintenance_is_planned_in_the_sites_zone(editor: FlaskClient) -> None:
    set_zone("Europe/Berlin")
    factories.make_monitor("api")
    form = visit(editor, LIST).click("Plan maintenance").form("Plan maintenance")
    assert datetime.fromisoformat(form["start_at"][0]).minute == 0 and form["timezone"] == ["Europe/Berlin"]
    form.fill({"impact-api": "Degraded"}).fill(title="Move <b>it</b>", start_at="2030-07-01T12:30", minutes="30")
    page = form.submit("Plan maintenance")
    assert windows() == [(utc(2030, 7, 1, 10, 30), utc(2030, 7, 1, 12))]
    assert factories.only(MaintenanceMonitor).impact is Status.DEGRADED
    assert page.heading == "Move <b>it</b>"
    assert "Once, on 1 July 2030 at 12:30, Europe/Berlin, for 1 hour 30 minutes" in page.text
    assert page.texts("tbody td")[:3] == ["Mon 1 Jul 2030, 12:30 to 14:00 CEST", "Planned", "nothing"]
    assert visit(editor, LIST).texts("tbody td")[:2] == [f"Move <b>it</b> {page.url.rpartition('/')[2]}", "Planned"]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"title": " "}, "title"), ({"start_at": ""}, "start_at"), ({"start_at": "0001-01-01T00:30"}, "start_at"),
     ({"hours": "0"}, "hours"), ({"hours": "721"}, "hours"), ({"minutes": "x"}, "hours"), ({"hours": "-1"}, "hours"),
     ({"timezone": "Mars/Olympus"}, "timezone"), ({"description": "x" * 20_001}, "description"),
     ({"repeats": "custom"}, "rrule"), ({"repeats": "custom", "rrule": "FREQ=HOURLY"}, "rrule"),
     ({"repeats": "custom", "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule"),
     ({"repeats": "daily", "hours": "30"}, "hours"), ({"repeats": "daily", "count": "0"}, "count"),
     ({"repeats": "daily", "count": "2", "until": "2031-01-01"}, "count"),
     ({"repeats": "daily", "until": "1999-01-01"}, "until"), ({"impact-api": "", "is_global": False}, "monitors")],
)  # fmt: skip
def test_a_refused_maintenance_says_why_and_keeps_what_was_typed(
    editor: FlaskClient, given: dict[str, str], field: str
) -> None:
    factories.make_monitor("api")
    typed = {"title": "Move", "start_at": "2030-07-01T12:30", "impact-api": "DOWN", **given}
    page = visit(editor, NEW).form("Plan maintenance").fill(typed).submit("Plan maintenance", status=422)
    assert len(page.texts(".error")) == len(page.texts(f"#e-{field}")) == 1
    again = page.form("Plan maintenance")
    for name, text in typed.items():
        assert again[name] == ([] if text is False else [text])
    assert factories.count(Maintenance) == 0


def test_a_series_is_said_in_words_and_stands_in_the_calendar(editor: FlaskClient) -> None:
    page = weekly(editor)
    assert "Every Sunday at 02:00, Europe/Berlin, for 1 hour" in page.text
    assert len(windows()) == 5 and {start.astimezone(BERLIN).hour for start, _ in windows()} == {2}
    assert "Recurring" in visit(editor, f"{LIST}?show=series").texts(".filter-tags")[0]
    assert "No maintenance matches." in visit(editor, f"{LIST}?show=running").text
    form = page.click("Edit").form("Save")
    assert (form["repeats"], form["timezone"]) == (["weekly"], ["Europe/Berlin"])
    assert len(form.page.texts("#preview li")) == 5
    form.fill(repeats="custom", rrule="FREQ=MONTHLY;BYDAY=-1SU;COUNT=3").submit("Save")
    assert factories.only(Maintenance).rrule == "FREQ=MONTHLY;BYDAY=-1SU;COUNT=3" and len(windows()) == 3


def test_a_series_can_end_after_a_number_of_times_or_on_a_day(editor: FlaskClient) -> None:
    page = weekly(editor, count="3")
    assert len(windows()) == 3
    form = page.click("Edit").form("Save")
    assert (form["repeats"], form["count"]) == (["weekly"], ["3"])
    page = form.fill(count="", until="2030-07-14").submit("Save")
    assert len(windows()) == 2 and "until 14 July 2030" in page.text
    assert page.click("Edit").form("Save")["until"] == ["2030-07-14"]


def test_the_next_five_are_shown_before_anything_is_saved(editor: FlaskClient) -> None:
    form = visit(editor, NEW).form("Plan maintenance")
    form.fill(start_at="2030-10-20T02:30", timezone="Europe/Berlin", repeats="weekly")
    page = form.submit("Show the next five")
    assert page.texts("#preview b") == ["Every Sunday at 02:30, Europe/Berlin, for 1 hour"]
    assert (
        len(page.texts("#preview li")) == 5
        and "CEST" in page.texts("#preview li")[0]
        and "CET" in page.texts("#preview li")[2]
    )
    assert page.form("Plan maintenance")["start_at"] == ["2030-10-20T02:30"] and factories.count(Maintenance) == 0
    sent = form.fill(timezone="Mars").data("Show the next five")
    answer = editor.post(f"{LIST}/preview", data=sent, headers=HTMX)
    assert Page(editor, answer, fragment=True).texts("#preview p") == [
        "Choose a time zone from the list, for instance Europe/Berlin."
    ]


def test_an_edit_keeps_times_in_autumns_double_hour_and_overwrites_nobody(editor: FlaskClient) -> None:
    start, end = utc(2030, 10, 27, 1, 30), utc(2030, 10, 27, 3)
    planned = int(start.timestamp()), int(end.timestamp())
    factories.plan_maintenance(start=planned[0], end=planned[1], timezone="Europe/Berlin")
    mine, theirs = (visit(editor, LIST).click("Move").click("Edit").form("Save") for _ in range(2))
    assert mine["start_at"] == ["2030-10-27T02:30"]
    theirs.fill(title="Theirs").submit("Save")
    assert (factories.only(Maintenance).title, windows()) == ("Theirs", [(start, end)])
    page = mine.fill(title="Mine").submit("Save", status=409)
    assert "Someone else changed it meanwhile." in page.texts("#errors")[0]
    assert page.form("Save")["title"] == ["Mine"]
    assert page.form("Save").submit("Save").heading == "Mine"


def test_a_running_window_can_be_extended_and_finished_once(editor: FlaskClient, viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    maintenance_id = running()
    page = visit(editor, f"{LIST}/{maintenance_id}")
    assert page.texts("tbody .tail") == ["In progress"]
    seen = visit(viewer, f"{LIST}/{maintenance_id}")
    assert not seen.all("main form") and "Edit" not in seen.texts("main a.btn")
    before = windows()[0][1]
    assert "30 minutes longer" in page.form("30 min longer").submit().text
    assert windows()[0][1] == before + timedelta(minutes=30)
    stale = page.form("Finish now")
    finished = page.form("Finish now").submit()
    assert windows()[0][1] <= clock.now() and states() == [WindowState.COMPLETED]
    assert "Nothing is to come." in finished.text and finished.click("Past").texts("tbody .tail") == ["Finished"]
    assert stale.submit().texts(".flash-down") == ["It is over, and stays as it was."]
    page = finished.click("Delete…")
    assert "what failed inside them is shown as it was seen" in page.text
    assert "Nothing is planned." in page.form("Delete maintenance").submit().text


def test_the_end_of_a_running_window_can_be_set(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    page = visit(editor, f"{LIST}/{running()}").click(f"Move {shown(*windows()[0])}")
    assert page.heading == "Change the end"
    start, end = windows()[0]
    page.form("Save").fill(end_at=f"{end + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}").submit("Save")
    assert windows() == [(start, end + timedelta(hours=2))]


def shown(start: datetime, end: datetime) -> str:
    day = "" if start.date() == end.date() else f"{end:%a} {end.day} {end:%b %Y}, "
    return f"{start:%a} {start.day} {start:%b %Y, %H:%M} to {day}{end:%H:%M} UTC"


def test_one_occurrence_is_started_moved_cancelled_or_deleted_and_the_others_stay(editor: FlaskClient) -> None:
    tomorrow = clock.now().replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=1)
    now = int(tomorrow.timestamp())
    page = visit(editor, f"{LIST}/{factories.plan_maintenance(start=now, end=now + 3600, rrule='FREQ=DAILY;COUNT=5')}")
    moved = page.click(f"Move {shown(*windows()[0])}")
    refused = moved.form("Save").fill(start_at="2020-01-01T00:00", end_at="2020-01-01T01:00").submit("Save", status=422)
    assert refused.texts("#e-start_at") == ["Choose a start that is to come, or start it now."]
    later = tomorrow + timedelta(hours=5)
    moved.form("Save").fill(start_at=f"{later:%Y-%m-%dT%H:%M}", end_at=f"{later:%Y-%m-%dT%H:45}").submit("Save")
    first = factories.every(MaintenanceWindow)[0]
    assert (first.start_at, first.end_at, first.occurrence_at) == (later, later + timedelta(minutes=45), tomorrow)
    page = visit(editor, page.url)
    assert "moved" in page.texts("tbody .head")[0]
    forms = [form for form in page.all("form") if "/start" in str(form["action"])]
    assert len(forms) == 5
    page.form(str(forms[1]["action"])).submit()
    assert states()[1] is WindowState.ONGOING
    third, fourth = (one.id for one in factories.every(MaintenanceWindow)[2:4])
    asked = visit(editor, f"{page.url}/occurrences/{third}/cancel")
    assert "stays in the list as cancelled" in asked.text
    asked.form("Call it off").submit()
    assert states()[2] is WindowState.CANCELLED
    asked = visit(editor, f"{page.url}/occurrences/{fourth}/cancel").click("delete it instead")
    asked.form("Delete occurrence").submit()
    gone = tomorrow + timedelta(days=3)
    assert len(states()) == 4 and factories.only(Maintenance).exdates == [gone.isoformat()]
    form = visit(editor, page.url).click("Edit").form("Save")
    assert form["exdates"] == [gone.isoformat()]
    form.fill(exdates=[]).submit("Save")
    assert len(states()) == 5 and factories.only(Maintenance).exdates == []


def test_an_inactive_maintenance_has_nothing_to_come(editor: FlaskClient) -> None:
    page = weekly(editor)
    page = page.click("Edit").form("Save").fill(is_active=False).submit("Save")
    assert windows() == [] and "Inactive: visitors do not see it" in page.text
    page.click("Edit").form("Save").fill(is_active=True).submit("Save")
    assert len(windows()) == 5


def test_the_calendar_is_paged(editor: FlaskClient) -> None:
    start = clock.epoch() + 86_400
    url = f"{LIST}/{factories.plan_maintenance(start=start, end=start + 60, rrule='FREQ=DAILY')}"
    page = visit(editor, url)
    assert len(page.texts("tbody tr")) == 20 and len(page.click("Later").texts("tbody tr")) == 20
