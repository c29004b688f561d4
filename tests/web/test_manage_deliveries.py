"""What operators see of channels and messages, and what they do about them."""

from flask.testing import FlaskClient

from kener import clock
from kener.db import transaction
from kener.models import Trigger
from tests import factories
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
