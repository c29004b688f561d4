"""Slack, Discord and Microsoft Teams: JSON to a secret address, from the owner's template or in the shape of subscribers' notices."""

import json

from kener.domain import alert_words, bulletins
from kener.domain.messages import Message
from kener.domain.service_specs import ChatSettings, DiscordSettings, TeamsSettings
from kener.domain.subscriptions import Channel
from kener.notifiers import Context, webhook


def send(settings: ChatSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    content = shown(settings, message, delivery_id=delivery_id, context=context)
    return webhook.post_json(settings.url, content, context=context, delivery_id=delivery_id)


def shown(settings: ChatSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be sent."""
    if settings.body is not None:
        return webhook.filled(settings.body, settings.place, message, delivery_id, context)
    said, links = alert_words.bulletin(message)
    return json.dumps(bulletins.payload(_channel(settings), said, links, uid=delivery_id), ensure_ascii=False)


def _channel(settings: ChatSettings) -> Channel:
    match settings:
        case DiscordSettings():
            return Channel.DISCORD
        case TeamsSettings():
            return Channel.TEAMS
    return Channel.SLACK
