"""Random stories through the services, compared after every step with a model that knows nothing of databases.

A story is samples (some of which wait for confirmation), gaps, maintenance windows, updates by hand, edits and deletions, in any order;
the model says what alerts, incidents, updates and notices must exist then. Everything else
(E1 to E7, L1, L2, R1, R3, O2 to O4, O6, O7, N1) follows from their agreeing.
"""

from dataclasses import dataclass, field, replace
from itertools import count as numbers

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from kener.db import reading
from kener.domain.confirmation import AT_ONCE, Needed
from kener.models import Alert, Delivery, Incident
from kener.services import configurations, incidents, monitors
from tests import factories
from tests.factories import SAM, T0, sample

TAGS = numbers()
SAMPLES = st.sampled_from(["DOWN", "DOWN", "DOWN", "UP", "UP", "DEGRADED", "NO_DATA"])
BY_HAND = st.sampled_from(["IDENTIFIED", "MONITORING", "RESOLVED", "RESOLVED"])


@dataclass(eq=False)
class Told:
    """An incident in the model: the states of its updates, in order."""

    states: list[str] = field(default_factory=lambda: ["INVESTIGATING"])
    is_deleted: bool = False

    @property
    def is_resolved(self) -> bool:
        return bool(self.states) and self.states[-1] == "RESOLVED"

    @property
    def before_resolution(self) -> str:
        return next((state for state in reversed(self.states) if state != "RESOLVED"), "INVESTIGATING")


@dataclass
class Model:
    """One configuration on one monitor, told naively."""

    value: str
    failure: int
    success: int
    failing: int = 0
    passing: int = 0
    is_watching: bool = True
    active: Told | None = None
    is_triggered: bool = False
    alerts: int = 0
    resolved: int = 0
    incidents: list[Told] = field(default_factory=list)
    needed: Needed = AT_ONCE
    anchor: str | None = None
    pending: list[tuple[str, bool]] = field(default_factory=list)

    def look(self, status: str, *, gap: bool, maintained: bool) -> None:
        """What was seen, before anybody believes it."""
        if gap:
            self.settle(confirmed=False)
            self.anchor = None
        if status == "NO_DATA":
            self.anchor = None if self.needed is AT_ONCE and not self.pending else self.anchor
        elif self.anchor is None or (self.anchor == "UP") == (status == "UP"):
            self.settle(confirmed=False)
            self.anchor = status
        elif len(self.pending) + 1 < (self.needed.recovery if status == "UP" else self.needed.failure):
            self.pending.append((status, maintained))
            return
        else:
            self.settle(confirmed=True)
            self.anchor = status
        self.see(status, gap=gap, maintained=maintained)

    def settle(self, *, confirmed: bool) -> None:
        pending, self.pending = self.pending, []
        for status, maintained in pending:
            self.see(status if confirmed else self.anchor or "", gap=False, maintained=maintained)

    def see(self, status: str, *, gap: bool, maintained: bool) -> None:
        if not self.is_watching:
            return
        if gap:
            self.failing = self.passing = 0
        if status == "NO_DATA":
            return
        if status == "DOWN" or status == self.value:
            if maintained:
                return
            self.failing, self.passing = self.failing + 1, 0
            self._failed()
        elif status == "UP":
            self.failing, self.passing = 0, min(self.passing + 1, self.success)
            if self.is_triggered and self.passing >= self.success:
                self.resolve()
        else:
            self.failing = self.passing = 0

    def _failed(self) -> None:
        if self.is_triggered:
            if self.active and not self.active.is_deleted and self.active.is_resolved:
                self.active.states.append(self.active.before_resolution)
        elif self.failing >= self.failure:
            self.is_triggered, self.alerts, self.active = True, self.alerts + 1, Told()
            self.incidents.append(self.active)

    def resolve(self) -> None:
        if self.active and not self.active.is_deleted and not self.active.is_resolved:
            self.active.states.append("RESOLVED")
        self.is_triggered, self.active, self.resolved = False, None, self.resolved + 1

    def end(self) -> None:
        """Its ground goes away: an active alert ends, and counting starts again."""
        if self.is_triggered:
            self.resolve()
            self.failing = self.passing = 0


