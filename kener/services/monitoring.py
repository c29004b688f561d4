"""Watching: a shard of due monitors is probed at once, and what was seen is recorded in one short transaction.

No transaction is open while the outside world is asked. Slow targets never hold up fast ones: what has not answered within the fast
lane's budget is asked again in the slow lane, and goes there directly from then on until it answers in time.
"""

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Text, cast, select, update
from sqlalchemy.orm import Session

from kener import jobs, live, probes
from kener.db import again, reading, transaction
from kener.domain import heartbeats
from kener.domain import secrets as secret_rules
from kener.domain.confirmation import AT_ONCE, Needed
from kener.domain.heartbeats import Signals
from kener.domain.readings import Reading, cannot_run
from kener.domain.schedule import Schedule
from kener.domain.specs import HeartbeatSpec, MonitorType, NoneSpec, Spec, parse_spec
from kener.domain.specs.base import KEPT
from kener.domain.status import Status, from_code
from kener.models import Monitor, MonitorState
from kener.services import connectivity, recording, retrying, secrets, vault
from kener.services.errors import Refused
from kener.services.recording import Effects, Observed
from kener.services.retrying import Repeat
from kener.services.scheduling import SLOW_TIMEOUT_S

log = logging.getLogger(__name__)

FAST_BUDGET_S = 1.5
SLOW_BUDGET_S = 60
"""So long after its start a slow shard still looks again: its slots must not be taken for lost."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A claimed monitor, as the probes need it."""

    id: int
    slot: int
    type: MonitorType
    spec: Spec
    span_s: int
    heard: Signals
    created_at: int
    last_status: Status
    seen_at: int | None
    needed: Needed = AT_ONCE
    retries: int = 0
    retry_delay_ms: int = 0
    known: Mapping[str, str] = field(default_factory=dict, repr=False)


def run_shard(claims: Sequence[tuple[int, int]], *, slow: bool) -> int:
    """Probe claimed monitors and record what was seen. Safe to run twice: a slot that has its sample is left alone.

    `claims`: `(monitor id, slot)`. Returns how many samples were recorded.
    """
    due, broken = _load(dict(claims))
    recorded = _store([(item, reading_, 0) for item, reading_ in broken])
    started = time.time()
    outside = [item for item in due if item.type in probes.PROBES]
    together = [item for item in due if item.type is MonitorType.GROUP]
    here = [item for item in due if item.type not in probes.PROBES and item.type is not MonitorType.GROUP]
    recorded += _store_groups(together)
    recorded += _store(
        [(item, seen, _late_ms(item, started)) for item in here if (seen := _look_here(item)) is not None], drop=here
    )
    return recorded + _look_outside(outside, slow=slow, started=started)


def _look_outside(due: Sequence[_Due], *, slow: bool, started: float) -> int:
    """Ask the outside world, everything at once. In the slow lane what has answered is stored every few seconds."""
    by_id = {item.id: item for item in due}
    targets: dict[MonitorType, list[probes.Target]] = {}
    for item in due:
        targets.setdefault(item.type, []).append(probes.Target(item.id, item.spec))
    recorded, unfinished, doubted = 0, [], list[Repeat[_Due]]()
    batch: list[tuple[_Due, Reading, int]] = []
    begun = stored_at = time.monotonic()
    for target_id, seen in probes.look_at_all(targets, budget_s=None if slow else FAST_BUDGET_S):
        item = by_id[target_id]
        if seen is None:
            unfinished.append(item)
            continue
        if retrying.is_worth(item.retries, seen):
            doubted.append(_repeat(item, seen))
            continue
        timed_out = seen.timed_out
        batch.append((item, _paced(seen, slow=slow), _late_ms(item, started)))
        # The next answer of a slow lane may be a time-out away: what did answer is not kept waiting for it.
        if (slow and not timed_out) or time.monotonic() - stored_at > 0.5:
            recorded += _store(batch)
            batch, stored_at = [], time.monotonic()
    recorded += _store(batch)
    until = begun + (SLOW_BUDGET_S if slow else FAST_BUDGET_S)
    if not slow:
        unfinished += [one.item for one in doubted if time.monotonic() + one.takes_s >= until]
        doubted = [one for one in doubted if time.monotonic() + one.takes_s < until]
    batch = []
    for item, seen in retrying.again(doubted, until=until):
        batch.append((item, _paced(seen, slow=slow), _late_ms(item, started)))
        if slow:
            recorded += _store(batch)
            batch = []
    recorded += _store(batch)
    if unfinished:
        jobs.enqueue_shard([(item.id, item.slot) for item in unfinished], slow=True, timeout_s=SLOW_TIMEOUT_S)
    return recorded


def _repeat(item: _Due, seen: Reading) -> Repeat[_Due]:
    delay_s = item.retry_delay_ms / 1000
    due = time.monotonic() + delay_s
    return Repeat(item, item.type, item.spec, item.retries, delay_s, last=seen, first=seen.error, due=due)


