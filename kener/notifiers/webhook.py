"""Webhooks: one signed POST an attempt.

The receiver proves that a message is ours, and fresh, by `X-Kener-Signature: t=<seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 of
`<t>.<raw body>` under the trigger's secret; it tells a repetition by `X-Kener-Delivery`. Redirects are not followed: they would carry the
message, and perhaps a password, to a place nobody entered.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kener import __version__, clock, net
from kener.domain import placeholders
from kener.domain.messages import Message, Variable
from kener.domain.trigger_specs import WebhookSettings
from kener.net import Answer, Cause
from kener.notifiers import Context, Undeliverable

TIMEOUT_S = 10.0
MAX_ANSWER = 16_384
MAX_WAIT_S = 3_600
_WORTH_A_RETRY = frozenset((408, 425, 429))
_OURS = ("x-kener-delivery", "x-kener-signature", "content-length", "host", "transfer-encoding")


def send(settings: WebhookSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    return post(settings, _body(settings, message, delivery_id, context), delivery_id=delivery_id, context=context)


def post(settings: WebhookSettings, body: bytes, *, delivery_id: str, context: Context) -> str:
    """One attempt with a body that is ready. Returns the answer in a few words, or raises Undeliverable."""
    now = clock.now()
    try:
        answer = net.request(
            "POST",
            settings.url,
            headers=_headers(settings, body, delivery_id, now).items(),
            body=body,
            policy=net.for_triggers(allow_private=context.allow_private_targets),
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
    except net.Unreachable as failure:
        raise _not_reached(failure) from None
    if 200 <= answer.status < 300:
        return f"HTTP {answer.status}"
    raise _not_taken(answer, now)


def sign(body: bytes, *, secret: str, at: int) -> str:
    """The value of `X-Kener-Signature`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def variables(message: Message, delivery_id: str) -> dict[str, Variable]:
    """What a template may use, and what is sent as flat JSON where there is none."""
    return {"event": message.event, "delivery_id": delivery_id, **message.variables}


def _body(settings: WebhookSettings, message: Message, delivery_id: str, context: Context) -> bytes:
    given = variables(message, delivery_id)
    if settings.body is None:
        return json.dumps(given).encode()
    try:
        known: dict[str, Variable] = {**given, **context.template_values}
        return placeholders.render(settings.body, known, place=settings.place).encode("utf-8", "replace")
    except ValueError as error:
        raise Undeliverable(f"The template of the body cannot be used: {error}", permanent=True) from None


def _headers(settings: WebhookSettings, body: bytes, delivery_id: str, now: datetime) -> Mapping[str, str]:
    """Ours, those of the trigger over them, and what the receiver must be able to rely on over everything."""
    headers = {
        "user-agent": f"Kener/{__version__}",
        "accept": "application/json",
        "content-type": settings.content_type,
    }
    headers |= {header.key.lower(): header.value for header in settings.headers if header.key.lower() not in _OURS}
    headers["x-kener-delivery"] = delivery_id
    if settings.secret:
        headers["x-kener-signature"] = sign(body, secret=settings.secret, at=int(now.timestamp()))
    return {"-".join(part.capitalize() for part in name.split("-")): value for name, value in headers.items()}


def _not_reached(failure: net.Unreachable) -> Undeliverable:
    if failure.cause is not Cause.POLICY:
        return Undeliverable(failure.reason, permanent=False)
    reason = failure.reason
    if failure.address and net.TRIGGERS.lifted_by_setting(failure.address):
        reason += ". Set KENER_ALLOW_PRIVATE_TARGETS=1 where triggers may reach the network behind this machine"
    return Undeliverable(f"{reason}.", permanent=True)


def _not_taken(answer: Answer, now: datetime) -> Undeliverable:
    if answer.status in _WORTH_A_RETRY or answer.status >= 500:
        wait = _wait(answer.headers.get("retry-after", ""), now)
        return Undeliverable(_said(answer), permanent=False, retry_after_s=wait)
    if 300 <= answer.status < 400:
        return Undeliverable(f"HTTP {answer.status}: redirects are not followed. Enter the final URL.", permanent=True)
    return Undeliverable(_said(answer), permanent=True)


def _said(answer: Answer) -> str:
    """The code and the first words of the answer, which often name the mistake ("invalid_payload")."""
    text = answer.body[:1_000].decode("utf-8", "replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not words or words.startswith("<"):
        return f"HTTP {answer.status}"
    return f"HTTP {answer.status}: {words[:200]}"


def _wait(retry_after: str, now: datetime) -> int | None:
    """Seconds from a `Retry-After` of either form, at most an hour; None where there is none that can be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(int(retry_after[:9]), MAX_WAIT_S)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0, min(round((until - now).total_seconds()), MAX_WAIT_S))
