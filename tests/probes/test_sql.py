"""The database probe against real servers and files; a scripted server only where a real one cannot be made to fail on purpose."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from kener.domain.readings import Reading
from kener.domain.specs import SqlSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target, sql
from tests.doubles.background import Background
from tests.support import databases
from tests.support.ports import free_port, wait_for

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SERVERS = ("postgresql", "mariadb")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database, as a person would write it."""
    made = databases.create(request.param, tmp_path_factory.mktemp("sql"))
    yield _plain(made.url)
    made.drop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (name TEXT, stock INTEGER)")
        connection.executemany("INSERT INTO item VALUES (?, ?)", [("apple", 3), ("pear", 0)])
    connection.close()
    return path


def _plain(url: str) -> str:
    made = make_url(url)
    return made.set(drivername=made.drivername.partition("+")[0]).render_as_string(hide_password=False)


def _run(url: str, *statements: str) -> list[tuple[object, ...]]:
    made = make_url(url)
    engine = create_engine(made.set(drivername=databases.DRIVERS[made.drivername]), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def look(url: str, query: str = "SELECT 1", **settings: object) -> Reading:
    spec = SqlSpec.model_validate({"connectionString": url, "query": query, "timeout": 3_000, **settings})
    ((_, reading),) = sql.probe([Target(1, spec)])
    assert reading is not None
    return reading


class Scripted:
    """A server that does one thing with every connection. `with Scripted(act) as port`."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def __enter__(self) -> int:
        self._background = Background()
        self._server = self._background.call(asyncio.start_server(self._act, "127.0.0.1", 0))
        return int(self._server.sockets[0].getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.stop()


async def _silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.sleep(3_600)
    finally:
        writer.close()


def _refusing(code: bytes, message: str) -> Act:
    """A PostgreSQL server that takes the greeting and says FATAL."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        fields = b"SFATAL\0VFATAL\0C" + code + b"\0M" + message.encode() + b"\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    return act


def line(source: str, operator: str, value: str = "", then: str = "DOWN") -> dict[str, str]:
    return {"source": source, "operator": operator, "value": value, "then": then}


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


def test_a_query_that_runs_is_up_with_its_latency_and_number_of_rows(server: str) -> None:
    reading = look(server, "SELECT 42 AS answer UNION ALL SELECT 43")
    assert (reading.status, reading.error, reading.answer) == (Status.UP, None, "2 rows")
    assert 0 <= (reading.latency_ms or 0) < 3_000
    assert list(reading.phases) == ["dns", "connect", "total"]


def test_the_first_value_and_the_number_of_rows_are_judged(server: str) -> None:
    query = "SELECT 42 AS answer UNION ALL SELECT 43 ORDER BY 1"
    low = look(server, query, assertions=[line("value", "less", "50", "DEGRADED")])
    assert (low.status, low.error) == (Status.DEGRADED, "First value is 42, less than 50")
    few = look(server, query, assertions=[line("value", "not_equals", "42"), line("rows", "at_most", "2")])
    assert (few.status, few.error) == (Status.DOWN, "Number of rows is 2, at most 2")
    none = look(server, "SELECT 1 AS x FROM (SELECT 1 AS y) t WHERE y = 2", assertions=[line("value", "missing")])
    assert (none.answer, none.error) == ("0 rows", "First value is missing")
    null = look(server, "SELECT NULL", assertions=[line("value", "exists"), line("value", "missing", then="DEGRADED")])
    assert (null.status, null.answer) == (Status.DEGRADED, "1 row")


def test_of_many_rows_a_bounded_number_is_read(server: str) -> None:
    digits = " UNION ALL ".join(f"SELECT {number} AS n" for number in range(10))
    many = f"SELECT a.n FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) d"
    reading = look(server, many, assertions=[line("rows", "at_least", "1000", "DEGRADED")])
    assert (reading.answer, reading.status) == ("1000 or more rows", Status.DEGRADED)


def test_nothing_can_be_written(server: str) -> None:
    _run(server, "CREATE TABLE note (body VARCHAR(20))", "INSERT INTO note VALUES ('kept')")
    for statement in ("INSERT INTO note VALUES ('x')", "DELETE FROM note", "DROP TABLE note", "CREATE TABLE y (a INT)"):
        reading = look(server, statement)
        assert (reading.status, (reading.error or "")[:24]) == (Status.DOWN, "The query wants to write"), statement
    assert look(server, "SELECT 1; DELETE FROM note").status is Status.DOWN
    assert _run(server, "SELECT body FROM note") == [("kept",)]
    _run(server, "DROP TABLE note")


def test_a_query_is_cancelled_for_real_at_the_deadline(server: str) -> None:
    slow, running = {
        "postgresql": ("SELECT pg_sleep(30)", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)'"),
        "mysql": (
            "SELECT sleep(31)",
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(31)'",
        ),
    }[make_url(server).drivername]
    started = time.monotonic()
    reading = look(server, slow, timeout=400)
    assert time.monotonic() - started < 1.5
    assert (reading.status, reading.timed_out, reading.latency_ms) == (Status.DOWN, True, None)
    assert reading.error in ("No answer within 400 ms", "The query was cancelled at the time limit")
    wait_for(lambda: _run(server, running) == [(0,)], timeout_s=5)


def test_a_syntax_error_an_unknown_table_and_an_unknown_database_are_named(server: str) -> None:
    assert (look(server, "SELEC 1").error or "").startswith("The query failed: ")
    assert "nowhere" in (look(server, "SELECT * FROM nowhere").error or "")
    assert look(changed(server, database="no_such")).error == 'There is no database "no_such"'


def test_a_refused_connection_names_the_address(server: str) -> None:
    port = free_port()
    reading = look(changed(server, port=port))
    assert (reading.status, reading.error) == (Status.DOWN, f"Connection refused by 127.0.0.1:{port}")


def test_a_wrong_password_is_said_without_it() -> None:
    mariadb = databases._server("mariadb")
    secret = "hunter-2-hunter"
    plain = _plain(mariadb.set(username="kener_nobody", password=secret).render_as_string(hide_password=False))
    reading = look(plain)
    assert reading.error == 'Wrong password for the user "kener_nobody", or no such user'
    with Scripted(_refusing(b"28P01", f'password authentication failed for user "app" ({secret})')) as port:
        other = look(f"postgresql://app:{secret}@127.0.0.1:{port}/shop?sslmode=disable")
    assert other.error == 'Wrong password for the user "app"'
    with Scripted(_refusing(b"53300", f"sorry, too many clients already, {secret}")) as port:
        full = look(f"postgres://app:{secret}@127.0.0.1:{port}/shop?sslmode=disable")
    assert full.error == "No connection: sorry, too many clients already, …"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_says_nothing_meets_the_deadline_and_holds_up_nobody(scheme: str, file: Path) -> None:
    with Scripted(_silent) as port:
        silent = SqlSpec.model_validate({"connectionString": f"{scheme}://a:b@127.0.0.1:{port}/x", "timeout": 800})
        good = SqlSpec.model_validate({"connectionString": f"sqlite://{file}", "timeout": 800})
        started = time.monotonic()
        seen = dict(sql.probe([Target(number, silent) for number in range(20)] + [Target(99, good)]))
        assert time.monotonic() - started < 2.5
    assert next(iter(seen)) == 99
    assert seen[99] is not None and seen[99].status is Status.UP
    assert {reading.timed_out for number, reading in seen.items() if reading is not None and number < 20} == {True}


def test_a_hanging_connection_does_not_hold_up_the_end_of_the_process() -> None:
    code = (
        "import sys\nfrom kener.domain.specs import SqlSpec\nfrom kener.probes import Target, sql\n"
        "urls = [f'{s}://a:b@127.0.0.1:{sys.argv[1]}/x' for s in ('postgresql', 'mysql')]\n"
        "specs = [SqlSpec(connectionString=url, dbType=kind, timeout=60000) for url, kind in zip(urls, ('pg', 'mysql2'))]\n"
        "print(list(sql.probe([Target(i, s) for i, s in enumerate(specs)], budget_s=0.3)))\n"
    )
    with Scripted(_silent) as port:
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", code, str(port)], capture_output=True, text=True, timeout=20, check=True
        )
        assert time.monotonic() - started < 8
    assert ended.stdout.strip() in ("[(0, None), (1, None)]", "[(1, None), (0, None)]")


