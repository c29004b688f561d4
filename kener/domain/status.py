"""The five statuses of a monitor, their order and the words for them."""

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """What a monitor was seen to be, or what is shown for it."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    MAINTENANCE = "MAINTENANCE"
    NO_DATA = "NO_DATA"

    @property
    def code(self) -> int:
        """The small integer that stands for this status in the sample tables."""
        return _CODES[self]

    @property
    def word(self) -> str:
        """What visitors read."""
        return _WORDS[self]


_CODES = {Status.NO_DATA: 0, Status.UP: 1, Status.DEGRADED: 2, Status.DOWN: 3, Status.MAINTENANCE: 4}
_STATUSES = {code: status for status, code in _CODES.items()}
_WORDS = {
    Status.UP: "Operational",
    Status.DEGRADED: "Degraded",
    Status.DOWN: "Down",
    Status.MAINTENANCE: "Maintenance",
    Status.NO_DATA: "Not monitored",
}
# Worst first; NO_DATA says nothing, so it loses to everything that was seen.
_WORST_FIRST = (Status.DOWN, Status.DEGRADED, Status.MAINTENANCE, Status.UP, Status.NO_DATA)


def from_code(code: int) -> Status:
    """The status behind a stored integer; one that stands for none says nothing."""
    return _STATUSES.get(code, Status.NO_DATA)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several statuses: DOWN > DEGRADED > MAINTENANCE > UP > NO_DATA; NO_DATA for none."""
    seen = set(statuses)
    return next((status for status in _WORST_FIRST if status in seen), Status.NO_DATA)
