"""Webhooks against a real local receiver."""

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from kener.domain.trigger_base import TriggerType
from kener.domain.trigger_specs import WebhookSettings
from kener.notifiers import NOTIFIERS, Context, Undeliverable, webhook
from tests.doubles.http import Asked, HttpDouble, drop, endless, hang, reply
from tests.doubles.tls import Authority
from tests.notifiers.messages import NAME, notice

INSIDE = Context(allow_private_targets=True)


@pytest.fixture
def hook() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/hook", reply(200))
        yield server


def settings(hook: HttpDouble, path: str = "/hook", **given: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": hook.url(path), **given})


def send(hook: HttpDouble, *, resolved: bool = False, **given: Any) -> Asked:
    answer = webhook.send(settings(hook, **given), notice(resolved=resolved), delivery_id="d-1", context=INSIDE)
    assert answer == "HTTP 200"
    return hook.seen[-1]


def fail(hook: HttpDouble, path: str = "/hook", *, context: Context = INSIDE) -> Undeliverable:
    with pytest.raises(Undeliverable) as caught:
        webhook.send(settings(hook, path), notice(), delivery_id="d-1", context=context)
    return caught.value


def test_without_a_template_all_variables_are_sent_as_flat_json(hook: HttpDouble) -> None:
    asked = send(hook, resolved=True)
    sent = json.loads(asked.body)
    assert asked.method == "POST"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"].startswith("Kener/")
    assert asked.headers["x-kener-delivery"] == sent["delivery_id"] == "d-1"
    assert (
        sent
        | {
            "event": "RESOLVED",
            "alert_id": 7,
            "alert_for": "STATUS",
            "alert_value": "DOWN",
            "alert_status": "RESOLVED",
            "alert_severity": "WARNING",
            "alert_message": "Customers cannot pay.",
            "alert_source": "ALERT",
            "alert_timestamp": "2026-11-23T09:00:00+00:00",
            "alert_incident_id": 12,
            "alert_incident_url": "https://status.example.com/incidents/12",
            "alert_failure_threshold": 3,
            "alert_success_threshold": 5,
            "is_triggered": False,
            "is_resolved": True,
            "site_url": "https://status.example.com/",
            "site_name": "Status",
            "monitor_name": NAME,
            "monitor_tag": "shop",
            "observed_value": "DOWN",
            "last_error": "HTTP 503",
            "resolved_at": "2026-11-23T09:47:00+00:00",
            "duration": "47 minutes",
        }
        == sent
    )
    assert {"alert_name", "alert_cta_url", "alert_cta_text", "site_logo_url", "colors_up", "colors_down"} <= set(sent)


def test_a_template_is_filled_in_for_its_content_type(hook: HttpDouble) -> None:
    asked = send(
        hook, body='{"text": "{{#is_triggered}}{{monitor_name}} is down{{/is_triggered}}", "id": {{alert_id}}}'
    )
    assert json.loads(asked.body) == {"text": f"{NAME} is down", "id": 7}
    form = [{"key": "Content-Type", "value": "application/x-www-form-urlencoded"}]
    asked = send(hook, body="text={{alert_message}}&id={{delivery_id}}", headers=form)
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.body == b"text=Customers+cannot+pay.&id=d-1"


def test_the_signature_covers_time_and_body_and_can_be_verified(hook: HttpDouble) -> None:
    asked = send(hook, secret="a long secret")
    parts = dict(part.split("=") for part in asked.headers["x-kener-signature"].split(","))
    expected = hmac.new(b"a long secret", parts["t"].encode() + b"." + asked.body, hashlib.sha256).hexdigest()
    assert parts["v1"] == expected
    assert abs(int(parts["t"]) - time.time()) < 10


def test_without_a_secret_there_is_no_signature(hook: HttpDouble) -> None:
    assert "x-kener-signature" not in send(hook).headers


def test_headers_of_the_trigger_are_sent_but_replace_neither_id_nor_signature(hook: HttpDouble) -> None:
    mine = {
        "Authorization": "Bearer abc",
        "USER-AGENT": "Mine",
        "X-Kener-Delivery": "fake",
        "X-Kener-Signature": "fake",
    }
    headers = [{"key": key, "value": value} for key, value in mine.items()]
    asked = send(hook, headers=headers, secret="a long secret")
    assert asked.headers["authorization"] == "Bearer abc"
    assert asked.headers["user-agent"] == "Mine"
    assert asked.headers["x-kener-delivery"] == "d-1"
    assert asked.headers["x-kener-signature"].startswith("t=")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_answer_of_the_two_hundreds_is_an_arrival(hook: HttpDouble, status: int) -> None:
    hook.on("/hook", reply(status, b""))
    answer = webhook.send(settings(hook), notice(), delivery_id="d-1", context=INSIDE)
    assert answer == f"HTTP {status}"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(hook: HttpDouble, status: int) -> None:
    hook.on("/hook", reply(status, b""))
    failure = fail(hook)
    assert (str(failure), failure.permanent, failure.retry_after_s) == (f"HTTP {status}", False, None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_what_will_not_pass_fails_for_good_and_says_what_the_receiver_said(hook: HttpDouble, status: int) -> None:
    hook.on("/hook", reply(status, b"invalid_payload\n"))
    failure = fail(hook)
    assert (str(failure), failure.permanent) == (f"HTTP {status}: invalid_payload", True)


def test_a_page_of_html_is_not_quoted(hook: HttpDouble) -> None:
    hook.on("/hook", reply(404, b"<!doctype html><title>No</title>"))
    assert str(fail(hook)) == "HTTP 404"


def test_a_redirect_is_not_followed_and_fails_for_good(hook: HttpDouble) -> None:
    hook.on("/hook", reply(302, Location="/other"))
    failure = fail(hook)
    assert str(failure) == "HTTP 302: redirects are not followed. Enter the final URL."
    assert failure.permanent
    assert [asked.path for asked in hook.seen] == ["/hook"]


@pytest.mark.parametrize(("said", "seconds"), [("120", 120), ("0", 0), ("999999", 3600), ("soon", None), ("-5", None)])
def test_retry_after_in_seconds_is_honoured_up_to_an_hour(hook: HttpDouble, said: str, seconds: int | None) -> None:
    hook.on("/hook", reply(429, b"", Retry_After=said))
    assert fail(hook).retry_after_s == seconds


def test_retry_after_as_a_date_is_honoured_up_to_an_hour(hook: HttpDouble) -> None:
    now = datetime.now(UTC)
    for ahead, low, high in ((90, 80, 91), (86_400, 3_600, 3_600), (-60, 0, 0)):
        hook.on("/hook", reply(503, b"", Retry_After=format_datetime(now + timedelta(seconds=ahead), usegmt=True)))
        assert low <= (fail(hook).retry_after_s or 0) <= high


def test_nothing_there_is_tried_again(hook: HttpDouble) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    gone = WebhookSettings(url=f"http://127.0.0.1:{port}/")
    with pytest.raises(Undeliverable) as caught:
        webhook.send(gone, notice(), delivery_id="d-1", context=INSIDE)
    assert (str(caught.value), caught.value.permanent) == (f"Connection refused by 127.0.0.1:{port}", False)
    hook.on("/hook", drop)
    assert not fail(hook).permanent


def test_no_answer_in_time_is_tried_again(hook: HttpDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)
    hook.on("/hook", hang)
    failure = fail(hook)
    assert (str(failure), failure.permanent) == ("No answer within 300 ms", False)


def test_an_endless_answer_is_read_no_further_than_needed(hook: HttpDouble) -> None:
    hook.on("/hook", endless)
    assert webhook.send(settings(hook), notice(), delivery_id="d-1", context=INSIDE) == "HTTP 200"


def test_a_private_target_is_refused_for_good_and_names_the_setting(hook: HttpDouble) -> None:
    failure = fail(hook, context=Context())
    assert failure.permanent
    assert str(failure).startswith("Not allowed: 127.0.0.1 is a loopback address.")
    assert "KENER_ALLOW_PRIVATE_TARGETS=1" in str(failure)
    assert hook.seen == []


def test_a_metadata_address_is_refused_whatever_the_setting() -> None:
    target = WebhookSettings(url="http://169.254.169.254/latest")
    for context in (INSIDE, Context()):
        with pytest.raises(Undeliverable) as caught:
            webhook.send(target, notice(), delivery_id="d-1", context=context)
        assert str(caught.value) == "Not allowed: 169.254.169.254 is a link-local address."
        assert caught.value.permanent


def test_a_certificate_is_always_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with HttpDouble(tls=authority.context("127.0.0.1")) as hook:
        hook.on("/hook", reply())
        failure = fail(hook)
        assert str(failure) == "The certificate is not trusted: its issuer is unknown"
        assert not failure.permanent
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
        assert send(hook).method == "POST"


def test_the_registry_knows_this_notifier(hook: HttpDouble) -> None:
    answer = NOTIFIERS[TriggerType.WEBHOOK](settings(hook), notice(), delivery_id="d-1", context=INSIDE)
    assert answer == "HTTP 200"


def test_while_a_secret_replaces_another_both_sign(hook: HttpDouble) -> None:
    asked = send(hook, secret="battery-staple", old_secret="correct-horse")
    at, *signatures = asked.headers["x-kener-signature"].split(",")
    signed = at.removeprefix("t=").encode() + b"." + asked.body
    wanted = [hmac.new(key, signed, hashlib.sha256).hexdigest() for key in (b"battery-staple", b"correct-horse")]
    assert signatures == [f"v1={digest}" for digest in wanted]
