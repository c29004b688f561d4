"""When a series happens: rules of RFC 5545 by the clocks of a time zone, and what they say in words.

A rule is counted in wall time from the wall time at which the series begins, so that 02:00 stays 02:00 over both changes of clocks.
A time that a change of clocks leaves out is moved forward by as much; of a time that comes twice, the first is meant.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from kener.domain.durations import in_words

ONCE = "FREQ=MINUTELY;COUNT=1"
"""How the original writes a maintenance that happens once."""

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MAX_COUNT = 1_000
MAX_INTERVAL = 400
SEARCHED = timedelta(days=10 * 366)
"""How far ahead is looked for occurrences: a rule may name days that never come."""

EARLIEST = datetime.fromisoformat("2000-01-01")
LATEST = datetime.fromisoformat("2200-01-01")
"""A series begins between these: counting starts at its beginning."""

_FAR = 19 * 400
"""Years by which rules are counted later than they are meant: the calendar repeats every 400 years, weekdays included, and dateutil
looks for the next occurrence up to the year 9999, however many days that are. So there are never more than 400 years to look at."""

_TOO_OFTEN = (
    "Use FREQ=DAILY, WEEKLY, MONTHLY or YEARLY: what happens more often than once a day is no planned maintenance."
)
_NUMBERS = {"BYMONTHDAY": 31, "BYMONTH": 12, "BYSETPOS": 366, "BYWEEKNO": 53, "BYYEARDAY": 366}
_PARTS = ("INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *_NUMBERS)
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_CLOCK_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule: its parts by name, without the end, which is kept as a count or as the last wall time."""

    parts: tuple[tuple[str, str], ...]
    count: int | None = None
    until: str | None = None

    @property
    def text(self) -> str:
        """The rule as it is stored."""
        ends = [("COUNT", str(self.count))] if self.count else [("UNTIL", self.until)] if self.until else []
        return ";".join(f"{name}={value}" for name, value in [*self.parts, *ends])

    def part(self, name: str) -> str | None:
        return dict(self.parts).get(name)

    def last_wall_time(self, zone: ZoneInfo) -> datetime | None:
        """The wall time after which nothing happens. A date means its whole day; a time in UTC is read on the clocks of the zone."""
        if self.until is None:
            return None
        if len(self.until) == 8:
            return datetime.combine(datetime.fromisoformat(self.until), time.max)
        at = datetime.fromisoformat(self.until)
        return on_the_wall(at, zone) if at.tzinfo else at


class NoRule(ValueError):
    """What was written is no rule that we follow. Its text says what to write."""


def parse(text: str) -> Rule | None:
    """A rule, or None for what happens once. Raises NoRule."""
    found = _read("".join(text.split()).upper().removeprefix("RRULE:"))
    frequency, count, until = found.get("FREQ", ""), found.pop("COUNT", None), found.pop("UNTIL", None)
    if count is not None and until is not None:
        raise NoRule("Give COUNT or UNTIL, not both.")
    number = _number(count, "COUNT", MAX_COUNT) if count is not None else None
    if _number(found.get("INTERVAL", "1"), "INTERVAL", MAX_INTERVAL) == 1:
        found.pop("INTERVAL", None)
    if frequency not in FREQUENCIES:
        if number == 1 and frequency in ("HOURLY", "MINUTELY", "SECONDLY") and len(found) == 1:
            return None
        raise NoRule(_TOO_OFTEN)
    wrong = [f"{name}={value}" for name, value in found.items() if not _is_right(name, value, frequency)]
    if wrong:
        raise NoRule(f"{wrong[0][:40]} means nothing here. A rule is, for instance, FREQ=WEEKLY;BYDAY=SU.")
    return Rule(tuple(found.items()), number, _until(until) if until is not None else None)


def _is_right(name: str, value: str, frequency: str) -> bool:
    """Checked here, since dateutil finds out about some mistakes only in a later year."""
    pieces = value.split(",")
    match name:
        case "FREQ" | "INTERVAL":
            return True
        case "WKST":
            return value in _DAYS
        case "BYDAY":
            numbered = frequency in ("MONTHLY", "YEARLY")
            return all((found := _DAY.fullmatch(day)) and (numbered or not found[1]) for day in pieces)
    most = _NUMBERS[name]
    least = 1 if name == "BYMONTH" else -most
    return all(re.fullmatch(r"-?[0-9]{1,3}", piece) and least <= int(piece) <= most and int(piece) for piece in pieces)


