"""Looks at several hosts at once, each with its own deadline, and makes one reading of what was seen."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kener.domain.readings import Reading, cannot_run
from kener.domain.specs.hosts import ManyHosts, OneHost
from kener.domain.status import Status, worst
from kener.probes.aio import ERROR_LENGTH, Down, Ours, Watch, sorted_out
from kener.probes.limits import limited

GRACE_MS = 250
"""What the whole look has beyond its slowest host, so that this host's own words are heard."""

H = TypeVar("H", bound=OneHost)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one host. `reason`: why it does not count as answering; `ours`: that the look at it could not be made."""

    name: str
    ms: float | None = None
    answer: str | None = None
    reason: str | None = None
    ours: bool = False
    timed_out: bool = False
    phases: dict[str, int] = field(default_factory=dict)


Ask = Callable[[H, Watch], Awaitable[tuple[float, str | None]]]
"""Looks at one host: `(milliseconds, the answer in a few words)`. Raises Down, Ours, OSError; TimeoutError once it is its time."""


def limit_ms(limits_ms: Iterable[int]) -> int:
    """The deadline of a look at hosts with these time limits."""
    return max(limits_ms) + GRACE_MS


async def look_at(hosts: Sequence[H], ask: Ask[H], *, called: Callable[[H], str]) -> list[Seen]:
    """Ask all hosts at once; what came of each, in their order."""
    return await asyncio.gather(*(_one(host, ask, called(host)) for host in hosts))


async def _one(host: H, ask: Ask[H], name: str) -> Seen:
    watch = Watch()
    try:
        ms, answer = await ask(host, watch)
        return Seen(name, ms, answer, phases=dict(watch.phases))
    except Down as down:
        return Seen(name, answer=down.answer, reason=down.reason, timed_out=down.timed_out, phases=dict(watch.phases))
    except Ours as ours:
        return Seen(name, reason=str(ours), ours=True)
    except OSError as error:
        found = sorted_out(error, name)
        if isinstance(found, Ours):
            return Seen(name, reason=str(found), ours=True)
        return Seen(name, reason=found.reason, timed_out=found.timed_out, phases=dict(watch.phases))


def together(spec: ManyHosts, seen: Sequence[Seen], *, said: str) -> Reading:
    """One reading of all hosts: the verdict by `partial`, then the limits of latency.

    The latency is the mean of those that answered; phases are those of the slowest of them. `said`: what came, as `limited` wants it. Hosts
    that could not be looked at leave the verdict open: where it would be another one if they answered, there is none.
    """
    answered = [one for one in seen if one.reason is None]
    failed = [one for one in seen if one.reason is not None and not one.ours]
    unknown = [one for one in seen if one.ours]
    status = _verdict(spec, len(answered) + len(unknown), len(failed))
    if status is not _verdict(spec, len(answered), len(failed) + len(unknown)):
        return cannot_run(_listed(unknown, len(seen))[:ERROR_LENGTH])
    slowest = max(answered, key=lambda one: one.ms or 0, default=None)
    measured = Reading(
        Status.UP,
        latency_ms=max(1, round(sum(one.ms or 0 for one in answered) / len(answered))) if answered else None,
        timed_out=any(one.timed_out for one in seen),
        answer=_answer(seen),
        phases=slowest.phases if slowest else seen[0].phases,
    )
    slow = limited(spec, measured, said)
    reasons = [] if status is Status.UP else [_listed([*failed, *unknown], len(seen))]
    reasons += [slow.error] if slow.error else []
    return Reading(
        worst((status, slow.status)),
        latency_ms=measured.latency_ms,
        error=". ".join(reasons)[:ERROR_LENGTH] or None,
        timed_out=measured.timed_out,
        answer=measured.answer,
        phases=measured.phases,
    )


def _verdict(spec: ManyHosts, answered: int, failed: int) -> Status:
    if not failed:
        return Status.UP
    return Status(spec.partial) if answered else Status.DOWN


def _listed(failed: Sequence[Seen], of: int) -> str:
    """Every failing host with its reason. A lone host needs no name: its reason has it."""
    if of == 1:
        return failed[0].reason or ""
    count = f"None of {of} hosts answers" if len(failed) == of else f"{len(failed)} of {of} hosts failed"
    return f"{count}: " + "; ".join(f"{one.name}: {one.reason}" for one in failed)


def _answer(seen: Sequence[Seen]) -> str | None:
    """What they said. Where one of several failed, that is said here too: it may count as UP."""
    if len(seen) == 1:
        return seen[0].answer
    return "; ".join(f"{one.name}: {one.answer or one.reason or 'open'}" for one in seen)[:ERROR_LENGTH]
