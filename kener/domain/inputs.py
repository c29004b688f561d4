"""What people and programs may enter: one schema per thing, shared by form, API and import. Messages say what to do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kener.domain import placeholders, recurrence
from kener.domain.alerting import UPTIME_WINDOWS, AlertStatus, AlertType, Rule, Severity, normal_value
from kener.domain.confirmation import MAX_CONFIRMATIONS
from kener.domain.incidents import IncidentState
from kener.domain.schedule import MAX_INTERVAL_S, MIN_INTERVAL_S, check_cron
from kener.domain.specs import SPECS, HttpUrl, MonitorType
from kener.domain.status import Status
from kener.domain.windows import DEFAULT_NOTICES, DEFAULT_REMINDERS, NoticeKind

MAX_BYTES = 64_000
"""What a text column keeps on every database, with room for the words that are put around it."""

MAX_WINDOW_S = 30 * 86_400
"""How long one window of a maintenance may last."""

TAG = re.compile(r"^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$")


class Input(BaseModel):
    """Base of every input: unknown fields are refused, text is trimmed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @classmethod
    def further_mistakes(cls, data: Any) -> dict[str, str]:
        """What is wrong beside the mistakes that kept a validator over several fields from running."""
        return {}


def _no_control(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("Use one line without control characters.")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("Text cannot hold a NUL character.")
    if len(value.encode(errors="replace")) > MAX_BYTES:
        raise ValueError(f"Use at most {MAX_BYTES} bytes; letters beyond A to Z take two to four.")
    return value


def _flag(value: Any) -> Any:
    """YES and NO stand for true and false, as in the original's API."""
    return {"YES": True, "NO": False}.get(value, value) if isinstance(value, str) else value


def _utc(value: datetime) -> datetime:
    """A time without a zone is UTC, so that any two times can be compared. Years at the edge exist in some zones only."""
    try:
        at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        at = None
    if at is None or not 2 <= at.year <= 9998:
        raise ValueError("Enter a date between the years 2 and 9998.")
    return at


def blank_to_none(value: Any) -> Any:
    """A field that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_no_control)]
Prose = Annotated[str, Field(max_length=20_000), AfterValidator(_no_nul)]
Moment = Annotated[datetime, AfterValidator(_utc)]
Flag = Annotated[bool, BeforeValidator(_flag)]
OptionalUrl = Annotated[HttpUrl | None, BeforeValidator(blank_to_none)]
OptionalProse = Annotated[Prose | None, BeforeValidator(blank_to_none)]


def _template(value: str) -> str:
    if mistake := placeholders.check(value):
        raise ValueError(mistake)
    return value


OptionalTemplate = Annotated[Annotated[Prose, AfterValidator(_template)] | None, BeforeValidator(blank_to_none)]


def _tag(value: str) -> str:
    if not TAG.match(value):
        raise ValueError("Use small letters, digits, - and _, beginning and ending with a letter or digit.")
    return value


Tag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_tag)]


def _known_zone(value: str) -> str:
    if not recurrence.is_zone(value):
        raise ValueError("Choose a time zone from the list, for instance Europe/Berlin.")
    return value


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]


Confirmations = Annotated[int, Field(ge=1, le=MAX_CONFIRMATIONS)]


def _split(value: Any) -> Any:
    """Words in one text stand apart by commas."""
    return [word for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _once(value: list[Any]) -> list[Any]:
    return list(dict.fromkeys(value))


def _label(value: str) -> str:
    if "," in value:
        raise ValueError("A label has no comma in it.")
    return value


Label = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_no_control), AfterValidator(_label)]
Labels = Annotated[list[Label], Field(max_length=20), BeforeValidator(_split), AfterValidator(_once)]


class MonitorInput(Input):
    """A monitor. Exactly one of `interval_seconds` and `cron` says when it is checked; neither given: every minute."""

    tag: Tag
    name: Name
    description: OptionalProse = None
    image: Annotated[str, Field(max_length=1024), AfterValidator(_no_control)] | None = None
    external_url: OptionalUrl = None
    category_name: Name = "Home"
    monitor_type: MonitorType = MonitorType.API
    type_data: dict[str, Any] = {}
    interval_seconds: Annotated[int, Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S)] | None = None
    cron: Annotated[str | None, BeforeValidator(blank_to_none)] = None
    default_status: Status = Status.UP
    failure_confirmations: Confirmations = 1
    recovery_confirmations: Confirmations = 1
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    retry_delay_ms: Annotated[int, Field(ge=100, le=10_000)] = 1_000
    status: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"
    is_hidden: Flag = False
    labels: Labels = []
    parent_tags: Annotated[list[Tag], Field(max_length=50)] = []

    @field_validator("parent_tags")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

    @field_validator("default_status")
    @classmethod
    def _can_be_default(cls, value: Status) -> Status:
        if value is Status.MAINTENANCE:
            raise ValueError("Choose UP, DEGRADED, DOWN or NO_DATA.")
        return value

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = " ".join(value.split())
        mistake = check_cron(value) if len(value) <= 255 else "This is too long for a cron expression."
        if mistake:
            raise ValueError(mistake)
        return value

    @model_validator(mode="after")
    def _schedule_and_settings(self) -> Self:
        if self.interval_seconds is not None and self.cron is not None:
            raise ValueError("cron: Choose an interval or a cron expression, not both.")
        if self.interval_seconds is None and self.cron is None:
            self.interval_seconds = 60
        try:
            spec = SPECS[self.monitor_type].model_validate(self.type_data)
        except ValidationError as error:
            raise Nested("type_data", error) from error
        self.type_data = spec.model_dump(mode="json", exclude_none=True)
        return self

    @classmethod
    def further_mistakes(cls, data: Any) -> dict[str, str]:
        """Those of the settings of its type, so that a form comes back once and not twice."""
        kind = data.get("monitor_type", MonitorType.API) if isinstance(data, dict) else None
        settings = data.get("type_data", {}) if isinstance(data, dict) else None
        if not isinstance(settings, dict) or not isinstance(kind, str) or kind not in set(MonitorType):
            return {}
        try:
            SPECS[MonitorType(kind)].model_validate(settings)
        except ValidationError as error:
            return mistakes(error, prefix="type_data.")
        return {}


class Nested(Exception):
    """The settings inside a thing are wrong: carries their mistakes out of a validator."""

    def __init__(self, field: str, error: ValidationError) -> None:
        super().__init__(str(error))
        self.errors = mistakes(error, prefix=f"{field}.")


RESERVED_PATHS = frozenset(
    (
        "account", "api", "atom.xml", "badge", "calendar", "embed", "events", "ext", "favicon.ico", "feed", "feeds",
        "healthcheck", "incidents", "maintenances", "manage", "metrics", "monitors", "preferences", "robots.txt",
        "rss.xml", "setup", "sign-in", "sign-out", "sitemap.xml", "static", "subscribe", "subscriptions",
    )
)  # fmt: skip
"""First parts of addresses that pages cannot have: they are or will be taken."""


def _path(value: str) -> str:
    value = value.strip("/")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", value):
        raise ValueError("Use small letters, digits, - and _, beginning and ending with a letter or digit.")
    if value in RESERVED_PATHS:
        raise ValueError(f"/{value} is an address of Kener itself. Choose another one.")
    return value


class PageInput(Input):
    """A page of its own. The order of the monitors is that of the page."""

    path: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_path)]
    title: Name
    header: Annotated[str, Field(max_length=255), AfterValidator(_no_control)] = ""
    text: OptionalProse = None
    monitor_tags: Annotated[list[Tag], Field(max_length=1000), AfterValidator(_once)] = []


class AlertConfigurationInput(Input):
    """An alert configuration (C1 to C3)."""

    monitor_tags: Annotated[list[Tag], Field(min_length=1, max_length=1000)]
    alert_for: AlertType = AlertType.STATUS
    alert_value: Annotated[
        str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v)
    ] = "DOWN"
    uptime_window: Literal["1h", "24h", "7d", "30d"] = "24h"
    failure_threshold: Annotated[int, Field(ge=1, le=10_000)] = 3
    success_threshold: Annotated[int, Field(ge=1, le=10_000)] = 5
    severity: Severity = Severity.WARNING
    create_incident: Flag = False
    is_active: Flag = True
    alert_description: OptionalProse = None
    reopen_minutes: Annotated[Annotated[int, Field(ge=1, le=10_080)] | None, BeforeValidator(blank_to_none)] = None
    flapping_start: Annotated[Annotated[int, Field(ge=5, le=100)] | None, BeforeValidator(blank_to_none)] = None
    flapping_stop: Annotated[Annotated[int, Field(ge=0, le=95)] | None, BeforeValidator(blank_to_none)] = None
    group_minutes: Annotated[Annotated[int, Field(ge=1, le=1_440)] | None, BeforeValidator(blank_to_none)] = None
    title_template: OptionalTemplate = None
    first_update_template: OptionalTemplate = None
    closing_update_template: OptionalTemplate = None
    trigger_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**31 - 1)]], Field(max_length=100)] = []

    @field_validator("monitor_tags", "trigger_ids")
    @classmethod
    def _once(cls, value: list[Any]) -> list[Any]:
        return list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _value_fits_type(self) -> Self:
        try:
            self.alert_value = normal_value(self.alert_for, self.alert_value)
        except ValueError as error:
            raise ValueError(f"alert_value: {error}") from None
        return self

    @model_validator(mode="after")
    def _flapping_in_order(self) -> Self:
        if (self.flapping_start is None) != (self.flapping_stop is None):
            missing = "flapping_stop" if self.flapping_stop is None else "flapping_start"
            raise ValueError(f"{missing}: Flapping needs both limits, or neither.")
        if (self.flapping_stop or 0) >= (self.flapping_start or 101):
            raise ValueError("flapping_stop: This limit must be below the one at which flapping begins.")
        return self

    @property
    def rule(self) -> Rule:
        """The rule as the domain reads it."""
        return Rule(
            alert_for=self.alert_for,
            alert_value=self.alert_value,
            failure_threshold=self.failure_threshold,
            success_threshold=self.success_threshold,
            severity=self.severity,
            create_incident=self.create_incident,
            description=self.alert_description,
            uptime_window=self.uptime_window,
            flapping_start=self.flapping_start,
            flapping_stop=self.flapping_stop,
        )

    def warnings(self) -> list[str]:
        """What is allowed but seldom meant (C3)."""
        found = []
        if self.success_threshold < self.failure_threshold:
            found.append(
                f"Success threshold {self.success_threshold} is below failure threshold {self.failure_threshold}: "
                "an alert may resolve too early and come back."
            )
        if self.failure_threshold < 3:
            found.append(f"Failure threshold {self.failure_threshold} is below 3: a short hiccup is enough to trigger.")
        return found


assert set(UPTIME_WINDOWS) == {"1h", "24h", "7d", "30d"}


class AffectedInput(Input):
    """A monitor that an incident affects, and how much."""

    monitor_tag: Tag
    impact: Literal[Status.DOWN, Status.DEGRADED] = Status.DOWN


class IncidentInput(Input):
    """An incident opened by a person or a program (O5). `notify`: subscribers are told that it opens, and of an end that is given."""

    title: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_no_control)]
    start_at: Moment
    end_at: Moment | None = None
    monitors: Annotated[list[AffectedInput], Field(max_length=1000)] = []
    is_private: Flag = False
    notify: Flag = True

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_at is not None and self.end_at <= self.start_at:
            raise ValueError("end_at: The end must lie after the start.")
        tags = [affected.monitor_tag for affected in self.monitors]
        if len(tags) != len(set(tags)):
            raise ValueError("monitors: Name every monitor once.")
        return self


class UpdateInput(Input):
    """One entry of an incident's timeline. Without a time it is now. `notify`: subscribers are told of it."""

    state: IncidentState
    text: Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_no_nul)]
    at: Moment | None = None
    notify: Flag = True


