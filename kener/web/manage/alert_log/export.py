"""The alert log as CSV: for people with a spreadsheet, so no cell may begin a formula; times in UTC."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from kener.queries.alerts import AlertLine, Notice

HEAD = (
    "alert_id",
    "configuration_id",
    "monitor_tag",
    "monitor_name",
    "alert_type",
    "alert_value",
    "severity",
    "alert_status",
    "triggered_at",
    "resolved_at",
    "duration_s",
    "observed_value",
    "last_error",
    "closing_reason",
    "incident_id",
    "incident_state",
    "incident_note",
    "deliveries",
    "delivered",
    "failed",
    "fates",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def rows(alerts: Iterable[tuple[AlertLine, tuple[Notice, ...]]]) -> Iterator[str]:
    """The lines of the file, one after the other."""
    yield _line(HEAD)
    for alert, told in alerts:
        yield _line(
            (
                alert.id,
                alert.config_id,
                alert.monitor_tag,
                alert.monitor_name,
                alert.rule.alert_for,
                alert.rule.alert_value,
                alert.rule.severity,
                alert.status,
                _iso(alert.triggered_at),
                _iso(alert.resolved_at),
                int(alert.seconds) if alert.resolved_at else None,
                alert.observed,
                alert.error,
                alert.closing_reason,
                alert.incident_id,
                alert.incident_state,
                alert.incident_note,
                alert.notices,
                alert.arrived,
                alert.failed,
                "; ".join(_fate(notice) for notice in told),
            )
        )


def _fate(notice: Notice) -> str:
    said = f"{notice.event} to {notice.trigger_name}: {notice.state}"
    return f"{said} {_iso(notice.sent_at)}" if notice.sent_at else said


def _line(values: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe(value) for value in values])
    return out.getvalue()


def safe(value: object) -> object:
    """A cell that no spreadsheet runs as a formula."""
    if value is None or isinstance(value, int):
        return value
    text = str(value).replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
