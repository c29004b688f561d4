"""Post-mortems where they are written, read and followed: management page, incident page, feeds, API."""

from collections.abc import Callable

import feedparser
import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.models import Incident
from tests.factories import make_incident, only, post
from tests.support.api import Api
from tests.support.pages import Page
from tests.support.pages import visit as open_page

HTMX = {"HX-Request": "true"}
Visit = Callable[..., Page]


@pytest.fixture
def over() -> int:
    """An incident that is resolved."""
    number = make_incident(start=clock.epoch() - 3600)
    post(number, "RESOLVED", at=clock.epoch() - 1800)
    return number


@pytest.fixture(autouse=True)
def _app(app: object) -> None:
    """Every test needs the app."""


def test_an_operator_writes_changes_and_removes_it(editor: FlaskClient, visit: Visit) -> None:
    number = make_incident(start=clock.epoch() - 3600)
    page = open_page(editor, f"/manage/incidents/{number}")
    assert "Post-mortem" not in page.texts("h2")
    post(number, "RESOLVED", at=clock.epoch() - 1800)
    form = open_page(editor, f"/manage/incidents/{number}").click("Write a post-mortem").form("Save")
    refused = form.fill(text=" \n").submit(status=422)
    assert refused.texts("#e-text") == ["This field is needed."]
    page = form.fill(text="## Why\n\nA **cable** <script>x</script>.").submit()
    assert (page.url, page.texts(".flash")) == (
        f"/manage/incidents/{number}", ["The post-mortem is saved. It stands below the updates."],
    )  # fmt: skip
    assert page.one("#post-mortem .prose strong").text == "cable"
    assert "editor@example.com" in page.one("#post-mortem .sheet-head").text
    seen = visit(f"/incidents/{number}")
    assert seen.one(f"#post-mortem-{number} .prose h3").text == "Why" and not seen.all("script:not([src])")
    assert seen.texts(".timeline .say") == visit(f"/incidents/{number}").texts(".timeline .say")
    assert len(seen.all(".timeline > li")) == 1
    form = page.click("Edit the post-mortem").form("Save")
    assert form["text"] == ["## Why\n\nA **cable** <script>x</script>."]
    form.fill(text="A shark.").submit()
    page = open_page(editor, f"/manage/incidents/{number}").click("Remove…")
    assert "“A shark.”" in page.text
    page = page.form("Remove post-mortem").submit()
    assert page.texts(".flash") == ["The post-mortem is removed."]
    assert not visit(f"/incidents/{number}").all(".post-mortem")
    open_page(editor, f"/manage/incidents/{number}/post-mortem/delete", status=404)


def test_a_preview_shows_what_was_typed_and_saves_nothing(editor: FlaskClient, over: int) -> None:
    form = open_page(editor, f"/manage/incidents/{over}/post-mortem").form("Save").fill(text="A *cable*.")
    page = form.submit("Preview")
    assert (page.one("#preview em").text, page.form("Save")["text"]) == ("cable", ["A *cable*."])
    answer = editor.post(f"/manage/incidents/{over}/post-mortem/preview", data=form.data(), headers=HTMX)
    part = Page(editor, answer, fragment=True)
    assert (part.one("#preview em").text, part.all("form")) == ("cable", [])
    assert only(Incident).post_mortem is None


def test_two_who_write_at_once_see_each_others_words(editor: FlaskClient, owner: FlaskClient, over: int) -> None:
    mine, theirs = (open_page(one, f"/manage/incidents/{over}/post-mortem").form("Save") for one in (editor, owner))
    theirs.fill(text="A shark.").submit()
    page = mine.fill(text="A cable.").submit(status=409)
    assert "A shark." in page.one(".flash").text and page.form("Save")["text"] == ["A cable."]
    page.form("Save").submit()
    assert only(Incident).post_mortem == "A cable."


def test_it_is_an_entry_of_its_own_in_the_feeds(client: FlaskClient, api: Api, over: int) -> None:
    api.patch(f"/incidents/{over}", {"post_mortem": "A **cable**."})
    for path in ("/rss.xml", "/atom.xml"):
        first, second = feedparser.parse(client.get(path).data).entries
        assert first.title == "Slow payments – Post-mortem"
        assert first.id == f"tag:localhost,2026:post-mortem-{over}"
        assert first.link == f"http://localhost/incidents/{over}#post-mortem-{over}"
        assert "<strong>cable</strong>" in first.get("summary", "")
        assert second.title == "Slow payments – Resolved"
    assert open_page(client, f"/incidents/{over}").one(f"#post-mortem-{over}")
    api.patch(f"/incidents/{over}", {"is_private": "YES"})
    assert not feedparser.parse(client.get("/atom.xml").data).entries


def test_the_api_writes_reads_and_removes_it(api: Api) -> None:
    incident = api.post("/incidents", {"title": "Lights out", "start_date_time": clock.epoch() - 3600})["incident"]
    path = f"/incidents/{incident['id']}"
    assert incident["post_mortem"] is None
    assert api.refused("PATCH", path, {"title": "Power cut", "post_mortem": "A cable."}).keys() == {"post_mortem"}
    assert api.get(path)["incident"]["title"] == "Lights out"
    ended = {"post_mortem": "A cable.", "end_date_time": clock.epoch() - 60}
    assert api.patch(path, ended)["incident"]["post_mortem"] == "A cable."
    assert api.patch(path, {"title": "Power cut"})["incident"]["post_mortem"] == "A cable."
    gone = api.patch(path, {"post_mortem": None})["incident"]
    assert (gone["post_mortem"], gone["end_date_time"]) == (None, ended["end_date_time"])
    assert api.refused("POST", "/incidents", incident | {"post_mortem": "x"})
