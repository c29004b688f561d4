"""What the API shows: rows under the names of its documented fields, a few statements each.

Moments that are part of a thing's story are seconds since 1970 (as clients of the original expect); moments that only record our own
bookkeeping are ISO 8601. Flags read YES and NO.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field
from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from kener import clock, models
from kener.db import reading
from kener.domain import display
from kener.domain.alerting import AlertStatus, AlertType, Severity
from kener.domain.incidents import IncidentState, Source
from kener.domain.inputs import AlertConfigurationInput
from kener.domain.layers import Overlay, shown
from kener.domain.specs import MonitorType
from kener.domain.specs.base import for_showing
from kener.domain.status import Status, from_code
from kener.domain.trigger_base import TriggerType
from kener.models import DeliveryState
from kener.models.triggers import SET
from kener.queries.overlays import overlays

T = TypeVar("T")
YesNo = Literal["YES", "NO"]
Version = Annotated[int, Field(exclude=True)]
Exact = Annotated[datetime | None, Field(exclude=True)]
Seconds = Annotated[int, Field(description="Seconds since 1970, UTC.")]

SAMPLE_TYPES = {"check": "REALTIME", "heartbeat": "SIGNAL", "manual": "MANUAL"}


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `page` counts from 1, `total` is the length of the whole list."""

    rows: list[T]
    page: int
    limit: int
    total: int


@dataclass(frozen=True, slots=True)
class Monitor:
    """A thing that is watched, and what was seen last."""

    tag: str
    name: str
    description: str | None
    image: str | None
    external_url: str | None
    category_name: str
    monitor_type: MonitorType
    type_data: Annotated[
        dict[str, Any], Field(description="The settings of its type. A heartbeat's secret is never shown.")
    ]
    interval_seconds: Annotated[int | None, Field(description="Null when `cron` says when it is checked.")]
    cron: str | None
    default_status: Status
    failure_confirmations: Annotated[int, Field(description="So many failing checks in a row are believed.")]
    recovery_confirmations: Annotated[int, Field(description="So many passing checks in a row are believed.")]
    confirmation_threshold: Annotated[int, Field(description="As `failure_confirmations`.")]
    retries: Annotated[int, Field(description="A look that fails is repeated at once, so many times.")]
    retry_delay_ms: Annotated[int, Field(description="Milliseconds between these looks.")]
    status: Annotated[Literal["ACTIVE", "INACTIVE"], Field(description="INACTIVE: paused.")]
    is_hidden: YesNo
    labels: Annotated[list[str], Field(description="For sorting and finding; only operators see them.")]
    parent_tags: Annotated[
        list[str], Field(description="The monitors that it depends on: while one of them is DOWN, its alerts are held.")
    ]
    current_status: Annotated[
        Status,
        Field(
            description="What was seen last, whatever incidents and maintenance say. When nothing was seen for three intervals: "
            "NO_DATA, of a NONE monitor its default status."
        ),
    ]
    shown_status: Annotated[
        Status,
        Field(description="What visitors see: the impact of incidents opened by hand, and maintenance, over it."),
    ]
    latency_ms: Annotated[int | None, Field(description="The newest measured latency.")]
    created_at: datetime
    updated_at: datetime
    version: Version = 0
    heartbeat_url: Annotated[
        str | None,
        Field(description="Where a heartbeat reports. Given once, in the answer that made the secret; null otherwise."),
    ] = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation of a monitor."""

    monitor_tag: str
    timestamp: Seconds
    status: Status
    latency: Annotated[int | None, Field(description="Milliseconds; null when nothing was measured.")]
    raw_status: Annotated[
        Status | None,
        Field(description="What the look said, where that is not, or not yet, believed; null where both agree."),
    ]
    type: Annotated[
        Literal["REALTIME", "SIGNAL", "MANUAL"],
        Field(description="From a check, from a heartbeat, or written by hand."),
    ]
    error: str | None


@dataclass(frozen=True, slots=True)
class Signal:
    """One call of a heartbeat's job."""

    id: int
    timestamp: Seconds
    kind: Literal["success", "start", "fail", "log"]
    exit_code: Annotated[int | None, Field(description="Null when it told none.")]
    duration_ms: Annotated[int | None, Field(description="From the start that it told of; null without one.")]
    body: Annotated[str | None, Field(description="The first 10,000 bytes of what it said.")]


