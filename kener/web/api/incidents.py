"""Incidents: what visitors read."""

from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, field_validator

from kener.domain.inputs import IncidentInput, OptionalProse, PostMortemInput, SplitInput
from kener.queries import api as rows
from kener.services import incidents, merging
from kener.services.errors import Refused
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Changes, Id, Moment, OptionalMoment, Paging, Seconds, named
from kener.web.urls import origin

TAG = "Incidents"
bp = Blueprint("api_incidents", __name__)


class NewIncident(Body, IncidentInput):
    """An incident. Its state and end follow from its comments; an end given here closes it with a comment."""

    model_config = named(start_at="start_date_time", end_at="end_date_time")

    start_at: Moment
    end_at: OptionalMoment = None

    fixed = {"is_global": (("YES", True, None), "Every incident stands on the page of the site: leave it out.")}
    notes = {
        "is_private": "YES: only signed-in operators see it.",
        "notify": "NO: subscribers are not told that it opens, nor of an end given here.",
    }
    shown = {"is_global": {"enum": ["YES", True, None], "description": "Accepted and without effect."}}


class NewIncidentStory(NewIncident):
    """An incident as it can be changed: with what was learned from it."""

    post_mortem: OptionalProse = None

    notes = NewIncident.notes | {
        "post_mortem": "Markdown; null removes it. Possible once the incident is resolved; it never moves the end."
    }

    @property
    def learned(self) -> PostMortemInput | None:
        return PostMortemInput(text=self.post_mortem) if self.post_mortem else None


class Merge(Body):
    """Where an incident goes on."""

    into_id: Annotated[Id, Field(description="The incident that takes it in.")]


class Split(Body, SplitInput):
    """What leaves an incident."""

    notes = {
        "monitor_tags": "Monitors that it affects; each leaves with its alerts.",
        "incident_ids": "Incidents that were merged into it.",
    }


class IncidentFilters(Paging):
    """Which incidents: those that began in the span and affect one of the monitors."""

    start_ts: Annotated[Seconds | None, Field(description="Begun at this second or later.")] = None
    end_ts: Annotated[Seconds | None, Field(description="Begun before this second.")] = None
    monitor_tags: Annotated[str | None, Field(max_length=20_000, description="Tags, separated by commas.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="How many on a page.")] = 1000

    @field_validator("monitor_tags")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        if value and "\0" in value:
            raise ValueError("Text cannot hold a NUL character.")
        return value

    @property
    def tags(self) -> set[str]:
        return {tag.strip() for tag in (self.monitor_tags or "").split(",") if tag.strip()}


class IncidentAnswer(Answer):
    """One incident."""

    incident: rows.Incident


class IncidentList(Listed):
    """Incidents, newest first."""

    incidents: list[rows.Incident]


@bp.get("/incidents")
@api_key_required
@operation(tag=TAG, query=IncidentFilters, answer=IncidentList)
def index(query: IncidentFilters) -> Answer:
    """List incidents."""
    page = rows.incidents(
        start=query.start_ts,
        end=query.end_ts,
        monitor_tags=query.tags,
        page=query.page,
        limit=query.limit,
        origin=origin(),
    )
    return IncidentList(incidents=page.rows, **part(page))


@bp.post("/incidents")
@api_key_required
@operation(tag=TAG, body=NewIncident, answer=IncidentAnswer, status=201)
def create(body: NewIncident) -> Answer:
    """Open an incident.

    It is INVESTIGATING until a comment says otherwise.
    """
    return _answer(incidents.create(body, actor=actor()))


@bp.get("/incidents/<id:incident_id>")
@api_key_required
@operation(tag=TAG, answer=IncidentAnswer)
def show(incident_id: int) -> Answer:
    """Read an incident."""
    return _answer(incident_id)


@bp.patch("/incidents/<id:incident_id>")
@api_key_required
@operation(tag=TAG, changes=NewIncidentStory, answer=IncidentAnswer)
def update(incident_id: int, changes: Changes[NewIncidentStory]) -> Answer:
    """Change an incident, or write its post-mortem.

    A list of monitors replaces the list before. To re-open a resolved incident, add a comment with another state.
    """
    current = found(rows.incident(incident_id, origin=""))
    if current.end_at and changes.given.get("end_date_time", current.end_at) is None:
        raise Refused({"end_date_time": "To re-open the incident, add a comment with another state than RESOLVED."})
    wanted = changes.over(_as_given(current))
    incidents.update(incident_id, wanted, actor=actor(), version=current.version, post_mortem=wanted.learned)
    return _answer(incident_id)


@bp.delete("/incidents/<id:incident_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(incident_id: int) -> Answer:
    """Delete an incident with its comments.

    An alert that opened it stays, without an incident.
    """
    incidents.delete(incident_id, actor=actor())
    return Message(message=f"The incident {incident_id} was deleted.")


@bp.post("/incidents/<id:incident_id>/merge")
@api_key_required
@operation(tag=TAG, body=Merge, answer=IncidentAnswer)
def merge(incident_id: int, body: Merge) -> Answer:
    """Merge an incident into another.

    Its comments, alerts and monitors go on in the other one, which is the answer. Its address on the site leads there, and its id can
    still be read; it can no longer be changed. A split gives all of it back.
    """
    merging.merge(incident_id, body.into_id, actor=actor())
    return _answer(body.into_id)


@bp.post("/incidents/<id:incident_id>/split")
@api_key_required
@operation(tag=TAG, body=Split, answer=IncidentAnswer)
def split(incident_id: int, body: Split) -> Answer:
    """Split an incident.

    Monitors leave with their alerts, merged incidents with all that came with them, into the incident that is the answer: a merged one
    comes back under its old id, anything else begins a new one.
    """
    return _answer(merging.split(incident_id, body, actor=actor()))


def _answer(incident_id: int) -> IncidentAnswer:
    return IncidentAnswer(incident=found(rows.incident(incident_id, origin=origin())))


def _as_given(incident: rows.Incident) -> dict[str, Any]:
    """An incident as a request would have given it, its times to the microsecond."""
    return {
        "title": incident.title,
        "start_date_time": incident.start_at,
        "end_date_time": incident.end_at,
        "is_private": incident.is_private,
        "monitors": [{"monitor_tag": a.monitor_tag, "impact": a.impact} for a in incident.monitors],
        "post_mortem": incident.post_mortem,
    }
