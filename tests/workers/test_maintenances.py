"""The scheduler moves maintenance on, among everything else that it does in a tick."""

from datetime import timedelta

from flask import Flask

from kener import clock
from kener.domain.windows import WindowState
from kener.models import Maintenance, MaintenanceWindow
from tests import factories
from workers.scheduler import Scheduler


def test_a_tick_begins_and_ends_what_is_due_and_keeps_the_calendar_full(app: Flask) -> None:
    start = clock.epoch() + 600
    factories.plan_maintenance(start=start, end=start + 300, rrule="FREQ=DAILY")
    planned = factories.count(MaintenanceWindow)
    scheduler, seen = Scheduler(app), []
    for moment in (start - 1, start, start + 299, start + 300):
        scheduler.step(moment)
        seen.append(factories.every(MaintenanceWindow)[0].state)
    assert seen == [WindowState.READY, WindowState.ONGOING, WindowState.ONGOING, WindowState.COMPLETED]
    scheduler.swept_at = float("-inf")
    scheduler.step(start - 300 + 5 * 86_400)
    assert factories.count(MaintenanceWindow) == planned + 5
    assert factories.only(Maintenance).fill_at > clock.at(start) + timedelta(days=5)
