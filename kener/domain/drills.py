"""Fire drills: the observations of an outage that never was, decided by the rule that would decide a real one."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from kener.domain.alerting import MIN_UPTIME_SAMPLES, AlertType, Count, Decision, Observation, Rule, decide
from kener.domain.status import Status
from kener.domain.uptime import Seconds

MARK = "[drill]"
"""Begins whatever a drill writes, so that nobody takes it for the real thing."""


def outage(rule: Rule, *, until: int) -> list[Observation]:
    """As many failing observations as the rule asks for, one a second, the last one at `until`."""
    match rule.alert_for:
        case AlertType.STATUS:
            seen = Observation(until, Status(rule.alert_value))
        case AlertType.LATENCY:
            seen = Observation(until, Status.UP, latency_ms=int(Decimal(rule.alert_value)) + 1)
        case AlertType.UPTIME:
            seen = _over_window(until, Status.DOWN, Seconds(down=rule.uptime_window_s))
    return _in_a_row(seen, rule.failure_threshold)


def recovery(rule: Rule, *, until: int) -> list[Observation]:
    """As many passing observations as the rule asks for."""
    match rule.alert_for:
        case AlertType.STATUS:
            seen = Observation(until, Status.UP)
        case AlertType.LATENCY:
            seen = Observation(until, Status.UP, latency_ms=int(Decimal(rule.alert_value)))
        case AlertType.UPTIME:
            seen = _over_window(until, Status.UP, Seconds(up=rule.uptime_window_s))
    return _in_a_row(seen, rule.success_threshold)


def rehearse(rule: Rule, observations: Iterable[Observation], *, active: bool) -> Decision:
    """The decision on the last of these observations, counted from nothing."""
    count, decision = Count(), None
    for seen in observations:
        decision = decide(rule, count, seen, active=active)
        count = decision.count
    assert decision is not None, "a threshold is at least 1"
    return decision


def _over_window(at: int, status: Status, uptime: Seconds) -> Observation:
    return Observation(at, status, uptime=uptime, uptime_samples=MIN_UPTIME_SAMPLES)


def _in_a_row(last: Observation, number: int) -> list[Observation]:
    moments = range(last.at - number + 1, last.at + 1)
    return [replace(last, at=at, previous_at=at - 1, previous_span_s=1) for at in moments]
