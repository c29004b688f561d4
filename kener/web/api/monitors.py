"""Monitors: what is watched."""

from dataclasses import asdict, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from flask import Blueprint
from pydantic import Field, model_validator

from kener.domain.inputs import Confirmations, Flag, Label, MonitorInput, Name
from kener.domain.specs import SPECS, MonitorType
from kener.domain.status import Status
from kener.queries import api as rows
from kener.services import monitoring, monitors
from kener.services.monitors import Saved
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Changes, Paging
from kener.web.urls import origin

TAG = "Monitors"
bp = Blueprint("api_monitors", __name__)


class NewMonitor(Body, MonitorInput):
    """A monitor. Give `interval_seconds` or `cron`; with neither it is checked every minute."""

    fixed = {
        "include_degraded_in_downtime": (
            ("NO", False, None),
            "This version counts DEGRADED as available: only NO is possible.",
        ),
        "monitor_settings_json": ((None, {}), "This version has no such settings: leave it out."),
    }
    confirmation_threshold: Confirmations | None = Field(
        None, exclude=True, description="Stands for both numbers of confirmations, where they are not given."
    )
    notes = {
        "tag": "Small letters, digits, - and _. It never changes.",
        "cron": "Five fields, in UTC.",
        "status": "INACTIVE pauses it; its active alerts end.",
        "is_hidden": "YES: only signed-in operators see it.",
        "parent_tags": "What it depends on: while one of these is DOWN, its alerts are held.",
        "failure_confirmations": "So many failing checks in a row, and the failure is believed; until then the old status stands.",
        "recovery_confirmations": "So many passing checks in a row, and the recovery is believed.",
        "retries": "A look that fails is repeated at once, so many times, before it counts as failing.",
        "retry_delay_ms": "Milliseconds between these looks.",
    }
    shown: ClassVar[dict[str, Any]] = {
        "type_data": {
            "description": "The settings of its type.",
            "anyOf": [{"$ref": f"#/components/schemas/{spec.__name__}"} for spec in SPECS.values()],
        },
        "include_degraded_in_downtime": {"enum": ["NO", False, None], "description": "Accepted and without effect."},
    }

    @model_validator(mode="after")
    def _both_confirmations(self) -> Self:
        for name in ("failure_confirmations", "recovery_confirmations"):
            if self.confirmation_threshold is not None and name not in self.model_fields_set:
                setattr(self, name, self.confirmation_threshold)
        return self

    @classmethod
    def merged(cls, current: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        """`type_data` is merged too, unless the type changes; a new interval replaces a cron expression and the reverse."""
        whole = super().merged(current, changes)
        same_type = changes.get("monitor_type", current["monitor_type"]) == current["monitor_type"]
        if same_type and isinstance(changes.get("type_data"), dict):
            whole["type_data"] = current["type_data"] | changes["type_data"]
        elif not same_type:
            whole["type_data"] = changes.get("type_data", {})
        for one, other in (("cron", "interval_seconds"), ("interval_seconds", "cron")):
            if changes.get(one) is not None and other not in changes:
                whole[other] = None
        if changes.get("confirmation_threshold") is not None:
            for name in {"failure_confirmations", "recovery_confirmations"} - changes.keys():
                del whole[name]
        return whole


class MonitorFilters(Paging):
    """Which monitors."""

    status: Literal["ACTIVE", "INACTIVE"] | None = None
    category_name: Name | None = None
    monitor_type: MonitorType | None = None
    is_hidden: Flag | None = None
    label: Label | None = None
    limit: Annotated[int, Field(ge=1, le=1000, description="How many on a page.")] = 1000


class MonitorAnswer(Answer):
    """One monitor."""

    monitor: rows.Monitor


class SignalList(Listed):
    """Signals, newest first."""

    signals: list[rows.Signal]


class MonitorList(Listed):
    """Monitors, in the order of the status page."""

    monitors: list[rows.Monitor]


class TestedLine(Answer):
    """What became of one assertion."""

    subject: str = Field(description="What it looks at.")
    operator: str
    expected: str
    then: Status
    matched: bool = Field(description="The first line that matches decides.")
    observed: str | None = Field(description="What was seen, shortened; null: nothing.")
    reason: str | None = Field(description="Why it was not judged.")


class TestAnswer(Answer):
    """What one look brought back."""

    status: Status
    latency_ms: int | None
    error: str | None
    answer: str | None = Field(description="The raw answer in a few words.")
    timed_out: bool
    phases: dict[str, int] = Field(
        description="Milliseconds since the start, by name, in the order in which they ended."
    )
    assertions: list[TestedLine]


@bp.get("/monitors")
@api_key_required
@operation(tag=TAG, query=MonitorFilters, answer=MonitorList)
def index(query: MonitorFilters) -> Answer:
    """List monitors."""
    page = rows.monitors(**query.model_dump())
    return MonitorList(monitors=page.rows, **part(page))


@bp.post("/monitors")
@api_key_required
@operation(tag=TAG, body=NewMonitor, answer=MonitorAnswer, status=201)
def create(body: NewMonitor) -> Answer:
    """Add a monitor.

    It is checked at once. The answer for a heartbeat holds the address to call; it cannot be read again.
    """
    return _saved(monitors.create(body, actor=actor()))


@bp.post("/monitors/test")
@api_key_required
@operation(tag=TAG, body=NewMonitor, answer=TestAnswer)
def test(body: NewMonitor) -> Answer:
    """Test settings.

    One look with the settings of the body, at their time limit; nothing is stored. A secret setting given as `********` is the one that the
    monitor of this tag has. Types that wait to be told cannot be tested.
    """
    seen = monitoring.test_now(body.monitor_type, body.type_data, tag=body.tag)
    return TestAnswer(
        status=seen.status,
        latency_ms=seen.latency_ms,
        error=seen.error,
        answer=seen.answer,
        timed_out=seen.timed_out,
        phases=seen.phases,
        assertions=[TestedLine(**asdict(line)) for line in seen.lines],
    )


@bp.get("/monitors/<tag:monitor_tag>")
@api_key_required
@operation(tag=TAG, answer=MonitorAnswer)
def show(monitor_tag: str) -> Answer:
    """Read a monitor."""
    return MonitorAnswer(monitor=found(rows.monitor(monitor_tag)))


@bp.patch("/monitors/<tag:monitor_tag>")
@api_key_required
@operation(tag=TAG, changes=NewMonitor, answer=MonitorAnswer)
def update(monitor_tag: str, changes: Changes[NewMonitor]) -> Answer:
    """Change a monitor.

    What is left out stays. `type_data` is merged field by field, unless the type changes. Pausing or hiding ends active alerts.
    """
    current = found(rows.monitor(monitor_tag))
    given = changes.over(_as_given(current))
    return _saved(monitors.update(monitor_tag, given, actor=actor(), version=current.version))


@bp.delete("/monitors/<tag:monitor_tag>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(monitor_tag: str) -> Answer:
    """Delete a monitor.

    Its active alerts end with a reason; incidents keep its name. For seven days it can be restored, with its samples.
    """
    monitors.delete(monitor_tag, actor=actor())
    return Message(message=f"The monitor {monitor_tag} was deleted. It can be restored for seven days.")


@bp.get("/monitors/<tag:monitor_tag>/signals")
@api_key_required
@operation(tag=TAG, query=Paging, answer=SignalList)
def signals(monitor_tag: str, query: Paging) -> Answer:
    """List the signals of a heartbeat, newest first.

    What its job told: successes, starts, failures and logs, with durations, exit codes and a few words. Kept for 30 days.
    """
    page = found(rows.signals(monitor_tag, page=query.page, limit=query.limit))
    return SignalList(signals=page.rows, **part(page))


def _as_given(monitor: rows.Monitor) -> dict[str, Any]:
    """A monitor as a request would have given it."""
    return {name: getattr(monitor, name) for name in MonitorInput.model_fields}


def _saved(saved: Saved) -> MonitorAnswer:
    monitor = found(rows.monitor(saved.tag))
    if saved.secret is not None:
        monitor = replace(monitor, heartbeat_url=f"{origin()}/ext/heartbeat/{saved.tag}/{saved.secret}")
    return MonitorAnswer(monitor=monitor)
