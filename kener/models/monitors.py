"""Monitors: what is watched, and what was seen last."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    event,
    text,
)
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    relationship,
    with_loader_criteria,
)

from kener import clock
from kener.db import Instant, Model, words
from kener.domain.schedule import Schedule
from kener.domain.specs import MonitorType, Spec, parse_spec
from kener.domain.status import Status, from_code


class Monitor(Model):
    """A thing that is watched. Rows change only when an operator changes them; what was seen is in `MonitorState`.

    A look that fails is repeated at once, up to `retries` times, `retry_delay_ms` apart; so many looks in a row as `failure_confirmations`
    or `recovery_confirmations` say must agree before a change is believed. One with `deleted_at` is gone for everybody, and can be had
    back for seven days.
    """

    __tablename__ = "monitor"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    image: Mapped[str | None] = mapped_column(String(1024))
    external_url: Mapped[str | None] = mapped_column(String(2048))
    category_name: Mapped[str] = mapped_column(String(255), default="Home")
    monitor_type: Mapped[MonitorType] = mapped_column(words(MonitorType))
    type_data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    heartbeat_hash: Mapped[str | None] = mapped_column(String(64))
    interval_seconds: Mapped[int | None] = mapped_column(Integer)
    cron: Mapped[str | None] = mapped_column(String(255))
    default_status: Mapped[Status] = mapped_column(words(Status), default=Status.UP)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    is_hidden: Mapped[bool] = mapped_column(Boolean, default=False)
    position: Mapped[int] = mapped_column(Integer, default=0)
    failure_confirmations: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    recovery_confirmations: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    retries: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    retry_delay_ms: Mapped[int] = mapped_column(Integer, default=1_000, server_default=text("1000"))
    deleted_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    deleted_by: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    state: Mapped["MonitorState"] = relationship(
        back_populates="monitor", cascade="all, delete-orphan", passive_deletes=True, uselist=False
    )
    parents: Mapped[list["Monitor"]] = relationship(
        secondary="monitor_parent",
        primaryjoin="Monitor.id == MonitorParent.monitor_id",
        secondaryjoin="Monitor.id == MonitorParent.parent_id",
        order_by="Monitor.name",
        viewonly=True,
    )

    labels: Mapped[list["MonitorLabel"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="MonitorLabel.label"
    )

    @property
    def schedule(self) -> Schedule:
        return Schedule(interval_s=self.interval_seconds, cron=self.cron)

    @property
    def spec(self) -> Spec:
        """Its settings. Raises pydantic.ValidationError when the row was damaged from outside."""
        return parse_spec(self.monitor_type, self.type_data)


_NOT_DELETED = with_loader_criteria(Monitor, Monitor.deleted_at.is_(None), include_aliases=True)


@event.listens_for(Session, "do_orm_execute")
def _without_deleted(statement: ORMExecuteState) -> None:
    """A deleted monitor is found by nobody who does not ask for deleted ones: `.execution_options(deleted=True)`."""
    if statement.is_select and not statement.is_column_load and not statement.execution_options.get("deleted"):
        statement.statement = statement.statement.options(_NOT_DELETED)


class MonitorState(Model):
    """What was seen last and what is due next: one narrow row a monitor, written with every sample.

    `due_at` is the next slot (NULL: nothing is due). `slot` is the slot that was claimed and has no sample yet, `claimed_at` when;
    both are NULL otherwise. `slow` sends the next check to the slow lane. Times are seconds since 1970.

    `raw` is what the newest look said, where a change is not confirmed yet: `held` such looks in a row since `held_since`; NULL and 0
    otherwise. `anchor` is the newest status that confirmation has believed, kept while checks say nothing.

    What checks bring before `manual_until` is not kept: that minute was written by hand. Nothing up to `evaluated_until` is evaluated any
    more: the newest samples were deleted, and they had their say (E7).

    `beat_at` is the newest success of a heartbeat, `run_started_ms` the start of a run that has not ended, in milliseconds since 1970,
    `fail_at` a failure that no success has followed yet, `fail_code` its exit code.
    """

    __tablename__ = "monitor_state"
    __table_args__ = (Index("ix_monitor_state_due_at", "due_at"), Index("ix_monitor_state_claimed_at", "claimed_at"))

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    slot: Mapped[int | None] = mapped_column(BigInteger)
    claimed_at: Mapped[int | None] = mapped_column(BigInteger)
    slow: Mapped[bool] = mapped_column(Boolean, default=False)
    at: Mapped[int | None] = mapped_column(BigInteger)
    status_code: Mapped[int] = mapped_column("status", SmallInteger, default=0)
    span_s: Mapped[int] = mapped_column(Integer, default=0)
    latency_ms: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(String(500))
    since: Mapped[int | None] = mapped_column(BigInteger)
    lateness_ms: Mapped[int | None] = mapped_column(Integer)
    beat_at: Mapped[int | None] = mapped_column(BigInteger)
    run_started_ms: Mapped[int | None] = mapped_column(BigInteger)
    fail_at: Mapped[int | None] = mapped_column(BigInteger)
    fail_code: Mapped[int | None] = mapped_column(SmallInteger)
    anchor_code: Mapped[int | None] = mapped_column("anchor", SmallInteger)
    raw_code: Mapped[int | None] = mapped_column("raw", SmallInteger)
    held_since: Mapped[int | None] = mapped_column(BigInteger)
    manual_until: Mapped[int | None] = mapped_column(BigInteger)
    evaluated_until: Mapped[int | None] = mapped_column(BigInteger)
    held: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))

    monitor: Mapped[Monitor] = relationship(back_populates="state")

    @property
    def status(self) -> Status:
        return from_code(self.status_code)


class MonitorLabel(Model):
    """A word that operators sort monitors by."""

    __tablename__ = "monitor_label"

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class MonitorParent(Model):
    """That a monitor depends on another one: while the parent is down, the child's alerts are held."""

    __tablename__ = "monitor_parent"

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)


class GroupMember(Model):
    """That a monitor belongs to a group, and how much it weighs there."""

    __tablename__ = "group_member"

    group_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)
    weight: Mapped[float] = mapped_column(Float, default=1.0)


class HeartbeatSignal(Model):
    """What a job told: start, success, fail or log, with its exit code and a few words; never mixed with samples.

    `at` in seconds since 1970.
    """

    __tablename__ = "heartbeat_signal"
    __table_args__ = (Index("ix_heartbeat_signal_monitor_id_at", "monitor_id", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"))
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    kind: Mapped[str] = mapped_column(String(8))
    exit_code: Mapped[int | None] = mapped_column(Integer)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    body: Mapped[str | None] = mapped_column(Text)


class ExcludedWindow(Model):
    """A stretch of a monitor's past that does not count: a false alarm, or excused. Half-open, in seconds since 1970.

    `uptime_before` keeps what the uptime was without it.
    """

    __tablename__ = "excluded_window"
    __table_args__ = (
        Index("ix_excluded_window_monitor_id_end_at", "monitor_id", "end_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"))
    start_at: Mapped[int] = mapped_column(BigInteger)
    end_at: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500), default="")
    uptime_before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
