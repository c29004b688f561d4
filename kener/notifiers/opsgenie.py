"""Opsgenie and Jira Service Management: an alert is opened and closed under one alias."""

import json
from typing import Any

from kener.domain import alert_words
from kener.domain.alert_words import Said
from kener.domain.messages import Message
from kener.domain.service_specs import OpsgenieSettings
from kener.notifiers import Context, webhook


def send(settings: OpsgenieSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    said = alert_words.said(message)
    alerts = f"{settings.server}/v2/alerts"
    url = f"{alerts}/{said.key}/close?identifierType=alias" if said.is_resolved else alerts
    content = closing(said) if said.is_resolved else opening(said, settings.team)
    return webhook.post_json(
        url, content, context=context, delivery_id=delivery_id, authorization=f"GenieKey {settings.api_key}"
    )


def shown(settings: OpsgenieSettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be sent."""
    said = alert_words.said(message)
    return json.dumps(closing(said) if said.is_resolved else opening(said, settings.team), ensure_ascii=False)


def opening(said: Said, team: str | None) -> dict[str, Any]:
    """A new alert."""
    return {
        "message": said.title[:130],
        "alias": said.key,
        "description": said.text[:15_000],
        "source": said.site_name[:100] or "Kener",
        "entity": said.monitor_name[:512],
        "priority": "P5" if said.is_drill else "P1" if said.is_critical else "P3",
        "tags": ["kener", said.kind.lower()],
        "details": {**dict(said.facts), **({said.way: said.page} if said.page else {})},
        **({"responders": [{"type": "team", "name": team}]} if team else {}),
    }


def closing(said: Said) -> dict[str, Any]:
    """The end of an alert."""
    return {"source": said.site_name[:100] or "Kener", "note": f"{said.state}.\n\n{said.words}".strip()[:25_000]}
