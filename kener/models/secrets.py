"""The store of secrets: names that stand in settings, values that nobody reads again."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kener import clock
from kener.db import Instant, Model


class Secret(Model):
    """A named value. `value` is encrypted; it is put in where `$NAME` stands, when something is about to be used."""

    __tablename__ = "secret"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    value: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(500), default="")
    created_by: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    changed_by: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    version: Mapped[int] = mapped_column(default=1)
