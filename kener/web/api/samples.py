"""Monitor data: the samples of a monitor, read and written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, Self

from flask import Blueprint
from pydantic import Field, model_validator

from kener.domain.inputs import Input
from kener.domain.status import Status
from kener.queries import api as rows
from kener.services import manual_data
from kener.services.errors import NotFound, Refused
from kener.services.manual_data import Deletion, Edit
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, found, operation
from kener.web.api.reading import MAX_ID, Body, Changes, Seconds

TAG = "Monitor data"
MAX_SPAN_S = manual_data.MAX_SPAN_S
bp = Blueprint("api_samples", __name__)

Milliseconds = Annotated[int, Field(ge=0, le=MAX_ID)]
Settable = Literal[Status.UP, Status.DOWN, Status.DEGRADED]
Reason = Annotated[str, Field(max_length=300, description="Why; kept in the audit trail.")]


class Span(Input):
    """Which samples: from `start_ts` on, before `end_ts`; at most 31 days."""

    start_ts: Seconds
    end_ts: Seconds

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.end_ts <= self.start_ts:
            raise ValueError("end_ts: The end must lie after the start.")
        if self.end_ts - self.start_ts > MAX_SPAN_S:
            raise ValueError("end_ts: At most 31 days can be read at once. Ask for them one after the other.")
        return self


class Doomed(Span):
    """Which samples to delete: from `start_ts` on, before `end_ts`; at most 31 days."""

    reason: Reason = ""


class SampleRange(Body):
    """What to write into every minute from the one of `start_ts` to the one of `end_ts`, both included; at most 31 days."""

    start_ts: Seconds
    end_ts: Seconds
    status: Settable
    latency: Annotated[Milliseconds | None, Field(description="Milliseconds; null: nothing was measured.")] = None
    deviation: Annotated[
        Milliseconds, Field(description="Each latency differs from the given one by up to this much, at random.")
    ] = 0
    reason: Reason = ""


class SampleValues(Body):
    """What to write into one minute. What is left out stays as it is; a minute without a sample needs a status."""

    status: Settable
    latency: Annotated[Milliseconds | None, Field(description="Milliseconds; null: nothing was measured.")] = None
    reason: Reason = ""


class Why(Input):
    """Why something is done."""

    reason: Reason = ""


class SampleList(Answer):
    """Samples, oldest first."""

    data: list[rows.Sample]


class SampleAnswer(Answer):
    """One sample."""

    data: rows.Sample


class Written(Answer):
    """How many samples were written: one a minute, and where a minute had several, as many."""

    message: str
    updated_count: int


class Deleted(Answer):
    """How many samples were deleted."""

    message: str
    deleted_count: int


@bp.get("/monitors/<tag:monitor_tag>/data")
@api_key_required
@operation(tag=TAG, query=Span, answer=SampleList)
def index(monitor_tag: str, query: Span) -> Answer:
    """List the samples of a span."""
    return SampleList(data=found(rows.samples(monitor_tag, start=query.start_ts, end=query.end_ts)))


@bp.patch("/monitors/<tag:monitor_tag>/data")
@api_key_required
@operation(tag=TAG, body=SampleRange, answer=Written)
def update_range(monitor_tag: str, body: SampleRange) -> Answer:
    """Write a span of samples.

    Samples newer than the newest one are evaluated at once, like those of a check: alerts and incidents follow. Older ones correct
    history, and change no alert. What checks bring in these minutes does not take their place.
    """
    edit = Edit(body.start_ts, body.end_ts, Status(body.status), body.latency, body.deviation)
    count = manual_data.write(monitor_tag, edit, actor=actor(), reason=body.reason)
    return Written(message=f"{count} {'sample was' if count == 1 else 'samples were'} written.", updated_count=count)


@bp.delete("/monitors/<tag:monitor_tag>/data")
@api_key_required
@operation(tag=TAG, query=Doomed, answer=Deleted)
def destroy_range(monitor_tag: str, query: Doomed) -> Answer:
    """Delete the samples of a span.

    Nothing was measured then: it is grey and outside uptime. Alerts and incidents stay as they are, and nothing that was evaluated
    already is evaluated again.
    """
    return _deleted(
        manual_data.delete(monitor_tag, Deletion(query.start_ts, query.end_ts), actor=actor(), reason=query.reason)
    )


@bp.get("/monitors/<tag:monitor_tag>/data/<moment:timestamp>")
@api_key_required
@operation(tag=TAG, answer=SampleAnswer)
def show(monitor_tag: str, timestamp: int) -> Answer:
    """Read the newest sample of a minute."""
    return SampleAnswer(data=found(_newest(monitor_tag, timestamp)))


@bp.patch("/monitors/<tag:monitor_tag>/data/<moment:timestamp>")
@api_key_required
@operation(tag=TAG, changes=SampleValues, answer=SampleAnswer)
def update(monitor_tag: str, timestamp: int, changes: Changes[SampleValues]) -> Answer:
    """Write one minute.

    It is evaluated at once when it is newer than the newest sample.
    """
    before = _newest(monitor_tag, timestamp)
    wanted = changes.over({"status": before.status, "latency": before.latency} if before else {})
    with _about_one_minute():
        edit = Edit(timestamp, timestamp, Status(wanted.status), wanted.latency)
        manual_data.write(monitor_tag, edit, actor=actor(), reason=wanted.reason)
    return SampleAnswer(data=found(_newest(monitor_tag, timestamp)))


@bp.delete("/monitors/<tag:monitor_tag>/data/<moment:timestamp>")
@api_key_required
@operation(tag=TAG, query=Why, answer=Deleted)
def destroy(monitor_tag: str, timestamp: int, query: Why) -> Answer:
    """Delete the samples of one minute."""
    minute = timestamp - timestamp % 60
    with _about_one_minute():
        count = manual_data.delete(monitor_tag, Deletion(minute, minute + 60), actor=actor(), reason=query.reason)
    if not count:
        raise NotFound
    return _deleted(count)


def _deleted(count: int) -> Deleted:
    return Deleted(message=f"{count} {'sample was' if count == 1 else 'samples were'} deleted.", deleted_count=count)


@contextmanager
def _about_one_minute() -> Iterator[None]:
    """What is wrong with the ends of a span is wrong with the one moment that was given."""
    try:
        yield
    except Refused as refused:
        raise Refused(
            {"timestamp" if name in ("start_ts", "end_ts") else name: why for name, why in refused.errors.items()}
        ) from None


def _newest(monitor_tag: str, timestamp: int) -> rows.Sample | None:
    """The newest sample of a minute. Raises NotFound for an unknown monitor."""
    minute = timestamp - timestamp % 60
    samples = found(rows.samples(monitor_tag, start=minute, end=minute + 60))
    return samples[-1] if samples else None
