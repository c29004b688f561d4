"""Minutes as a strip, response times as a line, both also in words and figures."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.status import Status
from kener.web.charts import Pin, chart_words, latency_chart, minute_strip, strip_words

START = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
END = START + timedelta(hours=1)
UP, DEGRADED, DOWN, MAINTENANCE, NO_DATA = Status


def parsed(markup: str) -> BeautifulSoup:
    return BeautifulSoup(markup, "html5lib")


def one(soup: BeautifulSoup, css: str) -> Tag:
    found = soup.select(css)
    assert len(found) == 1, (css, found)
    return found[0]


def test_an_hour_by_minute_in_shapes_and_in_words():
    drawing = one(parsed(minute_strip([UP] * 25 + [DOWN] * 35, START, END)), "svg")
    assert {str(p["class"][0]): p["d"] for p in drawing.select("path")} == {
        "m-up": "M0 12H100",
        "m-down": "M100 20H240",
    }
    assert drawing["aria-label"] == "Up from 09:14 to 09:39, down from 09:39 to 10:14"


def test_the_strip_speaks_in_the_zone_of_the_site():
    said = strip_words([MAINTENANCE] * 60, START, END, zone=ZoneInfo("Europe/Berlin"))
    assert said == "In maintenance from 10:14 to 11:14"


def test_a_restless_strip_tells_only_the_latest_changes():
    said = strip_words([UP, DOWN] * 10, START, END)
    assert said.startswith("14 earlier changes, up from 09:56")
    assert said.count(" from ") == 6


def test_an_empty_strip_says_so():
    assert one(parsed(minute_strip([], START, END)), "svg")["aria-label"] == "Nothing measured"


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=200))
def test_every_minute_is_in_exactly_one_shape(statuses: list[Status]):
    shapes = {UP: "m-up", DEGRADED: "m-degraded", DOWN: "m-down", MAINTENANCE: "m-maintenance", NO_DATA: "m-none"}
    rows = {UP: 1, DEGRADED: 1, DOWN: 1, MAINTENANCE: 3, NO_DATA: 1}
    drawing = parsed(minute_strip(statuses, START, END))
    for status, shape in shapes.items():
        strokes = [stroke for path in drawing.select(f".{shape}") for stroke in str(path["d"]).split("M")[1:]]
        minutes = sum(float(s.split("H")[1]) - float(s.split(" ")[0]) for s in strokes) / 4
        assert minutes == statuses.count(status) * rows[status]


def series(*values: float | None) -> list[tuple[datetime, float | None]]:
    step = (END - START) / max(1, len(values) - 1)
    return [(START + step * i, value) for i, value in enumerate(values)]


def test_the_chart_in_words():
    assert chart_words(series(180, 190, 3900, 200), START, END) == (
        "Response time from 09:14 to 10:14: typically 195 ms, 95\u202f% within 3.9 s, highest 3.9 s at 09:54."
    )


def test_a_chart_over_midnight_names_the_days():
    assert "from 22 Nov, 10:14 to 23 Nov, 10:14:" in chart_words(series(1), END - timedelta(days=1), END)


def test_a_chart_without_figures_says_so_and_has_no_table():
    chart = parsed(latency_chart([], START, END))
    assert one(chart, ".plot")["aria-label"] == "Response time from 09:14 to 10:14: nothing measured."
    assert not chart.select("table, polyline")


def test_the_axis_ends_on_a_round_number_above_the_highest_value():
    chart = parsed(latency_chart(series(150, 900, 1700), START, END))
    assert [span.text for span in chart.select(".y span")] == ["2 s", "1 s", "0"]
    assert [span.text for span in chart.select(".x span")] == ["09:14", "09:34", "09:54", "10:14"]


def test_the_line_breaks_where_nothing_was_measured():
    chart = parsed(latency_chart(series(10, 20, None, 30, 40, None, 50), START, END))
    assert len(chart.select("polyline")) == 2
    assert len(chart.select("path.dot")) == 1


@given(st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e7)), max_size=60))
def test_the_line_stays_between_its_axes(values: list[float | None]):
    chart = parsed(latency_chart(series(*values), START, END))
    for line in chart.select("polyline"):
        for point in str(line["points"]).split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 1000
            assert 40 <= y <= 150


def test_the_figures_stand_in_a_table():
    chart = parsed(latency_chart(series(100, 200, 300, 1500), START, END))
    rows = [[cell.text for cell in row.select("th, td")] for row in chart.select("tbody tr")]
    assert rows[0] == ["09:14", "100 ms", "100 ms"]
    assert rows[-1] == ["10:11", "1.5 s", "1.5 s"]


def test_pins_and_failing_spans_are_placed_on_the_time_axis_and_escaped():
    middle = START + timedelta(minutes=30)
    chart = parsed(
        latency_chart(
            series(1, 2),
            START,
            END,
            strip=[UP, DOWN],
            pins=[Pin(middle, "<b>09:44</b> triggered", strong=True)],
            failing=[(middle, END)],
        )
    )
    assert one(chart, ".pin")["x1"] == "50.00%"
    assert one(chart, "text.strong").text == "<b>09:44</b> triggered"
    failing = one(chart, ".gone")
    assert (failing["x"], failing["width"]) == ("50.00%", "50.00%")
    assert chart.select(".chart-strip .m-down")


@pytest.mark.parametrize(("days", "first"), [(1, "22 Nov"), (7, "16 Nov, 10:14"), (30, "24 Oct"), (90, "25 Aug")])
def test_a_longer_span_is_labelled_by_days(days: int, first: str):
    chart = parsed(latency_chart(series(1, 2), END - timedelta(days=days), END))
    labels = [span.text for span in chart.select(".x span")]
    assert labels[0] == (first if days > 1 else "10:14")


def test_a_chart_knows_whose_clock_it_keeps():
    berlin = ZoneInfo("Europe/Berlin")
    note = one(parsed(latency_chart(series(1, 2), START, END, zone=berlin)), "[data-elsewhere]")
    assert (note["data-elsewhere"], note.text) == ("Europe/Berlin", "The times of this chart are Europe/Berlin time.")
    assert note.has_attr("hidden")
