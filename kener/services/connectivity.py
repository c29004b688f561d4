"""Our own connection: when targets do not answer, are we the ones who are cut off?

Operators name reference targets. When looks fail without an answer and no reference can be reached either, the failures say nothing about
their targets: they become NO_DATA ("our side"), no alert fires, and the overview says so. What did answer, if only with an error, stands.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kener import clock, live
from kener.db import reading, transaction, upsert
from kener.domain.readings import Reading
from kener.domain.status import Status
from kener.models import Setting
from kener.probes import references as probe
from kener.queries import connectivity as rows
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Refused

log = logging.getLogger(__name__)

LIMIT_S = 1.0
"""How long references are waited for: a shard of failed checks waits with them."""

FRESH_S = 5.0
"""So long a look at the references stands for the next shards of this process."""

MAX_REFERENCES = 10
OUR_SIDE = "Not judged: this machine's own connection is down, no reference target can be reached."


@dataclass
class _Last:
    """What this process saw last."""

    at: float = 0.0
    references: tuple[str, ...] = ()
    cut_off: bool = False


_last, _looking = _Last(), threading.Lock()


def excused(readings: Sequence[Reading]) -> list[Reading]:
    """The same readings; failures without an answer as NO_DATA while we are cut off.

    The references are looked at every few seconds at most, and only when something failed.
    """
    suspects = [seen.status is Status.DOWN and seen.answer is None for seen in readings]
    if not any(suspects) or not _cut_off():
        return list(readings)
    return [
        replace(seen, status=Status.NO_DATA, error=OUR_SIDE) if suspect else seen
        for seen, suspect in zip(readings, suspects, strict=True)
    ]


def _cut_off() -> bool:
    with _looking:
        session = reading()
        references = rows.references(session)
        session.rollback()
        if not references:
            return False
        if references != _last.references or time.monotonic() - _last.at > FRESH_S:
            cut_off = not probe.reached(references, limit_s=LIMIT_S)
            _last.at, _last.references, _last.cut_off = time.monotonic(), references, cut_off
            _remember(cut_off)
        return _last.cut_off


def _remember(cut_off: bool) -> None:
    """Write down that we are cut off, and since when; or that we are not any more."""
    now, session = clock.epoch(), reading()
    known = rows.episode(session)
    session.rollback()
    goes_on = known is not None and known.is_current(now)
    if known is not None and goes_on:
        ended = None if cut_off else now
        _write({"started_at": known.started_at, "seen_at": now, "ended_at": ended})
    elif cut_off:
        _write({"started_at": now, "seen_at": now, "ended_at": None})
    if goes_on is not cut_off:
        log.warning("this machine's own connection is %s", "down: no reference can be reached" if cut_off else "back")
        live.publish()


def _write(value: dict[str, Any]) -> None:
    table: Any = Setting.__table__
    with transaction() as session:
        upsert(session, table, [{"name": rows.EPISODE, "value": value}], replace=("value",))


def set_references(given: Sequence[str], *, actor: Actor) -> None:
    """Choose the reference targets; none switches the guard off. Raises Refused."""
    wanted = [one.strip() for one in dict.fromkeys(given) if one.strip()]
    problem = _mistake(wanted)
    if problem:
        raise Refused({"references": problem})
    with transaction() as session:
        before = rows.references(session)
        if list(before) == wanted:
            return
        session.merge(Setting(name=rows.REFERENCES, value=wanted))
        audit.note(session, actor, "change", "site", f"reference targets: {', '.join(wanted) or 'none'}")


def _mistake(wanted: Sequence[str]) -> str | None:
    if len(wanted) > MAX_REFERENCES:
        return f"Name at most {MAX_REFERENCES} reference targets."
    for one in wanted:
        try:
            if len(one) > 255 or not one.isprintable() or any(c.isspace() for c in one):
                raise ValueError(f"{one[:60]!r} is no reference. Write host:port or https://example.com.")
            probe.place_of(one)
        except ValueError as error:
            return str(error)
    return None
