"""Which alerts of a replay would have opened an incident of their own, and which go on in one that is there already: R4, X4."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kener.domain.incidents import goes_on, is_shared
from kener.domain.replay import Episode, Side


@dataclass(slots=True)
class _Incident:
    """Open while one of its monitors is active."""

    start: int
    is_hidden: bool
    active: set[str] = field(default_factory=set)
    ended_at: int | None = None


def openings(side: Side, episodes: Iterable[Episode]) -> list[Episode]:
    """The alerts with which a new incident begins, in time order."""
    if not side.rule.create_incident:
        return []
    found: list[Episode] = []
    newest: dict[str, _Incident] = {}
    ended: dict[str, int] = {}
    open_ones: list[_Incident] = []
    for at, monitor, is_start, episode in _steps(episodes):
        if not is_start:
            ended[monitor] = at
            incident = newest[monitor]
            incident.active.discard(monitor)
            if not incident.active:
                incident.ended_at = at
                open_ones.remove(incident)
            continue
        is_hidden = monitor in side.hidden
        joined = _shared(side, open_ones, at, is_hidden) or _last(side, newest.get(monitor), ended.get(monitor), at)
        if joined is None:
            joined = _Incident(at, is_hidden)
            found.append(episode)
        if not joined.active:
            open_ones.append(joined)
        joined.active.add(monitor)
        joined.ended_at, newest[monitor] = None, joined
    return found


def _steps(episodes: Iterable[Episode]) -> list[tuple[int, str, bool, Episode]]:
    """Every beginning and every end, in time order."""
    known = list(episodes)
    starts = [(one.start, one.monitor, True, one) for one in known]
    ends = [(one.end, one.monitor, False, one) for one in known if one.end is not None]
    return sorted([*starts, *ends], key=lambda step: step[:3])


def _shared(side: Side, open_ones: Iterable[_Incident], at: int, is_hidden: bool) -> _Incident | None:
    """The newest open incident of other monitors that began a moment ago (X4)."""
    if side.group_minutes is None:
        return None
    near = [
        one
        for one in open_ones
        if one.is_hidden is is_hidden and is_shared(_instant(one.start), _instant(at), side.group_minutes)
    ]
    return max(near, key=lambda one: one.start, default=None)


def _last(side: Side, incident: _Incident | None, ended_at: int | None, at: int) -> _Incident | None:
    """The monitor's own last one, if that ended a moment ago (R4). It may have outlived the monitor's part in it."""
    if side.reopen_minutes is None or incident is None or ended_at is None:
        return None
    over = incident.ended_at if incident.ended_at is not None else ended_at
    return incident if goes_on(_instant(over), _instant(at), side.reopen_minutes) else None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
