"""What a back-test says in plain sentences: where the draft differs from the current rule, and what more patience would cost."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from statistics import median_low

from kener.domain.alerting import Rule
from kener.domain.durations import in_words
from kener.domain.replay import Episode, Order, Part, Walk, alternatives

ENOUGH = 3
"""Fewer alerts than this are no reason to advise more patience."""

Beside = list[tuple[Episode, list[Episode]]]


def advice(order: Order, parts: Sequence[Part]) -> Iterator[str]:
    """Sentences, the comparison with the current rule first."""
    if not any(part.samples for part in parts):
        yield "There is no sample yet to replay."
        return
    draft = _episodes(part.draft for part in parts)
    sides = [order.draft, order.current] if order.current else [order.draft]
    own = all(side.rule.create_incident and side.reopen_minutes is side.group_minutes is None for side in sides)
    noun = "incident" if own else "alert"
    if order.draft == order.current:
        yield "The draft is the current rule: nothing changes."
    elif order.current is not None:
        current = _episodes(part.current for part in parts)
        yield from _compared(order.draft.rule, order.current.rule, draft, current, noun=noun, end=order.end)
    if not draft:
        yield _best_run(order.draft.rule, parts)
    if len(draft) >= ENOUGH:
        yield from _patience(order, parts, draft, noun)


def _episodes(walks: Iterable[Walk]) -> list[Episode]:
    return [episode for walk in walks for episode in walk.episodes]


def _best_run(rule: Rule, parts: Sequence[Part]) -> str:
    run = max(part.draft.longest_run for part in parts)
    if not run:
        return "The draft would not have triggered: no check failed."
    return f"The draft would not have triggered: at most {run} of {rule.failure_threshold} checks failed in a row."


def _compared(
    draft: Rule, current: Rule, new: Sequence[Episode], old: Sequence[Episode], *, noun: str, end: int
) -> Iterator[str]:
    success, failure = _names(draft, current)
    by_old, by_new = _beside(old, new, end), _beside(new, old, end)
    merged = [len(olds) for _, olds in by_new if len(olds) > 1]
    split = [len(news) for _, news in by_old if len(news) > 1]
    if merged:
        yield f"{success} would have merged {_count(sum(merged), noun)} into {len(merged)}."
    if split:
        yield f"{success} would have split {_count(len(split), noun)} into {sum(split)}."
    if lost := [one for one, news in by_old if not news]:
        yield f"{failure} would have left out {_with_length(lost, noun, end)}: nobody would have been told."
    if added := [one for one, olds in by_new if not olds]:
        yield f"{failure} would have added {_with_length(added, noun, end)}."
    news_of = dict(by_old)
    linked = [(two, olds) for two, olds in by_new if olds]
    if later := _typical(two.start - olds[0].start for two, olds in linked if news_of[olds[0]][0] == two):
        yield f"People would have heard of an outage {_shift(later)}."
    ends = [(two.end, olds[-1].end) for two, olds in linked if news_of[olds[-1]][-1] == two]
    if later := _typical(new_end - old_end for new_end, old_end in ends if new_end is not None and old_end is not None):
        yield f"People would have heard of the end {_shift(later)}."


def _names(draft: Rule, current: Rule) -> tuple[str, str]:
    """Who is behind more or fewer ends, and behind more or fewer beginnings: a threshold where only thresholds differ."""
    if _limit(draft) != _limit(current):
        return "The draft", "The draft"
    success, failure = f"Success {draft.success_threshold}", f"Failure {draft.failure_threshold}"
    if draft.success_threshold == current.success_threshold:
        return failure, failure
    if draft.failure_threshold == current.failure_threshold:
        return success, success
    return success, failure


def _limit(rule: Rule) -> tuple[str, str, str]:
    return rule.alert_for, rule.alert_value, rule.uptime_window


def _patience(order: Order, parts: Sequence[Part], draft: Sequence[Episode], noun: str) -> Iterator[str]:
    """The first higher threshold of each kind that would have halved the number, with its price."""
    rule, told = order.draft.rule, set[str]()
    for index, other in enumerate(alternatives(rule)):
        episodes = _episodes(part.others[index] for part in parts)
        kind = "success" if other.success_threshold != rule.success_threshold else "failure"
        if kind in told or 2 * len(episodes) > len(draft):
            continue
        told.add(kind)
        if kind == "success":
            more = sum(one.length_s(order.end) for one in episodes) - sum(one.length_s(order.end) for one in draft)
            price = f", with {in_words(more)} more in alert" if more > 0 else ""
            merged = _count(len(draft), noun)
            yield f"Success {other.success_threshold} would have merged {merged} into {len(episodes)}{price}."
        else:
            by_old = _beside(draft, episodes, order.end)
            lost = [one for one, others in by_old if not others]
            later = _typical(others[0].start - one.start for one, others in by_old if others)
            price = f", and told of the {'other' if len(episodes) == 1 else 'others'} {_shift(later)}" if later else ""
            yield f"Failure {other.failure_threshold} would have left out {_with_length(lost, noun, order.end)}{price}."


def _beside(ones: Sequence[Episode], others: Sequence[Episode], end: int) -> Beside:
    """Each episode with those of the other rule that overlap or touch it. Episodes of one rule on one monitor never overlap."""
    by_monitor: dict[str, list[Episode]] = {}
    for other in others:
        by_monitor.setdefault(other.monitor, []).append(other)
    found = []
    for one in ones:
        there = by_monitor.get(one.monitor, [])
        first = bisect_right(there, one.start - 1, key=lambda other: end if other.end is None else other.end)
        until = bisect_right(there, end if one.end is None else one.end, key=lambda other: other.start)
        found.append((one, there[first:until]))
    return found


def _typical(seconds: Iterable[int]) -> int:
    """The median, a value that occurred; 0 for none."""
    found = list(seconds)
    return median_low(found) if found else 0


def _shift(seconds: int) -> str:
    return f"{in_words(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"


def _with_length(episodes: Sequence[Episode], noun: str, end: int) -> str:
    longest = in_words(max(one.length_s(end) for one in episodes))
    return (
        f"1 {noun} of {longest}" if len(episodes) == 1 else f"{_count(len(episodes), noun)}, the longest of {longest}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
