"""The `visit` helper sends forms as a browser without JavaScript does."""

import json

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from tests.support.pages import Page, visit, words

HTML = "<!doctype html><html lang=en><head><title>T</title></head><body><main><h1>Things</h1>{}</main></body></html>"
FORM = """
<a href="/other?x=1">Elsewhere</a>
<form id="thing" action="/save" method="post">
  <input type="hidden" name="csrf_token" value="t">
  <label>Name <input name="name" value="old"></label>
  <label>Text <textarea name="text">
two
lines</textarea></label>
  <label>One <select name="one"><option value="a">Letter A</option><option value="b" selected>Letter B</option></select></label>
  <label>First <select name="first"><option>x</option><option>y</option></select></label>
  <label>Many <select name="many" multiple><option>1</option><option>2</option><option>3</option></select></label>
  <label>On <input type="checkbox" name="on" checked></label>
  <label>Off <input type="checkbox" name="off"></label>
  <label>P <input type="checkbox" name="picked" value="p"></label>
  <label>Q <input type="checkbox" name="picked" value="q" checked></label>
  <label>R <input type="radio" name="r" value="1" checked></label>
  <label>R <input type="radio" name="r" value="2"></label>
  <label>No <input name="no" value="1" disabled></label>
  <button>Save</button><button name="way" value="draft">Keep a draft</button><button type="button">Nothing</button>
  <button formaction="/gone">Delete</button>
</form>
<label>Outside <input name="outside" value="1" form="thing"></label>
<form action="/find"><label>Word <input name="q"></label><button>Find</button></form>
"""


@pytest.fixture
def page() -> Page:
    app = Flask("pages")
    app.add_url_rule("/", view_func=lambda: HTML.format(FORM), endpoint="form")
    app.add_url_rule("/<path:rest>", view_func=_echo, endpoint="echo", methods=["GET", "POST"])
    return visit(FlaskClient(app, app.response_class), "/")


def _echo(rest: str) -> str:
    return HTML.format(f"<pre>{json.dumps(request.values.to_dict(flat=False))}</pre><p>{request.method} {rest}</p>")


def sent(page: Page) -> dict[str, list[str]]:
    return json.loads(page.one("pre").text)


def test_an_untouched_form_sends_what_it_shows(page: Page):
    after = page.form("thing").submit()
    assert words(after.one("p")) == "POST save"
    assert sent(after) == {
        "csrf_token": ["t"],
        "name": ["old"],
        "text": ["two\nlines"],
        "one": ["b"],
        "first": ["x"],
        "on": ["on"],
        "picked": ["q"],
        "r": ["1"],
        "outside": ["1"],
    }


def test_fields_are_filled_by_name(page: Page):
    form = page.form("Save").fill(
        {"text": ""}, name="new", one="Letter A", many=["1", "3"], on=False, off=True, picked=["p"], r="2"
    )
    assert form["many"] == ["1", "3"]
    after = sent(form.submit("Keep a draft"))
    assert (after["name"], after["one"], after["off"], after["picked"]) == (["new"], ["a"], ["on"], ["p"])
    assert (after["r"], after["text"], after["way"]) == (["2"], [""], ["draft"])
    assert "on" not in after


def test_a_button_may_send_the_form_elsewhere(page: Page):
    assert words(page.form("/save").submit("Delete").one("p")) == "POST gone"


def test_a_form_without_a_method_asks(page: Page):
    after = page.form("Find").fill(q="a word").submit()
    assert (words(after.one("p")), sent(after)) == ("GET find", {"q": ["a word"]})


def test_links_are_followed_by_their_text(page: Page):
    assert sent(page.click("Elsewhere")) == {"x": ["1"]}


def test_unknown_fields_options_and_forms_are_mistakes(page: Page):
    with pytest.raises(AssertionError, match="no field nmae"):
        page.form("thing").fill(nmae="x")
    with pytest.raises(AssertionError, match="offers"):
        page.form("thing").fill(one="c").submit()
    with pytest.raises(AssertionError, match="no form"):
        page.form("nothing")
