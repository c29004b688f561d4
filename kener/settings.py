"""Settings, read once from the environment; all mistakes are reported together."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Security = Literal["starttls", "tls", "none"]


class SettingsError(Exception):
    """The environment cannot be used; `mistakes` names every reason."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How e-mail leaves this machine."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = "starttls"
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides. Frozen: a process reads it once, at its start."""

    data_dir: Path
    secret_key: str = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    origin: str | None = None
    smtp: SmtpSettings | None = None
    allow_private_targets: bool = False
    env_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    trusted_proxies: int = 0
    retention_days: int = 90
    hourly_retention_days: int = 400
    workers: int = 1
    log_level: str = "INFO"

    @property
    def redis(self) -> str:
        """The Redis to use: REDIS_URL, else the embedded one's socket in the data folder."""
        return self.redis_url or f"unix://{redis_socket(self.data_dir)}"

    @property
    def database_name(self) -> str:
        """The database without its password, for logs."""
        parts = urlsplit(self.database_url)
        if not parts.password:
            return self.database_url
        return self.database_url.replace(f":{parts.password}@", ":***@", 1)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, **overrides: object) -> "Settings":
        """Read the environment. Raises SettingsError with all mistakes at once. Makes the data folder and the kept secret key."""
        reader = _Reader(dict(os.environ if env is None else env))
        data_dir = Path(str(overrides.pop("data_dir", None) or reader.text("KENER_DATA_DIR", "data"))).absolute()
        values: dict[str, object] = {
            "database_url": reader.checked("DATABASE_URL", _database_url, _default_database(data_dir)),
            "redis_url": reader.checked("REDIS_URL", _redis_url, None),
            "host": reader.text("HOST", "127.0.0.1"),
            "port": reader.number("PORT", 3000, 1, 65_535),
            "origin": reader.checked("ORIGIN", _origin, None),
            "smtp": _smtp(reader),
            "allow_private_targets": reader.flag("KENER_ALLOW_PRIVATE_TARGETS", False),
            "env_secrets": _env_secrets(reader),
            "trusted_proxies": reader.number("KENER_TRUSTED_PROXIES", 0, 0, 10),
            "retention_days": reader.number("KENER_RETENTION_DAYS", 90, 1, 3650),
            "hourly_retention_days": reader.number("KENER_HOURLY_RETENTION_DAYS", 400, 31, 36_500),
            "workers": reader.number("KENER_WORKERS", 1, 1, 64),
            "log_level": reader.checked("KENER_LOG_LEVEL", _log_level, "INFO"),
        }
        values.update({key: value for key, value in overrides.items() if value is not None})
        secret = reader.checked("KENER_SECRET_KEY", _secret, None)
        if reader.mistakes:
            raise SettingsError(reader.mistakes)
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            values["secret_key"] = secret or kept_secret(data_dir)
        except OSError as error:
            raise SettingsError([f"KENER_DATA_DIR: {data_dir} cannot be used ({error.strerror})."]) from error
        return cls(data_dir=data_dir, **values)  # type: ignore[arg-type]


def kept_secret(data_dir: Path) -> str:
    """The secret key kept in the data folder (mode 0600), made on first use. Whoever starts at the same time reads the same one."""
    path = data_dir / "secret-key"
    if not path.exists():
        draft = data_dir / f".secret-key-{secrets.token_hex(8)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        try:
            # A link appears with its whole content, and never over another one.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def redis_socket(data_dir: Path) -> Path:
    """Where the embedded Redis listens: in the data folder, or in a short private folder when that path is too long for a socket."""
    inside = data_dir / "run" / "redis.sock"
    if len(str(inside)) < 100:
        return inside
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kener-{os.getuid()}-{name}" / "redis.sock"


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = {key: value.strip() for key, value in env.items()}
        self.mistakes: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self.env.get(name) or default

    def optional(self, *names: str) -> str | None:
        return next((self.env[name] for name in names if self.env.get(name)), None)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.env.get(name)
        if not raw:
            return default
        if raw.isascii() and raw.isdigit() and low <= int(raw) <= high:
            return int(raw)
        self.mistakes.append(f"{name}: {raw!r} is not a whole number from {low} to {high}.")
        return default

    def flag(self, name: str, default: bool) -> bool:
        raw = self.env.get(name, "").lower()
        if not raw:
            return default
        if raw in ("1", "true", "yes", "on"):
            return True
        if raw not in ("0", "false", "no", "off"):
            self.mistakes.append(f"{name}: {raw!r} is neither 1 nor 0.")
        return False

    def checked(self, name: str, check: Callable[[str], str], default: str | None) -> str | None:
        raw = self.env.get(name)
        if not raw:
            return default
        try:
            return check(raw)
        except ValueError as error:
            self.mistakes.append(f"{name}: {error}")
            return default


