"""Fire drills: a marked test outage through the complete path, and how long each step took."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from kener import clock
from kener.db import Instant, Model


class Drill(Model):
    """One drill. Its alert and incident are marked `is_drill`, its deliveries hang on the alert; the moments are those of the steps.

    Taken up by a worker (`started_at`), alert and incident opened (`opened_at`), both resolved (`resolved_at`); or `failure` says why not.
    """

    __tablename__ = "drill"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    config_id: Mapped[int | None] = mapped_column(ForeignKey("alert_configuration.id", ondelete="CASCADE"), index=True)
    monitor_tag: Mapped[str] = mapped_column(String(255))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"), index=True)
    requested_by: Mapped[str] = mapped_column(String(255))
    requested_at: Mapped[datetime] = mapped_column(Instant, default=clock.now)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    opened_at: Mapped[datetime | None] = mapped_column(Instant)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    failure: Mapped[str | None] = mapped_column(String(500))

    @property
    def is_running(self) -> bool:
        """Asked for, and neither resolved nor given up."""
        return self.resolved_at is None and self.failure is None
