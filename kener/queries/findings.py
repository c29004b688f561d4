"""What was measured, told in lines, each failing one with its mend. Diagnosis and "Why?" are made of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Tone(StrEnum):
    """How a line looks: as wanted, a warning, not as wanted, or neither."""

    GOOD = "up"
    WARN = "degraded"
    BAD = "down"
    NOTE = "nodata"


@dataclass(frozen=True, slots=True)
class Mend:
    """Where something can be put right. `page` is a word that the web knows an address for, `key` what it is about."""

    label: str
    page: str
    key: int | str = ""

    @property
    def is_change(self) -> bool:
        """Only who may edit can use it."""
        return self.page in ("configuration form", "monitor form", "maintenance", "trigger")


@dataclass(frozen=True, slots=True)
class Line:
    """One measured fact. `at` and `until` are shown before the detail."""

    tone: Tone
    text: str
    detail: str = ""
    at: datetime | None = None
    until: datetime | None = None
    mends: tuple[Mend, ...] = ()
