"""The store of secrets: made, replaced, deleted; put in where their names stand, when something is about to be used.

Values are encrypted at rest and leave this module only inside settings that are used at once: queues, logs, answers and exports carry
names. Beside the store, the variables of the environment that `KENER_ENV_SECRETS` lists are known by their names; the store wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from flask import current_app
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError
from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from kener import clock
from kener.db import transaction
from kener.domain import secrets as rules
from kener.domain.inputs import Input
from kener.domain.trigger_base import Settings
from kener.models import Monitor, Secret, Trigger
from kener.services import audit, vault
from kener.services.audit import Actor
from kener.services.errors import Conflict, NotFound, Refused

B = TypeVar("B", bound=BaseModel)


def _name(value: str) -> str:
    if not rules.NAME.fullmatch(value):
        raise ValueError("Use letters, digits and _, not beginning with a digit; at most 64.")
    return value


def _value(value: str) -> str:
    if "\0" in value:
        raise ValueError("A value cannot hold a NUL character.")
    return value


Value = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=1, max_length=8_192), AfterValidator(_value)
]
"""Blanks at its ends may belong to it."""


class SecretInput(Input):
    """A secret. On a change, a value that is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_name)]
    value: Value | None = None
    description: Annotated[str, Field(max_length=500), AfterValidator(_value)] = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """A thing that names a secret: "monitor" or "trigger", where it leads (tag or id), and its name."""

    kind: str
    key: str
    name: str


def create(given: SecretInput, *, actor: Actor) -> int:
    """Keep a secret. Raises Refused. Returns its id."""
    if given.value is None:
        raise Refused({"value": "This field is needed."})
    with transaction() as session:
        if session.scalar(select(Secret.id).where(Secret.name == given.name)) is not None:
            raise Refused({"name": f"There is a secret named {given.name} already."})
        secret = Secret(
            name=given.name,
            description=given.description,
            value=_sealed(given.value),
            created_by=actor.name,
            changed_by=actor.name,
        )
        session.add(secret)
        session.flush()
        audit.note(session, actor, "create", f"secret-{secret.id}", secret.name)
        return secret.id


def update(secret_id: int, given: SecretInput, *, actor: Actor, version: int | None = None) -> None:
    """Replace a value or change its description; the name stays, because settings speak of it. Raises NotFound, Refused, Conflict."""
    with transaction() as session:
        secret = _find(session, secret_id)
        if version is not None and secret.version != version:
            raise Conflict
        if given.name != secret.name:
            raise Refused({"name": "The name of a secret never changes: settings speak of it. Make another one."})
        if given.value is not None:
            secret.value = _sealed(given.value)
        secret.description, secret.version = given.description, secret.version + 1
        secret.changed_by, secret.changed_at = actor.name, clock.now()
        replaced = "value replaced" if given.value is not None else "description"
        audit.note(session, actor, "change", f"secret-{secret_id}", f"{secret.name}: {replaced}")


def delete(secret_id: int, *, actor: Actor) -> None:
    """Forget a secret. Where its name stands, it stays as it is from now on. Raises NotFound."""
    with transaction() as session:
        secret = _find(session, secret_id)
        audit.note(session, actor, "delete", f"secret-{secret_id}", secret.name)
        session.delete(secret)


def usages(session: Session, names: Iterable[str]) -> dict[str, list[Usage]]:
    """What names each of these secrets: two statements. Only settings in which a `$` stands are looked at."""
    found: dict[str, list[Usage]] = {name: [] for name in names}
    monitors = select(Monitor.tag, Monitor.name, Monitor.type_data).where(cast(Monitor.type_data, Text).contains("$"))
    for tag, name, data in session.execute(monitors.order_by(Monitor.name)):
        for one in rules.names_in(data) & found.keys():
            found[one].append(Usage("monitor", tag, name))
    for trigger in session.scalars(select(Trigger).order_by(Trigger.name)):
        for one in rules.names_in(_settings_of(trigger)) & found.keys():
            found[one].append(Usage("trigger", str(trigger.id), trigger.name))
    return found


def unknown(session: Session, settings: Any) -> list[str]:
    """Names in settings that nobody knows, in order: worth a warning."""
    names = rules.names_in(settings)
    return sorted(names - known_names(session)) if names else []


def known_names(session: Session) -> set[str]:
    """All names that can be used."""
    return {*session.scalars(select(Secret.name)), *_environment()}


def values(session: Session, names: Iterable[str]) -> dict[str, str]:
    """The values of those names that are known: one statement. A stored one that cannot be opened any more raises Refused."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    found = {name: value for name, value in _environment().items() if name in wanted}
    stored = select(Secret.name, Secret.value).where(Secret.name.in_(wanted))
    return found | {name: str(vault.unseal(value).get("value", "")) for name, value in session.execute(stored)}


def ready(session: Session, settings: B) -> tuple[B, dict[str, str]]:
    """Settings of a trigger with the values in place, and those values by name.

    In a template a name becomes a variable of the template, so that its value is escaped for where it stands and nothing in it
    is obeyed. Raises Refused where the settings cannot be used with the values.
    """
    data = settings.model_dump(mode="json", by_alias=True)
    known = values(session, rules.names_in(data))
    if not known:
        return settings, {}
    names = settings.TEMPLATES if isinstance(settings, Settings) else ()
    templates = {name: data.pop(name) for name in names if data.get(name)}
    whole = rules.put_in(data, known)
    for name, text in templates.items():
        whole[name] = rules.replaced(text, lambda one: f"{{{{{variable(one)}}}}}" if one in known else None)
    try:
        return type(settings).model_validate(whole), known
    except ValidationError:
        raise Refused({"": "The settings cannot be used with the secrets that they name."}) from None


def variable(name: str) -> str:
    """What a secret is called inside a template."""
    return f"kener_secret_{name}"


def hidden(text: str, known: Mapping[str, str]) -> str:
    """A text for people, with the names in place of the values."""
    return rules.hide(text, known) if known else text


def _settings_of(trigger: Trigger) -> Any:
    """What a trigger is set to, as far as it can be opened."""
    try:
        return [trigger.public, vault.unseal(trigger.secret)]
    except Refused:
        return trigger.public


def _sealed(value: str) -> str:
    sealed = vault.seal({"value": value})
    assert sealed is not None
    return sealed


def _environment() -> Mapping[str, str]:
    found: Mapping[str, str] = current_app.extensions["kener"].env_secrets
    return found


def _find(session: Session, secret_id: int) -> Secret:
    secret = session.get(Secret, secret_id, with_for_update=True)
    if secret is None:
        raise NotFound
    return secret
