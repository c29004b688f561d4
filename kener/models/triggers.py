"""Triggers: the channels that alerts are delivered through."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kener import clock
from kener.db import Instant, Model

SET = "secrets"
"""Under this name `public` lists which settings are kept secret."""


class Trigger(Model):
    """A delivery channel. `public` may be shown; `secret` is encrypted JSON and is never shown again.

    `failures` and the times beside it tell what failed since the last success (kener/domain/channels.py). `tell_at`: when the owners are to
    hear that it was switched off; empty, where they know or nobody can tell them.

    The table is called `trigger_channel`, because `trigger` is a reserved word in two of three databases.
    """

    __tablename__ = "trigger_channel"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    trigger_type: Mapped[str] = mapped_column(String(24))
    description: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    public: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    secret: Mapped[str | None] = mapped_column(Text)
    secret_set_at: Mapped[datetime | None] = mapped_column(Instant)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    switched_off_at: Mapped[datetime | None] = mapped_column(Instant)
    switched_off_because: Mapped[str | None] = mapped_column(String(500))
    tell_at: Mapped[datetime | None] = mapped_column(Instant)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)

    @property
    def shown(self) -> dict[str, Any]:
        """The settings that are no secret."""
        return {name: value for name, value in self.public.items() if name != SET}
