"""What the product writes by itself: titles, automatic updates, notices. Contract: incident automation, L3, L5, R2, N2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from markdown_it import MarkdownIt

from kener.domain.alerting import AlertStatus, Rule
from kener.domain.drills import MARK
from kener.domain.durations import in_words

MAX_NAMES = 10
"""So many monitors are named in one sentence."""

Variable = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Message:
    """A notice, before it meets a channel. `text` is plain; `html` is a whole document, or empty where a channel needs none."""

    event: str
    subject: str
    text: str
    html: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """Everything that the texts of one alert are made of."""

    alert_id: int
    rule: Rule
    monitor_name: str
    monitor_tag: str
    triggered_at: datetime
    resolved_at: datetime | None = None
    observed_value: str | None = None
    last_error: str | None = None
    incident_id: int | None = None
    closing_reason: str | None = None
    site_name: str = ""
    site_url: str = ""
    is_drill: bool = False

    @property
    def mark(self) -> str:
        """What the words of a drill begin with."""
        return f"{MARK} " if self.is_drill else ""

    @property
    def status(self) -> AlertStatus:
        return AlertStatus.RESOLVED if self.resolved_at else AlertStatus.TRIGGERED

    @property
    def duration(self) -> str | None:
        return in_words((self.resolved_at - self.triggered_at).total_seconds()) if self.resolved_at else None


DRILL = "This is a fire drill: nothing is wrong, and nothing needs to be done."


def incident_title(rule: Rule, monitor_name: str) -> str:
    """`<Monitor Name> <Type>: <Value>` (L3)."""
    return f"{monitor_name} {rule.alert_for}: {rule.alert_value}"


def first_update(facts: AlertFacts) -> str:
    """The Markdown of an automatic incident's first update (L5)."""
    rule = facts.rule
    return "\n\n".join(
        (
            *([DRILL] if facts.is_drill else []),
            closed((rule.description or "").strip()) or "Alert triggered",
            _table(
                ("Monitor Name", escape(facts.monitor_name)),
                ("Monitor Tag", escape(facts.monitor_tag)),
                ("Incident Status", AlertStatus.TRIGGERED),
                ("Severity", rule.severity),
                ("Alert Type", rule.alert_for),
                ("Alert Value", rule.alert_value),
                ("Failure Threshold", str(rule.failure_threshold)),
            ),
        )
    )


def closing_update(facts: AlertFacts, *, started_at: datetime) -> str:
    """The Markdown of the update that closes an automatic incident; `started_at` is the incident's start (R2, O7)."""
    assert facts.resolved_at is not None
    rule, lasted = facts.rule, in_words((facts.resolved_at - started_at).total_seconds())
    parts = [f"The alert has been resolved, Total duration: {lasted}"]
    if facts.is_drill:
        parts.append("This was a fire drill.")
    if facts.closing_reason:
        parts.append(facts.closing_reason)
    parts += [
        "#### Alert Details",
        _table(
            ("Monitor Name", escape(facts.monitor_name)),
            ("Incident Status", AlertStatus.RESOLVED),
            ("Monitor Tag", escape(facts.monitor_tag)),
            ("Alert Type", rule.alert_for),
            ("Alert Value", rule.alert_value),
            ("Severity", rule.severity),
            ("Failure Threshold", str(rule.failure_threshold)),
            ("Success Threshold", str(rule.success_threshold)),
        ),
    ]
    return "\n\n".join(parts)


def reopening_update() -> str:
    """The Markdown of the update that re-opens an incident which was resolved by hand (O3)."""
    return "Re-opened automatically: the incident was resolved by hand while its alert is still active, and the next check failed again."


def return_update(headline: str, pause: timedelta, *, was_open: bool) -> str:
    """The Markdown of the update that an alert triggered again, in an incident that had ended, or had for its monitor (R4)."""
    since = in_words(pause.total_seconds())
    if was_open:
        return f"Affected again: the alert {escape(headline)} triggered {since} after it had been resolved."
    return (
        f"Re-opened automatically: the alert {escape(headline)} triggered again, {since} after this incident had ended."
    )


def joining_update(headline: str, *, again: bool) -> str:
    """The Markdown of the update that one more monitor fails, in an incident of several (X4)."""
    return f"Affected {'again' if again else 'as well'}: the alert {escape(headline)} triggered."


def leaving_update(facts: AlertFacts, still: Sequence[str]) -> str:
    """The Markdown of the update that one of several alerts is over, while others keep their incident open (X4, O7)."""
    headline = escape(incident_title(facts.rule, facts.monitor_name))
    over = f"The alert {headline} has been resolved after {facts.duration}."
    parts = [over, facts.closing_reason, f"The incident goes on: {_listed(still)} still affected."]
    return "\n\n".join(filter(None, parts))


def over_earlier(names: Sequence[str]) -> str:
    """The last words of a closing update, about monitors whose alerts were over before (X4)."""
    return f"Affected as well, and over earlier: {', '.join(map(escape, names))}."


def _listed(names: Sequence[str]) -> str:
    return f"{_joined(names)} {'is' if len(names) == 1 else 'are'}"


