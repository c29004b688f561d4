"""Migrations: at most one process applies them, and an up-to-date database costs one query."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kener.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def newest_revision() -> str:
    """The newest migration on disk, by its number."""
    names = sorted(path.name for path in (FOLDER / "versions").glob("[0-9]*.py"))
    found = re.match(r"(\d+)", names[-1])
    assert found is not None
    return found.group(1)


def ensure_current(settings: Settings) -> None:
    """Upgrade unless the database is at the newest revision already."""
    if _revision(settings.database_url) != newest_revision():
        upgrade(settings)


def upgrade(settings: Settings) -> None:
    """Apply all migrations."""
    from alembic import command

    command.upgrade(config(settings.database_url), "head")


def config(database_url: str) -> "Config":
    """Alembic's configuration, made here, so that no ini file can disagree with the settings."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.attributes["database_url"] = database_url
    return made


def differences() -> list[str]:
    """What an empty database after all migrations lacks of the models, or has too much."""
    import tempfile

    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    import kener.models  # noqa: F401 - registers the tables
    from kener.db import Base

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/check.db"
        command.upgrade(config(url), "head")
        engine = create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            found: list[Any] = compare_metadata(context, Base.metadata)
        engine.dispose()
    return [str(difference) for difference in found]


def _revision(url: str) -> str | None:
    """The database's revision; for SQLite without loading SQLAlchemy, since every start asks."""
    if url.startswith("sqlite:///"):
        return _sqlite_revision(Path(url.removeprefix("sqlite:///")))
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return str(found) if found else None
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _sqlite_revision(path: Path) -> str | None:
    import sqlite3

    if not path.exists():
        return None
    connection = sqlite3.connect(path, timeout=15)
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