@dataclass(frozen=True, slots=True)
class Affected:
    """A monitor that an incident affects."""

    monitor_tag: str
    monitor_name: str
    impact: Status


@dataclass(frozen=True, slots=True)
class Incident:
    """What visitors read. State and end follow from its comments."""

    id: int
    title: str
    start_date_time: Seconds
    end_date_time: Annotated[int | None, Field(description="Seconds since 1970, UTC; null while it lasts.")]
    state: IncidentState
    status: Literal["OPEN", "CLOSED"]
    incident_type: Literal["INCIDENT"]
    incident_source: Source
    is_private: Annotated[YesNo, Field(description="YES: only signed-in operators see it.")]
    monitors: list[Affected]
    post_mortem: Annotated[str | None, Field(description="What was learned, in Markdown.")]
    merged_into_id: Annotated[
        int | None,
        Field(description="The incident in which its story goes on, when it was merged. It is in no list then."),
    ]
    url: str
    created_at: datetime
    updated_at: datetime
    version: Version = 0
    start_at: Exact = None
    end_at: Exact = None


@dataclass(frozen=True, slots=True)
class Comment:
    """One entry of an incident's timeline."""

    id: int
    incident_id: int
    comment: Annotated[str, Field(description="Markdown.")]
    state: IncidentState
    timestamp: Seconds
    author: str | None
    is_automatic: YesNo
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AlertConfiguration:
    """A rule, the monitors it watches and the triggers it tells."""

    id: int
    monitor_tags: list[str]
    alert_for: AlertType
    alert_value: str
    uptime_window: str
    failure_threshold: int
    success_threshold: int
    severity: Severity
    create_incident: YesNo
    is_active: YesNo
    alert_description: str | None
    reopen_minutes: int | None
    flapping_start: int | None
    flapping_stop: int | None
    group_minutes: int | None
    title_template: str | None
    first_update_template: str | None
    closing_update_template: str | None
    trigger_ids: list[int]
    warnings: Annotated[list[str], Field(description="What is allowed, but seldom meant.")]
    created_at: datetime
    updated_at: datetime
    version: Version = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of one configuration on one monitor."""

    id: int
    config_id: Annotated[int | None, Field(description="Null when the configuration was deleted.")]
    monitor_tag: str
    monitor_name: str
    alert_status: AlertStatus
    incident_id: int | None
    triggered_at: datetime
    resolved_at: datetime | None
    duration_s: Annotated[int, Field(description="Seconds; of an active alert, until now.")]
    observed_value: str | None
    last_error: str | None
    closing_reason: Annotated[str | None, Field(description="Why it ended, when it did not end by recovery.")]
    incident_note: Annotated[
        str | None, Field(description="What became of its incident, when that was deleted or merged.")
    ]


@dataclass(frozen=True, slots=True)
class HeaderName:
    """A header that a webhook sends; its value is never shown."""

    key: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A channel that notices are delivered through, without its secrets."""

    id: int
    name: str
    trigger_type: TriggerType
    description: str | None
    is_active: YesNo
    url: Annotated[str | None, Field(description="Of a webhook, without user name and password.")]
    headers: Annotated[list[HeaderName] | None, Field(description="Names only.")]
    body: str | None
    to: list[str] | None
    sender: Annotated[str | None, Field(serialization_alias="from")]
    subject: str | None
    server: Annotated[str | None, Field(description="Where the service is.")]
    chat_id: str | None
    thread_id: int | None
    team: str | None
    secrets: Annotated[list[str], Field(description="Which settings are kept encrypted and not shown.")]
    secret_set_at: Annotated[datetime | None, Field(description="When a secret of it was last set.")]
    switched_off_at: Annotated[datetime | None, Field(description="When it was switched off because it kept failing.")]
    switched_off_because: str | None
    created_at: datetime
    updated_at: datetime
    version: Version = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one trigger, and what became of it."""

    id: int
    uid: Annotated[str, Field(description="Stable over all attempts; sent as X-Kener-Delivery.")]
    event: str
    state: DeliveryState
    trigger_id: Annotated[int | None, Field(description="Null when the trigger was deleted.")]
    trigger_name: str
    alert_id: int | None
    incident_id: int | None
    attempts: int
    answer: Annotated[str | None, Field(description="What the other side said, or why nothing could be sent.")]
    next_at: datetime
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One try at a delivery: when it began, how long it took, what came back."""

    at: datetime
    duration_ms: int
    has_arrived: YesNo
    answer: str