def _joined(names: Sequence[str]) -> str:
    shown = [escape(name) for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        shown.append(f"{len(names) - MAX_NAMES} more")
    return ", ".join(shown[:-1]) + f" and {shown[-1]}" if len(shown) > 1 else shown[0]


def unstable_update(headline: str) -> str:
    """The Markdown of the update that a monitor flaps (X3)."""
    unstable = f"Unstable: {escape(headline)} keeps changing between failing and passing."
    return f"{unstable} This incident stays open until it has calmed down."


def calm_update(headline: str) -> str:
    """The Markdown of the update that a monitor has stopped flapping, and fails (X3)."""
    return f"No longer unstable: {escape(headline)} fails all the time now."


def also_affected(names: Sequence[str]) -> str:
    """The Markdown of the update that names the monitors that fail along with one that they depend on."""
    return f"Also affected: {_joined(names)}."


def alert_message(facts: AlertFacts) -> Message:
    """The notice that an alert triggered or resolved, with every variable that templates may use (N1, N2)."""
    rule, status = facts.rule, facts.status
    headline = incident_title(rule, facts.monitor_name)
    number = f"#{facts.incident_id}" if facts.incident_id else f"alert {facts.alert_id}"
    state = "INVESTIGATING" if status is AlertStatus.TRIGGERED else "RESOLVED"
    variables = alert_variables(facts)
    return Message(
        event=status.value,
        subject=f"{facts.mark}[{number}:{state}] {one_line(headline)}",
        text=_plain_text(facts, headline, variables),
        variables=variables,
    )


def alert_variables(facts: AlertFacts) -> dict[str, Variable]:
    """The variables of an alert's templates: those of the original, and what it lacks (N2)."""
    rule, status = facts.rule, facts.status
    base = f"{facts.site_url.rstrip('/')}/" if facts.site_url else ""
    incident_url = f"{base}incidents/{facts.incident_id}" if facts.incident_id else None
    moment = facts.triggered_at.isoformat(timespec="seconds")
    return {
        "alert_id": facts.alert_id,
        "alert_name": f"{facts.mark}Alert {facts.monitor_tag} for {rule.alert_for} {rule.alert_value} {status} at {moment}",
        "alert_for": rule.alert_for.value,
        "alert_value": rule.alert_value,
        "alert_status": status.value,
        "alert_severity": rule.severity.value,
        "alert_message": f"{facts.mark}{rule.description or ''}".strip(),
        "alert_source": "ALERT",
        "alert_timestamp": moment,
        "alert_cta_url": incident_url or f"{base}monitors/{facts.monitor_tag}",
        "alert_cta_text": "View incident" if incident_url else "View monitor",
        "alert_incident_id": facts.incident_id,
        "alert_incident_url": incident_url,
        "alert_failure_threshold": rule.failure_threshold,
        "alert_success_threshold": rule.success_threshold,
        "is_triggered": status is AlertStatus.TRIGGERED,
        "is_resolved": status is AlertStatus.RESOLVED,
        "is_drill": facts.is_drill,
        "site_url": base,
        "site_name": facts.site_name,
        "site_logo_url": "",
        "colors_up": "#2e9265",
        "colors_down": "#c72e2b",
        "colors_degraded": "#be741c",
        "colors_maintenance": "#7261ba",
        "monitor_name": f"{facts.mark}{facts.monitor_name}",
        "monitor_tag": facts.monitor_tag,
        "observed_value": facts.observed_value,
        "last_error": facts.last_error,
        "resolved_at": facts.resolved_at.isoformat(timespec="seconds") if facts.resolved_at else None,
        "duration": facts.duration,
        "closing_reason": facts.closing_reason,
    }


def _plain_text(facts: AlertFacts, headline: str, variables: dict[str, Variable]) -> str:
    rule = facts.rule
    first = (
        f"■ {headline}" if facts.status is AlertStatus.TRIGGERED else f"● {headline}: resolved after {facts.duration}"
    )
    first = f"{facts.mark}{first}"
    rows = [
        ("Monitor Name", facts.monitor_name),
        ("Monitor Tag", facts.monitor_tag),
        ("Alert Status", facts.status.value),
        ("Severity", rule.severity.value),
        ("Alert Type", rule.alert_for.value),
        ("Alert Value", rule.alert_value),
        ("Observed", facts.observed_value),
        ("Last error", facts.last_error),
        ("Triggered", facts.triggered_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Resolved", facts.resolved_at.strftime("%Y-%m-%d %H:%M:%S UTC") if facts.resolved_at else None),
        ("Duration", facts.duration),
    ]
    drill = DRILL if facts.is_drill else None
    words = [
        drill,
        rule.description,
        facts.closing_reason,
        "\n".join(f"{name}: {value}" for name, value in rows if value),
    ]
    return "\n\n".join([first, *filter(None, words), str(variables["alert_cta_url"])])


def _table(*rows: tuple[str, str]) -> str:
    head = ["| Setting | Value |", "| :--- | :--- |"]
    return "\n".join(head + [f"| **{name}** | {value} |" for name, value in rows])


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_blocks = MarkdownIt("commonmark")


def closed(text: str) -> str:
    """Markdown with the fence of a code block closed that was left open: it would swallow what follows."""
    marks = [found[1] for line in text.splitlines() if (found := _FENCE.match(line))]
    for ending in ("", *(f"\n{mark}" for mark in dict.fromkeys(reversed(marks)))):
        last = _blocks.parse(f"{text}{ending}\n\nAfter it")[-3:]
        if last[0].type == "paragraph_open" and last[0].level == 0:
            return f"{text}{ending}"
    return text


_MARKUP = re.compile(r"([\\`*\[\]<>|~&!#]|(?<![^\W_])_|_(?![^\W_]))")


def escape(text: str) -> str:
    """A name as literal Markdown inside one table cell, so that no name can break the table (L5)."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """Control characters and line breaks become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def as_json(message: Message) -> dict[str, Any]:
    """A message as it is kept in the outbox."""
    return {"event": message.event, "subject": message.subject, "text": message.text, "variables": message.variables}


def from_json(kept: dict[str, Any]) -> Message:
    """The reverse of `as_json`."""
    return Message(event=kept["event"], subject=kept["subject"], text=kept["text"], variables=dict(kept["variables"]))
