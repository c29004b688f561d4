"""The status of a group: what its members are seen to be in, one status with its reason out."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from kener.domain.status import Status, worst


class Strategy(StrEnum):
    """How the statuses of members become one."""

    WEIGHTED = "WEIGHTED"
    WORST = "WORST"
    BEST = "BEST"
    QUORUM = "QUORUM"
    PERCENT = "PERCENT"


class InMaintenance(StrEnum):
    """What a member says that is in a maintenance window."""

    IGNORED = "IGNORED"
    UP = "UP"
    OBSERVED = "OBSERVED"


class WithoutData(StrEnum):
    """What a member says of which nothing is known."""

    IGNORED = "IGNORED"
    DOWN = "DOWN"


class Latency(StrEnum):
    """Which of the members' latencies is the group's."""

    AVG = "AVG"
    MAX = "MAX"
    MIN = "MIN"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a group judges. `degraded_below` and `down_below` in percent, with at most two decimals."""

    strategy: Strategy = Strategy.WEIGHTED
    quorum: int = 1
    degraded_below: float = 100.0
    down_below: float = 0.0
    maintenance: InMaintenance = InMaintenance.IGNORED
    no_data: WithoutData = WithoutData.IGNORED
    latency: Latency = Latency.AVG


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it is known now. One that is paused is no part of the score; one that `is_hidden` is counted and not named."""

    name: str
    status: Status
    weight: float = 1.0
    latency_ms: int | None = None
    in_maintenance: bool = False
    is_paused: bool = False
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a group is. `reason` says why it is not UP, or with what members it is."""

    status: Status
    reason: str
    latency_ms: int | None = None


def status_of(rule: Rule, members: Sequence[Member]) -> Outcome:
    """The status of a group. Nothing that counts says NO_DATA, never DOWN."""
    heard = [(member, status) for member in members if (status := counts_as(rule, member)) is not None]
    if not heard:
        return Outcome(Status.NO_DATA, _silence(members))
    status = _judge(rule, heard)
    return Outcome(status, _reason(rule, heard), _latency(rule.latency, heard))


def counts_as(rule: Rule, member: Member) -> Status | None:
    """The status with which a member counts, or None: it does not."""
    if member.is_paused or (rule.strategy is Strategy.WEIGHTED and not thousandths(member.weight)):
        return None
    if member.in_maintenance or member.status is Status.MAINTENANCE:
        match rule.maintenance:
            case InMaintenance.IGNORED:
                return None
            case InMaintenance.UP:
                return Status.UP
    match member.status:
        case Status.NO_DATA:
            return Status.DOWN if rule.no_data is WithoutData.DOWN else None
        case Status.MAINTENANCE:
            return Status.UP
    return member.status


Heard = Sequence[tuple[Member, Status]]


def _judge(rule: Rule, heard: Heard) -> Status:
    statuses = [status for _, status in heard]
    up, degraded = statuses.count(Status.UP), statuses.count(Status.DEGRADED)
    match rule.strategy:
        case Strategy.WORST:
            return worst(statuses)
        case Strategy.BEST:
            return Status.UP if up else Status.DEGRADED if degraded else Status.DOWN
        case Strategy.QUORUM:
            # Where fewer count than are needed, all of them must be up.
            needed = min(rule.quorum, len(heard))
            return Status.UP if up >= needed else Status.DEGRADED if up + degraded >= needed else Status.DOWN
        case Strategy.PERCENT:
            return _by_limits(rule, answering=2 * (up + degraded), well=2 * up, whole=2 * len(heard))
        case Strategy.WEIGHTED:
            score = sum(_POINTS[status] * thousandths(member.weight) for member, status in heard)
            whole = sum(2 * thousandths(member.weight) for member, _ in heard)
            return _by_limits(rule, answering=score, well=score, whole=whole)


_POINTS = {Status.UP: 2, Status.DEGRADED: 1, Status.DOWN: 0}
"""Half points, so that shares are whole numbers and no sum of fractions misses 100 percent."""


def _by_limits(rule: Rule, *, answering: int, well: int, whole: int) -> Status:
    """What still answers keeps a group from being DOWN; what works well keeps it UP."""
    if answering == 0 or 10_000 * answering < _hundredths(rule.down_below) * whole:
        return Status.DOWN
    return Status.DEGRADED if 10_000 * well < _hundredths(rule.degraded_below) * whole else Status.UP


def thousandths(weight: float) -> int:
    """A weight as a whole number."""
    return round(weight * 1000)


def _hundredths(percent: float) -> int:
    return round(percent * 100)