def _default_database(data_dir: Path) -> str:
    return f"sqlite:///{data_dir / 'kener.db'}"


def _database_url(raw: str) -> str:
    """Normalise to a SQLAlchemy URL with the driver that ships."""
    scheme, found, rest = raw.partition("://")
    drivers = {
        "sqlite": "sqlite",
        "postgres": "postgresql+psycopg",
        "postgresql": "postgresql+psycopg",
        "postgresql+psycopg": "postgresql+psycopg",
        "mysql": "mysql+pymysql",
        "mariadb": "mysql+pymysql",
        "mysql+pymysql": "mysql+pymysql",
        "mariadb+pymysql": "mysql+pymysql",
    }
    if not found or scheme not in drivers:
        raise ValueError(
            "write sqlite:///file, postgresql://user:password@host/name or mysql://user:password@host/name."
        )
    if scheme != "sqlite" and not rest.partition("/")[2]:
        raise ValueError("the database name is missing after the host.")
    return f"{drivers[scheme]}://{rest}"


def _redis_url(raw: str) -> str:
    if not raw.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("write redis://host:6379/0, rediss://… or unix:///path/to/socket.")
    return raw


def _origin(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("write scheme and host only, for instance https://status.example.com.")
    return f"{parts.scheme}://{parts.netloc}"


def _secret(raw: str) -> str:
    if len(raw) < 16:
        raise ValueError("is too short; use at least 16 random characters.")
    return raw


def _log_level(raw: str) -> str:
    if raw.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("use DEBUG, INFO, WARNING or ERROR.")
    return raw.upper()


def _security(raw: str) -> str:
    if raw.lower() not in ("starttls", "tls", "none"):
        raise ValueError("use starttls, tls or none.")
    return raw.lower()


def _env_secrets(reader: "_Reader") -> dict[str, str]:
    """The variables that settings may name as `$NAME`: those that KENER_ENV_SECRETS lists, and never one of our own."""
    names = [name.strip() for name in reader.text("KENER_ENV_SECRETS", "").split(",") if name.strip()]
    for name in names:
        if name.startswith("KENER_") or name in ("DATABASE_URL", "REDIS_URL"):
            reader.mistakes.append(f"KENER_ENV_SECRETS: {name} belongs to Kener itself and cannot be used in settings.")
        elif name not in reader.env:
            reader.mistakes.append(f"KENER_ENV_SECRETS: there is no variable {name}.")
    return {name: reader.env[name] for name in names if name in reader.env}


def _smtp(reader: _Reader) -> SmtpSettings | None:
    """SMTP_HOST switches e-mail on. The original's spellings (SMTP_PASSWORD, SMTP_SENDER) work as well."""
    host = reader.optional("SMTP_HOST")
    if host is None:
        return None
    security = reader.checked("SMTP_SECURITY", _security, None)
    if security is None:
        security = "tls" if reader.flag("SMTP_SECURE", False) else "starttls"
    default_port = {"tls": 465, "starttls": 587, "none": 25}[security]
    sender = reader.optional("SMTP_FROM_EMAIL", "SMTP_SENDER", "SMTP_FROM")
    if sender is None or "@" not in sender:
        reader.mistakes.append("SMTP_FROM_EMAIL: set the sender's address, for instance Status <status@example.com>.")
    username = reader.optional("SMTP_USER")
    password = reader.optional("SMTP_PASS", "SMTP_PASSWORD")
    if username and not password:
        reader.mistakes.append("SMTP_PASS: SMTP_USER is set, so a password is needed as well.")
    return SmtpSettings(
        host=host,
        port=reader.number("SMTP_PORT", default_port, 1, 65_535),
        sender=sender or "",
        username=username,
        password=password,
        security=security,  # type: ignore[arg-type]
        verify=reader.flag("SMTP_VERIFY", True),
    )
