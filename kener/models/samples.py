"""Samples and their roll-ups. Hot tables: narrow rows, integer keys, no ORM identity needed.

A sample stands for the time until the next one, at most `span_s` (the interval when it was taken). Roll-ups count seconds by status
up to the newest sample; the open stretch after it is added when they are read.
"""

from datetime import date

from sqlalchemy import BigInteger, Date, ForeignKey, Integer, PrimaryKeyConstraint, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from kener.db import Model


class Sample(Model):
    """One observation: `at` in seconds since 1970, `status` as in `Status.code`, latency NULL when nothing was measured.

    `status` is what was believed; `raw` is what the look said where that was held back for confirmation, NULL where both agree.
    """

    __tablename__ = "sample"
    __table_args__ = (PrimaryKeyConstraint("monitor_id", "at"), {"sqlite_with_rowid": False})

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger, autoincrement=False)
    status: Mapped[int] = mapped_column(SmallInteger)
    latency_ms: Mapped[int | None] = mapped_column(Integer)
    span_s: Mapped[int] = mapped_column(Integer)
    raw: Mapped[int | None] = mapped_column(SmallInteger)


class SampleNote(Model):
    """What there is to say about a sample: its error, its raw answer, where it came from. Only samples that need one have one."""

    __tablename__ = "sample_note"
    __table_args__ = (PrimaryKeyConstraint("monitor_id", "at"), {"sqlite_with_rowid": False})

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger, autoincrement=False)
    error: Mapped[str | None] = mapped_column(String(500))
    source: Mapped[str] = mapped_column(String(16), default="check")


class _Bucket:
    """Seconds by status and measured latencies of one bucket."""

    up_s: Mapped[int] = mapped_column(Integer, default=0)
    degraded_s: Mapped[int] = mapped_column(Integer, default=0)
    down_s: Mapped[int] = mapped_column(Integer, default=0)
    samples: Mapped[int] = mapped_column(Integer, default=0)
    latency_n: Mapped[int] = mapped_column(Integer, default=0)
    latency_sum: Mapped[int] = mapped_column(BigInteger, default=0)
    latency_min: Mapped[int | None] = mapped_column(Integer)
    latency_max: Mapped[int | None] = mapped_column(Integer)


class Hourly(_Bucket, Model):
    """One hour of one monitor; `hour` is its first second since 1970."""

    __tablename__ = "hourly"
    __table_args__ = (PrimaryKeyConstraint("monitor_id", "hour"), {"sqlite_with_rowid": False})

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), autoincrement=False)
    hour: Mapped[int] = mapped_column(BigInteger, autoincrement=False)


class Daily(_Bucket, Model):
    """One day of the site's time zone of one monitor: the hours that begin in it."""

    __tablename__ = "daily"
    __table_args__ = (PrimaryKeyConstraint("monitor_id", "day"), {"sqlite_with_rowid": False})

    monitor_id: Mapped[int] = mapped_column(ForeignKey("monitor.id", ondelete="CASCADE"), autoincrement=False)
    day: Mapped[date] = mapped_column(Date)
