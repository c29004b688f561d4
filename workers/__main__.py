"""python -m workers schedule | checks | deliveries | housekeeping | background"""

import sys

from flask import Flask

from kener import jobs
from kener.app import create_app
from kener.settings import Settings
from workers.pool import Pool
from workers.scheduler import Scheduler

THREADS = {
    # One fast lane a process: its shards end within the budget. Slow shards wait most of the time, so many share a process.
    "checks": {jobs.CHECKS: 1, jobs.SLOW_CHECKS: 12},
    "deliveries": {jobs.DELIVERIES: 8, jobs.NOTICES: 3},
    "housekeeping": {jobs.HOUSEKEEPING: 1},
    "background": {jobs.DELIVERIES: 8, jobs.NOTICES: 3, jobs.HOUSEKEEPING: 1},
}
ROLES = ("schedule", *THREADS)


def run(role: str, settings: Settings) -> None:
    """Serve one role until SIGTERM or SIGINT."""
    app: Flask = create_app(settings, web=False)
    if role == "schedule":
        Scheduler(app).run()
    else:
        Pool(app, THREADS[role]).run()


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
        sys.exit(f"usage: python -m workers {' | '.join(ROLES)}")
    run(sys.argv[1], Settings.from_env())
