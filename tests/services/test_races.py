"""Many writers at once: whoever wins, an episode is one alert, one incident and its notices (L1, L2, R1, O3, O7)."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

import pytest
from flask import Flask

from kener.db import again
from kener.domain.alerting import AlertStatus, Outcome
from kener.domain.incidents import IncidentState
from kener.models import Alert, Decision, Delivery, Hourly, Incident, IncidentUpdate, Sample, Trigger
from kener.services import incidents, monitors
from kener.services.errors import NotFound
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    make_configuration,
    make_monitor,
    make_trigger,
    observe,
    record,
    sample,
    update_input,
)
from tests.support.threads import at_once

TAGS = ("api", "db", "mail", "web")
WRITERS = 6
STEPS = 30


@pytest.fixture
def watched(app: Flask) -> Flask:
    """Four monitors, each under a rule of its own and a shared one, and two triggers."""
    told = [make_trigger(name="One"), make_trigger(name="Two")]
    for tag in TAGS:
        make_monitor(tag)
        make_configuration(tag, failure_threshold=1, success_threshold=1, create_incident="YES", trigger_ids=told)
    make_configuration(TAGS, failure_threshold=2, success_threshold=2, create_incident="YES", trigger_ids=told)
    return app


def writer(seed: int) -> Callable[[], None]:
    """Records the same flapping story as every other writer, with neighbouring steps in an order of its own."""

    def write() -> None:
        dice = random.Random(seed)
        for step in sorted(range(STEPS), key=lambda n: n + dice.uniform(0, 2)):
            samples = [sample(tag, T0 + 60 * step, status(tag, step)) for tag in dice.sample(TAGS, 3)]
            again(lambda samples=samples: record(*samples))

    return write


def status(tag: str, step: int) -> str:
    """Up and down in stretches of one to three steps, at another beat for every monitor."""
    return "DOWN" if step // (1 + TAGS.index(tag) % 3) % 2 else "UP"


def test_writers_of_the_same_samples_make_one_alert_of_every_episode(watched: Flask) -> None:
    at_once(watched, *[writer(seed) for seed in range(WRITERS)])
    assert count(Sample) == len({(row.monitor_id, row.at) for row in every(Sample)}) == len(TAGS) * STEPS
    assert sum(hour.samples for hour in every(Hourly)) == count(Sample)
    check_alerts()
    for story in stories():
        turns = [Outcome.TRIGGER, Outcome.RESOLVE] * len(story)
        assert [decision.outcome for decision in story] == turns[: len(story)]
    for updates in updates_by_incident().values():
        assert [update.state for update in updates] in (
            [IncidentState.INVESTIGATING],
            [IncidentState.INVESTIGATING, IncidentState.RESOLVED],
        )


def test_operators_in_between_break_nothing(watched: Flask) -> None:
    def resolve_by_hand() -> None:
        for _ in range(15):
            for incident_id in [incident.id for incident in every(Incident) if incident.is_open][:2]:
                incidents.post_update(incident_id, update_input("RESOLVED", at=T0 + 60 * STEPS), actor=SAM)

    def pause_and_resume() -> None:
        for _ in range(8):
            monitors.pause("web", actor=SAM)
            monitors.resume("web", actor=SAM)

    def delete() -> None:
        for _ in range(5):
            for incident_id in [incident.id for incident in every(Incident)][-1:]:
                try:
                    incidents.delete(incident_id, actor=SAM)
                except NotFound:
                    continue

    at_once(watched, *[writer(seed) for seed in range(3)], resolve_by_hand, pause_and_resume, delete)
    for tag in TAGS:
        observe(tag, "UP", "UP")
    check_alerts()
    assert {alert.alert_status for alert in every(Alert)} == {AlertStatus.RESOLVED}
    assert not [incident for incident in every(Incident) if incident.is_open]
    for updates in updates_by_incident().values():
        closing = [update for update in updates if update.is_automatic and update.state is IncidentState.RESOLVED]
        assert len(closing) <= 1


def check_alerts() -> None:
    """What holds whoever won: one alert an episode, one incident an alert, one notice a decision and trigger."""
    alerts = every(Alert)
    active = [(alert.config_id, alert.monitor_id) for alert in alerts if alert.alert_status is AlertStatus.TRIGGERED]
    assert len(active) == len(set(active))
    assert len(alerts) > 20
    linked = [alert.incident_id for alert in alerts if alert.incident_id is not None]
    assert sorted(linked) == [incident.id for incident in every(Incident)]

    decided = Counter(decision.outcome for decision in every(Decision))
    assert decided[Outcome.TRIGGER] == decided[Outcome.OPEN] == len(alerts)
    for story in stories():
        assert all(earlier.at < later.at for earlier, later in pairwise(story))

    promised = Counter((row.alert_id, row.event, row.trigger_id) for row in every(Delivery))
    assert set(promised.values()) == {1}
    expected = {(alert.id, "TRIGGERED", trigger.id) for alert in alerts for trigger in every(Trigger)}
    over = [alert for alert in alerts if alert.alert_status is AlertStatus.RESOLVED]
    expected |= {(alert.id, "RESOLVED", trigger.id) for alert in over for trigger in every(Trigger)}
    assert set(promised) == expected


def stories() -> list[list[Decision]]:
    """What checks triggered and resolved, by configuration and monitor, in the order in which it was decided."""
    found: dict[tuple[int | None, int | None], list[Decision]] = defaultdict(list)
    for decision in every(Decision):
        if decision.samples and decision.outcome in (Outcome.TRIGGER, Outcome.RESOLVE):
            found[decision.config_id, decision.monitor_id].append(decision)
    return list(found.values())


def updates_by_incident() -> dict[int, list[IncidentUpdate]]:
    """The timelines."""
    found: dict[int, list[IncidentUpdate]] = defaultdict(list)
    for update in every(IncidentUpdate):
        found[update.incident_id].append(update)
    return found
