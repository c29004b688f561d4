"""The rule of an alert: one observation in, a frozen decision out. Contract: incident automation, C and E."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any

from kener.domain.status import Status
from kener.domain.uptime import Seconds, percent

MIN_UPTIME_SAMPLES = 10
"""An UPTIME rule says nothing until its window holds this many samples (E3)."""

GAP_INTERVALS = 3
"""No sample for this many intervals breaks the streaks (E5)."""

FLAP_WINDOW = 20
"""Flapping is the share of changes between so many evaluations that failed or passed: 19 could be changes (X3)."""

PARENT_WAIT_S = 300
"""So long, at most, a child waits to be told what its parent is: for one interval of the parent, never for more than this."""

HELD = "but held:"
"""How the reason of a decision tells that a parent holds the alert."""

UPTIME_WINDOWS = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
"""Seconds by the name of the window (C2)."""


class AlertType(StrEnum):
    STATUS = "STATUS"
    LATENCY = "LATENCY"
    UPTIME = "UPTIME"


class Severity(StrEnum):
    CRITICAL = "CRITICAL"
    WARNING = "WARNING"


class AlertStatus(StrEnum):
    TRIGGERED = "TRIGGERED"
    RESOLVED = "RESOLVED"


class Verdict(StrEnum):
    """What one observation says under a rule (E3)."""

    FAIL = "fail"
    PASS = "pass"
    BETWEEN = "between"
    NOTHING = "nothing"


class Outcome(StrEnum):
    """What was decided (A3)."""

    QUIET = "quiet"
    HOLD = "hold"
    SUPPRESS = "suppress"
    TRIGGER = "trigger"
    OPEN = "open"
    REOPEN = "re-open"
    JOIN = "join"
    FLAP = "flap"
    CALM = "calm"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a configuration asks for. `alert_value`: DOWN or DEGRADED, milliseconds, or percent, as text.

    `flapping_start` and `flapping_stop`: the shares of changes, in percent, at which a monitor counts as unstable, and as calm again.
    """

    alert_for: AlertType
    alert_value: str
    failure_threshold: int = 3
    success_threshold: int = 5
    severity: Severity = Severity.WARNING
    create_incident: bool = False
    description: str | None = None
    uptime_window: str = "24h"
    flapping_start: int | None = None
    flapping_stop: int | None = None

    @property
    def uptime_window_s(self) -> int:
        return UPTIME_WINDOWS[self.uptime_window]

    @property
    def impact(self) -> Status:
        """What an incident of this rule says of its monitor (L6)."""
        return Status(self.alert_value) if self.alert_for is AlertType.STATUS else Status.DOWN

    def facts(self) -> dict[str, Any]:
        """The rule as it was, for alerts and decision records."""
        return asdict(self)


def rule_from_facts(facts: Any) -> Rule:
    """The reverse of `Rule.facts`. A record that was damaged from outside reads as a rule of unknown value."""
    try:
        known = {key: facts[key] for key in Rule.__dataclass_fields__ if key in facts}
        known["alert_for"], known["severity"] = AlertType(known["alert_for"]), Severity(known["severity"])
        return Rule(**known)
    except (KeyError, TypeError, ValueError):
        return Rule(AlertType.STATUS, "unknown")


@lru_cache(maxsize=10_000)
def flaw(rule: Rule) -> str | None:
    """Why a stored rule cannot be decided, or None: rows may be damaged from outside, and one must not stop the others."""
    if not isinstance(rule.alert_for, AlertType):
        return f"There is no alert type {rule.alert_for}."
    if rule.uptime_window not in UPTIME_WINDOWS:
        return f"There is no window {rule.uptime_window}."
    thresholds = (rule.failure_threshold, rule.success_threshold)
    if not all(isinstance(number, int) and number >= 1 for number in thresholds):
        return "A threshold is no whole number from 1 up."
    if not all(limit is None or isinstance(limit, int) for limit in (rule.flapping_start, rule.flapping_stop)):
        return "A limit of flapping is no whole number."
    try:
        normal_value(rule.alert_for, str(rule.alert_value))
    except ValueError as error:
        return f"The value {rule.alert_value} cannot be used. {error}"
    return None


