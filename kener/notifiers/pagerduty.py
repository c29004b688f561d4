"""PagerDuty, Events API v2: an alert opens an incident and resolves the same one, by a key of its own."""

import json
from typing import Any

from kener.domain import alert_words
from kener.domain.alert_words import Said
from kener.domain.messages import Message
from kener.domain.service_specs import PagerDutySettings
from kener.notifiers import Context, webhook


def send(settings: PagerDutySettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """One attempt. Returns the answer in a few words, or raises Undeliverable."""
    said = alert_words.said(message)
    content = {"routing_key": settings.routing_key, "dedup_key": said.key, **event(said)}
    return webhook.post_json(f"{settings.server}/v2/enqueue", content, context=context, delivery_id=delivery_id)


def shown(_settings: PagerDutySettings, message: Message, *, delivery_id: str, context: Context) -> str:
    """What would be sent, without the integration key."""
    said = alert_words.said(message)
    return json.dumps({"dedup_key": said.key, **event(said)}, ensure_ascii=False)


def event(said: Said) -> dict[str, Any]:
    """What PagerDuty is told, without the keys."""
    if said.is_resolved:
        return {"event_action": "resolve"}
    links = [{"href": said.page, "text": said.way}] if said.page else []
    return {
        "event_action": "trigger",
        "payload": {
            "summary": said.title[:1_024],
            "source": said.monitor_name,
            "severity": "info" if said.is_drill else "critical" if said.is_critical else "warning",
            "timestamp": said.at,
            "component": said.monitor_name,
            "group": said.site_name,
            "class": said.kind,
            "custom_details": {**dict(said.facts), **({"Message": said.words} if said.words else {})},
        },
        "client": said.site_name or "Kener",
        "client_url": said.page,
        "links": links,
    }
