"""Templates to start from, one per kind of channel: they say what our own words say, for owners to change."""

import json

from kener.domain.trigger_base import TriggerType

_TITLE = "{{#is_triggered}}■{{/is_triggered}}{{#is_resolved}}●{{/is_resolved}} {{monitor_name}} {{alert_for}}: {{alert_value}}"
_FACTS = (("Status", "{{alert_status}}"), ("Severity", "{{alert_severity}}"), ("Monitor", "{{monitor_name}}"))
_LINES = """{{alert_status}}, {{alert_severity}}
{{#alert_message}}{{alert_message}}
{{/alert_message}}{{#last_error}}Last error: {{last_error}}
{{/last_error}}{{#duration}}Duration: {{duration}}
{{/duration}}"""


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


STARTS: dict[TriggerType, str] = {
    TriggerType.WEBHOOK: """{
  "event": "{{event}}",
  "delivery_id": "{{delivery_id}}",
  "alert_id": {{alert_id}},
  "alert_status": "{{alert_status}}",
  "alert_severity": "{{alert_severity}}",
  "alert_for": "{{alert_for}}",
  "alert_value": "{{alert_value}}",
  "alert_message": "{{alert_message}}",
  "alert_timestamp": "{{alert_timestamp}}",
  "monitor_name": "{{monitor_name}}",
  "monitor_tag": "{{monitor_tag}}",
  "observed_value": "{{observed_value}}",
  "last_error": "{{last_error}}",
  "duration": "{{duration}}",
  "incident_id": {{alert_incident_id}},
  "url": "{{alert_cta_url}}"
}""",
    TriggerType.SLACK: _json(
        {
            "text": _TITLE,
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": _TITLE}},
                {
                    "type": "section",
                    "fields": [{"type": "mrkdwn", "text": f"*{name}*\n{value}"} for name, value in _FACTS],
                },
                {
                    "type": "context",
                    "elements": [{"type": "mrkdwn", "text": "<{{alert_cta_url}}|{{alert_cta_text}}>"}],
                },
            ],
        }
    ),
    TriggerType.DISCORD: _json(
        {
            "content": "{{alert_status}}{{#duration}} after {{duration}}{{/duration}}",
            "allowed_mentions": {"parse": []},
            "embeds": [
                {
                    "title": _TITLE,
                    "url": "{{alert_cta_url}}",
                    "description": "{{alert_message}}",
                    "fields": [{"name": name, "value": value, "inline": True} for name, value in _FACTS],
                    "timestamp": "{{alert_timestamp}}",
                }
            ],
        }
    ),
    TriggerType.TEAMS: _json(
        {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "body": [
                            {"type": "TextBlock", "text": _TITLE, "weight": "Bolder", "size": "Medium", "wrap": True},
                            {"type": "TextBlock", "text": "{{alert_message}}", "wrap": True},
                            {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in _FACTS]},
                        ],
                        "actions": [
                            {"type": "Action.OpenUrl", "title": "{{alert_cta_text}}", "url": "{{alert_cta_url}}"}
                        ],
                    },
                }
            ],
        }
    ),
    TriggerType.TELEGRAM: f'<b>{_TITLE}</b>\n{_LINES}<a href="{{{{alert_cta_url}}}}">{{{{alert_cta_text}}}}</a>\n',
    TriggerType.NTFY: f"{_LINES}{{{{alert_cta_url}}}}\n",
    TriggerType.EMAIL: f"""<!doctype html>
<html lang="en">
<body style="font-family: sans-serif">
<h1 style="font-size: 19px">{_TITLE}</h1>
<p>{{{{alert_message}}}}</p>
<table>
{"".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in _FACTS)}
{{{{#last_error}}}}<tr><td>Last error</td><td>{{{{last_error}}}}</td></tr>{{{{/last_error}}}}
{{{{#duration}}}}<tr><td>Duration</td><td>{{{{duration}}}}</td></tr>{{{{/duration}}}}
</table>
<p><a href="{{{{alert_cta_url}}}}">{{{{alert_cta_text}}}}</a></p>
</body>
</html>
""",
}
