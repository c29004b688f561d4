"""What was observed, and what people have laid over it: which status each second shows and counts as. See docs/precedence.md.

From below: observed (what was written by hand is stored in place of it) < impact of an incident < maintenance < excluded. The highest
level that covers a second decides, inside a level the worst status. Everything is derived when it is read, so that changing or deleting
an overlay puts the past right.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from kener.domain.status import Status, worst
from kener.domain.uptime import Point

HOUR = 3_600

Stretch = tuple[int, int, Status]
Piece = tuple[int, int]
Tally = tuple[Status, int]


class Level(IntEnum):
    """What lies over what was observed; the higher one decides."""

    INCIDENT = 1
    MAINTENANCE = 2
    EXCLUDED = 3


@dataclass(frozen=True, slots=True)
class Overlay:
    """`[start, end)` in seconds since 1970 shows `status`. What is excluded shows NO_DATA: it counts as little as what was not measured."""

    start: int
    end: int
    level: Level
    status: Status

    @classmethod
    def excluded(cls, start: int, end: int) -> "Overlay":
        return cls(start, end, Level.EXCLUDED, Status.NO_DATA)


@dataclass(frozen=True, slots=True)
class Layer:
    """A stretch `[start, end)` over which one level decides."""

    start: int
    end: int
    level: Level
    status: Status


def decided(overlays: Iterable[Overlay]) -> tuple[Level, Status] | None:
    """What several overlays of the same moment come to: the highest level, in it the worst status. None for none."""
    found = list(overlays)
    if not found:
        return None
    top = max(overlay.level for overlay in found)
    return top, worst(overlay.status for overlay in found if overlay.level is top)


def shown(seen: Status, overlays: Iterable[Overlay], *, at: int) -> Status:
    """What visitors see at a moment."""
    decision = decided(overlay for overlay in overlays if overlay.start <= at < overlay.end)
    return decision[1] if decision else seen


def layers(overlays: Sequence[Overlay], *, start: int, end: int) -> list[Layer]:
    """What decides over `[start, end)`, oldest first; neighbours differ, between them what was observed shows."""
    inside = [one for one in overlays if max(one.start, start) < min(one.end, end)]
    if len(inside) == 1:
        [one] = inside
        return [Layer(max(one.start, start), min(one.end, end), one.level, one.status)]
    edges = sorted({min(max(edge, start), end) for one in inside for edge in (one.start, one.end)})
    starting = sorted(inside, key=lambda one: one.start)
    found: list[Layer] = []
    running: list[Overlay] = []
    following = 0
    for begin, finish in pairwise(edges):
        while following < len(starting) and starting[following].start <= begin:
            running.append(starting[following])
            following += 1
        running = [one for one in running if one.end > begin]
        decision = decided(running)
        if decision is None:
            continue
        last = found[-1] if found else None
        if last and last.end == begin and (last.level, last.status) == decision:
            found[-1] = Layer(last.start, finish, *decision)
        else:
            found.append(Layer(begin, finish, *decision))
    return found


def effective(stretches: Iterable[Stretch], over: Sequence[Layer]) -> list[Stretch]:
    """Observed stretches in time order with layers over them; what was not measured and lies under nothing is missing."""
    found = list(uncovered(stretches, over))
    found += [(layer.start, layer.end, layer.status) for layer in over]
    return sorted(found)


def uncovered(stretches: Iterable[Stretch], over: Sequence[Layer]) -> Iterator[Stretch]:
    """What of observed stretches, in time order, shows between the layers."""
    first = 0
    for begin, end, status in stretches:
        while first < len(over) and over[first].end <= begin:
            first += 1
        for layer in over[first:]:
            if layer.start >= end:
                break
            if layer.start > begin:
                yield begin, layer.start, status
            begin = max(begin, layer.end)
        if begin < end:
            yield begin, end, status


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a roll-up holds of the `length_s` seconds from `start` on: seconds by status, and its number of samples.

    The stretch of the newest sample of all is not in it; where that lies in the bucket, `length_s` ends there.
    """

    start: int
    length_s: int
    up_s: int
    degraded_s: int
    down_s: int
    samples: int = 0

    @property
    def by_status(self) -> tuple[Tally, ...]:
        """Worst first, as `guessed` takes it."""
        return (Status.DOWN, self.down_s), (Status.DEGRADED, self.degraded_s), (Status.UP, self.up_s)

    @property
    def all_through(self) -> Status | None:
        """The one status of every second of it; NO_DATA where nothing was measured; None where it was mixed."""
        measured = [(status, seconds) for status, seconds in self.by_status if seconds]
        if not measured:
            return Status.NO_DATA
        return measured[0][0] if len(measured) == 1 and measured[0][1] >= self.length_s else None


def told(bucket: Bucket, pieces: Sequence[Piece]) -> Sequence[Tally] | None:
    """What disjoint pieces of a bucket were, where it says so by itself: all of it, or the same all through."""
    seconds = _within(bucket, pieces)
    if seconds >= bucket.length_s:
        return bucket.by_status
    status = bucket.all_through
    return None if status is None else ((status, seconds),)


def counted(stretches: Iterable[Stretch], pieces: Sequence[Piece]) -> Sequence[Tally]:
    """What pieces were, by the stretches."""
    return [
        (status, min(end, high) - max(begin, low))
        for begin, end, status in stretches
        for low, high in pieces
        if max(begin, low) < min(end, high)
    ]


def guessed(bucket: Bucket, pieces: Sequence[Piece]) -> Sequence[Tally]:
    """What pieces were, where nobody knows any more: first the trouble of the bucket, then the rest."""
    found, seconds = [], _within(bucket, pieces)
    for status, held in bucket.by_status:
        found.append((status, min(held, seconds)))
        seconds -= min(held, seconds)
    return found


def _within(bucket: Bucket, pieces: Sequence[Piece]) -> int:
    end = bucket.start + bucket.length_s
    return sum(max(0, min(high, end) - max(low, bucket.start)) for low, high in pieces)


def rebuilt(bucket: Bucket, points: Sequence[Point]) -> list[Stretch] | None:
    """The stretches of a bucket from its samples; None where they are not all kept any more.

    What its samples do not stand for came from the sample before: that stretch begins with the bucket.
    """
    end = bucket.start + bucket.length_s
    if len(points) < bucket.samples:
        return None
    found = [
        (point.at, min(point.at + point.span_s, following, end), point.status)
        for point, following in zip(points, [*(point.at for point in points[1:]), end], strict=False)
    ]
    first = points[0].at if points else end
    carried = []
    for status, seconds in bucket.by_status:
        own = sum(finish - begin for begin, finish, seen in found if seen is status and finish > begin)
        if seconds > own:
            carried.append((bucket.start, bucket.start + seconds - own, status))
    if len(carried) > 1 or any(finish > first for _, finish, _ in carried):
        return None
    return [*carried, *(stretch for stretch in found if stretch[1] > stretch[0])]
