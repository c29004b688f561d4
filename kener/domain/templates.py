"""Incident templates: an operator's words in the place of the contract's title and automatic updates.

A template has the variables of notices (N2); in the closing update `duration` counts from the start of the incident. Values are written as
plain words, so that no name can break the text; only the description, an operator's own Markdown, stands as it is. Where a
template gives nothing that can be stored, the contract's own words are used: an incident never waits for a template.
"""

from datetime import datetime, timedelta

from kener.domain import messages, placeholders
from kener.domain.alerting import AlertType, Rule
from kener.domain.durations import in_words
from kener.domain.messages import AlertFacts
from kener.domain.placeholders import Markdown, Place

MAX_TITLE = 255
MAX_TEXT = 16_000
"""Characters of a filled-in text. Of four bytes each, they still fit the smallest text column of the databases."""


def title(facts: AlertFacts, template: str | None) -> str:
    """An incident's title: one line (L3)."""
    try:
        words = messages.one_line(_filled(template, facts, place=Place.PLAIN))
    except ValueError:
        words = ""
    if not words:
        return facts.mark + messages.incident_title(facts.rule, facts.monitor_name)
    if facts.mark not in words:
        words = facts.mark + words
    return words if len(words) <= MAX_TITLE else f"{words[: MAX_TITLE - 1]}…"


def first_update(facts: AlertFacts, template: str | None) -> str:
    """The Markdown of an automatic incident's first update (L5)."""
    text = _text(template, facts)
    if not text:
        return messages.first_update(facts)
    return f"{messages.DRILL}\n\n{text}" if facts.is_drill else text


def closing_update(facts: AlertFacts, template: str | None, *, started_at: datetime) -> str:
    """The Markdown of the update that closes an automatic incident (R2). A reason is told even if the template has no place for it (O7)."""
    text = _text(template, facts, started_at=started_at)
    if not text:
        return messages.closing_update(facts, started_at=started_at)
    if facts.is_drill:
        text = f"{messages.DRILL}\n\n{text}"
    reason = facts.closing_reason or ""
    told = placeholders.render("{{reason}}", {"reason": reason}, place=Place.MARKDOWN)
    return text if told in text else f"{text}\n\n{told}"


def sample(
    rule: Rule, *, monitor_name: str, monitor_tag: str, now: datetime, site_name: str, site_url: str
) -> AlertFacts:
    """An invented alert that has just resolved, for previews."""
    match rule.alert_for:
        case AlertType.LATENCY:
            observed = "1900 ms"
        case AlertType.UPTIME:
            observed = "98.2 %"
        case _:
            observed = rule.alert_value
    return AlertFacts(
        alert_id=1,
        rule=rule,
        monitor_name=monitor_name,
        monitor_tag=monitor_tag,
        triggered_at=now - timedelta(minutes=47),
        resolved_at=now,
        observed_value=observed,
        last_error="The connection timed out.",
        incident_id=1,
        site_name=site_name,
        site_url=site_url,
    )


def _text(template: str | None, facts: AlertFacts, *, started_at: datetime | None = None) -> str:
    try:
        text = _filled(template, facts, place=Place.MARKDOWN, started_at=started_at).strip()
    except ValueError:
        return ""
    return text if len(text) <= MAX_TEXT else ""


def _filled(template: str | None, facts: AlertFacts, *, place: Place, started_at: datetime | None = None) -> str:
    if not template:
        return ""
    variables = messages.alert_variables(facts)
    variables["alert_message"] = Markdown(variables["alert_message"])
    if started_at is not None and facts.resolved_at is not None:
        variables["duration"] = in_words((facts.resolved_at - started_at).total_seconds())
    return placeholders.render(template, variables, place=place)
