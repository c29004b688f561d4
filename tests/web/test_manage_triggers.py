"""Triggers and deliveries by hand: secrets stay inside, a test shows the answer, messages are sent again."""

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.db import transaction
from kener.models import AuditEntry, Delivery, DeliveryState, Trigger
from kener.services import outbox, vault
from tests import factories
from tests.doubles.http import HttpDouble, hang, reply
from tests.support.pages import Form, Page, visit

HTMX = {"HX-Request": "true"}
SECRETS = {"token": "Bearer s3cr3t-t0ken", "key": "signing-key-of-the-hook", "password": "pa55word"}
TEST = "/manage/triggers/test"


@pytest.fixture
def http() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200, b"thanks"))
        yield server


def new(client: FlaskClient, kind: str = "Webhook") -> Form:
    return visit(client, "/manage/triggers/new").click(kind).form("Add trigger")


def add_hook(client: FlaskClient, http: HttpDouble) -> int:
    """A webhook with every kind of secret, added by its form."""
    url = http.url("/hook").replace("//", f"//me:{SECRETS['password']}@")
    form = new(client).fill(name="Chat", url=url, secret=SECRETS["key"], headers_name="Authorization")
    sent = form.data()
    sent.setlist("headers_name", ["Authorization", ""])
    sent.setlist("headers_value", [SECRETS["token"], ""])
    assert client.post("/manage/triggers", data=sent).status_code == 303
    return factories.only(Trigger).id


def test_secrets_are_used_and_never_shown(editor: FlaskClient, http: HttpDouble) -> None:
    trigger_id = add_hook(editor, http)
    factories.make_monitor("api")
    config_id = factories.make_configuration("api", failure_threshold=1, trigger_ids=[trigger_id])
    factories.observe("api", "DOWN", start=clock.epoch() - 60)
    outbox.deliver(factories.only(Delivery).id)
    edit = visit(editor, f"/manage/triggers/{trigger_id}/edit")
    assert edit.form("Save")["headers_name"][0] == "Authorization"
    assert "Leave empty to keep it" in edit.one("#h-secret").text
    tested = edit.form("Save").submit("Send a test")
    refused = edit.form("Save").fill(name="").submit(status=422)
    pages = [
        "/manage/triggers",
        f"/manage/triggers/{trigger_id}/delete",
        "/manage/deliveries",
        f"/manage/alerts/{config_id}",
    ]
    for page in [edit, tested, refused, *(visit(editor, path) for path in pages)]:
        assert "Chat" in page.text
        assert not [name for name, secret in SECRETS.items() if secret in page.html]
    assert [asked.headers["authorization"] for asked in http.seen] == [SECRETS["token"]] * 2
    assert all("x-kener-signature" in asked.headers for asked in http.seen)
    trail = " ".join(f"{entry.action} {entry.detail}" for entry in factories.every(AuditEntry))
    assert not [name for name, secret in SECRETS.items() if secret in trail]


def test_secrets_that_are_left_empty_stay_and_stay_with_their_host(editor: FlaskClient, http: HttpDouble) -> None:
    trigger_id = add_hook(editor, http)
    page = (
        visit(editor, "/manage/triggers").click("Edit Chat").form("Save").fill(name="Team", description="Ours").submit()
    )
    assert "Saved. Used from the next message on." in page.text
    assert page.texts("tbody .head") == ["Team Ours"]
    form = visit(editor, f"/manage/triggers/{trigger_id}/edit").form("Save")
    assert "The test arrived." in form.submit("Send a test").text
    assert http.seen[0].headers["authorization"] == SECRETS["token"]
    with HttpDouble() as thief:
        thief.on("/hook", reply(200))
        page = form.fill(url=thief.url("/hook", host="localhost")).submit("Send a test", status=422)
        assert page.texts("#e-headers") == ["Enter the value of Authorization."]
        assert form.submit(status=422).texts("#e-headers") == ["Enter the value of Authorization."]
        assert thief.seen == []


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [("Webhook", {"name": ""}, "name"), ("Webhook", {"name": "Taken"}, "name"), ("Webhook", {"url": "mailto:me"}, "url"),
     ("Webhook", {"body": "{{"}, "body"), ("Webhook", {"body": '{"a": }'}, "body"), ("Webhook", {"secret": "short"}, "secret"),
     ("E-mail", {"to": ""}, "to"), ("E-mail", {"to": "me@example.com, nobody"}, "to"), ("E-mail", {"from": "x"}, "from")],
)  # fmt: skip
def test_a_refused_trigger_says_why_and_keeps_what_was_typed(
    editor: FlaskClient, kind: str, given: dict[str, str], field: str
) -> None:
    factories.make_trigger(name="Taken")
    typed = {"name": "Team", "description": "Ours"}
    typed |= (
        {"url": "https://example.com/?a=<b>", "body": '{"x": 1}'} if kind == "Webhook" else {"to": "me@example.com"}
    )
    page = new(editor, kind).fill({**typed, **given}).submit(status=422)
    assert len(page.texts(".error")) == len(page.texts(f"#e-{field}")) == 1
    for name, text in {**typed, **given}.items():
        assert page.form("Add trigger")[name] == ([""] if name == "secret" else [text])
    assert factories.count(Trigger) == 1


