"""The form of a maintenance: what was typed as raw input, and what is stored as fields."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from kener import clock
from kener.domain import recurrence
from kener.domain.inputs import MaintenanceInput, check
from kener.domain.windows import DEFAULT_NOTICES, DEFAULT_REMINDERS, NoticeKind
from kener.queries.maintenances import MaintenanceLine, reminder_words
from kener.web.manage.forms import Form, flattened, local, ticked, untouched

ONCE, CUSTOM = "once", "custom"

REPEATS = {
    ONCE: "Once",
    "daily": "Every day",
    "weekdays": "Every weekday, Monday to Friday",
    "weekly": "Every week, on the weekday of the start",
    "fortnightly": "Every second week, on the weekday of the start",
    "monthly": "Every month, on the date of the start",
    "monthly-weekday": "Every month, like the first Monday",
    "yearly": "Every year, on the date of the start",
    CUSTOM: "By a rule of your own (RRULE)",
}

IMPACTS = {
    "": "Not concerned",
    "MAINTENANCE": "Maintenance",
    "DEGRADED": "Degraded",
    "DOWN": "Down",
    "UP": "Operational",
}

REMINDERS = (7 * 1440, 3 * 1440, 1440, 720, 180, 60, 30, 15)

NOTICES = {
    NoticeKind.CREATED: "It is planned",
    NoticeKind.REMINDER: "It comes near: see the reminders",
    NoticeKind.STARTED: "It begins",
    NoticeKind.ENDED: "It is over",
    NoticeKind.RESCHEDULED: "It is moved, or takes longer",
    NoticeKind.CANCELLED: "It is cancelled",
}

_TEXTS = ("title", "description", "repeats", "start_at", "timezone", "hours", "minutes", "count", "until", "rrule")


def empty(zone: str) -> dict[str, Any]:
    """The fields of a new maintenance: an hour from the next full hour on, told as usual."""
    start = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    blank = dict.fromkeys(_TEXTS, "")
    times = {"start_at": minute(start, ZoneInfo(zone)), "timezone": zone, "hours": "1", "minutes": "0"}
    rest = {"is_global": True, "is_active": True, "impacts": {}, "exdates": []}
    told = {"reminders": list(DEFAULT_REMINDERS), "notices": list(DEFAULT_NOTICES)}
    return blank | times | {"repeats": ONCE} | rest | told


def stored(found: MaintenanceLine) -> dict[str, Any]:
    """The fields of a stored maintenance."""
    repeats, ends = _repeats(found)
    return {
        "title": found.title,
        "description": found.description,
        "repeats": repeats,
        "rrule": found.rrule or "",
        **ends,
        "start_at": minute(found.start_at, found.zone),
        "timezone": found.timezone,
        "hours": str(found.duration_s // 3600),
        "minutes": str(found.duration_s % 3600 // 60),
        "exdates": [at.isoformat() for at in found.exdates],
        "is_global": found.is_global,
        "is_active": found.is_active,
        "impacts": {one.tag: one.impact.value for one in found.monitors},
        "reminders": list(found.reminders),
        "notices": list(found.notices),
    }


def _repeats(found: MaintenanceLine) -> tuple[str, dict[str, str]]:
    """Which of the usual rules it is, and how it ends."""
    ends = {"count": "", "until": ""}
    try:
        rule = recurrence.parse(found.rrule) if found.rrule else None
    except recurrence.NoRule:
        return CUSTOM, ends
    if rule is None:
        return ONCE, ends
    bare = ";".join(f"{name}={value}" for name, value in rule.parts)
    usual = recurrence.patterns(recurrence.on_the_wall(found.start_at, found.zone))
    name = _SHORT.get(bare) or next((name for name, text in usual.items() if text == bare), CUSTOM)
    if name == CUSTOM or len(rule.until or "") > 8:
        return CUSTOM, ends
    until = datetime.fromisoformat(rule.until).date().isoformat() if rule.until else ""
    return name, {"count": str(rule.count or ""), "until": until}


_SHORT = {"FREQ=WEEKLY": "weekly", "FREQ=WEEKLY;INTERVAL=2": "fortnightly", "FREQ=MONTHLY": "monthly"}
"""Rules that leave the day to the start."""


def typed(form: Form) -> dict[str, Any]:
    """What was typed, for the form to show again."""
    impacts = {name.removeprefix("impact-"): value for name, value in form.items() if name.startswith("impact-")}
    lists = {name: form.getlist(name) for name in ("reminders", "notices", "exdates")}
    texts = {name: form.get(name, "") for name in _TEXTS}
    return {**texts, **lists, **ticked(form, "is_global", "is_active"), "impacts": impacts}


def read(form: Form, *, unchanged: MaintenanceLine | None = None) -> tuple[MaintenanceInput | None, dict[str, str]]:
    """The checked input, or what is wrong under the names of the fields."""
    raw: dict[str, Any] = {
        "title": form.get("title", ""),
        "description": form.get("description", ""),
        "timezone": form.get("timezone", "").strip(),
        "start_at": form.get("start_at", "").strip(),
        **ticked(form, "is_global", "is_active"),
        "exdates": form.getlist("exdates"),
        "reminders": form.getlist("reminders"),
        "notices": form.getlist("notices"),
        "monitors": [
            {"monitor_tag": name.removeprefix("impact-"), "impact": value}
            for name, value in form.items()
            if name.startswith("impact-") and value
        ],
    }
    if unchanged and raw["timezone"] == unchanged.timezone and _same_minute(raw["start_at"], unchanged):
        raw["start_at"] = unchanged.start_at
    errors = _length(form, raw, unchanged) | _rule(form, raw)
    checked, refused = check(MaintenanceInput, raw)
    errors |= {name: text for name, text in flattened(refused).items() if name not in errors}
    names = {"duration_s": "hours"}
    return (None if errors else checked), {names.get(name, name): text for name, text in errors.items()}


def _same_minute(text: str, unchanged: MaintenanceLine) -> bool:
    """The field has no seconds, and in autumn an hour comes twice: what was not touched stays the instant that it was."""
    shown = unchanged.start_at.replace(second=0)
    return untouched(text, unchanged.start_at, unchanged.zone) or untouched(text, shown, unchanged.zone)


def _length(form: Form, raw: dict[str, Any], unchanged: MaintenanceLine | None) -> dict[str, str]:
    hours, minutes = (form.get(name, "").strip() or "0" for name in ("hours", "minutes"))
    if not all(text.isascii() and text.isdigit() and len(text) < 6 for text in (hours, minutes)):
        return {"hours": "Enter whole hours and minutes."}
    seconds = int(hours) * 3600 + int(minutes) * 60
    if unchanged and seconds == unchanged.duration_s // 60 * 60:
        seconds = unchanged.duration_s
    if not 60 <= seconds <= 30 * 86_400:
        return {"hours": "It lasts from 1 minute to 30 days."}
    raw["duration_s"] = seconds
    return {}


def _rule(form: Form, raw: dict[str, Any]) -> dict[str, str]:
    """The rule that was chosen, with its end."""
    repeats = form.get("repeats", ONCE)
    if repeats == ONCE:
        return {}
    if repeats == CUSTOM:
        raw["rrule"] = form.get("rrule", "")
        return {} if raw["rrule"].strip() else {"rrule": "Write a rule like FREQ=WEEKLY;BYDAY=SU."}
    try:
        start = raw["start_at"]
        zone = ZoneInfo(raw["timezone"]) if recurrence.is_zone(raw["timezone"]) else UTC
        at = start if isinstance(start, datetime) else datetime.fromisoformat(start)
        usual = recurrence.patterns(at.astimezone(zone) if at.tzinfo else at)
    except (ValueError, OverflowError):
        return {}  # The start is refused by itself.
    if repeats not in usual:
        return {"repeats": "Choose how often."}
    raw["rrule"] = usual[repeats]
    count, until = form.get("count", "").strip(), form.get("until", "").strip()
    if count and until:
        return {"count": "Give a number or a last day, not both."}
    if count:
        raw["rrule"] += f";COUNT={count}"
    if until:
        raw["rrule"] += f";UNTIL={until.replace('-', '')}"
    try:
        recurrence.parse(raw["rrule"])
    except recurrence.NoRule as mistake:
        del raw["rrule"]
        return {
            "count" if count else "until": str(mistake) if count else "Enter a day between the years 2000 and 2199."
        }
    return {}


def minute(at: datetime, zone: ZoneInfo) -> str:
    """An instant as the value of a `datetime-local` field; seconds only where it has some."""
    return local(at, zone).removesuffix(":00") if at.second == 0 else local(at, zone)


def reminder_options(chosen: list[Any]) -> list[tuple[int, str]]:
    """The usual reminders, and those that were set otherwise."""
    others = {int(one) for one in map(str, chosen) if one.isascii() and one.isdigit() and 0 < int(one) <= 43_200}
    return [(one, reminder_words(one)) for one in sorted({*REMINDERS, *others}, reverse=True)]


@cache
def zones() -> list[str]:
    """The names that are offered: read from the disk once."""
    names = (name for name in available_timezones() if "/" in name)
    return ["UTC", *sorted(name for name in names if not name.startswith(("Etc/", "posix/", "right/")))]
