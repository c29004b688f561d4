"""A fire drill in a real browser: asked for in a dialog, followed without a reload."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from kener.models import Delivery, Drill
from kener.services import drills, outbox
from tests.conftest import PASSWORD, account
from tests.doubles.http import HttpDouble, reply
from tests.factories import every, make_configuration, make_monitor, make_trigger, only

pytestmark = pytest.mark.browser


@pytest.fixture
def hook(app: Flask) -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        yield server


def deliver_all() -> None:
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)


def test_a_drill_is_asked_for_in_a_dialog_and_followed_without_a_reload(
    site_url: str, tab: Page, hook: HttpDouble
) -> None:
    account("EDITOR")
    make_monitor("api")
    config_id = make_configuration("api", create_incident="YES", trigger_ids=[make_trigger(url=hook.url("/hook"))])
    tab.goto(f"{site_url}/sign-in?next=/manage/alerts/{config_id}")
    tab.get_by_label("E-mail").fill("editor@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()

    tab.get_by_role("link", name="Fire drill…").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    expect(dialog).to_contain_text("This channel gets two notices")
    dialog.get_by_role("button", name="Start fire drill").click()

    expect(tab.get_by_role("heading", level=1)).to_contain_text("Running")
    tab.evaluate("window.stayed = true")
    drill_id = only(Drill).id
    drills.run(drill_id)
    expect(tab.locator("tr", has_text="TRIGGERED to Hook")).to_contain_text("waiting", timeout=10_000)
    deliver_all()
    drills.run(drill_id)
    deliver_all()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Passed", timeout=10_000)
    expect(tab.locator("tr", has_text="RESOLVED to Hook")).to_contain_text("HTTP 200")
    expect(tab.locator("#live")).not_to_have_attribute("hx-get", tab.url)
    assert tab.evaluate("window.stayed")