class Stories(RuleBasedStateMachine):
    """Every rule does the same to the services and to the model."""

    @initialize(failure=st.integers(1, 3), success=st.integers(1, 3))
    def begin(self, failure: int, success: int) -> None:
        self.tag = f"story-{next(TAGS)}"
        self.hook = factories.make_trigger(name=f"Hook of {self.tag}")
        factories.make_monitor(self.tag)
        self.config = self._configuration(failure, success, "DOWN", create=True)
        self.model = Model("DOWN", failure, success)
        self.at, self.is_paused = T0, False
        self.windows: list[tuple[int, int]] = []

    def _configuration(self, failure: int, success: int, value: str, *, create: bool) -> int:
        given = factories.configuration_input(
            self.tag,
            alert_value=value,
            failure_threshold=failure,
            success_threshold=success,
            create_incident=True,
            is_active=self.model.is_watching if not create else True,
            trigger_ids=[self.hook],
        )
        if create:
            return configurations.create(given, actor=SAM)
        configurations.update(self.config, given, actor=SAM)
        return self.config

    @precondition(lambda self: not self.is_paused)
    @rule(statuses=st.lists(SAMPLES, min_size=1, max_size=4), step=st.sampled_from([60, 60, 60, 180, 240]))
    def see(self, statuses: list[str], step: int) -> None:
        for status in statuses:
            self._see(status, step)

    @precondition(lambda self: not self.is_paused)
    @rule(status=st.sampled_from(["DOWN", "UP"]), times=st.integers(1, 4))
    def see_the_same(self, status: str, times: int) -> None:
        for _ in range(times):
            self._see(status, 60)

    def _see(self, status: str, step: int) -> None:
        first = self.at == T0
        self.at += step
        factories.record(replace(sample(self.tag, self.at, status), needed=self.model.needed))
        maintained = any(start <= self.at < end for start, end in self.windows)
        self.model.look(status, gap=not first and step > 180, maintained=maintained)

    @precondition(lambda self: self.at > T0)
    @rule(back=st.integers(0, 5), status=SAMPLES)
    def see_again_or_late(self, back: int, status: str) -> None:
        """The newest sample once more, or one that comes too late: nothing is counted (E7)."""
        factories.observe(self.tag, status, start=max(T0, self.at - 60 * back))

    @rule(minutes=st.integers(1, 4))
    def plan_maintenance(self, minutes: int) -> None:
        window = (self.at + 60, self.at + 60 + 60 * minutes)
        factories.plan_maintenance(self.tag, start=window[0], end=window[1])
        self.windows.append(window)

    @rule()
    def pause_or_resume(self) -> None:
        if self.is_paused:
            monitors.resume(self.tag, actor=SAM)
        else:
            monitors.pause(self.tag, actor=SAM)
            self.model.end()
            self.model.pending.clear()
        self.is_paused = not self.is_paused

    @rule()
    def deactivate_or_activate(self) -> None:
        if self.model.is_watching:
            configurations.deactivate(self.config, actor=SAM)
            self.model.end()
            self.model.failing = self.model.passing = 0
        else:
            configurations.activate(self.config, actor=SAM)
        self.model.is_watching = not self.model.is_watching

    @rule(failure=st.integers(1, 3), success=st.integers(1, 3))
    def change_thresholds(self, failure: int, success: int) -> None:
        self.model.failure, self.model.success = failure, success
        self._configuration(failure, success, self.model.value, create=False)

    @rule(failure=st.integers(1, 3), recovery=st.integers(1, 3))
    def change_confirmations(self, failure: int, recovery: int) -> None:
        """What waits already is counted on."""
        self.model.needed = Needed(failure, recovery) if failure + recovery > 2 else AT_ONCE

    @rule()
    def change_value(self) -> None:
        """Another rule: alerts of the old one end, and counting starts again."""
        self.model.value = "DEGRADED" if self.model.value == "DOWN" else "DOWN"
        self._configuration(self.model.failure, self.model.success, self.model.value, create=False)
        self.model.end()
        self.model.failing = self.model.passing = 0

    @precondition(lambda self: self._newest() is not None)
    @rule(state=BY_HAND)
    def post_by_hand(self, state: str) -> None:
        found = self._newest()
        assert found is not None
        factories.post(self._ids()[self.model.incidents.index(found)], state)
        found.states.append(state)

    @precondition(lambda self: self._newest() is not None)
    @rule()
    def delete_incident(self) -> None:
        found = self._newest()
        assert found is not None
        incidents.delete(self._ids()[self.model.incidents.index(found)], actor=SAM)
        found.is_deleted = True

    def _newest(self) -> Told | None:
        newest = self.model.incidents[-1] if self.model.incidents else None
        return newest if newest is not None and not newest.is_deleted else None

    def _ids(self) -> list[int | None]:
        """The incidents' ids in the order in which they were opened; deleted ones leave a gap."""
        there = self._stored()
        left = iter(there)
        return [None if told.is_deleted else next(left).id for told in self.model.incidents]

    def _stored(self) -> list[Incident]:
        title = f"{self.tag.capitalize()} STATUS:"
        query = select(Incident).where(Incident.title.startswith(title)).order_by(Incident.id)
        return list(reading().scalars(query))

    @invariant()
    def services_and_model_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        alerts = list(reading().scalars(select(Alert).where(Alert.config_id == self.config)))
        assert len(alerts) == self.model.alerts
        assert sum(alert.active_key is not None for alert in alerts) == int(self.model.is_triggered)
        assert sum(alert.resolved_at is not None for alert in alerts) == self.model.resolved
        told = [one for one in self.model.incidents if not one.is_deleted]
        stored = self._stored()
        assert [[update.state.value for update in one.updates] for one in stored] == [one.states for one in told]
        assert [one.status for one in stored] == ["CLOSED" if one.is_resolved else "OPEN" for one in told]
        assert all((one.end_at is not None) == (one.status == "CLOSED") for one in stored)
        events = list(reading().scalars(select(Delivery.event).where(Delivery.trigger_id == self.hook)))
        assert (events.count("TRIGGERED"), events.count("RESOLVED")) == (self.model.alerts, self.model.resolved)


@pytest.mark.usefixtures("app")
def test_every_story_is_told_as_a_naive_model_tells_it() -> None:
    plan = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Stories, settings=plan)
