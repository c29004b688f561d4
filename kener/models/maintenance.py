"""Maintenance: windows in which trouble is expected."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Instant, Model, words
from kener.domain.status import Status


class Maintenance(Model):
    """Planned work: a title, what visitors will notice, the monitors it concerns and its windows."""

    __tablename__ = "maintenance"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text)
    is_private: Mapped[bool] = mapped_column(Boolean, default=False)
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


class MaintenanceWindow(Model):
    """One occurrence, half-open: `start_at` belongs to it, `end_at` does not. A cancelled one never was."""

    __tablename__ = "maintenance_window"
    __table_args__ = (
        UniqueConstraint("maintenance_id", "start_at"),
        Index("ix_maintenance_window_end_at", "end_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    maintenance_id: Mapped[int] = mapped_column(ForeignKey("maintenance.id", ondelete="CASCADE"))
    start_at: Mapped[datetime] = mapped_column(Instant)
    end_at: Mapped[datetime] = mapped_column(Instant)
    is_cancelled: Mapped[bool] = mapped_column(Boolean, default=False)

    maintenance: Mapped[Maintenance] = relationship(back_populates="windows")


class MaintenanceMonitor(Model):
    """That a maintenance concerns a monitor, and what is shown for it meanwhile."""

    __tablename__ = "maintenance_monitor"

    maintenance_id: Mapped[int] = mapped_column(ForeignKey("maintenance.id", ondelete="CASCADE"), primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)
    impact: Mapped[Status] = mapped_column(words(Status), default=Status.MAINTENANCE)

    maintenance: Mapped[Maintenance] = relationship(back_populates="monitors")
