"""Telegram: a message of a bot, in the little HTML that it knows."""

from html import escape
from typing import Any

from kener.domain import alert_words
from kener.domain.messages import Message
from kener.domain.service_specs import TelegramSettings
from kener.notifiers import Context, webhook

LIMIT = 4_096
_WORDS = 2_000
_FACT = 200


def send(settings: TelegramSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    content: dict[str, Any] = {
        "chat_id": settings.chat_id,
        "text": shown(settings, message, delivery_id=delivery_id, context=context),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if settings.thread_id is not None:
        content["message_thread_id"] = settings.thread_id
    url = f"{settings.server}/bot{settings.token}/sendMessage"
    return webhook.post_json(url, content, context=context, delivery_id=delivery_id)


def shown(settings: TelegramSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be sent."""
    if settings.body is None:
        return _own(message)
    return webhook.filled(settings.body, settings.place, message, delivery_id, context)


def _own(message: Message) -> str:
    """Our own words: short enough by their parts, so that no tag is ever cut in two."""
    said = alert_words.said(message)
    facts = [f"{name}: <b>{escape(value[:_FACT], quote=False)}</b>" for name, value in said.facts]
    parts = [
        f"<b>{escape(said.headline[:300], quote=False)}</b>",
        escape(said.words[:_WORDS], quote=False),
        "\n".join(facts),
        f'<a href="{escape(said.page)}">{escape(said.way)}</a>' if said.page else "",
    ]
    return "\n\n".join(filter(None, parts))
