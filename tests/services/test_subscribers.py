"""Nobody is told anything before the owner of an address has said yes, and whoever leaves is gone (N4)."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from kener import clock
from kener.db import reading, transaction
from kener.domain.subscriptions import Channel, Choices, SubscriberInput, SubscriberState
from kener.models import AuditEntry, Confirmation, NoticeDelivery, Subscriber, Subscription
from kener.services import broadcasts, housekeeping, subscribers
from kener.services.errors import NotFound, Refused
from tests.doubles.http import HttpDouble, reply
from tests.doubles.smtp import SmtpDouble
from tests.factories import SAM, count, every, make_incident, make_monitor, only
from tests.support.subscribers import make_subscriber, name_site, parts, send, smtp_settings
from tests.support.threads import at_once


@pytest.fixture
def smtp(make_app: Callable[..., Flask]) -> Iterator[SmtpDouble]:
    """A mail server, a site with an address, one monitor."""
    with SmtpDouble() as server:
        make_app(web=False, smtp=smtp_settings(server))
        name_site()
        make_monitor("shop")
        yield server


def ask(address: str = "ann@example.com", **choices: object) -> str:
    """Ask for updates, and let the workers send the question. Returns the ref."""
    before = {one.id for one in every(Confirmation)}
    ref = subscribers.ask(SubscriberInput.model_validate({"address": address, **choices}))
    for one in every(Confirmation):
        if one.id not in before:
            broadcasts.send_question(one.id)
    reading()
    return ref


def question(smtp: SmtpDouble) -> tuple[str, str]:
    """Code and link of the newest mail."""
    words, html = parts(smtp.kept[-1])
    [code], [link] = re.findall(r"^    (\d{6})\r?$", words, re.M), re.findall(r"/confirm/([\w-]+)", words)
    assert code in html and link in html
    return code, link


def later(moment: timedelta) -> time_machine.travel:
    return time_machine.travel(clock.now() + moment, tick=True)


def test_n4_the_code_confirms_and_only_then_is_anything_told(smtp: SmtpDouble) -> None:
    ref = ask(monitors=["shop"])
    make_incident("shop")
    assert count(NoticeDelivery) == 0 and only(Subscriber).state is SubscriberState.PENDING
    token = subscribers.confirm_by_code(ref, f" {question(smtp)[0][:3]} {question(smtp)[0][3:]} ")
    assert subscribers.by_token(reading(), token) is not None
    make_incident("shop")
    assert count(NoticeDelivery) == 1 and count(Confirmation) == 0


def test_the_link_confirms_once(smtp: SmtpDouble) -> None:
    ask()
    _, link = question(smtp)
    assert subscribers.is_link(reading(), link)
    subscribers.confirm_by_link(link)
    assert only(Subscriber).everything and only(Subscriber).state is SubscriberState.ACTIVE
    with pytest.raises(NotFound):
        subscribers.confirm_by_link(link)


def test_code_and_link_are_kept_as_hashes_only(smtp: SmtpDouble) -> None:
    ref = ask()
    code, link = question(smtp)
    with transaction() as session:
        stored = str([tuple(row) for row in session.execute(text("SELECT * FROM confirmation"))])
    assert ref in stored and link not in stored and f"'{code}'" not in stored


def test_a_code_lasts_fifteen_minutes_and_a_link_a_day(smtp: SmtpDouble) -> None:
    ref = ask()
    code, link = question(smtp)
    with later(timedelta(minutes=16)), pytest.raises(NotFound):
        subscribers.confirm_by_code(ref, code)
    with later(timedelta(hours=25)), pytest.raises(NotFound):
        subscribers.confirm_by_link(link)
    with later(timedelta(hours=23)):
        subscribers.confirm_by_link(link)


def test_after_five_wrong_codes_the_right_one_is_wrong_as_well(smtp: SmtpDouble) -> None:
    ref = ask()
    code, link = question(smtp)
    for number in range(5):
        with pytest.raises(NotFound):
            subscribers.confirm_by_code(ref, f"{(int(code) + 1 + number) % 10**6:06}")
    with pytest.raises(NotFound):
        subscribers.confirm_by_code(ref, code)
    subscribers.confirm_by_link(link)


def test_an_address_is_asked_three_times_an_hour_and_nobody_can_tell(smtp: SmtpDouble) -> None:
    refs = [ask() for _ in range(5)]
    assert len(smtp.kept) == 3 and len({len(ref) for ref in refs}) == 1 and len(set(refs)) == 5
    with later(timedelta(minutes=61)):
        ask()
    assert len(smtp.kept) == 4


def test_a_known_address_gets_the_same_question_and_keeps_what_it_had(smtp: SmtpDouble) -> None:
    make_subscriber(monitors=["shop"], least_impact="DOWN", kinds=["MAINTENANCE"])
    number = make_incident("shop")
    ask("Ann@Example.com", incident_ids=[number], kinds=["INCIDENTS"])
    assert smtp.kept[-1].recipients == ["ann@example.com"]
    subscribers.confirm_by_link(question(smtp)[1])
    [subscriber] = every(Subscriber)
    assert (subscriber.incidents, subscriber.maintenance, subscriber.least_impact) == (True, True, "DOWN")
    assert not subscriber.everything and count(Subscription) == 2


def test_a_second_attempt_asks_with_a_new_code(smtp: SmtpDouble) -> None:
    smtp.refuse = {"DATA": "451 later"}
    ref = ask()
    [waiting] = every(Confirmation)
    assert waiting.state == "RETRYING" and "451" in (waiting.answer or "")
    smtp.refuse.clear()
    with later(timedelta(minutes=5)):
        assert broadcasts.due_questions() == [waiting.id]
        broadcasts.send_question(waiting.id)
        subscribers.confirm_by_code(ref, question(smtp)[0])


@pytest.mark.parametrize("channel", ["WEBHOOK", "SLACK", "DISCORD", "TEAMS"])
def test_a_channel_is_asked_by_a_message_with_a_code(smtp: SmtpDouble, channel: str) -> None:
    with HttpDouble() as server:
        server.on("/in", reply(200))
        ref = ask(server.url("/in"), channel=channel)
        [asked] = server.seen
    code = re.findall(r"\b\d{6}\b", asked.body.decode())[0]
    assert asked.headers["x-kener-signature"].startswith("t=")
    subscribers.confirm_by_code(ref, code)
    assert only(Subscriber).channel is Channel(channel) and "/in" not in only(Subscriber).address


def test_what_visitors_cannot_see_cannot_be_chosen(smtp: SmtpDouble) -> None:
    make_monitor("vault", is_hidden=True)
    number = make_incident("shop", is_private=True)
    for choices, field in (
        ({"monitors": ["vault"]}, "monitors"),
        ({"monitors": ["none"]}, "monitors"),
        ({"pages": ["none"]}, "pages"),
        ({"incident_ids": [number]}, "incident_ids"),
    ):
        with pytest.raises(Refused) as caught:
            ask(**choices)
        assert "There is no" in caught.value.errors[field]
    assert count(Subscriber) == 0


def test_leaving_deletes_the_address_and_what_was_not_sent(smtp: SmtpDouble) -> None:
    subscriber_id = make_subscriber()
    make_incident("shop")
    send()
    make_incident("shop")
    token = subscribers.token_of(subscriber_id, 1)
    subscribers.unsubscribe(token)
    subscribers.unsubscribe(token)
    assert count(Subscriber) == 0
    assert [(row.state, row.subscriber_id) for row in every(NoticeDelivery)] == [("SENT", None)]
    assert all("ann@" not in entry.detail for entry in every(AuditEntry))


def test_choosing_anew_replaces_what_was_chosen(smtp: SmtpDouble) -> None:
    make_monitor("bank")
    token = subscribers.token_of(make_subscriber(), 1)
    subscribers.change(token, Choices(monitors=["bank"], kinds=["INCIDENTS"], zone="Europe/Berlin"))
    [subscriber] = every(Subscriber)
    assert (subscriber.everything, subscriber.maintenance, subscriber.zone) == (False, False, "Europe/Berlin")
    subscribers.change(token, Choices())
    assert only(Subscriber).everything and count(Subscription) == 0


def test_new_links_make_the_old_ones_invalid_and_no_token_can_be_made_up(smtp: SmtpDouble) -> None:
    old = subscribers.token_of(make_subscriber(), 1)
    new = subscribers.renew(old)
    assert subscribers.by_token(reading(), old) is None and subscribers.by_token(reading(), new) is not None
    for wrong in ("", "x", new[:-1], f"{new}x", "WzEsMV0.AAAA"):
        assert subscribers.by_token(reading(), wrong) is None
        with pytest.raises(NotFound):
            subscribers.change(wrong, Choices())


def test_two_who_ask_at_once_for_one_address_make_one_subscriber(smtp: SmtpDouble, app: Flask) -> None:
    name_site()
    given = SubscriberInput(address="ann@example.com")
    refs = at_once(app, *[lambda: subscribers.ask(given)] * 4)
    assert len(set(refs)) == 4 and count(Subscriber) == 1


def test_an_import_adds_who_is_new_and_names_what_is_wrong(smtp: SmtpDouble) -> None:
    make_subscriber()
    rows = [
        (2, SubscriberInput(address="ann@example.com")),
        (3, SubscriberInput(address="bea@example.com", monitors=["shop"])),
        (4, SubscriberInput(address="cid@example.com", monitors=["gone"])),
        (5, "This is no e-mail address."),
    ]
    done = subscribers.bring_in(rows, are_confirmed=False, actor=SAM)
    assert (done.added, done.known, [number for number, _ in done.mistakes]) == (1, 1, [4, 5])
    assert [one.state for one in every(Subscriber)] == ["ACTIVE", "PENDING"] and count(Confirmation) == 1


def test_who_never_confirms_is_forgotten_after_some_days(smtp: SmtpDouble) -> None:
    ask()
    make_subscriber("bea@example.com")
    number = make_incident("shop")
    make_subscriber("cid@example.com", incident_ids=[number])
    housekeeping.prune()
    assert count(Subscriber) == 3
    with later(timedelta(days=8)):
        housekeeping.prune()
    assert [one.address for one in every(Subscriber)] == ["bea@example.com", "cid@example.com"]