def _paced(seen: Reading, *, slow: bool) -> Reading:
    """What answers too slowly for the fast lane stays in the slow one."""
    if slow and not seen.timed_out:
        return replace(seen, timed_out=(seen.latency_ms or 0) > FAST_BUDGET_S * 1000)
    return seen


def _late_ms(item: _Due, started: float) -> int:
    """How late a slot is checked. After weeks of a stop, or a leap of the clock, more than its column holds."""
    return max(0, min(int((started - item.slot) * 1000), 2**31 - 1))


def _load(slots: dict[int, int]) -> tuple[list[_Due], list[tuple[_Due, Reading]]]:
    """Read the claimed monitors and end the read transaction. A damaged row is NO_DATA with a reason and disables only itself."""
    session = reading()
    query = select(
        Monitor.id,
        Monitor.monitor_type,
        cast(Monitor.type_data, Text).label("settings"),
        Monitor.interval_seconds,
        Monitor.cron,
        Monitor.created_at,
        Monitor.failure_confirmations,
        Monitor.recovery_confirmations,
        Monitor.retries,
        Monitor.retry_delay_ms,
        MonitorState.beat_at,
        MonitorState.run_started_ms,
        MonitorState.fail_at,
        MonitorState.fail_code,
        MonitorState.status_code,
        MonitorState.at,
        MonitorState.slot,
    ).join(MonitorState, MonitorState.monitor_id == Monitor.id)
    rows = session.execute(query.where(Monitor.id.in_(sorted(slots)), Monitor.is_active.is_(True))).all()
    named = {name for row in rows if "$" in (row.settings or "") for name in secret_rules.names_in(row.settings)}
    due, broken = [], []
    values, problem = _secrets(session, named)
    for row in rows:
        if row.slot != slots[row.id]:
            continue
        span_s, flaw = Schedule(interval_s=row.interval_seconds, cron=row.cron).usable_span_after(row.slot)
        item = _Due(
            id=row.id,
            slot=row.slot,
            type=row.monitor_type,
            spec=NoneSpec(),
            span_s=span_s,
            heard=Signals(row.beat_at, row.run_started_ms, row.fail_at, row.fail_code),
            created_at=int(row.created_at.timestamp()),
            last_status=from_code(row.status_code),
            seen_at=row.at,
            needed=_needed(row.failure_confirmations, row.recovery_confirmations),
            retries=row.retries,
            retry_delay_ms=row.retry_delay_ms,
        )
        if flaw:
            broken.append((item, cannot_run(f"The schedule of this monitor cannot be used: {flaw}")))
            continue
        mine = secret_rules.names_in(row.settings) if named and "$" in (row.settings or "") else set()
        if mine and problem:
            broken.append((item, cannot_run(problem)))
            continue
        try:
            if mine & values.keys():
                known = {name: values[name] for name in mine & values.keys()}
                due.append(replace(item, spec=_spec_with(row.monitor_type, row.settings, known), known=known))
            else:
                due.append(replace(item, spec=_spec(row.monitor_type, row.settings)))
        except (ValidationError, ValueError, TypeError) as error:
            log.error("monitor %s has settings that cannot be used: %s", row.id, error)
            broken.append((item, cannot_run(f"The settings of this monitor cannot be used: {_first_mistake(error)}")))
    session.rollback()
    return due, broken


def _needed(failure: int, recovery: int) -> Needed:
    return AT_ONCE if failure <= 1 and recovery <= 1 else Needed(failure, recovery)


def _secrets(session: Session, names: set[str]) -> tuple[dict[str, str], str | None]:
    """The values of these names, and why there are none: the secret key has changed."""
    try:
        return secrets.values(session, names), None
    except Refused as refused:
        return {}, refused.errors.get("", "A secret cannot be opened.")


def _spec_with(kind: MonitorType, settings: str, known: Mapping[str, str]) -> Spec:
    """Settings with the values of secrets in them. What is wrong with a value is said without it."""
    try:
        return parse_spec(kind, secret_rules.put_in(_opened(kind, settings), known))
    except ValidationError as error:
        raise ValueError(secrets.hidden(_first_mistake(error), known)) from None


@lru_cache(maxsize=20_000)
def _spec(kind: MonitorType, settings: str) -> Spec:
    """Settings as they stand in the row, validated once and not with every check."""
    return parse_spec(kind, _opened(kind, settings))


def _opened(kind: MonitorType, settings: str) -> Any:
    """Stored settings as values, their envelopes opened. Raises ValueError when one cannot be opened any more."""
    try:
        return vault.open_settings(kind, json.loads(settings))
    except Refused as refused:
        raise ValueError(refused.errors.get("", "A secret cannot be opened.")) from None


