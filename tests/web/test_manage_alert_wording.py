"""The templates of an alert configuration on its form: their preview, with and without JavaScript, and their mistakes."""

import pytest
from flask.testing import FlaskClient

from kener.models import AlertConfiguration
from tests import factories
from tests.support.pages import Page, visit

HTMX = {"HX-Request": "true"}
URL = "/manage/alerts/preview"


def shown(page: Page) -> list[str]:
    return page.texts("#preview h2, #preview .prose")


def test_the_form_shows_what_its_templates_would_say_and_saves_nothing(editor: FlaskClient) -> None:
    factories.make_monitor("api", name="A | B")
    form = visit(editor, "/manage/alerts/new").form("Save")
    form.fill(
        monitor_tags=["api"],
        alert_for="LATENCY",
        alert_value="1000",
        alert_description="**Sorry.**",
        title_template="{{monitor_name}} is slow",
        first_update_template="Took {{observed_value}}. {{alert_message}}",
    )
    page = Page(editor, editor.post(URL, data=form.data()))
    assert (page.status, page.heading) == (200, "Add an alert configuration")
    title, closing, first = shown(page)
    assert (title, first) == ("A | B is slow", "Took 1900 ms. Sorry.")
    assert closing.startswith("The alert has been resolved, Total duration: 47 minutes Alert Details")
    assert "Sorry." in page.texts("#preview .prose strong")
    again = page.form("Save")
    assert (again["title_template"], again["monitor_tags"]) == (["{{monitor_name}} is slow"], ["api"])
    assert "open" in page.one("details.fold").attrs
    assert factories.count(AlertConfiguration) == 0


def test_with_htmx_only_the_preview_comes_back(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    sent = visit(editor, "/manage/alerts/new").form("Save").fill(title_template="{{monitor_name}}!").data()
    page = Page(editor, editor.post(URL, data=sent, headers=HTMX), fragment=True)
    assert shown(page)[0] == "Payment API!"
    assert not page.all("form, header")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_mistake_is_named_with_its_place(editor: FlaskClient, headers: dict[str, str]) -> None:
    factories.make_monitor("api")
    sent = visit(editor, "/manage/alerts/new").form("Save").fill(closing_update_template="Over\n  {{/x}}").data()
    page = Page(editor, editor.post(URL, data=sent, headers=headers), fragment=bool(headers))
    assert page.status == (200 if headers else 422)
    [line] = page.texts("#preview .error-list li")
    assert line == "Closing update template : Line 2, column 3: the section x is closed, but was not opened."
    assert not shown(page)


def test_the_form_of_a_saved_configuration_stays_its_form(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", title_template="Saved")
    form = visit(editor, f"/manage/alerts/{config_id}/edit").form("Save").fill(title_template="Typed")
    page = Page(editor, editor.post(URL, data=form.data()))
    assert (page.heading, shown(page)[0]) == (f"Edit alert configuration {config_id}", "Typed")
    assert factories.only(AlertConfiguration).title_template == "Saved"
    page.form("Save").submit()
    assert factories.only(AlertConfiguration).title_template == "Typed"


def test_the_closed_part_of_the_form_says_what_is_on(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    off, on = (
        factories.make_configuration("api"),
        factories.make_configuration("api", reopen_minutes=5, flapping_start=50, flapping_stop=20),
    )
    said = [visit(editor, f"/manage/alerts/{one}/edit").texts("details.fold summary .soft") for one in (off, on)]
    assert said == [["re-opening, flapping, grouping, templates: all off"], ["on: flapping, re-opening"]]
