"""Charts as SVG: minutes as a strip of ticks, response times as a line. Days: `kener.web.drawings`.

The text alternative says what the drawing shows; a chart's figures follow as a table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby
from statistics import median

from markupsafe import Markup

from kener.domain.status import Status
from kener.web.drawings import trusted


@dataclass(frozen=True, slots=True)
class Pin:
    """A moment marked on a chart. The strong one is what the chart is about."""

    at: datetime
    text: str
    strong: bool = False


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
        4 * max(1, len(statuses)), label, trusted(_strip_paths(statuses))
    )


def strip_words(statuses: Sequence[Status], start: datetime, end: datetime, *, zone: tzinfo = UTC) -> str:
    """`Up from 09:14 to 09:38, down from 09:38 to 10:14`."""
    if not statuses:
        return "Nothing measured"
    step = (end - start) / len(statuses)
    said = []
    for status, first, last in _stretches(statuses):
        begin = (start + step * first).astimezone(zone)
        until = (start + step * (last + 1)).astimezone(zone)
        said.append(f"{_STRIP_WORDS[status]} from {begin:%H:%M} to {until:%H:%M}")
    if len(said) > 6:
        said = [f"{len(said) - 6} earlier changes", *said[-6:]]
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
            trusted(_GRID),
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
        '<figcaption class="soft">{summary}</figcaption>{elsewhere}{table}</figure>'
    ).format(
        with_strip=" chart-strip" if strip else "",
        top=_ms(top),
        half=_ms(step),
        summary=summary,
        elsewhere=Markup('<p class="soft" data-elsewhere="{}" hidden>The times of this chart are {} time.</p>').format(
            zone, str(zone).replace("_", " ")
        ),
        inside=inside,
        axis=Markup("").join(Markup("<span>{}</span>").format(text) for text in _axis(start, end, zone)),
        table=_table(points, start, end, zone=zone),
    )


def episode_chart(
    points: Sequence[tuple[datetime, float | None]],
    statuses: Sequence[Status],
    start: datetime,
    end: datetime,
    *,
    triggered_at: datetime,
    resolved_at: datetime | None,
    failing: Sequence[tuple[datetime, datetime]],
    zone: tzinfo = UTC,
) -> Markup:
    """What was measured around an alert, its turns marked. Where no response time was measured, the statuses alone."""
    turns = [(triggered_at, "triggered", True), (resolved_at, "resolved", False)]
    pins = [
        Pin(at, f"{at.astimezone(zone):%H:%M:%S} {word}", strong)
        for at, word, strong in turns
        if at is not None and start <= at <= end
    ]
    if any(value is not None for _, value in points):
        return latency_chart(points, start, end, zone=zone, strip=statuses, pins=pins, failing=failing)
    return Markup(
        '<figure class="minutes minutes-wide">{}<p><span>{}</span><span>{}</span></p><figcaption>{}.</figcaption></figure>'
    ).format(
        minute_strip(statuses, start, end, zone=zone),
        _stamp(start, start, end, zone),
        _stamp(end, start, end, zone),
        strip_words(statuses, start, end, zone=zone),
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
    return trusted(
        f'<svg viewBox="0 0 1000 {_CHART_FOOT}" width="100%" height="{_CHART_FOOT}" preserveAspectRatio="none">{drawn}</svg>'
    )


def _foot(strip: Sequence[Status]) -> Markup:
    if not strip:
        return Markup("")
    return Markup(
        '<svg y="153" viewBox="0 0 {} 30" width="100%" height="30" preserveAspectRatio="none">{}</svg>'
    ).format(
        4 * len(strip),
        trusted(_strip_paths(strip)),
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


def _table(points: Sequence[tuple[datetime, float | None]], start: datetime, end: datetime, *, zone: tzinfo) -> Markup:
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
