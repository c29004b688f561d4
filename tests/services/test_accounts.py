"""Who may come in: the first owner, passwords, sessions and API keys. Nothing secret is stored as it is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import text

from kener import clock
from kener.db import reading, transaction
from kener.models import ApiKey, AuditEntry, Role, Setting, User, UserSession
from kener.services import accounts
from kener.services.errors import NotFound, Refused
from tests.factories import SAM, count, every, only

PASSWORD = "a few words make one"
BROWSER = {"user_agent": "Firefox", "address": "192.0.2.7"}


@pytest.fixture(autouse=True)
def token_path(app: Flask) -> Iterator[Path]:
    """Where the set-up token is kept; no token before and after."""
    path = Path(app.config["DATA_DIR"]) / "setup-token"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def set_up(**given: str) -> int:
    """The owner's account."""
    values = {"email": "Owner@Example.com", "password": PASSWORD, "site_name": "Acme", **given}
    return accounts.set_up(**{"token": accounts.setup_token(), **values})


def make_user(email: str = "kim@example.com", *, password: str = PASSWORD, role: Role = Role.EDITOR) -> int:
    return accounts.create_user(email=email, password=password, role=role, actor=SAM)


def everything_stored() -> str:
    """All rows of the tables that have to do with secrets, as the database holds them."""
    tables = (User, UserSession, ApiKey, AuditEntry, Setting)
    rows = [row for table in tables for row in reading().execute(text(f"SELECT * FROM {table.__tablename__}"))]
    return "\n".join(str(tuple(row)) for row in rows)


# Set-up


