"""One query to a database: PostgreSQL, MySQL or MariaDB, SQLite."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from kener.domain.secrets import names_in
from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import KEPT, MeasuredSpec, TimeLimit

Kind = Literal["pg", "mysql2", "better-sqlite3"]
KINDS: dict[str, Kind] = {
    "postgresql": "pg",
    "postgres": "pg",
    "mysql": "mysql2",
    "mariadb": "mysql2",
    "sqlite": "better-sqlite3",
}
WORDS: dict[str, str] = {"pg": "PostgreSQL", "mysql2": "MySQL or MariaDB", "better-sqlite3": "SQLite"}
_PORTS = {"pg": 5432, "mysql2": 3306, "better-sqlite3": 0}
_PARAMETERS: dict[str, frozenset[str]] = {
    "pg": frozenset(("sslmode", "application_name", "connect_timeout", "options", "host")),
    "mysql2": frozenset(("sslmode", "ssl-mode", "charset", "connect_timeout")),
    "better-sqlite3": frozenset(("mode",)),
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Place:
    """A connection string, taken apart. `host` may be the directory of a PostgreSQL socket; `path` is a file of SQLite."""

    kind: Kind
    host: str
    port: int
    user: str
    password: str
    database: str
    path: str
    parameters: dict[str, str]

    def __repr__(self) -> str:
        return f"Place({self.kind}, {self.host}:{self.port}, {self.database or self.path})"


def place_of(text: str) -> Place:
    """Where a connection string leads. Raises ValueError with what to do; the text itself is not in it."""
    text = text.strip()
    scheme, separator, _ = text.partition("://")
    kind = KINDS.get(scheme.lower().split("+")[0]) if separator else None
    if kind is None:
        raise ValueError("Begin with postgresql://, mysql://, mariadb:// or sqlite:///.")
    if any(ord(c) < 32 for c in text):
        raise ValueError("A connection string stands on one line, without control characters.")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise ValueError(
            "This is no connection string. Write characters like @ : / # in a password as %40 %3A %2F %23."
        ) from None
    if unknown := sorted(given.keys() - _PARAMETERS[kind]):
        raise ValueError(f"The parameter {unknown[0][:40]} is not known here; leave it out.")
    made = Place(
        kind=kind,
        host=given.pop("host", host) if kind == "pg" else host,
        port=port or _PORTS[kind],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")) if kind != "better-sqlite3" else "",
        path=unquote(parts.path) if kind == "better-sqlite3" else "",
        parameters=given,
    )
    _check(made, parts.fragment)
    return made


def _check(made: Place, fragment: str) -> None:
    mode = made.parameters.get("sslmode", made.parameters.get("ssl-mode", "prefer")).lower().replace("_", "-")
    if mode not in (*SSL_MODES, "disabled", "preferred", "required", "verify-identity"):
        raise ValueError(f"sslmode is one of {', '.join(SSL_MODES)}.")
    if fragment:
        raise ValueError("Write # in a password as %23.")
    if made.kind == "better-sqlite3":
        if made.host or not made.path.strip("/"):
            raise ValueError("Name the file with its whole path: sqlite:////var/lib/app/data.db.")
    elif not made.host:
        raise ValueError("Name the host, for instance postgresql://user:password@db.example.com/name.")
    elif made.host.startswith("/") and made.kind != "pg":
        raise ValueError("Name the host of the server.")


def _connection(value: str) -> str:
    value = value.strip()
    if value == KEPT or (names_in(value) and re.match(r"\$", value)):
        return value
    place_of(re.sub(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?", "1", value) if names_in(value) else value)
    return value


def _query(value: str) -> str:
    value = value.strip().rstrip(";").rstrip()
    if not value:
        raise ValueError("Enter a query, for instance SELECT 1.")
    if "\0" in value:
        raise ValueError("A query cannot hold a NUL character.")
    return value


class SqlSpec(AssertedSpec, MeasuredSpec):
    """One query to a database, in a transaction that may only read. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.VALUE, Source.ROWS, Source.LATENCY)
    SECRET: ClassVar[frozenset[str]] = frozenset(("connectionString",))

    dbType: Kind = Field("pg", title="Database", json_schema_extra={"options": {**WORDS}})
    connectionString: Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(_connection)] = Field(
        title="Connection string",
        description="postgresql://user:password@host:5432/name, mysql://…, mariadb://… or sqlite:////path/to/file. "
        "Use an account that may only read.",
        json_schema_extra={"code": True},
    )
    query: Annotated[str, Field(max_length=10_000), AfterValidator(_query)] = Field(
        "SELECT 1",
        title="Query",
        description="One statement. It runs read-only and is cancelled at the time limit; "
        "the first value and the number of rows (up to 1,000) can be judged below.",
        json_schema_extra={"code": True, "rows": 4},
    )
    timeout: TimeLimit = Field(5_000, description="Connecting, the query and its rows.")

    @model_validator(mode="before")
    @classmethod
    def _kind_of_the_string(cls, given: Any) -> Any:
        """Left out, the kind is the one of the connection string."""
        if isinstance(given, dict) and "dbType" not in given and isinstance(given.get("connectionString"), str):
            scheme = given["connectionString"].strip().partition("://")[0].lower().split("+")[0]
            return {"dbType": KINDS[scheme], **given} if scheme in KINDS else given
        return given

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.connectionString != KEPT and not self.connectionString.startswith("$"):
            scheme = self.connectionString.partition("://")[0].lower().split("+")[0]
            if KINDS[scheme] != self.dbType:
                raise ValueError(f"dbType: The connection string leads to {WORDS[KINDS[scheme]]}. Choose that.")
        return self

    @property
    def place(self) -> Place:
        """Where it leads. Raises ValueError."""
        return place_of(self.connectionString)
