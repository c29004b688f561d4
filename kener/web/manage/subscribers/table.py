"""Subscribers as CSV, out and in. No cell begins a formula; lists are written with spaces between."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from kener.domain.inputs import check
from kener.domain.subscriptions import Channel, SubscriberInput
from kener.queries.subscribers import SubscriberLine
from kener.services.subscribers import MOST_IMPORTED
from kener.web.manage.alert_log.export import FORMULA

HEAD = ("address", "channel", "kinds", "least_impact", "pages", "monitors", "incident_ids", "zone", "confirmed_at")
READ = HEAD[:-1]
_LISTS = ("kinds", "pages", "monitors", "incident_ids")


def lines(found: Iterable[tuple[SubscriberLine, dict[str, Any]]]) -> Iterator[str]:
    """The lines of the file. Of a webhook only the host is written: who knows the rest can write there."""
    yield _line(HEAD)
    for one, given in found:
        confirmed = one.confirmed_at.isoformat(timespec="seconds") if one.confirmed_at else ""
        cells = {"address": one.address, "channel": one.channel.value, "confirmed_at": confirmed} | given
        yield _line(" ".join(map(str, cells[name])) if name in _LISTS else str(cells[name]) for name in HEAD)


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells)
    return text.getvalue()


def read(text: str) -> list[tuple[int, SubscriberInput | str]]:
    """Lines by number: a subscriber, or what is wrong with it. Without a head the first column is the address. Raises ValueError."""
    rows = [row for row in csv.reader(io.StringIO(text.lstrip("\ufeff"))) if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError("There is no line in it.")
    if len(rows) > MOST_IMPORTED:
        raise ValueError(f"There are {len(rows):,} lines; bring in at most {MOST_IMPORTED:,} at a time.")
    first = [cell.strip().lower() for cell in rows[0]]
    has_head = "address" in first or "email" in first
    head = ["address" if name == "email" else name for name in first] if has_head else ["address"]
    start = 2 if has_head else 1
    return [(number, _read(dict(zip(head, row, strict=False)))) for number, row in enumerate(rows[start - 1 :], start)]


def _read(row: dict[str, str]) -> SubscriberInput | str:
    cells = {name: value.strip().lstrip("'") for name, value in row.items() if name in READ and value.strip()}
    raw: dict[str, Any] = {name: value.split() if name in _LISTS else value for name, value in cells.items()}
    if "channel" in raw:
        raw["channel"] = raw["channel"].upper()
    if raw.get("channel", "EMAIL") != Channel.EMAIL and "://" not in raw.get("address", ""):
        return "The whole URL is needed; an export does not hold it."
    given, errors = check(SubscriberInput, raw)
    if given is None:
        return "; ".join(f"{name}: {text}" if name else text for name, text in errors.items())
    checked: SubscriberInput = given
    return checked
