"""What operators see of channels and messages, and what they do about them."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.db import transaction
from kener.models import Delivery, DeliveryState, Trigger
from kener.services import outbox
from tests import factories
from tests.doubles.http import HttpDouble, reply
from tests.support.pages import visit


def switch_off(trigger_id: int) -> None:
    """What ten failures in a row do."""
    with transaction() as session:
        trigger = session.get_one(Trigger, trigger_id)
        trigger.is_active, trigger.failures, trigger.switched_off_at = False, 10, clock.now()
        trigger.switched_off_because = "Switched off after 10 messages in a row. The last answer: HTTP 404"


def test_a_channel_that_was_switched_off_says_why_and_is_switched_on_again(editor: FlaskClient) -> None:
    trigger_id = factories.make_trigger(name="Chat")
    switch_off(trigger_id)
    assert "HTTP 404" in visit(editor, "/manage/triggers").one(f"#trigger-{trigger_id}").text
    overview = visit(editor, "/manage")
    assert "Chat is switched off" in overview.one(f"#needs-trigger-{trigger_id}").text
    overview.form(f"/manage/triggers/{trigger_id}/activate").submit()
    assert factories.only(Trigger).is_active
    assert "HTTP 404" not in visit(editor, "/manage/triggers").one(f"#trigger-{trigger_id}").text


def test_who_may_only_look_sees_it_and_has_no_button(viewer: FlaskClient) -> None:
    switch_off(factories.make_trigger(name="Chat"))
    assert "Chat is switched off" in visit(viewer, "/manage").text
    assert "Switch on again" not in visit(viewer, "/manage").text


def told(hook: HttpDouble) -> int:
    """One alert, told to a trigger that refuses it. Returns the delivery's id."""
    hook.on("/hook", reply(404, b"no such hook"), reply(200))
    factories.make_monitor("api")
    factories.make_configuration(
        "api", failure_threshold=1, trigger_ids=[factories.make_trigger(url=hook.url("/hook"))]
    )
    factories.observe("api", "DOWN", start=clock.epoch() - 60)
    delivery_id = factories.only(Delivery).id
    outbox.deliver(delivery_id)
    return delivery_id


@pytest.fixture
def hook() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        yield server


def test_a_delivery_shows_its_attempts_and_is_sent_again(editor: FlaskClient, hook: HttpDouble) -> None:
    delivery_id = told(hook)
    page = visit(editor, f"/manage/deliveries/{delivery_id}")
    assert "404" in page.one("table").text and "STATUS: DOWN" in page.text
    again = page.form("Send again").submit()
    assert "It is sent again now." in again.text
    outbox.deliver(delivery_id)
    assert "HTTP 200" in visit(editor, f"/manage/deliveries/{delivery_id}").one("table").text
    assert editor.get("/manage/deliveries/999999").status_code == 404


def test_deliveries_are_found_by_event_day_and_either_id(editor: FlaskClient, hook: HttpDouble) -> None:
    delivery_id = told(hook)
    uid, today = factories.only(Delivery).uid, f"{clock.now():%Y-%m-%d}"
    for query in (f"q={delivery_id}", f"q={uid.upper()}", "event=TRIGGERED", f"from={today}", "to=2999-01-01"):
        assert visit(editor, f"/manage/deliveries?{query}").all("tbody tr"), query
    for query in ("q=999999", "q=nonsense", "event=RESOLVED", "from=2999-01-01", "to=2001-01-01"):
        assert not visit(editor, f"/manage/deliveries?{query}").all("tbody tr"), query
    assert visit(editor, "/manage/deliveries?from=soon&event=NEVER").all("tbody tr")


def test_a_time_is_counted_asked_about_and_sent_again(editor: FlaskClient, hook: HttpDouble) -> None:
    told(hook)
    trigger, today = str(factories.only(Trigger).id), f"{clock.now():%Y-%m-%d}"
    page = visit(editor, "/manage/deliveries").click("Send a time again…")
    assert "Choose a trigger." in page.form("Count them").fill(**{"from": today}).submit(status=422).text
    counted = page.form("Count them").fill(trigger=trigger, **{"from": today, "to": today}).submit()
    assert "1 delivery to Hook would be sent again." in counted.text
    after = counted.form("Send 1 delivery again").submit()
    assert "0 arrived, 0 failed, 1 on their way." in after.one("#progress").text
    outbox.deliver(factories.only(Delivery).id)
    assert factories.only(Delivery).state is DeliveryState.SENT
