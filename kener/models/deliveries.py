"""The outbox: every promise to the outside world is a row first."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from kener import clock
from kener.db import Instant, Model, words


class DeliveryState(StrEnum):
    """WAITING → SENDING → SENT, or → RETRYING → SENDING …, or → FAILED for good."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    RETRYING = "RETRYING"
    SENT = "SENT"
    FAILED = "FAILED"


DRILL_STORY = "drill"
"""How the story of a drill's messages begins, even where nothing else is left of the drill."""


class Delivery(Model):
    """One message to one channel. `uid` is stable over all attempts; `story` orders the messages of one alert.

    `next_at` is when it may be tried (again), and of one that has failed when that was clear.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_state_next_at", "state", "next_at"),
        Index("ix_delivery_trigger_id_story", "trigger_id", "story"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid.uuid4()))
    event: Mapped[str] = mapped_column(String(24))
    story: Mapped[str] = mapped_column(String(48))
    trigger_id: Mapped[int | None] = mapped_column(ForeignKey("trigger_channel.id", ondelete="SET NULL"))
    trigger_name: Mapped[str] = mapped_column(String(255))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"), index=True)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"), index=True)
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[DeliveryState] = mapped_column(words(DeliveryState), default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)

    @hybrid_property
    def is_drill(self) -> bool:
        """Sent by a drill: no badge and no figure counts it."""
        return self.story.startswith(f"{DRILL_STORY}-")


class DeliveryAttempt(Model):
    """One try at a delivery that came to an end: what the other side said, and after how long."""

    __tablename__ = "delivery_attempt"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    duration_ms: Mapped[int] = mapped_column(Integer)
    has_arrived: Mapped[bool] = mapped_column(Boolean)
    answer: Mapped[str] = mapped_column(String(500))
