"""Webhooks: one signed POST an attempt.

The receiver proves that a message is ours, and fresh, by `X-Kener-Signature: t=<seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 of
`<t>.<raw body>` under the trigger's secret, and stands once for each secret while one replaces another; it tells a repetition by
`X-Kener-Delivery`. Redirects are not followed: they would carry the message, and perhaps a password, to a place nobody entered.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kener import __version__, clock, net
from kener.domain import placeholders
from kener.domain.messages import Message, Variable
from kener.domain.placeholders import Place
from kener.domain.trigger_specs import JSON, WebhookSettings
from kener.net import Answer, Cause
from kener.notifiers import Context, Undeliverable

TIMEOUT_S = 10.0
MAX_ANSWER = 16_384
MAX_WAIT_S = 3_600
_WORTH_A_RETRY = frozenset((408, 425, 429))
_OURS = ("x-kener-delivery", "x-kener-signature", "content-length", "host", "transfer-encoding")


def send(settings: WebhookSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    return post(settings, body_of(settings, message, delivery_id, context), delivery_id=delivery_id, context=context)


def post(settings: WebhookSettings, body: bytes, *, delivery_id: str, context: Context) -> str:
    """One attempt with a body that is ready. Returns the answer in a few words, or raises Undeliverable."""
    headers = _headers(settings, body, delivery_id, clock.now())
    return f"HTTP {exchange(settings.url, body, headers=headers, context=context).status}"


def exchange(url: str, body: bytes, *, headers: Mapping[str, str], context: Context) -> Answer:
    """One POST under the address policy of triggers. Returns an answer of 2xx, or raises Undeliverable."""
    now = clock.now()
    try:
        answer = net.request(
            "POST",
            url,
            headers=headers.items(),
            body=body,
            policy=net.for_triggers(allow_private=context.allow_private_targets),
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
    except net.Unreachable as failure:
        raise _not_reached(failure) from None
    if 200 <= answer.status < 300:
        return answer
    raise _not_taken(answer, now)


def post_json(
    url: str, content: Mapping[str, Any] | str, *, context: Context, delivery_id: str, authorization: str = ""
) -> str:
    """Send JSON, or a text that is JSON, to a service. Returns its answer with its first words, or raises Undeliverable."""
    text = content if isinstance(content, str) else json.dumps(content)
    headers = {
        "User-Agent": f"Kener/{__version__}",
        "Accept": JSON,
        "Content-Type": JSON,
        "X-Kener-Delivery": delivery_id,
    }
    headers |= {"Authorization": authorization} if authorization else {}
    return _said(exchange(url, text.encode("utf-8", "replace"), headers=headers, context=context))


def sign(body: bytes, *, secrets: Sequence[str], at: int) -> str:
    """The value of `X-Kener-Signature`: a `v1` for each secret that signs."""
    signed = f"{at}.".encode() + body
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


def variables(message: Message, delivery_id: str) -> dict[str, Variable]:
    """What a template may use, and what is sent as flat JSON where there is none."""
    return {"event": message.event, "delivery_id": delivery_id, **message.variables}


def shown(settings: WebhookSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be sent."""
    return body_of(settings, message, delivery_id, context).decode("utf-8", "replace")


def body_of(settings: WebhookSettings, message: Message, delivery_id: str, context: Context) -> bytes:
    """What is sent."""
    if settings.body is None:
        return json.dumps(variables(message, delivery_id)).encode()
    return filled(settings.body, settings.place, message, delivery_id, context).encode("utf-8", "replace")


def filled(template: str, place: Place, message: Message, delivery_id: str, context: Context) -> str:
    """A template with the variables of a message, and those of this installation. Raises Undeliverable."""
    known: dict[str, Variable] = {**variables(message, delivery_id), **context.template_values}
    try:
        return placeholders.render(template, known, place=place)
    except ValueError as error:
        raise Undeliverable(f"The template cannot be used: {error}", permanent=True) from None


def _headers(settings: WebhookSettings, body: bytes, delivery_id: str, now: datetime) -> Mapping[str, str]:
    """Ours, those of the trigger over them, and what the receiver must be able to rely on over everything."""
    headers = {
        "user-agent": f"Kener/{__version__}",
        "accept": "application/json",
        "content-type": settings.content_type,
    }
    headers |= {header.key.lower(): header.value for header in settings.headers if header.key.lower() not in _OURS}
    headers["x-kener-delivery"] = delivery_id
    if settings.signing:
        headers["x-kener-signature"] = sign(body, secrets=settings.signing, at=int(now.timestamp()))
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
        header = answer.headers.get("retry-after")
        wait = _wait_inside(answer.body) if header is None else _wait(header, now)
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


def _wait_inside(body: bytes) -> int | None:
    """Seconds that a service asks for in its answer: Discord in `retry_after`, Telegram one level further in."""
    try:
        said = json.loads(body)
        parameters = said.get("parameters") or {}
        wait = said.get("retry_after", parameters.get("retry_after"))
        return min(math.ceil(float(wait)), MAX_WAIT_S)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
