"""Recording: samples in, roll-ups, state, alerts and incidents along, all in the caller's transaction (E1).

Steps: lock the monitors' states in order of id → keep the samples → roll them up → move the states on → evaluate what is newer than the
newest sample seen so far. A sample that arrives late corrects history and roll-ups but is not evaluated, so that nothing is counted
twice or out of order (E7).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kener.db import insert_missing, upsert
from kener.domain.schedule import MAX_INTERVAL_S
from kener.domain.status import Status, from_code
from kener.models import MonitorState, Sample, SampleNote
from kener.services import evaluation, rollups, site
from kener.services.evaluation import Seen


@dataclass(frozen=True, slots=True)
class Observed:
    """One sample to be recorded. `at` in seconds since 1970; `span_s` is how long it may stand for."""

    monitor_id: int
    at: int
    status: Status
    span_s: int
    latency_ms: int | None = None
    error: str | None = None
    source: str = "check"
    timed_out: bool = False
    lateness_ms: int | None = None


@dataclass
class Effects:
    """What has to follow the commit."""

    changed: bool = False
    delivery_ids: list[int] = field(default_factory=list)
    recorded: int = 0


@dataclass(slots=True)
class State:
    """A monitor's state row, locked for the rest of the transaction."""

    monitor_id: int
    slot: int | None
    at: int | None
    status: Status
    span_s: int
    since: int | None


def lock(session: Session, monitor_ids: Iterable[int]) -> dict[int, State]:
    """Lock the states of these monitors, always in order of id, so that two writers cannot wait for each other."""
    query = (
        select(
            MonitorState.monitor_id,
            MonitorState.slot,
            MonitorState.at,
            MonitorState.status_code,
            MonitorState.span_s,
            MonitorState.since,
        )
        .where(MonitorState.monitor_id.in_(sorted(monitor_ids)))
        .order_by(MonitorState.monitor_id)
        .with_for_update()
    )
    return {row[0]: State(row[0], row[1], row[2], from_code(row[3]), row[4], row[5]) for row in session.execute(query)}


def record(
    session: Session, samples: Sequence[Observed], states: dict[int, State], *, replace: bool = False
) -> Effects:
    """Record samples of locked monitors. `replace` overwrites a stored sample of the same time (an operator's edit)."""
    effects = Effects()
    zone = site.read(session).tz
    by_monitor: dict[int, list[Observed]] = defaultdict(list)
    for sample in samples:
        if sample.monitor_id in states:
            by_monitor[sample.monitor_id].append(sample)
    additions, moved, seen = rollups.Additions(), [], []
    late: list[Observed] = []
    for monitor_id, group in by_monitor.items():
        state = states[monitor_id]
        for sample in sorted(group, key=lambda s: s.at):
            if state.at is not None and sample.at <= state.at:
                late.append(sample)
                continue
            seen.append(
                Seen(
                    sample.monitor_id, sample.at, sample.status, sample.latency_ms, sample.error, state.at, state.span_s
                )
            )
            if state.at is not None:
                additions.stretch(monitor_id, state.at, min(sample.at, state.at + state.span_s), state.status)
            additions.sample(monitor_id, sample.at, sample.latency_ms)
            effects.changed |= _advance(state, sample)
            moved.append(sample)
    _keep(session, moved, replace=False)
    additions.write(session, zone)
    _keep_late(session, late, states, replace=replace, zone=zone)
    _write_states(session, moved, states)
    effects.recorded = len(moved) + len(late)
    outcome = evaluation.evaluate(session, seen)
    effects.changed |= outcome.changed or bool(late)
    effects.delivery_ids = outcome.delivery_ids
    return effects


def _advance(state: State, sample: Observed) -> bool:
    """Move a state on to its newest sample; whether a visitor would see the difference."""
    changed = state.status is not sample.status or state.at is None or sample.at - state.at > 3 * state.span_s
    if changed:
        state.since = sample.at
    state.at, state.status, state.span_s = sample.at, sample.status, sample.span_s
    return changed


def _keep(session: Session, samples: Sequence[Observed], *, replace: bool) -> None:
    rows = [
        {
            "monitor_id": s.monitor_id,
            "at": s.at,
            "status": s.status.code,
            "latency_ms": s.latency_ms,
            "span_s": s.span_s,
        }
        for s in samples
    ]
    notes = [
        {"monitor_id": s.monitor_id, "at": s.at, "error": s.error and s.error[:500], "source": s.source}
        for s in samples
        if s.error or s.source not in ("check", "heartbeat")
    ]
    sample_table: Any = Sample.__table__
    note_table: Any = SampleNote.__table__
    if replace:
        upsert(session, sample_table, rows, replace=("status", "latency_ms", "span_s"))
        _forget_notes(session, samples)
    else:
        insert_missing(session, sample_table, rows)
    upsert(session, note_table, notes, replace=("error", "source"))


def _keep_late(
    session: Session, samples: Sequence[Observed], states: dict[int, State], *, replace: bool, zone: Any
) -> None:
    if not samples:
        return
    _keep(session, samples, replace=replace)
    spans: dict[int, tuple[int, int]] = {}
    for s in samples:
        low, high = spans.get(s.monitor_id, (s.at, s.at))
        spans[s.monitor_id] = min(low, s.at), max(high, s.at)
    for monitor_id, (start, end) in spans.items():
        # A new sample also shortens the stretch of the one before it, which may have stood for up to a day.
        newest = states[monitor_id].at or end
        rollups.recompute(session, monitor_id, start=start, end=max(end, min(newest, end + MAX_INTERVAL_S)), zone=zone)
        if replace:
            _refresh_newest(session, monitor_id)


def _forget_notes(session: Session, samples: Sequence[Observed]) -> None:
    by_monitor: dict[int, list[int]] = defaultdict(list)
    for s in samples:
        by_monitor[s.monitor_id].append(s.at)
    for monitor_id, moments in by_monitor.items():
        low, high = min(moments), max(moments)
        session.execute(delete(SampleNote).where(SampleNote.monitor_id == monitor_id, SampleNote.at.between(low, high)))


def _refresh_newest(session: Session, monitor_id: int) -> None:
    """An edit may have changed the newest sample: the state follows it."""
    newest = session.execute(
        select(Sample.at, Sample.status, Sample.latency_ms, Sample.span_s)
        .where(Sample.monitor_id == monitor_id)
        .order_by(Sample.at.desc())
        .limit(1)
    ).one()
    note = session.get(SampleNote, (monitor_id, newest.at))
    session.execute(
        update(MonitorState)
        .where(MonitorState.monitor_id == monitor_id, MonitorState.at == newest.at)
        .values(
            status_code=newest.status,
            latency_ms=newest.latency_ms,
            span_s=newest.span_s,
            error=note.error if note else None,
        )
    )


def _write_states(session: Session, samples: Sequence[Observed], states: dict[int, State]) -> None:
    newest = {s.monitor_id: s for s in samples}
    rows = [
        {
            "monitor_id": s.monitor_id,
            "at": s.at,
            "status": s.status.code,
            "span_s": s.span_s,
            "latency_ms": s.latency_ms,
            "error": s.error and s.error[:500],
            "since": states[s.monitor_id].since,
            "slow": s.timed_out,
            "lateness_ms": s.lateness_ms,
        }
        for s in newest.values()
    ]
    if rows:
        table: Any = MonitorState.__table__
        columns = ("at", "status", "span_s", "latency_ms", "error", "since", "slow", "lateness_ms")
        upsert(session, table, rows, replace=columns)
