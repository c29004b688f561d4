"""The migrated database is the one that the models describe."""

import pytest
from flask import Flask
from sqlalchemy import text

from kener.db import Base, reading


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
