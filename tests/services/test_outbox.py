"""Every promise to the outside is kept at least once, in order, under one id (N3); against real receivers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import update

from kener import clock, jobs
from kener.db import transaction
from kener.models import AuditEntry, Delivery, DeliveryAttempt, DeliveryState, Trigger
from kener.services import outbox, triggers
from kener.services.errors import NotFound, Refused
from kener.settings import SmtpSettings
from tests.doubles.http import HttpDouble, drop, reply
from tests.doubles.smtp import SmtpDouble
from tests.factories import SAM, every, make_configuration, make_monitor, make_trigger, observe, only
from tests.support.threads import at_once

RULE = {"failure_threshold": 1, "success_threshold": 1}


@pytest.fixture
def hook(app: Flask) -> Iterator[HttpDouble]:
    """A receiver. Its `/hook` is the trigger "Hook" of a configuration whose alert is active: one delivery waits."""
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        make_monitor()
        make_configuration(trigger_ids=[make_trigger(url=server.url("/hook"))], **RULE)
        observe("api", "DOWN")
        yield server


def events(hook: HttpDouble, path: str = "/hook") -> list[str]:
    """What arrived, in order."""
    return [json.loads(asked.body)["event"] for asked in hook.seen if asked.path == path]


def ids(hook: HttpDouble) -> set[str]:
    """The delivery ids that arrived."""
    return {asked.headers["x-kener-delivery"] for asked in hook.seen}


def handed_out(redis: Redis) -> list[int]:
    """The deliveries that are queued for the workers."""
    return [job.args[0] for job in Queue(jobs.DELIVERIES, connection=redis).jobs]


def later(moment: datetime | timedelta) -> time_machine.travel:
    """From then on, time passes as usual."""
    return time_machine.travel(clock.now() + moment if isinstance(moment, timedelta) else moment, tick=True)


def test_a_delivery_is_sent_once_and_says_how_it_went(hook: HttpDouble) -> None:
    waiting = only(Delivery)
    assert (waiting.state, waiting.attempts, waiting.event) == (DeliveryState.WAITING, 0, "TRIGGERED")
    outbox.deliver(waiting.id)
    outbox.deliver(waiting.id)
    sent = only(Delivery)
    assert (sent.state, sent.attempts, sent.answer, sent.lease_until) == (DeliveryState.SENT, 1, "HTTP 200", None)
    assert sent.sent_at is not None
    [asked] = hook.seen
    assert asked.headers["x-kener-delivery"] == sent.uid
    assert json.loads(asked.body)["monitor_tag"] == "api"


def test_what_does_not_arrive_is_tried_again_after_growing_delays_until_it_has_failed_for_good(
    hook: HttpDouble,
) -> None:
    hook.on("/hook", reply(503), drop, reply(500))
    due, delays = clock.now(), []
    for _ in outbox.DELAYS_S:
        with later(due):
            outbox.deliver(only(Delivery).id)
            outbox.deliver(only(Delivery).id)
            retrying = only(Delivery)
            assert retrying.state is DeliveryState.RETRYING
            delays.append((retrying.next_at - clock.now()).total_seconds())
            due = retrying.next_at
    assert len(hook.seen) == len(outbox.DELAYS_S)
    assert all(short - 5 < delay < 1.2 * short + 1 for short, delay in zip(outbox.DELAYS_S, delays, strict=True))
    assert delays == sorted(delays)
    with later(due):
        outbox.deliver(only(Delivery).id)
    failed = only(Delivery)
    assert (failed.state, failed.attempts) == (DeliveryState.FAILED, len(outbox.DELAYS_S) + 1)
    assert "500" in (failed.answer or "")
    assert ids(hook) == {failed.uid}


@pytest.mark.parametrize(("asked_s", "waited_s"), [("1800", 1_800), ("1", 10)])
def test_a_receiver_that_asks_for_time_gets_it(hook: HttpDouble, asked_s: str, waited_s: int) -> None:
    hook.on("/hook", reply(429, Retry_After=asked_s))
    before = clock.now()
    outbox.deliver(only(Delivery).id)
    wait = (only(Delivery).next_at - before).total_seconds()
    assert waited_s <= wait < 1.2 * waited_s + 5


def test_what_a_receiver_will_never_take_has_failed_for_good_at_once(hook: HttpDouble) -> None:
    hook.on("/hook", reply(404, b"no such hook"))
    outbox.deliver(only(Delivery).id)
    failed = only(Delivery)
    assert (failed.state, failed.attempts) == (DeliveryState.FAILED, 1)
    assert "404" in (failed.answer or "")
    with later(timedelta(days=2)):
        assert outbox.due() == []


# Order


def test_the_resolution_waits_until_the_alert_has_arrived(hook: HttpDouble, redis: Redis) -> None:
    hook.on("/hook", reply(503), reply(200))
    observe("api", "UP")
    first, second = (delivery.id for delivery in every(Delivery))
    outbox.deliver(second)
    assert hook.seen == []
    outbox.deliver(first)
    outbox.deliver(second)
    assert [delivery.state for delivery in every(Delivery)] == [DeliveryState.RETRYING, DeliveryState.WAITING]
    redis.delete(f"rq:queue:{jobs.DELIVERIES}")
    with later(timedelta(minutes=1)):
        outbox.deliver(first)
        assert handed_out(redis) == [second]
        outbox.deliver(second)
    assert events(hook) == ["TRIGGERED", "TRIGGERED", "RESOLVED"]
    assert {delivery.state for delivery in every(Delivery)} == {DeliveryState.SENT}


def test_the_resolution_is_not_sent_when_the_alert_never_arrived(hook: HttpDouble) -> None:
    hook.on("/hook", reply(404), reply(200))
    observe("api", "UP")
    first, second = (delivery.id for delivery in every(Delivery))
    outbox.deliver(first)
    outbox.deliver(second)
    assert events(hook) == ["TRIGGERED"]
    held = every(Delivery)[1]
    assert (held.state, held.attempts) == (DeliveryState.FAILED, 0)
    assert held.answer == "Not sent: the message before it never arrived."
    for delivery_id in (first, second):
        outbox.resend(delivery_id, actor=SAM)
        outbox.deliver(delivery_id)
    assert events(hook) == ["TRIGGERED", "TRIGGERED", "RESOLVED"]


def test_another_alert_does_not_wait_for_one_that_cannot_be_told(hook: HttpDouble) -> None:
    make_monitor("web")
    make_configuration("web", trigger_ids=[only(Trigger).id], **RULE)
    observe("web", "DOWN")
    first, other = (delivery.id for delivery in every(Delivery))
    hook.on("/hook", reply(503), reply(200))
    outbox.deliver(first)
    outbox.deliver(other)
    assert [delivery.state for delivery in every(Delivery)] == [DeliveryState.RETRYING, DeliveryState.SENT]


# Several workers


def test_a_worker_that_died_loses_its_claim_and_the_id_stays(hook: HttpDouble) -> None:
    delivery_id, uid = only(Delivery).id, only(Delivery).uid
    assert outbox._claim(delivery_id) is not None
    outbox.deliver(delivery_id)
    assert (only(Delivery).state, hook.seen, outbox.due()) == (DeliveryState.SENDING, [], [])
    with later(outbox.LEASE + timedelta(seconds=1)):
        assert outbox.due() == [delivery_id]
        outbox.deliver(delivery_id)
    assert (only(Delivery).state, only(Delivery).attempts) == (DeliveryState.SENT, 2)
    assert ids(hook) == {uid}


def test_many_workers_with_the_same_delivery_send_it_once(hook: HttpDouble, app: Flask) -> None:
    hook.on("/hook", reply(200, delay_s=0.2))
    delivery_id = only(Delivery).id
    at_once(app, *[lambda: outbox.deliver(delivery_id)] * 4)
    assert len(hook.seen) == 1
    assert (only(Delivery).state, only(Delivery).attempts) == (DeliveryState.SENT, 1)


def test_a_busy_channel_sends_one_message_at_a_time_and_holds_up_no_other(
    hook: HttpDouble, app: Flask, redis: Redis
) -> None:
    make_monitor("web")
    quick = make_trigger(name="Quick", url=hook.url("/quick"))
    make_configuration("web", trigger_ids=[only_trigger("Hook"), quick], **RULE)
    observe("web", "DOWN")
    first, second, elsewhere = (delivery.id for delivery in every(Delivery))
    hook.on("/hook", reply(200, delay_s=1.0))
    hook.on("/quick", reply(200))
    slow = start(app, lambda: outbox.deliver(first))
    wait_for(lambda: bool(hook.seen))
    outbox.deliver(second)
    outbox.deliver(elsewhere)
    states = [delivery.state for delivery in every(Delivery)]
    assert states == [DeliveryState.SENDING, DeliveryState.WAITING, DeliveryState.SENT]
    assert [asked.path for asked in hook.seen] == ["/hook", "/quick"]
    redis.delete(f"rq:queue:{jobs.DELIVERIES}")
    slow.join(10)
    assert handed_out(redis) == [second]
    outbox.deliver(second)
    assert [asked.path for asked in hook.seen] == ["/hook", "/quick", "/hook"]


def test_the_sweep_finds_what_was_left_behind_and_nothing_else(hook: HttpDouble) -> None:
    delivery_id = only(Delivery).id
    assert outbox.due() == []
    with later(outbox.SWEEP_AFTER + timedelta(seconds=1)):
        assert outbox.due() == [delivery_id]
    hook.on("/hook", reply(503))
    outbox.deliver(delivery_id)
    with later(timedelta(seconds=6)):
        assert outbox.due() == []
    with later(timedelta(seconds=15)):
        assert outbox.due() == [delivery_id]


def test_what_has_to_wait_for_its_turn_crowds_nobody_out_of_the_sweep(hook: HttpDouble) -> None:
    make_monitor("web")
    make_configuration("web", trigger_ids=[make_trigger(name="Other", url=hook.url("/other"))], **RULE)
    observe("api", "UP")
    observe("web", "DOWN")
    triggered, resolved, other = (delivery.id for delivery in every(Delivery))
    hook.on("/hook", reply(429, Retry_After="3600"))
    outbox.deliver(triggered)
    with later(timedelta(minutes=1)):
        assert outbox.due(limit=1) == [other]
    with later(timedelta(hours=2)):
        assert outbox.due(limit=2) == [triggered, other]
        hook.on("/hook", reply(404))
        outbox.deliver(triggered)
        assert outbox.due(limit=1) == [resolved]


# By hand


def test_sending_again_keeps_the_id_and_counts_from_the_start(hook: HttpDouble, redis: Redis) -> None:
    hook.on("/hook", reply(404), reply(503), reply(200))
    delivery_id, uid = only(Delivery).id, only(Delivery).uid
    outbox.deliver(delivery_id)
    redis.delete(f"rq:queue:{jobs.DELIVERIES}")
    outbox.resend(delivery_id, actor=SAM)
    assert (only(Delivery).state, only(Delivery).attempts) == (DeliveryState.WAITING, 0)
    assert handed_out(redis) == [delivery_id]
    outbox.deliver(delivery_id)
    assert only(Delivery).state is DeliveryState.RETRYING
    outbox.resend(delivery_id, actor=SAM)
    outbox.deliver(delivery_id)
    assert only(Delivery).state is DeliveryState.SENT
    assert (len(hook.seen), ids(hook)) == (3, {uid})
    assert ("sam@example.com", "resend", f"delivery-{delivery_id}") in {
        (entry.actor, entry.action, entry.about) for entry in every(AuditEntry)
    }


def test_what_is_being_sent_and_what_is_not_there_cannot_be_sent_again(hook: HttpDouble) -> None:
    delivery_id = only(Delivery).id
    assert outbox._claim(delivery_id) is not None
    with pytest.raises(Refused):
        outbox.resend(delivery_id, actor=SAM)
    with pytest.raises(NotFound):
        outbox.resend(delivery_id + 1, actor=SAM)


@pytest.mark.parametrize("deleted", [True, False])
def test_what_waits_for_a_trigger_that_is_gone_fails_with_the_reason(hook: HttpDouble, deleted: bool) -> None:
    if deleted:
        triggers.delete(only(Trigger).id, actor=SAM)
    else:
        make_trigger(url=hook.url("/hook"), is_active=False, trigger_id=only(Trigger).id)
    outbox.deliver(only(Delivery).id)
    failed = only(Delivery)
    reason = "The trigger was deleted." if deleted else "The trigger was deactivated."
    assert (failed.state, failed.answer, failed.trigger_name) == (DeliveryState.FAILED, reason, "Hook")
    assert hook.seen == []


def test_a_secret_that_cannot_be_opened_is_named_and_nothing_is_sent(hook: HttpDouble) -> None:
    make_trigger(url=hook.url("/hook"), secret="a secret of some length", trigger_id=only(Trigger).id)
    with transaction() as session:
        session.execute(update(Trigger).values(secret="damaged"))
    outbox.deliver(only(Delivery).id)
    failed = only(Delivery)
    assert failed.state is DeliveryState.FAILED
    assert "Enter the secret again" in (failed.answer or "")
    assert hook.seen == []


# E-mail


def test_an_email_arrives_with_text_and_html(make_app: Callable[..., Flask]) -> None:
    with SmtpDouble() as smtp:
        sender = "Status <status@example.com>"
        make_app(web=False, smtp=SmtpSettings("127.0.0.1", smtp.port, sender, security="none"))
        make_monitor(name="Payment <API>")
        trigger_id = make_trigger("email", name="Team", to=["team@example.com", "boss@example.com"])
        make_configuration(trigger_ids=[trigger_id], create_incident="YES", **RULE)
        observe("api", "DOWN", "UP")
        for delivery in every(Delivery):
            outbox.deliver(delivery.id)
        assert [delivery.state for delivery in every(Delivery)] == [DeliveryState.SENT, DeliveryState.SENT]
    triggered, resolved = smtp.kept
    assert triggered.recipients == ["team@example.com", "boss@example.com"]
    assert triggered.message["Subject"].endswith(":INVESTIGATING] Payment <API> STATUS: DOWN")
    assert resolved.message["Subject"].endswith(":RESOLVED] Payment <API> STATUS: DOWN")
    assert triggered.message["References"] == resolved.message["References"]
    html = triggered.message.get_body(("html",)).get_content()
    assert "Payment &lt;API&gt;" in html
    assert "Payment <API>" not in html
    assert "Payment <API> STATUS: DOWN" in triggered.message.get_body(("plain",)).get_content()


def test_an_email_that_the_server_puts_off_is_tried_again(make_app: Callable[..., Flask]) -> None:
    with SmtpDouble(refuse={"DATA": "451 come back later"}) as smtp:
        make_app(web=False, smtp=SmtpSettings("127.0.0.1", smtp.port, "status@example.com", security="none"))
        make_monitor()
        make_configuration(trigger_ids=[make_trigger("email")], **RULE)
        observe("api", "DOWN")
        outbox.deliver(only(Delivery).id)
        assert only(Delivery).state is DeliveryState.RETRYING
        assert "come back later" in (only(Delivery).answer or "")
        smtp.refuse.clear()
        with later(timedelta(minutes=1)):
            outbox.deliver(only(Delivery).id)
    assert only(Delivery).state is DeliveryState.SENT
    assert len(smtp.kept) == 1


# Helpers


def only_trigger(name: str) -> int:
    """The id of the trigger of a name."""
    return next(trigger.id for trigger in every(Trigger) if trigger.name == name)


def start(app: Flask, act: Callable[[], object]) -> threading.Thread:
    """Run an act in a thread with an app context of its own, as a worker does."""

    def work() -> None:
        with app.app_context():
            act()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    """Until a condition holds."""
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "nothing happened"
        time.sleep(0.01)


# What is kept, and sent again


def test_each_attempt_is_kept_with_its_answer_and_how_long_it_took(hook: HttpDouble) -> None:
    hook.on("/hook", reply(503, delay_s=0.05), reply(200))
    delivery_id = only(Delivery).id
    outbox.deliver(delivery_id)
    with later(timedelta(minutes=1)):
        outbox.deliver(delivery_id)
    first, second = every(DeliveryAttempt)
    assert (first.has_arrived, second.has_arrived, second.answer) == (False, True, "HTTP 200")
    assert "503" in first.answer and first.duration_ms >= 50 and first.at < second.at


def test_a_time_is_sent_again_in_order_under_the_same_ids(hook: HttpDouble) -> None:
    hook.on("/hook", reply(404), reply(200))
    observe("api", "UP")
    before = [delivery.uid for delivery in every(Delivery)]
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)
    trigger_id, now = only(Trigger).id, clock.now()
    span = {"start": now - timedelta(hours=1), "end": now + timedelta(hours=1)}
    assert outbox.replay(trigger_id, **span, only_failed=True, actor=SAM) == 2
    second, first = reversed(every(Delivery))
    outbox.deliver(second.id)
    assert events(hook) == ["TRIGGERED"]
    outbox.deliver(first.id)
    outbox.deliver(second.id)
    assert events(hook) == ["TRIGGERED", "TRIGGERED", "RESOLVED"]
    assert [asked.headers["x-kener-delivery"] for asked in hook.seen] == [before[0], before[0], before[1]]
    with pytest.raises(Refused):
        outbox.replay(trigger_id, **span, only_failed=True, actor=SAM)
    assert outbox.replay(trigger_id, **span, only_failed=False, actor=SAM) == 2
    assert [entry.action for entry in every(AuditEntry)].count("replay") == 2
    with pytest.raises(Refused):
        outbox.replay(trigger_id + 1, **span, only_failed=True, actor=SAM)


def test_a_channel_that_is_off_is_not_sent_its_time_again(hook: HttpDouble) -> None:
    outbox.deliver(only(Delivery).id)
    make_trigger(trigger_id=only(Trigger).id, url=hook.url("/hook"), is_active=False)
    span = {"start": clock.now() - timedelta(hours=1), "end": clock.now() + timedelta(hours=1)}
    with pytest.raises(Refused):
        outbox.replay(only(Trigger).id, **span, only_failed=False, actor=SAM)
    assert only(Delivery).state is DeliveryState.SENT


def test_a_channel_that_hangs_and_one_that_is_gone_delay_no_other(hook: HttpDouble, app: Flask) -> None:
    hook.on("/slow", reply(200, delay_s=3.0))
    hook.on("/gone", reply(404))
    hook.on("/good", reply(200))
    channels = [make_trigger(name=name, url=hook.url(f"/{name}")) for name in ("slow", "gone", "good")]
    for number in range(3):
        make_monitor(f"m{number}")
        make_configuration(f"m{number}", trigger_ids=channels, **RULE)
        observe(f"m{number}", "DOWN", "UP")
    slow = start(app, lambda: outbox.deliver(of("slow")[0].id))
    wait_for(lambda: any(asked.path == "/slow" for asked in hook.seen))
    for delivery in every(Delivery):
        if delivery.trigger_name != "Hook":
            outbox.deliver(delivery.id)
    assert slow.is_alive()
    assert {delivery.state for delivery in of("good")} == {DeliveryState.SENT}
    assert {delivery.state for delivery in of("gone")} == {DeliveryState.FAILED}
    assert events(hook, "/good") == ["TRIGGERED", "RESOLVED"] * 3 and events(hook, "/slow") == ["TRIGGERED"]
    slow.join()


def of(name: str) -> list[Delivery]:
    """The deliveries to one trigger."""
    return [delivery for delivery in every(Delivery) if delivery.trigger_name == name]
