"""The settings of triggers."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from kener.domain.inputs import mistakes
from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import EmailSettings, WebhookSettings, join, parse, split

URL = "https://hooks.example.com/x"


def refused(kind: TriggerType, **given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        parse(kind, given)
    return mistakes(caught.value)


def webhook(**given: Any) -> WebhookSettings:
    settings = parse(TriggerType.WEBHOOK, {"url": URL, **given})
    assert isinstance(settings, WebhookSettings)
    return settings


def email(**given: Any) -> EmailSettings:
    settings = parse(TriggerType.EMAIL, given)
    assert isinstance(settings, EmailSettings)
    return settings


def test_addresses_may_be_listed_in_one_text() -> None:
    settings = email(to='a@example.com, "Doe, Jane" <jane@example.com>;\nOps <ops@sub.example.com>, A@example.com')
    assert settings.to == ["a@example.com", '"Doe, Jane" <jane@example.com>', "Ops <ops@sub.example.com>"]


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@",
        "@b.example",
        "a b@example.com",
        "a@exa mple.com",
        "a@b@example.com",
        "Name <a@example.com",
        "a@-example.com",
        "a@example..com",
        "x\r\nBcc: y@example.com",
        "Name\r\nBcc: z@example.com <a@example.com>",
        "ü@example.com",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert list(refused(TriggerType.EMAIL, to=[address])) == ["to.0"]
    assert list(refused(TriggerType.EMAIL, to=["fine@example.com"], **{"from": address})) == ["from"]


def test_several_addresses_in_one_entry_of_a_list_are_refused() -> None:
    assert list(refused(TriggerType.EMAIL, to=["a@example.com, b@example.com"])) == ["to.0"]


def test_between_one_and_fifty_recipients() -> None:
    assert refused(TriggerType.EMAIL, to="  ,") == {"to": "Choose at least one."}
    assert list(refused(TriggerType.EMAIL, to=[f"a{n}@example.com" for n in range(51)])) == ["to"]
    assert len(email(to=[f"a{n}@example.com" for n in range(50)]).to) == 50


def test_unknown_fields_are_refused() -> None:
    assert list(refused(TriggerType.WEBHOOK, url=URL, nonsense=1)) == ["nonsense"]


def test_a_broken_template_is_refused_with_the_place_of_the_mistake() -> None:
    assert refused(TriggerType.WEBHOOK, url=URL, body='{\n  "a": "{{alert_name"}') == {
        "body": "Line 2, column 9: {{ is opened and not closed with }}."
    }


def test_a_template_that_does_not_make_json_is_refused_and_says_when() -> None:
    body = '{"a": 1, {{#is_triggered}}"b": 2{{/is_triggered}}}'
    message = refused(TriggerType.WEBHOOK, url=URL, body=body)["body"]
    assert message.startswith("This is not valid JSON once it is filled in for an alert that has resolved: ")
    assert "line 1, column" in message


def test_a_template_for_another_content_type_need_not_be_json() -> None:
    settings = webhook(
        body="text={{alert_name}}", headers=[{"key": "content-type", "value": "application/x-www-form-urlencoded"}]
    )
    assert settings.body == "text={{alert_name}}"


def test_a_template_as_the_original_ships_it_still_works() -> None:
    body = """{
      "alert_id": {{alert_id}}, "alert_name": "{{alert_name}}", "is_triggered": {{is_triggered}},
      {{#alert_incident_id}}"alert_incident_id": {{alert_incident_id}},{{/alert_incident_id}}
      {{^alert_incident_id}}"alert_incident_id": null,{{/alert_incident_id}}
      "text": "{{#is_triggered}}down{{/is_triggered}}{{#is_resolved}}up{{/is_resolved}} {{{alert_message}}}"
    }"""
    assert webhook(body=body).body == body


def test_a_header_stands_once_and_has_a_value() -> None:
    twice = [{"key": "X-Key", "value": "1"}, {"key": "x-key", "value": "2"}]
    assert refused(TriggerType.WEBHOOK, url=URL, headers=twice) == {"headers": "The header X-Key stands here twice."}
    assert refused(TriggerType.WEBHOOK, url=URL, headers=[{"key": "X-Key"}]) == {"headers": "Enter the value of X-Key."}


def test_secrets_are_split_off_and_joined_again() -> None:
    settings = webhook(
        url="https://user:pass@hooks.example.com/x",
        headers=[{"key": "Authorization", "value": "Bearer abc"}],
        secret="signing-secret",
    )
    shown, secret = split(settings)
    assert shown == {"url": URL, "headers": [{"key": "Authorization"}]}
    for word in ("pass", "abc", "signing"):
        assert word not in json.dumps(shown)
        assert word in json.dumps(secret)
    assert join(TriggerType.WEBHOOK, shown, secret) == settings


def test_secrets_that_are_left_out_on_a_change_stay() -> None:
    before = webhook(headers=[{"key": "Authorization", "value": "Bearer abc"}], secret="signing-secret")
    _, kept = split(before)
    after = parse(
        TriggerType.WEBHOOK,
        {"url": "https://hooks.example.com/y", "headers": [{"key": "Authorization", "value": ""}], "secret": ""},
        kept=kept,
    )
    assert isinstance(after, WebhookSettings)
    assert (after.headers[0].value, after.secret) == ("Bearer abc", "signing-secret")


def test_header_values_do_not_follow_the_url_to_another_host() -> None:
    _, kept = split(webhook(headers=[{"key": "Authorization", "value": "Bearer abc"}]))
    given = {"url": "https://evil.example/y", "headers": [{"key": "Authorization", "value": ""}]}
    with pytest.raises(ValidationError) as caught:
        parse(TriggerType.WEBHOOK, given, kept=kept)
    assert mistakes(caught.value) == {"headers": "Enter the value of Authorization."}


def test_settings_of_an_email_have_no_secrets() -> None:
    settings = email(to="a@example.com", **{"from": "Status <status@example.com>"})
    shown, secret = split(settings)
    assert shown == {"to": ["a@example.com"], "from": "Status <status@example.com>"}
    assert secret == {}
    assert join(TriggerType.EMAIL, shown, secret) == settings
