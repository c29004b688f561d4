"""Maintenance: windows in which trouble is expected."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Instant, Model, words
from kener.domain.status import Status
from kener.domain.windows import WindowState


class Maintenance(Model):
    """Planned work: a title, what visitors will notice, the monitors it concerns and its windows.

    A series has an `rrule` (RFC 5545, without DTSTART), counted from `start_at` by the clocks of `timezone`; `exdates` are occurrences
    that were taken out. Without a rule it happens once. `reminders` are minutes before the start; `notices` are the kinds of messages that
    subscribers get. A global one stands on every page. `fill_at` is when the next occurrences are to be put into the calendar.
    """

    __tablename__ = "maintenance"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text)
    is_private: Mapped[bool] = mapped_column(Boolean, default=False)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    is_global: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    start_at: Mapped[datetime | None] = mapped_column(Instant)
    duration_s: Mapped[int | None] = mapped_column(Integer)
    rrule: Mapped[str | None] = mapped_column(String(500))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    exdates: Mapped[list[str]] = mapped_column(JSON, default=list)
    reminders: Mapped[list[int]] = mapped_column(JSON, default=list)
    notices: Mapped[list[str]] = mapped_column(JSON, default=list)
    fill_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    created_by: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    windows: Mapped[list["MaintenanceWindow"]] = relationship(
        back_populates="maintenance",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="MaintenanceWindow.start_at",
    )
    monitors: Mapped[list["MaintenanceMonitor"]] = relationship(
        back_populates="maintenance", cascade="all, delete-orphan", passive_deletes=True
    )


def _own_start(context: Any) -> Any:
    return context.get_current_parameters()["start_at"]


class MaintenanceWindow(Model):
    """One occurrence, half-open: `start_at` belongs to it, `end_at` does not. A cancelled one never was.

    `occurrence_at` is the start that the rule gave it, which stays when it is moved: what has been made is not made again. `due_at` is
    when something becomes of it next: a reminder, its start, its end; None when it is over.
    """

    __tablename__ = "maintenance_window"
    __table_args__ = (
        UniqueConstraint("maintenance_id", "occurrence_at"),
        Index("ix_maintenance_window_end_at", "end_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    maintenance_id: Mapped[int] = mapped_column(ForeignKey("maintenance.id", ondelete="CASCADE"))
    start_at: Mapped[datetime] = mapped_column(Instant)
    end_at: Mapped[datetime] = mapped_column(Instant)
    occurrence_at: Mapped[datetime] = mapped_column(Instant, default=_own_start)
    state: Mapped[WindowState] = mapped_column(words(WindowState), default=WindowState.SCHEDULED, index=True)
    due_at: Mapped[datetime | None] = mapped_column(Instant, default=_own_start, index=True)
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))

    maintenance: Mapped[Maintenance] = relationship(back_populates="windows")


class MaintenanceMonitor(Model):
    """That a maintenance concerns a monitor, and what is shown for it meanwhile."""

    __tablename__ = "maintenance_monitor"

    maintenance_id: Mapped[int] = mapped_column(ForeignKey("maintenance.id", ondelete="CASCADE"), primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)
    impact: Mapped[Status] = mapped_column(words(Status), default=Status.MAINTENANCE)

    maintenance: Mapped[Maintenance] = relationship(back_populates="monitors")


class MaintenanceNotice(Model):
    """That subscribers were told something about an occurrence: its key makes it happen once ("started", "reminder-1440", …)."""

    __tablename__ = "maintenance_notice"
    __table_args__ = (UniqueConstraint("window_id", "notice_key"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("maintenance_window.id", ondelete="CASCADE"))
    notice_key: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
