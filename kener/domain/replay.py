"""The replay of stored samples under a rule, decided by the code that runs live. Contract: incident automation, X1.

What is replayed are the samples, the maintenance windows and the parents as they are stored now, from a state in which nothing was counted.
What people did meanwhile (pauses, acts on an incident, changes of the rule) is not.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from kener.domain.alerting import (
    GAP_INTERVALS,
    AlertType,
    Count,
    Observation,
    Outcome,
    Parent,
    Rule,
    Verdict,
    decide,
    judge,
    unseen_since,
)
from kener.domain.running_uptime import HOUR, ExactUptime, Hour, HourlyUptime
from kener.domain.status import Status
from kener.domain.uptime import Point, Seconds


@dataclass(frozen=True, slots=True)
class Side:
    """A rule, the tags of the monitors it watches, and how many triggers it tells.

    `reopen_minutes` and `group_minutes` say when an incident goes on (R4) or is shared (X4); alerts of `hidden` monitors share theirs
    with no others.
    """

    rule: Rule
    monitors: tuple[str, ...]
    triggers: int = 0
    reopen_minutes: int | None = None
    group_minutes: int | None = None
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What to replay: `[start, end)` in seconds since 1970, `start` on a whole hour."""

    start: int
    end: int
    draft: Side
    current: Side | None = None

    @property
    def monitors(self) -> tuple[str, ...]:
        """Every monitor that one of the rules watches, once."""
        return tuple(dict.fromkeys(self.draft.monitors + (self.current.monitors if self.current else ())))


@dataclass(frozen=True, slots=True)
class Upstream:
    """What is stored of a monitor that another one depends on: its looks in time order, DOWN where they said so, believed or not."""

    tag: str
    name: str
    looks: Sequence[Point]


@dataclass(frozen=True, slots=True)
class History:
    """What is stored of one monitor.

    `points` are samples in time order; those before the start of the order are its lead: they fill windows of an hour and say what came
    before. `windows` are maintenance windows, half-open. `hours` are roll-ups before the start, for the longer windows of UPTIME rules.
    `parents` are those that it depends on now.
    """

    monitor: str
    points: Sequence[Point]
    windows: Sequence[tuple[int, int]] = ()
    hours: Sequence[Hour] = ()
    parents: Sequence[Upstream] = ()


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert. `end` is None where it was still active at the end; `failing_since` is the first sample that counted towards it."""

    monitor: str
    start: int
    end: int | None
    failing_since: int

    def length_s(self, end: int) -> int:
        """How long it lasted, or has lasted until `end`."""
        return (end if self.end is None else self.end) - self.start


@dataclass(frozen=True, slots=True)
class Walk:
    """A rule on one monitor. `longest_run`: failing evaluations in a row that triggered nothing, or the most that did."""

    episodes: tuple[Episode, ...] = ()
    longest_run: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One monitor's share: the draft, the current rule, and the draft with other thresholds, for advice."""

    samples: int
    draft: Walk
    current: Walk
    others: tuple[Walk, ...]


def replay(order: Order, history: History) -> Part:
    """Replay one monitor under every rule that watches it."""
    judged: dict[tuple[AlertType, str, str], _Judged] = {}

    def walk(rule: Rule) -> Walk:
        key = rule.alert_for, rule.alert_value, rule.uptime_window
        if key not in judged:
            judged[key] = _judge_all(rule, order, history)
        return _walk(rule, judged[key], history.monitor)

    draft = walk(order.draft.rule) if history.monitor in order.draft.monitors else Walk()
    other = order.current if order.current and history.monitor in order.current.monitors else None
    # Higher thresholds make nothing of a monitor of which lower ones made nothing.
    others = tuple(walk(rule) if draft.episodes else Walk() for rule in alternatives(order.draft.rule))
    samples = sum(1 for point in history.points if order.start <= point.at < order.end)
    return Part(samples, draft, walk(other.rule) if other else Walk(), others)


_SUCCESSES = (5, 10, 15, 30, 60)
_FAILURES = (3, 5, 10, 15)