def test_an_unsaved_trigger_is_tested_and_the_answer_shown(editor: FlaskClient, http: HttpDouble) -> None:
    http.on("/broken", reply(418, b"I am a teapot"))
    http.on("/slow", hang)
    form = new(editor).fill(name="", url=http.url("/hook"), body='{"text": "{{alert_name}}"}', test_status="RESOLVED")
    page = form.submit("Send a test")
    assert page.texts("#tested [role=status]")[0].startswith("The test arrived.")
    assert "HTTP 200" in page.one("#tested").text
    assert (page.form("Add trigger")["body"], page.form("Add trigger")["url"]) == (
        ['{"text": "{{alert_name}}"}'],
        [http.url("/hook")],
    )
    assert "test-monitor for STATUS DOWN RESOLVED" in json.loads(http.seen[0].body)["text"]
    response = editor.post(TEST, data=form.fill(url=http.url("/broken")).data(), headers=HTMX)
    fragment = Page(editor, response, fragment=True)
    assert fragment.texts("#tested [role=alert]")[0].startswith("The test did not arrive. HTTP 418")
    assert not fragment.all("form")
    response = editor.post(TEST, data=form.fill(url="nowhere").data(), headers=HTMX)
    assert "Start the URL with http" in Page(editor, response, fragment=True).one("#tested [role=alert]").text
    assert factories.count(Trigger) == 0


def test_a_test_of_what_cannot_be_is_refused(editor: FlaskClient) -> None:
    sent = new(editor).fill(name="x", url="http://127.0.0.1:9/hook").data()
    for changed, status in (
        ({"trigger_type": "pigeon"}, 422), ({"saved_id": "999"}, 404), ({"saved_id": "²"}, 200), ({"saved_id": "-1"}, 200),
    ):  # fmt: skip
        assert editor.post(TEST, data={**sent.to_dict(), **changed}).status_code == status
    page = new(editor, "E-mail").fill(name="Team", to="me@example.com").submit("Send a test")
    assert "The test did not arrive." in page.text
    assert "SMTP" in page.one("#tested").text


def test_an_edit_that_came_late_overwrites_nothing(editor: FlaskClient) -> None:
    trigger_id = factories.make_trigger("email", name="Team")
    mine, theirs = (visit(editor, f"/manage/triggers/{trigger_id}/edit").form("Save") for _ in range(2))
    theirs.fill(name="Theirs", to="a@example.com\nb@example.com").submit()
    page = mine.fill(name="Mine").submit(status=409)
    assert page.texts("#errors")[0].startswith("Someone else changed it meanwhile.")
    assert factories.only(Trigger).public["to"] == ["a@example.com", "b@example.com"]
    assert page.form("Save").submit().texts("tbody .head") == ["Mine"]


def test_deleting_a_trigger_says_who_loses_it(editor: FlaskClient) -> None:
    trigger_id = factories.make_trigger()
    factories.make_monitor("api")
    factories.make_configuration("api", trigger_ids=[trigger_id])
    page = visit(editor, f"/manage/triggers/{trigger_id}/edit").click("Delete…")
    assert "1 alert configuration will no longer tell it." in page.text
    page = page.form("Delete trigger").submit()
    assert "Hook is deleted." in page.text
    assert factories.count(Trigger) == 0


def settle(state: DeliveryState, answer: str) -> int:
    """The newest delivery, with what came of it."""
    with transaction() as session:
        found = session.get_one(Delivery, factories.every(Delivery)[-1].id)
        found.state, found.answer, found.attempts = state, answer, 3
        return found.id