class PostMortemInput(Input):
    """What was learned from an incident, in Markdown."""

    text: Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_no_nul)]


class SplitInput(Input):
    """What leaves an incident: monitors that it affects, incidents that were merged into it, or both."""

    monitor_tags: Annotated[list[Tag], Field(max_length=1000)] = []
    incident_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**31 - 1)]], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.monitor_tags and not self.incident_ids:
            raise ValueError("monitor_tags: Choose at least one.")
        return self


class AlertStatusInput(Input):
    """A change of an alert's status by hand (A2). `incident`: what becomes of it; `comment` is the update that closes it."""

    alert_status: AlertStatus
    incident: Annotated[Literal["CLOSE", "LEAVE"] | None, BeforeValidator(blank_to_none)] = None
    comment: OptionalProse = None

    @model_validator(mode="after")
    def _comment_closes(self) -> Self:
        if self.comment and self.incident == "LEAVE":
            raise ValueError("comment: An incident that is left as it is gets no update.")
        return self


class MaintainedInput(Input):
    """A monitor that a maintenance concerns, and what is shown for it meanwhile."""

    monitor_tag: Tag
    impact: Literal[Status.UP, Status.DEGRADED, Status.DOWN, Status.MAINTENANCE] = Status.MAINTENANCE


class MaintenanceInput(Input):
    """A maintenance: once, or by a rule of RFC 5545. A start without a zone is meant by the clocks of `timezone`."""

    title: Name
    description: Prose = ""
    start_at: datetime
    duration_s: Annotated[int, Field(ge=60, le=MAX_WINDOW_S)] = 3600
    rrule: Annotated[Annotated[str, Field(max_length=500)] | None, BeforeValidator(blank_to_none)] = None
    timezone: Zone = "UTC"
    exdates: Annotated[list[Moment], Field(max_length=1000)] = []
    is_global: Flag = True
    is_active: Flag = True
    monitors: Annotated[list[MaintainedInput], Field(max_length=1000)] = []
    reminders: Annotated[list[Annotated[int, Field(ge=1, le=43_200)]], Field(max_length=5)] = list(DEFAULT_REMINDERS)
    notices: Annotated[list[NoticeKind], Field(max_length=10)] = list(DEFAULT_NOTICES)

    @field_validator("rrule")
    @classmethod
    def _followed(cls, value: str | None) -> str | None:
        rule = recurrence.parse(value) if value else None
        return rule.text if rule else None

    @field_validator("reminders", "notices")
    @classmethod
    def _each_once(cls, value: list[Any]) -> list[Any]:
        order: list[Any] = list(NoticeKind)
        return sorted(set(value), key=lambda one: order.index(one) if one in order else -one)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.start_at = _by_clocks(self.start_at, "start_at", self.zone).replace(microsecond=0)
        tags = [one.monitor_tag for one in self.monitors]
        if len(tags) != len(set(tags)):
            raise ValueError("monitors: Name every monitor once.")
        if not self.is_global and not tags:
            raise ValueError("monitors: Choose a monitor, or let it stand on every page.")
        if self.rrule:
            self._check_series()
        return self

    def _check_series(self) -> None:
        if not recurrence.EARLIEST <= recurrence.on_the_wall(self.start_at, self.zone) < recurrence.LATEST:
            raise ValueError("start_at: A series begins between the years 2000 and 2199.")
        if next(self.series.occurrences(), None) is None:
            raise ValueError("rrule: This never comes within ten years of the start.")
        if recurrence.starts_too_often(self.series, timedelta(seconds=self.duration_s)):
            raise ValueError("duration_s: It would still run when the next one begins.")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def series(self) -> recurrence.Series:
        rule = recurrence.parse(self.rrule) if self.rrule else None
        return recurrence.Series(self.start_at, rule, self.zone, frozenset(self.exdates))


