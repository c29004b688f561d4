"""Eight workers on fifty flapping monitors, all on the same and neighbouring samples, for a while: `KENER_RACE_SECONDS` (default 4).

L1, L2, R1: never two active alerts of one configuration on one monitor, never two incidents of an alert, never two closing updates, and
exactly as many deliveries as decisions asked for.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable

from flask import Flask

from kener.db import again
from kener.domain.alerting import Outcome
from kener.domain.incidents import IncidentState
from kener.models import Alert, Decision, Delivery, Incident, IncidentUpdate
from tests.factories import T0, every, make_configuration, make_monitor, make_trigger, record, sample
from tests.support.threads import at_once

SECONDS = float(os.environ.get("KENER_RACE_SECONDS", "4"))
TAGS = [f"m{number:02}" for number in range(50)]


def worker(seed: int, begun: float) -> Callable[[], None]:
    """Records ten monitors at a time, at a step that moves with the clock, sometimes a little early or late."""

    def run() -> None:
        dice = random.Random(seed)
        while (passed := time.monotonic() - begun) < SECONDS:
            step = max(0, int(passed * 8) + dice.choice([-1, 0, 0, 0, 1]))
            chosen = [sample(tag, T0 + 60 * step, _status(tag, step)) for tag in dice.sample(TAGS, 10)]
            again(lambda chosen=chosen: record(*chosen))

    return run


def _status(tag: str, step: int) -> str:
    """The same for everybody who looks at this monitor in this step: flapping, with a rhythm of its own."""
    return "DOWN" if (step // (1 + int(tag[1:]) % 3)) % 2 else "UP"


def test_eight_workers_on_fifty_flapping_monitors_double_nothing(app: Flask) -> None:
    hooks = [make_trigger(name="One"), make_trigger(name="Two")]
    for tag in TAGS:
        make_monitor(tag)
    make_configuration(TAGS, failure_threshold=1, success_threshold=1, create_incident=True, trigger_ids=hooks)
    begun = time.monotonic()
    at_once(app, *(worker(seed, begun) for seed in range(8)), timeout_s=SECONDS + 60)

    alerts, updates = every(Alert), every(IncidentUpdate)
    assert len(alerts) > 20
    active = Counter((alert.config_id, alert.monitor_id) for alert in alerts if alert.resolved_at is None)
    assert set(active.values()) <= {1}
    assert len({alert.incident_id for alert in alerts}) == len(alerts) == len(every(Incident))
    opened = Counter(entry.incident_id for entry in updates if entry.state is IncidentState.INVESTIGATING)
    closed = Counter(entry.incident_id for entry in updates if entry.state is IncidentState.RESOLVED)
    ended = {alert.incident_id for alert in alerts if alert.resolved_at is not None}
    assert set(opened.values()) == {1} and set(closed.values()) <= {1} and set(closed) == ended
    decided = Counter(decision.outcome for decision in every(Decision))
    told = Counter(delivery.event for delivery in every(Delivery))
    assert told["TRIGGERED"] == 2 * decided[Outcome.TRIGGER] == 2 * len(alerts)
    assert told["RESOLVED"] == 2 * decided[Outcome.RESOLVE] == 2 * len(ended)
