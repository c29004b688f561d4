"""Alert configurations (the rules), alerts (the episodes), streaks (the counting) and decision records (the reasons)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Base, Instant, Model, words
from kener.domain.alerting import AlertStatus, AlertType, Outcome, Rule, Severity
from kener.models.monitors import Monitor
from kener.models.triggers import Trigger

configuration_monitor = Table(
    "alert_configuration_monitor",
    Base.metadata,
    Column("config_id", ForeignKey("alert_configuration.id", ondelete="CASCADE"), primary_key=True),
    Column("monitor_id", ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True),
)
configuration_trigger = Table(
    "alert_configuration_trigger",
    Base.metadata,
    Column("config_id", ForeignKey("alert_configuration.id", ondelete="CASCADE"), primary_key=True),
    Column("trigger_id", ForeignKey("trigger_channel.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class AlertConfiguration(Model):
    """A rule, the monitors it watches and the triggers it tells."""

    __tablename__ = "alert_configuration"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_for: Mapped[AlertType] = mapped_column(words(AlertType))
    alert_value: Mapped[str] = mapped_column(String(32))
    uptime_window: Mapped[str] = mapped_column(String(8), default="24h")
    failure_threshold: Mapped[int] = mapped_column(Integer, default=3)
    success_threshold: Mapped[int] = mapped_column(Integer, default=5)
    severity: Mapped[Severity] = mapped_column(words(Severity), default=Severity.WARNING)
    create_incident: Mapped[bool] = mapped_column(Boolean, default=False)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    alert_description: Mapped[str | None] = mapped_column(Text)
    reopen_minutes: Mapped[int | None] = mapped_column(Integer)
    flapping_start: Mapped[int | None] = mapped_column(Integer)
    flapping_stop: Mapped[int | None] = mapped_column(Integer)
    group_minutes: Mapped[int | None] = mapped_column(Integer)
    title_template: Mapped[str | None] = mapped_column(Text)
    first_update_template: Mapped[str | None] = mapped_column(Text)
    closing_update_template: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    monitors: Mapped[list[Monitor]] = relationship(secondary=configuration_monitor, order_by=Monitor.name)
    triggers: Mapped[list[Trigger]] = relationship(secondary=configuration_trigger, order_by=Trigger.name)

    @property
    def rule(self) -> Rule:
        """The rule as the domain reads it."""
        return Rule(
            alert_for=self.alert_for,
            alert_value=self.alert_value,
            failure_threshold=self.failure_threshold,
            success_threshold=self.success_threshold,
            severity=self.severity,
            create_incident=self.create_incident,
            description=self.alert_description,
            uptime_window=self.uptime_window,
            flapping_start=self.flapping_start,
            flapping_stop=self.flapping_stop,
        )


class Streak(Model):
    """How far a configuration has counted on one monitor. A missing row counts zero.

    `recent` holds the newest failing and passing evaluations as F and P, oldest first, where flapping is watched (X3).
    """

    __tablename__ = "streak"

    config_id: Mapped[int] = mapped_column(ForeignKey("alert_configuration.id", ondelete="CASCADE"), primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)
    failing: Mapped[int] = mapped_column(Integer, default=0)
    passing: Mapped[int] = mapped_column(Integer, default=0)
    recent: Mapped[str] = mapped_column(String(64), default="", server_default="")
    is_flapping: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class Alert(Model):
    """One episode of one configuration on one monitor.

    `active_key` is unique and set only while TRIGGERED: the database itself allows one active alert per configuration and monitor.
    That of a drill is never set, so whoever looks for active alerts does not find it; lists and counts leave `is_drill` out.
    Names and rule are kept as they were, so that the log outlives what it speaks of.
    """

    __tablename__ = "alert"
    __table_args__ = (
        Index("ix_alert_config_id_triggered_at", "config_id", "triggered_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    config_id: Mapped[int | None] = mapped_column(ForeignKey("alert_configuration.id", ondelete="SET NULL"))
    monitor_id: Mapped[int | None] = mapped_column(ForeignKey("monitor.id", ondelete="SET NULL"), index=True)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"), index=True)
    active_key: Mapped[str | None] = mapped_column(String(48), unique=True)
    alert_status: Mapped[AlertStatus] = mapped_column(words(AlertStatus), default=AlertStatus.TRIGGERED)
    monitor_tag: Mapped[str] = mapped_column(String(255))
    monitor_name: Mapped[str] = mapped_column(String(255))
    rule: Mapped[dict[str, Any]] = mapped_column(JSON)
    triggered_at: Mapped[datetime] = mapped_column(Instant, index=True)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    observed_value: Mapped[str | None] = mapped_column(String(64))
    last_error: Mapped[str | None] = mapped_column(String(500))
    closing_reason: Mapped[str | None] = mapped_column(String(255))
    incident_note: Mapped[str | None] = mapped_column(String(255))
    is_drill: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class Decision(Model):
    """Why an automatic step was taken, or was not: the samples it saw, the rule as it was, the outcome."""

    __tablename__ = "decision"
    __table_args__ = (
        Index("ix_decision_config_id_monitor_id_at", "config_id", "monitor_id", "at"),
        Index("ix_decision_at", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    config_id: Mapped[int | None] = mapped_column(ForeignKey("alert_configuration.id", ondelete="CASCADE"))
    monitor_id: Mapped[int | None] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), index=True)
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"), index=True)
    at: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[Outcome] = mapped_column(words(Outcome))
    verdict: Mapped[str] = mapped_column(String(16))
    failing: Mapped[int] = mapped_column(Integer)
    passing: Mapped[int] = mapped_column(Integer)
    observed: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(255))
    rule: Mapped[dict[str, Any]] = mapped_column(JSON)
    samples: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
