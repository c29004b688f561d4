"""RQ workers as threads of one process: see docs/adr/0002-threaded-workers.md.

Jobs are our own code with hard deadlines, so a process each would buy nothing and cost 20 ms of CPU a job. Every thread serves one queue.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.timeouts import TimerDeathPenalty

from kener import jobs

log = logging.getLogger(__name__)

GRACE_S = 20
"""How long a job in flight may take to end after a stop was asked for; what is cut off is found and repeated by the next sweep."""


class ThreadWorker(SimpleWorker):
    """An RQ worker that lives in a thread: no signals, no command channel, time-outs by timer."""

    death_penalty_class = TimerDeathPenalty
    app: Flask
    busy = False

    def _install_signal_handlers(self) -> None:
        """Only the main thread may; it stops the pool."""

    def _set_ip_address(self, connection: Redis) -> None:
        """Not asked for: the answer cannot be read when the path of Redis' socket has a space in it."""
        self.ip_address = "unknown"

    def subscribe(self) -> None:
        """Commands to single workers are not used."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed."""

    def perform_job(self, *args: Any, **kwargs: Any) -> bool:
        self.busy = True
        try:
            with self.app.app_context():
                return bool(super().perform_job(*args, **kwargs))
        finally:
            self.busy = False


class Pool:
    """Threads by queue, until SIGTERM or SIGINT."""

    def __init__(self, app: Flask, threads: Mapping[str, int]) -> None:
        self.app = app
        self.plan = [queue for queue, number in threads.items() for _ in range(number)]
        self.stopping = threading.Event()
        self.workers: dict[int, ThreadWorker] = {}

    def run(self) -> None:
        """Serve until told to stop, then let what is in flight end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        logging.getLogger("rq").setLevel(logging.WARNING)
        for index, queue in enumerate(self.plan):
            threading.Thread(target=self._serve, args=(index, queue), name=f"{queue}-{index}", daemon=True).start()
        log.info("serving %s", ", ".join(f"{queue} ×{self.plan.count(queue)}" for queue in dict.fromkeys(self.plan)))
        self.stopping.wait()
        self._drain()
        log.info("stopped")
        logging.shutdown()
        # Idle threads wait in a blocking read that nothing can end; everything worth keeping is in the database.
        os._exit(0)

    def _serve(self, index: int, queue_name: str) -> None:
        """One thread: a worker that is made anew whenever it gives up, for instance while Redis is away."""
        pause = 0.5
        while not self.stopping.is_set():
            started = time.monotonic()
            try:
                connection = jobs.connect_worker(self.app.config["REDIS"])
                worker = ThreadWorker([Queue(queue_name, connection=connection)], connection=connection)
                worker.app, self.workers[index] = self.app, worker
                worker.work(logging_level="WARNING")
            except RedisError as error:
                log.warning("Redis is away (%s), trying again", error)
            except Exception:
                log.exception("worker for %s ended, starting another one", queue_name)
            pause = 0.5 if time.monotonic() - started > 30 else min(pause * 2, 5)
            self.stopping.wait(pause)

    def _drain(self) -> None:
        for worker in self.workers.values():
            worker._stop_requested = True
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and any(worker.busy for worker in self.workers.values()):
            time.sleep(0.05)