class SpanInput(Input):
    """New times of one occurrence. Times without a zone are meant by the clocks of `timezone`."""

    start_at: datetime
    end_at: datetime
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        zone = ZoneInfo(self.timezone)
        self.start_at, self.end_at = (_by_clocks(getattr(self, name), name, zone) for name in ("start_at", "end_at"))
        if self.end_at <= self.start_at:
            raise ValueError("end_at: The end must lie after the start.")
        if self.end_at - self.start_at > timedelta(seconds=MAX_WINDOW_S):
            raise ValueError("end_at: A window lasts at most 30 days.")
        return self


def _by_clocks(at: datetime, field: str, zone: ZoneInfo) -> datetime:
    try:
        return _utc(at if at.tzinfo else recurrence.from_wall(at, zone))
    except (ValueError, OverflowError):
        raise ValueError(f"{field}: Enter a date between the years 2 and 9998.") from None


_WORDS = {
    "missing": "This field is needed.",
    "extra_forbidden": "There is no such field.",
    "string_too_short": "This field is needed.",
    "int_parsing": "Enter a whole number.",
    "int_type": "Enter a whole number.",
    "int_from_float": "Enter a whole number.",
    "bool_parsing": "Choose yes or no.",
    "bool_type": "Choose yes or no.",
    "string_type": "Enter text.",
    "list_type": "Give a list.",
    "dict_type": "Give an object with named fields.",
    "datetime_parsing": "Enter a date and time, for instance 2026-11-23 09:41.",
    "datetime_from_date_parsing": "Enter a date and time, for instance 2026-11-23 09:41.",
    "datetime_type": "Enter a date and time.",
    "too_short": "Choose at least one.",
}


