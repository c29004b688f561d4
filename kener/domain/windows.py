"""What becomes of an occurrence of a maintenance as time goes on, and what subscribers are told about it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DEFAULT_REMINDERS = (24 * 60, 60)
READY_BEFORE = timedelta(hours=1)
"""How long before its start an occurrence is READY that reminds nobody."""


class WindowState(StrEnum):
    """SCHEDULED → READY (soon) → ONGOING → COMPLETED, or CANCELLED from any of the first three."""

    SCHEDULED = "SCHEDULED"
    READY = "READY"
    ONGOING = "ONGOING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"

    @property
    def is_over(self) -> bool:
        """Nothing becomes of it any more."""
        return self in (WindowState.COMPLETED, WindowState.CANCELLED)

    @property
    def word(self) -> str:
        """What visitors read."""
        return _WORDS[self]


_WORDS = {
    WindowState.SCHEDULED: "Planned",
    WindowState.READY: "Soon",
    WindowState.ONGOING: "In progress",
    WindowState.COMPLETED: "Finished",
    WindowState.CANCELLED: "Cancelled",
}


class NoticeKind(StrEnum):
    """What subscribers are told about an occurrence."""

    CREATED = "created"
    REMINDER = "reminder"
    STARTED = "started"
    ENDED = "ended"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"


DEFAULT_NOTICES = tuple(kind for kind in NoticeKind if kind is not NoticeKind.CREATED)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where an occurrence stands, what is to be told now (keys of notices), and when to look again."""

    state: WindowState
    due_at: datetime | None
    tell: tuple[str, ...] = ()


def turn(
    state: WindowState,
    start: datetime,
    end: datetime,
    *,
    reminders: Collection[int] = (),
    told: Collection[str] = (),
    now: datetime,
) -> Turn:
    """What becomes of an occurrence `[start, end)` at `now`, whatever was missed before.

    `reminders` are minutes before the start, `told` the keys of notices. Of reminders that are late, the last one is told and no other;
    an occurrence that went by unseen is COMPLETED without a word.
    """
    if state.is_over:
        return Turn(state, None)
    if now >= end:
        return Turn(WindowState.COMPLETED, None, (NoticeKind.ENDED,) if state is WindowState.ONGOING else ())
    if now >= start:
        return Turn(WindowState.ONGOING, end, () if state is WindowState.ONGOING else (NoticeKind.STARTED,))
    moments = {minutes: start - timedelta(minutes=minutes) for minutes in reminders}
    ready_at = min(moments.values(), default=start - READY_BEFORE)
    return Turn(
        WindowState.READY if now >= ready_at else WindowState.SCHEDULED,
        min(at for at in (*moments.values(), ready_at, start) if at > now),
        _reminder([minutes for minutes, at in moments.items() if at <= now], told),
    )


def _reminder(due: Collection[int], told: Collection[str]) -> tuple[str, ...]:
    latest = min(due, default=None)
    if latest is None or any(minutes <= latest for minutes in map(_minutes, told) if minutes is not None):
        return ()
    return (f"{NoticeKind.REMINDER}-{latest}",)


def _minutes(key: str) -> int | None:
    kind, _, number = key.partition("-")
    return int(number) if kind == NoticeKind.REMINDER and number.isdigit() else None


def kind_of(key: str) -> NoticeKind:
    """The kind of a notice by its key: `reminder-60` is a reminder."""
    return NoticeKind(key.partition("-")[0])