def test_a_file_of_sqlite_is_read(file: Path) -> None:
    reading = look(
        f"sqlite://{file}",
        "SELECT stock FROM item ORDER BY name",
        assertions=[line("value", "equals", "3", "DEGRADED")],
    )
    assert (reading.status, reading.answer, reading.error) == (Status.DEGRADED, "2 rows", "First value is 3")
    assert look(f"sqlite:///{file}", "PRAGMA integrity_check").answer == "1 row"


def test_a_file_that_is_not_there_is_down_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    assert look(f"sqlite://{path}").error == f"There is no file {path}"
    assert not path.exists()
    (tmp_path / "text").write_text("no database at all, but long enough to be read as one" * 20)
    assert "is no SQLite database" in (look(f"sqlite://{tmp_path / 'text'}").error or "")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM item",
        "CREATE TABLE y (a)",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO '/tmp/copy.db'",
    ],
)
def test_a_file_of_sqlite_is_only_read(file: Path, statement: str) -> None:
    assert look(f"sqlite://{file}", statement).error == "The query wants more than to read, and only reading is allowed"


def test_an_endless_query_of_sqlite_is_interrupted(file: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    started = time.monotonic()
    reading = look(f"sqlite://{file}", endless, timeout=300)
    assert time.monotonic() - started < 1.5
    assert (reading.status, reading.timed_out) == (Status.DOWN, True)


def test_the_database_of_the_product_itself_is_not_shown(tmp_path: Path) -> None:
    from kener.db import Base

    path = tmp_path / "kener.db"
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    reading = look(f"sqlite://{path}", "SELECT email FROM account")
    assert (reading.status, reading.error) == (Status.NO_DATA, "Not allowed: this is a database of Kener itself")


def test_an_address_that_may_not_be_reached_is_not_asked() -> None:
    reading = look("postgresql://a:b@169.254.169.254/x")
    assert (reading.status, reading.error) == (Status.NO_DATA, "Not allowed: 169.254.169.254 is a link-local address")


def test_latency_above_its_limit_is_degraded(server: str) -> None:
    slow = "SELECT pg_sleep(0.2)" if server.startswith("postgresql") else "SELECT sleep(0.2)"
    reading = look(server, slow, degraded_latency_ms=100)
    assert reading.status is Status.DEGRADED
    assert (reading.error or "").endswith("limit 100 ms")


def test_the_type_is_registered() -> None:
    spec = SqlSpec(connectionString="sqlite:////nowhere/at/all.db", dbType="better-sqlite3")
    ((_, reading),) = PROBES["SQL"].probe([Target(1, spec)])  # type: ignore[index]
    assert reading is not None and reading.error == "There is no file /nowhere/at/all.db"
