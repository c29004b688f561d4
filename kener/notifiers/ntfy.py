"""ntfy: a push to everything that listens to a topic."""

from typing import Any

from kener.domain import alert_words
from kener.domain.messages import Message
from kener.domain.service_specs import NtfySettings
from kener.notifiers import Context, webhook

LIMIT = 4_000
"""Bytes of a text; ntfy makes a file of what is longer than 4,096."""


def send(settings: NtfySettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    said = alert_words.said(message)
    text = shown(settings, message, delivery_id=delivery_id, context=context)
    content: dict[str, Any] = {
        "topic": settings.topic,
        "title": said.headline[:250],
        "message": text.encode("utf-8", "replace")[:LIMIT].decode("utf-8", "ignore"),
        "priority": 2 if said.is_drill else 3 if said.is_resolved else 5 if said.is_critical else 4,
    }
    if said.page:
        content |= {"click": said.page, "actions": [{"action": "view", "label": said.way, "url": said.page}]}
    authorization = f"Bearer {settings.token}" if settings.token else ""
    return webhook.post_json(
        settings.server, content, context=context, delivery_id=delivery_id, authorization=authorization
    )


def shown(settings: NtfySettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """The text that would be sent."""
    if settings.body is not None:
        return webhook.filled(settings.body, settings.place, message, delivery_id, context)
    said = alert_words.said(message)
    return f"{said.state}\n\n{said.text}"
