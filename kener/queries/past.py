"""How things stood at a moment of the last 30 days: the rule, whether it was active and whom it watched, read backwards from the trail."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import UPTIME_WINDOWS, AlertType, Rule
from kener.models import (
    AlertConfiguration,
    AuditEntry,
    Maintenance,
    MaintenanceMonitor,
    MaintenanceWindow,
    Monitor,
    WindowState,
)

_SUMMARY = re.compile(
    r"(?P<kind>STATUS|LATENCY|UPTIME): (?P<value>\S+)(?: over (?P<window>\w+))?, (?P<failing>\d+) and (?P<passing>\d+), "
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody did."""

    at: datetime
    actor: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A configuration and one of its monitors at a moment. Where something was otherwise than wanted, the act says who made it so."""

    rule: Rule
    is_rule_known: bool
    is_active: bool
    is_watched: bool
    is_paused: bool
    why_inactive: Act | None = None
    why_unwatched: Act | None = None
    why_paused: Act | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A maintenance window of a monitor, half-open, in seconds since 1970."""

    start: int
    end: int
    maintenance_id: int
    title: str


def trail(session: Session, about: str) -> list[Act]:
    """What was done to one thing, oldest first."""
    query = select(AuditEntry).where(AuditEntry.about == about).order_by(AuditEntry.id)
    return [Act(entry.at, entry.actor, entry.action, entry.detail) for entry in session.scalars(query)]


def rule_in(detail: str, now: Rule) -> Rule | None:
    """What of a rule decides, read from its line in the trail; the rest is as it is now."""
    found = _SUMMARY.match(detail)
    if found is None or (found["window"] or "24h") not in UPTIME_WINDOWS:
        return None
    return replace(
        now,
        alert_for=AlertType(found["kind"]),
        alert_value=found["value"],
        uptime_window=found["window"] or now.uptime_window,
        failure_threshold=int(found["failing"]),
        success_threshold=int(found["passing"]),
    )


def standing(
    configuration: AlertConfiguration, monitor: Monitor, acts: Sequence[Act], monitor_acts: Sequence[Act], at: datetime
) -> Standing:
    """How configuration and monitor stood at a moment."""
    watched = monitor.tag in [one.tag for one in configuration.monitors]
    taken = [act for act in acts if act.action in ("take in", "take out") and monitor.tag in act.detail.split(", ")]
    is_active, why_inactive = _state(configuration.is_active, acts, at, on="activate", off="deactivate")
    is_watched, why_unwatched = _state(watched, taken, at, on="take in", off="take out")
    is_running, why_paused = _state(monitor.is_active, monitor_acts, at, on="resume", off="pause")
    spoken = [rule_in(act.detail, configuration.rule) for act in acts if act.at <= at]
    known = [rule for rule in spoken if rule is not None]
    is_same = not any(act.action == "change" and act.at > at for act in acts)
    return Standing(
        rule=configuration.rule if is_same or not known else known[-1],
        is_rule_known=is_same or bool(known),
        is_active=is_active,
        is_watched=is_watched,
        is_paused=not is_running,
        why_inactive=why_inactive,
        why_unwatched=why_unwatched,
        why_paused=why_paused,
    )


def resets(acts: Iterable[Act], tag: str) -> list[int]:
    """When the counting on a monitor began anew, whatever had been counted before."""
    found, before = [], None
    for act in acts:
        spoken = _SUMMARY.match(act.detail)
        what = spoken.group("kind", "value", "window") if spoken else before
        if (
            act.action in ("activate", "deactivate")
            or (act.action in ("take in", "take out") and tag in act.detail.split(", "))
            or (before is not None and what != before)
        ):
            found.append(int(act.at.timestamp()))
        before = what
    return found


def planned(session: Session, monitor_id: int, *, first: int, last: int) -> list[Planned]:
    """The maintenance windows of a monitor that touch a span, without cancelled ones (E6)."""
    query = (
        select(MaintenanceWindow.start_at, MaintenanceWindow.end_at, Maintenance.id, Maintenance.title)
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .join(MaintenanceMonitor, MaintenanceMonitor.maintenance_id == Maintenance.id)
        .where(
            MaintenanceMonitor.monitor_id == monitor_id,
            MaintenanceWindow.state != WindowState.CANCELLED,
            MaintenanceWindow.end_at > clock.at(first),
            MaintenanceWindow.start_at <= clock.at(last),
        )
        .order_by(MaintenanceWindow.start_at)
    )
    return [
        Planned(int(start.timestamp()), int(end.timestamp()), maintenance_id, title)
        for start, end, maintenance_id, title in session.execute(query)
    ]


def _state(now: bool, acts: Sequence[Act], at: datetime, *, on: str, off: str) -> tuple[bool, Act | None]:
    """Whether something was on at a moment, and which act switched it off: the last before it, else the first after it undoes that."""
    turns = [act for act in acts if act.action in (on, off)]
    before = [act for act in turns if act.at <= at]
    if before:
        return before[-1].action == on, before[-1] if before[-1].action == off else None
    after = [act for act in turns if act.at > at]
    return (after[0].action == off if after else now), None
