"""Chats, pagers and pushes against real local receivers: what they get, and what becomes of their answers."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kener.domain.messages import Message
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import parse
from kener.notifiers import NOTIFIERS, Context, Undeliverable, webhook
from tests.doubles.http import Act, HttpDouble, drop, endless, hang, reply, reset
from tests.notifiers.messages import NAME, notice

INSIDE = Context(allow_private_targets=True)
TITLE = 'Shop "Süd" <one> Bcc: evil@example.com STATUS: DOWN'
PAGE = "https://status.example.com/incidents/12"
KEY = "kener-7-20261123090000"

PATHS = {
    TriggerType.SLACK: "/hook",
    TriggerType.DISCORD: "/hook",
    TriggerType.TEAMS: "/hook",
    TriggerType.TELEGRAM: "/bot123:abc/sendMessage",
    TriggerType.PAGERDUTY: "/v2/enqueue",
    TriggerType.OPSGENIE: "/v2/alerts",
    TriggerType.NTFY: "/",
}
KINDS = list(PATHS)


@pytest.fixture
def http() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        for path in {*PATHS.values(), f"/v2/alerts/{KEY}/close"}:
            server.on(path, reply(200, b"taken"))
        yield server


def given(kind: TriggerType, http: HttpDouble) -> dict[str, Any]:
    match kind:
        case TriggerType.TELEGRAM:
            return {"token": "123:abc", "chat_id": "-100123", "server": http.url("/")}
        case TriggerType.PAGERDUTY:
            return {"routing_key": "r0uting-key", "server": http.url("")}
        case TriggerType.OPSGENIE:
            return {"api_key": "genie-key", "server": http.url("")}
        case TriggerType.NTFY:
            return {"topic": "shop-alerts", "server": http.url("")}
    return {"url": http.url("/hook")}


def send(
    kind: TriggerType, http: HttpDouble, message: Message | None = None, *, context: Context = INSIDE, **more: Any
) -> str:
    settings = parse(kind, given(kind, http) | more)
    return NOTIFIERS[kind](settings, message or notice(), delivery_id="d-1", context=context)


def got(kind: TriggerType, http: HttpDouble, message: Message | None = None, **more: Any) -> Any:
    assert send(kind, http, message, **more) == "HTTP 200: taken"
    asked = http.seen[-1]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    return json.loads(asked.body)


def fail(kind: TriggerType, http: HttpDouble, act: Act, *, context: Context = INSIDE) -> Undeliverable:
    http.on(PATHS[kind], act)
    with pytest.raises(Undeliverable) as caught:
        send(kind, http, context=context)
    return caught.value


def drill(message: Message) -> Message:
    return replace(message, variables=message.variables | {"is_drill": True})


def test_slack_reads_headline_facts_and_link_and_nothing_in_a_name_is_markup(http: HttpDouble) -> None:
    sent = got(TriggerType.SLACK, http)
    head, words, facts, ways = sent["blocks"]
    assert head["text"] == {"type": "plain_text", "text": f"■ {TITLE}"}
    assert words["text"]["text"] == "Customers cannot pay."
    fields = [field["text"] for field in facts["fields"]]
    assert fields[:2] == ["*Status*\nTRIGGERED", "*Severity*\nWARNING"]
    assert "*Last error*\nHTTP 503" in fields
    assert len(fields) <= 10
    assert not [text for text in [sent["text"], *fields] if "<one>" in text]
    assert ways["elements"][0]["text"] == f"<{PAGE}|View incident>"


def test_discord_has_an_embed_in_the_colour_of_the_state_and_wakes_nobody_by_name(http: HttpDouble) -> None:
    down, up = (got(TriggerType.DISCORD, http, notice(resolved=resolved)) for resolved in (False, True))
    assert (down["content"], up["content"]) == ("Triggered", "Resolved after 47 minutes")
    assert down["embeds"][0]["title"].startswith("■ Shop")
    assert up["embeds"][0]["title"].startswith("● Shop")
    assert down["embeds"][0]["url"] == PAGE
    assert down["embeds"][0]["color"] != up["embeds"][0]["color"]
    assert all(0 < len(field["value"]) <= 1_024 for field in up["embeds"][0]["fields"])
    assert down["allowed_mentions"] == {"parse": []}


def test_teams_gets_a_card_with_a_button(http: HttpDouble) -> None:
    card = got(TriggerType.TEAMS, http)["attachments"][0]["content"]
    assert card["body"][0]["text"] == f"■ {TITLE}"
    assert {"title": "Severity", "value": "WARNING"} in card["body"][2]["facts"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "View incident", "url": PAGE}]


def test_telegram_gets_html_that_no_name_can_break(http: HttpDouble) -> None:
    sent = got(TriggerType.TELEGRAM, http, thread_id=5)
    assert (sent["chat_id"], sent["message_thread_id"], sent["parse_mode"]) == ("-100123", 5, "HTML")
    assert sent["text"].startswith('<b>■ Shop "Süd" &lt;one&gt; Bcc: evil@example.com STATUS: DOWN</b>')
    assert f'<a href="{PAGE}">View incident</a>' in sent["text"]
    long = notice(name="<" * 5_000)
    assert len(got(TriggerType.TELEGRAM, http, long)["text"].replace("&lt;", "<")) <= 4_096


def test_pagerduty_is_opened_and_resolved_under_one_key_of_the_alert(http: HttpDouble) -> None:
    opened = got(TriggerType.PAGERDUTY, http)
    resolved = got(TriggerType.PAGERDUTY, http, notice(resolved=True))
    assert resolved == {"routing_key": "r0uting-key", "dedup_key": KEY, "event_action": "resolve"}
    assert (opened["event_action"], opened["dedup_key"]) == ("trigger", KEY)
    assert opened["payload"]["summary"] == TITLE
    assert opened["payload"]["severity"] == "warning"
    assert opened["payload"]["timestamp"] == "2026-11-23T09:00:00+00:00"
    assert opened["payload"]["custom_details"]["Message"] == "Customers cannot pay."
    assert opened["links"] == [{"href": PAGE, "text": "View incident"}]


def test_opsgenie_is_opened_and_closed_under_one_alias_of_the_alert(http: HttpDouble) -> None:
    opened = got(TriggerType.OPSGENIE, http, team="Shop")
    assert opened["alias"] == KEY
    assert opened["message"] == TITLE[:130]
    assert (opened["priority"], opened["responders"]) == ("P3", [{"type": "team", "name": "Shop"}])
    assert all(isinstance(value, str) for value in opened["details"].values())
    closed = got(TriggerType.OPSGENIE, http, notice(resolved=True))
    assert closed["note"].startswith("Resolved after 47 minutes.")
    assert http.seen[-1].path == f"/v2/alerts/{KEY}/close?identifierType=alias"
    assert {asked.headers["authorization"] for asked in http.seen} == {"GenieKey genie-key"}


def test_ntfy_pushes_louder_when_it_triggers_and_opens_the_incident(http: HttpDouble) -> None:
    down = got(TriggerType.NTFY, http, token="tk_1")
    up = got(TriggerType.NTFY, http, notice(resolved=True))
    assert (down["topic"], down["title"], down["click"]) == ("shop-alerts", f"■ {TITLE}", PAGE)
    assert down["priority"] > up["priority"]
    assert http.seen[0].headers["authorization"] == "Bearer tk_1"
    assert "authorization" not in http.seen[1].headers
    assert len(got(TriggerType.NTFY, http, notice(name="ü" * 9_000))["message"].encode()) <= 4_096


def test_a_drill_pages_nobody_loudly_and_says_so(http: HttpDouble) -> None:
    assert got(TriggerType.PAGERDUTY, http, drill(notice()))["payload"]["severity"] == "info"
    assert got(TriggerType.OPSGENIE, http, drill(notice()))["priority"] == "P5"
    assert got(TriggerType.NTFY, http, drill(notice()))["priority"] == 2
    assert "fire drill" in json.dumps(got(TriggerType.SLACK, http, drill(notice())))


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_address_of_the_site_there_is_no_link_that_leads_nowhere(
    kind: TriggerType, http: HttpDouble
) -> None:
    message = notice()
    variables = message.variables | {"alert_cta_url": "monitors/shop"}
    got(kind, http, replace(message, variables=variables))
    assert b"monitors/shop" not in http.seen[-1].body


@pytest.mark.parametrize("kind", [TriggerType.SLACK, TriggerType.DISCORD, TriggerType.TEAMS])
def test_a_chat_sends_the_owners_json_instead(kind: TriggerType, http: HttpDouble) -> None:
    body = '{"text": "{{monitor_name}} {{#is_resolved}}is back{{/is_resolved}}{{^is_resolved}}is gone{{/is_resolved}}"}'
    assert got(kind, http, body=body) == {"text": f"{NAME} is gone"}
    assert got(kind, http, notice(resolved=True), body=body) == {"text": f"{NAME} is back"}


def test_a_message_of_the_owner_is_escaped_for_where_it_stands(http: HttpDouble) -> None:
    assert "&lt;one&gt;" in got(TriggerType.TELEGRAM, http, body="<b>{{monitor_name}}</b>")["text"]
    assert "<one>" in got(TriggerType.NTFY, http, body="{{monitor_name}}")["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_is_refused_for_good_in_the_services_words(kind: TriggerType, http: HttpDouble) -> None:
    failure = fail(kind, http, reply(400, b'{"message": "invalid_blocks"}'))
    assert failure.permanent
    assert str(failure) == 'HTTP 400: {"message": "invalid_blocks"}'


@pytest.mark.parametrize("kind", KINDS)
def test_too_much_is_tried_again_when_the_service_says(kind: TriggerType, http: HttpDouble) -> None:
    failure = fail(kind, http, reply(429, b"slow down", Retry_After="17"))
    assert (failure.permanent, failure.retry_after_s) == (False, 17)


@pytest.mark.parametrize(
    ("kind", "body", "seconds"),
    [
        (TriggerType.TELEGRAM, b'{"ok": false, "parameters": {"retry_after": 35}}', 35),
        (TriggerType.DISCORD, b'{"retry_after": 1.24, "global": false}', 2),
        (TriggerType.DISCORD, b'{"retry_after": 1e400}', None),
        (TriggerType.DISCORD, b'{"retry_after": [1]}', None),
        (TriggerType.DISCORD, b"[" * 9_000, None),
        (TriggerType.DISCORD, b'["x"]', None),
    ],
)
def test_a_wait_that_is_asked_for_in_the_answer_is_kept(
    kind: TriggerType, body: bytes, seconds: int | None, http: HttpDouble
) -> None:
    assert fail(kind, http, reply(429, body)).retry_after_s == seconds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("act", [reply(500), reply(503, b"<html>"), reset, drop], ids=["500", "503", "reset", "drop"])
def test_what_may_pass_is_tried_again(kind: TriggerType, act: Act, http: HttpDouble) -> None:
    assert not fail(kind, http, act).permanent


@pytest.mark.parametrize("kind", [TriggerType.SLACK, TriggerType.TELEGRAM, TriggerType.PAGERDUTY])
def test_a_service_that_hangs_or_never_ends_holds_nobody_up(
    kind: TriggerType, http: HttpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)
    begun = time.monotonic()
    assert not fail(kind, http, hang).permanent
    http.on(PATHS[kind], endless)
    assert send(kind, http).startswith("HTTP 200: xxx")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("kind", KINDS)
def test_no_service_leads_into_the_network_behind_us(kind: TriggerType, http: HttpDouble) -> None:
    failure = fail(kind, http, reply(200), context=Context())
    assert failure.permanent
    assert "KENER_ALLOW_PRIVATE_TARGETS" in str(failure)
    assert http.seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_followed(kind: TriggerType, http: HttpDouble) -> None:
    http.on("/inside", reply(200))
    failure = fail(kind, http, reply(307, b"", Location=http.url("/inside")))
    assert failure.permanent
    assert "redirects are not followed" in str(failure)
    assert not [asked for asked in http.seen if asked.path == "/inside"]


def test_the_address_that_holds_a_secret_is_in_no_reason() -> None:
    settings = parse(TriggerType.TELEGRAM, {"token": "123:abc", "chat_id": "1", "server": "http://127.0.0.1:9"})
    with pytest.raises(Undeliverable) as caught:
        NOTIFIERS[TriggerType.TELEGRAM](settings, notice(), delivery_id="d", context=INSIDE)
    assert "123:abc" not in str(caught.value)