@dataclass(frozen=True, slots=True)
class Parent:
    """A monitor on which another one depends, as it was known at one of the child's checks.

    `is_down`: its newest look says DOWN, be it believed or not yet confirmed. `unseen`: how many of the child's newest checks, this one
    included, came after that look (`unseen_since`).
    """

    tag: str
    name: str
    is_down: bool = False
    unseen: int = 0


def unseen_since(looked_at: int | None, span_s: int, at: int) -> int:
    """The child's checks after this moment, up to `at`, are those of which the parent's state is not known yet.

    A parent is waited for as long as its own interval, but not longer than five minutes: one that is looked at once a day, or not any
    more, holds nothing.
    """
    return max(looked_at or 0, at - min(span_s, PARENT_WAIT_S))


@dataclass(frozen=True, slots=True)
class Observation:
    """One stored sample, and what a rule may need beside it.

    `at` in seconds since 1970; `previous_at` and `previous_span_s` describe the sample before it. `uptime` and `uptime_samples` cover the
    rule's window up to and including this sample. `in_maintenance`: a maintenance window of the monitor covers `at`. `parents` are needed
    only where the rule would trigger.
    """

    at: int
    status: Status
    latency_ms: int | None = None
    previous_at: int | None = None
    previous_span_s: int = 0
    uptime: Seconds = Seconds()
    uptime_samples: int = 0
    in_maintenance: bool = False
    parents: tuple[Parent, ...] = ()

    @property
    def after_gap(self) -> bool:
        """No sample for three intervals before this one (E5)."""
        return self.previous_at is not None and self.at - self.previous_at > GAP_INTERVALS * self.previous_span_s


