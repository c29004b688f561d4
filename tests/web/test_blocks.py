"""Things a day as blocks."""

from datetime import date, timedelta

from bs4 import BeautifulSoup, Tag

from kener.web.blocks import DAYS_TOLD, MOST, day_blocks

DAYS = [date(2026, 10, 25) + timedelta(days=number) for number in range(31)]


def numbers(**days: int) -> list[int]:
    """A number by day, as `nov12=6`."""
    found = {(int(name[3:]), name[:3].capitalize()): number for name, number in days.items()}
    return [found.get((day.day, f"{day:%b}"), 0) for day in DAYS]


def drawn(*args: list[int] | None, noun: str = "incident") -> Tag:
    [draft, current] = args
    assert draft is not None
    [svg] = BeautifulSoup(day_blocks(DAYS, draft, current, noun=noun), "html5lib").select("svg")
    return svg


def tops(svg: Tag, name: str) -> list[int]:
    return [int(str(rect["y"])) for rect in svg.select(f"rect.{name}")]


def test_the_current_rule_stands_above_the_days_and_the_draft_below() -> None:
    svg = drawn(numbers(oct28=1, nov12=1), numbers(oct28=1, nov4=1, nov12=6))
    days = tops(svg, "day")
    assert len(days) == 31 and len(set(days)) == 1
    assert len(tops(svg, "now")) == 8 and max(tops(svg, "now")) < days[0]
    assert len(tops(svg, "new")) == 2 and min(tops(svg, "new")) > days[0]
    assert min(tops(svg, "now")) >= 0
    assert svg["aria-label"] == (
        "Current rule: 1 incident on 28 October, 1 on 4 November, 6 on 12 November. "
        "Draft: 1 incident on 28 October, 1 on 12 November."
    )
    assert "12 November: current 6, draft 1" in [title.text for title in svg.select("title")]


def test_a_new_rule_stands_alone_above_the_days() -> None:
    svg = drawn(numbers(nov12=2), None, noun="alert")
    assert tops(svg, "now") == [] and max(tops(svg, "new")) < tops(svg, "day")[0]
    assert svg["aria-label"] == "Draft: 2 alerts on 12 November."


def test_a_bad_day_is_one_tall_block_and_its_number_is_told() -> None:
    svg = drawn(numbers(nov12=MOST + 1), None)
    [block] = svg.select("rect.new")
    assert int(str(block["height"])) > 40 and int(str(block["y"])) >= 0
    assert svg["aria-label"] == f"Draft: {MOST + 1} incidents on 12 November."


def test_nothing_is_told_as_nothing_and_too_much_is_summed_up() -> None:
    assert drawn(numbers(), numbers())["aria-label"] == "Current rule: no incident. Draft: no incident."
    label = str(drawn([1] * 31, None)["aria-label"])
    assert label.startswith(f"Draft: {31 - DAYS_TOLD} before, 1 incident on ")
