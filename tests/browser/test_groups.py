"""The form of a group with script: a long list is narrowed by typing, and what the choice makes follows every change."""

import pytest
from playwright.sync_api import Page, expect

from kener import clock
from tests.conftest import PASSWORD, account
from tests.factories import make_monitor, record, sample

pytestmark = pytest.mark.browser


def test_members_are_found_by_typing_and_the_preview_follows(site_url: str, tab: Page) -> None:
    for number in range(12):
        make_monitor(f"m{number}", name=f"Machine {number}")
    make_monitor("mail", name="Mail of Berlin")
    record(sample("mail", clock.epoch() - 20, "DOWN"))
    account("EDITOR")
    tab.goto(f"{site_url}/sign-in?next=/manage/monitors/-/new?type=GROUP")
    tab.get_by_label("E-mail").fill("editor@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.evaluate("window.stayed = true")
    members, preview = tab.locator("#f-monitors"), tab.locator("#preview")

    members.get_by_role("checkbox", name="Machine 3").check()
    expect(preview).to_contain_text("Now it would be UP.")
    members.get_by_label("Narrow the list").fill("berlin MAIL")
    expect(members.locator("li:visible")).to_have_count(2)
    members.get_by_role("checkbox", name="Mail of Berlin").check()
    expect(preview).to_contain_text("Now it would be DEGRADED. 1 of 2 is DOWN: Mail of Berlin.")
    expect(members.get_by_label("Weight of Mail of Berlin")).to_be_visible()
    expect(tab.locator("#f-quorum")).to_be_hidden()

    tab.locator("#f-strategy").select_option("QUORUM")
    expect(preview).to_contain_text("Now it would be UP.")
    expect(members.get_by_label("Weight of Mail of Berlin")).to_be_hidden()
    tab.locator("#f-quorum").fill("3")
    tab.locator("#f-quorum").press("Tab")
    expect(preview).to_contain_text("There are 2 members only.")
    assert tab.evaluate("window.stayed")