def test_the_set_up_token_makes_one_owner_and_is_gone(token_path: Path) -> None:
    assert not accounts.is_set_up(reading())
    token = accounts.setup_token()
    assert accounts.setup_token() == token == token_path.read_text()
    assert token_path.stat().st_mode & 0o777 == 0o600
    set_up()
    owner = only(User)
    assert (owner.email, owner.role, owner.is_active) == ("owner@example.com", Role.OWNER, True)
    assert not token_path.exists()
    assert accounts.is_set_up(reading())
    with pytest.raises(Refused):
        set_up(token=token, email="thief@example.com")
    with pytest.raises(Refused, match="owner account already"):
        set_up(email="thief@example.com")
    assert count(User) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"token": "guessed"}, "token"),
        ({"token": ""}, "token"),
        ({"token": "gäß"}, "token"),
        ({"email": "owner"}, "email"),
        ({"password": "short"}, "password"),
        ({"site_name": " "}, "site_name"),
    ],
)
def test_a_set_up_with_a_mistake_names_it_and_leaves_nothing(
    given: dict[str, str], field: str, token_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        set_up(**given)
    assert list(refused.value.errors) == [field]
    assert (count(User), count(Setting)) == (0, 0)
    assert token_path.exists()


# Passwords


def test_a_password_is_kept_as_an_argon2_hash_only() -> None:
    make_user()
    digest = only(User).password_hash
    assert digest.startswith("$argon2id$")
    assert PasswordHasher().verify(digest, PASSWORD)
    assert PASSWORD not in everything_stored()
    make_user("lee@example.com")
    assert len({user.password_hash for user in every(User)}) == 2


@pytest.mark.parametrize(
    ("password", "fine"),
    [
        ("nine char", False),
        ("ten  chars", True),
        ("aaaaaaaaaaaa", False),
        ("abababababab", False),
        ("kim@example.com", False),
        ("KIM@example.com", False),
        ("1234567890", False),
        ("Größe zählt ", True),
        ("x" * 512 + "abc" * 171, False),
        ("a few words make one" * 51, True),
    ],
)
def test_a_password_is_long_and_not_easy_to_guess(password: str, fine: bool) -> None:
    if fine:
        make_user(password=password)
        assert accounts.sign_in("kim@example.com", password, **BROWSER)
        return
    with pytest.raises(Refused) as refused:
        make_user(password=password)
    assert list(refused.value.errors) == ["password"]
    assert count(User) == 0


def test_an_address_has_one_account_however_it_is_spelled() -> None:
    make_user("Kim@Example.com ")
    with pytest.raises(Refused) as refused:
        make_user("kim@example.COM")
    assert list(refused.value.errors) == ["email"]
    assert only(User).email == "kim@example.com"
    assert accounts.sign_in(" KIM@example.com", PASSWORD, **BROWSER)


# Sessions


@pytest.mark.parametrize(
    ("email", "password"),
    [("kim@example.com", "another few words"), ("kim@example.com", ""), ("nobody@example.com", PASSWORD), ("", "")],
)
def test_a_wrong_password_and_an_unknown_address_open_no_session(email: str, password: str) -> None:
    make_user()
    assert accounts.sign_in(email, password, **BROWSER) is None
    assert count(UserSession) == 0


def test_a_session_belongs_to_its_token_which_is_not_stored() -> None:
    user_id = make_user()
    token = accounts.sign_in("kim@example.com", PASSWORD, **BROWSER)
    assert token is not None
    found = accounts.session_of(token)
    assert found is not None
    assert (found.user_id, found.user.email, found.user_agent, found.address) == (
        user_id,
        "kim@example.com",
        "Firefox",
        "192.0.2.7",
    )
    assert token not in everything_stored()
    assert accounts.session_of(found.token_hash) is None
    assert accounts.session_of("") is None


def test_signing_out_ends_one_session_and_no_other() -> None:
    make_user()
    first, second = (accounts.sign_in("kim@example.com", PASSWORD, **BROWSER) or "" for _ in range(2))
    accounts.sign_out(first)
    assert accounts.session_of(first) is None
    assert accounts.session_of(second) is not None


def test_an_account_revokes_its_own_sessions_and_nobody_elses() -> None:
    kim, lee = make_user(), make_user("lee@example.com")
    token = accounts.open_session(kim, **BROWSER)
    session_id = only(UserSession).id
    with pytest.raises(NotFound):
        accounts.end_session(session_id, user_id=lee)
    assert accounts.session_of(token) is not None
    accounts.end_session(session_id, user_id=kim)
    assert accounts.session_of(token) is None


def test_a_session_ends_after_thirty_days() -> None:
    user_id = make_user()
    start = clock.now()
    token = accounts.open_session(user_id, **BROWSER)
    with time_machine.travel(start + accounts.SESSION_LIFE - timedelta(minutes=1), tick=False):
        assert accounts.session_of(token) is not None
    with time_machine.travel(start + accounts.SESSION_LIFE + timedelta(minutes=1), tick=False):
        assert accounts.session_of(token) is None
        accounts.open_session(user_id, **BROWSER)
        assert count(UserSession) == 1


def test_an_account_that_is_switched_off_is_out_at_once() -> None:
    token = accounts.open_session(make_user(), **BROWSER)
    with transaction() as session:
        session.get_one(User, only(User).id).is_active = False
    assert accounts.session_of(token) is None
    assert accounts.sign_in("kim@example.com", PASSWORD, **BROWSER) is None


def test_when_a_session_was_seen_is_remembered_now_and_then() -> None:
    token = accounts.open_session(make_user(), **BROWSER)
    first = only(UserSession).seen_at
    accounts.session_of(token)
    assert only(UserSession).seen_at == first
    moment = first + timedelta(minutes=6)
    with time_machine.travel(moment, tick=False):
        assert accounts.session_of(token) is not None
    assert only(UserSession).seen_at == moment


# API keys


def test_an_api_key_is_shown_once_and_kept_as_a_hash() -> None:
    key = accounts.create_api_key(" deploy robot ", actor=SAM)
    assert accounts.api_key_of(key) == "deploy robot"
    kept = only(ApiKey)
    assert (kept.name, kept.created_by) == ("deploy robot", "sam@example.com")
    assert key.startswith(kept.prefix)
    assert len(key) - len(kept.prefix) >= 40
    assert key not in everything_stored()
    for guess in (kept.token_hash, kept.prefix, "", key[:-1], key.upper()):
        assert accounts.api_key_of(guess) is None


def test_a_revoked_key_stops_working_at_once_and_others_go_on() -> None:
    key, other = (accounts.create_api_key(name, actor=SAM) for name in ("one", "two"))
    accounts.delete_api_key(next(row.id for row in every(ApiKey) if row.name == "one"), actor=SAM)
    assert accounts.api_key_of(key) is None
    assert accounts.api_key_of(other) == "two"
    assert [(entry.action, entry.detail) for entry in every(AuditEntry)][-1] == ("delete", "one")
    with pytest.raises(NotFound):
        accounts.delete_api_key(10_000, actor=SAM)


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "taken"])
def test_a_key_needs_a_name_of_its_own(name: str) -> None:
    accounts.create_api_key("taken", actor=SAM)
    with pytest.raises(Refused) as refused:
        accounts.create_api_key(name, actor=SAM)
    assert list(refused.value.errors) == ["name"]
    assert count(ApiKey) == 1


def test_when_a_key_was_used_is_remembered() -> None:
    key = accounts.create_api_key("robot", actor=SAM)
    assert only(ApiKey).used_at is None
    accounts.api_key_of(key)
    used_at = only(ApiKey).used_at
    assert used_at is not None
    with time_machine.travel(used_at + timedelta(minutes=6), tick=False):
        accounts.api_key_of(key)
    assert only(ApiKey).used_at == used_at + timedelta(minutes=6)
