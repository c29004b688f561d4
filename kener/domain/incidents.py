"""What an incident's updates amount to. Contract: incident automation, L, R, O6."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class IncidentState(StrEnum):
    INVESTIGATING = "INVESTIGATING"
    IDENTIFIED = "IDENTIFIED"
    MONITORING = "MONITORING"
    RESOLVED = "RESOLVED"

    @property
    def word(self) -> str:
        """What visitors read."""
        return self.value.capitalize()

    @property
    def stage(self) -> int:
        """1 to 4: how far the incident has come."""
        return list(IncidentState).index(self) + 1


class Source(StrEnum):
    """Who opened an incident."""

    ALERT = "ALERT"
    DASHBOARD = "DASHBOARD"
    API = "API"


@dataclass(frozen=True, slots=True)
class Story:
    """The state after all updates; `end_at` is None while the incident is open."""

    state: IncidentState
    end_at: datetime | None


def outcome(updates: Sequence[tuple[IncidentState, datetime]], stories: Sequence[int | None] = ()) -> Story:
    """State and end of an incident from its updates in time order (O6).

    The end is the first RESOLVED after the last other state, so that a later RESOLVED entry, for instance a post-mortem, does not
    move it (R5). `stories` says of each update with which merged incident it came (X4): then the last of their ends counts.
    """
    if not updates:
        return Story(IncidentState.INVESTIGATING, None)
    ends: dict[int | None, datetime] = {}
    for (state, at), story in zip(updates, stories or [None] * len(updates), strict=True):
        if state is not IncidentState.RESOLVED:
            ends.clear()
        else:
            ends.setdefault(story, at)
    return Story(updates[-1][0], max(ends.values(), default=None))


def impact_end(own: datetime | None, *, before: datetime | None, now: datetime | None) -> datetime | None:
    """When the impact on one monitor ended: with its incident, or earlier, when its own alert was over while others went on (X4).

    `before` and `now`: the end of the incident until a moment ago, and as it is told now.
    """
    if now is None:
        return own if before is None else None
    return now if own is None or own == before else min(own, now)


def goes_on(ended_at: datetime, at: datetime, minutes: int) -> bool:
    """Whether what ended is so fresh at another trigger that it goes on (R4)."""
    return at - ended_at < timedelta(minutes=minutes)


def reopenings(updates: Sequence[tuple[int | None, IncidentState]]) -> list[bool]:
    """Which updates, in time order, opened the incident again: those after a resolution of the same story.

    A merged incident brings a story of its own, told by its number; the end of one does not make the other re-opened.
    """
    found, before = [], dict[int | None, IncidentState]()
    for story, state in updates:
        found.append(before.get(story) is IncidentState.RESOLVED and state is not IncidentState.RESOLVED)
        before[story] = state
    return found


def is_shared(started_at: datetime, at: datetime, minutes: int) -> bool:
    """Whether an incident and another trigger are so close together that they are one trouble (X4)."""
    return abs(at - started_at) <= timedelta(minutes=minutes)


def state_before_resolution(updates: Sequence[tuple[IncidentState, datetime]]) -> IncidentState:
    """The last state that was not RESOLVED: what a re-opened incident returns to (O3)."""
    open_states = [state for state, _ in updates if state is not IncidentState.RESOLVED]
    return open_states[-1] if open_states else IncidentState.INVESTIGATING
