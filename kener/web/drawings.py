"""Drawings as SVG: day bars, their ruler and legend. Minute strips and charts: `kener.web.charts`.

Time is a line, a good day is the same quiet tick, trouble changes the shape of the tick. Good ticks are one dashed stroke, so a
quiet quarter of a year costs a dozen bytes. Colours, and so the theme, come from the style sheet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from math import sqrt
from typing import Literal, Protocol

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
    def excluded_s(self) -> int: ...
    @property
    def measured_s(self) -> int: ...


Shape = Status | Literal["EXCLUDED"]
"""EXCLUDED: a part of the day does not count, and it had no trouble otherwise."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring days of one shape, by their index."""

    shape: Shape
    first: int
    last: int


def day_bars(days: Sequence[Day], label_span: str = "") -> Markup:
    """A monitor's days, oldest first, the last one being today. `label_span` begins the text alternative: `90 days`."""
    stretches = list(_stretches(days))
    troubled = [i for s in stretches if s.shape not in _STROKES for i in range(s.first, s.last + 1)]
    paths: dict[str, str] = {}
    for stretch in stretches:
        if stretch.shape in _STROKES:
            name, y = _STROKES[stretch.shape]
            paths[name] = paths.get(name, "") + f"M{PITCH * stretch.first + 2} {y}H{PITCH * stretch.last + 5}"
    for i in troubled:
        for name, path in _filled(i, days[i]):
            paths[name] = paths.get(name, "") + path
    return Markup(
        '<svg viewBox="0 0 {width} 36" preserveAspectRatio="none" role="img" aria-label="{label}"{data}>{drawn}</svg>'
    ).format(
        width=PITCH * len(days),
        label=_told(days, stretches, troubled, label_span),
        data=_data(days, stretches, troubled),
        drawn=trusted("".join(f'<path class="{name}" d="{paths[name]}"/>' for name in _ORDER if name in paths)),
    )


_STROKES: dict[str, tuple[str, str]] = {Status.UP: ("b-up", "15.5"), Status.NO_DATA: ("b-none", "26")}
_ORDER = ("b-up", "b-none", "b-rest", "b-nodata", "b-maintenance", "b-degraded", "b-down")


def _stretches(days: Sequence[Day]) -> Iterator[Stretch]:
    at = 0
    for shape, group in groupby(days, key=_shape):
        length = sum(1 for _ in group)
        yield Stretch(shape, at, at + length - 1)
        at += length


def _shape(day: Day) -> Shape:
    """The worst status of a day wins its shape: a day with a minute of trouble is never green all over."""
    if day.down_s:
        return Status.DOWN
    if day.degraded_s:
        return Status.DEGRADED
    if day.maintenance_s:
        return Status.MAINTENANCE
    if day.excluded_s:
        return "EXCLUDED"
    return Status.UP if day.measured_s else Status.NO_DATA


def _filled(i: int, day: Day) -> Iterator[tuple[str, str]]:
    x = PITCH * i + 1
    match _shape(day):
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
        case "EXCLUDED":
            yield "b-nodata", "".join(f"M{x} {y}h5v1h-5z" for y in range(4, 28, 4))


def _share(seconds: int, day: Day) -> float:
    return min(1.0, seconds / day.measured_s) if day.measured_s else 1.0


def _told(days: Sequence[Day], stretches: Sequence[Stretch], troubled: Sequence[int], span: str) -> str:
    """The drawing in words: span, uptime, the latest troubles."""
    measured, down = sum(day.measured_s for day in days), sum(day.down_s for day in days)
    if not measured:
        return "Not monitored yet."
    first = stretches[0].last + 1 if stretches[0].shape is Status.NO_DATA else 0
    span = f"Monitored for {_days(len(days) - first)}" if first else span or _days(len(days))
    latest = [_trouble(days[i], today=i == len(days) - 1) for i in reversed(troubled[-TROUBLES_TOLD:])]
    earlier = len(troubled) - len(latest)
    told = "; ".join([*latest, f"{earlier} earlier"] if earlier else latest) or "no trouble"
    return f"{span}, {percent((measured - down) / measured)} up. {told[0].upper()}{told[1:]}."


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _trouble(day: Day, *, today: bool) -> str:
    date = "today" if today else f"on {day.date.day} {day.date:%B}"
    match _shape(day):
        case Status.DOWN:
            return f"down {short(day.down_s)} {date}"
        case Status.DEGRADED:
            return f"degraded {short(day.degraded_s)} {date}"
        case "EXCLUDED":
            return f"excluded {short(day.excluded_s)} {date}"
        case _:
            return f"in maintenance {short(day.maintenance_s)} {date}"


def _data(days: Sequence[Day], stretches: Sequence[Stretch], troubled: Sequence[int]) -> Markup:
    """What the tooltip needs: the first date; `first-last` of what was not measured; for troubled days
    `index:up,degraded,down,maintenance` in seconds, and what is excluded, if anything is. All other days are plainly good.
    """
    if not days:
        return Markup("")
    empty = [f"{s.first}-{s.last}" for s in stretches if s.shape is Status.NO_DATA]
    odd = [f"{i}:{','.join(map(str, _seconds(days[i])))}" for i in troubled]
    return Markup(' data-from="{}" data-days="{}"').format(days[0].date.isoformat(), " ".join(empty + odd))


def _seconds(day: Day) -> list[int]:
    seconds = [day.up_s, day.degraded_s, day.down_s, day.maintenance_s]
    return [*seconds, day.excluded_s] if day.excluded_s else seconds


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


_LEGEND_EXCLUDED = (
    _GOOD_NEIGHBOURS
    + '<path class="b-nodata" d="M8 4h5v1H8zm0 4h5v1H8zm0 4h5v1H8zm0 4h5v1H8zm0 4h5v1H8zm0 4h5v1H8z"/>',
    "Excluded: does not count",
)


def legend(note: str = "", *, excluded: bool = False) -> Markup:
    """What the shapes mean; once a page, under the list. `note` stands at the end: `One bar is one day, UTC`.

    `excluded`: whether there are days of which a part does not count.
    """
    items = "".join(
        f'<li><svg viewBox="0 0 19 36" aria-hidden="true">{drawn}</svg>{text}</li>'
        for drawn, text in (*_LEGEND, *([_LEGEND_EXCLUDED] if excluded else []))
    )
    last = Markup('<li class="push">{}</li>').format(note) if note else ""
    return Markup('<ul class="legend" aria-label="What the bars mean">{}{}</ul>').format(trusted(items), last)


def trusted(drawn: str) -> Markup:
    """SVG made of our own numbers and class names; never of text that someone entered."""
    return Markup(drawn)  # noqa: S704
