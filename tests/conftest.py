"""What every test may ask for. Real servers throughout: a Redis and databases of the run's own, a real browser."""

import contextvars
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab
from redis import Redis
from sqlalchemy import select

from kener import live
from kener.app import create_app
from kener.cli import main
from kener.cli.migrate import upgrade
from kener.cli.processes import environment
from kener.db import db
from kener.models import Role, User
from kener.services import accounts
from kener.services.audit import Actor
from kener.settings import Settings
from tests.support import databases
from tests.support.browser import running_chromium, watched_tab
from tests.support.pages import Page
from tests.support.pages import visit as open_page
from tests.support.redis_server import running_redis
from tests.support.serving import served

SECRET = "the-secret-key-of-the-tests-only"
PASSWORD = "a few words make one"

# How long an example takes says how busy the machine is, nothing about what is tested.
hypothesis_settings.register_profile("kener", deadline=None)
hypothesis_settings.load_profile("kener")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start the whole product take turns; everything else may run beside them."""
    for item in items:
        if item.get_closest_marker("processes") or "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis of this test process's own."""
    with running_redis() as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Redis:
    """The Redis, empty, at a revision that no test has seen before."""
    client = Redis.from_url(redis_url)
    client.flushdb()
    client.set(live.KEY, time.time_ns())
    live.forget()
    return client


@pytest.fixture
def database_kind() -> str:
    """SQLite; `tests/services` runs on every kind."""
    return "sqlite"


class AppMaker(Protocol):
    def __call__(self, kind: str, *, web: bool = True, **overrides: Any) -> Flask: ...


@pytest.fixture(scope="session")
def app_maker(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppMaker]:
    """Apps by kind of database and by settings: each database is made and migrated once, each app built once."""
    apps: dict[tuple[object, ...], Flask] = {}
    urls: dict[str, str] = {}
    with ExitStack() as leaving:

        def database_url(kind: str) -> str:
            if kind not in urls:
                database = databases.create(kind, tmp_path_factory.mktemp(kind))
                leaving.callback(database.drop)
                upgrade(settings(database.url))
                urls[kind] = database.url
            return urls[kind]

        def settings(url: str, **overrides: Any) -> Settings:
            chosen = {"redis_url": redis_url, "allow_private_targets": True, **overrides}
            return Settings(data_dir=folder, secret_key=SECRET, database_url=url, **chosen)

        def make(kind: str, *, web: bool = True, **overrides: Any) -> Flask:
            key = (kind, web, *sorted((name, repr(value)) for name, value in overrides.items()))
            if key not in apps:
                apps[key] = create_app(settings(database_url(kind), **overrides), web=web)
                leaving.callback(_dispose, apps[key])
            return apps[key]

        folder = tmp_path_factory.mktemp("data")
        yield make


@pytest.fixture
def make_app(app_maker: AppMaker, database_kind: str, redis: Redis) -> Iterator[Callable[..., Flask]]:
    """Builds an app with settings of the test's own on an empty database, and enters its context."""
    with ExitStack() as leaving:

        def make(*, web: bool = True, **overrides: Any) -> Flask:
            app = app_maker(database_kind, web=web, **overrides)
            leaving.enter_context(app.app_context())
            databases.empty(db.engine)
            leaving.callback(db.session.remove)
            return app

        yield make


@pytest.fixture
def app(make_app: Callable[..., Flask], request: pytest.FixtureRequest) -> Flask:
    """The app on an empty database, its context entered. `tests/services` and `tests/workers` run without pages."""
    return make_app(web=not {"services", "workers", "queries"} & set(Path(request.path).parts))


class IsolatedClient(FlaskClient):
    """Requests that do not see the app context which the test has entered, as in production.

    What is sent while it is read is read to its end, within the request's context.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("buffered", True)
        return contextvars.Context().run(super().open, *args, **kwargs)


@pytest.fixture
def new_client(app: Flask) -> Callable[[], FlaskClient]:
    """Makes clients: browsers without JavaScript, each with its own cookies."""
    app.test_client_class = IsolatedClient
    return app.test_client


@pytest.fixture
def client(new_client: Callable[[], FlaskClient]) -> FlaskClient:
    """A client that nobody has signed in."""
    return new_client()


@pytest.fixture
def visit(client: FlaskClient) -> Callable[..., Page]:
    """`visit("/path", status=200)`: the checked page."""
    return lambda path, **options: open_page(client, path, **options)


@pytest.fixture
def sign_in(app: Flask) -> Callable[..., FlaskClient]:
    """`sign_in(client, "EDITOR")`: gives the client a session of an account with that role."""

    def sign_in(client: FlaskClient, role: str = "OWNER") -> FlaskClient:
        token = accounts.open_session(account(role), user_agent="tests", address="127.0.0.1")
        with client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = token, True
        return client

    return sign_in


def account(role: str) -> int:
    """The account of a role, made when it is first needed."""
    email = f"{role.lower()}@example.com"
    found = db.session.scalar(select(User.id).where(User.email == email))
    return found or accounts.create_user(email=email, password=PASSWORD, role=Role(role), actor=Actor("tests"))


@pytest.fixture
def owner(new_client: Callable[[], FlaskClient], sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in(new_client(), "OWNER")


@pytest.fixture
def editor(new_client: Callable[[], FlaskClient], sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in(new_client(), "EDITOR")


@pytest.fixture
def viewer(new_client: Callable[[], FlaskClient], sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in(new_client(), "VIEWER")


@pytest.fixture
def runner(app: Flask) -> Callable[..., Result]:
    """`runner("user", "create", …, input=…)`: runs the kener command on the app's settings."""

    def run(*words: str, **options: Any) -> Result:
        settings: Settings = app.extensions["kener"]
        variables = {name: None for name in os.environ if name.startswith(("KENER_", "SMTP_"))} | environment(settings)
        return contextvars.Context().run(CliRunner().invoke, main, words, env=variables, **options)

    return run


@pytest.fixture
def site_url(app: Flask) -> Iterator[str]:
    """The address of the app, served by this process."""
    with served(app) as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real, headless Chromium."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """A tab of its own profile; a script error or a breach of the content security policy fails the test."""
    with watched_tab(chromium) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A test that runs a role in this process must not leave its signal handlers behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _dispose(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