def monitors(
    *,
    status: str | None = None,
    category_name: str | None = None,
    monitor_type: MonitorType | None = None,
    is_hidden: bool | None = None,
    label: str | None = None,
    page: int,
    limit: int,
) -> Page[Monitor]:
    """Monitors in the order of the page."""
    query = select(models.Monitor).options(joinedload(models.Monitor.state), selectinload(models.Monitor.parents))
    query = query.options(selectinload(models.Monitor.labels))
    query = query.order_by(models.Monitor.position, models.Monitor.id)
    if status is not None:
        query = query.where(models.Monitor.is_active.is_(status == "ACTIVE"))
    if category_name is not None:
        query = query.where(models.Monitor.category_name == category_name)
    if monitor_type is not None:
        query = query.where(models.Monitor.monitor_type == monitor_type)
    if is_hidden is not None:
        query = query.where(models.Monitor.is_hidden.is_(is_hidden))
    if label is not None:
        query = query.where(models.Monitor.labels.any(models.MonitorLabel.label == label))
    now = clock.epoch()
    found = _page(query, lambda row: row, page, limit)
    over = overlays(reading(), [row.id for row in found.rows], since=now, until=now)
    return Page([_monitor(row, now, over[row.id]) for row in found.rows], page, limit, found.total)


def monitor(tag: str) -> Monitor | None:
    """One monitor."""
    row = reading().scalars(select(models.Monitor).where(models.Monitor.tag == tag)).one_or_none()
    if row is None:
        return None
    now = clock.epoch()
    return _monitor(row, now, overlays(reading(), [row.id], since=now, until=now)[row.id])


def samples(tag: str, *, start: int, end: int) -> list[Sample] | None:
    """The samples of `[start, end)`, oldest first; None when there is no such monitor."""
    session = reading()
    monitor_id = session.scalar(select(models.Monitor.id).where(models.Monitor.tag == tag))
    if monitor_id is None:
        return None
    sample, note = models.Sample, models.SampleNote
    query = (
        select(sample.at, sample.status, sample.latency_ms, sample.raw, note.source, note.error)
        .outerjoin(note, (note.monitor_id == sample.monitor_id) & (note.at == sample.at))
        .where(sample.monitor_id == monitor_id, sample.at >= start, sample.at < end)
        .order_by(sample.at)
    )
    return [_sample(tag, row) for row in session.execute(query)]


def signals(tag: str, *, page: int, limit: int) -> Page[Signal] | None:
    """The signals of a heartbeat, newest first; None when there is no such heartbeat."""
    table = models.HeartbeatSignal
    monitor = models.Monitor
    of = select(monitor.id).where(monitor.tag == tag, monitor.monitor_type == MonitorType.HEARTBEAT)
    monitor_id = reading().scalar(of)
    if monitor_id is None:
        return None
    query = select(table).where(table.monitor_id == monitor_id).order_by(table.id.desc())
    return _page(query, _signal, page, limit)


