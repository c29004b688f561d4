"""Maintenance with script: the next occurrences while one types, and questions in a dialog."""

import pytest
from playwright.sync_api import Page, expect

from kener import clock
from kener.domain.windows import WindowState
from kener.models import MaintenanceWindow
from tests.conftest import PASSWORD, account
from tests.factories import every, plan_maintenance

pytestmark = pytest.mark.browser


def open_signed_in(tab: Page, site_url: str, path: str) -> None:
    account("EDITOR")
    tab.goto(f"{site_url}/sign-in?next={path}")
    tab.get_by_label("E-mail").fill("editor@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(f"**{path}")


def test_the_next_occurrences_follow_what_is_typed(site_url: str, tab: Page) -> None:
    open_signed_in(tab, site_url, "/manage/maintenances/new")
    tab.get_by_label("Start").fill("2030-07-07T02:00")
    tab.get_by_label("Time zone").fill("Europe/Berlin")
    tab.get_by_label("Happens").select_option("weekly")
    expect(tab.locator("#preview b")).to_have_text("Every Sunday at 02:00, Europe/Berlin, for 1 hour")
    expect(tab.locator("#preview li")).to_have_count(5)
    expect(tab.locator("#preview li").first).to_have_text("Sun 7 Jul 2030, 02:00 to 03:00 CEST")
    tab.get_by_label("Number of times").fill("2")
    tab.get_by_label("Last day").focus()
    expect(tab.locator("#preview li")).to_have_count(2)
    tab.get_by_label("Happens").select_option("custom")
    tab.get_by_label("Rule of your own").fill("FREQ=HOURLY")
    tab.get_by_role("button", name="Show the next five").click()
    expect(tab.locator("#preview")).to_contain_text("DAILY, WEEKLY, MONTHLY or YEARLY")


def test_an_occurrence_is_called_off_in_a_dialog(site_url: str, tab: Page) -> None:
    start = clock.epoch() + 86_400
    key = plan_maintenance(start=start, end=start + 3600, rrule="FREQ=DAILY;COUNT=2")
    open_signed_in(tab, site_url, f"/manage/maintenances/{key}")
    tab.get_by_role("link", name="Call off…").first.click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_contain_text("Call this occurrence off")
    dialog.get_by_role("button", name="Call it off").click()
    expect(tab.locator(".flash")).to_contain_text("Cancelled.")
    expect(tab.locator("#calendar tbody tr")).to_have_count(1)
    assert [one.state for one in every(MaintenanceWindow)] == [WindowState.CANCELLED, WindowState.SCHEDULED]
