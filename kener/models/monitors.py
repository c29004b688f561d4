"""Monitors: what is watched, and what was seen last."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Instant, Model, words
from kener.domain.schedule import Schedule
from kener.domain.specs import MonitorType, Spec, parse_spec
from kener.domain.status import Status, from_code


class Monitor(Model):
    """A thing that is watched. Rows change only when an operator changes them; what was seen is in `MonitorState`."""

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
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    state: Mapped["MonitorState"] = relationship(
        back_populates="monitor", cascade="all, delete-orphan", passive_deletes=True, uselist=False
    )

    @property
    def schedule(self) -> Schedule:
        return Schedule(interval_s=self.interval_seconds, cron=self.cron)

    @property
    def spec(self) -> Spec:
        """Its settings. Raises pydantic.ValidationError when the row was damaged from outside."""
        return parse_spec(self.monitor_type, self.type_data)


class MonitorState(Model):
    """What was seen last and what is due next: one narrow row a monitor, written with every sample.

    `due_at` is the next slot (NULL: nothing is due). `slot` is the slot that was claimed and has no sample yet, `claimed_at` when;
    both are NULL otherwise. `slow` sends the next check to the slow lane. Times are seconds since 1970.
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

    monitor: Mapped[Monitor] = relationship(back_populates="state")

    @property
    def status(self) -> Status:
        return from_code(self.status_code)