def _signal(row: models.HeartbeatSignal) -> Signal:
    kind: Any = row.kind
    return Signal(row.id, row.at, kind, row.exit_code, row.duration_ms, row.body)


def incidents(
    *, start: int | None, end: int | None, monitor_tags: Collection[str], page: int, limit: int, origin: str
) -> Page[Incident]:
    """Incidents that began in `[start, end)` and affect one of these monitors, newest first."""
    table = models.Incident
    query = select(table).options(selectinload(table.affected)).where(table.is_drill.is_(False))
    query = query.where(table.merged_into_id.is_(None)).order_by(table.start_at.desc(), table.id.desc())
    if start is not None:
        query = query.where(table.start_at >= clock.at(start))
    if end is not None:
        query = query.where(table.start_at < clock.at(end))
    if monitor_tags:
        affected = models.AffectedMonitor
        query = query.where(
            exists().where(affected.incident_id == table.id, affected.monitor_tag.in_(sorted(monitor_tags)))
        )
    return _page(query, lambda row: _incident(row, origin), page, limit)


def incident(incident_id: int, *, origin: str) -> Incident | None:
    """One incident. `origin`: the address of the site, without a slash at its end."""
    row = reading().get(models.Incident, incident_id)
    return _incident(row, origin) if row else None


def comments(incident_id: int) -> list[Comment] | None:
    """The timeline of an incident, oldest first; None when there is no such incident. That of a merged one goes on elsewhere."""
    session = reading()
    if session.get(models.Incident, incident_id) is None:
        return None
    table = models.IncidentUpdate
    query = select(table).where(or_(table.incident_id == incident_id, table.merged_from_id == incident_id))
    return [_comment(row) for row in session.scalars(query.order_by(table.at, table.id))]


def comment(incident_id: int, comment_id: int) -> Comment | None:
    """One entry of the timeline of this incident."""
    row = reading().get(models.IncidentUpdate, comment_id)
    return _comment(row) if row and incident_id in (row.incident_id, row.merged_from_id) else None


def alert_configurations(*, monitor_tag: str | None, page: int, limit: int) -> Page[AlertConfiguration]:
    """Alert configurations, oldest first."""
    table = models.AlertConfiguration
    query = select(table).options(selectinload(table.monitors), selectinload(table.triggers)).order_by(table.id)
    if monitor_tag is not None:
        query = query.where(table.monitors.any(models.Monitor.tag == monitor_tag))
    return _page(query, _configuration, page, limit)


def alert_configuration(config_id: int) -> AlertConfiguration | None:
    """One alert configuration."""
    row = reading().get(models.AlertConfiguration, config_id)
    return _configuration(row) if row else None


def alerts(
    *, config_id: int | None, monitor_tag: str | None, alert_status: AlertStatus | None, page: int, limit: int
) -> Page[Alert]:
    """Alerts, newest first."""
    table = models.Alert
    query = select(table).where(table.is_drill.is_(False)).order_by(table.triggered_at.desc(), table.id.desc())
    if config_id is not None:
        query = query.where(table.config_id == config_id)
    if monitor_tag is not None:
        query = query.where(table.monitor_tag == monitor_tag)
    if alert_status is not None:
        query = query.where(table.alert_status == alert_status)
    now = clock.now()
    return _page(query, lambda row: _alert(row, now), page, limit)


def alert(alert_id: int) -> Alert | None:
    """One alert."""
    row = reading().get(models.Alert, alert_id)
    return _alert(row, clock.now()) if row else None


def triggers(*, page: int, limit: int) -> Page[Trigger]:
    """Triggers by name."""
    return _page(select(models.Trigger).order_by(models.Trigger.name), _trigger, page, limit)


def trigger(trigger_id: int) -> Trigger | None:
    """One trigger."""
    row = reading().get(models.Trigger, trigger_id)
    return _trigger(row) if row else None