@dataclass(frozen=True, slots=True)
class Count:
    """Consecutive failing and passing evaluations. Passing stops counting at the success threshold: more says nothing.

    Where flapping is watched, `recent` holds the newest evaluations as F and P, oldest first. Only an active alert can be `flapping`.
    """

    failing: int = 0
    passing: int = 0
    recent: str = ""
    flapping: bool = False

    @property
    def changes(self) -> int:
        """How often the newest evaluations changed between failing and passing."""
        return self.recent.count("FP") + self.recent.count("PF")


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one observation. `held_by` is the parent because of which nothing triggers yet."""

    outcome: Outcome
    verdict: Verdict
    count: Count
    reason: str
    held_by: Parent | None = None


def judge(rule: Rule, seen: Observation) -> Verdict:
    """What one observation says under a rule (E3, E5)."""
    if seen.status is Status.NO_DATA:
        return Verdict.NOTHING
    match rule.alert_for:
        case AlertType.STATUS:
            failing = {Status(rule.alert_value), Status.DOWN}
            if seen.status in failing:
                return Verdict.FAIL
            return Verdict.PASS if seen.status is Status.UP else Verdict.BETWEEN
        case AlertType.LATENCY:
            if seen.latency_ms is None:
                return Verdict.NOTHING
            return Verdict.FAIL if seen.latency_ms > Decimal(rule.alert_value) else Verdict.PASS
        case AlertType.UPTIME:
            if seen.uptime_samples < MIN_UPTIME_SAMPLES or not seen.uptime.measured:
                return Verdict.NOTHING
            # Exact: a share of whole seconds against a decimal percentage, no floating point in between.
            available = Decimal(100 * (seen.uptime.measured - seen.uptime.down))
            return Verdict.FAIL if available < Decimal(rule.alert_value) * seen.uptime.measured else Verdict.PASS


def decide(rule: Rule, count: Count, seen: Observation, *, active: bool, reopen: bool = False) -> Decision:
    """Count one observation and say what to do.

    `active`: the configuration has a TRIGGERED alert on this monitor. `reopen`: that alert's incident was resolved by hand (O3).
    """
    decision = _by_thresholds(rule, count, seen, active=active, reopen=reopen)
    if rule.flapping_start is None or rule.flapping_stop is None:
        return decision
    recent = _recent(count, seen, decision)
    count = replace(decision.count, recent=recent, flapping=count.flapping and active)
    return _by_stability(rule, replace(decision, count=count), active=active, reopen=reopen)


def _by_thresholds(rule: Rule, count: Count, seen: Observation, *, active: bool, reopen: bool) -> Decision:
    verdict = judge(rule, seen)
    if seen.after_gap:
        count = Count()
    if verdict is Verdict.FAIL and seen.in_maintenance:
        return Decision(
            Outcome.SUPPRESS, verdict, count, "Failing, but inside a maintenance window: it does not count."
        )
    match verdict:
        case Verdict.NOTHING:
            return Decision(Outcome.QUIET, verdict, count, _nothing(rule, seen))
        case Verdict.BETWEEN:
            held = active or count.failing > 0
            outcome = Outcome.HOLD if held else Outcome.QUIET
            return Decision(outcome, verdict, Count(), "Neither failing nor passing: both counts start again.")
        case Verdict.FAIL:
            return _after_fail(rule, Count(failing=count.failing + 1), seen, active=active, reopen=reopen)
        case Verdict.PASS:
            passing = min(count.passing + 1, rule.success_threshold)
            return _after_pass(rule, Count(passing=passing), active=active)


def _after_fail(rule: Rule, count: Count, seen: Observation, *, active: bool, reopen: bool) -> Decision:
    so_far = f"{count.failing} of {rule.failure_threshold} failing"
    if active and reopen:
        reason = "Still failing after the incident was resolved by hand."
        return Decision(Outcome.REOPEN, Verdict.FAIL, count, reason)
    if active:
        return Decision(Outcome.QUIET, Verdict.FAIL, count, "Still failing; the alert is active.")
    if count.failing < rule.failure_threshold:
        return Decision(Outcome.HOLD, Verdict.FAIL, count, f"{so_far} so far.")
    if parent := held_by(seen.parents, count.failing):
        what = "is down" if parent.is_down else "was not looked at since this began to fail"
        return Decision(Outcome.HOLD, Verdict.FAIL, count, f"{so_far}, {HELD} {_short(parent.name)} {what}.", parent)
    return Decision(Outcome.TRIGGER, Verdict.FAIL, count, f"{so_far}: the failure threshold is reached.")


def held_by(parents: Iterable[Parent], failing: int) -> Parent | None:
    """The parent because of which a child that failed so often does not trigger: one that is down, else one that may well be."""
    known = list(parents)
    down = (parent for parent in known if parent.is_down)
    return next(down, None) or next((parent for parent in known if failing <= parent.unseen), None)


def _short(name: str) -> str:
    return name if len(name) <= 120 else f"{name[:119]}…"


def _after_pass(rule: Rule, count: Count, *, active: bool) -> Decision:
    if not active:
        return Decision(Outcome.QUIET, Verdict.PASS, count, "Passing.")
    so_far = f"{count.passing} of {rule.success_threshold} passing"
    if count.passing >= rule.success_threshold:
        return Decision(Outcome.RESOLVE, Verdict.PASS, count, f"{so_far}: the success threshold is reached.")
    return Decision(Outcome.HOLD, Verdict.PASS, count, f"{so_far} so far.")


def _recent(count: Count, seen: Observation, decision: Decision) -> str:
    """The newest evaluations that failed or passed. A gap breaks them like the streaks (E5), and what does not count is left out (E6)."""
    before = "" if seen.after_gap else count.recent
    if decision.outcome is Outcome.SUPPRESS or decision.verdict not in (Verdict.FAIL, Verdict.PASS):
        return before
    return (before + ("F" if decision.verdict is Verdict.FAIL else "P"))[-FLAP_WINDOW:]


def _by_stability(rule: Rule, decision: Decision, *, active: bool, reopen: bool) -> Decision:
    """Hold the alert of an unstable monitor until it has calmed down: then a threshold says what is true (X3)."""
    assert rule.flapping_start is not None and rule.flapping_stop is not None
    count, changes = decision.count, 100 * decision.count.changes
    if not active or decision.outcome is Outcome.SUPPRESS or decision.verdict not in (Verdict.FAIL, Verdict.PASS):
        return decision
    told = f"{count.changes} changes in the newest {len(count.recent)} checks"
    if not count.flapping:
        if reopen or changes < rule.flapping_start * (FLAP_WINDOW - 1):
            return decision
        reason = f"Unstable, {told}: the alert stays active until it has calmed down."
        return replace(decision, outcome=Outcome.FLAP, reason=reason, count=replace(count, flapping=True))
    calm, steady = changes <= rule.flapping_stop * (FLAP_WINDOW - 1), replace(count, flapping=False)
    if decision.outcome is Outcome.RESOLVE:
        if calm:
            return replace(decision, count=steady, reason=f"Calm again, {told}. {decision.reason}")
        return replace(decision, outcome=Outcome.HOLD, reason=f"Passing, but still unstable: {told}.")
    if calm and not reopen and count.failing >= rule.failure_threshold:
        return Decision(Outcome.CALM, Verdict.FAIL, steady, f"Calm again, {told}, and failing.")
    return decision


def _nothing(rule: Rule, seen: Observation) -> str:
    if seen.status is Status.NO_DATA:
        return "The check could not run: that says nothing about the monitor."
    if rule.alert_for is AlertType.LATENCY:
        return "No latency was measured."
    return f"The window holds {seen.uptime_samples} samples; {MIN_UPTIME_SAMPLES} are needed."


def replay(rule: Rule, observations: Iterable[Observation]) -> list[Decision]:
    """Decide a sequence of observations in time order, as it would have happened live."""
    count, active, story = Count(), False, []
    for seen in observations:
        decision = decide(rule, count, seen, active=active)
        count = decision.count
        active = decision.outcome is Outcome.TRIGGER or (active and decision.outcome is not Outcome.RESOLVE)
        story.append(decision)
    return story


def observed_value(rule: Rule, seen: Observation) -> str:
    """What was measured, in the rule's unit: `DOWN`, `1900 ms`, `98.2 %`."""
    match rule.alert_for:
        case AlertType.STATUS:
            return seen.status.value
        case AlertType.LATENCY:
            return f"{seen.latency_ms} ms" if seen.latency_ms is not None else "none"
        case AlertType.UPTIME:
            return percent(seen.uptime.ratio)


def normal_value(alert_for: AlertType, raw: str) -> str:
    """An alert value as it is stored and shown: no trailing zeros, no unit (C2, L3). Raises ValueError with what to enter."""
    raw = raw.strip()
    if alert_for is AlertType.STATUS:
        if raw.upper() not in ("DOWN", "DEGRADED"):
            raise ValueError("Choose DOWN or DEGRADED.")
        return raw.upper()
    try:
        number = Decimal(raw)
    except InvalidOperation:
        number = Decimal("NaN")
    if alert_for is AlertType.LATENCY:
        if not number.is_finite() or not 0 < number <= 3_600_000 or number != number.to_integral_value():
            raise ValueError("Enter a whole number of milliseconds above 0.")
        return str(int(number))
    if not number.is_finite() or not 0 < number <= 100:
        raise ValueError("Enter a percentage above 0 and up to 100, for instance 99.9.")
    if number.as_tuple().exponent < -6:  # type: ignore[operator]
        raise ValueError("Enter at most six decimals.")
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
