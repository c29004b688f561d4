"""The `kener` command. Light at import: a command loads what it needs when it runs."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask import Flask

    from kener.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="kener")
def main() -> None:
    """Kener: a status page that opens, updates and closes incidents by itself.

    Settings come from the environment: KENER_DATA_DIR, KENER_SECRET_KEY, DATABASE_URL, REDIS_URL, PORT, HOST, ORIGIN, SMTP_HOST and others
    (see the README).
    """


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data DIR`: the same as KENER_DATA_DIR."""
    help_text = "Data folder (default: KENER_DATA_DIR, else ./data)."
    return click.option("--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), help=help_text)(command)


def load_settings(**overrides: object) -> "Settings":
    """Read the settings, or end with all mistakes named."""
    from kener.settings import Settings, SettingsError

    try:
        return Settings.from_env(None, **overrides)
    except SettingsError as error:
        lines = "\n".join(f"  - {mistake}" for mistake in error.mistakes)
        raise click.ClickException(f"These settings cannot be used:\n{lines}") from error


def load_app(data_dir: Path | None) -> "Flask":
    """An app for one command, on a database that is up to date."""
    from kener.app import create_app
    from kener.cli.migrate import ensure_current

    settings = load_settings(data_dir=data_dir)
    ensure_current(settings)
    return create_app(settings, web=False)


@main.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port (default: PORT, else 3000).")
@click.option("--host", help="Address to listen on (default: HOST, else 127.0.0.1).")
@data_option
@click.option("--workers", type=click.IntRange(1, 64), help="Check worker processes (default: KENER_WORKERS, else 1).")
def up(port: int | None, host: str | None, data_dir: Path | None, workers: int | None) -> None:
    """Start everything: web, scheduler, workers and, without REDIS_URL, an embedded Redis."""
    settings = load_settings(port=port, host=host, data_dir=data_dir, workers=workers)
    from kener.cli.migrate import ensure_current
    from kener.cli.up import run_up

    ensure_current(settings)
    run_up(settings, workers=settings.workers)


def _role(name: str, help_text: str) -> None:
    @main.command(name, help=help_text)
    @data_option
    def command(data_dir: Path | None) -> None:
        from kener.cli.processes import exec_workers

        exec_workers(name, load_settings(data_dir=data_dir))


_role("schedule", "Run a scheduler (any number may run).")
_role("checks", "Run a check worker (any number may run).")
_role("deliveries", "Run a delivery worker (any number may run).")
_role("housekeeping", "Run the housekeeping worker.")
_role("background", "Run deliveries and housekeeping in one process, as `kener up` does.")


@main.command()
@click.option("--port", type=click.IntRange(1, 65_535))
@click.option("--host")
@data_option
def web(port: int | None, host: str | None, data_dir: Path | None) -> None:
    """Run a web server."""
    from kener.cli.processes import serve_web

    serve_web(load_settings(port=port, host=host, data_dir=data_dir))


@main.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
@data_option
def db_upgrade(data_dir: Path | None) -> None:
    """Bring the database up to date."""
    from kener.cli.migrate import upgrade

    upgrade(load_settings(data_dir=data_dir))
    click.echo("The database is up to date.")


@db.command("check")
def db_check() -> None:
    """Fail when the models and the migrations differ."""
    from kener.cli.migrate import differences

    found = differences()
    if found:
        raise click.ClickException("Models and migrations differ:\n" + "\n".join(f"  {line}" for line in found))
    click.echo("Models and migrations agree.")


@main.group()
def user() -> None:
    """Accounts."""


@user.command("create")
@click.argument("email")
@click.option(
    "--role", type=click.Choice(["OWNER", "EDITOR", "VIEWER"], case_sensitive=False), default="OWNER", show_default=True
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@data_option
def user_create(email: str, role: str, password_stdin: bool, data_dir: Path | None) -> None:
    """Create an account."""
    password = (
        sys.stdin.readline().rstrip("\n")
        if password_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    app = load_app(data_dir)
    from kener.models import Role
    from kener.services import accounts
    from kener.services.audit import Actor

    with app.app_context(), refusals():
        accounts.create_user(email=email, password=password, role=Role(role.upper()), actor=Actor("command line"))
    click.echo(f"Account {email} created ({role.lower()}).")


@main.group("api-key")
def api_key() -> None:
    """API keys."""


@api_key.command("create")
@click.argument("name")
@data_option
def api_key_create(name: str, data_dir: Path | None) -> None:
    """Create an API key and print it, once."""
    app = load_app(data_dir)
    from kener.services import accounts
    from kener.services.audit import Actor

    with app.app_context(), refusals():
        click.echo(accounts.create_api_key(name, actor=Actor("command line")))


@main.command()
@data_option
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="Days of history.")
def demo(data_dir: Path | None, days: int) -> None:
    """Fill an empty database with a believable company: monitors, samples, incidents."""
    app = load_app(data_dir)
    from kener.cli.company import fill

    with app.app_context(), refusals():
        fill(days=days)
    click.echo("The demo company is in place.")


@main.command("demo-up")
@click.option("--port", type=click.IntRange(1, 65_535))
@click.option("--host")
@data_option
def demo_up(port: int | None, host: str | None, data_dir: Path | None) -> None:
    """Start the product on a data folder of its own, with the demo company and services that fail and recover on a script."""
    from kener.cli.company import run

    folder = data_dir or Path(os.environ.get("KENER_DATA_DIR") or "demo-data")
    run(load_settings(port=port, host=host, data_dir=folder))


class refusals:
    """Turn a refusal into a plain error message."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from kener.services.errors import Refused

        if isinstance(error, Refused):
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