def deliveries(
    *,
    state: DeliveryState | None,
    trigger_id: int | None,
    alert_id: int | None,
    event: str | None,
    start_ts: int | None,
    end_ts: int | None,
    page: int,
    limit: int,
) -> Page[Delivery]:
    """Deliveries, newest first."""
    table = models.Delivery
    query = select(table).order_by(table.id.desc())
    if state is not None:
        query = query.where(table.state == state)
    if trigger_id is not None:
        query = query.where(table.trigger_id == trigger_id)
    if alert_id is not None:
        query = query.where(table.alert_id == alert_id)
    if event is not None:
        query = query.where(table.event == event)
    if start_ts is not None:
        query = query.where(table.created_at >= clock.at(start_ts))
    if end_ts is not None:
        query = query.where(table.created_at < clock.at(end_ts))
    return _page(query, _delivery, page, limit)


def delivery(delivery_id: int) -> Delivery | None:
    """One delivery."""
    row = reading().get(models.Delivery, delivery_id)
    return _delivery(row) if row else None


def attempts(delivery_id: int) -> list[DeliveryAttempt]:
    """The attempts at a delivery, oldest first."""
    table = models.DeliveryAttempt
    tried = reading().scalars(select(table).where(table.delivery_id == delivery_id).order_by(table.id))
    return [DeliveryAttempt(one.at, one.duration_ms, _yes_no(one.has_arrived), one.answer) for one in tried]


def _page(query: Select[Any], shown: Callable[[Any], T], page: int, limit: int) -> Page[T]:
    session = reading()
    total = session.scalar(select(func.count()).select_from(query.order_by(None).options().subquery())) or 0
    found: Sequence[Any] = session.scalars(query.limit(limit).offset((page - 1) * limit)).all()
    return Page([shown(row) for row in found], page, limit, total)


def _yes_no(flag: bool) -> YesNo:
    return "YES" if flag else "NO"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _object(stored: Any) -> dict[str, Any]:
    """What a JSON column should hold; a row that was damaged from outside must not take the others down."""
    return stored if isinstance(stored, dict) else {}


