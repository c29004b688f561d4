"""What subscribers read about an occurrence of a maintenance: Markdown, with both times and the zone in which they are meant."""

from datetime import datetime
from zoneinfo import ZoneInfo

from kener.domain.durations import in_words
from kener.domain.windows import NoticeKind

Span = tuple[datetime, datetime]


def announcement(
    kind: NoticeKind, span: Span, zone: ZoneInfo, *, now: datetime, text: str = "", before: Span | None = None
) -> str:
    """The words of a notice. `text`: what the maintenance says of itself; `before`: the times that hold no longer."""
    start, end = span
    times = spoken(span, zone)
    match kind:
        case NoticeKind.CREATED:
            words = f"Maintenance is planned: {times}."
        case NoticeKind.REMINDER:
            words = f"Maintenance begins in {in_words(max(60.0, (start - now).total_seconds()))}: {times}."
        case NoticeKind.STARTED:
            words = f"Maintenance has begun: {times}."
        case NoticeKind.ENDED:
            words = f"Maintenance is over: {times}."
        case NoticeKind.CANCELLED:
            return f"The maintenance of {times} is cancelled."
        case NoticeKind.RESCHEDULED if before and before[0] == start:
            change = "longer" if end > before[1] else "less time"
            words = f"Maintenance takes {change} than planned: {times}. Its end was {_point(before[1], zone)}."
        case NoticeKind.RESCHEDULED:
            words = f"Maintenance is moved: {times}."
            if before:
                words += f" Planned before: {spoken(before, zone)}."
    return f"{words}\n\n{text}" if text and kind is not NoticeKind.ENDED else words


def spoken(span: Span, zone: ZoneInfo) -> str:
    """`Sunday 1 March 2026, 02:00 to 03:00 CET (Europe/Berlin)`; both with their day where they differ."""
    start, end = (at.astimezone(zone) for at in span)
    until = f"{end:%H:%M}" if start.date() == end.date() else _day(end)
    # Over a change of clocks, each time has a zone of its own.
    own = f" {start:%Z}" if start.utcoffset() != end.utcoffset() else ""
    name = "" if zone.key == f"{end:%Z}" else f" ({zone.key})"
    return f"{_day(start)}{own} to {until} {end:%Z}{name}"


def _point(at: datetime, zone: ZoneInfo) -> str:
    return f"{_day(at.astimezone(zone))} {at.astimezone(zone):%Z}"


def _day(at: datetime) -> str:
    return f"{at:%A} {at.day} {at:%B %Y, %H:%M}"
