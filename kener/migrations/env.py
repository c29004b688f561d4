"""Alembic's environment: runs migrations on the database that the caller names."""

from alembic import context
from sqlalchemy import create_engine, pool, text

import kener.models
from kener.db import Base

assert kener.models
url = context.config.attributes["database_url"]
engine = create_engine(url, poolclass=pool.NullPool)

with engine.connect() as connection:
    # Several processes may start at once: on databases with advisory locks one of them migrates, the others wait.
    if engine.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(727436)"))
        connection.commit()
    elif engine.dialect.name in ("mysql", "mariadb"):
        connection.execute(text("SELECT GET_LOCK('kener-migrate', 60)"))
        connection.commit()
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