def _read(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in filter(None, text.split(";")):
        name, sign, value = piece.partition("=")
        if name in _CLOCK_PARTS:
            raise NoRule(f"Leave out {name}: the start says at what time it begins.")
        if not sign or not value or name in found or name not in ("FREQ", *_PARTS):
            raise NoRule(f"{piece[:40]} cannot be read. Write a rule like FREQ=WEEKLY;BYDAY=SU.")
        found[name] = value
    if "FREQ" not in found:
        raise NoRule("Begin with how often: FREQ=DAILY, WEEKLY, MONTHLY or YEARLY.")
    return {"FREQ": found.pop("FREQ"), **found}


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise NoRule(f"{name} is a whole number from 1 to {most}.")
    return int(text)


def _until(text: str) -> str:
    try:
        at = datetime.fromisoformat(text) if _UNTIL.fullmatch(text) else None
    except ValueError:
        at = None
    if at and EARLIEST <= at.replace(tzinfo=None) <= LATEST:
        return text
    raise NoRule("UNTIL is a date like 20261231, or a time like 20261231T220000Z.")


@lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Whether a name is that of a time zone; asked for every row of a list."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def from_wall(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time (naive): see the head of this module for those that clocks leave out or show twice."""
    # Of a time that is left out, PEP 495 takes the offset before the change: it lands as much later.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def on_the_wall(at: datetime, zone: ZoneInfo) -> datetime:
    """The wall time (naive) of an instant."""
    return at.astimezone(zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Series:
    """When something happens: from an instant on by a rule, or once. `exdates` are instants at which it does not."""

    start: datetime
    rule: Rule | None
    zone: ZoneInfo
    exdates: frozenset[datetime] = frozenset()

    def occurrences(self, after: datetime | None = None, before: datetime | None = None) -> Iterator[datetime]:
        """The instants of `(after, before)` in order, each once; without `before` at most ten years beyond `after`."""
        if self.rule is None:
            found: Iterator[datetime] = iter((self.start,))
        else:
            base = max(self.start, after or self.start)
            found = self._by_rule(self.rule, min(before or base + SEARCHED, base + SEARCHED))
        newest = None
        for at in found:
            if (before and at >= before) or (newest and at <= newest):
                continue
            newest = at
            if at not in self.exdates and (after is None or at > after):
                yield at

    def _by_rule(self, rule: Rule, end: datetime) -> Iterator[datetime]:
        wall = on_the_wall(self.start, self.zone)
        # A day of room: an occurrence that a change of clocks moves must not be lost at the edge.
        ends = [on_the_wall(end, self.zone) + timedelta(days=1)]
        if last := rule.last_wall_time(self.zone):
            ends.append(last)
        text = ";".join(f"{name}={value}" for name, value in rule.parts)
        counted: Any = rrulestr(text, dtstart=_years(wall, _FAR))
        made = counted.replace(until=_years(min(ends), _FAR))
        for one in islice(made, rule.count):
            yield from_wall(_years(one, -_FAR), self.zone)

    def upcoming(self, now: datetime, *, number: int = 5) -> list[datetime]:
        """The next few."""
        return list(islice(self.occurrences(now), number))

    def wanted(self, after: datetime, *, now: datetime, ahead: timedelta, least: int, most: int) -> list[datetime]:
        """What is to stand in the calendar: all after `after` up to `now + ahead`, at least so many that are still to come."""
        found: list[datetime] = []
        coming = 0
        for at in islice(self.occurrences(after, max(now, self.start) + SEARCHED), most):
            coming += at > now
            if at > now + ahead and coming > least:
                break
            found.append(at)
        return found


def _years(wall: datetime, number: int) -> datetime:
    return wall.replace(year=wall.year + number)


def starts_too_often(series: Series, duration: timedelta) -> bool:
    """Whether one occurrence still runs when the next begins. Two hours are let pass: clocks may leave them out."""
    first = islice(series.occurrences(), 60)
    return any(later - earlier < duration - timedelta(hours=2) for earlier, later in pairwise(first))


def patterns(start: datetime) -> dict[str, str]:
    """The usual rules for a series that begins at a wall time, by name. They fit its weekday and its day of the month."""
    weekday, nth = _DAYS[start.weekday()], (start.day - 1) // 7 + 1
    return {
        "daily": "FREQ=DAILY",
        "weekdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        "weekly": f"FREQ=WEEKLY;BYDAY={weekday}",
        "fortnightly": f"FREQ=WEEKLY;INTERVAL=2;BYDAY={weekday}",
        "monthly": f"FREQ=MONTHLY;BYMONTHDAY={start.day}",
        "monthly-weekday": f"FREQ=MONTHLY;BYDAY={-1 if nth == 5 else nth}{weekday}",
        "yearly": "FREQ=YEARLY",
    }


_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY_NAMES = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday", "SU": "Sunday",
}  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NTHS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second last"}
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


def sentence(series: Series, duration: timedelta) -> str:
    """`Every Sunday at 02:00, Europe/Berlin, for 1 hour`."""
    wall = on_the_wall(series.start, series.zone)
    if series.rule is None:
        return f"Once, on {wall.day} {wall:%B %Y} at {wall:%H:%M}, {series.zone.key}, for {in_words(duration.total_seconds())}"
    words = _days(series.rule, wall) or f"By the rule {series.rule.text}"
    end = ""
    if series.rule.count:
        end = f", {series.rule.count} times" if series.rule.count > 1 else ", one time"
    elif last := series.rule.last_wall_time(series.zone):
        end = f", until {last.day} {last:%B %Y}"
    return f"{words} at {wall:%H:%M}, {series.zone.key}, for {in_words(duration.total_seconds())}{end}"


def _days(rule: Rule, wall: datetime) -> str | None:
    """On which days, or None for a rule that has no short words."""
    parts = dict(rule.parts)
    frequency, interval = parts.pop("FREQ"), int(parts.pop("INTERVAL", "1"))
    parts.pop("WKST", None)
    every = f"every {_UNITS[frequency]}" if interval == 1 else f"every {interval} {_UNITS[frequency]}s"
    match frequency, sorted(parts):
        case "DAILY", []:
            return every.capitalize()
        case "WEEKLY", []:
            return _weekly([_DAYS[wall.weekday()]], interval)
        case "WEEKLY", ["BYDAY"]:
            return _weekly(parts["BYDAY"].split(","), interval)
        case "MONTHLY", []:
            return f"On the {_nth(wall.day)} of {every}{_if_any(wall.day)}"
        case "MONTHLY", ["BYMONTHDAY"]:
            numbers = sorted(int(day) for day in parts["BYMONTHDAY"].split(","))
            return f"On the {_and([_nth(day) for day in numbers])} of {every}{_if_any(min(numbers))}"
        case "MONTHLY", ["BYDAY"]:
            return _monthly(parts["BYDAY"].split(","), every)
        case "MONTHLY", ["BYDAY", "BYSETPOS"]:
            position, days = parts["BYSETPOS"], parts["BYDAY"].split(",")
            return _monthly([f"{position}{days[0]}"], every) if len(days) == 1 and "," not in position else None
        case "YEARLY", []:
            return f"{every.capitalize()} on {wall.day} {wall:%B}"
        case "YEARLY", ["BYMONTH", "BYMONTHDAY"]:
            month, day = parts["BYMONTH"], parts["BYMONTHDAY"]
            if month.isdigit() and day.isdigit():
                return f"{every.capitalize()} on {int(day)} {_MONTHS[int(month) - 1]}"
    return None


def _weekly(days: Sequence[str], interval: int) -> str | None:
    if any(day not in _DAY_NAMES for day in days):
        return None
    days = sorted(set(days), key=_DAYS.index)
    if tuple(days) == _DAYS:
        names = "day of the week" if interval > 1 else "day"
    else:
        names = "weekday" if tuple(days) == _DAYS[:5] else _and([_DAY_NAMES[day] for day in days])
    if interval == 1:
        return f"Every {names}"
    if interval == 2 and len(days) == 1:
        return f"Every second {names}"
    return f"Every {interval} weeks on {'every ' if len(days) >= 5 else ''}{names}"


def _monthly(days: Sequence[str], every: str) -> str | None:
    words = []
    for day in days:
        number, name = day[:-2].removeprefix("+"), _DAY_NAMES.get(day[-2:])
        if name is None or number.lstrip("-").isdigit() is False or int(number) not in _NTHS:
            return None
        words.append(f"{_NTHS[int(number)]} {name}")
    return f"On the {_and(words)} of {every}"


def _nth(day: int) -> str:
    if day < 0:
        return "last day" if day == -1 else f"{_nth(-day)} last day"
    ending = "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _if_any(day: int) -> str:
    return " that has one" if day > 28 else ""


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def instants(texts: Collection[Any]) -> frozenset[datetime]:
    """Stored exceptions as instants; what cannot be read is left out."""
    found = set()
    for text in texts if isinstance(texts, list | tuple) else ():
        try:
            at = datetime.fromisoformat(str(text))
        except ValueError:
            continue
        found.add(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    return frozenset(found)
