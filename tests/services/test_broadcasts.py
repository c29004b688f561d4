"""What was written for subscribers arrives: at least once, under ids that stay, in order, each as good as alone. N3, N4."""

import hashlib
import hmac
import json
import os
import signal
from collections.abc import Callable, Iterator
from email.utils import parseaddr

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import update

from kener import clock, jobs
from kener.db import db, transaction
from kener.models import Delivery, NoticeDelivery, Subscriber
from kener.notifiers import letters
from kener.services import broadcasts, outbox, subscribers, vault
from tests.doubles.http import HttpDouble, reply
from tests.doubles.smtp import SmtpDouble
from tests.factories import (
    T0,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    make_trigger,
    observe,
    only,
    post,
)
from tests.support.subscribers import (
    URL,
    make_subscriber,
    many,
    name_site,
    parts,
    send,
    send_late,
    smtp_settings,
    states,
    told,
)


@pytest.fixture
def smtp(make_app: Callable[..., Flask]) -> Iterator[SmtpDouble]:
    """A mail server, a site with an address, one monitor and one subscriber to everything."""
    with SmtpDouble() as server:
        make_app(web=False, smtp=smtp_settings(server))
        name_site()
        make_monitor("shop")
        make_subscriber()
        yield server


def ids(smtp: SmtpDouble) -> list[str]:
    return [kept.message["Message-ID"] for kept in smtp.kept]


def test_a_mail_has_two_parts_that_say_the_same_and_says_how_to_stop_it(smtp: SmtpDouble) -> None:
    number = make_incident("shop", title="Slow <payments>\n& more"[:15])
    post(number, "IDENTIFIED", at=T0 + 60, text="It is the **queue**, see [the notes](https://example.org/n).")
    send()
    send()
    mail = smtp.kept[-1].message
    text, html = parts(smtp.kept[-1])
    token = subscribers.token_of(only(Subscriber).id, 1)
    assert (mail["From"], mail["To"]) == ("Status <status@example.org>", "ann@example.com")
    assert mail["List-Unsubscribe"] == f"<{URL}/subscriptions/{token}/unsubscribe>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mail["Auto-Submitted"], mail["Precedence"]) == ("auto-generated", "bulk")
    assert mail["References"] == f"<incident-{number}@example.org>"
    assert mail["Message-ID"].endswith("@example.org>") and not mail.get("Reply-To")
    assert "It is the queue, see the notes (https://example.org/n)." in text
    assert "<strong>queue</strong>" in html and "Slow &lt;payments&gt;" in html
    for part in (text, html):
        assert f"{URL}/incidents/{number}" in part and f"{URL}/subscriptions/{token}" in part
        assert "14 May 2024, 09:01 UTC" in part
    assert smtp.kept[-1].raw.isascii()


def test_times_are_those_of_the_subscriber_and_name_their_zone(smtp: SmtpDouble) -> None:
    make_subscriber("berlin@example.com", zone="Europe/Berlin")
    name_site(zone="Asia/Tokyo")
    make_incident("shop")
    send()
    berlin, tokyo = (
        next(parts(kept)[0] for kept in smtp.kept if kept.recipients == [address])
        for address in ("berlin@example.com", "ann@example.com")
    )
    assert "Started: 14 May 2024, 11:00 CEST" in berlin and "Started: 14 May 2024, 18:00 JST" in tokyo


def test_every_subscriber_gets_a_mail_of_their_own_over_few_connections(smtp: SmtpDouble) -> None:
    many(250)
    make_incident("shop")
    send_late()
    send_late()
    assert sorted(kept.recipients[0] for kept in smtp.kept) == sorted(
        ["ann@example.com", *(f"s{n}@example.com" for n in range(250))]
    )
    assert len(set(ids(smtp))) == 251
    assert {parseaddr(kept.message["To"])[1] == kept.recipients[0] for kept in smtp.kept} == {True}
    assert set(states()) == {"SENT"}


def test_n3_a_batch_that_runs_again_repeats_nobody(smtp: SmtpDouble) -> None:
    make_incident("shop")
    for _ in range(3):
        send()
        send_late()
    assert len(smtp.kept) == 1


def test_n3_what_a_refusal_costs_one_it_costs_no_other(smtp: SmtpDouble) -> None:
    make_subscriber("bea@example.com")
    make_subscriber("cid@example.com")
    smtp.refuse = {"ann@example.com": "550 no such user", "bea@example.com": "451 try later"}
    make_incident("shop")
    send()
    assert [kept.recipients for kept in smtp.kept] == [["cid@example.com"]]
    rows = every(NoticeDelivery)
    assert [row.state.value for row in rows] == ["FAILED", "RETRYING", "SENT"]
    assert "550 no such user" in (rows[0].answer or "") and rows[1].next_at > clock.now()
    smtp.refuse.clear()
    send_late()
    assert [kept.recipients[0] for kept in smtp.kept] == ["cid@example.com", "bea@example.com"]
    assert [row.attempts for row in every(NoticeDelivery)] == [1, 2, 1]


def test_n3_while_the_mail_server_is_away_everything_waits_and_then_arrives(smtp: SmtpDouble) -> None:
    make_subscriber("bea@example.com")
    smtp.refuse = {"MAIL": "421 going down"}
    make_incident("shop")
    send()
    assert states() == ["RETRYING", "RETRYING"]
    smtp.refuse.clear()
    send_late()
    assert states() == ["SENT", "SENT"]


