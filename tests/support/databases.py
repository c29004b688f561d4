"""A database of the test run's own on each kind of server: made once, migrated once, emptied before every test."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from kener.db import Base
from tests.support.requirements import DATABASES, missing

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = {
    "postgresql": (
        "KENER_TEST_POSTGRES_URL",
        ("postgresql://root@127.0.0.1:5432/test", "postgresql://postgres@127.0.0.1:5432/postgres"),
    ),
    "mariadb": ("KENER_TEST_MYSQL_URL", ("mysql://root@127.0.0.1:3306/test",)),
}
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


@dataclass(frozen=True)
class Database:
    """An empty database and how to get rid of it."""

    url: str
    drop: Callable[[], None]


def create(kind: str, folder: Path) -> Database:
    """A new, empty database. Skips, or fails where databases are required, when no server answers."""
    if kind == "sqlite":
        return Database(f"sqlite:///{folder / 'test.db'}", lambda: None)
    server = _server(kind)
    name = f"kener_test_{secrets.token_hex(6)}"
    _run(server, f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if kind == "mariadb" else ""))
    force = " WITH (FORCE)" if kind == "postgresql" else ""
    url = server.set(database=name).render_as_string(hide_password=False)
    return Database(url, partial(_run, server, f"DROP DATABASE IF EXISTS {name}{force}"))


def empty(engine: Engine) -> None:
    """Delete all rows of all tables."""
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())


def _server(kind: str) -> URL:
    variable, defaults = SERVERS[kind]
    chosen = os.environ.get(variable)
    urls = [make_url(address) for address in ((chosen,) if chosen else defaults)]
    urls = [url.set(drivername=DRIVERS.get(url.drivername, url.drivername)) for url in urls]
    found = next((url for url in urls if _answers(url)), None)
    if found is None:
        missing(DATABASES, f"No {kind} server answers; set {variable}")
    return found


def _answers(server: URL) -> bool:
    try:
        _run(server, "SELECT 1")
    except OperationalError:
        return False
    return True


def _run(server: URL, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
