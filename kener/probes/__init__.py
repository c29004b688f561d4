"""Probes look at the outside world and bring back Readings. One module per monitor type that reaches out.

A probe module has `probe(targets, *, budget_s=None)`: an iterator of `(target id, Reading | None)` in the order in which the
looks end. All targets are looked at at once; each has its own hard deadline (its spec's timeout). With `budget_s`, whatever has
not ended by then is dropped and yields None, which means: ask again, slowly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from kener.domain.readings import Reading
from kener.domain.specs import MonitorType, Spec


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