def _first_mistake(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)


def _look_here(item: _Due) -> Reading | None:
    """Types that are judged from what we know already. None: there is nothing to record."""
    match item.spec:
        case HeartbeatSpec() as spec:
            return heartbeats.judge(spec, item.heard, at=item.slot)
        case NoneSpec(overrideWithLastKnownStatus=True) if item.last_status is not Status.NO_DATA:
            return Reading(item.last_status)
    return None


def _store(seen: Sequence[tuple[_Due, Reading, int]], *, drop: Sequence[_Due] = ()) -> int:
    """Record a batch and give the slots back, in one transaction; then what follows the commit."""
    if not seen and not drop:
        return 0
    judged = connectivity.excused([found for _, found, _ in seen])
    seen = [(item, found, late_ms) for (item, _, late_ms), found in zip(seen, judged, strict=True)]
    effects = again(lambda: _record(seen, drop))
    _follow(effects)
    return effects.recorded


def _record(seen: Sequence[tuple[_Due, Reading, int]], drop: Sequence[_Due]) -> Effects:
    items = {item.id: item for item, _, _ in seen} | {item.id: item for item in drop}
    with transaction() as session:
        states = recording.lock(session, items)
        mine = {i for i, state in states.items() if state.slot == items[i].slot}
        samples = [
            Observed(
                monitor_id=item.id,
                at=item.slot,
                status=found.status,
                span_s=item.span_s,
                latency_ms=found.latency_ms,
                error=found.error and secrets.hidden(found.error, item.known),
                timed_out=found.timed_out,
                lateness_ms=late_ms,
                needed=item.needed,
            )
            for item, found, late_ms in seen
            if item.id in mine
        ]
        effects = recording.record(session, samples, states)
        _give_back(session, mine)
    return effects


def _store_groups(due: Sequence[_Due]) -> int:
    """Groups need nobody but the database: they are judged and recorded in one transaction."""
    if not due:
        return 0
    effects = again(lambda: _record_groups({item.id: item.slot for item in due}))
    _follow(effects)
    return effects.recorded


def _record_groups(slots: Mapping[int, int]) -> Effects:
    with transaction() as session:
        states = recording.lock_groups(session, slots.keys())
        mine = {i: slot for i, slot in slots.items() if i in states and states[i].slot == slot}
        effects = recording.record_groups(session, mine, states)
        _give_back(session, mine)
    return effects


def _give_back(session: Session, ids: Collection[int]) -> None:
    """The slots of these monitors are done."""
    session.execute(
        update(MonitorState).where(MonitorState.monitor_id.in_(sorted(ids))).values(slot=None, claimed_at=None)
    )


def _follow(effects: Effects) -> None:
    jobs.enqueue_deliveries(effects.delivery_ids)
    if effects.changed:
        live.publish()


def test_now(kind: MonitorType, settings: dict[str, Any], *, tag: str | None = None) -> Reading:
    """One look with settings that need not be saved, at the same deadline as any; nothing is stored.

    `settings` are checked ones; where `KEPT` stands in them, what the monitor of this tag has is used. Raises Refused for types that do not
    reach out, and where a secret cannot be used.
    """
    if kind not in probes.PROBES:
        raise Refused({"": "A monitor of this type waits to be told; there is nothing to test."})
    spec, known = _ready(kind, settings, tag)
    for _, seen in probes.PROBES[kind].probe([probes.Target(0, spec)], budget_s=None):
        if seen is not None:
            return _without_secrets(seen, known)
    return cannot_run("The check ended without an answer.")


def _ready(kind: MonitorType, settings: dict[str, Any], tag: str | None) -> tuple[Spec, Mapping[str, str]]:
    """Settings as a check would have them, and the values of secrets in them. No transaction stays open."""
    session = reading()
    try:
        query = select(Monitor.type_data).where(Monitor.tag == tag, Monitor.monitor_type == kind)
        stored = session.scalar(query) if tag and KEPT in settings.values() else None
        whole = vault.open_settings(kind, vault.close_settings(kind, settings, stored=stored))
        known = secrets.values(session, secret_rules.names_in(whole))
    finally:
        session.rollback()
    try:
        return parse_spec(kind, secret_rules.put_in(whole, known)), known
    except ValidationError as error:
        raise Refused({"": secrets.hidden(_first_mistake(error), known)}) from None


def _without_secrets(seen: Reading, known: Mapping[str, str]) -> Reading:
    if not known:
        return seen
    lines = tuple(
        replace(
            one,
            expected=secrets.hidden(one.expected, known),
            observed=one.observed and secrets.hidden(one.observed, known),
        )
        for one in seen.lines
    )
    return replace(
        seen,
        error=seen.error and secrets.hidden(seen.error, known),
        answer=seen.answer and secrets.hidden(seen.answer, known),
        lines=lines,
    )