def test_n3_one_subscriber_hears_of_one_incident_in_order(smtp: SmtpDouble, redis: Redis) -> None:
    number = make_incident("shop", title="Slow")
    smtp.refuse = {"DATA": "451 later"}
    send()
    post(number, "IDENTIFIED", at=T0 + 60)
    smtp.refuse.clear()
    send()
    assert smtp.kept == []
    with transaction() as session:
        session.execute(update(NoticeDelivery).values(next_at=clock.at(clock.epoch() - 60)))
    first = every(NoticeDelivery)[0].id
    redis.flushdb()
    broadcasts.send_batch(first, first)
    [follow_up] = Queue(jobs.NOTICES, connection=redis).jobs
    broadcasts.send_batch(*follow_up.args)
    assert [subject.split(":")[1][:6] for subject in told(smtp)] == ["INVEST", "IDENTI"]


def test_the_sweep_finds_what_was_left_behind_in_batches(smtp: SmtpDouble) -> None:
    many(250)
    make_incident("shop")
    assert broadcasts.due() == []
    with transaction() as session:
        session.execute(update(NoticeDelivery).values(next_at=clock.at(clock.epoch() - 60)))
    found = broadcasts.due()
    rows = [row.id for row in every(NoticeDelivery)]
    assert [sum(first <= key <= last for key in rows) for first, last in found] == [100, 100, 51]


def test_n3_a_worker_that_is_killed_after_sending_repeats_under_the_same_ids(
    smtp: SmtpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the server's answer and our note of it: at least once, and every mailbox knows a repetition by its id."""
    make_subscriber("bea@example.com")
    make_incident("shop")
    rows = every(NoticeDelivery)
    db.session.remove()
    child = os.fork()
    if child == 0:
        try:
            db.engine.dispose(close=False)
            jobs.connect.cache_clear()
            monkeypatch.setattr(broadcasts._Record, "_write", lambda _: os.kill(os.getpid(), signal.SIGKILL))
            broadcasts.send_batch(rows[0].id, rows[-1].id)
        finally:
            os._exit(0)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended)
    assert len(smtp.kept) == 2 and states() == ["SENDING", "SENDING"]
    send()
    assert len(smtp.kept) == 2
    send_late()
    assert len(smtp.kept) == 4 and len(set(ids(smtp))) == 2
    assert states() == ["SENT", "SENT"]


def test_subscribers_never_stand_in_the_way_of_alerts(smtp: SmtpDouble, redis: Redis) -> None:
    many(1_000)
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        hook = make_trigger(url=server.url("/hook"))
        make_configuration("shop", failure_threshold=1, create_incident=True, trigger_ids=[hook])
        observe("shop", "DOWN")
        assert Queue(jobs.DELIVERIES, connection=redis).count <= 1
        assert Queue(jobs.NOTICES, connection=redis).count == 11
        outbox.deliver(only(Delivery).id)
        assert [asked.path for asked in server.seen] == ["/hook"]
    assert smtp.kept == []


@pytest.mark.parametrize("channel", ["WEBHOOK", "SLACK", "DISCORD", "TEAMS"])
def test_programs_and_chats_are_told_in_their_own_shape_and_signed(smtp: SmtpDouble, channel: str) -> None:
    with HttpDouble() as server:
        server.on("/in", reply(200))
        subscriber_id = make_subscriber(server.url("/in"), channel=channel)
        number = make_incident("shop", title="Slow <pay> @everyone")
        send()
        [asked] = server.seen
    body = json.loads(asked.body)
    stamp, _, digest = asked.headers["x-kener-signature"].partition(",v1=")
    subscriber = next(one for one in every(Subscriber) if one.id == subscriber_id)
    secret = vault.unseal(subscriber.sealed)["secret"]
    assert digest == hmac.new(secret.encode(), f"{stamp[2:]}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert subscriber.address == "127.0.0.1/…"
    page = f"{URL}/incidents/{number}"
    match channel:
        case "WEBHOOK":
            assert (body["event"], body["incident_id"], body["url"]) == ("OPENED", number, page)
            assert body["monitors"] == [{"name": "Shop", "impact": "DOWN"}]
            assert body["delivery_id"] == asked.headers["x-kener-delivery"]
        case "SLACK":
            assert body["blocks"][0]["text"]["text"] == "■ Slow <pay> @everyone"
            assert body["text"] == "New incident: Slow &lt;pay&gt; @everyone" and f"<{page}|" in asked.body.decode()
        case "DISCORD":
            assert body["embeds"][0]["url"] == page and body["allowed_mentions"] == {"parse": []}
        case "TEAMS":
            [card] = body["attachments"]
            assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
            assert card["content"]["actions"][0]["url"] == page


def test_a_private_address_is_not_posted_to(make_app: Callable[..., Flask]) -> None:
    make_app(web=False, allow_private_targets=False)
    name_site()
    with HttpDouble() as server:
        make_subscriber(server.url("/in"), channel="WEBHOOK")
        make_incident()
        send()
        assert server.seen == []
    assert states() == ["FAILED"] and "loopback" in (only(NoticeDelivery).answer or "")


def test_letters_go_on_when_the_server_drops_the_connection(smtp: SmtpDouble) -> None:
    letter = letters.Letter("a", "ann@example.com", "Hi", "text", "<p>text</p>", stop_url=f"{URL}/{'x' * 300}")
    mail = letters.compose(letter, sender="status@example.org").decode()
    assert f"List-Unsubscribe: <{URL}/{'x' * 300}>\r\n" in mail
