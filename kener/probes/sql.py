"""Asks databases one question each, read-only, and judges the answer.

The drivers block, so each call runs in a daemon thread of a pool that grows: a server that hangs costs a sleeping thread and nothing else,
also at the end of the process. The server is told the time limit, so that it stops working too; at the deadline the connection is shut,
which wakes the thread. Errors speak of the server's words only after the password has been taken out.
"""

import asyncio
import os
import queue
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from kener.domain.assertions import judge
from kener.domain.readings import Reading
from kener.domain.specs import Spec, SqlSpec
from kener.domain.specs.assertions import Source
from kener.domain.specs.sql import Place, place_of
from kener.domain.status import Status
from kener.probes import Target, aio
from kener.probes.aio import Down, Ours, Watch
from kener.probes.limits import limited

MAX_ROWS = 1_000
_DRIVERS = {"pg": "psycopg", "mysql2": "pymysql.cursors"}
_MAX_THREADS = 256
_MAX_VALUE = 100_000
_OWN_TABLES = frozenset(("monitor", "monitor_state", "alert_configuration", "trigger_channel"))
_PRAGMAS = frozenset(("integrity_check", "quick_check", "user_version", "page_count", "freelist_count"))


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    for kind in {cast(SqlSpec, target.spec).dbType for target in targets} & _DRIVERS.keys():
        # Loading a driver takes as long as a slow answer: it shall not count as one.
        import_module(_DRIVERS[kind])
    yield from aio.run(targets, _look, timeout_ms=lambda spec: cast(SqlSpec, spec).timeout, budget_s=budget_s)


@dataclass(frozen=True, slots=True)
class _Found:
    value: Any
    rows: int
    more: bool


class _Failed(Exception):
    """The database said no; the text says why."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


@dataclass(slots=True)
class _Call:
    """One question. The thread that works on it and the one that gives up on it meet here."""

    place: Place
    query: str
    address: str | None
    until: float
    connected: Callable[[], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: Callable[[], None] | None = None
    _given_up: bool = False

    @property
    def left_s(self) -> float:
        return max(0.05, self.until - time.monotonic())

    def can_be_stopped(self, stop: Callable[[], None]) -> None:
        """Say how the work can be stopped from another thread."""
        with self._lock:
            self._stop = stop
            if self._given_up:
                raise _Failed("It was given up")

    def done(self) -> None:
        with self._lock:
            self._stop = None

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._stop is not None:
                with suppress(OSError, sqlite3.Error):
                    self._stop()


async def _look(given: Spec, watch: Watch) -> Reading:
    spec = cast(SqlSpec, given)
    try:
        place = place_of(spec.connectionString)
    except ValueError as error:
        raise Ours(f"The connection string cannot be used: {error}") from None
    until = watch.started + spec.timeout / 1000
    candidates: list[str | None] = [None]
    if place.host and not place.host.startswith("/"):
        candidates = list(await aio.addresses(place.host))
        watch.mark("dns")
    for number, address in enumerate(candidates, 1):
        call = _Call(place, spec.query, address, until, lambda: watch.mark("connect"))
        try:
            found = await _asked(call)
        except ConnectionRefusedError:
            if number < len(candidates):
                continue
            raise Down(f"Connection refused by {_where(place, address)}") from None
        except OSError as error:
            raise aio.sorted_out(error, _where(place, address)) from None
        except _Failed as failed:
            timed_out = failed.timed_out or time.monotonic() >= until
            raise Down(_plain(str(failed), spec), timed_out=timed_out) from None
        break
    watch.mark("total")
    return _reading(spec, found, watch)


def _reading(spec: SqlSpec, found: _Found, watch: Watch) -> Reading:
    said = f"{found.rows}{' or more' if found.more else ''} {'row' if found.rows == 1 else 'rows'}"
    seen = Reading(Status.UP, latency_ms=watch.ms, answer=said, phases=dict(watch.phases))
    facts: dict[Source, Any] = {Source.ROWS: found.rows, Source.VALUE: found.value}
    return judge(spec, limited(spec, seen, said), facts)


def _plain(text: str, spec: SqlSpec) -> str:
    """A server's words on one line, without the password."""
    password = place_of(spec.connectionString).password
    text = " ".join(text.split()).replace(spec.connectionString, "…")
    return text.replace(password, "…") if len(password) > 2 else text


def _where(place: Place, address: str | None) -> str:
    if address is None:
        return place.host or place.path
    return f"[{address}]:{place.port}" if ":" in address else f"{address}:{place.port}"


