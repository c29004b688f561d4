"""The ground the other tests stand on."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from redis import Redis
from sqlalchemy import func, select

from kener.cli.migrate import differences
from kener.db import db
from kener.models import Role, User
from kener.services import accounts
from kener.services.audit import Actor
from tests.support.databases import KINDS
from tests.support.pages import find_problems
from tests.support.ports import free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent
GOOD = "<!doctype html><html lang=en><head><title>T</title></head><body><main><h1>H</h1>{}</main></body></html>"


def problems(body: str) -> list[str]:
    html = GOOD.format(body)
    return find_problems(html, BeautifulSoup(html, "html5lib"))


def test_models_and_migrations_agree():
    assert differences() == []


def test_imports_point_down():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_pinned_versions_name_no_place():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, sign, version = line.partition("==")
        assert sign and name.replace("-", "").replace("_", "").isalnum() and version.replace(".", "").isalnum(), line


@pytest.mark.parametrize("kind", KINDS)
def test_each_test_meets_an_empty_database(app_maker: Callable[..., Flask], kind: str, request: pytest.FixtureRequest):
    request.getfixturevalue("redis")
    for _ in range(2):
        app = app_maker(kind, web=False)
        with app.app_context():
            from tests.support import databases

            databases.empty(db.engine)
            assert db.session.scalar(select(func.count(User.id))) == 0
            accounts.create_user(
                email="a@example.com", password="a few words make one", role=Role.VIEWER, actor=Actor("tests")
            )
            assert db.engine.dialect.name == {"mariadb": "mysql"}.get(kind, kind)


def test_the_redis_of_the_tests_is_private(redis: Redis, redis_url: str):
    assert redis_url.startswith("unix://")
    assert redis.config_get("port") == {"port": "0"} or redis.config_get("port") == {b"port": b"0"}


def test_a_free_port_is_free():
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))


def test_waiting_fails_after_the_time_out():
    with pytest.raises(AssertionError, match="nothing after"):
        wait_for(lambda: False, timeout_s=0.1)


def test_a_sound_page_has_no_problems():
    assert problems("<label for=a>A</label><input id=a name=a><a href=/x>x</a><img src=/i alt=''>") == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<h1>another</h1>", "2 h1"),
        ("<p id=a></p><p id=a></p>", "occurs 2 times"),
        ("<input name=a>", "unlabelled"),
        ("<label for=b>B</label><input id=a name=a>", "unlabelled"),
        ("<button><svg></svg></button>", "nameless"),
        ("<img src=/i>", "without alt"),
        ("<script>1</script>", "inline script"),
        ("<p style='color:red'>x</p>", "inline style"),
        ("<p onclick='x()'>x</p>", "inline handler"),
        ("<a href='javascript:x()'>x</a>", "javascript:"),
        ("<p aria-describedby=z>x</p>", "names no id z"),
        ("<div></p></div>", "markup"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(body: str, problem: str):
    assert any(problem in found for found in problems(body)), problems(body)


def test_the_make_targets_of_the_readme_exist():
    for target in ("setup", "run", "demo", "test", "check", "bench"):
        done = subprocess.run([shutil.which("make") or "make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
