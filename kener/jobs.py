"""Queues and the ways into them. Jobs are named by dotted path and carry ids, never objects."""

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue

log = logging.getLogger(__name__)

CHECKS = "checks"
SLOW_CHECKS = "slow-checks"
DELIVERIES = "deliveries"
NOTICES = "notices"
HOUSEKEEPING = "housekeeping"

ANSWER_S = 3
SHARD_TTL_S = 180
CROWDED = 1_000

RUN_SHARD = "workers.jobs.run_shard"
DELIVER = "workers.jobs.deliver"
BROADCAST = "workers.jobs.broadcast"
CONFIRM = "workers.jobs.confirm"
TELL_OWNERS = "workers.jobs.tell_owners"
RUN_DRILL = "workers.jobs.run_drill"
PRUNE = "workers.jobs.prune"
REBUILD_DAYS = "workers.jobs.rebuild_days"
BACK_TEST = "workers.jobs.back_test"


@lru_cache(maxsize=4)
def connect(url: str) -> Redis:
    """The process's connection pool to one Redis. A lost connection is made anew; one that hangs is not waited for twice."""
    again = Retry(NoBackoff(), 1, supported_errors=(Disconnected,))
    return Redis.from_url(url, socket_connect_timeout=2, socket_timeout=ANSWER_S, health_check_interval=30, retry=again)


def connect_worker(url: str) -> Redis:
    """A connection of its own for a worker, which waits in blocking reads for longer than any other read may take."""
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return Redis.from_url(url, socket_connect_timeout=5, health_check_interval=30, **keepalive)


def redis() -> Redis:
    """The Redis of the current app."""
    return connect(current_app.config["REDIS"])


def enqueue_shard(shard: Sequence[tuple[int, int]], *, slow: bool, timeout_s: int) -> None:
    """Check these monitors now: `(monitor id, slot)` pairs. The slot is claimed already, so a lost job is found again."""
    queue = Queue(SLOW_CHECKS if slow else CHECKS, connection=redis())
    # A shard that nobody took in time is handed out again by its slot; what waited longer only fills Redis.
    queue.enqueue(
        RUN_SHARD,
        [list(pair) for pair in shard],
        slow,
        job_timeout=timeout_s,
        ttl=SHARD_TTL_S,
        result_ttl=0,
        failure_ttl=3600,
    )


def is_crowded(queue: str = DELIVERIES) -> bool:
    """So many deliveries wait already that a sweep would only repeat them."""
    return Queue(queue, connection=redis()).count > CROWDED


def enqueue_deliveries(delivery_ids: Iterable[int]) -> None:
    """Send these now. When Redis is away the rows wait for the next sweep."""
    _enqueue(DELIVERIES, DELIVER, [(delivery_id,) for delivery_id in delivery_ids])


def enqueue_broadcasts(batches: Iterable[Sequence[int]]) -> None:
    """Tell subscribers now: `(first, last)` ids of deliveries to them, a batch each. On a queue of its own, so that alerts never wait."""
    _enqueue(NOTICES, BROADCAST, [tuple(batch) for batch in batches])


def enqueue_confirmations(confirmation_ids: Iterable[int]) -> None:
    """Ask these subscribers whether they are meant: somebody waits for it, so it goes among the messages of alerts."""
    _enqueue(DELIVERIES, CONFIRM, [(confirmation_id,) for confirmation_id in confirmation_ids])


def enqueue_owner_notices(trigger_ids: Iterable[int]) -> None:
    """Tell the owners that these triggers were switched off."""
    _enqueue(NOTICES, TELL_OWNERS, [(trigger_id,) for trigger_id in trigger_ids])


def enqueue_drill(drill_id: int) -> None:
    """Take the next step of a fire drill where real outages are seen: among the checks."""
    _enqueue(CHECKS, RUN_DRILL, [(drill_id,)])


def enqueue_housekeeping(job: str, *args: Any) -> None:
    """Run one housekeeping job soon."""
    _enqueue(HOUSEKEEPING, job, [args])


def _enqueue(queue_name: str, job: str, calls: Sequence[tuple[Any, ...]]) -> None:
    if not calls:
        return
    try:
        queue = Queue(queue_name, connection=redis())
        for args in calls:
            queue.enqueue(job, *args, job_timeout=600, result_ttl=0, failure_ttl=3600)
    except RedisError as error:
        log.warning("Redis is away (%s): %s waits for the next sweep", error, job)