def _monitor(row: models.Monitor, now: int, over: Sequence[Overlay]) -> Monitor:
    state = row.state
    default = row.default_status if row.monitor_type is MonitorType.NONE else Status.NO_DATA
    seen = display.observed(state.status, at=state.at, span_s=state.span_s, now=now, default=default)
    return Monitor(
        tag=row.tag,
        name=row.name,
        description=row.description,
        image=row.image,
        external_url=row.external_url,
        category_name=row.category_name,
        monitor_type=row.monitor_type,
        type_data=_object(for_showing(row.type_data)),
        interval_seconds=row.interval_seconds,
        cron=row.cron,
        default_status=row.default_status,
        failure_confirmations=row.failure_confirmations,
        recovery_confirmations=row.recovery_confirmations,
        confirmation_threshold=row.failure_confirmations,
        retries=row.retries,
        retry_delay_ms=row.retry_delay_ms,
        status="ACTIVE" if row.is_active else "INACTIVE",
        is_hidden=_yes_no(row.is_hidden),
        parent_tags=[parent.tag for parent in row.parents],
        labels=[one.label for one in row.labels],
        current_status=seen,
        shown_status=shown(seen, over, at=now),
        latency_ms=state.latency_ms if seen is state.status else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _sample(tag: str, row: Any) -> Sample:
    kind: Any = SAMPLE_TYPES.get(row.source or "check", "REALTIME")
    raw = None if row.raw is None else from_code(row.raw)
    return Sample(tag, row.at, from_code(row.status), row.latency_ms, raw, kind, row.error)


def _incident(row: models.Incident, origin: str) -> Incident:
    return Incident(
        id=row.id,
        title=row.title,
        start_date_time=_seconds(row.start_at),
        end_date_time=_seconds(row.end_at) if row.end_at else None,
        state=row.state,
        status="OPEN" if row.is_open else "CLOSED",
        incident_type="INCIDENT",
        incident_source=row.source,
        is_private=_yes_no(row.is_private),
        monitors=[Affected(a.monitor_tag, a.monitor_name, a.impact) for a in row.affected],
        post_mortem=row.post_mortem,
        merged_into_id=row.merged_into_id,
        url=f"{origin}/incidents/{row.id}",
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        start_at=row.start_at,
        end_at=row.end_at,
    )


def _comment(row: models.IncidentUpdate) -> Comment:
    return Comment(
        id=row.id,
        incident_id=row.incident_id,
        comment=row.text,
        state=row.state,
        timestamp=_seconds(row.at),
        author=row.author,
        is_automatic=_yes_no(row.is_automatic),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _configuration(row: models.AlertConfiguration) -> AlertConfiguration:
    thresholds = AlertConfigurationInput.model_construct(
        monitor_tags=[], failure_threshold=row.failure_threshold, success_threshold=row.success_threshold
    )
    return AlertConfiguration(
        id=row.id,
        monitor_tags=[monitor.tag for monitor in row.monitors],
        alert_for=row.alert_for,
        alert_value=row.alert_value,
        uptime_window=row.uptime_window,
        failure_threshold=row.failure_threshold,
        success_threshold=row.success_threshold,
        severity=row.severity,
        create_incident=_yes_no(row.create_incident),
        is_active=_yes_no(row.is_active),
        alert_description=row.alert_description,
        reopen_minutes=row.reopen_minutes,
        flapping_start=row.flapping_start,
        flapping_stop=row.flapping_stop,
        group_minutes=row.group_minutes,
        title_template=row.title_template,
        first_update_template=row.first_update_template,
        closing_update_template=row.closing_update_template,
        trigger_ids=[trigger.id for trigger in row.triggers],
        warnings=thresholds.warnings(),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _alert(row: models.Alert, now: datetime) -> Alert:
    return Alert(
        id=row.id,
        config_id=row.config_id,
        monitor_tag=row.monitor_tag,
        monitor_name=row.monitor_name,
        alert_status=row.alert_status,
        incident_id=row.incident_id,
        triggered_at=row.triggered_at,
        resolved_at=row.resolved_at,
        duration_s=max(0, int(((row.resolved_at or now) - row.triggered_at).total_seconds())),
        observed_value=row.observed_value,
        last_error=row.last_error,
        closing_reason=row.closing_reason,
        incident_note=row.incident_note,
    )


def _trigger(row: models.Trigger) -> Trigger:
    public = _object(row.public)
    headers = public["headers"] if isinstance(public.get("headers"), list) else []
    kind: Any = row.trigger_type
    return Trigger(
        id=row.id,
        name=row.name,
        trigger_type=kind,
        description=row.description,
        is_active=_yes_no(row.is_active),
        url=public.get("url"),
        headers=[HeaderName(str(_object(h).get("key"))) for h in headers] if row.trigger_type == "webhook" else None,
        body=public.get("body"),
        to=public.get("to"),
        sender=public.get("from"),
        subject=public.get("subject"),
        server=public.get("server"),
        chat_id=public.get("chat_id"),
        thread_id=public.get("thread_id"),
        team=public.get("team"),
        secrets=[str(name) for name in public.get(SET, ())],
        secret_set_at=row.secret_set_at,
        switched_off_at=row.switched_off_at,
        switched_off_because=row.switched_off_because,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _delivery(row: models.Delivery) -> Delivery:
    return Delivery(
        id=row.id,
        uid=row.uid,
        event=row.event,
        state=row.state,
        trigger_id=row.trigger_id,
        trigger_name=row.trigger_name,
        alert_id=row.alert_id,
        incident_id=row.incident_id,
        attempts=row.attempts,
        answer=row.answer,
        next_at=row.next_at,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
