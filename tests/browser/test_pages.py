"""The public pages in a real browser: they keep themselves up to date, speak the visitor's time, and fit every screen."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from kener import live
from tests.factories import make_incident, make_monitor, observe, plan_maintenance, post
from tests.support.browser import watched_tab

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 800, 1280)
NOTE_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({type: "layout-shift", buffered: true});"""
SETTLED = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))"""
WIDER = """[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => `${e.localName}.${e.className.baseVal ?? e.className}`).slice(0, 8)"""


def now() -> int:
    return int(time.time())


def poll(tab: Page) -> None:
    """What the page does when its tab is shown again: ask at once."""
    tab.evaluate("document.dispatchEvent(new Event('kener:back'))")


def test_an_incident_appears_without_a_reload_and_leaves_the_reader_where_they_were(site_url: str, tab: Page):
    make_monitor("api"), make_monitor("web")
    observe("api", "DOWN", start=now() - 20)
    observe("web", "UP", start=now() - 20)
    number = make_incident("api", title="Slow payments", start=now() - 3000)
    for n in range(6):
        post(number, "INVESTIGATING", at=now() - 2000 + n, text=f"Update {n}.")
    tab.goto(site_url)
    tab.evaluate("window.stayed = true")
    tab.locator("summary", has_text="3 more").click()
    tab.locator("#monitor-web .bars").focus()
    before = tab.evaluate("scrollY")

    other = make_incident("web", title="Queue full", start=now() - 60)
    observe("web", "DOWN", start=now() - 5)
    live.publish()
    assert tab.locator(f"#incident-{other}").count() == 0
    poll(tab)

    expect(tab.locator(f"#incident-{other} h3")).to_have_text("Queue full")
    expect(tab.locator("h1")).to_have_text("Major outage")
    expect(tab.locator(f"#incident-{number} details")).to_have_attribute("open", "")
    expect(tab.get_by_text("Update 2.")).to_be_visible()
    expect(tab.locator("#monitor-web .bars")).to_be_focused()
    expect(tab.locator("#said")).to_have_text("Queue full: Investigating. Web: Operational → Down")
    assert tab.locator("#said").get_attribute("aria-live") == "polite"
    assert tab.evaluate("window.stayed") and tab.evaluate("scrollY") >= before


def test_a_page_asks_by_itself_and_says_nothing_while_nothing_changes(site_url: str, tab: Page):
    make_monitor("api")
    tab.clock.install()
    tab.goto(site_url)
    with tab.expect_response(lambda answer: "seen=" in answer.url) as asked:
        tab.clock.run_for(16_000)
    assert asked.value.status in (200, 204)
    expect(tab.locator("#said")).to_have_text("")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns"])
def test_times_are_the_visitors_own(site_url: str, chromium: Browser, zone: str):
    start = now() - 5000
    number = make_incident(start=start)
    with watched_tab(chromium, timezone_id=zone) as tab:
        tab.goto(f"{site_url}/incidents/{number}")
        at = datetime.fromtimestamp(start, ZoneInfo(zone))
        expect(tab.locator(".facts time").first).to_have_text(f"{at.day} {at:%b}, {at:%H:%M}")
        expect(tab.locator(".facts time").first).to_have_attribute(
            "title", f"{datetime.fromtimestamp(start, ZoneInfo('UTC')):%Y-%m-%d %H:%M:%S} UTC"
        )
        expect(tab.locator("footer [data-zone]")).to_have_text(f"Times in {zone.replace('_', ' ')}")


def crowd() -> list[str]:
    """A hundred monitors with names as long as they may be, and the same for all else; the pages that show them."""
    for n in range(100):
        name = f"{n}{'W' * (255 - len(str(n)))}" if n % 2 else f"Payments <b>{n}</b> " + "and more " * 25
        make_monitor(
            f"m{n}", name=name[:255].strip(), category_name=("S" * 255, "Payments")[n % 2], description="D" * 900
        )
        observe(f"m{n}", ("UP", "DOWN", "DEGRADED", "NO_DATA")[n % 4], start=now() - 20, latency_ms=123_456)
    number = make_incident("m0", "m1", "m2", title="T" * 255, start=now() - 8000)
    post(
        number,
        "INVESTIGATING",
        text=f"{'w' * 400}\n\n```\n{'c' * 400}\n```\n\n| A | B |\n|---|---|\n| {'t' * 300} | b |",
    )
    over = make_incident("m1", title="O" * 255, start=now() - 90_000)
    post(over, "RESOLVED", at=now() - 80_000, text="r" * 500)
    plan_maintenance("m3", "m5", start=now() - 60, end=now() + 9000)
    return ["/", "/monitors/m1", f"/incidents/{number}"]


def test_every_page_fits_every_screen_in_light_and_dark(site_url: str, chromium: Browser):
    paths, troubles = crowd(), []
    for theme in ("light", "dark"):
        for width in WIDTHS:
            with watched_tab(chromium, viewport={"width": width, "height": 800}, color_scheme=theme) as tab:
                tab.on(
                    "console", lambda line: troubles.append(line.text) if line.type in ("error", "warning") else None
                )
                # Going on to the next page may break off the icon's request; that is no failure.
                tab.on(
                    "requestfailed",
                    lambda request: troubles.append(request.url) if "ABORTED" not in str(request.failure) else None,
                )
                tab.add_init_script(NOTE_SHIFTS)
                for path in paths:
                    tab.goto(f"{site_url}{path}")
                    tab.evaluate(SETTLED)
                    where = f"{path} at {width} px in {theme}"
                    if tab.evaluate("document.documentElement.scrollWidth") > width:
                        troubles.append(f"{where} scrolls sideways: {tab.evaluate(WIDER)}")
                    shifts = tab.evaluate("window.shifts")
                    # Only that a time loses its zone may move a line, and not on the page with a hundred of them.
                    if sum(shifts) > (0 if path == "/" else 0.01):
                        troubles.append(f"{where} shifts by {shifts}")
                background = tab.evaluate(
                    "getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).backgroundColor"
                )
                assert ("255" in background or "25" in background) is (theme == "light"), background
    assert not troubles, "\n".join(troubles)
