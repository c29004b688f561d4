"""A channel that keeps failing is switched off and its owners are told; switched on again, nothing is counted against it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue

from kener import clock, jobs
from kener.db import transaction
from kener.domain.channels import MOST_FAILURES
from kener.models import AuditEntry, Delivery, Role, Trigger
from kener.services import accounts, failing, outbox
from kener.services.errors import NotFound
from kener.settings import SmtpSettings
from tests.doubles.http import Act, HttpDouble, reply
from tests.doubles.smtp import SmtpDouble
from tests.factories import SAM, every, make_configuration, make_monitor, make_trigger, observe, only
from tests.support.threads import at_once

GONE = reply(404)


def send_all() -> None:
    """What the workers do with everything that waits."""
    for delivery in every(Delivery):
        outbox.deliver(delivery.id)


def told(server: HttpDouble, *answers: Act) -> None:
    """As many alerts as answers, each told once."""
    server.on("/hook", *answers)
    hook = make_trigger(url=server.url("/hook"))
    for number in range(len(answers)):
        make_monitor(f"m{number}")
        make_configuration(f"m{number}", trigger_ids=[hook], failure_threshold=1)
        observe(f"m{number}", "DOWN")
        send_all()


def test_ten_messages_in_a_row_that_failed_for_good_switch_a_channel_off(app: Flask) -> None:
    with HttpDouble() as server:
        told(server, *[GONE] * MOST_FAILURES)
        trigger = only(Trigger)
        assert not trigger.is_active and trigger.switched_off_at is not None and trigger.tell_at is None
        assert "10 messages in a row" in (trigger.switched_off_because or "")
        assert "404" in (trigger.switched_off_because or "")
        [line] = [entry for entry in every(AuditEntry) if entry.action == "switch off"]
        assert line.about == f"trigger-{trigger.id}" and "Hook" in line.detail
        observe("m0", "DOWN")
        send_all()
        assert len(server.seen) == MOST_FAILURES


def test_one_success_between_them_starts_the_count_anew(app: Flask) -> None:
    with HttpDouble() as server:
        told(server, *[GONE] * (MOST_FAILURES - 1), reply(200), GONE)
    trigger = only(Trigger)
    assert trigger.is_active and trigger.failures == 1


def test_a_day_of_attempts_in_vain_switches_a_channel_off(app: Flask) -> None:
    with HttpDouble() as server:
        told(server, reply(503))
        server.on("/hook", reply(503))
        for hours in (8, 16, 25):
            with time_machine.travel(clock.now() + timedelta(hours=hours), tick=True):
                assert only(Trigger).is_active
                send_all()
    assert not only(Trigger).is_active
    assert "every attempt failed for" in (only(Trigger).switched_off_because or "")


def test_switched_on_again_by_a_button_or_by_its_form_nothing_counts_against_it(app: Flask) -> None:
    with HttpDouble() as server:
        told(server, *[GONE] * MOST_FAILURES)
        trigger_id = only(Trigger).id
        failing.switch_on(trigger_id, actor=SAM)
        failing.switch_on(trigger_id, actor=SAM)
        fresh = only(Trigger)
        assert fresh.is_active and (fresh.failures, fresh.failing_since, fresh.switched_off_because) == (0, None, None)
        assert [entry.action for entry in every(AuditEntry)].count("switch on") == 1
        with transaction() as session:
            off = session.get_one(Trigger, trigger_id)
            off.is_active, off.failures, off.switched_off_at = False, 10, clock.now()
        make_trigger(trigger_id=trigger_id, url=server.url("/hook"))
    assert only(Trigger).is_active and only(Trigger).failures == 0 and only(Trigger).switched_off_at is None
    with pytest.raises(NotFound):
        failing.switch_on(trigger_id + 1, actor=SAM)


def with_owner(make_app: Callable[..., Flask], mail: SmtpDouble) -> Flask:
    """An installation that can write mails, with an owner and an editor."""
    app = make_app(web=False, smtp=SmtpSettings("127.0.0.1", mail.port, "status@example.com", security="none"))
    for name, role in (("owner", Role.OWNER), ("editor", Role.EDITOR)):
        accounts.create_user(email=f"{name}@example.com", password="a long password", role=role, actor=SAM)
    return app


def test_the_owners_are_written_to_once_and_nobody_else(make_app: Callable[..., Flask], redis: Redis) -> None:
    with HttpDouble() as server, SmtpDouble() as mail:
        app = with_owner(make_app, mail)
        told(server, *[GONE] * MOST_FAILURES)
        trigger_id = only(Trigger).id
        queued = Queue(jobs.NOTICES, connection=redis).jobs
        assert [job.args for job in queued if job.func_name == jobs.TELL_OWNERS] == [(trigger_id,)]
        assert failing.due() == [trigger_id]
        at_once(app, *[partial(failing.tell_owners, trigger_id)] * 3)
        assert failing.due() == [] and only(Trigger).tell_at is None
    [received] = mail.kept
    assert received.recipients == ["owner@example.com"]
    assert "Trigger Hook is switched off" in received.message["Subject"]


def test_a_mail_server_that_puts_it_off_is_asked_again(make_app: Callable[..., Flask]) -> None:
    with HttpDouble() as server, SmtpDouble(refuse={"DATA": "451 come back later"}) as mail:
        with_owner(make_app, mail)
        told(server, *[GONE] * MOST_FAILURES)
        trigger_id = only(Trigger).id
        failing.tell_owners(trigger_id)
        assert failing.due() == [] and mail.kept == []
        mail.refuse.clear()
        with time_machine.travel(clock.now() + failing.TELL_AGAIN, tick=True):
            assert failing.due() == [trigger_id]
            failing.tell_owners(trigger_id)
    assert len(mail.kept) == 1 and only(Trigger).tell_at is None


def test_a_channel_of_mails_that_fails_writes_no_mail_about_itself(app: Flask) -> None:
    hook = make_trigger("email", name="Team")
    for number in range(MOST_FAILURES):
        make_monitor(f"m{number}")
        make_configuration(f"m{number}", trigger_ids=[hook], failure_threshold=1)
        observe(f"m{number}", "DOWN")
    send_all()
    assert not only(Trigger).is_active and only(Trigger).tell_at is None and failing.due() == []
