"""Words for templates: times, durations, latency, percentages, statuses. Numbers never break away from their unit."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from flask import Flask
from jinja2 import StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from kener import clock
from kener.domain import durations, uptime
from kener.domain.status import Status
from kener.web import charts, drawings

NARROW_SPACE = uptime.NARROW_SPACE


def register(app: Flask) -> None:
    """Teach templates our words and drawings, and to stop at a name that nobody passed in."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        ago=ago,
        cut=cut,
        day=day,
        duration=durations.in_words,
        duration_short=durations.short,
        latency=latency,
        listed=listed,
        number=number,
        percent=uptime.percent,
        plural=plural,
        tone=tone,
        when=when,
        word=word,
    )
    app.jinja_env.globals.update(
        day_bars=drawings.day_bars,
        ruler=drawings.ruler,
        legend=drawings.legend,
        minute_strip=charts.minute_strip,
        episode_chart=charts.episode_chart,
        latency_chart=charts.latency_chart,
        has_endpoint=app.view_functions.__contains__,
    )


def tone(status: str) -> str:
    """The word by which icons and colours know a status: up, degraded, down, maintenance, nodata."""
    return Status(status).lower().replace("_", "") if status in Status.__members__ else "nodata"


def word(value: str) -> str:
    """What visitors read for a status or an incident state, whether it comes as an enum or as stored text."""
    return Status(value).word if value in Status.__members__ else value.replace("_", " ").capitalize()


def latency(ms: float | None) -> str:
    """`184 ms`, from a second up `1.9 s`; a dash where nothing was measured."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{round(ms)} ms" if round(ms) < 1000 else "1 s"
    seconds = f"{ms / 1000:.1f}" if ms < 10_000 else f"{ms / 1000:.0f}"
    return f"{seconds.removesuffix('.0')} s"


def number(value: int) -> str:
    """`43,174`."""
    return f"{value:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 monitor`, `5,012 monitors`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], *, at_most: int = 3) -> str:
    """`A`, `A and B`, `A, B and C`, `A, B, C and 4 more`."""
    everything = list(names)
    shown = everything[:at_most] if len(everything) > at_most else everything
    if len(everything) > at_most:
        shown.append(f"{len(everything) - at_most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def cut(text: str, length: int = 120) -> str:
    """The first words of a long text, with an ellipsis when something was left out."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rsplit(" ", 1)[0].rstrip(",.;:") + "…"


def ago(at: datetime, *, now: datetime | None = None) -> str:
    """`33 min ago`, `in 3 d`, `just now`: the largest unit only."""
    seconds = ((now or clock.now()) - at).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    largest = " ".join(durations.short(abs(seconds)).split(" ")[:2])
    return f"{largest} ago" if seconds > 0 else f"in {largest}"


def day(value: date, style: str = "long", *, today: date | None = None) -> str:
    """`Thursday 19 November`, short `19 Nov`; the year only when it is not this one."""
    text = f"{value:%A} {value.day} {value:%B}" if style == "long" else f"{value.day} {value:%b}"
    return text if value.year == (today or clock.now().date()).year else f"{text} {value.year}"


@pass_context
def when(context: Context, at: datetime | None, style: str = "datetime", *, zone: tzinfo | None = None) -> str:
    """A `<time>` in the site's zone, which script turns into the visitor's. See `moment` for the styles."""
    zone = zone or _zone_of(context)
    return moment(at, style, zone=zone)


def moment(at: datetime | None, style: str = "datetime", *, zone: tzinfo = UTC, now: datetime | None = None) -> Markup:
    """A `<time>` element: datetime `23 Nov, 09:41 UTC`, precise with seconds, time `09:41 UTC`, clock
    `09:41`, seconds `09:41:20 UTC`,
    date `Thursday 19 November`, day `19 Nov`, relative `33 min ago`. A dash for no time at all.
    """
    if at is None:
        return Markup("–")
    now = now or clock.now()
    text = (
        ago(at, now=now) if style == "relative" else _written(at.astimezone(zone), style, now.astimezone(zone).date())
    )
    return Markup('<time datetime="{}" data-local="{}">{}</time>').format(_iso(at), style, text)


def zone_word(at: datetime) -> str:
    """`UTC`, `CET`; `UTC+5:30` for zones that have no letters of their own."""
    name = at.tzname() or ""
    if name.isalpha():
        return name
    minutes = int((at.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'−' if minutes < 0 else '+'}{hours}{f':{rest:02d}' if rest else ''}"


def _written(at: datetime, style: str, today: date) -> str:
    match style:
        case "clock":
            return f"{at:%H:%M}"
        case "time":
            return f"{at:%H:%M} {zone_word(at)}"
        case "seconds":
            return f"{at:%H:%M:%S} {zone_word(at)}"
        case "date":
            return day(at.date(), today=today)
        case "day":
            return day(at.date(), "short", today=today)
        case "precise":
            return f"{day(at.date(), 'short', today=today)}, {at:%H:%M:%S} {zone_word(at)}"
        case _:
            return f"{day(at.date(), 'short', today=today)}, {at:%H:%M} {zone_word(at)}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _zone_of(context: Context) -> tzinfo:
    site = context.get("site")
    return ZoneInfo(site.zone) if site else UTC
