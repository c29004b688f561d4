"""Accounts: the first owner, people, sessions, API keys."""

import hashlib
import secrets
from datetime import timedelta
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from flask import current_app
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, joinedload

from kener import clock
from kener.db import reading, transaction
from kener.models import ApiKey, Role, User, UserSession
from kener.services import audit, site
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

SESSION_LIFE = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=5)
MIN_PASSWORD = 10
_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


def is_set_up(session: Session) -> bool:
    """Whether there is any account."""
    return session.scalar(select(User.id).limit(1)) is not None


def setup_token() -> str:
    """The one-time token that guards the set-up page, kept in the data folder until the owner account exists."""
    path = _token_path()
    if not path.exists():
        path.write_text(secrets.token_urlsafe(18))
        path.chmod(0o600)
    return path.read_text().strip()


def set_up(*, token: str, email: str, password: str, site_name: str) -> int:
    """Make the owner account, once. Raises Refused. Returns its id."""
    errors = _mistakes(email, password)
    if not site.is_name(site_name):
        errors["site_name"] = "Enter a name of 1 to 100 characters on one line."
    if not secrets.compare_digest(token.encode(), setup_token().encode()):
        errors["token"] = "This is not the token that was printed at the start. Look there again."
    if errors:
        raise Refused(errors)
    digest = _hasher.hash(password)
    with transaction() as session:
        if is_set_up(session):
            raise Refused({"": "There is an owner account already. Sign in."})
        user = User(email=email.strip().lower(), role=Role.OWNER, password_hash=digest)
        session.add(user)
        here = site.read(session)
        site.write(session, site.Site(name=site_name.strip(), url=here.url, zone=here.zone))
        session.flush()
        audit.note(session, Actor(user.email), "set up", f"account-{user.id}")
        user_id = user.id
    _token_path().unlink(missing_ok=True)
    return user_id


def create_user(*, email: str, password: str, role: Role, actor: Actor) -> int:
    """Add an account. Raises Refused. Returns its id."""
    errors = _mistakes(email, password)
    if errors:
        raise Refused(errors)
    with transaction() as session:
        if session.scalar(select(User.id).where(User.email == email.strip().lower())) is not None:
            raise Refused({"email": "There is an account with this address already."})
        user = User(email=email.strip().lower(), role=role, password_hash=_hasher.hash(password))
        session.add(user)
        session.flush()
        audit.note(session, actor, "create", f"account-{user.id}", f"{user.email} {role}")
        user_id = user.id
    return user_id


def sign_in(email: str, password: str, *, user_agent: str, address: str) -> str | None:
    """Check a password and open a session; returns its token, or None. Takes as long for an unknown address as for a known one."""
    session = reading()
    user = session.scalars(
        select(User).where(User.email == email.strip().lower(), User.is_active.is_(True))
    ).one_or_none()
    try:
        _hasher.verify(user.password_hash if user else _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return None
    if user is None:
        return None
    return open_session(user.id, user_agent=user_agent, address=address)


def open_session(user_id: int, *, user_agent: str, address: str) -> str:
    """A new session of an account; returns its token, which is kept only as a hash."""
    token, now = secrets.token_urlsafe(32), clock.now()
    with transaction() as session:
        session.execute(delete(UserSession).where(UserSession.expires_at < now))
        session.add(
            UserSession(
                user_id=user_id,
                token_hash=_hash(token),
                user_agent=user_agent[:255],
                address=address[:64],
                expires_at=now + SESSION_LIFE,
            )
        )
    return token


def session_of(token: str) -> UserSession | None:
    """The live session behind a token, its account loaded. Remembers now and then that it was seen."""
    session, now = reading(), clock.now()
    query = select(UserSession).options(joinedload(UserSession.user)).where(UserSession.token_hash == _hash(token))
    found = session.scalars(query).one_or_none()
    if found is None or found.expires_at < now or not found.user.is_active:
        return None
    if now - found.seen_at > SEEN_EVERY:
        session_id = found.id
        with transaction() as writing:
            writing.execute(update(UserSession).where(UserSession.id == session_id).values(seen_at=now))
        found = session.scalars(query).one_or_none()
    return found


def sign_out(token: str) -> None:
    """End a session."""
    with transaction() as session:
        session.execute(delete(UserSession).where(UserSession.token_hash == _hash(token)))


def end_session(session_id: int, *, user_id: int) -> None:
    """End one of an account's own sessions. Raises NotFound."""
    with transaction() as session:
        found = session.scalars(
            select(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id)
        ).one_or_none()
        if found is None:
            raise NotFound
        session.delete(found)


def create_api_key(name: str, *, actor: Actor) -> str:
    """Make an API key; returns it. It is kept as a hash and cannot be shown again. Raises Refused."""
    name = name.strip()
    if not name or len(name) > 255 or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise Refused({"name": "Enter a name of 1 to 255 characters on one line."})
    key = f"kener_{secrets.token_hex(32)}"
    with transaction() as session:
        if session.scalar(select(ApiKey.id).where(ApiKey.name == name)) is not None:
            raise Refused({"name": f"There is a key named {name} already."})
        session.add(ApiKey(name=name, prefix=key[:12], token_hash=_hash(key), created_by=actor.name))
        audit.note(session, actor, "create", "api-key", name)
    return key


def delete_api_key(key_id: int, *, actor: Actor) -> None:
    """Revoke an API key at once. Raises NotFound."""
    with transaction() as session:
        key = session.get(ApiKey, key_id)
        if key is None:
            raise NotFound
        audit.note(session, actor, "delete", f"api-key-{key_id}", key.name)
        session.delete(key)


def api_key_of(token: str) -> str | None:
    """The name of the active key behind a bearer token. Remembers now and then that it was used."""
    session, now = reading(), clock.now()
    key = session.scalars(
        select(ApiKey).where(ApiKey.token_hash == _hash(token), ApiKey.is_active.is_(True))
    ).one_or_none()
    if key is None:
        return None
    name, key_id, used_at = key.name, key.id, key.used_at
    if used_at is None or now - used_at > SEEN_EVERY:
        with transaction() as writing:
            writing.execute(update(ApiKey).where(ApiKey.id == key_id).values(used_at=now))
    return name


def _mistakes(email: str, password: str) -> dict[str, str]:
    errors = {}
    local, at, host = email.strip().partition("@")
    if not (local and at and "." in host) or len(email) > 255 or any(c.isspace() or ord(c) < 32 for c in email.strip()):
        errors["email"] = "Enter an e-mail address, for instance you@example.com."
    if len(password) < MIN_PASSWORD:
        errors["password"] = f"Use at least {MIN_PASSWORD} characters; a few words make a good password."
    elif len(password) > 1024:
        errors["password"] = "Use at most 1024 characters."
    elif len(set(password)) < 4 or password.lower() in (email.strip().lower(), "password12", "1234567890"):
        errors["password"] = "This is too easy to guess. A few words make a good password."
    return errors


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _token_path() -> Path:
    return Path(current_app.config["DATA_DIR"]) / "setup-token"
