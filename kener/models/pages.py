"""Pages: which monitors visitors see together."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kener import clock
from kener.db import Instant, Model


class Page(Model):
    """A status page of its own at `/{path}`, beside the home page, which shows every monitor."""

    __tablename__ = "page"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(128), unique=True)
    title: Mapped[str] = mapped_column(String(255))
    header: Mapped[str] = mapped_column(String(255), default="")
    text: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int] = mapped_column(Integer, default=0)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(Instant, default=clock.now, onupdate=clock.now)


class PageMonitor(Model):
    """That a page shows a monitor, and where."""

    __tablename__ = "page_monitor"

    page_id: Mapped[int] = mapped_column(ForeignKey("page.id", ondelete="CASCADE"), primary_key=True)
    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True, index=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
