"""Incidents: what visitors read."""

from datetime import datetime

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Instant, Model, words
from kener.domain import incidents as rules
from kener.domain.incidents import IncidentState, Source
from kener.domain.status import Status


class Incident(Model):
    """State, status and end are the result of the updates in time order (`retell`), never set directly.

    One that was merged into another (X4) is kept for its address: `merged_into_id` says where its story went on.
    """

    __tablename__ = "incident"
    __table_args__ = (
        Index("ix_incident_start_at", "start_at"),
        Index("ix_incident_status", "status"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(512))
    source: Mapped[Source] = mapped_column(words(Source))
    state: Mapped[IncidentState] = mapped_column(words(IncidentState), default=IncidentState.INVESTIGATING)
    status: Mapped[str] = mapped_column(String(8), default="OPEN")
    start_at: Mapped[datetime] = mapped_column(Instant)
    end_at: Mapped[datetime | None] = mapped_column(Instant)
    is_private: Mapped[bool] = mapped_column(Boolean, default=False)
    is_drill: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    post_mortem: Mapped[str | None] = mapped_column(Text)
    post_mortem_at: Mapped[datetime | None] = mapped_column(Instant)
    post_mortem_by: Mapped[str | None] = mapped_column(String(255))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"), index=True)
    version: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    updates: Mapped[list["IncidentUpdate"]] = relationship(
        back_populates="incident",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="(IncidentUpdate.at, IncidentUpdate.id)",
    )
    affected: Mapped[list["AffectedMonitor"]] = relationship(
        back_populates="incident", cascade="all, delete-orphan", passive_deletes=True, order_by="AffectedMonitor.id"
    )

    @property
    def is_open(self) -> bool:
        return self.status == "OPEN"

    def post(self, update: "IncidentUpdate") -> None:
        """Add an update and retell the story."""
        self.updates.append(update)
        self.retell()

    def retell(self) -> None:
        """Recompute state, status and end from the updates in time order, and end or resume the impact with them (`rules.impact_end`)."""
        ordered = sorted(self.updates, key=lambda update: (update.at, update.id or 1 << 62))
        told = [(update.state, update.at) for update in ordered]
        story = rules.outcome(told, [update.merged_from_id for update in ordered])
        before = self.end_at
        self.state, self.end_at = story.state, story.end_at
        self.status = "CLOSED" if story.end_at else "OPEN"
        for affected in self.affected:
            affected.ended_at = rules.impact_end(affected.ended_at, before=before, now=story.end_at)


class IncidentUpdate(Model):
    """One entry of the timeline. `text` is Markdown.

    `also_affected`: this is the one entry that names monitors that fail because they depend on an affected one; their ids.
    """

    __tablename__ = "incident_update"
    __table_args__ = (Index("ix_incident_update_incident_id_at", "incident_id", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    state: Mapped[IncidentState] = mapped_column(words(IncidentState))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    is_automatic: Mapped[bool] = mapped_column(Boolean, default=False)
    author: Mapped[str | None] = mapped_column(String(255))
    merged_from_id: Mapped[int | None] = mapped_column()
    also_affected: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    incident: Mapped[Incident] = relationship(back_populates="updates")


class AffectedMonitor(Model):
    """That an incident affects a monitor, how much, and until when. Its name is kept for when the monitor is gone."""

    __tablename__ = "affected_monitor"
    __table_args__ = (UniqueConstraint("incident_id", "monitor_tag"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    monitor_id: Mapped[int | None] = mapped_column(ForeignKey("monitor.id", ondelete="SET NULL"), index=True)
    monitor_tag: Mapped[str] = mapped_column(String(255))
    monitor_name: Mapped[str] = mapped_column(String(255))
    impact: Mapped[Status] = mapped_column(words(Status))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)

    incident: Mapped[Incident] = relationship(back_populates="affected")