async def _asked(call: _Call) -> _Found:
    """The answer, from a thread. Whoever stops waiting stops the work."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Found] = loop.create_future()

    def end(found: _Found | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif found is not None:
            answer.set_result(found)

    def work() -> None:
        found, error = None, None
        try:
            found = _ASK[call.place.kind](call)
        except (OSError, _Failed, Ours) as fault:
            error = fault
        except Exception as fault:  # a driver's own trouble is the answer's, whatever its kind
            error = _Failed(f"No usable answer: {type(fault).__name__}")
        call.done()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(end, found, error)

    _threads.run(work)
    try:
        return await answer
    except asyncio.CancelledError:
        call.give_up()
        raise


class _Threads:
    """Daemon threads: as many as there is work at once, kept for the next."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._all = 0

    def run(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._free > 0 or self._all >= _MAX_THREADS:
                self._free -= 1
            else:
                self._all += 1
                threading.Thread(target=self._serve, name="kener-sql", daemon=True).start()
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                self._free += 1


_threads = _Threads()


def _after_fork() -> None:
    """The threads stay with the parent."""
    global _threads
    _threads = _Threads()


os.register_at_fork(after_in_child=_after_fork)


def _ask_postgresql(call: _Call) -> _Found:
    import psycopg

    place = call.place
    settings: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "user": place.user or None,
        "password": place.password or None,
        "dbname": place.database or None,
        "connect_timeout": max(2, round(call.left_s + 0.5)),
        "application_name": "Kener",
        **{name: value for name, value in place.parameters.items() if name != "connect_timeout"},
    }
    if call.address is not None:
        settings["hostaddr"] = call.address
    try:
        connection = psycopg.Connection.connect(**settings, autocommit=False)
    except psycopg.errors.ConnectionTimeout:
        raise _Failed("The server does not answer", timed_out=True) from None
    except psycopg.Error as error:
        raise _postgresql_refusal(place, error) from None
    try:
        handle = socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        with handle:
            call.can_be_stopped(lambda: handle.shutdown(socket.SHUT_RDWR))
            call.connected()
            return _postgresql_answer(call, connection)
    except psycopg.errors.QueryCanceled:
        raise _Failed("The query was cancelled at the time limit", timed_out=True) from None
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise _Failed(f"The query wants to write: {error.diag.message_primary}") from None
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error)
        raise _Failed(f"The query failed: {said}") from None
    finally:
        call.done()
        with suppress(psycopg.Error):
            connection.close()


def _postgresql_answer(call: _Call, connection: Any) -> _Found:
    from psycopg import ProgrammingError, sql

    connection.read_only = True
    with connection.cursor() as cursor:
        limit = sql.Literal(max(1, int(call.left_s * 1000)))
        cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(limit))
        first, rows, more = None, 0, False
        try:
            answer = cursor.stream(call.query)
            for row in answer:
                if rows == MAX_ROWS:
                    more = True
                    answer.close()
                    break
                if rows == 0 and row:
                    first = row[0]
                rows += 1
        except ProgrammingError as error:
            # A statement without rows is no failure; psycopg says so without a code of the server.
            if error.sqlstate is not None:
                raise
    return _Found(_cut(first), rows, more)


def _postgresql_refusal(place: Place, error: Exception) -> Exception:
    text = str(error)
    low = text.lower()
    if "connection refused" in low:
        return ConnectionRefusedError()
    if "password authentication failed" in low or "no password supplied" in low:
        return _Failed(f'Wrong password for the user "{place.user}"')
    if "database" in low and "does not exist" in low:
        return _Failed(f'There is no database "{place.database or place.user}"')
    if "role" in low and "does not exist" in low:
        return _Failed(f'There is no user "{place.user}"')
    if "no such file or directory" in low:
        return _Failed(f"There is no server at the socket in {place.host}")
    said = text.partition("FATAL:")[2] or text.rpartition("failed: ")[2] or text
    return _Failed(f"No connection: {said.strip()}")


def _ask_mysql(call: _Call) -> _Found:
    import pymysql
    from pymysql.cursors import SSCursor

    place = call.place
    connection = pymysql.connections.Connection(
        host=call.address,
        port=place.port,
        user=place.user or "root",
        password=place.password,
        database=place.database or None,
        charset=place.parameters.get("charset", "utf8mb4"),
        connect_timeout=call.left_s,
        read_timeout=call.left_s,
        write_timeout=call.left_s,
        cursorclass=SSCursor,
        ssl=_tls(place),
        server_public_key=None,
        defer_connect=True,
    )
    try:
        _connect_mysql(call, connection)
        call.can_be_stopped(lambda: connection._sock.shutdown(socket.SHUT_RDWR))
        call.connected()
        return _mysql_answer(call, connection)
    except pymysql.err.MySQLError as error:
        raise _mysql_refusal(call, error) from None
    except TimeoutError:
        raise _Failed("The server does not answer", timed_out=True) from None
    finally:
        call.done()
        with suppress(Exception):
            connection._force_close()


