"""The migrated database is the one that the models describe."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from flask import Flask
from sqlalchemy import create_engine, make_url, text

from kener.cli.migrate import config
from kener.db import Base, reading
from tests.support import databases


@pytest.mark.usefixtures("app")
def test_no_id_of_a_deleted_row_is_given_again(app: Flask) -> None:
    """SQLite reuses the highest id unless the table says otherwise; links and feeds would lead to something else."""
    statement = text("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
    found = set(reading().scalars(statement))
    wanted = {
        table.name for table in Base.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"] is True
    }
    assert {"incident", "alert", "incident_update", "drill"} <= wanted
    assert wanted - found == set()


WINDOWS = (("2020-01-01 02:00:00", "2020-01-01 03:00:00", 0), ("2019-06-01 02:00:00", "2019-06-01 03:00:00", 1),
           ("2020-02-01 02:00:00", "2099-01-01 00:00:00", 0), ("2098-01-01 02:00:00", "2098-01-01 03:00:00", 0))  # fmt: skip


@pytest.mark.parametrize("kind", databases.KINDS)
def test_windows_of_an_older_version_become_occurrences_and_go_back(kind: str, tmp_path: Path) -> None:
    database = databases.create(kind, tmp_path)
    try:
        found, after = _up_and_down(database.url)
    finally:
        database.drop()
    assert found == [
        (1, "COMPLETED", "2020-01-01 02:00", "None", "2019-06-01 02:00", 3600),
        (2, "CANCELLED", "2019-06-01 02:00", "None", "2019-06-01 02:00", 3600),
        (3, "ONGOING", "2020-02-01 02:00", "2099-01-01 00:00", "2019-06-01 02:00", 3600),
        (4, "SCHEDULED", "2098-01-01 02:00", "2098-01-01 02:00", "2019-06-01 02:00", 3600),
    ]
    assert after == [(1, 0), (2, 1), (3, 0), (4, 0)]


def _up_and_down(url: str) -> tuple[list[tuple[Any, ...]], list[tuple[int, int]]]:
    alembic = config(url)
    command.upgrade(alembic, "0002")
    engine = create_engine(_driver(url))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO maintenance (id, title, description, is_private, version, created_at, updated_at) "
                "VALUES (1, 'Move', '', false, 1, '2019-01-01 00:00:00', '2019-01-01 00:00:00')"
            )
        )
        for start, end, cancelled in WINDOWS:
            connection.execute(
                text(
                    "INSERT INTO maintenance_window (maintenance_id, start_at, end_at, is_cancelled) "
                    f"VALUES (1, '{start}', '{end}', {'true' if cancelled else 'false'})"
                )
            )
    command.upgrade(alembic, "0003")
    with engine.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT w.id, w.state, w.occurrence_at, w.due_at, m.start_at, m.duration_s FROM maintenance_window w "
                "JOIN maintenance m ON m.id = w.maintenance_id ORDER BY w.id"
            )
        )
        found = [(row[0], row[1], *(str(at)[:16] for at in row[2:5]), row[5]) for row in rows]
    command.downgrade(alembic, "0002")
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT id, is_cancelled FROM maintenance_window ORDER BY id"))
        after = [(row[0], int(row[1])) for row in rows]
    engine.dispose()
    return found, after


def _driver(url: str) -> str:
    parts = make_url(url)
    return parts.set(drivername=databases.DRIVERS.get(parts.drivername, parts.drivername)).render_as_string(False)
