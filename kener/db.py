"""The database: one typed base, portable column types, and one way to write."""

import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, MetaData, String, Table, case, event, func, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from kener.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all models."""

    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, disable_autonaming=True)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""What a stored time reads as that was damaged from outside, or that no zone can show."""


def _or_long_ago(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError):
        return LONG_AGO


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if not 1970 <= value.year < 9000:
            return LONG_AGO
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """SQLite takes any text for a time: one that is none reads as long ago, and takes no list down."""
        read = super().result_processor(dialect, coltype)
        return read and partial(_or_long_ago, read)


class Damaged(str):
    """A stored word or JSON text that cannot be read, because the row was damaged from outside: it stands for itself only."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)

    @property
    def word(self) -> str:
        """What visitors read."""
        return "Unknown"


class Words(TypeDecorator[Any]):
    """One word of an enumeration, as text, so that a new word needs no migration.

    A word that the enumeration does not know is read as `Damaged`: one bad row must not take a whole list down.
    """

    impl = String(24)
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind
        self._members = {word.value: word for word in kind}

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._members.get(value) or Damaged(value)


def words(kind: type[StrEnum]) -> Words:
    """A column that holds one word of an enumeration."""
    return Words(kind)


def _from_json(text: str | bytes) -> Any:
    """A JSON column's value. SQLite takes any text into one; what is no JSON is `Damaged`."""
    try:
        return json.loads(text)
    except ValueError:
        return Damaged(text if isinstance(text, str) else text.decode(errors="replace"))


def configure(app: Flask, settings: Settings) -> None:
    """Bind the database to the app. Pools are per process; a forked child must not inherit a used one."""
    options: dict[str, Any] = {
        "json_serializer": lambda value: json.dumps(value, ensure_ascii=False),
        "json_deserializer": _from_json,
    }
    if settings.database_url.startswith("sqlite"):
        options["connect_args"] = {"timeout": 15}
    else:
        options.update(pool_pre_ping=True, pool_recycle=1800, pool_size=5, max_overflow=10)
    if settings.database_url.startswith("mysql"):
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = {"charset": "utf8mb4"}
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _sqlite_connect)
            event.listen(db.engine, "begin", _sqlite_begin)


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=15000",
        "cache_size=-8000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    # A write transaction that starts as a reader cannot wait for the lock (it fails at once), so writers say so first.
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def transaction() -> Iterator[Session]:
    """One write transaction: commits at the end, rolls back on any exception.

    Ends the read transaction that the request may have open, so that what follows sees the newest rows.
    """
    session = db.session()
    if session.info.get("writing"):
        raise RuntimeError("A transaction is open already; pass its session on instead.")
    session.rollback()
    session.info["writing"] = True
    afterwards: dict[object, Callable[[], object]] = {}
    session.info["afterwards"] = afterwards
    try:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["writing"] = False
        session.info.pop("afterwards", None)
    for act in afterwards.values():
        act()


def afterwards(session: Session, key: object, act: Callable[[], object]) -> None:
    """Have something done once this transaction is committed, and not at all if it is not. The same key counts once.

    For what any step of a transaction may bring about, where handing it up through every caller would make one forget it.
    """
    session.info["afterwards"].setdefault(key, act)


def again(act: Callable[[], T], *, tries: int = 4) -> T:
    """Run a whole transaction; when the database breaks it off (deadlock, lock time-out, lost connection), run it again.

    Only for acts that may run twice: nothing of a transaction that was broken off remains.
    """
    for attempt in range(1, tries):
        try:
            return act()
        except OperationalError as error:
            log.warning("transaction broken off (%s), trying again", error.orig)
            time.sleep(0.05 * attempt * random.uniform(1, 2))  # noqa: S311 - two that collided should not meet again
    return act()


def reading() -> Session:
    """The session, at the newest rows: for reads outside a request's own."""
    session = db.session()
    if not session.info.get("writing"):
        session.rollback()
    return session


def insert_missing(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose primary key is not there yet; leave the others alone."""
    if not rows:
        return
    match session.get_bind().dialect.name:
        case "sqlite":
            statement: Any = sqlite.insert(table).on_conflict_do_nothing()
        case "postgresql":
            statement = postgresql.insert(table).on_conflict_do_nothing()
        case _:
            statement = mysql.insert(table).prefix_with("IGNORE")
    session.connection().execute(statement, list(rows))


def upsert(
    session: Session,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    replace: Iterable[str] = (),
    add: Iterable[str] = (),
    least: Iterable[str] = (),
    greatest: Iterable[str] = (),
) -> None:
    """Insert rows; where the primary key exists, replace, add up, or keep the least or greatest of the named columns."""
    if not rows:
        return
    statement = _upsert(
        session.get_bind().dialect.name, table, tuple(replace), tuple(add), tuple(least), tuple(greatest)
    )
    session.connection().execute(statement, list(rows))


@lru_cache(maxsize=64)
def _upsert(
    dialect: str,
    table: Table,
    replace: tuple[str, ...],
    add: tuple[str, ...],
    least: tuple[str, ...],
    greatest: tuple[str, ...],
) -> Any:
    """The statement of `upsert`: built once, since building costs more than running it."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}.get(dialect, mysql.insert)(table)
    new = insert.inserted if dialect in ("mysql", "mariadb") else insert.excluded
    changes: dict[str, Any] = {name: new[name] for name in replace}
    changes |= {name: table.c[name] + new[name] for name in add}
    changes |= {name: _first(table.c[name], new[name], new[name] < table.c[name]) for name in least}
    changes |= {name: _first(table.c[name], new[name], new[name] > table.c[name]) for name in greatest}
    if dialect in ("mysql", "mariadb"):
        return insert.on_duplicate_key_update(**changes)
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


def _first(old: Any, new: Any, new_wins: Any) -> Any:
    return case((old.is_(None), new), (new_wins, new), else_=old)


def is_reachable(engine: Engine) -> bool:
    """Whether the database answers."""
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one() == 1)


__all__ = [
    "Instant",
    "Model",
    "afterwards",
    "configure",
    "db",
    "func",
    "insert_missing",
    "reading",
    "transaction",
    "upsert",
    "words",
]
