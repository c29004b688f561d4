"""Commands for one thing: accounts, keys, the demo company, the database."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from kener.cli import main
from kener.models import AlertConfiguration, ApiKey, Daily, Incident, Monitor, Role, Sample, User
from tests import factories

Runner = Callable[..., Result]


def test_an_account_is_made_with_a_password_that_is_asked_for(runner: Runner, client: FlaskClient) -> None:
    words = "a few words make one"
    made = runner("user", "create", "Sam@Example.com", "--role", "editor", input=f"{words}\n{words}\n")
    assert made.exit_code == 0 and words not in made.output
    user = factories.only(User)
    assert (user.email, user.role) == ("sam@example.com", Role.EDITOR)
    assert user.password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(("email", "password"), [("sam", "a few words make one"), ("sam@example.com", "short")])
def test_an_account_that_cannot_be_is_refused_in_words(runner: Runner, email: str, password: str) -> None:
    refused = runner("user", "create", email, "--password-stdin", input=password + "\n")
    assert refused.exit_code == 1 and refused.output.startswith("Error: ") and "Traceback" not in refused.output
    assert factories.count(User) == 0


def test_a_key_is_printed_once_and_works(runner: Runner, client: FlaskClient) -> None:
    key = runner("api-key", "create", "deploy robot").output.strip()
    assert key.startswith("kener_") and key not in factories.only(ApiKey).token_hash
    assert client.get("/api/v4/monitors", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    again = runner("api-key", "create", "deploy robot")
    assert again.exit_code == 1 and "There is a key named deploy robot already." in again.output


def test_the_demo_company_is_believable(runner: Runner, client: FlaskClient) -> None:
    assert runner("demo", "--days", "30").exit_code == 0
    assert factories.count(Monitor) >= 8 and factories.count(AlertConfiguration) >= 2
    assert factories.count(Sample) > 30 * 1_440 and factories.count(Daily) >= 8 * 29
    incidents = factories.every(Incident)
    assert len(incidents) >= 5 and any(incident.source == "ALERT" and incident.end_at for incident in incidents)
    assert client.get("/").status_code == 200
    again = runner("demo")
    assert again.exit_code == 1 and "There are monitors already." in again.output


def test_data_and_its_variable_are_the_same(tmp_path: Path) -> None:
    run = CliRunner().invoke
    clean = {"DATABASE_URL": None, "KENER_SECRET_KEY": None, "REDIS_URL": None, "KENER_DATA_DIR": None}
    assert run(main, ["db", "upgrade", "--data", str(tmp_path / "a")], env=clean).exit_code == 0
    assert run(main, ["db", "upgrade"], env=clean | {"KENER_DATA_DIR": str(tmp_path / "b")}).exit_code == 0
    for folder in ("a", "b"):
        assert {path.name for path in (tmp_path / folder).iterdir()} >= {"kener.db", "secret-key"}


def test_mistakes_in_the_settings_are_named_together_and_nothing_starts(tmp_path: Path) -> None:
    env = {"KENER_DATA_DIR": str(tmp_path / "new"), "PORT": "0", "REDIS_URL": "here"}
    refused = CliRunner().invoke(main, ["up"], env=env)
    assert refused.exit_code == 1 and "PORT" in refused.output and "REDIS_URL" in refused.output
    assert not (tmp_path / "new").exists()


def test_models_and_migrations_agree() -> None:
    assert CliRunner().invoke(main, ["db", "check"]).exit_code == 0
