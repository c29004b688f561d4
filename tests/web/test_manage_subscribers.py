"""Manage › Subscribers: who is there, how they came, what they were told; many in and out."""

import csv
import io
from collections.abc import Callable, Iterator

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from kener.models import Confirmation, NoticeDelivery, Subscriber
from tests.doubles.smtp import SmtpDouble
from tests.factories import T0, count, every, make_incident, make_monitor, only, post
from tests.support.pages import visit as open_page
from tests.support.statements import counted
from tests.support.subscribers import make_subscriber, many, name_site, send, smtp_settings


@pytest.fixture
def smtp() -> Iterator[SmtpDouble]:
    """A mail server."""
    with SmtpDouble() as server:
        yield server


@pytest.fixture
def app(make_app: Callable[..., Flask], smtp: SmtpDouble) -> Flask:
    """The app that sends by it: a site with an address, a monitor."""
    app = make_app(smtp=smtp_settings(smtp))
    name_site()
    make_monitor("shop")
    return app


def submit(client: FlaskClient, path: str, **given: object) -> TestResponse:
    """Send a form with the token of its session."""
    token = BeautifulSoup(client.get("/manage").text, "html5lib").select("meta[name=csrf-token]")[0]["content"]
    return client.post(path, data={"csrf_token": token, **given})


def test_the_list_is_searched_filtered_and_paged(editor: FlaskClient) -> None:
    assert "Nobody has subscribed yet" in open_page(editor, "/manage/subscribers").text
    make_subscriber("bea@example.com", monitors=["shop"], kinds=["MAINTENANCE"])
    many(60)
    page = open_page(editor, "/manage/subscribers")
    assert "1 to 50 of 61" in page.text and len(page.all("#list tbody tr")) == 50
    assert len(open_page(editor, "/manage/subscribers?page=2").all("#list tbody tr")) == 11
    for query in ("q=BEA", "kind=MAINTENANCE&scope=CHOSEN", "scope=CHOSEN&state=ACTIVE&channel=EMAIL"):
        assert "1 to 1 of 1" in open_page(editor, f"/manage/subscribers?{query}").text
    assert "No subscriber matches" in open_page(editor, "/manage/subscribers?q=%25").text


def test_an_operator_adds_somebody_whose_owner_is_asked(editor: FlaskClient) -> None:
    given = {"address": "ann@example.com", "channel": "EMAIL", "kinds": ["INCIDENTS"], "scope": "everything"}
    assert submit(editor, "/manage/subscribers", **given).status_code == 303
    [subscriber] = every(Subscriber)
    assert (subscriber.state, subscriber.created_by) == ("PENDING", "editor@example.com")
    assert submit(editor, "/manage/subscribers", **given).status_code == 422
    shown = open_page(editor, f"/manage/subscribers/{subscriber.id}")
    assert "Not confirmed" in shown.text and "Ask again" in shown.text
    assert submit(editor, f"/manage/subscribers/{subscriber.id}/ask").status_code == 303


def test_the_history_of_one_and_the_progress_of_all_are_shown(editor: FlaskClient, smtp: SmtpDouble) -> None:
    subscriber_id = make_subscriber()
    make_subscriber("bea@example.com")
    number = make_incident("shop")
    smtp.refuse = {"bea@example.com": "550 no such user"}
    send()
    assert "250 OK" in open_page(editor, f"/manage/subscribers/{subscriber_id}").one("#list").text
    told = open_page(editor, "/manage/subscribers/notices").one("#list").text
    assert "1 sent" in told and "1 failed" in told
    notice_id = every(NoticeDelivery)[0].notice_id
    page = open_page(editor, f"/manage/subscribers/notices/{notice_id}?state=FAILED")
    assert "bea@example.com" in page.text and "ann@example.com" not in page.text
    assert "1 sent, 1 failed" in open_page(editor, f"/manage/incidents/{number}").one("#subscribers").text
    smtp.refuse.clear()
    submit(editor, f"/manage/subscribers/notices/{notice_id}/resend")
    send()
    assert [row.state for row in every(NoticeDelivery)] == ["SENT", "SENT"]


