"""Looking again at once: trouble is looked at again before it is told; all of a batch together, in rounds, until time is up."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kener import probes
from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, Spec
from kener.domain.status import Status

T = TypeVar("T")

TOGETHER_S = 0.05
"""What is due within so many seconds is looked at in one round."""


@dataclass(frozen=True, slots=True)
class Repeat(Generic[T]):
    """What is looked at again: `last` is what the newest of its `looks` saw, `first` what the first one said."""

    item: T
    type: MonitorType
    spec: Spec
    retries: int
    delay_s: float
    last: Reading
    first: str | None
    due: float
    looks: int = 1

    @property
    def takes_s(self) -> float:
        """About how long all of its repeats take, if each lasts as long as the one before."""
        return self.retries * (self.delay_s + (self.last.latency_ms or 0) / 1000)


def is_worth(retries: int, seen: Reading) -> bool:
    """Whether another look may tell more. A check that could not run says nothing about its target, so nothing is to be doubted."""
    return retries > 0 and seen.status in (Status.DOWN, Status.DEGRADED)


def again(waiting: Sequence[Repeat[T]], *, until: float) -> Iterator[tuple[T, Reading]]:
    """Look again until UP, or as often as was asked for, or until time (`time.monotonic()`) is up. Every item comes out once."""
    while waiting:
        now = time.monotonic()
        following = min(one.due for one in waiting)
        if following >= until:
            yield from ((one.item, _told(one)) for one in waiting)
            return
        if following > now:
            time.sleep(following - now)
        due = [one for one in waiting if one.due <= following + TOGETHER_S]
        waiting = [one for one in waiting if one.due > following + TOGETHER_S]
        for one in _round(due, until=until):
            if one.last.status is Status.UP or one.looks > one.retries or one.due >= until:
                yield one.item, _told(one)
            else:
                waiting.append(one)


def _round(due: Sequence[Repeat[T]], *, until: float) -> Iterator[Repeat[T]]:
    """One look at each. What does not end in time keeps what was seen before, and is not looked at again."""
    targets: dict[MonitorType, list[probes.Target]] = {}
    for number, one in enumerate(due):
        targets.setdefault(one.type, []).append(probes.Target(number, one.spec))
    left = until - time.monotonic()
    if left <= 0:
        yield from (replace(one, due=until) for one in due)
        return
    for number, seen in probes.look_at_all(targets, budget_s=left):
        one = due[number]
        if seen is None:
            yield replace(one, due=until)
        else:
            yield replace(one, last=seen, looks=one.looks + 1, due=time.monotonic() + one.delay_s)


def _told(one: Repeat[T]) -> Reading:
    """What was seen in the end, with how many looks it took."""
    if one.looks == 1:
        return one.last
    if one.last.status is Status.UP:
        before = f"; the first said: {one.first}" if one.first else ""
        return replace(one.last, error=f"UP on look {one.looks}{before}"[:500])
    return replace(one.last, error=f"{(one.last.error or 'The same every time')[:480]} ({one.looks} looks)")
