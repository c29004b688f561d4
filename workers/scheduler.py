"""The scheduler: a loop around `tick`. Any number may run; the database decides who claims what."""

import logging
import signal
import threading
import time

from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from kener import clock, jobs
from kener.services import broadcasts, drills, failing, occurrences, outbox, scheduling

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 5
PRUNE_EVERY_S = 3_600


class Scheduler:
    """Ticks once a second until it is told to stop; an outage of the database or of Redis is survived and logged once."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.stopping = threading.Event()
        self.swept_at = 0.0
        self.troubled = False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        log.info("scheduler started")
        while not self.stopping.is_set():
            started = time.time()
            self.step(int(started))
            self.stopping.wait(max(0.05, 1 - (time.time() % 1)))
        log.info("scheduler stopped")

    def step(self, now: int) -> None:
        """One tick, with the sweep of the outbox and the hourly housekeeping when they are due."""
        try:
            with self.app.app_context():
                scheduling.tick(now)
                occurrences.advance(clock.at(now))
                if time.monotonic() - self.swept_at >= SWEEP_EVERY_S:
                    self.swept_at = time.monotonic()
                    if not jobs.is_crowded():
                        jobs.enqueue_deliveries(outbox.due())
                        jobs.enqueue_confirmations(broadcasts.due_questions())
                    if not jobs.is_crowded(jobs.NOTICES):
                        jobs.enqueue_broadcasts(broadcasts.due())
                        jobs.enqueue_owner_notices(failing.due())
                    drills.sweep()
                    occurrences.fill_due(clock.at(now))
                    self._housekeeping(now)
            if self.troubled:
                log.info("scheduling again")
            self.troubled = False
        except (SQLAlchemyError, RedisError) as error:
            if not self.troubled:
                log.error("cannot schedule, trying again every second: %s", error)
            self.troubled = True

    def _housekeeping(self, now: int) -> None:
        """Once an hour over all schedulers: the first one to set the key enqueues."""
        hour = now // PRUNE_EVERY_S
        if jobs.redis().set(f"kener:housekeeping:{hour}", 1, nx=True, ex=2 * PRUNE_EVERY_S):
            jobs.enqueue_housekeeping(jobs.PRUNE)
