"""Excluded windows: stretches of a monitor's past that count as nothing."""

from datetime import datetime
from typing import Annotated

from flask import Blueprint
from pydantic import Field

from kener.db import reading
from kener.domain.exclusions import ExclusionInput, ExclusionKind
from kener.queries import exclusions as rows
from kener.queries import monitors
from kener.services import exclusions
from kener.services.errors import NotFound
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Message, operation
from kener.web.api.reading import Body, Seconds, named

TAG = "Monitor data"
bp = Blueprint("api_exclusions", __name__)


class NewExclusion(Body, ExclusionInput):
    """What to exclude: from `start_ts` on, before `end_ts`; nothing of it may be excluded already or lie in the future."""

    model_config = named(start="start_ts", end="end_ts")


class ExcludedWindow(Answer):
    """A stretch that counts as nothing."""

    id: int
    start_ts: Seconds
    end_ts: Seconds
    kind: ExclusionKind
    reason: str
    uptime_before: Annotated[
        dict[str, float | None], Field(description="The uptime as it was without it, by span: 24h, 7d, 30d, 90d.")
    ]
    created_by: str
    created_at: datetime


class ExclusionList(Answer):
    """Excluded windows, newest first."""

    excluded_windows: list[ExcludedWindow]


class ExclusionAnswer(Answer):
    """One excluded window."""

    excluded_window: ExcludedWindow


@bp.get("/monitors/<tag:monitor_tag>/excluded-windows")
@api_key_required
@operation(tag=TAG, answer=ExclusionList)
def index(monitor_tag: str) -> Answer:
    """List what is excluded of a monitor's past."""
    return ExclusionList(excluded_windows=_windows(monitor_tag))


@bp.post("/monitors/<tag:monitor_tag>/excluded-windows")
@api_key_required
@operation(tag=TAG, body=NewExclusion, answer=ExclusionAnswer, status=201)
def create(monitor_tag: str, body: NewExclusion) -> Answer:
    """Exclude a stretch of the past from every figure and bar.

    Its seconds count neither up nor down. Samples, alerts and incidents stay as they are.
    """
    window_id = exclusions.exclude(monitor_tag, body, actor=actor())
    return ExclusionAnswer(excluded_window=next(one for one in _windows(monitor_tag) if one.id == window_id))


@bp.delete("/monitors/<tag:monitor_tag>/excluded-windows/<id:window_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(monitor_tag: str, window_id: int) -> Answer:
    """Let a stretch count again."""
    exclusions.include(monitor_tag, window_id, actor=actor())
    return Message(message="It counts again.")


def _windows(tag: str) -> list[ExcludedWindow]:
    session = reading()
    found = monitors.stored(session, tag)
    if found is None:
        raise NotFound
    return [
        ExcludedWindow(
            id=one.id,
            start_ts=int(one.start.timestamp()),
            end_ts=int(one.end.timestamp()),
            kind=one.kind,
            reason=one.reason,
            uptime_before=one.before,
            created_by=one.by,
            created_at=one.at,
        )
        for one in rows.exclusions(session, found[0].id, limit=10_000)
    ]
