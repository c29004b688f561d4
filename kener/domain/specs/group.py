"""Groups: monitors whose status follows from others."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kener.domain.groups import InMaintenance, Latency, Rule, Strategy, WithoutData
from kener.domain.specs.base import Spec

MAX_MEMBERS = 500


def _whole_thousandths(value: float) -> float:
    return round(value, 3)


def _hundredths(value: float) -> float:
    return round(value, 2)


def _tag(value: str) -> str:
    if not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise ValueError("Name a monitor by its tag.")
    return value


def _blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Percent = Annotated[
    float, Field(ge=0, le=100, allow_inf_nan=False, json_schema_extra={"unit": "%"}), AfterValidator(_hundredths)
]


class GroupMember(BaseModel):
    """A monitor of the group, by its tag."""

    model_config = ConfigDict(extra="forbid")

    tag: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_tag)] = Field(
        title="Monitor", json_schema_extra={"code": True}
    )
    weight: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False), AfterValidator(_whole_thousandths)] = Field(
        1.0, title="Weight"
    )


class GroupSpec(Spec):
    """Its status is made of the statuses of its members, whenever one of them changes.

    A definition of the original means here what it meant there: a weighted score, DEGRADED below 100 percent, DOWN at 0.
    """

    NOT_IN_FORM: ClassVar[frozenset[str]] = frozenset(("executionDelay",))

    monitors: Annotated[list[GroupMember], Field(max_length=MAX_MEMBERS)] = Field([], title="Members")
    strategy: Strategy = Field(
        Strategy.WEIGHTED,
        title="Its status",
        json_schema_extra={
            "options": {
                "WEIGHTED": "by a weighted score",
                "WORST": "that of its worst member",
                "BEST": "that of its best member",
                "QUORUM": "by how many are up",
                "PERCENT": "by the share that is up",
            }
        },
    )
    quorum: Annotated[int, Field(ge=1, le=MAX_MEMBERS)] = Field(
        1, title="Needed", description="So many must be up.", json_schema_extra={"unit": "members"}
    )
    degraded_below: Percent = Field(100.0, title="DEGRADED below")
    down_below: Percent = Field(0.0, title="DOWN below", description="At 0 it is DOWN when nothing is up any more.")
    maintenance: InMaintenance = Field(
        InMaintenance.IGNORED,
        title="Members in maintenance",
        json_schema_extra={
            "options": {"IGNORED": "do not count", "UP": "count as UP", "OBSERVED": "count as they are seen"}
        },
    )
    no_data: WithoutData = Field(
        WithoutData.IGNORED,
        title="Members without data",
        json_schema_extra={"options": {"IGNORED": "do not count", "DOWN": "count as DOWN"}},
    )
    freshness_minutes: Annotated[Annotated[int, Field(ge=1, le=10_080)] | None, BeforeValidator(_blank)] = Field(
        None,
        title="Without data after",
        description="A member's newest sample says nothing when it is older. Left empty: three of its own intervals.",
        json_schema_extra={"unit": "min"},
    )
    latencyCalculation: Latency = Field(
        Latency.AVG,
        title="Latency",
        json_schema_extra={"options": {"AVG": "the average", "MAX": "the slowest", "MIN": "the fastest"}},
    )
    executionDelay: Annotated[int, Field(ge=0, le=3_600_000)] = Field(
        1_000, description="Accepted and without effect: a group follows its members at once."
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        tags = [member.tag for member in self.monitors]
        if twice := next((tag for tag in tags if tags.count(tag) > 1), None):
            raise ValueError(f"monitors: {twice} is named twice.")
        return self

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.strategy in (Strategy.PERCENT, Strategy.WEIGHTED) and self.down_below > self.degraded_below:
            raise ValueError("down_below: the limit for DOWN must not be above the limit for DEGRADED.")
        return self

    def flaws(self) -> dict[str, str]:
        """What may become of a group when members are deleted, but must not be entered: setting → sentence."""
        number = len(self.monitors)
        if not number:
            return {"monitors": "Choose at least one member."}
        if self.strategy is Strategy.WEIGHTED and not any(member.weight for member in self.monitors):
            return {"monitors": "Give at least one member a weight above 0."}
        if self.strategy is Strategy.QUORUM and self.quorum > number:
            return {"quorum": f"There {'is one member' if number == 1 else f'are {number} members'} only."}
        return {}

    @property
    def rule(self) -> Rule:
        """How the domain reads it."""
        return Rule(
            strategy=self.strategy,
            quorum=self.quorum,
            degraded_below=self.degraded_below,
            down_below=self.down_below,
            maintenance=self.maintenance,
            no_data=self.no_data,
            latency=self.latencyCalculation,
        )
