"""The API's triggers: secrets go in and never come out."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from kener.db import db
from kener.models import Trigger
from kener.services import vault
from tests.support.api import Api

HOOK = {
    "name": "Chat",
    "trigger_type": "webhook",
    "url": "https://robot:hunter22@hooks.example.com/in",
    "headers": [{"key": "Authorization", "value": "Bearer swordfish"}],
    "secret": "correct-horse",
}
MAIL = {"name": "Team", "trigger_type": "email", "to": ["a@example.com", "B <b@example.com>"]}
SECRETS = ("hunter22", "swordfish", "correct-horse")


def stored(trigger_id: int) -> dict[str, Any]:
    """The settings as they will be used."""
    db.session.rollback()
    return vault.open_trigger(db.session.get_one(Trigger, trigger_id)).model_dump()


def test_a_webhook_comes_back_without_its_secrets(api: Api) -> None:
    trigger = api.post("/triggers", HOOK)["trigger"]
    assert trigger["url"] == "https://hooks.example.com/in"
    assert trigger["headers"] == [{"key": "Authorization"}]
    assert trigger["is_active"] == "YES"
    assert trigger["secret_set_at"].endswith("Z")
    assert (trigger["to"], trigger["from"]) == (None, None)


def test_no_answer_ever_holds_a_secret(api: Api) -> None:
    answers = [api.post("/triggers", HOOK)]
    path = f"/triggers/{answers[0]['trigger']['id']}"
    answers.append(api.patch(path, {"name": "Talk"}))
    answers.append(api.get(path))
    answers.append(api.get("/triggers"))
    answers.append(api.send("POST", "/triggers", expect=422, json=HOOK | {"url": "https://robot:hunter22@"}))
    answers.append(api.delete(path))
    assert not [secret for secret in SECRETS if secret in json.dumps(answers)]


def test_secrets_are_kept_encrypted(api: Api) -> None:
    number = api.post("/triggers", HOOK)["trigger"]["id"]
    db.session.rollback()
    row = db.session.scalars(select(Trigger)).one()
    assert not [secret for secret in SECRETS if secret in json.dumps(row.public) or secret in (row.secret or "")]
    assert stored(number)["secret"] == "correct-horse"


def test_an_e_mail_trigger_has_addresses(api: Api) -> None:
    trigger = api.post("/triggers", MAIL | {"from": "status@example.com"})["trigger"]
    assert trigger["to"] == ["a@example.com", "B <b@example.com>"]
    assert trigger["from"] == "status@example.com"
    assert (trigger["url"], trigger["headers"], trigger["secret_set_at"]) == (None, None, None)
    assert api.patch(f"/triggers/{trigger['id']}", {"to": "c@example.com, d@example.com"})["trigger"]["to"] == [
        "c@example.com",
        "d@example.com",
    ]


def test_what_a_change_leaves_out_stays_secrets_included(api: Api) -> None:
    before = api.post("/triggers", HOOK | {"description": "The chat room"})["trigger"]
    kept = stored(before["id"])
    after = api.patch(f"/triggers/{before['id']}", {"is_active": "NO"})["trigger"]
    assert after | {"updated_at": ""} == before | {"is_active": "NO", "updated_at": ""}
    assert stored(before["id"]) == kept


def test_a_secret_is_replaced_by_a_new_one(api: Api) -> None:
    number = api.post("/triggers", HOOK)["trigger"]["id"]
    headers = [{"key": "Authorization"}, {"key": "X-Room", "value": "7"}]
    api.patch(f"/triggers/{number}", {"secret": "battery-staple", "headers": headers})
    kept = stored(number)
    assert kept["secret"] == "battery-staple"
    assert {header["key"]: header["value"] for header in kept["headers"]} == {
        "Authorization": "Bearer swordfish",
        "X-Room": "7",
    }


def test_secrets_do_not_follow_a_trigger_to_another_host(api: Api) -> None:
    number = api.post("/triggers", HOOK)["trigger"]["id"]
    elsewhere = {"url": "https://thief.example.net/in"}
    assert api.refused("PATCH", f"/triggers/{number}", elsewhere).keys() == {"headers"}
    api.patch(f"/triggers/{number}", elsewhere | {"headers": []})
    assert not [secret for secret in SECRETS[:2] if secret in json.dumps(stored(number))]


def test_the_list_is_paged_by_name(api: Api) -> None:
    api.post("/triggers", MAIL)
    api.post("/triggers", HOOK)
    assert [trigger["name"] for trigger in api.get("/triggers")["triggers"]] == ["Chat", "Team"]
    second = api.get("/triggers", page=2, limit=1)
    assert ([trigger["name"] for trigger in second["triggers"]], second["total"]) == (["Team"], 2)


def test_a_deleted_trigger_is_gone(api: Api) -> None:
    number = api.post("/triggers", MAIL)["trigger"]["id"]
    api.delete(f"/triggers/{number}")
    api.get(f"/triggers/{number}", expect=404)
    api.patch(f"/triggers/{number}", {"name": "x"}, expect=404)
    api.delete(f"/triggers/{number}", expect=404)


@pytest.mark.parametrize(
    ("base", "given", "field"),
    [
        (HOOK, {"name": ""}, "name"),
        (HOOK, {"name": 7}, "name"),
        (HOOK, {"trigger_type": "pigeon"}, "trigger_type"),
        (HOOK, {"trigger_type": None}, "trigger_type"),
        (HOOK, {"is_active": "MAYBE"}, "is_active"),
        (HOOK, {"url": ""}, "url"),
        (HOOK, {"url": "hooks.example.com"}, "url"),
        (HOOK, {"url": 5}, "url"),
        (HOOK, {"headers": "none"}, "headers"),
        (HOOK, {"headers": [{"key": "A: b", "value": "x"}]}, "headers.0.key"),
        (HOOK, {"headers": [{"key": "A", "value": "x\r\nB: y"}]}, "headers.0.value"),
        (HOOK, {"body": '{"open": '}, "body"),
        (HOOK, {"secret": "short"}, "secret"),
        (HOOK, {"to": ["a@example.com"]}, "to"),
        (HOOK, {"settings": {}}, "settings"),
        (HOOK, {"colour": "green"}, "colour"),
        (MAIL, {"to": []}, "to"),
        (MAIL, {"to": ["nobody"]}, "to.0"),
        (MAIL, {"from": "nobody"}, "from"),
        (MAIL, {"url": "https://example.com"}, "url"),
    ],
)
def test_what_cannot_be_accepted_is_named(api: Api, base: dict[str, Any], given: dict[str, Any], field: str) -> None:
    assert api.refused("POST", "/triggers", base | given).keys() == {field}
    assert api.get("/triggers")["total"] == 0


def test_a_name_is_taken_once_and_a_type_never_changes(api: Api) -> None:
    api.post("/triggers", HOOK)
    number = api.post("/triggers", MAIL)["trigger"]["id"]
    assert api.refused("POST", "/triggers", HOOK).keys() == {"name"}
    assert api.refused("PATCH", f"/triggers/{number}", {"name": "Chat"}).keys() == {"name"}
    assert api.refused("PATCH", f"/triggers/{number}", {"trigger_type": "webhook"}).keys() == {"trigger_type"}


SERVICES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "slack": ({"url": "https://hooks.slack.com/services/T0/B0/s1ack"}, ("s1ack",)),
    "discord": ({"url": "https://discord.com/api/webhooks/1/d1scord"}, ("d1scord",)),
    "teams": ({"url": "https://example.logic.azure.com/?sig=t3ams"}, ("t3ams",)),
    "telegram": ({"token": "123:t3legram", "chat_id": -100123, "thread_id": 4}, ("t3legram",)),
    "pagerduty": ({"routing_key": "p4ger", "server": "https://events.eu.pagerduty.com/"}, ("p4ger",)),
    "opsgenie": ({"api_key": "0psgenie", "team": "Shop"}, ("0psgenie",)),
    "ntfy": ({"topic": "t0pic", "token": "tk_nt7y"}, ("t0pic", "nt7y")),
}


@pytest.mark.parametrize("kind", SERVICES)
def test_a_service_is_set_up_and_changed_and_never_tells_its_secrets(api: Api, kind: str) -> None:
    given, secrets = SERVICES[kind]
    before = api.post("/triggers", {"name": "Pager", "trigger_type": kind} | given)["trigger"]
    kept = stored(before["id"])
    path = f"/triggers/{before['id']}"
    after = api.patch(path, {"name": "Bell"})["trigger"]
    assert stored(before["id"]) == kept
    assert set(before["secrets"]) <= given.keys()
    assert before["secrets"]
    answers = json.dumps([before, after, api.get(path), api.get("/triggers")])
    assert not [secret for secret in secrets if secret in answers]
    for name in given.keys() - set(before["secrets"]):
        assert str(before[name]) == str(given[name]).rstrip("/")


@pytest.mark.parametrize("kind", ["telegram", "pagerduty", "opsgenie", "ntfy"])
def test_a_key_does_not_follow_a_trigger_to_another_server(api: Api, kind: str) -> None:
    given, _ = SERVICES[kind]
    number = api.post("/triggers", {"name": "Pager", "trigger_type": kind} | given)["trigger"]["id"]
    refused = api.refused("PATCH", f"/triggers/{number}", {"server": "https://thief.example.net"})
    assert refused.keys() == {
        {"telegram": "token", "pagerduty": "routing_key", "opsgenie": "api_key", "ntfy": "topic"}[kind]
    }


def test_a_new_signing_secret_leaves_the_old_one_valid_until_it_is_removed(api: Api) -> None:
    number = api.post("/triggers", HOOK)["trigger"]["id"]
    path = f"/triggers/{number}"
    assert api.patch(path, {"secret": "battery-staple"})["trigger"]["secrets"] == [
        "headers",
        "old_secret",
        "secret",
        "url",
    ]
    assert (stored(number)["secret"], stored(number)["old_secret"]) == ("battery-staple", "correct-horse")
    api.patch(path, {"name": "Talk"})
    assert stored(number)["old_secret"] == "correct-horse"
    api.patch(path, {"old_secret": None})
    assert (stored(number)["secret"], stored(number)["old_secret"]) == ("battery-staple", None)
    assert api.patch(path, {"secret": None})["trigger"]["secrets"] == ["headers", "url"]
    assert stored(number)["secret"] is None


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("slack", {"url": "hooks.slack.com"}, "url"),
        ("slack", {"body": '{"text": {{alert_name}}'}, "body"),
        ("slack", {"chat_id": "1"}, "chat_id"),
        ("discord", {"body": "{{#is_triggered}}"}, "body"),
        ("teams", {"url": None}, "url"),
        ("telegram", {"token": "123:abc/../x"}, "token"),
        ("telegram", {"chat_id": "my chat"}, "chat_id"),
        ("telegram", {"chat_id": True}, "chat_id"),
        ("telegram", {"thread_id": 0}, "thread_id"),
        ("telegram", {"server": "ftp://x"}, "server"),
        ("pagerduty", {"routing_key": "a b"}, "routing_key"),
        ("pagerduty", {"server": "https://x.example/?a=1"}, "server"),
        ("opsgenie", {"api_key": "a\r\nX: y"}, "api_key"),
        ("opsgenie", {"team": "x" * 101}, "team"),
        ("ntfy", {"topic": "a/b"}, "topic"),
        ("ntfy", {"body": "{{"}, "body"),
    ],
)
def test_what_a_service_cannot_take_is_named(api: Api, kind: str, given: dict[str, Any], field: str) -> None:
    body = {"name": "Pager", "trigger_type": kind} | SERVICES[kind][0] | given
    assert api.refused("POST", "/triggers", body).keys() == {field}
