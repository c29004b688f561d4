"""The data page of a monitor: look, write, delete, exclude, each shown before it is done."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.models import AuditEntry, ExcludedWindow, Sample
from tests.factories import count, every, make_configuration, make_monitor, observe, only, record, sample
from tests.support.pages import Page, visit

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
HERE = "/manage/monitors/api/data"


@pytest.fixture(autouse=True)
def at_noon(app: Flask) -> Iterator[None]:
    with time_machine.travel(clock.at(NOON), tick=False):
        yield


@pytest.fixture(autouse=True)
def an_hour_of_samples(at_noon: None) -> None:
    """An hour up, the last ten minutes of it down."""
    make_monitor("api", name="Payment API")
    observe("api", *["UP"] * 50, *["DOWN"] * 10, start=NOON - 3_600, latency_ms=80)


def statuses() -> list[int]:
    return [one.status for one in every(Sample)]


def test_the_samples_of_a_span_are_listed_filtered_and_paged(viewer: FlaskClient) -> None:
    page = visit(viewer, "/manage/monitors/api").click("All data")
    assert page.heading == "Data of Payment API" and "83.33 % over 24 hours" in page.text.replace("\u202f", " ")
    assert "1 to 50 of 60" in page.text and not page.all("a:-soup-contains('Write samples')")
    assert len(page.click("Older").all("#samples tbody tr")) == 10
    assert len(page.click("Not UP").all("#samples tbody tr")) == 10
    assert "No sample of this kind" in page.click("By hand").text
    form = page.form("Show").fill(start="2024-05-14T11:55", end="2024-05-14T11:58")
    assert len(form.submit().all("#samples tbody tr")) == 3
    refused = form.fill(end="2024-05-14T11:00").submit(status=422)
    assert "after the start" in refused.one("#e-end").text
    assert "At most 31 days" in form.fill(start="2024-01-01T00:00", end="2024-05-14T11:00").submit(status=422).text
    assert "No sample in this span" in form.fill(start="2024-05-01T00:00", end="2024-05-02T00:00").submit().text


def test_a_span_is_a_file_as_well(viewer: FlaskClient) -> None:
    record(sample("api", NOON, "DOWN", error="=cmd|' /C calc'!A0"))
    response = viewer.get(f"{HERE}.csv?start=2024-05-14T11:59&end=2024-05-14T12:01")
    assert response.mimetype == "text/csv"
    head, first, second = csv.reader(io.StringIO(response.text))
    assert head == ["timestamp", "time", "status", "raw_status", "latency_ms", "source", "error"]
    assert first == [str(NOON - 60), "2024-05-14T11:59:00Z", "DOWN", "", "80", "check", ""]
    assert second[-1].startswith("'=")
    assert viewer.get(f"{HERE}.csv?start=soon").status_code == 422


def ask(editor: FlaskClient, act: str, **fields: str) -> Page:
    """Fill the form of an act for the ten bad minutes, and send it."""
    page = visit(editor, HERE).click(act)
    fields = {"start": "2024-05-14T11:50", "end": "2024-05-14T12:00"} | fields
    return page.form("Exclude it" if act == "Exclude a span" else "Show what changes").fill(**fields).submit()


def test_writing_shows_what_changes_before_it_does(editor: FlaskClient) -> None:
    page = ask(editor, "Write samples", status="UP", latency="70", reason="The probe was wrong")
    assert "10 samples written, 10 of them in place of stored ones" in page.text
    assert "83.33 % → 100 %" in page.text.replace("\u202f", " ") and "closed" not in page.one("h1").text
    assert "alerts and incidents stay as they are" in page.text
    assert statuses().count(3) == 10
    page = page.form("Write 10 samples").submit("Write 10 samples")
    assert "10 samples are written." in page.text and statuses().count(3) == 0
    assert len(page.all("#samples tbody tr")) == 10 and page.all("#samples .tag:-soup-contains('By hand')")
    assert "The probe was wrong" in every(AuditEntry)[-1].detail


def test_a_preview_says_which_alerts_would_follow(editor: FlaskClient) -> None:
    make_configuration("api", failure_threshold=1)
    page = ask(editor, "Write samples", status="DOWN", start="2024-05-14T12:00", end="2024-05-14T12:01")
    assert "1 sample newer than the newest one is evaluated under 1 alert configuration" in page.text
    assert "1 alert would be triggered" in page.text


def test_deleting_asks_first(editor: FlaskClient) -> None:
    page = ask(editor, "Delete samples")
    assert "10 samples deleted" in page.text and count(Sample) == 60
    page = page.form("Delete 10 samples").submit("Delete 10 samples")
    assert "10 samples are deleted." in page.text and count(Sample) == 50
    assert "There is no sample in this span" in ask(editor, "Delete samples").text


@pytest.mark.parametrize(
    ("act", "fields", "wrong"),
    [
        ("write", {"start": "soon"}, "start"),
        ("write", {"end": "2024-05-14T13:00"}, "end"),
        ("write", {"end": "2024-05-14T11:00"}, "end"),
        ("write", {"latency": "fast"}, "latency"),
        ("write", {"deviation": "-1"}, "deviation"),
        ("write", {"status": "NO_DATA"}, "status"),
        ("write", {"status": "FINE"}, "status"),
        ("drop", {"start": "2023-01-01T00:00", "end": "2023-01-02T00:00"}, "start"),
        ("drop", {"end": ""}, "end"),
        ("exclude", {"end": "2024-05-14T13:00", "reason": "A test"}, "end"),
        ("exclude", {"reason": ""}, "reason"),
        ("exclude", {"kind": "LUCK", "reason": "A test"}, "kind"),
    ],
)
def test_what_is_refused_is_said_beside_its_field(
    editor: FlaskClient, act: str, fields: dict[str, str], wrong: str
) -> None:
    given = {"start": "2024-05-14T11:50", "end": "2024-05-14T12:00", "status": "UP", "kind": "EXCUSED", "sure": "yes"}
    token = str(visit(editor, HERE).one("meta[name=csrf-token]")["content"])
    response = editor.post(f"{HERE}/{act}", data=given | fields | {"csrf_token": token})
    page = Page(editor, response)
    assert response.status_code == 422 and page.all(f"#e-{wrong}") and page.one("h1")
    assert statuses().count(3) == 10 and count(ExcludedWindow) == 0


def test_what_is_excluded_counts_as_nothing_until_it_counts_again(editor: FlaskClient, client: FlaskClient) -> None:
    page = ask(editor, "Exclude a span", reason="The probe was wrong")
    assert "100 % over 24 hours" in page.text.replace("\u202f", " ")
    row = page.one(f"#excluded-{only(ExcludedWindow).id}").text.replace("\u202f", " ")
    assert "False alarm" in row and "24h 83.33 %" in row and "The probe was wrong" in row
    shown = visit(client, "/monitors/api")
    assert shown.texts(".counts b") == ["100 %"] * 4
    assert "The probe was wrong" not in shown.html
    assert "excluded 10 min today" in str(shown.one(".bars svg[role=img]")["aria-label"]).lower()
    page = page.form(f"{HERE}/excluded/{only(ExcludedWindow).id}/include").submit()
    assert "83.33 % over 24 hours" in page.text.replace("\u202f", " ") and count(ExcludedWindow) == 0


def test_the_samples_of_a_group_are_left_to_its_members(editor: FlaskClient) -> None:
    make_monitor("all", monitor_type="GROUP", type_data={"monitors": [{"tag": "api"}]})
    page = visit(editor, "/manage/monitors/all/data")
    assert "follow from its members" in page.text and not page.all("a:-soup-contains('Write samples')")
