"""Slack, Discord and Microsoft Teams: JSON to a secret address, from the owner's template or in the shape of subscribers' notices."""

from kener.domain import alert_words, bulletins
from kener.domain.messages import Message
from kener.domain.service_specs import ChatSettings, DiscordSettings, TeamsSettings
from kener.domain.subscriptions import Channel
from kener.notifiers import Context, webhook


def send(settings: ChatSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    if settings.body is None:
        said, links = alert_words.bulletin(message)
        content = bulletins.payload(_channel(settings), said, links, uid=delivery_id)
        return webhook.post_json(settings.url, content, context=context, delivery_id=delivery_id)
    text = webhook.filled(settings.body, settings.place, message, delivery_id, context)
    return webhook.post_json(settings.url, text, context=context, delivery_id=delivery_id)


def _channel(settings: ChatSettings) -> Channel:
    match settings:
        case DiscordSettings():
            return Channel.DISCORD
        case TeamsSettings():
            return Channel.TEAMS
    return Channel.SLACK
