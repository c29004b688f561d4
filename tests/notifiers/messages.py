"""A notice to send."""

from datetime import UTC, datetime

from kener.domain.alerting import AlertType, Rule
from kener.domain.messages import AlertFacts, Message, alert_message

NAME = 'Shop "Süd" <one>\nBcc: evil@example.com'


def notice(*, resolved: bool = False, name: str = NAME, html: str = "") -> Message:
    """The notice of an alert whose monitor has a name that breaks careless formats."""
    facts = AlertFacts(
        alert_id=7,
        rule=Rule(AlertType.STATUS, "DOWN", description="Customers cannot pay."),
        monitor_name=name,
        monitor_tag="shop",
        triggered_at=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        resolved_at=datetime(2026, 11, 23, 9, 47, tzinfo=UTC) if resolved else None,
        observed_value="DOWN",
        last_error="HTTP 503",
        incident_id=12,
        site_name="Status",
        site_url="https://status.example.com",
    )
    made = alert_message(facts)
    return Message(made.event, made.subject, made.text, html, made.variables)
