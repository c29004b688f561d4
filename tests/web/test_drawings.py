"""Days as bars: every day is drawn once, in the shape of its worst status, and told in words."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from kener.web.drawings import PITCH, day_bars, legend, ruler

TODAY = date(2026, 11, 23)
A_DAY_S = 86_400


@dataclass(frozen=True)
class Day:
    date: date
    up_s: int = 0
    degraded_s: int = 0
    down_s: int = 0
    maintenance_s: int = 0
    excluded_s: int = 0

    @property
    def measured_s(self) -> int:
        return self.up_s + self.degraded_s + self.down_s + self.maintenance_s


def quarter(**odd: dict[str, int]) -> list[Day]:
    """Ninety good days until today but for the odd ones: `day_0` is today, `day_11` eleven days ago."""
    days = []
    for ago in reversed(range(90)):
        trouble = odd.get(f"day_{ago}", {})
        up = A_DAY_S - sum(trouble.values()) if trouble.get("up_s") is None else trouble["up_s"]
        days.append(Day(TODAY - timedelta(days=ago), **{**trouble, "up_s": up}))
    return days


def svg(markup: str) -> Tag:
    found = BeautifulSoup(markup, "html5lib").select_one("svg")
    assert found
    return found


def ticks(drawing: Tag) -> dict[str, set[int]]:
    """Indices of the days by the class they are drawn in."""
    drawn: dict[str, set[int]] = {}
    for path in drawing.select("path"):
        d, name = str(path["d"]), str(path["class"][0])
        runs = re.findall(r"M(\d+) [\d.]+H(\d+)", d)
        indices = {i for start, end in runs for i in range(int(start) // PITCH, int(end) // PITCH + 1)}
        indices |= {int(x) // PITCH for x in re.findall(r"M(\d+) \d+h", d)}
        drawn.setdefault(name, set()).update(indices)
    return drawn


def test_a_good_quarter_is_one_stroke():
    drawing = svg(day_bars(quarter(), "90 days"))
    assert [(p["class"], p["d"]) for p in drawing.select("path")] == [(["b-up"], "M2 15.5H628")]
    assert drawing["viewbox" if drawing.has_attr("viewbox") else "viewBox"] == "0 0 630 36"
    assert drawing["aria-label"] == "90 days, 100\u202f% up. No trouble."


def test_the_label_tells_the_four_latest_troubles_latest_first():
    days = quarter(
        day_0={"down_s": 36 * 60},
        day_11={"down_s": 50 * 60},
        day_12={"degraded_s": 20},
        day_19={"maintenance_s": 3600},
        day_26={"down_s": 46 * 60},
    )
    label = svg(day_bars(days, "90 days"))["aria-label"]
    assert label == (
        "90 days, 99.89\u202f% up. Down 36 min today; down 50 min on 12 November; degraded 20 s on 11 November; "
        "in maintenance 1 h on 4 November; 1 earlier."
    )


def test_a_young_monitor_says_since_when_it_is_watched():
    days = [Day(TODAY - timedelta(days=ago), up_s=A_DAY_S if ago < 41 else 0) for ago in reversed(range(90))]
    drawing = svg(day_bars(days, "90 days"))
    assert str(drawing["aria-label"]).startswith("Monitored for 41 days, 100\u202f% up.")
    assert ticks(drawing) == {"b-none": set(range(49)), "b-up": set(range(49, 90))}


def test_a_monitor_without_samples_is_not_called_up():
    label = svg(day_bars([Day(TODAY)], "90 days"))["aria-label"]
    assert label == "Not monitored yet."


def test_no_days_at_all_still_draw():
    assert svg(day_bars([]))["aria-label"] == "Not monitored yet."


def test_down_drops_below_the_line_and_leaves_the_rest_of_the_day_green():
    drawing = svg(day_bars(quarter(day_0={"down_s": 6 * 3600}), "90 days"))
    paths = {str(p["class"][0]): str(p["d"]) for p in drawing.select("path")}
    assert paths["b-down"] == "M624 16h5v19h-5z"
    assert paths["b-rest"] == "M625 3h3v11h-3z"


def test_a_wholly_lost_day_leaves_nothing_green():
    drawing = svg(day_bars([Day(TODAY, down_s=A_DAY_S)]))
    assert ticks(drawing) == {"b-down": {0}}
    assert drawing.select_one("path")["d"] == "M1 3h5v32h-5z"


durations = st.integers(min_value=0, max_value=A_DAY_S // 4)
some_days = st.lists(st.tuples(durations, durations, durations, durations), min_size=1, max_size=120)


@given(some_days)
def test_every_day_is_drawn_once_in_the_shape_of_its_worst_status(seconds: list[tuple[int, int, int, int]]):
    last = len(seconds) - 1
    days = [Day(TODAY - timedelta(days=last - i), *parts) for i, parts in enumerate(seconds)]
    drawn = ticks(svg(day_bars(days)))
    drawn.pop("b-rest", None)
    for i, day in enumerate(days):
        expected = (
            "b-down"
            if day.down_s
            else "b-degraded"
            if day.degraded_s
            else "b-maintenance"
            if day.maintenance_s
            else "b-up"
            if day.measured_s
            else "b-none"
        )
        assert [name for name, indices in drawn.items() if i in indices] == [expected]


@given(some_days)
def test_nothing_is_drawn_outside_the_box(seconds: list[tuple[int, int, int, int]]):
    days = [Day(TODAY, *parts) for parts in seconds]
    for x, y, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)", day_bars(days)):
        assert int(x) >= 0 and int(x) + int(width) <= PITCH * len(days)
        assert int(height) > 0 and int(y) >= 3 and int(y) + int(height) <= 35


@given(st.integers(min_value=1, max_value=A_DAY_S), st.integers(min_value=1, max_value=A_DAY_S))
def test_a_longer_outage_is_never_drawn_shorter(one: int, other: int):
    def height(seconds: int) -> int:
        found = re.search(r'b-down" d="M1 \d+h5v(\d+)', day_bars([Day(TODAY, A_DAY_S - seconds, 0, seconds)]))
        assert found
        return int(found[1])

    shorter, longer = sorted((one, other))
    assert height(shorter) <= height(longer)


def test_the_tooltip_finds_the_seconds_of_every_day_that_is_not_plainly_good():
    days = quarter(day_0={"down_s": 60}, day_85={"degraded_s": 5})
    days[:3] = [Day(day.date) for day in days[:3]]
    drawing = svg(day_bars(days, "90 days"))
    assert drawing["data-from"] == "2026-08-26"
    assert drawing["data-days"] == "0-2 4:86395,5,0,0 89:86340,0,60,0"


def test_a_hundred_quiet_monitors_stay_small():
    assert len(day_bars(quarter(day_11={"down_s": 3000}), "90 days")) < 500


def test_the_ruler_marks_months_and_the_start_of_what_phones_see():
    days = [TODAY - timedelta(days=ago) for ago in reversed(range(90))]
    texts = [(t.text, t.get("class", [""])[0], t["x"]) for t in svg(ruler(days)).select("text")]
    assert texts == [
        ("Sep", "only-90", "6.83%"),
        ("Oct", "only-90", "40.16%"),
        ("Nov", "", "74.60%"),
        ("25 Oct", "only-30", "66.83%"),
        ("Today", "", "100%"),
    ]


@pytest.mark.parametrize("ago", range(0, 400, 3))
def test_ruler_marks_never_stand_on_one_another(ago: int):
    end = TODAY - timedelta(days=ago)
    days = [end - timedelta(days=back) for back in reversed(range(90))]
    marks = svg(ruler(days)).select("text")
    for hidden in ("only-30", "only-90"):
        shown = sorted(float(str(t["x"]).rstrip("%")) for t in marks if hidden not in t.get("class", []))
        if hidden == "only-90":
            shown = [x for x in shown if x >= 66]
        assert all(b - a > 5 for a, b in pairwise(shown))


def test_the_legend_names_all_five_shapes():
    items = BeautifulSoup(legend("One bar is one day, UTC"), "html5lib").select("li")
    assert [item.text for item in items] == [
        "Operational",
        "Degraded: cut short",
        "Down: breaks the line",
        "Maintenance: sliced",
        "Not monitored: a stub",
        "One bar is one day, UTC",
    ]


def test_a_day_of_which_a_part_is_excluded_is_lined_and_says_so():
    drawing = svg(day_bars(quarter(day_3={"excluded_s": 600, "up_s": 85_800}, day_5={"excluded_s": 60, "down_s": 60})))
    assert ticks(drawing)["b-nodata"] == {86} and 84 in ticks(drawing)["b-down"]
    assert "Excluded 10 min on 20 November" in drawing["aria-label"]
    assert drawing["data-days"] == "84:86280,0,60,0,60 86:85800,0,0,0,600"
    assert "Excluded" in legend(excluded=True) and "Excluded" not in legend()
