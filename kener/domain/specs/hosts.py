"""Types that look at several hosts at once."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from kener.domain.specs.base import CODE, MILLISECONDS, Host, MeasuredSpec, Spec

KINDS = ("IP4", "IP6", "DOMAIN")

HostTimeLimit = Annotated[int, Field(ge=1, le=60_000, title="Time limit", json_schema_extra=MILLISECONDS)]


class OneHost(Spec):
    """A host. The original's `type` may be given: what a host is shows in itself."""

    host: Host = Field(title="Host", json_schema_extra=CODE)

    @model_validator(mode="before")
    @classmethod
    def _without_kind(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") in KINDS:
            return {name: value for name, value in data.items() if name != "type"}
        return data


class ManyHosts(MeasuredSpec):
    """Several hosts, looked at at once. `partial`: what the monitor is when some answer and some do not."""

    CODE_OF_ORIGINAL: ClassVar[str] = ""
    """The field in which the original keeps JavaScript."""

    partial: Literal["DOWN", "DEGRADED", "UP"] = Field(
        "DOWN",
        title="When only some of them answer",
        description="When none answers it is DOWN, when all do it is UP.",
        json_schema_extra={
            "options": {
                "DOWN": "DOWN: all are needed",
                "DEGRADED": "DEGRADED: one keeps it going",
                "UP": "UP: any one is enough",
            }
        },
    )

    @model_validator(mode="before")
    @classmethod
    def _no_script(cls, data: Any) -> Any:
        name = cls.CODE_OF_ORIGINAL
        if not isinstance(data, dict) or name not in data:
            return data
        if str(data[name] or "").strip():
            raise ValueError(
                f"{name}: scripts are not run here. Say with partial, the limits of latency and assertions what counts as UP."
            )
        return {key: value for key, value in data.items() if key != name}
