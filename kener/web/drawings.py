"""Drawings as SVG: day bars, their ruler and legend, minute strips, the response time chart.

One idea in all of them: time is a line, a good stretch is the same quiet tick, trouble changes the shape of the tick. Good ticks
are one dashed stroke, so a quiet quarter of a year costs a dozen bytes. Colours, and so the theme, come from the style sheet.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from math import sqrt
from statistics import median
from typing import Protocol

from markupsafe import Markup

from kener.domain.durations import short
from kener.domain.status import Status
from kener.domain.uptime import percent

PITCH = 7  # px from day to day
LINE = 28  # y on which the ticks stand
TOP = 3  # y of the upper end of a good tick
PHONE_DAYS = 30  # what a phone shows of the same drawing
TROUBLES_TOLD = 4


class Day(Protocol):
    """One day of a monitor, in the site's time zone."""

    @property
    def date(self) -> date: ...
    @property
    def up_s(self) -> int: ...
    @property
    def degraded_s(self) -> int: ...
    @property
    def down_s(self) -> int: ...
    @property
    def maintenance_s(self) -> int: ...
    @property
    def measured_s(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pin:
    """A moment marked on a chart. The strong one is what the chart is about."""

    at: datetime
    text: str
    strong: bool = False


# ── day bars ──


def day_bars(days: Sequence[Day], label_span: str = "") -> Markup:
    """A monitor's days, oldest first, the last one being today. `label_span` begins the text alternative: `90 days`."""
    shapes = [_shape(day) for day in days]
    paths = [
        ("b-up", _runs(i for i, shape in enumerate(shapes) if shape is Status.UP), 15.5),
        ("b-none", _runs(i for i, shape in enumerate(shapes) if shape is Status.NO_DATA), 26),
    ]
    drawn = [f'<path class="{name}" d="{_strokes(runs, y)}"/>' for name, runs, y in paths if runs]
    filled: dict[str, list[str]] = {}
    for i, (day, shape) in enumerate(zip(days, shapes, strict=True)):
        for name, path in _filled(i, day, shape):
            filled.setdefault(name, []).append(path)
    drawn += [f'<path class="{name}" d="{"".join(filled[name])}"/>' for name in sorted(filled, reverse=True)]
    return Markup(
        '<svg viewBox="0 0 {width} 36" preserveAspectRatio="none" role="img" aria-label="{label}"{data}>{drawn}</svg>'
    ).format(
        width=PITCH * len(days),
        label=_told(days, shapes, label_span),
        data=_data(days, shapes),
        drawn=Markup("".join(drawn)),  # noqa: S704  numbers and our own class names only
    )


def _shape(day: Day) -> Status:
    """The worst status of a day wins its shape: a day with a minute of trouble is never green all over."""
    if day.down_s:
        return Status.DOWN
    if day.degraded_s:
        return Status.DEGRADED
    if day.maintenance_s:
        return Status.MAINTENANCE
    return Status.UP if day.measured_s else Status.NO_DATA


def _filled(i: int, day: Day, shape: Status) -> Iterator[tuple[str, str]]:
    x = PITCH * i + 1
    match shape:
        case Status.DOWN:
            height = max(8, min(25, round(25 * sqrt(_share(day.down_s, day)))))
            yield "b-down", f"M{x} {LINE - height}h5v{height + 7}h-5z"
            rest = LINE - height - 2 - TOP
            if rest > 0:
                yield "b-rest", f"M{x + 1} {TOP}h3v{rest}h-3z"
        case Status.DEGRADED:
            height = min(17, 12 + round(7 * sqrt(_share(day.degraded_s, day))))
            yield "b-degraded", f"M{x} {LINE - height}h5v{height}h-5z"
        case Status.MAINTENANCE:
            yield "b-maintenance", "".join(f"M{x} {y}h5v3h-5z" for y in (25, 20, 15, 10, 5))


def _share(seconds: int, day: Day) -> float:
    return min(1.0, seconds / day.measured_s) if day.measured_s else 1.0


def _runs(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring indices as (first, last)."""
    runs = []
    for _, group in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        members = [index for _, index in group]
        runs.append((members[0], members[-1]))
    return runs


def _strokes(runs: list[tuple[int, int]], y: float) -> str:
    return "".join(f"M{PITCH * first + 2} {y:g}H{PITCH * last + 5}" for first, last in runs)


def _told(days: Sequence[Day], shapes: Sequence[Status], span: str) -> str:
    """The drawing in words: span, uptime, the latest troubles."""
    first = next((i for i, shape in enumerate(shapes) if shape is not Status.NO_DATA), len(days))
    if first == len(days):
        return "Not monitored yet."
    span = f"Monitored for {_days(len(days) - first)}" if first else span or _days(len(days))
    measured, down = sum(day.measured_s for day in days), sum(day.down_s for day in days)
    troubles = [
        trouble
        for i in reversed(range(len(days)))
        if (trouble := _trouble(days[i], shapes[i], today=i == len(days) - 1))
    ]
    told = "; ".join(troubles[:TROUBLES_TOLD]) or "no trouble"
    uptime = f", {percent((measured - down) / measured)} up" if measured else ""
    more = f"; {len(troubles) - TROUBLES_TOLD} earlier" if len(troubles) > TROUBLES_TOLD else ""
    return f"{span}{uptime}. {told[0].upper()}{told[1:]}{more}."


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _trouble(day: Day, shape: Status, *, today: bool) -> str | None:
    date = "today" if today else f"on {day.date.day} {day.date:%B}"
    match shape:
        case Status.DOWN:
            return f"down {short(day.down_s)} {date}"
        case Status.DEGRADED:
            return f"degraded {short(day.degraded_s)} {date}"
        case Status.MAINTENANCE:
            return f"in maintenance {short(day.maintenance_s)} {date}"
    return None


def _data(days: Sequence[Day], shapes: Sequence[Status]) -> Markup:
    """What the tooltip needs: the first date, and for days that are not plainly good `index:up,degraded,down,maintenance`."""
    if not days:
        return Markup("")
    odd = " ".join(
        f"{i}:{day.up_s},{day.degraded_s},{day.down_s},{day.maintenance_s}"
        for i, (day, shape) in enumerate(zip(days, shapes, strict=True))
        if shape is not Status.UP
    )
    return Markup(' data-from="{}" data-days="{}"').format(days[0].date.isoformat(), odd)


def ruler(dates: Sequence[date]) -> Markup:
    """The time axis above day bars. Its text never scales; a phone sees the last thirty days of it."""
    count = len(dates)
    phone_from = max(0, count - PHONE_DAYS)
    months = [i for i, day in enumerate(dates) if day.day == 1 and i <= count - 10]
    marks = [_mark(i, count, f"{dates[i]:%b}", "only-90" if phone_from and i < phone_from else "") for i in months]
    if phone_from and not any(phone_from <= i < phone_from + 5 for i in months):
        marks.append(_mark(phone_from, count, f"{dates[phone_from].day} {dates[phone_from]:%b}", "only-30"))
    return Markup(
        '<svg aria-hidden="true"><rect x="0" y="15" width="100%" height="1"/>{}'
        '<text x="100%" y="12" dx="-1" text-anchor="end">Today</text></svg>'
    ).format(Markup("").join(marks))


def _mark(i: int, count: int, text: str, name: str) -> Markup:
    x = f"{100 * (PITCH * i + 1) / (PITCH * count):.2f}%"
    which = Markup(' class="{}"').format(name) if name else ""
    return Markup(
        '<rect x="{x}" y="9" width="1" height="7"{which}/><text x="{x}" y="12" dx="5"{which}>{text}</text>'
    ).format(x=x, which=which, text=text)


_GOOD_NEIGHBOURS = '<path class="b-rest" d="M2 3h3v25H2zm14 0h3v25h-3z"/>'
_LEGEND = (
    ('<path class="b-rest" d="M2 3h3v25H2zm7 0h3v25H9zm7 0h3v25h-3z"/>', "Operational"),
    (_GOOD_NEIGHBOURS + '<path class="b-degraded" d="M8 14h5v14H8z"/>', "Degraded: cut short"),
    (
        _GOOD_NEIGHBOURS + '<path class="b-rest" d="M9 3h3v10H9z"/><path class="b-down" d="M8 15h5v20H8z"/>',
        "Down: breaks the line",
    ),
    (
        _GOOD_NEIGHBOURS + '<path class="b-maintenance" d="M8 5h5v3H8zm0 5h5v3H8zm0 5h5v3H8zm0 5h5v3H8zm0 5h5v3H8z"/>',
        "Maintenance: sliced",
    ),
    ('<path class="b-nodata" d="M2 24h3v4H2zm7 0h3v4H9zm7 0h3v4h-3z"/>', "Not monitored: a stub"),
)


def legend(note: str = "") -> Markup:
    """What the shapes mean; once a page, under the list. `note` stands at the end: `One bar is one day, UTC`."""
    items = "".join(
        f'<li><svg viewBox="0 0 19 36" aria-hidden="true">{drawn}</svg>{text}</li>' for drawn, text in _LEGEND
    )
    last = Markup('<li class="push">{}</li>').format(note) if note else ""
    return Markup('<ul class="legend" aria-label="What the bars mean">{}{}</ul>').format(Markup(items), last)  # noqa: S704


# ── minute strip ──

_STRIP_Y = {Status.UP: 12.0, Status.DEGRADED: 15.0, Status.DOWN: 20.0, Status.NO_DATA: 18.5}
_STRIP_NAMES = {
    Status.UP: "m-up",
    Status.DEGRADED: "m-degraded",
    Status.DOWN: "m-down",
    Status.MAINTENANCE: "m-maintenance",
    Status.NO_DATA: "m-none",
}
_STRIP_WORDS = {
    Status.UP: "up",
    Status.DEGRADED: "degraded",
    Status.DOWN: "down",
    Status.MAINTENANCE: "in maintenance",
    Status.NO_DATA: "not monitored",
}


def minute_strip(statuses: Sequence[Status], start: datetime, end: datetime, *, zone: tzinfo = UTC) -> Markup:
    """Statuses at equal steps from `start` to `end`, oldest first: a tick each, in the shapes of the day bars."""
    label = strip_words(statuses, start, end, zone=zone)
    return Markup('<svg viewBox="0 0 {} 30" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>').format(
        4 * max(1, len(statuses)), label, Markup(_strip_paths(statuses))
    )


def strip_words(statuses: Sequence[Status], start: datetime, end: datetime, *, zone: tzinfo = UTC) -> str:
    """`Up from 09:14 to 09:38, down from 09:39 until now`."""
    if not statuses:
        return "Nothing measured"
    step = (end - start) / len(statuses)
    said = []
    for status, first, last in _stretches(statuses):
        begin = (start + step * first).astimezone(zone)
        until = (start + step * (last + 1)).astimezone(zone)
        upto = "until now" if last == len(statuses) - 1 else f"to {until:%H:%M}"
        said.append(f"{_STRIP_WORDS[status]} from {begin:%H:%M} {upto}")
    if len(said) > 6:
        said = [f"{len(said) - 6} changes before", *said[-6:]]
    text = ", ".join(said)
    return text[0].upper() + text[1:]


def _stretches(statuses: Sequence[Status]) -> Iterator[tuple[Status, int, int]]:
    at = 0
    for status, group in groupby(statuses):
        length = sum(1 for _ in group)
        yield status, at, at + length - 1
        at += length


def _strip_paths(statuses: Sequence[Status]) -> str:
    paths: dict[Status, str] = {}
    for status, first, last in _stretches(statuses):
        heights = (6.0, 12.0, 18.0) if status is Status.MAINTENANCE else (_STRIP_Y[status],)
        strokes = "".join(f"M{4 * first} {y:g}H{4 * last + 4}" for y in heights)
        paths[status] = paths.get(status, "") + strokes
    return "".join(f'<path class="{_STRIP_NAMES[status]}" d="{path}"/>' for status, path in paths.items())


# ── response time chart ──

_STEPS_MS = [step * 10**power for power in range(6) for step in (1, 2, 5)]
_CHART_TOP, _CHART_FOOT = 40, 150
_TABLE_ROWS = 24


def latency_chart(
    points: Sequence[tuple[datetime, float | None]],
    start: datetime,
    end: datetime,
    *,
    zone: tzinfo = UTC,
    strip: Sequence[Status] = (),
    pins: Sequence[Pin] = (),
    failing: Sequence[tuple[datetime, datetime]] = (),
    about: str = "Response time",
) -> Markup:
    """Response times in ms over `[start, end]`, oldest first; None breaks the line. `strip` puts statuses at equal steps under it.

    Axes are text that never scales, the line is drawn in a stretched box; figures follow as a table in a closed `details`.
    """
    values = [value for _, value in points if value is not None]
    step = next((step for step in _STEPS_MS if 2 * step >= max(values, default=1)), _STEPS_MS[-1])
    top = 2 * step
    summary = chart_words(points, start, end, zone=zone, about=about)
    inside = Markup("").join(
        [
            *(_failing(*span, start, end) for span in failing),
            Markup(_GRID),
            _line(points, start, end, top=top),
            _foot(strip),
            *(_pin(pin, start, end) for pin in pins),
        ]
    )
    return Markup(
        '<figure class="chart-figure"><div class="chart{with_strip}">'
        '<div class="y" aria-hidden="true"><span class="y1">{top}</span><span class="y2">{half}</span><span class="y3">0</span></div>'
        '<svg class="plot" role="img" aria-label="{summary}">{inside}</svg>'
        '<div class="x" aria-hidden="true">{axis}</div></div>'
        '<figcaption class="soft">{summary}</figcaption>{table}</figure>'
    ).format(
        with_strip=" chart-strip" if strip else "",
        top=_ms(top),
        half=_ms(step),
        summary=summary,
        inside=inside,
        axis=Markup("").join(Markup("<span>{}</span>").format(text) for text in _axis(start, end, zone)),
        table=_table(points, start, end, zone=zone),
    )


_GRID = (
    f'<line class="grid" x1="0" x2="100%" y1="{_CHART_TOP}" y2="{_CHART_TOP}"/>'
    f'<line class="grid" x1="0" x2="100%" y1="{(_CHART_TOP + _CHART_FOOT) // 2}" y2="{(_CHART_TOP + _CHART_FOOT) // 2}"/>'
    f'<line class="axis" x1="0" x2="100%" y1="{_CHART_FOOT}" y2="{_CHART_FOOT}"/>'
)


def chart_words(
    points: Sequence[tuple[datetime, float | None]],
    start: datetime,
    end: datetime,
    *,
    zone: tzinfo = UTC,
    about: str = "Response time",
) -> str:
    """`Response time from 09:25 to 10:14: typically 184 ms, 95 % within 1.2 s, highest 3.9 s at 09:38.`"""
    measured = sorted(value for _, value in points if value is not None)
    span = f"{_dated(start, start, end, zone)} to {_dated(end, start, end, zone)}"
    if not measured:
        return f"{about} from {span}: nothing measured."
    worst_at, worst = max(((at, value) for at, value in points if value is not None), key=lambda pair: pair[1])
    p95 = measured[min(len(measured) - 1, int(len(measured) * 0.95))]
    return (
        f"{about} from {span}: typically {_ms(median(measured))}, 95\u202f% within {_ms(p95)}, "
        f"highest {_ms(worst)} at {_stamp(worst_at, start, end, zone)}."
    )


def _line(points: Sequence[tuple[datetime, float | None]], start: datetime, end: datetime, *, top: float) -> Markup:
    lines: list[list[str]] = [[]]
    for at, value in points:
        if value is None:
            lines.append([])
        else:
            y = _CHART_FOOT - (_CHART_FOOT - _CHART_TOP) * min(value, top) / top
            lines[-1].append(f"{1000 * _part(at, start, end):.1f},{y:.1f}")
    drawn = "".join(f'<polyline class="line" points="{" ".join(line)}"/>' for line in lines if len(line) > 1)
    drawn += "".join(f'<path class="line dot" d="M{line[0]}h.01"/>' for line in lines if len(line) == 1)
    return Markup(
        f'<svg viewBox="0 0 1000 {_CHART_FOOT}" width="100%" height="{_CHART_FOOT}" preserveAspectRatio="none">{drawn}</svg>'
    )


def _foot(strip: Sequence[Status]) -> Markup:
    if not strip:
        return Markup("")
    return Markup(
        '<svg y="153" viewBox="0 0 {} 30" width="100%" height="30" preserveAspectRatio="none">{}</svg>'
    ).format(
        4 * len(strip),
        Markup(_strip_paths(strip)),  # noqa: S704
    )


def _failing(begin: datetime, finish: datetime, start: datetime, end: datetime) -> Markup:
    x, until = _part(begin, start, end), _part(finish, start, end)
    height = _CHART_FOOT - _CHART_TOP
    return Markup('<rect class="gone" x="{:.2%}" y="{}" width="{:.2%}" height="{}"/>').format(
        x, _CHART_TOP, until - x, height
    )


def _pin(pin: Pin, start: datetime, end: datetime) -> Markup:
    x = _part(pin.at, start, end)
    anchor = "end" if x > 0.7 else "start"
    y, text_y = (18, 11) if pin.strong else (_CHART_TOP, 34)
    return Markup(
        '<line class="{}" x1="{x:.2%}" x2="{x:.2%}" y1="{}" y2="{}"/>'
        '<text{} x="{x:.2%}" y="{}" text-anchor="{}" dx="-1">{}</text>'
    ).format(
        "pin" if pin.strong else "pin-soft",
        y,
        _CHART_FOOT,
        Markup(' class="strong"') if pin.strong else "",
        text_y,
        anchor,
        pin.text,
        x=x,
    )


def _table(
    points: Sequence[tuple[datetime, float | None]], start: datetime, end: datetime, *, zone: tzinfo
) -> Markup:
    """The same figures for those who read: equal spans of time, each with its typical and its highest value."""
    step = (end - start) / _TABLE_ROWS
    buckets: dict[int, list[float]] = {}
    for at, value in points:
        if value is not None and start <= at <= end:
            buckets.setdefault(min(_TABLE_ROWS - 1, int((at - start) / step)), []).append(value)
    if not buckets:
        return Markup("")
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td class="end">{}</td><td class="end">{}</td></tr>').format(
            _stamp(start + step * i, start, end, zone), _ms(median(values)), _ms(max(values))
        )
        for i, values in sorted(buckets.items())
    )
    return Markup(
        '<details class="figures"><summary>Figures as a table</summary><table class="rows"><thead><tr>'
        '<th scope="col">From</th><th scope="col" class="end">Typical</th><th scope="col" class="end">Highest</th>'
        "</tr></thead><tbody>{}</tbody></table></details>"
    ).format(rows)


def _part(at: datetime, start: datetime, end: datetime) -> float:
    return max(0.0, min(1.0, (at - start) / (end - start))) if end > start else 0.0


def _axis(start: datetime, end: datetime, zone: tzinfo) -> list[str]:
    return [_stamp(start + (end - start) * i / 3, start, end, zone) for i in range(4)]


def _stamp(at: datetime, start: datetime, end: datetime, zone: tzinfo) -> str:
    """As much of a time as the span needs: the hour within two days, the day beyond."""
    at = at.astimezone(zone)
    if end - start <= timedelta(hours=25):
        return f"{at:%H:%M}"
    if end - start <= timedelta(days=8):
        return f"{at.day} {at:%b}, {at:%H:%M}"
    return f"{at.day} {at:%b}"


def _dated(at: datetime, start: datetime, end: datetime, zone: tzinfo) -> str:
    """Like `_stamp`, with the day as well where two days would otherwise sound alike."""
    if start.astimezone(zone).date() == end.astimezone(zone).date():
        return _stamp(at, start, end, zone)
    at = at.astimezone(zone)
    return f"{at.day} {at:%b}" if end - start > timedelta(days=8) else f"{at.day} {at:%b}, {at:%H:%M}"


def _ms(value: float) -> str:
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{f'{value / 1000:.1f}'.removesuffix('.0')} s"
