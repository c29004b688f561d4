"""Recording: samples in, roll-ups, state, alerts and incidents along, all in the caller's transaction (E1).

Steps: lock the monitors' states in order of id → judge what is believed of each sample → keep the samples → roll them up → move the
states on → evaluate what is newer than the newest sample seen so far. A sample that arrives late corrects history and roll-ups but is not
evaluated, so that nothing is counted twice or out of order (E7).

A sample that waits for confirmation stands with the status that was believed before it. It is evaluated when it is settled, before the
sample that settles it and with the status that stays (E2): so a replay of what is stored tells the same story.

Where a status changed, the groups above it are locked before anything is evaluated, and get a sample of their own if theirs changes too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from itertools import takewhile
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from kener import clock
from kener.db import insert_missing, upsert
from kener.domain import confirmation
from kener.domain.alerting import GAP_INTERVALS
from kener.domain.confirmation import AT_ONCE, Belief, Needed
from kener.domain.schedule import MAX_INTERVAL_S
from kener.domain.status import Status, from_code
from kener.models import MonitorState, Sample, SampleNote
from kener.services import evaluation, groups, holding, rollups, site
from kener.services.evaluation import Seen
from kener.services.holding import Held

MANUAL = "manual"
"""The source of what a person wrote: it stands in place of what is observed in the same minute."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One sample to be recorded. `at` in seconds since 1970; `span_s` is how long it may stand for.

    `needed`: how many must agree before a change is believed. `raw` is set here, where a sample is held.
    """

    monitor_id: int
    at: int
    status: Status
    span_s: int
    latency_ms: int | None = None
    error: str | None = None
    source: str = "check"
    timed_out: bool = False
    lateness_ms: int | None = None
    needed: Needed = AT_ONCE
    raw: Status | None = None


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
    belief: Belief = Belief()
    manual_until: int | None = None
    evaluated_until: int | None = None

    def follows_gap(self, at: int) -> bool:
        """Whether a sample of this moment comes after more than three intervals without one."""
        return self.at is not None and at - self.at > GAP_INTERVALS * self.span_s


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
            MonitorState.anchor_code,
            MonitorState.raw_code,
            MonitorState.held,
            MonitorState.held_since,
            MonitorState.manual_until,
            MonitorState.evaluated_until,
        )
        .where(MonitorState.monitor_id.in_(sorted(monitor_ids)))
        .order_by(MonitorState.monitor_id)
        .with_for_update()
    )
    states = {}
    for monitor_id, slot, at, status, span_s, since, anchor, raw, held, held_since, *until in session.execute(query):
        state = states[monitor_id] = State(monitor_id, slot, at, from_code(status), span_s, since)
        if anchor is not None:
            state.belief = Belief(from_code(anchor), None if raw is None else from_code(raw), held, held_since)
        state.manual_until, state.evaluated_until = until
    return states


def lock_with_groups(session: Session, monitor_id: int, *, is_group: bool) -> dict[int, State]:
    """Lock the state of a monitor and those of the groups above it, in the order that all writers keep: groups after the others."""
    above = groups.above(session, [monitor_id]).keys()
    if is_group:
        return lock(session, {monitor_id, *above})
    return lock(session, [monitor_id]) | (lock(session, above) if above else {})


def record(
    session: Session, samples: Sequence[Observed], states: dict[int, State], *, replace: bool = False
) -> Effects:
    """Record samples of locked monitors. `replace` overwrites a stored sample of the same time (an operator's edit)."""
    effects, zone = Effects(), site.read(session).tz
    taken = _take(session, samples, states, effects, replace=replace, zone=zone)
    seen = taken.seen
    if taken.changed:
        newest = max(states[monitor_id].at or 0 for monitor_id in taken.changed)
        seen = seen + _groups_above(session, taken.changed, effects, at=newest, zone=zone)
    _evaluate(session, seen, effects)
    return effects


def lock_groups(session: Session, group_ids: Collection[int]) -> dict[int, State]:
    """Lock the states of groups and of the groups above them."""
    return lock(session, {*group_ids, *groups.above(session, group_ids)})


def record_groups(session: Session, slots: Mapping[int, int], states: dict[int, State]) -> Effects:
    """Record what groups are in their slots, and the groups above them where that changes those (`lock_groups`)."""
    edges = {**dict.fromkeys(slots, ()), **groups.above(session, slots)}
    return _regroup(session, edges, slots, states, at=max(slots.values(), default=0))


def regroup(session: Session, states: dict[int, State], *, at: int) -> Effects:
    """Record what became of the groups among these locked monitors, after one of them was paused, resumed, deleted or changed."""
    edges = {**dict.fromkeys(states, ()), **groups.above(session, states)}
    return _regroup(session, edges, {}, states, at=at)


def _regroup(
    session: Session, edges: groups.Edges, slots: Mapping[int, int], states: dict[int, State], *, at: int
) -> Effects:
    effects, zone = Effects(), site.read(session).tz
    _evaluate(session, _follow(session, edges, slots, states, effects, at=at, zone=zone), effects)
    return effects


def _evaluate(session: Session, seen: Sequence[Seen], effects: Effects) -> None:
    outcome = evaluation.evaluate(session, seen)
    effects.changed |= outcome.changed
    effects.delivery_ids += outcome.delivery_ids


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is to be evaluated of a batch, and whose present status it changed."""

    seen: list[Seen]
    changed: set[int]


def _take(
    session: Session,
    samples: Sequence[Observed],
    states: dict[int, State],
    effects: Effects,
    *,
    replace: bool,
    zone: Any,
) -> _Taken:
    """Store samples of locked monitors with their roll-ups, and move the states on."""
    by_monitor: dict[int, list[Observed]] = defaultdict(list)
    for sample in samples:
        if sample.monitor_id in states:
            by_monitor[sample.monitor_id].append(sample)
    batch = _Batch(by_monitor, states, holding.read(session, [i for i in by_monitor if states[i].belief.held]))
    _keep(session, batch.moved, replace=False)
    holding.believe(session, batch.believed)
    batch.additions.write(session, zone)
    _keep_late(session, batch.late, states, replace=replace, zone=zone)
    _write_states(session, batch.moved, states)
    holding.write(session, {i: states[i].belief for i, before in batch.before.items() if states[i].belief != before})
    effects.recorded += len(batch.moved) + len(batch.late)
    effects.changed |= bool(batch.changed or batch.late)
    # An edit may have changed what was seen last.
    return _Taken(batch.seen, batch.changed | {sample.monitor_id for sample in batch.late if replace})


class _Batch:
    """What becomes of new samples, worked out before anything is written; the states move along.

    `moved` are the samples to keep, `late` those that only correct history, `seen` what is to be evaluated. `believed`: held samples that
    are stored already and get the status they were seen with, as `(monitor id, first, last)` of their times.
    """

    def __init__(
        self, by_monitor: Mapping[int, Sequence[Observed]], states: dict[int, State], held: Mapping[int, list[Held]]
    ) -> None:
        self.additions = rollups.Additions()
        self.moved: list[Observed] = []
        self.late: list[Observed] = []
        self.seen: list[Seen] = []
        self.changed: set[int] = set()
        self.believed: list[tuple[int, int, int]] = []
        self.before = {monitor_id: states[monitor_id].belief for monitor_id in by_monitor}
        for monitor_id, group in by_monitor.items():
            run = list(held.get(monitor_id, ()))
            for sample in sorted(group, key=lambda s: s.at):
                self._take(states[monitor_id], sample, run)

    def _take(self, state: State, sample: Observed, run: list[Held]) -> None:
        if sample.source != MANUAL and sample.at < (state.manual_until or 0):
            return
        if state.at is not None and sample.at <= state.at:
            self.late.append(sample)
            return
        seen = Seen(
            sample.monitor_id, sample.at, sample.status, sample.latency_ms, sample.error, state.at, state.span_s
        )
        if state.at is not None:
            self.additions.stretch(state.monitor_id, state.at, min(sample.at, state.at + state.span_s), state.status)
        self.additions.sample(state.monitor_id, sample.at, sample.latency_ms)
        since = sample.at
        if sample.needed is not AT_ONCE or state.belief.anchor is not Status.NO_DATA:
            sample, seen, since = self._judge(state, sample, seen, run)
        if not run and sample.at > (state.evaluated_until or 0):
            self.seen.append(seen)
        if _advance(state, sample, since):
            self.changed.add(state.monitor_id)
        self.moved.append(sample)

    def _judge(self, state: State, sample: Observed, seen: Seen, run: list[Held]) -> tuple[Observed, Seen, int]:
        """Whether a sample is believed, and what it makes of those that were held before it; afterwards `run` holds what waits.

        Returns the sample and its evaluation as they stand, and since when its status has been true.
        """
        belief, since = state.belief, sample.at
        if state.status is not Status.NO_DATA:
            belief = replaced(belief, anchor=state.status)
        gap = state.follows_gap(sample.at)
        decision = confirmation.decide(sample.needed, belief, sample.status, at=sample.at, after_gap=gap)
        if decision.settles:
            since = self._settle(run, until=sample, confirmed=decision.outcome is confirmation.Outcome.CONFIRM)
        forgotten = sample.needed is AT_ONCE and not decision.belief.held
        state.belief = Belief() if forgotten else decision.belief
        if decision.raw is not None:
            sample = replaced(sample, status=decision.status, raw=decision.raw)
            seen = replaced(seen, status=decision.status)
        if decision.belief.held:
            run.append(Held(seen, decision.raw, sample.span_s, place=len(self.moved)))
        return sample, seen, since

    def _settle(self, run: list[Held], *, until: Observed, confirmed: bool) -> int:
        """Give a held run the status that stays, and have it evaluated. Returns since when the status of `until` has been true."""
        settled = []
        for one, following in zip(run, [*(other.seen.at for other in run[1:]), until.at], strict=True):
            seen = one.seen
            if confirmed and one.raw is not None:
                end = min(following, seen.at + one.span_s)
                self.additions.stretch(seen.monitor_id, seen.at, end, seen.status, sign=-1)
                self.additions.stretch(seen.monitor_id, seen.at, end, one.raw)
                seen = replaced(seen, status=one.raw)
                if one.place is not None:
                    self.moved[one.place] = replaced(self.moved[one.place], status=one.raw, raw=None)
            if one.raw is not None:
                settled.append(seen)
        self.seen += settled
        stored = [one.seen.at for one in run if one.place is None]
        if confirmed and stored:
            self.believed.append((until.monitor_id, stored[0], stored[-1]))
        run.clear()
        if not confirmed:
            return until.at
        return min(
            (seen.at for seen in takewhile(lambda one: one.status is until.status, settled[::-1])), default=until.at
        )


def _groups_above(session: Session, changed: Collection[int], effects: Effects, *, at: int, zone: Any) -> list[Seen]:
    edges = groups.above(session, changed)
    if not edges:
        return []
    states = lock(session, edges)
    return _follow(session, edges, {}, states, effects, at=at, zone=zone)


def _follow(
    session: Session,
    edges: groups.Edges,
    slots: Mapping[int, int],
    states: dict[int, State],
    effects: Effects,
    *,
    at: int,
    zone: Any,
) -> list[Seen]:
    """Let locked groups follow their members, inner ones first. Those with a slot get a sample in it; the others when they change."""
    seen: list[Seen] = []
    for level in groups.levels([group_id for group_id in edges if group_id in states], edges):
        moments = {group_id: _moment(states[group_id], slots.get(group_id, at)) for group_id in level}
        samples = []
        for look in groups.look(session, moments):
            state, is_due = states[look.group_id], _is_due(states[look.group_id], slots.get(look.group_id))
            if is_due or (_differs(state, look) and look.at <= max(at, clock.epoch()) + AHEAD_S):
                samples.append(_of_group(look))
        seen += _take(session, samples, states, effects, replace=False, zone=zone).seen
    return seen


AHEAD_S = 15
"""Groups that change several times within a second get samples a second apart, at most so far ahead; their next slot tells the rest."""


def _moment(state: State, at: int) -> int:
    """After the newest sample, since what comes late is not evaluated."""
    return at if state.at is None else max(at, state.at + 1)


def _is_due(state: State, slot: int | None) -> bool:
    """Whether a slot needs a sample: not where one after it is there already, because a member changed meanwhile."""
    return slot is not None and (state.at is None or state.at < slot)


def _differs(state: State, look: groups.Look) -> bool:
    if state.at is None:
        return look.outcome.status is not Status.NO_DATA
    return state.status is not look.outcome.status


def _of_group(look: groups.Look) -> Observed:
    found = look.outcome
    error = found.reason if found.status is not Status.UP else None
    return Observed(look.group_id, look.at, found.status, look.span_s, found.latency_ms, error)


def _advance(state: State, sample: Observed, since: int) -> bool:
    """Move a state on to its newest sample; whether a visitor would see the difference."""
    changed = state.status is not sample.status or state.at is None or state.follows_gap(sample.at)
    if changed:
        state.since = since
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
    # Nobody pays for a column that nobody uses.
    if replace or any(s.raw is not None for s in samples):
        for row, s in zip(rows, samples, strict=True):
            row["raw"] = None if s.raw is None else s.raw.code
    notes = [
        {"monitor_id": s.monitor_id, "at": s.at, "error": s.error and s.error[:500], "source": s.source}
        for s in samples
        if s.error or s.source not in ("check", "heartbeat")
    ]
    sample_table: Any = Sample.__table__
    note_table: Any = SampleNote.__table__
    if replace:
        upsert(session, sample_table, rows, replace=("status", "latency_ms", "span_s", "raw"))
        _forget_notes(session, samples)
    else:
        insert_missing(session, sample_table, rows)
    upsert(session, note_table, notes, replace=("error", "source"))


def _keep_late(
    session: Session, samples: Sequence[Observed], states: dict[int, State], *, replace: bool, zone: Any
) -> None:
    if not replace:
        samples = _without_manual(session, samples)
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
            # What a person has written over is not waited for any more.
            if end >= (states[monitor_id].belief.held_since or end + 1):
                states[monitor_id].belief = Belief()


def _without_manual(session: Session, samples: Sequence[Observed]) -> list[Observed]:
    """Late samples without those of minutes that were written by hand. Few come late, and mostly of one moment."""
    if not samples:
        return []
    minutes = {sample.at - sample.at % 60 for sample in samples}
    query = select(SampleNote.monitor_id, SampleNote.at).where(
        SampleNote.monitor_id.in_({sample.monitor_id for sample in samples}),
        SampleNote.at.between(min(minutes), max(minutes) + 59),
        SampleNote.source == MANUAL,
    )
    written = {(monitor_id, at - at % 60) for monitor_id, at in session.execute(query)}
    return [sample for sample in samples if (sample.monitor_id, sample.at - sample.at % 60) not in written]


def corrected(session: Session, states: dict[int, State], monitor_id: int, *, start: int, end: int) -> Effects:
    """What follows when stored samples of `[start, end]` of a locked monitor were deleted: roll-ups, its state, the groups above it."""
    effects, zone, state = Effects(changed=True), site.read(session).tz, states[monitor_id]
    newest = state.at or end
    rollups.recompute(session, monitor_id, start=start, end=max(end, min(newest, end + MAX_INTERVAL_S)), zone=zone)
    if state.belief.held and end >= (state.belief.held_since or 0):
        holding.write(session, {monitor_id: Belief()})
    _refresh_newest(session, monitor_id)
    _evaluate(session, _groups_above(session, {monitor_id}, effects, at=newest, zone=zone), effects)
    return effects


def _forget_notes(session: Session, samples: Sequence[Observed]) -> None:
    by_monitor: dict[int, list[int]] = defaultdict(list)
    for s in samples:
        by_monitor[s.monitor_id].append(s.at)
    for monitor_id, moments in by_monitor.items():
        low, high = min(moments), max(moments)
        session.execute(delete(SampleNote).where(SampleNote.monitor_id == monitor_id, SampleNote.at.between(low, high)))


def _refresh_newest(session: Session, monitor_id: int) -> None:
    """An edit may have changed or deleted the newest sample: the state follows it."""
    newest = session.execute(
        select(Sample.at, Sample.status, Sample.latency_ms, Sample.span_s)
        .where(Sample.monitor_id == monitor_id)
        .order_by(Sample.at.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        values = dict.fromkeys(("at", "latency_ms", "error", "since")) | {"status_code": 0, "span_s": 0}
    else:
        note = session.get(SampleNote, (monitor_id, newest.at))
        values = {
            "at": newest.at,
            "status_code": newest.status,
            "latency_ms": newest.latency_ms,
            "span_s": newest.span_s,
            "error": note.error if note else None,
            "since": _since(session, monitor_id, newest.status) or newest.at,
        }
    session.execute(update(MonitorState).where(MonitorState.monitor_id == monitor_id).values(values))


def _since(session: Session, monitor_id: int, status: int) -> int | None:
    """When the newest run of this status began."""
    mine = Sample.monitor_id == monitor_id
    other = select(func.max(Sample.at)).where(mine, Sample.status != status).scalar_subquery()
    return session.scalar(select(func.min(Sample.at)).where(mine, Sample.at > func.coalesce(other, 0)))


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
