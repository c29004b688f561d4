"""Stretches of a monitor's past that count as nothing."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kener.domain.inputs import Input, Name

MAX_SPAN_S = 92 * 86_400


class ExclusionKind(StrEnum):
    """Why a stretch does not count: nothing was wrong, or it was and nobody is to blame."""

    FALSE_ALARM = "FALSE_ALARM"
    EXCUSED = "EXCUSED"

    @property
    def word(self) -> str:
        return {"FALSE_ALARM": "False alarm", "EXCUSED": "Excused"}[self.value]


class ExclusionInput(Input):
    """What to exclude: `[start, end)` in seconds since 1970."""

    start: Annotated[int, Field(ge=0, le=253_402_300_799)]
    end: Annotated[int, Field(ge=0, le=253_402_300_799)]
    kind: ExclusionKind
    reason: Annotated[Name, Field(min_length=3)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end: The end must lie after the start.")
        if self.end - self.start > MAX_SPAN_S:
            raise ValueError("end: At most 92 days can be excluded at once.")
        return self
