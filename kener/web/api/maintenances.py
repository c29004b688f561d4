"""Maintenance: planned work, once or recurring, and its events."""

from datetime import datetime
from typing import Annotated, Any, Literal

from flask import Blueprint
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from kener import clock
from kener.domain.inputs import MaintenanceInput, SpanInput, check
from kener.domain.windows import WindowState
from kener.queries import maintenance_events as rows
from kener.services import maintenances, occurrences
from kener.services.errors import Refused
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Changes, Id, Moment, OptionalMoment, Paging, Seconds, named
from kener.web.urls import origin

TAG = "Maintenance"
bp = Blueprint("api_maintenances", __name__)


def _active(value: Any) -> Any:
    if isinstance(value, bool) or value in ("ACTIVE", "INACTIVE"):
        return value in (True, "ACTIVE")
    raise ValueError("Choose one of ACTIVE or INACTIVE.")


Activity = Annotated[bool, BeforeValidator(_active), WithJsonSchema({"enum": ["ACTIVE", "INACTIVE"]})]


class NewMaintenance(Body, MaintenanceInput):
    """A maintenance. Without a rule it happens once."""

    model_config = named(start_at="start_date_time", duration_s="duration_seconds", is_active="status")

    start_at: Moment
    exdates: Annotated[list[Moment], Field(max_length=1000)] = []
    is_active: Activity = True

    notes = {
        "rrule": "RFC 5545 without DTSTART: daily, weekly, monthly or yearly, counted by the clocks of the time zone. Left out, null or "
        "FREQ=MINUTELY;COUNT=1: once.",
        "duration_seconds": "How long each event lasts: 60 to 2592000.",
        "timezone": "A name like Europe/Berlin: by its clocks a series keeps its time of day.",
        "exdates": "Starts that are left out.",
        "status": "INACTIVE: hidden, and nothing of it is to come.",
        "is_global": "NO: it stands only where one of its monitors does.",
        "reminders": "Minutes before the start; up to five.",
        "notices": "What subscribers are told.",
    }
    shown = {"status": {"enum": ["ACTIVE", "INACTIVE"], "default": "ACTIVE"}}


class MaintenanceFilters(Paging):
    """Which maintenance."""

    status: Annotated[Literal["ACTIVE", "INACTIVE"] | None, Field(description="Whether it is active.")] = None
    monitor_tag: Annotated[str | None, Field(max_length=255, description="Of this monitor.")] = None


class EventPaging(Paging):
    """Which part of a list of events."""

    limit: Annotated[int, Field(ge=1, le=1000, description="How many on a page.")] = 20


class EventFilters(EventPaging):
    """Which events."""

    monitors: Annotated[str | None, Field(max_length=20_000, description="Tags, separated by commas.")] = None
    event_status: Annotated[WindowState | None, Field(description="Where it stands.")] = None
    maintenance_id: Annotated[Id | None, Field(description="Of this maintenance.")] = None
    event_start_date_time: Annotated[
        Seconds | None, Field(description="Those that end after this second; what runs is among them. Left out: now.")
    ] = None

    @field_validator("monitors")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        if value and "\0" in value:
            raise ValueError("Text cannot hold a NUL character.")
        return value

    @property
    def tags(self) -> set[str]:
        return {tag.strip() for tag in (self.monitors or "").split(",") if tag.strip()}


class EventChange(Body):
    """What becomes of an event: where it stands, or its times."""

    model_config = named(start_at="start_date_time", end_at="end_date_time")

    status: Annotated[
        Literal[WindowState.ONGOING, WindowState.COMPLETED, WindowState.CANCELLED] | None,
        Field(description="ONGOING: start it now. COMPLETED: end it now. CANCELLED: call it off."),
    ] = None
    start_at: OptionalMoment = None
    end_at: OptionalMoment = None

    notes = {
        "start_date_time": "Its new start; give the end as well.",
        "end_date_time": "Its new end. Alone, it moves the end of an event that runs.",
    }

    @model_validator(mode="after")
    def _one_of_them(self) -> "EventChange":
        if self.status is not None and (self.start_at or self.end_at):
            raise ValueError("status: Give a status or times, not both.")
        if self.status is None and self.end_at is None:
            raise ValueError("end_at: Give a status, or the new times.")
        return self


class MaintenanceAnswer(Answer):
    """One maintenance."""

    maintenance: rows.Maintenance


class MaintenanceList(Listed):
    """Maintenance, newest first."""

    maintenances: list[rows.Maintenance]


class EventAnswer(Answer):
    """One event."""

    event: rows.Event


class EventList(Listed):
    """Events by their start."""

    events: list[rows.Event]


@bp.get("/maintenances")
@api_key_required
@operation(tag=TAG, query=MaintenanceFilters, answer=MaintenanceList)
def index(query: MaintenanceFilters) -> Answer:
    """List maintenance."""
    page = rows.maintenances(
        status=query.status, monitor_tag=query.monitor_tag, page=query.page, limit=query.limit, origin=origin()
    )
    return MaintenanceList(maintenances=page.rows, **part(page))