def _connect_mysql(call: _Call, connection: Any) -> None:
    """The connection is made here, so that it can be stopped in the middle of a greeting."""
    made = socket.create_connection((str(call.address), call.place.port), timeout=call.left_s)
    call.can_be_stopped(lambda: made.shutdown(socket.SHUT_RDWR))
    # PyMySQL speaks of its host when it checks a certificate.
    connection.host = call.place.host
    connection.connect(made)


def _tls(place: Place) -> ssl.SSLContext | None:
    mode = place.parameters.get("ssl-mode", place.parameters.get("sslmode", "prefer")).lower().replace("_", "-")
    if mode in ("disable", "disabled", "allow", "prefer", "preferred"):
        return None
    context = ssl.create_default_context()
    if mode not in ("verify-full", "verify-identity"):
        context.check_hostname = False
    if mode in ("require", "required"):
        context.verify_mode = ssl.CERT_NONE
    return context


def _mysql_answer(call: _Call, connection: Any) -> _Found:
    import pymysql

    left_s = call.left_s
    with suppress(pymysql.err.MySQLError), connection.cursor() as cursor:
        if "mariadb" in connection.get_server_info().lower():
            cursor.execute(f"SET SESSION max_statement_time = {left_s:.3f}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {int(left_s * 1000)}")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("START TRANSACTION READ ONLY")
    cursor = connection.cursor()
    cursor.execute(call.query)
    rows = cursor.fetchmany(MAX_ROWS + 1) if cursor.description else []
    return _Found(_cut(rows[0][0]) if rows and rows[0] else None, min(len(rows), MAX_ROWS), len(rows) > MAX_ROWS)


def _mysql_refusal(call: _Call, error: Exception) -> Exception:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[-1]) if error.args else str(error)
    place = call.place
    match code:
        case 1045 | 1698:
            return _Failed(f'Wrong password for the user "{place.user}", or no such user')
        case 1044:
            return _Failed(f'The user "{place.user}" may not use the database "{place.database}"')
        case 1049:
            return _Failed(f'There is no database "{place.database}"')
        case 1969 | 3024 | 1317:
            return _Failed("The query was cancelled at the time limit", timed_out=True)
        case 1792:
            return _Failed("The query wants to write, and only reading is allowed")
        case 2006 | 2013 if time.monotonic() >= call.until - 0.1 or "timed out" in said:
            return _Failed("The server does not answer", timed_out=True)
        case 2006 | 2013 | 2014:
            return _Failed("The server closed the connection")
        case 2026:
            return _Failed(f"No TLS connection: {said}")
        case 2003:
            return _Failed(f"No connection: {said}")
    return _Failed(f"The query failed: {said}")


def _ask_sqlite(call: _Call) -> _Found:
    path = "/" + os.path.normpath(call.place.path).lstrip("/")
    if not Path(path).is_file():
        raise _Failed(f"There is no file {path}")
    try:
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, timeout=call.left_s, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _Failed(f"The file {path} cannot be opened: {error}") from None
    try:
        call.can_be_stopped(connection.interrupt)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
        connection.set_progress_handler(lambda: int(time.monotonic() >= call.until), 10_000)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables >= _OWN_TABLES:
            raise Ours("Not allowed: this is a database of Kener itself")
        call.connected()
        connection.set_authorizer(_only_reading)
        cursor = connection.execute(call.query)
        rows = cursor.fetchmany(MAX_ROWS + 1) if cursor.description else []
        return _Found(_cut(rows[0][0]) if rows and rows[0] else None, min(len(rows), MAX_ROWS), len(rows) > MAX_ROWS)
    except sqlite3.Error as error:
        raise _sqlite_refusal(error, path) from None
    finally:
        call.done()
        connection.close()


def _only_reading(action: int, one: str | None, _two: str | None, _database: str | None, _trigger: str | None) -> int:
    allowed = action in (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    ) or (action == sqlite3.SQLITE_PRAGMA and (one or "").lower() in _PRAGMAS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _sqlite_refusal(error: sqlite3.Error, path: str) -> _Failed:
    text = str(error)
    if "interrupted" in text:
        return _Failed("The query was cancelled at the time limit", timed_out=True)
    if any(word in text for word in ("not authorized", "authorization denied", "prohibited", "readonly")):
        return _Failed("The query wants more than to read, and only reading is allowed")
    if "not a database" in text or "unable to open" in text:
        return _Failed(f"The file {path} is no SQLite database that can be read")
    if "locked" in text:
        return _Failed("The database is locked by another program", timed_out=True)
    return _Failed(f"The query failed: {text}")


def _cut(value: Any) -> Any:
    """A first value of bounded size."""
    return value[:_MAX_VALUE] if isinstance(value, str | bytes) else value


_ASK: dict[str, Callable[[_Call], _Found]] = {
    "pg": _ask_postgresql,
    "mysql2": _ask_mysql,
    "better-sqlite3": _ask_sqlite,
}