def test_deliveries_are_filtered_and_sent_again_in_their_line(editor: FlaskClient, viewer: FlaskClient) -> None:
    factories.make_monitor("api")
    for name in ("Chat", "Mail"):
        rule = {"failure_threshold": 1, "trigger_ids": [factories.make_trigger(name=name)]}
        factories.make_configuration("api", **rule)
    factories.observe("api", "DOWN", start=clock.epoch() - 60)
    failed = settle(DeliveryState.FAILED, "HTTP 500 <b>broken</b>")
    page = visit(editor, "/manage/deliveries")
    assert page.texts("tbody .tail") == ["Failed", "Waiting"]
    assert "HTTP 500 <b>broken</b>" in page.text
    assert page.form("Filter").fill(state="Failed").submit().texts("tbody [data-label=To]") == ["Mail"]
    assert page.form("Filter").fill(state="Not settled").submit().texts("tbody [data-label=To]") == ["Chat"]
    assert page.form("Filter").fill(trigger="Chat").submit().texts("tbody .tail") == ["Waiting"]
    assert "No delivery matches." in page.form("Filter").fill(trigger="Chat", state="SENT").submit().text
    assert not visit(viewer, "/manage/deliveries").all("main form[method=post]")

    path = f"/manage/deliveries/{failed}/resend"
    row = Page(editor, editor.post(path, data=page.form(path).data(), headers=HTMX), fragment=True)
    assert row.html.strip().startswith("<tr")
    assert "Waiting" in row.text
    assert "Send now" in row.text
    settle(DeliveryState.FAILED, "HTTP 500")
    assert "It is sent again now." in visit(editor, "/manage/deliveries").form(path).submit().text
    assert factories.every(Delivery)[-1].state is DeliveryState.WAITING
    stale = visit(editor, "/manage/deliveries").form(path)
    settle(DeliveryState.SENDING, "")
    assert "It is being sent at this moment." in stale.submit().text


def test_a_preview_shows_both_states_of_what_was_typed_and_saves_nothing(editor: FlaskClient) -> None:
    factories.make_monitor("api")
    form = new(editor, "Slack").fill(
        name="",
        url="https://hooks.slack.com/x",
        body='{"text": "{{monitor_tag}} {{alert_status}}"}',
        test_monitor="api",
    )
    page = form.submit("Preview")
    assert page.texts("#preview pre") == ['{ "text": "api TRIGGERED" }', '{ "text": "api RESOLVED" }']
    assert page.form("Add trigger")["url"] == [""]
    response = editor.post("/manage/triggers/preview", data=form.fill(body='{"a": }').data(), headers=HTMX)
    assert "line 1, column" in Page(editor, response, fragment=True).one("#preview [role=alert]").text
    assert factories.count(Trigger) == 0


@pytest.mark.parametrize("kind", ["Webhook", "E-mail", "Slack", "Discord", "Microsoft Teams", "Telegram", "ntfy"])
def test_a_template_to_start_from_works_and_goes_again(editor: FlaskClient, kind: str) -> None:
    form = new(editor, kind)
    needed = {"url": "https://example.com/x", "to": "me@example.com", "token": "1:a", "chat_id": "1", "topic": "abc"}
    values = {name: value for name, value in needed.items() if name in form.fields}
    if kind == "ntfy":
        del values["token"]
    page = form.fill(values).submit("Start from a template")
    assert page.form("Add trigger")["body"] != [""]
    assert len(page.form("Add trigger").fill(values).submit("Preview").all("#preview pre")) == 2
    assert page.form("Add trigger").submit("Reset to our words").form("Add trigger")["body"] == [""]


@pytest.mark.parametrize("kind", ["PagerDuty", "Opsgenie", "Telegram", "ntfy"])
def test_a_service_is_added_by_its_form_and_keeps_its_key(editor: FlaskClient, kind: str) -> None:
    form = new(editor, kind).fill(name="Bell")
    keys = {"routing_key": "k3y", "api_key": "k3y", "token": "k3y", "topic": "k3y", "chat_id": "-100"}
    form.fill({name: value for name, value in keys.items() if name in form.fields}).submit()
    trigger = factories.only(Trigger)
    edit = visit(editor, f"/manage/triggers/{trigger.id}/edit")
    assert "k3y" not in edit.html
    edit.form("Save").fill(name="Chime").submit()
    assert "k3y" in str(vault.unseal(factories.only(Trigger).secret))
    page = (
        visit(editor, f"/manage/triggers/{trigger.id}/edit")
        .form("Save")
        .fill(server="https://thief.example")
        .submit(status=422)
    )
    assert page.all(".error")
