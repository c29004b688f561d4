"""Diagnosis (X2): four questions about a configuration, answered by what is measured now, each failing line with its mend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.alerting import GAP_INTERVALS, Observation, Rule, Verdict, flaw, judge, observed_value
from kener.domain.durations import in_words
from kener.domain.incidents import IncidentState, Source
from kener.models import (
    AffectedMonitor,
    Alert,
    AlertConfiguration,
    Delivery,
    DeliveryState,
    Incident,
    Monitor,
    Sample,
    Trigger,
    configuration_monitor,
)
from kener.queries import past
from kener.queries.findings import Line, Mend, Tone
from kener.queries.observations import observations

LOOK_BACK = 20
"""So many of the newest checks say whether a monitor wavers."""

LONG = timedelta(hours=1)
"""A recovery that takes longer than this to be believed is worth a warning."""

CLOSE = timedelta(minutes=10)
"""An alert that begins so soon after the last one ended was probably the same trouble."""

STUCK = timedelta(minutes=1)
"""A message that nobody took up for so long is waiting for a worker that does not run."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its answer in a word or two, and the facts behind it."""

    name: str
    text: str
    answer: str
    tone: Tone
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that was measured about one configuration on one monitor."""

    configuration: AlertConfiguration
    monitor: Monitor
    rule: Rule
    count: tuple[int, int]
    alert: Alert | None
    last_alert: Alert | None
    incident: Incident | None
    seen: Sequence[Observation]
    windows: Sequence[past.Planned]

    @property
    def newest(self) -> Observation | None:
        return self.seen[-1] if self.seen else None

    @property
    def interval_s(self) -> int:
        return self.monitor.interval_seconds or self.monitor.state.span_s or 60

    @property
    def opens_incident(self) -> bool:
        return self.incident is not None and self.incident.state is not IncidentState.RESOLVED


def diagnose(
    session: Session, configuration: AlertConfiguration, monitor_id: int, *, failing: int, passing: int
) -> tuple[Question, ...]:
    """Measure. `failing` and `passing` are how far the configuration has counted on this monitor."""
    case = _measure(session, configuration, session.get_one(Monitor, monitor_id), (failing, passing))
    return (_opened(case), _closes(session, case), _several(session, case), _told(session, case))


def _measure(session: Session, configuration: AlertConfiguration, monitor: Monitor, count: tuple[int, int]) -> _Case:
    now, rule = clock.epoch(), configuration.rule
    query = select(Sample.at).where(Sample.monitor_id == monitor.id).order_by(Sample.at.desc()).limit(LOOK_BACK)
    moments = list(session.scalars(query))
    windows = past.planned(session, monitor.id, first=min(moments, default=now), last=now)
    usable = moments and not flaw(rule)
    spans = [(window.start, window.end) for window in windows]
    seen = observations(session, monitor.id, rule, first=moments[-1], last=moments[0], windows=spans) if usable else []
    newest = (
        select(Alert)
        .where(Alert.config_id == configuration.id, Alert.monitor_id == monitor.id, Alert.is_drill.is_(False))
        .order_by(Alert.active_key.is_(None), Alert.triggered_at.desc(), Alert.id.desc())
    )
    last = session.scalars(newest.limit(1)).first()
    alert = last if last is not None and last.active_key is not None else None
    incident = session.get(Incident, alert.incident_id) if alert is not None and alert.incident_id else None
    return _Case(configuration, monitor, rule, count, alert, last, incident, seen, windows)


# Is an incident open?


def _opened(case: _Case) -> Question:
    wanted = case.configuration.create_incident
    if case.opens_incident:
        answer, tone = "Yes", Tone.GOOD
    elif case.alert is not None and wanted:
        answer, tone = "No", Tone.BAD
    elif not wanted:
        answer, tone = "Not asked for", Tone.NOTE
    else:
        answer, tone = "No", Tone.NOTE
    return Question("opened", "Is an incident open?", answer, tone, tuple(_opened_lines(case)))


def _opened_lines(case: _Case) -> Iterator[Line]:
    edit = Mend("Edit the rule", "configuration form", case.configuration.id)
    if problem := flaw(case.rule):
        yield Line(Tone.BAD, "The rule cannot be used", problem, mends=(edit,))
        return
    if not case.configuration.is_active:
        yield Line(Tone.BAD, "The configuration is inactive", "Nothing is counted. Activate it above.")
    if case.configuration.create_incident:
        yield Line(Tone.GOOD, "Create incident is YES")
    else:
        yield Line(Tone.NOTE, "Create incident is NO", "An alert opens none.", mends=(edit,))
    yield _triggered(case)
    yield from _runs(case)
    if case.alert is None:
        return
    if case.incident is not None:
        yield _linked(case, case.incident)
    elif case.alert.incident_note:
        yield Line(Tone.BAD, "Its incident is gone", case.alert.incident_note)
    elif case.configuration.create_incident:
        yield Line(
            Tone.WARN, "The alert has no incident", "Create incident was NO when it triggered; the next one opens one."
        )


def _triggered(case: _Case) -> Line:
    failing, needed = case.count[0], case.rule.failure_threshold
    why = Mend("Why?", "why", f"{case.configuration.id}:{case.monitor.tag}")
    if case.alert is not None:
        return Line(Tone.GOOD, "The rule triggered", at=case.alert.triggered_at)
    if failing >= needed and case.monitor.parents:
        names = ", ".join(parent.name for parent in case.monitor.parents[:3])
        return Line(Tone.WARN, "The alert is held: a monitor that it depends on is DOWN", names, mends=(why,))
    if failing:
        return Line(Tone.WARN, f"The failure threshold is not reached: {failing} of {needed}", mends=(why,))
    return Line(Tone.NOTE, "The rule has not triggered", f"Failing in a row: 0 of {needed}.", mends=(why,))


def _linked(case: _Case, incident: Incident) -> Line:
    reading = Mend(f"Incident {incident.id}", "incident", incident.id)
    if incident.state is IncidentState.RESOLVED:
        return Line(Tone.WARN, "It was resolved by hand", "The next failing check opens it again.", mends=(reading,))
    if incident.is_private:
        why = "the monitor is hidden" if case.monitor.is_hidden else "it is set to private"
        mend = Mend("Open the monitor", "monitor", case.monitor.tag) if case.monitor.is_hidden else reading
        return Line(Tone.WARN, "Visitors do not see it", f"Only operators do: {why}.", mends=(mend,))
    return Line(Tone.GOOD, "It is linked and public", mends=(reading,))


def _runs(case: _Case) -> Iterator[Line]:
    """That checks come in, are stored and count. A database that refused them would show here: sample and alert are one step."""
    newest, monitor = case.newest, case.monitor
    look = Mend("Open the monitor", "monitor", monitor.tag)
    if not monitor.is_active:
        yield Line(Tone.BAD, "The monitor is paused", "No check runs.", mends=(look,))
    if newest is None or monitor.state.at is None:
        yield Line(Tone.WARN, "No check is stored yet", mends=(look,))
        return
    age = clock.epoch() - monitor.state.at
    late = age > GAP_INTERVALS * case.interval_s and monitor.cron is None
    if late and monitor.is_active:
        detail = f"The newest is {in_words(age)} old: more than three intervals."
        yield Line(Tone.BAD, "Checks do not come in", detail, mends=(look,))
    elif monitor.is_active:
        lateness = monitor.state.lateness_ms
        on_time = f", begun {lateness / 1000:.1f} s late" if lateness is not None else ""
        yield Line(Tone.GOOD, "Checks come in and are stored", f"The newest is {in_words(max(age, 0))} old{on_time}.")
    now = clock.epoch()
    for window in case.windows:
        if window.start <= now < window.end:
            open_it = Mend("Open it", "maintenance", window.maintenance_id)
            detail = "Failing checks do not count until then."
            yield Line(
                Tone.WARN,
                f"In maintenance: {window.title}",
                detail,
                until=None,
                at=clock.at(window.end),
                mends=(open_it,),
            )
    match judge(case.rule, newest):
        case Verdict.FAIL:
            tone = Tone.BAD
        case Verdict.PASS:
            tone = Tone.GOOD
        case _:
            tone = Tone.WARN
    words = {"fail": "fails", "pass": "passes", "between": "neither fails nor passes", "nothing": "says nothing"}
    yield Line(
        tone,
        f"The newest check {words[judge(case.rule, newest)]}: {observed_value(case.rule, newest)}",
        (monitor.state.error or "")[:160],
        at=clock.at(newest.at),
    )


# Will it close by itself?


def _closes(session: Session, case: _Case) -> Question:
    left = _left_open(session, case)
    if case.alert is None:
        answer, tone = ("No", Tone.BAD) if left else ("Nothing is open", Tone.NOTE)
    elif case.count[1]:
        answer, tone = "Soon", Tone.GOOD
    else:
        answer, tone = "Not yet", Tone.WARN
    lines = [*_closing_lines(case), *left]
    return Question("closes", "Will it close by itself?", answer, tone, tuple(lines))


def _closing_lines(case: _Case) -> Iterator[Line]:
    rule = case.rule
    edit = Mend("Edit the rule", "configuration form", case.configuration.id)
    if case.last_alert is None:
        yield Line(Tone.NOTE, "No alert so far")
    elif case.alert is None:
        yield Line(
            Tone.GOOD,
            f"Alert {case.last_alert.id} resolved",
            case.last_alert.closing_reason or "",
            at=case.last_alert.resolved_at,
        )
    else:
        tone = Tone.GOOD if case.count[1] else Tone.NOTE
        yield Line(tone, f"Passing in a row: {case.count[1]} of {rule.success_threshold}")
        if case.newest is not None and judge(rule, case.newest) is not Verdict.PASS:
            test = Mend("Test now", "monitor form", case.monitor.tag)
            yield Line(
                Tone.BAD,
                f"The newest check is {observed_value(rule, case.newest)}",
                at=clock.at(case.newest.at),
                mends=(test,),
            )
    takes = timedelta(seconds=case.interval_s * rule.success_threshold)
    detail = f"{rule.success_threshold} passing checks take about {in_words(takes.total_seconds())}."
    if takes > LONG:
        yield Line(Tone.WARN, "The success threshold is high", detail, mends=(edit,))
    else:
        yield Line(Tone.GOOD, "The success threshold is within reach", detail)
    verdicts = [judge(rule, one) for one in case.seen]
    failed, passed = verdicts.count(Verdict.FAIL), verdicts.count(Verdict.PASS)
    turns = sum(1 for one, other in pairwise(verdicts) if {one, other} == {Verdict.FAIL, Verdict.PASS})
    if turns > 2:
        yield Line(
            Tone.WARN,
            f"It wavers: {failed} of the newest {len(verdicts)} checks failed",
            f"{turns} changes. Flapping can hold one incident open.",
            mends=(edit,),
        )
    elif verdicts:
        yield Line(Tone.GOOD, "It does not waver", f"{passed} of the newest {len(verdicts)} checks passed.")


def _left_open(session: Session, case: _Case) -> list[Line]:
    """Automatic incidents of this monitor that no active alert will close: left open by hand, or their alert was deleted."""
    active = exists().where(Alert.incident_id == Incident.id, Alert.active_key.is_not(None))
    of_others = exists().where(Alert.incident_id == Incident.id, Alert.config_id != case.configuration.id)
    query = (
        select(Incident.id, exists().where(Alert.incident_id == Incident.id))
        .join(AffectedMonitor, AffectedMonitor.incident_id == Incident.id)
        .where(
            AffectedMonitor.monitor_id == case.monitor.id,
            Incident.source == Source.ALERT,
            Incident.state != IncidentState.RESOLVED,
            Incident.is_drill.is_(False),
            ~active,
            ~of_others,
        )
        .order_by(Incident.id)
    )
    return [
        Line(
            Tone.BAD,
            f"Incident {incident_id} is open and no alert will close it",
            "Its alert is over." if has_alert else "Its alert was deleted.",
            mends=(Mend("Close it by hand", "incident", incident_id),),
        )
        for incident_id, has_alert in session.execute(query)
    ]


# How many incidents?


def _several(session: Session, case: _Case) -> Question:
    query = (
        select(Incident.id, Incident.title)
        .join(AffectedMonitor, AffectedMonitor.incident_id == Incident.id)
        .where(
            AffectedMonitor.monitor_id == case.monitor.id,
            Incident.state != IncidentState.RESOLVED,
            Incident.is_drill.is_(False),
        )
        .order_by(Incident.id)
    )
    opened = session.execute(query).all()
    answer = {0: "None", 1: "One"}.get(len(opened), str(len(opened)))
    lines = [
        Line(
            Tone.GOOD if len(opened) < 2 else Tone.NOTE,
            f"Open for {case.monitor.name}: {len(opened)}",
            "Each rule opens its own." if len(opened) > 1 else "",
            mends=tuple(Mend(title, "incident", incident_id) for incident_id, title in opened[:5]),
        ),
        *_others(session, case),
        _repeated(session, case),
    ]
    return Question(
        "several",
        "How many incidents?",
        answer,
        Tone.WARN if len(opened) > 1 else Tone.GOOD if opened else Tone.NOTE,
        tuple(lines),
    )


def _others(session: Session, case: _Case) -> Iterator[Line]:
    """Further rules that watch the monitor: each has alerts and incidents of its own (C4)."""
    query = (
        select(AlertConfiguration, Alert.id)
        .join(configuration_monitor, configuration_monitor.c.config_id == AlertConfiguration.id)
        .outerjoin(
            Alert,
            (Alert.config_id == AlertConfiguration.id)
            & (Alert.monitor_id == case.monitor.id)
            & Alert.active_key.is_not(None)
            & Alert.is_drill.is_(False),
        )
        .where(configuration_monitor.c.monitor_id == case.monitor.id, AlertConfiguration.id != case.configuration.id)
        .order_by(AlertConfiguration.id)
    )
    found = session.execute(query).all()
    if not found:
        yield Line(Tone.GOOD, f"No other rule watches {case.monitor.name}")
    for other, alert_id in found[:10]:
        state = "inactive" if not other.is_active else "triggered" if alert_id else "quiet"
        same = other.alert_for == case.rule.alert_for and other.alert_value == case.rule.alert_value
        opens = "opens an incident of its own" if other.create_incident else "opens no incident"
        mend = Mend(f"{other.alert_for}: {other.alert_value}", "configuration", other.id)
        if same and other.create_incident and case.configuration.create_incident and other.is_active:
            yield Line(Tone.WARN, "Another rule watches for the same", f"It is {state} and {opens}:", mends=(mend,))
        else:
            yield Line(
                Tone.GOOD if other.is_active else Tone.NOTE, f"Another rule is {state}", f"It {opens}:", mends=(mend,)
            )


def _repeated(session: Session, case: _Case) -> Line:
    """Alerts of the last 30 days that came back at once."""
    since = clock.now() - timedelta(days=30)
    query = (
        select(Alert.triggered_at, Alert.resolved_at)
        .where(
            Alert.config_id == case.configuration.id,
            Alert.monitor_id == case.monitor.id,
            Alert.triggered_at >= since,
            Alert.is_drill.is_(False),
        )
        .order_by(Alert.triggered_at)
    )
    episodes = session.execute(query).all()
    back = sum(1 for (_, end), (start, _) in pairwise(episodes) if end is not None and start - end <= CLOSE)
    text = f"{len(episodes)} alert{'' if len(episodes) == 1 else 's'} in 30 days"
    if back > 1:
        detail = f"{back} began within 10 minutes of the one before: a higher success threshold, or the re-open window, would join them."
        return Line(
            Tone.WARN, text, detail, mends=(Mend("Edit the rule", "configuration form", case.configuration.id),)
        )
    return Line(Tone.GOOD, text, "None came back at once." if len(episodes) > 1 else "")


# Did the notices go out?


def _told(session: Session, case: _Case) -> Question:
    triggers = list(case.configuration.triggers)
    deliveries = _deliveries(session, case)
    sent = sum(1 for one in deliveries if one.state is DeliveryState.SENT)
    failed = any(one.state is DeliveryState.FAILED for one in deliveries)
    if not triggers and not deliveries:
        answer, tone = "Nobody is told", Tone.WARN
    elif not deliveries:
        answer, tone = "Nothing to send yet" if case.last_alert is None else "None", Tone.NOTE
    else:
        answer = f"{sent} of {len(deliveries)}"
        tone = Tone.GOOD if sent == len(deliveries) else Tone.BAD if failed else Tone.WARN
    lines = [*_trigger_lines(session, case, triggers, deliveries), *_delivery_lines(deliveries)]
    return Question("notices", "Did the notices go out?", answer, tone, tuple(lines))


def _deliveries(session: Session, case: _Case) -> list[Delivery]:
    if case.last_alert is None:
        return []
    return list(session.scalars(select(Delivery).where(Delivery.alert_id == case.last_alert.id).order_by(Delivery.id)))


def _trigger_lines(
    session: Session, case: _Case, triggers: Sequence[Trigger], deliveries: Sequence[Delivery]
) -> Iterator[Line]:
    """Each channel: attached, switched on, and whether it worked the last time it was used."""
    if not triggers:
        edit = Mend("Choose triggers", "configuration form", case.configuration.id)
        yield Line(Tone.WARN, "No trigger is attached", mends=(edit,))
    newest = select(func.max(Delivery.id)).where(
        Delivery.trigger_id.in_([trigger.id for trigger in triggers]),
        Delivery.state.in_((DeliveryState.SENT, DeliveryState.FAILED)),
    )
    query = select(Delivery).where(Delivery.id.in_(newest.group_by(Delivery.trigger_id)))
    last = {delivery.trigger_id: delivery for delivery in session.scalars(query)}
    told = {delivery.trigger_id for delivery in deliveries}
    for trigger in triggers:
        setting = Mend("Open the trigger", "trigger", trigger.id)
        before = last.get(trigger.id)
        if not trigger.is_active:
            yield Line(Tone.BAD, f"{trigger.name} is inactive", "It is told nothing.", mends=(setting,))
        elif trigger.id in told:
            continue
        elif before is None:
            yield Line(Tone.NOTE, f"{trigger.name} was never used", "Send it a test.", mends=(setting,))
        elif before.state is DeliveryState.FAILED:
            yield Line(
                Tone.BAD, f"{trigger.name} did not work last time", (before.answer or "")[:160], mends=(setting,)
            )
        else:
            yield Line(Tone.GOOD, f"{trigger.name} works, last sent", at=before.sent_at)
        if case.last_alert is not None and deliveries and trigger.is_active:
            yield Line(
                Tone.NOTE,
                f"{trigger.name} was not told of alert {case.last_alert.id}",
                "It was attached, or switched on, after it triggered.",
            )


def _delivery_lines(deliveries: Sequence[Delivery]) -> Iterator[Line]:
    """What became of each message of the newest alert."""
    for one in deliveries:
        out = Mend("Deliveries", "deliveries", one.trigger_id or "")
        name = f"{one.event} to {one.trigger_name}"
        match one.state:
            case DeliveryState.SENT:
                yield Line(Tone.GOOD, f"{name}: sent", at=one.sent_at)
            case DeliveryState.FAILED:
                yield Line(
                    Tone.BAD,
                    f"{name}: failed",
                    (one.answer or "")[:160],
                    mends=(Mend("Send again", out.page, out.key),),
                )
            case DeliveryState.RETRYING:
                detail = f"{one.attempts} attempts. {(one.answer or '')[:120]}".strip()
                yield Line(
                    Tone.WARN,
                    f"{name}: tried again at",
                    detail,
                    at=one.next_at,
                    mends=(Mend("Send now", out.page, out.key),),
                )
            case _:
                stuck = clock.now() - one.created_at > STUCK
                detail = "No worker has taken it up: is one running?" if stuck else ""
                yield Line(
                    Tone.BAD if stuck else Tone.NOTE, f"{name}: on its way", detail, mends=(out,) if stuck else ()
                )
