"""Heartbeats: jobs that report by themselves."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from kener.domain.specs.base import Spec

Minutes = Annotated[int, Field(ge=1, le=525_600, json_schema_extra={"unit": "min"})]


class HeartbeatSpec(Spec):
    """Waits for a call to `/ext/heartbeat/{tag}/{secret}`.

    `secretString` is write-only: it is kept apart, hashed, and one is made where none is given.
    """

    NOT_IN_FORM: ClassVar[frozenset[str]] = frozenset(("secretString",))

    degradedRemainingMinutes: Minutes = Field(5, title="DEGRADED after")
    downRemainingMinutes: Minutes = Field(10, title="DOWN after")
    secretString: Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_\-]+$")] | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.downRemainingMinutes <= self.degradedRemainingMinutes:
            raise ValueError("downRemainingMinutes: must be above the minutes for DEGRADED.")
        return self