def _latency(kind: Latency, heard: Heard) -> int | None:
    """Over the members that measured one."""
    measured = [member.latency_ms for member, _ in heard if member.latency_ms is not None]
    if not measured:
        return None
    match kind:
        case Latency.AVG:
            return round(sum(measured) / len(measured))
        case Latency.MAX:
            return max(measured)
        case Latency.MIN:
            return min(measured)


def _silence(members: Sequence[Member]) -> str:
    """Why nothing can be said."""
    if not members:
        return "The group has no members."
    if all(member.is_paused for member in members):
        return "Every member is paused."
    running = [member for member in members if not member.is_paused]
    if all(member.in_maintenance for member in running):
        return "Every member is in maintenance."
    if any(member.status is not Status.NO_DATA and not member.in_maintenance for member in running):
        return "No member that counts has data."
    return "No member has data."


_VERBS = {Status.DOWN: ("is DOWN", "are DOWN"), Status.DEGRADED: ("is DEGRADED", "are DEGRADED")}


def _reason(rule: Rule, heard: Heard) -> str:
    """How many of how many are not up, and which; at most 300 characters."""
    parts = []
    for status, (one, many) in _VERBS.items():
        found = [member for member, counted in heard if counted is status]
        if found:
            told = _named(found)
            said = f"{len(found)} of {len(heard)} {one if len(found) == 1 else many}{f': {told}' if told else ''}"
            parts.append(said if said.endswith("…") else f"{said}.")
    if not parts:
        return f"All {len(heard)} are UP." if len(heard) > 1 else "It is UP."
    return " ".join(parts)


def _named(members: Sequence[Member], *, most: int = 3) -> str:
    """Names of members that are not hidden; the others are a number."""
    names = [
        member.name if len(member.name) <= 40 else f"{member.name[:39].rstrip()}…"
        for member in members
        if not member.is_hidden
    ]
    names, rest = names[:most], len(members) - min(len(names), most)
    if not names:
        return ""
    return ", ".join(names) + (f" and {rest} more" if rest else "")


@dataclass(frozen=True, slots=True)
class Step:
    """What a group is while so many of its members are up and the others are down; `statuses` has two where it depends on which."""

    fewest: int
    most: int
    statuses: tuple[Status, ...]


def outlook(rule: Rule, weights: Sequence[float]) -> tuple[Step, ...]:
    """What becomes of a group of these members as they fail, from all up to all down; neighbours that say the same share a step."""
    light = sorted(weights)
    ways = [_bounds(rule, order) for order in (light, light[::-1])]
    steps = []
    for down in range(len(light) + 1):
        statuses = {
            Status.UP if down < up else Status.DEGRADED if down < degraded else Status.DOWN for up, degraded in ways
        }
        steps.append((len(light) - down, tuple(sorted(statuses, key=lambda status: status.code))))
    found = []
    for statuses, run in groupby(steps, key=lambda step: step[1]):
        numbers = [number for number, _ in run]
        found.append(Step(numbers[-1], numbers[0], statuses))
    return tuple(found)


def _bounds(rule: Rule, weights: Sequence[float]) -> tuple[int, int]:
    """With how many failed, in this order, a group is not UP any more, and with how many it is DOWN. It never gets better."""
    numbers = range(len(weights) + 1)

    def not_up(down: int) -> bool:
        return _if_down(rule, weights, down) is not Status.UP

    def is_down(down: int) -> bool:
        return _if_down(rule, weights, down) not in (Status.UP, Status.DEGRADED)

    return bisect_left(numbers, True, key=not_up), bisect_left(numbers, True, key=is_down)


def _if_down(rule: Rule, weights: Sequence[float], down: int) -> Status:
    members = [
        Member(str(number), Status.DOWN if number < down else Status.UP, weight)
        for number, weight in enumerate(weights)
    ]
    return status_of(rule, members).status


def in_words(steps: Sequence[Step]) -> str:
    """`With 4 or 5 of 5 up it is UP, with 1 to 3 DEGRADED, with none DOWN.`"""
    total = steps[0].most
    told: list[str] = []
    for step in steps:
        few, many = step.fewest, step.most
        number = f"{few} {'or' if many - few == 1 else 'to'} {many}" if few < many else f"{many}" if many else "none"
        what = " or ".join(status.value for status in step.statuses)
        which = ", depending on which" if len(step.statuses) > 1 else ""
        told.append(f"with {number} of {total} up it is {what}{which}" if not told else f"with {number} {what}{which}")
    sentence = ", ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}."


def cycle(start: str, leads_to: Mapping[str, Iterable[str]]) -> list[str] | None:
    """A way from a name back to itself, beginning and ending with it, or None. `leads_to`: what each name names."""
    seen: set[str] = set()
    ways: list[list[str]] = [[start]]
    while ways:
        way = ways.pop()
        for name in leads_to.get(way[-1], ()):
            if name == start:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
