"""Things a day as blocks, drawn as SVG: one rule above the axis of days, another below it.

Across everything is in percent and text never scales, so that the drawing fits any width. The text alternative tells every day.
"""

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from kener.web.drawings import trusted

PITCH, BLOCK = 8, 6  # px from block to block, and of one block
AXIS = 22  # px for the band of days and its labels
MOST = 6  # blocks of one day; more than these are one tall block
DAYS_TOLD = 12


def day_blocks(days: Sequence[date], draft: Sequence[int], current: Sequence[int] | None, *, noun: str) -> Markup:
    """`noun`s a day of the draft, below the axis where there is a current rule above it. Oldest day first."""
    above, below = (draft, ()) if current is None else (current, draft)
    top = PITCH * min(MOST, max(above, default=0))
    foot = PITCH * min(MOST, max(below, default=0))
    drawn, labels = [], []
    for index, day in enumerate(days):
        x, width = 100 * index / len(days), 81 / len(days)
        column = [f'<rect class="day" x="{x:.2f}%" y="{top}" width="{width:.2f}%" height="{AXIS - PITCH}"/>']
        column += _column(x, width, above[index], top, -1, "new" if current is None else "now")
        column += _column(x, width, below[index] if below else 0, top + AXIS - PITCH, 1, "new")
        drawn.append(f"<g><title>{_title(day, index, draft, current, noun)}</title>{''.join(column)}</g>")
        if index % 7 == 0:
            labels.append(f'<text x="{x:.2f}%" y="{top + 11}" dx="1">{_short(day, index == 0)}</text>')
    label = f"Draft: {_told(days, draft, noun)}"
    if current is not None:
        label = f"Current rule: {_told(days, current, noun)} {label}"
    return Markup('<svg role="img" aria-label="{}" width="100%" height="{}">{}</svg>').format(
        label, top + AXIS + foot, trusted("".join(drawn + labels))
    )


def _column(x: float, width: float, number: int, edge: int, way: int, name: str) -> list[str]:
    """Blocks from an edge upwards (-1) or downwards (1)."""
    if number > MOST:
        height = PITCH * MOST - 2
        return [_rect(name, x, edge - height - 2 if way < 0 else edge + 2, width, height)]
    tops = [edge - PITCH * (step + 1) if way < 0 else edge + 2 + PITCH * step for step in range(number)]
    return [_rect(name, x, y, width, BLOCK) for y in tops]


def _rect(name: str, x: float, y: int, width: float, height: int) -> str:
    return f'<rect class="{name}" x="{x:.2f}%" y="{y}" width="{width:.2f}%" height="{height}"/>'


def _title(day: date, index: int, draft: Sequence[int], current: Sequence[int] | None, noun: str) -> str:
    if current is None:
        return f"{_long(day)}: {_count(draft[index], noun)}"
    return f"{_long(day)}: current {current[index]}, draft {draft[index]}"


def _told(days: Sequence[date], numbers: Sequence[int], noun: str) -> str:
    """`1 incident on 28 October, 6 on 12 November.`"""
    found = [(day, number) for day, number in zip(days, numbers, strict=True) if number]
    if not found:
        return f"no {noun}."
    said = [f"{number} on {_long(day)}" for day, number in found[-DAYS_TOLD:]]
    said[0] = f"{_count(found[-DAYS_TOLD:][0][1], noun)} on {_long(found[-DAYS_TOLD:][0][0])}"
    if rest := found[:-DAYS_TOLD]:
        said.insert(0, f"{sum(number for _, number in rest)} before")
    return f"{', '.join(said)}."


def _short(day: date, first: bool) -> str:
    return f"{day.day} {day:%b}" if first or day.day <= 7 else str(day.day)


def _long(day: date) -> str:
    return f"{day.day} {day:%B}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
