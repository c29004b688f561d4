"""The back-test: what a draft would have made of stored samples, beside the current rule. Contract: incident automation, X1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median_low
from zoneinfo import ZoneInfo

from kener.domain.advice import advice
from kener.domain.alerting import Rule
from kener.domain.openings import openings
from kener.domain.replay import Episode, Order, Part, Side, Walk

EPISODES_TOLD = 500
"""So many of the newest episodes are kept in a result; its figures count all."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a rule would have made; by day, what began then. `delay_s`: from the first failing sample to the alert, typically."""

    rule: Rule
    alerts: int
    incidents: int
    in_alert_s: int
    longest_s: int
    notices: int
    delay_s: int | None
    alerts_by_day: tuple[int, ...]
    incidents_by_day: tuple[int, ...]
    episodes: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class BackTest:
    """The draft beside the current rule."""

    start: int
    end: int
    samples: int
    monitors: int
    days: tuple[date, ...]
    draft: Figures
    current: Figures | None
    advice: tuple[str, ...]


def tell(order: Order, parts: Sequence[Part], *, zone: ZoneInfo) -> BackTest:
    """The result over all monitors, with days in a time zone."""
    days = _days(order, zone)
    current = order.current
    return BackTest(
        start=order.start,
        end=order.end,
        samples=sum(part.samples for part in parts),
        monitors=len(order.monitors),
        days=days,
        draft=_figures(order.draft, [part.draft for part in parts], order.end, days, zone),
        current=_figures(current, [part.current for part in parts], order.end, days, zone) if current else None,
        advice=tuple(advice(order, parts)),
    )


def _figures(side: Side, walks: Iterable[Walk], end: int, days: Sequence[date], zone: ZoneInfo) -> Figures:
    episodes = sorted((episode for walk in walks for episode in walk.episodes), key=lambda episode: episode.start)
    incidents = openings(side, episodes)
    lengths = [episode.length_s(end) for episode in episodes]
    ended = sum(1 for episode in episodes if episode.end is not None)
    return Figures(
        rule=side.rule,
        alerts=len(episodes),
        incidents=len(incidents),
        in_alert_s=sum(lengths),
        longest_s=max(lengths, default=0),
        notices=side.triggers * (len(episodes) + ended),
        delay_s=median_low(episode.start - episode.failing_since for episode in episodes) if episodes else None,
        alerts_by_day=_by_day(episodes, days, zone),
        incidents_by_day=_by_day(incidents, days, zone),
        episodes=tuple(episodes[-EPISODES_TOLD:]),
    )


def _by_day(episodes: Iterable[Episode], days: Sequence[date], zone: ZoneInfo) -> tuple[int, ...]:
    began = Counter(datetime.fromtimestamp(episode.start, zone).date() for episode in episodes)
    return tuple(began[day] for day in days)


def _days(order: Order, zone: ZoneInfo) -> tuple[date, ...]:
    first = datetime.fromtimestamp(order.start, zone).date()
    last = datetime.fromtimestamp(order.end - 1, zone).date()
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
