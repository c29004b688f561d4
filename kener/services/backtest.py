"""The back-test: a draft replayed over what is stored, at once or, for many monitors, by a worker that tells how far it is (X1).

Nothing is changed by it. A run that takes longer is kept in Redis for an hour, under a name made of what was asked, so that asking the same
thing twice within a minute is one run.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock, jobs
from kener.db import reading
from kener.domain.alerting import Rule, flaw
from kener.domain.backtest import BackTest, tell
from kener.domain.inputs import AlertConfigurationInput
from kener.domain.replay import Order, Side, replay
from kener.domain.running_uptime import HOUR
from kener.models import AlertConfiguration, Monitor, Trigger
from kener.queries import observations, site
from kener.services.errors import NotFound, Refused

log = logging.getLogger(__name__)

DAYS = 30
AT_ONCE = 50_000
"""So many samples are replayed while somebody waits for the page: 30 days of one monitor, every minute."""

KEPT_S = 3_600
_KEY = "kener:backtest:"


@dataclass(frozen=True, slots=True)
class Run:
    """A back-test that a worker makes. `done` of its monitors are replayed; then there is a result."""

    order: Order
    asked_at: int
    config_id: int | None = None
    done: int = 0
    result: BackTest | None = None
    is_broken: bool = False

    @property
    def total(self) -> int:
        return len(self.order.monitors)

    @property
    def is_waiting(self) -> bool:
        """Nobody has begun for a while: is there a housekeeping worker?"""
        return not self.done and clock.epoch() - self.asked_at > 15


_RUN = TypeAdapter(Run)


def order(given: AlertConfigurationInput, *, config_id: int | None = None, days: int = DAYS) -> Order:
    """What to replay for a draft, beside a stored configuration if there is one. Raises NotFound, Refused."""
    session = reading()
    end = clock.epoch() // 60 * 60
    start = end - days * 86_400
    return Order(
        start=start - start % HOUR,
        end=end,
        draft=_draft(session, given),
        current=_stored(session, config_id) if config_id is not None else None,
    )


def _draft(session: Session, given: AlertConfigurationInput) -> Side:
    query: Any = select(Monitor.tag, Monitor.is_hidden).where(Monitor.tag.in_(given.monitor_tags))
    hidden = {found.tag: found.is_hidden for found in session.execute(query)}
    if missing := set(given.monitor_tags) - hidden.keys():
        raise Refused({"monitor_tags": f"There is no monitor {', '.join(sorted(missing))}."})
    query = select(Trigger.id, Trigger.is_active).where(Trigger.id.in_(given.trigger_ids))
    known = {found.id: found.is_active for found in session.execute(query)}
    if unknown := set(given.trigger_ids) - known.keys():
        raise Refused({"trigger_ids": f"There is no trigger {', '.join(map(str, sorted(unknown)))}."})
    return _side(given.rule, hidden, sum(known.values()), given)


def _stored(session: Session, config_id: int) -> Side | None:
    """A stored configuration; None where a damaged row holds no rule that could be replayed."""
    configuration = session.get(AlertConfiguration, config_id)
    if configuration is None:
        raise NotFound
    if flaw(configuration.rule):
        return None
    hidden = {monitor.tag: monitor.is_hidden for monitor in configuration.monitors}
    active = sum(1 for trigger in configuration.triggers if trigger.is_active)
    return _side(configuration.rule, hidden, active, configuration)


def _side(
    rule: Rule, hidden: dict[str, bool], triggers: int, options: AlertConfigurationInput | AlertConfiguration
) -> Side:
    return Side(
        rule=rule,
        monitors=tuple(sorted(hidden)),
        triggers=triggers,
        reopen_minutes=options.reopen_minutes,
        group_minutes=options.group_minutes,
        hidden=tuple(sorted(tag for tag, is_hidden in hidden.items() if is_hidden)),
    )


def size(given: Order) -> int:
    """About how many samples it would replay."""
    return observations.size(reading(), given)


def run(given: Order, *, progress: Callable[[int], None] = lambda _: None) -> BackTest:
    """Replay every monitor. `progress` hears how many are done."""
    session = reading()
    parts = []
    for history in observations.histories(session, given):
        parts.append(replay(given, history))
        progress(len(parts))
    return tell(given, parts, zone=site.read(session).tz)


def begin(given: Order, *, config_id: int | None = None) -> str:
    """Let a worker make it. Returns the name under which `find` tells of it. Raises Refused when Redis is away."""
    fresh = Run(given, asked_at=clock.epoch(), config_id=config_id)
    name = hashlib.sha256(_RUN.dump_json(replace(fresh, asked_at=0))).hexdigest()[:32]
    try:
        if jobs.redis().set(f"{_KEY}{name}", _RUN.dump_json(fresh), nx=True, ex=KEPT_S):
            jobs.enqueue_housekeeping(jobs.BACK_TEST, name)
    except RedisError as error:
        log.warning("Redis is away (%s): no back-test of many monitors", error)
        raise Refused({"": "Many monitors at once need Redis, which does not answer. Test fewer monitors."}) from None
    return name


def find(name: str) -> Run | None:
    """How far it is; None when nobody asked, or too long ago."""
    try:
        raw = jobs.redis().get(f"{_KEY}{name}")
        return _RUN.validate_json(raw) if isinstance(raw, bytes) else None
    except (RedisError, ValidationError):  # what another version wrote reads as gone
        return None


def work(name: str) -> None:
    """Make a back-test that was begun: the job."""
    asked = find(name)
    if asked is None or asked.result is not None:
        return

    def keep(run: Run) -> None:
        jobs.redis().set(f"{_KEY}{name}", _RUN.dump_json(run), ex=KEPT_S)

    try:
        result = run(asked.order, progress=lambda done: keep(replace(asked, done=done)))
    except Exception:
        keep(replace(asked, is_broken=True))
        raise
    keep(replace(asked, done=asked.total, result=result))