def mistakes(error: ValidationError, *, prefix: str = "") -> dict[str, str]:
    """A validation error as field → sentence. A message `field: sentence` from a check over several fields names its field."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        field = ".".join(
            str(part) for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))
        )
        text = _sentence(item)
        head, colon, rest = text.partition(": ")
        if not field and colon and re.fullmatch(r"[A-Za-z_]+", head):
            field, text = head, rest[:1].upper() + rest[1:]
        found.setdefault(f"{prefix}{field}", text)
    return found


def _sentence(item: Any) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    match kind:
        case "value_error":
            return str(context.get("error", item["msg"]))
        case "greater_than_equal":
            return f"Enter a number from {context['ge']} up."
        case "less_than_equal":
            return f"Enter a number up to {context['le']}."
        case "string_too_long":
            return f"Use at most {context['max_length']} characters."
        case "string_too_short" if context.get("min_length", 1) > 1:
            return f"Use at least {context['min_length']} characters."
        case "too_long":
            return f"At most {context['max_length']} entries."
        case "enum" | "literal_error":
            words = re.sub(r"<[\w.]+: ('[^']*')>", r"\1", context.get("expected", ""))
            return f"Choose one of {words}.".replace("'", "")
    return _WORDS.get(kind, f"{item['msg']}.")


def check(kind: type[Input], data: Any) -> tuple[Any, dict[str, str]]:
    """Validate raw input: `(the input, {})`, or `(None, field → sentence)`."""
    try:
        return kind.model_validate(data), {}
    except Nested as error:
        return None, error.errors
    except ValidationError as error:
        return None, mistakes(error) | kind.further_mistakes(data)