def alternatives(rule: Rule) -> list[Rule]:
    """The same rule with more patience: higher success thresholds, then higher failure thresholds."""
    successes = islice((number for number in _SUCCESSES if number > rule.success_threshold), 3)
    failures = islice((number for number in _FAILURES if number > rule.failure_threshold), 2)
    return [replace(rule, success_threshold=number) for number in successes] + [
        replace(rule, failure_threshold=number) for number in failures
    ]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What each sample says, as an index into `kinds`: observations that differ in nothing that a decision looks at are one kind."""

    said: list[tuple[int, int]]
    kinds: list[Observation]


def _judge_all(rule: Rule, order: Order, history: History) -> _Judged:
    kinds: dict[tuple[Verdict, bool, bool, tuple[Parent, ...]], int] = {}
    firsts: list[Observation] = []
    verdicts: dict[object, Verdict] = {}
    said = []
    for seen in observations(rule, history, start=order.start, end=order.end):
        if rule.alert_for is AlertType.UPTIME:
            verdict = judge(rule, seen)
        else:
            looked_at = seen.status, seen.latency_ms
            verdict = verdicts.get(looked_at) or verdicts.setdefault(looked_at, judge(rule, seen))
        key = verdict, seen.after_gap, seen.in_maintenance, seen.parents if verdict is Verdict.FAIL else ()
        kind = kinds.get(key)
        if kind is None:
            kind = kinds[key] = len(firsts)
            firsts.append(seen)
        said.append((seen.at, kind))
    return _Judged(said, firsts)


def observations(rule: Rule, history: History, *, start: int, end: int) -> Iterator[Observation]:
    """The samples of `[start, end)` as they were evaluated when they came; `start` is on a whole hour where the rule is about uptime."""
    inside = _Windows(history.windows)
    uptime, above = _window_of(rule, history), _Above(history)
    previous: Point | None = None
    for point in history.points:
        if point.at >= end:
            return
        seconds, samples = Seconds(), 0
        match uptime:
            case ExactUptime():
                seconds, samples = uptime.add(point, previous)
            case HourlyUptime() if point.at >= start:
                seconds, samples = uptime.add(point, previous, since=start)
        if point.at >= start:
            yield Observation(
                point.at,
                point.status,
                point.latency_ms,
                previous.at if previous else None,
                previous.span_s if previous else 0,
                seconds,
                samples,
                inside.cover(point.at),
                above.at(point.at) if history.parents else (),
            )
        previous = point


def _window_of(rule: Rule, history: History) -> ExactUptime | HourlyUptime | None:
    if rule.alert_for is not AlertType.UPTIME:
        return None
    return ExactUptime(HOUR) if rule.uptime_window_s <= HOUR else HourlyUptime(rule.uptime_window_s, history.hours)


class _Windows:
    """Whether a moment lies in one of several half-open windows; they may overlap."""

    def __init__(self, windows: Iterable[tuple[int, int]]) -> None:
        self._edges: list[int] = []
        for start, end in sorted(windows):
            if self._edges and start <= self._edges[-1]:
                self._edges[-1] = max(end, self._edges[-1])
            elif start < end:
                self._edges += [start, end]

    def cover(self, at: int) -> bool:
        return bisect_right(self._edges, at) % 2 == 1


class _Above:
    """What was known of a monitor's parents at each of its checks."""

    def __init__(self, history: History) -> None:
        self._checks = [point.at for point in history.points] if history.parents else []
        self._parents = [(parent, [look.at for look in parent.looks]) for parent in history.parents]

    def at(self, moment: int) -> tuple[Parent, ...]:
        return tuple(self._known(parent, moments, moment) for parent, moments in self._parents)

    def _known(self, parent: Upstream, moments: Sequence[int], moment: int) -> Parent:
        place = bisect_right(moments, moment) - 1
        look = parent.looks[place] if place >= 0 else Point(0, Status.NO_DATA, 0)
        is_fresh = moment - look.at <= GAP_INTERVALS * max(look.span_s, 1)
        since = unseen_since(look.at, look.span_s, moment)
        unseen = bisect_right(self._checks, moment) - bisect_right(self._checks, since)
        return Parent(parent.tag, parent.name, is_fresh and look.status is Status.DOWN, unseen)


class _State:
    """How far a rule has counted, and what follows on each kind of observation: decided once, by the code that runs live."""

    __slots__ = ("active", "count", "then")

    def __init__(self, count: Count, active: bool) -> None:
        self.count, self.active = count, active
        self.then: dict[int, tuple[_State, Outcome, bool]] = {}


def _walk(rule: Rule, judged: _Judged, monitor: str) -> Walk:
    states: dict[tuple[Count, bool], _State] = {}
    kinds = judged.kinds
    patience = max((parent.unseen for kind in kinds for parent in kind.parents), default=0)

    def state_of(count: Count, active: bool) -> _State:
        return states.get((count, active)) or states.setdefault((count, active), _State(count, active))

    def follow(state: _State, kind: int) -> tuple[_State, Outcome, bool]:
        decision = decide(rule, state.count, kinds[kind], active=state.active)
        active = decision.outcome is Outcome.TRIGGER or (state.active and decision.outcome is not Outcome.RESOLVE)
        counted = decision.verdict is Verdict.FAIL and decision.outcome is not Outcome.SUPPRESS
        begins = counted and decision.count.failing == 1
        count = decision.count
        # How often it has failed since decides nothing any more, and would make every sample of a long outage a new state.
        enough = rule.failure_threshold if active else max(rule.failure_threshold, patience + 1)
        count = replace(count, failing=min(count.failing, enough))
        found = state.then[kind] = state_of(count, active), decision.outcome, begins
        return found

    state, failing_since = state_of(Count(), False), 0
    episodes: list[Episode] = []
    for at, kind in judged.said:
        state, outcome, begins = state.then.get(kind) or follow(state, kind)
        if begins:
            failing_since = at
        if outcome is Outcome.TRIGGER:
            episodes.append(Episode(monitor, at, None, failing_since))
        elif outcome is Outcome.RESOLVE:
            episodes[-1] = replace(episodes[-1], end=at)
    return Walk(tuple(episodes), max(count.failing for count, _ in states))
