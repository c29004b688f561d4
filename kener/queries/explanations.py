"""Why a configuration did, or did not do, something about a monitor in any minute of the last 30 days (A3).

Decision records answer where there are some: every step that mattered left one. Between them the stored samples are decided again by
the live rule, with what was then counted, active and planned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import (
    GAP_INTERVALS,
    HELD,
    Count,
    Outcome,
    Rule,
    Verdict,
    decide,
    flaw,
    observed_value,
    rule_from_facts,
)
from kener.domain.status import Status, from_code
from kener.models import Alert, AlertConfiguration, Decision, Monitor, MonitorState, Sample, SampleNote
from kener.queries import past
from kener.queries.findings import Line, Mend, Tone
from kener.queries.observations import observations

DAYS = 30
BEFORE, AFTER = 9, 3
"""How many samples are shown around the minute."""

WORDS = {
    Outcome.TRIGGER: "Trigger",
    Outcome.RESOLVE: "Resolve",
    Outcome.REOPEN: "Re-open",
    Outcome.OPEN: "Open",
    Outcome.JOIN: "Join",
    Outcome.FLAP: "Unstable",
    Outcome.CALM: "Calm",
    Outcome.SUPPRESS: "Suppress",
    Outcome.HOLD: "Hold",
    Outcome.QUIET: "Nothing",
}
UNCOUNTED = "Not counted"


@dataclass(frozen=True, slots=True)
class Step:
    """One sample, or an end without one (then `status` is None), and what was decided about it."""

    at: datetime
    status: Status | None
    latency_ms: int | None
    error: str | None
    observed: str
    by_hand: bool
    count: str
    word: str
    reason: str
    outcome: Outcome
    verdict: str
    is_recorded: bool
    is_meant: bool
    alert_id: int | None = None
    failing: int = 0
    passing: int = 0
    after_gap_s: int = 0
    doubt: "Doubt | None" = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a look said that is not, or not yet, believed."""

    raw: Status
    waits: bool

    @property
    def words(self) -> tuple[str, str]:
        if self.waits:
            return (
                f"Seen {self.raw}, which waits for confirmation",
                "Nothing is decided about it until more checks agree.",
            )
        return (
            f"Seen {self.raw}, which was not confirmed",
            "The checks after it did not agree, so the status before it counted.",
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: a headline, a sentence, what was measured, and the samples around."""

    monitor_tag: str
    monitor_name: str
    at: datetime
    headline: str
    sentence: str
    tone: Tone
    source: str
    rule: Rule
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]
    earlier: datetime | None
    later: datetime | None


def explain(session: Session, configuration: AlertConfiguration, monitor: Monitor, at: datetime) -> Explanation:
    """What happened in the minute of `at`, and why nothing else did."""
    minute = int(at.timestamp()) // 60 * 60
    newest = session.scalar(
        select(func.max(Sample.at)).where(Sample.monitor_id == monitor.id, Sample.at <= minute + 59)
    )
    acts = past.trail(session, f"alert-configuration-{configuration.id}")
    moment = clock.at(newest if newest is not None and newest >= minute else minute + 59)
    stood = past.standing(configuration, monitor, acts, past.trail(session, f"monitor-{monitor.id}"), moment)
    ended = _ended(session, configuration.id, monitor.id, minute)
    # A minute without a sample is answered by the sample before it: that one still stands, or the gap after it explains.
    meant = minute if newest is None or newest >= minute or ended else newest // 60 * 60
    story = [] if flaw(stood.rule) else list(_story(session, configuration, monitor, stood, acts, meant))
    chosen = [step for step in story if step.is_meant]
    telling = max(chosen, key=lambda step: (_WEIGHT.get(step.outcome, 1), step.at), default=None)
    first = next((number for number, step in enumerate(story) if step.is_meant), len(story))
    last = first + len(chosen)
    is_here = telling is not None and int(telling.at.timestamp()) >= minute
    windows = past.planned(session, monitor.id, first=meant, last=minute + 59)
    headline, sentence, tone = _headline(configuration, monitor, stood, telling, newest, minute)
    return Explanation(
        monitor_tag=monitor.tag,
        monitor_name=monitor.name,
        at=clock.at(minute),
        rule=stood.rule,
        source=_source(telling, is_here),
        lines=tuple(_lines(session, configuration, monitor, stood, telling, newest, windows, minute)),
        steps=tuple(story[max(0, first - BEFORE) : last + AFTER]),
        earlier=story[first - 1].at if 0 < first <= len(story) else None,
        later=story[last].at if last < len(story) else None,
        headline=headline,
        sentence=sentence,
        tone=tone,
    )


_WEIGHT = {
    Outcome.QUIET: 0,
    Outcome.HOLD: 1,
    Outcome.SUPPRESS: 2,
    Outcome.OPEN: 3,
    Outcome.JOIN: 3,
    Outcome.REOPEN: 4,
    Outcome.FLAP: 4,
    Outcome.CALM: 4,
    Outcome.RESOLVE: 5,
    Outcome.TRIGGER: 6,
}


def _ended(session: Session, config_id: int, monitor_id: int, minute: int) -> bool:
    """Whether an alert ended in this minute without a sample (O7, A2)."""
    query = select(Decision.id).where(
        Decision.config_id == config_id,
        Decision.monitor_id == monitor_id,
        Decision.at.between(minute, minute + 59),
        Decision.verdict == Verdict.NOTHING.value,
        Decision.outcome == Outcome.RESOLVE,
    )
    return session.scalar(query.limit(1)) is not None


def _story(
    session: Session,
    configuration: AlertConfiguration,
    monitor: Monitor,
    stood: past.Standing,
    acts: Sequence[past.Act],
    minute: int,
) -> Iterator[Step]:
    """The samples from far enough before the minute to shortly after it, decided again; records put the replay right."""
    first, last = _reach(session, monitor.id, stood.rule, minute)
    windows = [(window.start, window.end) for window in past.planned(session, monitor.id, first=first, last=last)]
    seen = observations(session, monitor.id, stood.rule, first=first, last=last, windows=windows)
    notes, doubts = _notes(session, monitor.id, first, last), _unconfirmed(session, monitor.id, first, last)
    records, ends = _records(session, configuration.id, monitor.id, first, last)
    episodes = _episodes(session, configuration.id, monitor.id)
    anew = past.resets(acts, monitor.tag)
    count, before, needed = Count(), first - 1, stood.rule
    for one in seen:
        yield from (_end(end, minute) for end in ends if before < end.at < one.at)
        if any(before < moment <= one.at for moment in anew + [end.at for end in ends]):
            count = Count()
        before, record, note = one.at, records.get(one.at), notes.get(one.at)
        active = next((alert for alert, start, end in episodes if start < one.at <= end), None)
        # Which alerts were active is known. Every step while a monitor flapped has its record, and the counts kept there are no history.
        rule = replace(stood.rule, flapping_start=None, flapping_stop=None)
        decision = decide(rule, count, one, active=active is not None)
        outcome, reason, rule = decision.outcome, decision.reason, needed
        if record is not None:
            outcome, reason, rule = record.outcome, record.reason, rule_from_facts(record.rule)
            count = Count(record.failing, record.passing)
        elif outcome is Outcome.QUIET and not (one.at in doubts and doubts[one.at].waits):
            count = decision.count
        gap = one.at - (one.previous_at or one.at) if one.after_gap else 0
        yield Step(
            at=clock.at(one.at),
            status=one.status,
            latency_ms=one.latency_ms,
            error=note[0] if note else None,
            observed=record.observed if record else observed_value(stood.rule, one),
            by_hand=bool(note and note[1] == "manual"),
            count=_counted(count, rule),
            word=_word(outcome) if record or outcome is Outcome.QUIET else UNCOUNTED,
            reason=reason if record or outcome is Outcome.QUIET else _uncounted(stood, decision.reason),
            outcome=outcome if record or outcome is Outcome.QUIET else Outcome.QUIET,
            verdict=record.verdict if record else decision.verdict.value,
            is_recorded=record is not None,
            is_meant=minute <= one.at < minute + 60,
            alert_id=record.alert_id if record else active,
            failing=count.failing,
            passing=count.passing,
            after_gap_s=gap,
            doubt=doubts.get(one.at),
        )
    yield from (_end(end, minute) for end in ends if end.at > before)


def _reach(session: Session, monitor_id: int, rule: Rule, minute: int) -> tuple[int, int]:
    """From how far back to decide again so that the counts are right, and how far on to show."""
    number = min(20_000, max(300, 3 * max(rule.failure_threshold, rule.success_threshold)))
    oldest = clock.epoch() - (DAYS + 1) * 86_400
    earlier = select(Sample.at).where(Sample.monitor_id == monitor_id, Sample.at < minute, Sample.at >= oldest)
    later = select(Sample.at).where(Sample.monitor_id == monitor_id, Sample.at >= minute + 60)
    before = list(session.scalars(earlier.order_by(Sample.at.desc()).limit(number)))
    after = list(session.scalars(later.order_by(Sample.at).limit(AFTER + 1)))
    return (before[-1] if before else minute), (after[-1] if after else minute + 59)


def _notes(session: Session, monitor_id: int, first: int, last: int) -> dict[int, tuple[str | None, str]]:
    query = select(SampleNote.at, SampleNote.error, SampleNote.source).where(
        SampleNote.monitor_id == monitor_id, SampleNote.at.between(first, last)
    )
    return {at: (error, source) for at, error, source in session.execute(query)}


def _unconfirmed(session: Session, monitor_id: int, first: int, last: int) -> dict[int, Doubt]:
    """The samples that stand with another status than they were seen with."""
    query = (
        select(Sample.at, Sample.raw, MonitorState.held_since)
        .join(MonitorState, MonitorState.monitor_id == Sample.monitor_id)
        .where(Sample.monitor_id == monitor_id, Sample.at.between(first, last), Sample.raw.is_not(None))
    )
    return {
        at: Doubt(from_code(raw or 0), waits=since is not None and at >= since)
        for at, raw, since in session.execute(query)
    }


def _records(
    session: Session, config_id: int, monitor_id: int, first: int, last: int
) -> tuple[dict[int, Decision], list[Decision]]:
    """The decisive record of each sample, and the records of ends without a sample."""
    query = (
        select(Decision)
        .where(Decision.config_id == config_id, Decision.monitor_id == monitor_id, Decision.at.between(first, last))
        .order_by(Decision.at, Decision.id)
    )
    found, ends = {}, []
    for record in session.scalars(query):
        if not record.samples:
            ends.append(record)
        elif record.at not in found:
            found[record.at] = record
    return found, ends


def _episodes(session: Session, config_id: int, monitor_id: int) -> list[tuple[int, float, float]]:
    """When which alert was active, in seconds since 1970."""
    query = select(Alert.id, Alert.triggered_at, Alert.resolved_at).where(
        Alert.config_id == config_id, Alert.monitor_id == monitor_id, Alert.is_drill.is_(False)
    )
    return [
        (alert_id, start.timestamp(), end.timestamp() if end else float("inf"))
        for alert_id, start, end in session.execute(query)
    ]


def _end(record: Decision, minute: int) -> Step:
    return Step(
        at=clock.at(record.at),
        status=None,
        latency_ms=None,
        error=None,
        observed="none",
        by_hand=False,
        count="0",
        word=_word(record.outcome),
        reason=record.reason,
        outcome=record.outcome,
        verdict=record.verdict,
        is_recorded=True,
        is_meant=minute <= record.at < minute + 60,
        alert_id=record.alert_id,
    )


def _word(outcome: Outcome) -> str:
    return WORDS.get(outcome, outcome.value.capitalize())


def _counted(count: Count, rule: Rule) -> str:
    if count.failing > rule.failure_threshold:
        return f"{count.failing} failing"
    if count.failing:
        return f"{count.failing} of {rule.failure_threshold} failing"
    return f"{count.passing} of {rule.success_threshold} passing" if count.passing else "0"


def _uncounted(stood: past.Standing, would: str) -> str:
    if not stood.is_watched:
        return "The monitor was not watched by this configuration."
    if not stood.is_active:
        return "The configuration was inactive."
    if stood.is_paused:
        return "The monitor was paused."
    return f"No decision was recorded for it: it was stored late, or changed since. Decided in time: {would}"


def _source(step: Step | None, is_here: bool) -> str:
    if step is None:
        return "Nothing to replay"
    what = "From the decision record" if step.is_recorded else "Replayed from the samples"
    return what if is_here else f"{what} of the check before"


def _headline(
    configuration: AlertConfiguration,
    monitor: Monitor,
    stood: past.Standing,
    step: Step | None,
    newest: int | None,
    minute: int,
) -> tuple[str, str, Tone]:
    """The answer in one word and one sentence: what is the most fundamental comes first."""
    end = clock.at(minute + 59)

    if problem := flaw(stood.rule):
        return "The rule could not be used", problem, Tone.BAD
    if step is not None and step.is_recorded and int(step.at.timestamp()) >= minute:
        return _recorded_words(step), step.reason, _TONES.get(step.outcome, Tone.NOTE)
    if monitor.created_at > end:
        return "The monitor did not exist yet", "It was added later.", Tone.NOTE
    if configuration.created_at > end:
        return (
            "The configuration did not exist yet",
            "It was added later, and counts from the next check on.",
            Tone.NOTE,
        )
    if not stood.is_watched:
        return "The monitor was not watched", "This configuration did not count it then.", Tone.WARN
    if not stood.is_active:
        return "The configuration was inactive", "Nothing was counted, so nothing could trigger.", Tone.WARN
    if stood.is_paused:
        return "The monitor was paused", "Nothing is decided about a paused monitor.", Tone.WARN
    if newest is None or step is None:
        return "No sample", "Nothing had been measured up to then.", Tone.WARN
    if newest < minute:
        return _between_checks(monitor, newest, minute, step)
    if step.doubt is not None:
        return *step.doubt.words, Tone.NOTE
    if step.word == UNCOUNTED:
        return "The sample was not counted", step.reason, Tone.WARN
    return _quiet_words(step)


_TONES = {
    Outcome.TRIGGER: Tone.BAD,
    Outcome.RESOLVE: Tone.GOOD,
    Outcome.REOPEN: Tone.BAD,
    Outcome.SUPPRESS: Tone.WARN,
    Outcome.FLAP: Tone.WARN,
    Outcome.CALM: Tone.BAD,
}


def _recorded_words(step: Step) -> str:
    match step.outcome:
        case Outcome.TRIGGER:
            return "It triggered"
        case Outcome.RESOLVE:
            return "It resolved"
        case Outcome.REOPEN:
            return "The incident was re-opened"
        case Outcome.FLAP:
            return "It was unstable"
        case Outcome.CALM:
            return "It had calmed down, and failed"
        case Outcome.SUPPRESS:
            return "Held back by maintenance"
        case Outcome.HOLD if HELD in step.reason:
            return "Held: it depends on another monitor"
        case Outcome.HOLD if "unstable" in step.reason:
            return "Not yet: it was still unstable"
        case Outcome.HOLD if step.failing:
            return "Not yet: the failure threshold was not reached"
        case Outcome.HOLD if step.passing:
            return "Not yet: the success threshold was not reached"
    return "Neither failing nor passing"


def _quiet_words(step: Step) -> tuple[str, str, Tone]:
    match step.verdict:
        case Verdict.NOTHING:
            name = "NO_DATA says nothing" if step.status is Status.NO_DATA else "The check said nothing"
            return name, step.reason, Tone.WARN
        case Verdict.BETWEEN:
            return "Neither failing nor passing", step.reason, Tone.NOTE
        case Verdict.FAIL:
            return (
                f"Alert {step.alert_id} was active already",
                "One alert at a time: a further failing check changes nothing.",
                Tone.NOTE,
            )
    return "Nothing to do", f"The check passed: {step.observed}, and no alert was active.", Tone.GOOD


def _between_checks(monitor: Monitor, newest: int, minute: int, step: Step) -> tuple[str, str, Tone]:
    away = minute - newest
    interval = monitor.interval_seconds or 60
    if away > GAP_INTERVALS * interval and monitor.cron is None:
        return (
            "No sample: a gap",
            "No check was stored for more than three intervals. After it, counting starts again.",
            Tone.WARN,
        )
    return "No check in this minute", f"The one before it still stood: {step.observed}. {step.reason}", Tone.NOTE


def _lines(
    session: Session,
    configuration: AlertConfiguration,
    monitor: Monitor,
    stood: past.Standing,
    step: Step | None,
    newest: int | None,
    windows: Sequence[past.Planned],
    minute: int,
) -> Iterator[Line]:
    """Everything that could have held an alert back, measured for this minute."""
    yield _setting(
        stood.is_active, "The configuration was active", "The configuration was inactive", stood.why_inactive
    )
    yield _setting(stood.is_watched, "The monitor was watched", "The monitor was not watched", stood.why_unwatched)
    if stood.is_paused:
        yield _setting(
            False, "", "The monitor was paused", stood.why_paused, Mend("Open the monitor", "monitor", monitor.tag)
        )
    if not stood.is_rule_known:
        yield Line(
            Tone.WARN,
            "The rule was changed since",
            "What it was then is not on record: this answers with the rule of today.",
        )
    if newest is None:
        yield Line(Tone.BAD, "No sample up to then")
    elif newest < minute:
        yield Line(Tone.WARN, "No sample in this minute", "The newest one before it:", at=clock.at(newest))
    elif step is not None and step.status is not None:
        extra = ", written by hand" if step.by_hand else ""
        yield Line(
            Tone.GOOD, f"A sample was stored: {step.observed}", f"{step.error or ''}{extra}".lstrip(", "), at=step.at
        )
    if step is not None and step.after_gap_s:
        yield Line(
            Tone.WARN, f"A gap of {step.after_gap_s // 60} min came before it", "The counts started again after it."
        )
    elif step is not None and step.status is not None:
        yield Line(Tone.GOOD, "No gap before it")
    for window in windows:
        yield Line(
            Tone.WARN,
            f"Maintenance window “{window.title}”",
            "Failing checks inside do not count.",
            clock.at(window.start),
            clock.at(window.end),
            (Mend("Open it", "maintenance", window.maintenance_id),),
        )
    if not windows:
        yield Line(Tone.GOOD, "No maintenance window")
    if step is not None and step.verdict == Verdict.NOTHING.value and step.status is not None:
        yield Line(Tone.WARN, "The check says nothing about the rule", step.reason)
    yield from _held_lines(monitor, step)
    active = _active_in(session, configuration.id, monitor.id, minute)
    if active is None:
        yield Line(Tone.NOTE, "No alert was active")
    else:
        yield Line(Tone.NOTE, f"Alert {active.id} was active since", at=active.triggered_at)
    if step is not None:
        rule = stood.rule
        reached = step.failing >= rule.failure_threshold
        yield Line(
            Tone.NOTE if not reached else Tone.BAD, f"Failing in a row: {step.failing} of {rule.failure_threshold}"
        )
        yield Line(Tone.NOTE, f"Passing in a row: {step.passing} of {rule.success_threshold}")


def _held_lines(monitor: Monitor, step: Step | None) -> Iterator[Line]:
    """The monitors that it depends on now, and whether one of them held an alert back then."""
    mends = tuple(Mend(parent.name, "monitor", parent.tag) for parent in monitor.parents[:5])
    if step is not None and HELD in step.reason:
        yield Line(Tone.WARN, "Held because of a monitor that it depends on", step.reason, mends=mends)
    elif mends:
        yield Line(Tone.GOOD, "No monitor that it depends on held it back", mends=mends)


def _setting(holds: bool, yes: str, no: str, act: past.Act | None, *mends: Mend) -> Line:
    if holds:
        return Line(Tone.GOOD, yes)
    return Line(Tone.BAD, no, f"{act.actor}" if act else "", act.at if act else None, None, mends)


def _active_in(session: Session, config_id: int, monitor_id: int, minute: int) -> Alert | None:
    """The alert that was active in a minute, or in a part of it."""
    query = (
        select(Alert)
        .where(
            Alert.config_id == config_id,
            Alert.monitor_id == monitor_id,
            Alert.is_drill.is_(False),
            Alert.triggered_at <= clock.at(minute + 59),
            (Alert.resolved_at.is_(None)) | (Alert.resolved_at >= clock.at(minute)),
        )
        .order_by(Alert.id.desc())
    )
    return session.scalars(query.limit(1)).first()


def oldest() -> datetime:
    """The first moment that can be asked about."""
    return clock.now() - timedelta(days=DAYS)
