"""Settings: from the environment, once, with all mistakes named together."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kener.settings import Settings, SettingsError, kept_secret


def read(folder: Path, **variables: str) -> Settings:
    return Settings.from_env({"KENER_DATA_DIR": str(folder), **variables})


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    settings = read(tmp_path / "data")
    assert settings.database_url == f"sqlite:///{tmp_path}/data/kener.db"
    assert (settings.host, settings.port, settings.redis_url, settings.smtp) == ("127.0.0.1", 3000, None, None)
    assert settings.allow_private_targets is False


def test_the_secret_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert first.secret_key == second.secret_key and len(first.secret_key) >= 48
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert read(tmp_path, KENER_SECRET_KEY="a key from elsewhere").secret_key == "a key from elsewhere"


def test_processes_that_start_at_once_keep_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(kept_secret, [tmp_path] * 64))
    assert len(keys) == 1 and keys != {""}
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_all_mistakes_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        read(
            tmp_path,
            PORT="99999",
            DATABASE_URL="oracle://x",
            REDIS_URL="localhost:6379",
            ORIGIN="status.example.com/page",
            KENER_WORKERS="many",
            KENER_LOG_LEVEL="LOUD",
            KENER_SECRET_KEY="short",
            KENER_ALLOW_PRIVATE_TARGETS="perhaps",
            SMTP_HOST="mail.example.com",
            SMTP_USER="sam",
        )
    named = {mistake.partition(":")[0] for mistake in raised.value.mistakes}
    assert named == {
        "PORT",
        "DATABASE_URL",
        "REDIS_URL",
        "ORIGIN",
        "KENER_WORKERS",
        "KENER_LOG_LEVEL",
        "KENER_SECRET_KEY",
        "KENER_ALLOW_PRIVATE_TARGETS",
        "SMTP_FROM_EMAIL",
        "SMTP_PASS",
    }


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://kener@db/kener", "postgresql+psycopg"),
        ("postgresql://kener@db/kener", "postgresql+psycopg"),
        ("mysql://kener@db/kener", "mysql+pymysql"),
        ("mariadb://kener@db/kener", "mysql+pymysql"),
    ],
)
def test_a_database_url_gets_the_driver_that_ships(tmp_path: Path, given: str, driver: str) -> None:
    assert read(tmp_path, DATABASE_URL=given).database_url == f"{driver}://kener@db/kener"


def test_a_password_never_stands_in_the_log(tmp_path: Path) -> None:
    assert "geheim" not in read(tmp_path, DATABASE_URL="postgresql://kener:geheim@db/kener").database_name


def test_smtp_knows_the_ports_of_its_securities(tmp_path: Path) -> None:
    ports = {}
    for security in ("starttls", "tls", "none"):
        smtp = read(tmp_path, SMTP_HOST="mail", SMTP_FROM_EMAIL="a@example.com", SMTP_SECURITY=security).smtp
        assert smtp is not None and smtp.verify
        ports[security] = smtp.port
    assert ports == {"starttls": 587, "tls": 465, "none": 25}
