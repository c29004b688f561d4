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
