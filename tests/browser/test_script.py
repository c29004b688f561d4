"""The script in a real browser: what it adds to pages that work without it."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from flask import Flask, Response, render_template, request
from jinja2 import ChoiceLoader, DictLoader
from playwright.sync_api import Browser, Page, expect

from kener.web import assets, filters, security
from kener.web.manage.monitors.controls import Control
from tests.support.browser import watched_tab
from tests.support.serving import served

pytestmark = pytest.mark.browser

AT = datetime.fromisoformat("2026-11-23T09:41:20+00:00")
PAGES = {
    "times.html": """{% extends "layouts/base.html" %}{% block title %}Times{% endblock %}{% block shell %}<main>
        <h1>Times</h1><p id="at">{{ at|when }}</p><p id="zone" data-zone="Times in {zone}">Times in UTC</p>
        <p id="far" data-elsewhere="America/New_York" hidden>New York time</p><p id="near" data-elsewhere="Japan" hidden>Japanese time</p>
        </main>{% endblock %}""",
    "live.html": """{% extends "layouts/base.html" %}{% block title %}Live{% endblock %}{% block shell %}<main><h1>Live</h1>
        {% block live %}{% from "ui/live.html" import poll, says %}
        <section id="live" {{ poll("/live?seen=" ~ state.revision, 1) }}>
          <ul><li id="monitor-api" {{ says("Payment API", state.word) }}>{{ state.word }} <a href="#x">History</a>
            <details><summary>More</summary>Details</details></li></ul>
          <label>Note <input name="note"></label>
        </section>{% endblock %}</main>{% endblock %}""",
    "days.html": """{% extends "layouts/base.html" %}{% block title %}Days{% endblock %}{% block shell %}<main class="column">
        <h1>Days</h1><ul class="sheet ledger"><li><div class="mon">API</div><a class="bars" href="#there">{{ day_bars(days) }}</a>
        <p class="mon-up">–</p></li></ul></main>{% endblock %}""",
    "form.html": """{% extends "layouts/base.html" %}{% block title %}Form{% endblock %}
        {% block meta %}<meta name="csrf-token" content="the-token">{% endblock %}{% block shell %}
        {% from "ui/form.html" import pairs, field %}{% from "ui/confirm.html" import confirm_link %}<main><h1>Form</h1>
        {{ field("q", "Search", kind="search") }}{{ pairs("headers", "Headers", [("Accept", "text/html")]) }}
        <form action="/theme" method="post" data-submit-on-change><label>Theme <select name="theme"><option>light</option>
        <option>dark</option></select></label><button>Apply</button></form>
        <button hx-post="/refused" hx-target="#answer" data-busy="Testing…">Test</button><p id="answer"></p>
        {{ confirm_link("/delete", "Delete…") }}</main><dialog id="dialog" class="dialog"></dialog>{% endblock %}""",
    "lines.html": """{% extends "layouts/base.html" %}{% block title %}Lines{% endblock %}{% block shell %}
        {% from "ui/form.html" import rows %}<main><h1>Lines</h1>
        {{ rows(lines, [{"source": "a", "value": "first"}, {"source": "b", "value": "second"}]) }}</main>{% endblock %}""",
    "delete.html": """{% extends "layouts/base.html" %}{% block title %}Delete{% endblock %}{% block shell %}<main>
        {% from "ui/confirm.html" import confirm %}
        {% call confirm("Delete API", action="/gone", verb="Delete API", cancel="/form") %}<p>9 samples go.</p>{% endcall %}
        </main>{% endblock %}""",
}


LINES = Control(
    name="lines",
    label="Lines",
    kind="rows",
    ordered=True,
    columns=(
        Control("source", "Source", kind="select", options=(("a", "A"), ("b", "B"))),
        Control("value", "Value", default=""),
    ),
)


class State(SimpleNamespace):
    """What the page under test shows, and what it sent."""

    revision: int = 0
    word: str = "operational"
    status: int | None = None
    polls: int = 0
    sent: dict[str, str]


def days() -> list[SimpleNamespace]:
    def one(ago: int) -> SimpleNamespace:
        down, day_s = 3600 if ago == 1 else 0, 0 if ago > 80 else 86_400
        measured = {
            "up_s": day_s - down,
            "degraded_s": 0,
            "down_s": down,
            "maintenance_s": 0,
            "excluded_s": 0,
            "measured_s": day_s,
        }
        return SimpleNamespace(date=date(2026, 11, 23) - timedelta(days=ago), **measured)

    return [one(ago) for ago in reversed(range(90))]


@pytest.fixture
def state() -> State:
    return State(revision=0, word="operational", status=None, polls=0, sent={})


@pytest.fixture
def url(state: State) -> Iterator[str]:
    """A site of small pages with our layout, macros, style sheet, script and security policy."""
    app = Flask("kener", static_folder=None)
    app.config["SECRET_KEY"] = "s"
    assets.register(app)
    filters.register(app)
    app.jinja_env.globals["csrf_token"] = lambda: "the-token"
    app.jinja_loader = ChoiceLoader([DictLoader(PAGES), app.jinja_loader or DictLoader({})])

    @app.get("/live")
    def live() -> Response | str:
        if "seen" in request.args:
            state.polls += 1
            if state.status:
                return Response("<h1>Broken</h1>", state.status)
            if request.args["seen"] == str(state.revision):
                return Response(status=204)
            page = app.jinja_env.get_template("live.html")
            return "".join(page.blocks["live"](page.new_context({"state": state})))
        return render_template("live.html", state=state)

    @app.get("/<name>")
    def show(name: str) -> str:
        return render_template(f"{name}.html", at=AT, days=days(), lines=LINES)

    @app.post("/theme")
    def theme() -> str:
        state.sent["theme"] = request.form["theme"]
        return show("times")

    @app.post("/refused")
    def refused() -> Response:
        state.sent["token"] = request.headers.get("X-CSRFToken", "")
        return Response("<b>Enter a number.</b>", 422)

    @app.after_request
    def policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = security.CSP
        return response

    with served(app) as address:
        yield address


@pytest.fixture
def tokyo(chromium: Browser) -> Iterator[Page]:
    with watched_tab(chromium, timezone_id="Asia/Tokyo", viewport={"width": 1280, "height": 800}) as tab:
        tab.set_default_timeout(5000)
        yield tab


@pytest.fixture
def go(tokyo: Page, url: str) -> Callable[[str], Page]:
    def go(path: str) -> Page:
        tokyo.goto(url + path)
        return tokyo

    return go


def test_times_appear_in_the_zone_of_the_visitor(go: Callable[[str], Page]):
    tab = go("/times")
    expect(tab.locator("#at")).to_have_text("23 Nov, 18:41")
    expect(tab.locator("#at time")).to_have_attribute("title", "2026-11-23 09:41:20 UTC")
    expect(tab.locator("#zone")).to_have_text("Times in Asia/Tokyo")


def test_a_drawing_says_whose_clock_it_keeps_where_that_is_not_the_visitors(go: Callable[[str], Page]):
    tab = go("/times")
    expect(tab.locator("#far")).to_be_visible()
    expect(tab.locator("#near")).to_be_hidden()


def test_a_change_is_swapped_in_and_said_while_focus_and_open_details_stay(go: Callable[[str], Page], state: State):
    tab = go("/live")
    tab.click("summary")
    tab.focus("text=History")
    state.revision, state.word = 1, "down"
    expect(tab.locator("#monitor-api")).to_contain_text("down")
    expect(tab.locator("#said")).to_have_text("Payment API: operational → down")
    expect(tab.locator("details")).to_have_attribute("open", "")
    expect(tab.locator("text=History")).to_be_focused()


def test_nothing_is_swapped_under_someone_who_types(go: Callable[[str], Page], state: State):
    tab = go("/live")
    tab.fill("input", "half a sent")
    state.revision, state.word = 1, "down"
    tab.wait_for_timeout(1500)
    expect(tab.locator("input")).to_have_value("half a sent")
    tab.locator("input").blur()
    expect(tab.locator("#monitor-api")).to_contain_text("down")


@pytest.mark.parametrize("status", [500, 503, 404])
def test_a_failed_poll_leaves_the_page_as_it_is(go: Callable[[str], Page], state: State, status: int):
    tab = go("/live")
    state.status = status
    polls = state.polls
    tab.wait_for_timeout(1600)
    assert state.polls > polls
    expect(tab.locator("#monitor-api")).to_contain_text("operational")
    if status >= 500:
        expect(tab.locator("#away")).to_have_text(re.compile(r"^No answer since \d\d:\d\d\. Shown: \d\d:\d\d:\d\d\.$"))
    state.status = None
    expect(tab.locator("#away")).to_be_hidden()


def test_a_hidden_tab_asks_less_and_asks_at_once_when_it_is_shown_again(go: Callable[[str], Page], state: State):
    tab = go("/live")
    expect(tab.locator("#monitor-api")).to_contain_text("operational")
    tab.wait_for_timeout(1200)
    hide = "Object.defineProperty(document, 'hidden', {{get: () => {}, configurable: true}})"
    tab.evaluate(hide.format("true"))
    polls = state.polls
    tab.wait_for_timeout(2300)
    assert state.polls <= polls + 1
    state.revision, state.word = 1, "down"
    tab.evaluate(hide.format("false"))
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.locator("#monitor-api")).to_contain_text("down")


def test_a_day_explains_itself_under_the_pointer(go: Callable[[str], Page]):
    tab = go("/days")
    box = tab.locator(".bars svg").bounding_box()
    assert box
    tab.mouse.move(box["x"] + box["width"] * 88.5 / 90, box["y"] + 15)
    expect(tab.locator(".tip")).to_have_text(re.compile("Sun 22 November.*95.83\u202f%.*Down.*1 h"))
    tab.mouse.move(5, 5)
    expect(tab.locator(".tip")).to_have_count(0)


def test_days_are_walked_with_the_keys_and_spoken(go: Callable[[str], Page]):
    tab = go("/days")
    tab.focus("a.bars")
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#said")).to_have_text("Sun 22 November, 95.83\u202f%, Down 1 h")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#said")).to_have_text("Sat 21 November, 100\u202f%, Operational all day")
    tab.keyboard.press("Home")
    expect(tab.locator("#said")).to_have_text("Wed 26 August, –, Not monitored")
    tab.keyboard.press("Escape")
    expect(tab.locator(".tip")).to_have_count(0)
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("#there$"))


def test_a_slash_leads_to_the_search(go: Callable[[str], Page]):
    tab = go("/form")
    tab.keyboard.press("/")
    expect(tab.locator("#f-q")).to_be_focused()
    tab.keyboard.press("/")
    expect(tab.locator("#f-q")).to_have_value("/")


def test_rows_of_names_and_values_grow(go: Callable[[str], Page]):
    tab = go("/form")
    tab.click("text=Add a row")
    expect(tab.locator(".pair")).to_have_count(4)
    expect(tab.locator(".pair input").nth(6)).to_be_focused()
    expect(tab.locator(".pair input").nth(6)).to_have_attribute("aria-label", "Headers, name 4")


def test_lines_change_places_and_grow(go: Callable[[str], Page]):
    tab = go("/lines")
    values = tab.locator("[name=lines_value]")
    expect(values.nth(0)).to_have_value("first")
    tab.click("[aria-label='Lines, later 1']")
    expect(values.nth(1)).to_have_value("first")
    expect(values.nth(1)).to_have_attribute("aria-label", "Lines, value 2")
    expect(tab.locator("[aria-label='Lines, later 2']")).to_be_focused()
    tab.click("[aria-label='Lines, earlier 1']")
    expect(values.nth(0)).to_have_value("second")
    tab.click("text=Add a line")
    expect(values).to_have_count(4)
    assert [tab.locator("[name=lines_source]").nth(3).input_value(), values.nth(3).input_value()] == ["", ""]


def test_the_theme_is_sent_without_a_button(go: Callable[[str], Page], state: State):
    tab = go("/form")
    expect(tab.locator("text=Apply")).to_be_hidden()
    tab.select_option("[name=theme]", "dark")
    expect(tab.locator("h1")).to_have_text("Times")
    assert state.sent["theme"] == "dark"


def test_a_refused_form_comes_back_and_the_token_goes_along(go: Callable[[str], Page], state: State):
    tab = go("/form")
    tab.click("text=Test")
    expect(tab.locator("#answer")).to_have_text("Enter a number.")
    expect(tab.get_by_role("button", name="Test", exact=True)).to_be_visible()
    assert state.sent["token"] == "the-token"


def test_a_confirmation_opens_as_a_dialog_with_the_focus_on_cancel(go: Callable[[str], Page]):
    tab = go("/form")
    tab.click("text=Delete…")
    expect(tab.locator("dialog h1")).to_have_text("Delete API")
    expect(tab.locator("dialog >> text=Cancel")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("dialog")).to_be_hidden()
    expect(tab).to_have_url(re.compile("/form$"))
