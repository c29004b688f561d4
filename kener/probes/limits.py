"""The limits of latency that every measuring type has."""

from dataclasses import replace

from kener.domain.readings import Reading
from kener.domain.specs.base import MeasuredSpec
from kener.domain.status import Status
from kener.net.transfer import in_seconds


def limited(spec: MeasuredSpec, reading: Reading, said: str) -> Reading:
    """The reading, or a worse one where it took longer than a limit. What is as bad already keeps its reason.

    `said`: what came, for the sentence "HTTP 200 after 3 s, limit 2 s".
    """
    ms = reading.latency_ms
    if ms is None:
        return reading
    for status, limit, spared in (
        (Status.DOWN, spec.down_latency_ms, (Status.DOWN, Status.NO_DATA)),
        (Status.DEGRADED, spec.degraded_latency_ms, (Status.DOWN, Status.NO_DATA, Status.DEGRADED)),
    ):
        if limit and ms > limit and reading.status not in spared:
            return replace(
                reading,
                status=status,
                error=f"{reading.error or said} after {in_seconds(ms)}, limit {in_seconds(limit)}"[:500],
            )
    return reading
