"""Subscribers, what they chose, how they confirm it, and what they were told."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kener import clock
from kener.db import Instant, Model, words
from kener.domain.status import Status
from kener.domain.subscriptions import Channel, NoticeKind, SubscriberState
from kener.models.deliveries import DeliveryState


class Subscriber(Model):
    """Somebody who hears of incidents and maintenance. `address` may be shown; a URL is encrypted in `sealed`, with what signs.

    `address_hash` is what makes an address unique. `everything`: the scope is the whole site; otherwise it is the `subscriptions`. A link
    to the subscriber's own page holds `token_version`: raising it makes the old ones invalid. `created_by` is None where they came by
    themselves.
    """

    __tablename__ = "subscriber"
    __table_args__ = (Index("ix_subscriber_state", "state"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[Channel] = mapped_column(words(Channel))
    address: Mapped[str] = mapped_column(String(255), index=True)
    address_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sealed: Mapped[str | None] = mapped_column(Text)
    state: Mapped[SubscriberState] = mapped_column(words(SubscriberState), default=SubscriberState.PENDING)
    everything: Mapped[bool] = mapped_column(Boolean, default=False)
    incidents: Mapped[bool] = mapped_column(Boolean, default=True)
    maintenance: Mapped[bool] = mapped_column(Boolean, default=True)
    least_impact: Mapped[Status] = mapped_column(words(Status), default=Status.DEGRADED)
    language: Mapped[str] = mapped_column(String(16), default="en")
    zone: Mapped[str] = mapped_column(String(64), default="")
    token_version: Mapped[int] = mapped_column(Integer, default=1)
    created_by: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)

    subscriptions: Mapped[list["Subscription"]] = relationship(
        back_populates="subscriber", cascade="all, delete-orphan", passive_deletes=True, order_by="Subscription.id"
    )


class Subscription(Model):
    """One page, one monitor or group, or one incident that a subscriber hears of: exactly one of the three is set."""

    __tablename__ = "subscription"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    page_id: Mapped[int | None] = mapped_column(ForeignKey("page.id", ondelete="CASCADE"), index=True)
    monitor_id: Mapped[int | None] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), index=True)
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)

    subscriber: Mapped[Subscriber] = relationship(back_populates="subscriptions")


class Confirmation(Model):
    """A question whether an address is its owner's wish: `choices` come true with the link or the code, of which hashes are kept.

    Both are made when it is sent, so that a second attempt sends new ones. `ref` is the address of the page on which the code is entered.
    """

    __tablename__ = "confirmation"
    __table_args__ = (Index("ix_confirmation_state_next_at", "state", "next_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    ref: Mapped[str] = mapped_column(String(64), unique=True)
    choices: Mapped[dict[str, Any]] = mapped_column(JSON)
    link_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    link_until: Mapped[datetime | None] = mapped_column(Instant)
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_until: Mapped[datetime | None] = mapped_column(Instant)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[DeliveryState] = mapped_column(words(DeliveryState), default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)


class Notice(Model):
    """One thing that is said to subscribers. Its key makes it be said once; `message` is what is said, to everybody alike."""

    __tablename__ = "notice"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_key: Mapped[str] = mapped_column(String(128), unique=True)
    kind: Mapped[NoticeKind] = mapped_column(words(NoticeKind))
    event: Mapped[str] = mapped_column(String(24))
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id", ondelete="SET NULL"), index=True)
    update_id: Mapped[int | None] = mapped_column(ForeignKey("incident_update.id", ondelete="SET NULL"), index=True)
    maintenance_id: Mapped[int | None] = mapped_column(ForeignKey("maintenance.id", ondelete="SET NULL"), index=True)
    window_id: Mapped[int | None] = mapped_column(ForeignKey("maintenance_window.id", ondelete="SET NULL"), index=True)
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, index=True)


class NoticeDelivery(Model):
    """That one subscriber is told one thing; states as those of `Delivery`. `claim` is whose turn it is while it is being sent.

    The subscriber is gone from it when they unsubscribe: what was sent stays counted, nobody's address stays.
    """

    __tablename__ = "notice_delivery"
    __table_args__ = (
        UniqueConstraint("notice_id", "subscriber_id"),
        Index("ix_notice_delivery_notice_id_state", "notice_id", "state"),
        Index("ix_notice_delivery_state_next_at", "state", "next_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscriber.id", ondelete="SET NULL"), index=True)
    state: Mapped[DeliveryState] = mapped_column(words(DeliveryState), default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    claim: Mapped[str | None] = mapped_column(String(32), index=True)
    answer: Mapped[str | None] = mapped_column(String(500))
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