@bp.post("/maintenances")
@api_key_required
@operation(tag=TAG, body=NewMaintenance, answer=MaintenanceAnswer, status=201)
def create(body: NewMaintenance) -> Answer:
    """Plan maintenance.

    Its events of the next 90 days, at least five, are made at once.
    """
    return _answer(maintenances.plan(body, actor=actor()))


@bp.get("/maintenances/<id:maintenance_id>")
@api_key_required
@operation(tag=TAG, answer=MaintenanceAnswer)
def show(maintenance_id: int) -> Answer:
    """Read a maintenance."""
    return _answer(maintenance_id)


@bp.patch("/maintenances/<id:maintenance_id>")
@api_key_required
@operation(tag=TAG, changes=NewMaintenance, answer=MaintenanceAnswer)
def update(maintenance_id: int, changes: Changes[NewMaintenance]) -> Answer:
    """Change a maintenance.

    Events that are over stay as they were, one that runs goes on, those to come are planned anew. A list of monitors replaces the list
    before.
    """
    current = found(rows.maintenance(maintenance_id, origin=""))
    maintenances.update(maintenance_id, changes.over(_as_given(current)), actor=actor(), version=current.version)
    return _answer(maintenance_id)


@bp.delete("/maintenances/<id:maintenance_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(maintenance_id: int) -> Answer:
    """Delete a maintenance with all its events.

    What failed inside them is shown as it was seen. To keep the past, make it INACTIVE instead.
    """
    maintenances.delete(maintenance_id, actor=actor())
    return Message(message=f"The maintenance {maintenance_id} was deleted.")


@bp.get("/maintenances/events")
@api_key_required
@operation(tag=TAG, query=EventFilters, answer=EventList)
def all_events(query: EventFilters) -> Answer:
    """List events of all maintenance."""
    since = query.event_start_date_time
    page = rows.events(
        maintenance_id=query.maintenance_id,
        monitor_tags=query.tags,
        status=query.event_status,
        since=clock.now() if since is None else clock.at(since),
        page=query.page,
        limit=query.limit,
        origin=origin(),
    )
    return EventList(events=page.rows, **part(page))


@bp.get("/maintenances/<id:maintenance_id>/events")
@api_key_required
@operation(tag=TAG, query=EventPaging, answer=EventList)
def events(maintenance_id: int, query: EventPaging) -> Answer:
    """List the events of a maintenance, past ones included."""
    found(rows.maintenance(maintenance_id, origin=""))
    page = rows.events(maintenance_id=maintenance_id, page=query.page, limit=query.limit, origin=origin())
    return EventList(events=page.rows, **part(page))


@bp.get("/maintenances/<id:maintenance_id>/events/<id:event_id>")
@api_key_required
@operation(tag=TAG, answer=EventAnswer)
def show_event(maintenance_id: int, event_id: int) -> Answer:
    """Read an event."""
    return _event(maintenance_id, event_id)


@bp.patch("/maintenances/<id:maintenance_id>/events/<id:event_id>")
@api_key_required
@operation(tag=TAG, body=EventChange, answer=EventAnswer)
def update_event(maintenance_id: int, event_id: int, body: EventChange) -> Answer:
    """Start, end, extend, move or cancel an event."""
    current = found(rows.event(maintenance_id, event_id, origin=""))
    match body.status:
        case WindowState.ONGOING:
            occurrences.start(maintenance_id, event_id, actor=actor())
        case WindowState.COMPLETED:
            occurrences.finish(maintenance_id, event_id, actor=actor())
        case WindowState.CANCELLED:
            occurrences.cancel(maintenance_id, event_id, actor=actor())
        case _:
            _move(current, body)
    return _event(maintenance_id, event_id)


def _move(current: rows.Event, body: EventChange) -> None:
    same = body.start_at is None or int(body.start_at.timestamp()) == current.start_date_time
    span, errors = check(SpanInput, {"start_at": current.start_at if same else body.start_at, "end_at": body.end_at})
    if span is None:
        raise Refused(errors)
    occurrences.reschedule(current.maintenance_id, current.id, span, actor=actor())


@bp.delete("/maintenances/<id:maintenance_id>/events/<id:event_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy_event(maintenance_id: int, event_id: int) -> Answer:
    """Delete an event; its series leaves it out from now on."""
    occurrences.delete(maintenance_id, event_id, actor=actor())
    return Message(message=f"The event {event_id} was deleted.")


def _event(maintenance_id: int, event_id: int) -> EventAnswer:
    return EventAnswer(event=found(rows.event(maintenance_id, event_id, origin=origin())))


def _answer(maintenance_id: int) -> MaintenanceAnswer:
    return MaintenanceAnswer(maintenance=found(rows.maintenance(maintenance_id, origin=origin())))


def _as_given(one: rows.Maintenance) -> dict[str, Any]:
    """A maintenance as a request would have given it, its start to the microsecond."""
    start: datetime | None = one.start_at
    return {
        "title": one.title,
        "description": one.description,
        "start_date_time": start,
        "duration_seconds": one.duration_seconds,
        "rrule": one.rrule,
        "timezone": one.timezone,
        "exdates": one.exdates,
        "status": one.status,
        "is_global": one.is_global,
        "monitors": [{"monitor_tag": m.monitor_tag, "impact": m.impact} for m in one.monitors],
        "reminders": one.reminders,
        "notices": one.notices,
    }
