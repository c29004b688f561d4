"""Get updates, as a visitor without an account or JavaScript; what arrives is read as a mail program reads it."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from kener.db import reading, transaction
from kener.models import Confirmation, Monitor, Page, Subscriber
from kener.services import broadcasts, incidents, subscribers
from tests.doubles.smtp import SmtpDouble
from tests.factories import SAM, count, every, make_incident, make_monitor, only
from tests.support.pages import visit as open_page
from tests.support.subscribers import make_subscriber, name_site, parts, send, smtp_settings, switch


@pytest.fixture
def smtp() -> Iterator[SmtpDouble]:
    """A mail server."""
    with SmtpDouble() as server:
        yield server


@pytest.fixture
def app(make_app: Callable[..., Flask], smtp: SmtpDouble) -> Flask:
    """The app that sends by it: a site with an address, a monitor and a hidden one."""
    app = make_app(smtp=smtp_settings(smtp))
    name_site()
    make_monitor("shop")
    make_monitor("vault", is_hidden=True)
    return app


def asked(smtp: SmtpDouble) -> tuple[str, str]:
    """Let the workers ask; code and path of the link of the newest mail."""
    for one in every(Confirmation):
        broadcasts.send_question(one.id)
    words, _ = parts(smtp.kept[-1])
    [code], [link] = re.findall(r"^ {4}(\d{6})\r?$", words, re.M), re.findall(r"https://\S+?(/\S+/confirm/\S+)", words)
    return code, link


def test_a_visitor_subscribes_by_the_code(client: FlaskClient, smtp: SmtpDouble) -> None:
    home = open_page(client, "/")
    assert "We send a link first" in home.text
    given = {"address": "Ann@Example.com", "channel": "EMAIL", "kinds": ["INCIDENTS", "MAINTENANCE"]}
    answer = client.post("/subscriptions", data=given)
    assert answer.status_code == 303
    code, _ = asked(smtp)
    assert "Six digits" in open_page(client, answer.location).text
    wrong = client.post(answer.location, data={"code": f"{(int(code) + 1) % 10**6:06}"})
    assert wrong.status_code == 422 and "does not fit" in wrong.text
    right = client.post(answer.location, data={"code": code})
    assert right.status_code == 303
    own = open_page(client, right.location)
    assert "Confirmed." in own.text and "ann@example.com" in own.text
    assert own.response.headers["Referrer-Policy"] == "no-referrer"
    assert own.response.headers["Cache-Control"] == "no-store"


def test_opening_the_link_confirms_nothing_pressing_its_button_does(client: FlaskClient, smtp: SmtpDouble) -> None:
    client.post("/subscriptions", data={"address": "ann@example.com", "kinds": ["INCIDENTS"]})
    _, link = asked(smtp)
    for _ in range(2):
        open_page(client, link)
    assert only(Subscriber).state == "PENDING"
    assert client.post(link).status_code == 303
    assert only(Subscriber).state == "ACTIVE"
    open_page(client, link, status=404)


def test_the_answer_is_the_same_for_known_and_unknown_addresses(client: FlaskClient, smtp: SmtpDouble) -> None:
    make_subscriber("known@example.com")
    answers = [
        client.post("/subscriptions", data={"address": address, "kinds": ["INCIDENTS"]})
        for address in ("known@example.com", "new@example.com", *["known@example.com"] * 4)
    ]
    pages = [client.get(answer.location) for answer in answers]
    refs = [answer.location.rpartition("/")[2] for answer in answers]
    assert {answer.status_code for answer in answers} == {303} and len(set(refs)) == 6
    assert len({page.text.replace(ref, "") for page, ref in zip(pages, refs, strict=True)}) == 1


def test_one_click_in_a_mail_program_unsubscribes_and_a_look_does_not(client: FlaskClient, smtp: SmtpDouble) -> None:
    make_subscriber()
    make_incident("shop")
    send()
    mail = smtp.kept[-1].message
    path = mail["List-Unsubscribe"].strip("<>").removeprefix("https://status.example.org")
    assert "ann@example.com" in open_page(client, path).text and count(Subscriber) == 1
    answer = client.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200 and count(Subscriber) == 0
    assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert "not subscribed any more" in open_page(client, path).text


def test_a_subscriber_chooses_anew_and_gets_new_links(client: FlaskClient, smtp: SmtpDouble) -> None:
    with transaction() as session:
        session.add(Page(path="money", title="Money"))
    number = make_incident("shop")
    path = f"/subscriptions/{subscribers.token_of(make_subscriber(incident_ids=[number]), 1)}"
    own = open_page(client, path)
    assert "Slow payments" in own.text and "Vault" not in own.text
    given = {
        "kinds": ["INCIDENTS"],
        "scope": "chosen",
        "pages": ["money"],
        "least_impact": "DOWN",
        "zone": "Asia/Tokyo",
    }
    assert client.post(path, data=given).status_code == 303
    [subscriber] = every(Subscriber)
    assert (subscriber.everything, subscriber.maintenance, subscriber.least_impact, subscriber.zone) == (
        False, False, "DOWN", "Asia/Tokyo",
    )  # fmt: skip
    assert len(subscriber.subscriptions) == 1
    renewed = client.post(f"{path}/renew")
    assert renewed.status_code == 303
    open_page(client, path, status=404)
    open_page(client, renewed.location)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"address": "nobody"}, "is no e-mail address"),
        ({"kinds": []}, "Choose at least one"),
        ({"kinds": ["EVERYTHING"]}, "not offered"),
        ({"channel": "SLACK", "address": "https://hooks.example.com/x"}, "not offered"),
        ({"scope": "chosen"}, "at least one"),
        ({"scope": "chosen", "monitors": ["vault"]}, "There is no monitor vault"),
        ({"zone": "Mars/Base"}, "Choose a time zone"),
        ({"scope": "chosen", "incident_ids": ["x"]}, "whole number"),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    client: FlaskClient, smtp: SmtpDouble, given: dict[str, object], words: str
) -> None:
    whole = {"address": "ann@example.com", "kinds": ["INCIDENTS"]} | given
    answer = client.post("/subscriptions", data=whole)
    assert answer.status_code == 422 and count(Subscriber) == 0
    assert words.lower() in answer.text.lower()


def test_a_forged_request_from_another_site_asks_nobody(client: FlaskClient, smtp: SmtpDouble) -> None:
    data = {"address": "ann@example.com", "kinds": ["INCIDENTS"]}
    assert client.post("/subscriptions", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert count(Subscriber) == 0


def test_one_client_asks_twenty_times_an_hour(client: FlaskClient, smtp: SmtpDouble) -> None:
    data = {"kinds": ["INCIDENTS"]}
    answers = [client.post("/subscriptions", data=data | {"address": f"a{n}@example.com"}) for n in range(22)]
    assert [answer.status_code for answer in answers] == [303] * 20 + [429] * 2


def test_the_form_is_there_only_where_something_is_offered(client: FlaskClient, smtp: SmtpDouble) -> None:
    number = make_incident("shop")
    follow = open_page(client, f"/incidents/{number}")
    assert "Follow this incident" in follow.text
    switch(incidents=False)
    assert "Get updates" in open_page(client, "/").one("#updates").text
    assert "Follow this incident" not in open_page(client, f"/incidents/{number}").text
    switch(enabled=False)
    assert not open_page(client, "/").all("#updates form")
    open_page(client, "/subscriptions", status=404)


def test_an_incident_is_followed_from_its_page(client: FlaskClient, smtp: SmtpDouble) -> None:
    number = make_incident("shop")
    form = open_page(client, f"/incidents/{number}").one("#follow form")
    given = {field["name"]: field.get("value", "") for field in form.select("input")} | {"address": "ann@example.com"}
    given["kinds"] = ["INCIDENTS"]
    client.post("/subscriptions", data=given)
    client.post(asked(smtp)[1])
    [subscriber] = every(Subscriber)
    assert [one.incident_id for one in subscriber.subscriptions] == [number] and not subscriber.everything
    incidents.delete(number, actor=SAM)
    assert reading().get(Subscriber, subscriber.id) is not None


def test_the_owner_of_a_webhook_reads_what_signs_its_messages(client: FlaskClient, smtp: SmtpDouble) -> None:
    switch(webhooks=True)
    subscriber_id = make_subscriber("https://hooks.example.com/in", channel="WEBHOOK")
    own = open_page(client, f"/subscriptions/{subscribers.token_of(subscriber_id, 1)}")
    assert subscribers.signing_secret(only(Subscriber)) in own.text and "hooks.example.com/…" in own.text


def test_a_chosen_monitor_stays_chosen_while_it_is_paused(client: FlaskClient, smtp: SmtpDouble) -> None:
    path = f"/subscriptions/{subscribers.token_of(make_subscriber(monitors=['shop']), 1)}"
    with transaction() as session:
        session.execute(update(Monitor).where(Monitor.tag == "shop").values(is_active=False))
    assert open_page(client, path).one("input[name=monitors]")["value"] == "shop"
    assert not open_page(client, "/subscriptions").all("input[name=monitors]")