def test_an_update_can_be_posted_without_telling_anybody(editor: FlaskClient) -> None:
    make_subscriber()
    number = make_incident("shop")
    page = open_page(editor, f"/manage/incidents/{number}")
    assert page.one("input[name=notify]").has_attr("checked")
    path = f"/manage/incidents/{number}/updates"
    submit(editor, path, text="Quietly.", state="IDENTIFIED")
    assert count(NoticeDelivery) == 1
    submit(editor, path, text="Aloud.", state="MONITORING", notify="true")
    assert count(NoticeDelivery) == 2


def test_deleting_asks_first_and_forgets_the_address(editor: FlaskClient) -> None:
    subscriber_id = make_subscriber()
    assert "Delete subscriber" in open_page(editor, f"/manage/subscribers/{subscriber_id}/delete").text
    submit(editor, f"/manage/subscribers/{subscriber_id}/delete")
    assert count(Subscriber) == 0
    open_page(editor, f"/manage/subscribers/{subscriber_id}", status=404)


def test_what_goes_out_as_csv_comes_in_again(editor: FlaskClient) -> None:
    make_subscriber("ann@example.com", monitors=["shop"], zone="Europe/Berlin")
    make_subscriber("+formula@example.com")
    text = editor.get("/manage/subscribers/export").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["address"] for row in rows] == ["ann@example.com", "'+formula@example.com"]
    for one in every(Subscriber):
        submit(editor, f"/manage/subscribers/{one.id}/delete")
    submit(editor, "/manage/subscribers/import", text=text, are_confirmed="true")
    ann, formula = every(Subscriber)
    assert (ann.address, ann.zone, ann.everything, len(ann.subscriptions)) == (
        "ann@example.com", "Europe/Berlin", False, 1,
    )  # fmt: skip
    assert (formula.address, formula.everything, formula.state) == ("+formula@example.com", True, "ACTIVE")


def test_an_import_asks_every_owner_unless_told_otherwise_and_names_bad_lines(editor: FlaskClient) -> None:
    text = "Address,Kinds\nann@example.com,INCIDENTS\nnobody,INCIDENTS\nbea@example.com,NOTHING\n"
    page = submit(editor, "/manage/subscribers/import", text=text)
    assert page.status_code == 200
    assert "1 subscriber added" in page.text and "Line 3" in page.text and "Line 4" in page.text
    assert only(Subscriber).state == "PENDING" and count(Confirmation) == 1
    assert submit(editor, "/manage/subscribers/import", text="").status_code == 422
    bad = submit(editor, "/manage/subscribers/import", file=(io.BytesIO(b"\xff\xfe\x00"), "s.csv"))
    assert bad.status_code == 422 and "not UTF-8" in bad.text


def test_an_owner_chooses_what_is_offered(owner: FlaskClient, client: FlaskClient) -> None:
    assert submit(owner, "/manage/settings/subscriptions", enabled="true", incidents="true").status_code == 303
    settings = open_page(owner, "/manage/settings")
    assert [field.has_attr("checked") for field in settings.all("#subscriptions input[type=checkbox]")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert open_page(client, "/subscriptions").one("input[name=kinds]")["value"] == "INCIDENTS"
    submit(owner, "/manage/settings/subscriptions")
    assert "switched off" in open_page(owner, "/manage/subscribers").text
    open_page(client, "/subscriptions", status=404)


def test_a_list_of_many_asks_as_often_as_a_list_of_few(editor: FlaskClient) -> None:
    make_subscriber()
    with counted() as few:
        open_page(editor, "/manage/subscribers")
    many(200)
    number = make_incident("shop")
    post(number, "IDENTIFIED", at=T0 + 60)
    with counted() as lots:
        open_page(editor, "/manage/subscribers")
    assert len(lots) == len(few)
