"""The samples of one monitor in a span, for its data page and its CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.status import Status, from_code
from kener.models import Sample, SampleNote
from kener.queries.paging import Part, part


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One stored sample; `raw` is what the look said where that is not believed, `source` check, heartbeat or manual."""

    at: datetime
    status: Status
    raw: Status | None
    latency_ms: int | None
    source: str
    error: str | None


ONLY = {"TROUBLE": "Not UP", "MANUAL": "By hand"}


def lines(session: Session, monitor_id: int, start: int, end: int, *, only: str = "", page: int) -> Part[SampleLine]:
    """A page of the samples of `[start, end)`, newest first; `only` is a key of `ONLY`."""
    query = _query(monitor_id, start, end).order_by(Sample.at.desc())
    if only == "TROUBLE":
        query = query.where(Sample.status != Status.UP.code)
    if only == "MANUAL":
        query = query.where(SampleNote.source == "manual")
    return part(session, query, page=page, row=_line, whole=True)


def everything(session: Session, monitor_id: int, start: int, end: int) -> Iterator[SampleLine]:
    """The same, all of them, oldest first, while they are read."""
    query = _query(monitor_id, start, end).order_by(Sample.at).execution_options(yield_per=2_000)
    yield from map(_line, session.execute(query))


def _query(monitor_id: int, start: int, end: int) -> Any:
    return (
        select(Sample.at, Sample.status, Sample.raw, Sample.latency_ms, SampleNote.source, SampleNote.error)
        .outerjoin(SampleNote, (SampleNote.monitor_id == Sample.monitor_id) & (SampleNote.at == Sample.at))
        .where(Sample.monitor_id == monitor_id, Sample.at >= start, Sample.at < end)
    )


def _line(row: Any) -> SampleLine:
    at, status, raw, latency_ms, source, error = row
    return SampleLine(
        clock.at(at),
        from_code(status),
        None if raw is None else from_code(raw),
        latency_ms,
        source or "check",
        error,
    )
