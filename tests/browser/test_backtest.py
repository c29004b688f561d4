"""The back-test with script: in place, from what stands in the form, and untouched by the page that keeps itself up to date."""

import pytest
from playwright.sync_api import Page, expect

from kener import clock
from tests.conftest import PASSWORD, account
from tests.factories import make_configuration, make_monitor, observe

pytestmark = pytest.mark.browser


def story() -> None:
    make_monitor("api")
    observe("api", *["DOWN", "DOWN", "DOWN", "UP"] * 3, *["UP"] * 8, start=clock.epoch() - 7_200)


def open_signed_in(tab: Page, site_url: str, path: str) -> None:
    account("EDITOR")
    tab.goto(f"{site_url}/sign-in?next={path}")
    tab.get_by_label("E-mail").fill("editor@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Back-test")).to_be_visible()


def test_the_draft_in_the_form_is_tested_in_place(site_url: str, tab: Page) -> None:
    story()
    open_signed_in(tab, site_url, "/manage/alerts/new")
    tab.get_by_label("Api (api)").check()
    tab.evaluate("window.stayed = true")
    tab.get_by_label("Success threshold").fill("1")
    tab.get_by_role("button", name="Test this draft").click()
    expect(tab.locator(".versus tbody tr").first).to_have_text("Alerts3")
    expect(tab.get_by_label("Success threshold")).to_have_value("1")
    tab.get_by_label("Failure threshold").fill("0")
    tab.get_by_role("button", name="Test this draft").click()
    expect(tab.locator("#tested")).to_contain_text("Failure threshold: Enter a number from 1 up.")
    tab.get_by_label("Failure threshold").fill("4")
    tab.get_by_role("button", name="Test this draft").click()
    expect(tab.locator(".advice")).to_contain_text("at most 3 of 4 checks failed in a row")
    assert tab.evaluate("window.stayed")


def test_a_result_outlives_the_updates_of_the_page(site_url: str, tab: Page) -> None:
    story()
    config_id = make_configuration("api", success_threshold=1)
    open_signed_in(tab, site_url, f"/manage/alerts/{config_id}")
    tab.get_by_label("Success threshold").fill("6")
    tab.get_by_role("button", name="Test this draft").click()
    expect(tab.locator(".versus tbody tr").first).to_have_text("Alerts31−2")
    tab.locator("h1").click()
    observe("api", "DOWN", start=clock.epoch())
    with tab.expect_response(lambda answer: answer.url.endswith(f"/alerts/{config_id}")):
        tab.evaluate("document.dispatchEvent(new Event('kener:back'))")
    expect(tab.locator(".live")).to_contain_text("Failing in a row1")
    expect(tab.locator(".versus tbody tr").first).to_have_text("Alerts31−2")
    expect(tab.get_by_label("Success threshold")).to_have_value("6")
    tab.get_by_role("button", name="Use it").click()
    expect(tab.locator(".flash")).to_contain_text("The draft is in use.")
