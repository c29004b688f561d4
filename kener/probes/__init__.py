"""Probes look at the outside world and bring back Readings. One module per monitor type that reaches out.

A probe module has `probe(targets, *, budget_s=None)`: an iterator of `(target id, Reading | None)` in the order in which the
looks end. All targets are looked at at once; each has its own hard deadline (its spec's timeout). With `budget_s`, whatever has
not ended by then is dropped and yields None, which means: ask again, slowly.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from kener.domain.readings import Reading, cannot_run
from kener.domain.specs import MonitorType, Spec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be looked at; `id` only names it in the answer."""

    id: int
    spec: Spec


class Probe(Protocol):
    """A probe module."""

    def probe(
        self, targets: Sequence[Target], *, budget_s: float | None = None
    ) -> Iterator[tuple[int, Reading | None]]: ...


class _Lazy:
    """Loads a probe module when it is first used: web and scheduler look at nothing."""

    def __init__(self, module: str) -> None:
        self.module = module

    def probe(
        self, targets: Sequence[Target], *, budget_s: float | None = None
    ) -> Iterator[tuple[int, Reading | None]]:
        found: Iterator[tuple[int, Reading | None]] = import_module(f"kener.probes.{self.module}").probe(
            targets, budget_s=budget_s
        )
        return found


PROBES: dict[MonitorType, Probe] = {
    MonitorType.API: _Lazy("api"),
    MonitorType.SSL: _Lazy("ssl"),
    MonitorType.DNS: _Lazy("dns"),
    MonitorType.TCP: _Lazy("tcp"),
    MonitorType.GRPC: _Lazy("grpc"),
    MonitorType.PING: _Lazy("ping"),
    MonitorType.UDP: _Lazy("udp"),
    MonitorType.GAMEDIG: _Lazy("gamedig"),
    MonitorType.STARTTLS: _Lazy("starttls"),
    MonitorType.WEBSOCKET: _Lazy("websocket"),
    MonitorType.SQL: _Lazy("sql"),
}


def look_at_all(
    targets: Mapping[MonitorType, Sequence[Target]], *, budget_s: float | None = None
) -> Iterator[tuple[int, Reading | None]]:
    """Look at targets of several types at once, as each probe does with its own. A probe that breaks off costs no other type its readings.

    Several types are looked at in threads of their own: one after the other, each would take a whole budget.
    """
    if len(targets) < 2:
        for kind, some in targets.items():
            yield from _unbroken(kind, some, budget_s)
        return
    ended: SimpleQueue[tuple[int, Reading | None] | None] = SimpleQueue()

    def look(kind: MonitorType, some: Sequence[Target]) -> None:
        for one in _unbroken(kind, some, budget_s):
            ended.put(one)
        ended.put(None)

    for kind, some in targets.items():
        Thread(target=look, args=(kind, some), name=f"kener-look-{kind.lower()}", daemon=True).start()
    running = len(targets)
    while running:
        one = ended.get()
        if one is None:
            running -= 1
        else:
            yield one


def _unbroken(
    kind: MonitorType, targets: Sequence[Target], budget_s: float | None
) -> Iterator[tuple[int, Reading | None]]:
    """The readings of one type; where its probe breaks off by a mistake of ours, the rest say so."""
    missing = {target.id for target in targets}
    try:
        for target_id, seen in PROBES[kind].probe(targets, budget_s=budget_s):
            missing.discard(target_id)
            yield target_id, seen
    except Exception:
        log.exception("the probe of %s broke off", kind)
        for target_id in sorted(missing):
            yield target_id, cannot_run("The check broke off on our side; the log has the reason.")
