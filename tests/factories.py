"""Things to test with, made by the services themselves. Each function states only what a test is about.

Samples are stored the way the product stores them: the states are locked and the samples recorded in one transaction. Time starts at `T0`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import func, inspect, select

from kener import clock
from kener.db import Base, reading, transaction
from kener.domain.inputs import AlertConfigurationInput, IncidentInput, MaintenanceInput, MonitorInput, UpdateInput
from kener.domain.status import Status
from kener.models import Monitor, MonitorState
from kener.services import configurations, incidents, maintenances, monitors, recording, triggers
from kener.services.audit import Actor
from kener.services.recording import Effects, Observed

T = TypeVar("T", bound=Base)

T0 = int(datetime(2024, 5, 14, 9, 0, tzinfo=UTC).timestamp())
"""When the first sample of a test is seen."""

SAM = Actor("sam@example.com")
"""Who acts in the tests."""


def make_monitor(tag: str = "api", **fields: Any) -> int:
    """A monitor that is told its status, every minute. Returns its id."""
    return monitors.create(monitor_input(tag, **fields), actor=SAM).id


def monitor_input(tag: str = "api", **fields: Any) -> MonitorInput:
    """What `make_monitor` enters."""
    return MonitorInput.model_validate({"tag": tag, "name": tag.capitalize(), "monitor_type": "NONE", **fields})


def make_configuration(monitor_tags: str | Iterable[str] = "api", **fields: Any) -> int:
    """An alert configuration; what is not given has the product's default. Returns its id."""
    return configurations.create(configuration_input(monitor_tags, **fields), actor=SAM)


def configuration_input(monitor_tags: str | Iterable[str] = "api", **fields: Any) -> AlertConfigurationInput:
    """What `make_configuration` enters."""
    tags = [monitor_tags] if isinstance(monitor_tags, str) else list(monitor_tags)
    return AlertConfigurationInput.model_validate({"monitor_tags": tags, **fields})


def make_trigger(
    kind: str = "webhook", name: str = "Hook", *, is_active: bool = True, trigger_id: int | None = None, **settings: Any
) -> int:
    """A trigger; a webhook leads nowhere unless it is given a `url`. With `trigger_id` an existing one is changed. Returns its id."""
    defaults = {"webhook": {"url": "http://127.0.0.1:9/hook"}, "email": {"to": ["team@example.com"]}}
    given = triggers.TriggerInput.model_validate(
        {"name": name, "trigger_type": kind, "is_active": is_active, "settings": defaults[kind] | settings}
    )
    if trigger_id is None:
        return triggers.create(given, actor=SAM)
    triggers.update(trigger_id, given, actor=SAM)
    return trigger_id


def make_incident(*monitor_tags: str, title: str = "Slow payments", start: int = T0, **fields: Any) -> int:
    """An incident opened by hand. Returns its id."""
    given = {"title": title, "start_at": clock.at(start), "monitors": [{"monitor_tag": tag} for tag in monitor_tags]}
    return incidents.create(IncidentInput.model_validate(given | fields), actor=SAM)


def post(incident_id: int, state: str, *, at: int | None = None, text: str = "We are on it.") -> int:
    """An update by hand. Returns its id."""
    return incidents.post_update(incident_id, update_input(state, at=at, text=text), actor=SAM)


def update_input(state: str, *, at: int | None = None, text: str = "We are on it.") -> UpdateInput:
    """What `post` enters."""
    return UpdateInput.model_validate({"state": state, "text": text, "at": None if at is None else clock.at(at)})


def plan_maintenance(*monitor_tags: str, start: int, end: int, title: str = "Move", **fields: Any) -> int:
    """A maintenance with one window; with an `rrule`, a series whose windows are as long as the first one. Returns its id."""
    given = {"title": title, "start_at": clock.at(start), "duration_s": end - start}
    monitors = [{"monitor_tag": tag} for tag in monitor_tags]
    return maintenances.plan(MaintenanceInput.model_validate(given | {"monitors": monitors} | fields), actor=SAM)


def observe(
    tag: str,
    *statuses: str,
    start: int | None = None,
    step_s: int = 60,
    latency_ms: int | None = None,
    error: str | None = None,
) -> int:
    """See a monitor so many times, each in a transaction of its own; goes on a step after its newest sample, or at T0.

    Returns when it was last seen.
    """
    at = next_slot(tag, step_s) if start is None else start
    for number, status in enumerate(statuses):
        record(sample(tag, at + number * step_s, status, latency_ms=latency_ms, error=error))
    return at + (len(statuses) - 1) * step_s


def next_slot(tag: str, step_s: int = 60) -> int:
    """A step after the newest sample, or T0."""
    newest = reading().scalar(select(MonitorState.at).where(MonitorState.monitor_id == id_of(tag)))
    return T0 if newest is None else newest + step_s


def sample(
    tag: str, at: int, status: str, *, latency_ms: int | None = None, error: str | None = None, span_s: int = 60
) -> Observed:
    """One sample to be recorded."""
    return Observed(id_of(tag), at, Status(status), span_s, latency_ms=latency_ms, error=error)


def record(*samples: Observed, replace: bool = False) -> Effects:
    """Record samples in one transaction; `replace` as in an operator's edit."""
    with transaction() as session:
        states = recording.lock(session, {each.monitor_id for each in samples})
        effects = recording.record(session, samples, states, replace=replace)
    return effects


def id_of(tag: str) -> int:
    """The id of a monitor."""
    return reading().execute(select(Monitor.id).where(Monitor.tag == tag)).scalar_one()


def every(kind: type[T]) -> list[T]:
    """All rows of a table as they are now, in the order in which they were made."""
    return list(reading().scalars(select(kind).order_by(*inspect(kind).primary_key)))


def only(kind: type[T]) -> T:
    """The one row of a table."""
    [row] = every(kind)
    return row


def count(kind: type[Base]) -> int:
    """How many rows a table has."""
    return reading().execute(select(func.count()).select_from(kind)).scalar_one()
