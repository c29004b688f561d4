"""Samples that wait for confirmation: reading them, believing them, and what a monitor's state remembers of them.

Steps of a recording: one statement each for a whole batch, and none where nothing is held.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from kener.domain.confirmation import Belief
from kener.domain.status import Status, from_code
from kener.models import MonitorState, Sample, SampleNote
from kener.services.evaluation import Seen


@dataclass(frozen=True, slots=True)
class Held:
    """A sample of a run that is not settled yet, and so not evaluated. `raw` is None where it said nothing or came late: it never is.

    `place`: where in the batch that is being recorded; None: it is stored already.
    """

    seen: Seen
    raw: Status | None
    span_s: int
    place: int | None = None


def read(session: Session, monitor_ids: Sequence[int]) -> dict[int, list[Held]]:
    """The stored samples of these monitors' held runs, in time order."""
    if not monitor_ids:
        return {}
    query = (
        select(
            Sample.monitor_id,
            Sample.at,
            Sample.status,
            Sample.raw,
            Sample.latency_ms,
            Sample.span_s,
            SampleNote.error,
        )
        .join(MonitorState, (MonitorState.monitor_id == Sample.monitor_id) & (Sample.at >= MonitorState.held_since))
        .outerjoin(SampleNote, (SampleNote.monitor_id == Sample.monitor_id) & (SampleNote.at == Sample.at))
        .where(MonitorState.monitor_id.in_(sorted(monitor_ids)), MonitorState.held > 0)
        .order_by(Sample.monitor_id, Sample.at)
    )
    runs: dict[int, list[Held]] = defaultdict(list)
    for monitor_id, at, status, raw, latency_ms, span_s, error in session.execute(query):
        run = runs[monitor_id]
        # The first of a run never follows a gap: the sample before it needs no naming.
        before, before_span_s = (run[-1].seen.at, run[-1].span_s) if run else (None, 0)
        seen = Seen(monitor_id, at, from_code(status), latency_ms, error, before, before_span_s)
        run.append(Held(seen, None if raw is None else from_code(raw), span_s))
    return runs


def believe(session: Session, runs: Sequence[tuple[int, int, int]]) -> None:
    """Give stored samples the status they were seen with: `(monitor id, first, last)` of their times."""
    if not runs:
        return
    table: Any = Sample.__table__
    statement = (
        update(table)
        .where(
            table.c.monitor_id == bindparam("of"),
            table.c.at.between(bindparam("first"), bindparam("last")),
            table.c.raw.is_not(None),
        )
        # In this order: MySQL reads a column that was set already as it is now.
        .ordered_values((table.c.status, table.c.raw), (table.c.raw, None))
    )
    rows = [{"of": monitor_id, "first": first, "last": last} for monitor_id, first, last in runs]
    session.connection().execute(statement, rows)


def write(session: Session, beliefs: Mapping[int, Belief]) -> None:
    """Keep what is believed of these monitors."""
    if not beliefs:
        return
    table: Any = MonitorState.__table__
    statement = (
        update(table)
        .where(table.c.monitor_id == bindparam("of"))
        .values({name: bindparam(f"new_{name}") for name in ("anchor", "raw", "held", "held_since")})
    )
    rows = [
        {
            "of": monitor_id,
            "new_anchor": None if belief == Belief() else belief.anchor.code,
            "new_raw": None if belief.raw is None else belief.raw.code,
            "new_held": belief.held,
            "new_held_since": belief.held_since,
        }
        for monitor_id, belief in sorted(beliefs.items())
    ]
    session.connection().execute(statement, rows)
