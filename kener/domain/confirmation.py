"""Confirmation: a change between UP and not UP is believed when so many looks in a row agree. One sample in, a frozen decision out.

The newest status that was believed is the anchor. A sample on its side is believed at once, whatever it says exactly. One on the other
side is held: it is stored with the anchor's status until enough of them agree, and then all of them are believed as they were seen. One
on the anchor's side before that withdraws them. NO_DATA says nothing: it neither confirms nor withdraws. A gap without samples ends what
was known, and so the first sample after it is believed at once.
"""

from dataclasses import dataclass
from enum import StrEnum

from kener.domain.status import Status

MAX_CONFIRMATIONS = 60


@dataclass(frozen=True, slots=True)
class Needed:
    """How many looks in a row must agree before a failure, or a recovery, is believed. 1: the first one is."""

    failure: int = 1
    recovery: int = 1

    def of(self, status: Status) -> int:
        """How many it takes to believe this one against the anchor."""
        return self.recovery if status is Status.UP else self.failure


AT_ONCE = Needed()
"""Confirmation is off."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of a monitor. `anchor` is NO_DATA when nothing is.

    `held` looks in a row, the newest of which said `raw`, wait for confirmation since `held_since` (seconds since 1970).
    """

    anchor: Status = Status.NO_DATA
    raw: Status | None = None
    held: int = 0
    held_since: int | None = None


class Outcome(StrEnum):
    """What becomes of a sample, and of those that were held before it."""

    COMMIT = "commit"
    HOLD = "hold"
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one sample.

    `status` is what is stored for it, `raw` what it said where that differs. CONFIRM and WITHDRAW settle what was held before it: with
    CONFIRM those samples get the status that they were seen with, with WITHDRAW they keep the one that they have.
    """

    outcome: Outcome
    status: Status
    belief: Belief
    raw: Status | None = None

    @property
    def settles(self) -> bool:
        return self.outcome in (Outcome.CONFIRM, Outcome.WITHDRAW)


def decide(needed: Needed, belief: Belief, seen: Status, *, at: int, after_gap: bool = False) -> Decision:
    """Judge one sample of `at` (seconds since 1970). `after_gap`: no sample for more than three intervals before it."""
    if after_gap:
        outcome = Outcome.WITHDRAW if belief.held else Outcome.COMMIT
        return Decision(outcome, seen, Belief(anchor=seen))
    if seen is Status.NO_DATA:
        return Decision(Outcome.COMMIT, seen, belief)
    if belief.anchor is Status.NO_DATA or _same_side(belief.anchor, seen):
        outcome = Outcome.WITHDRAW if belief.held else Outcome.COMMIT
        return Decision(outcome, seen, Belief(anchor=seen))
    run = belief.held + 1
    if run >= needed.of(seen):
        return Decision(Outcome.CONFIRM if belief.held else Outcome.COMMIT, seen, Belief(anchor=seen))
    since = belief.held_since if belief.held_since is not None else at
    return Decision(Outcome.HOLD, belief.anchor, Belief(belief.anchor, seen, run, since), raw=seen)


def _same_side(one: Status, other: Status) -> bool:
    return (one is Status.UP) is (other is Status.UP)
