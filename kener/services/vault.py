"""Secrets at rest: encrypted with a key derived from the secret key, opened only where they are used."""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from flask import current_app

from kener.domain.secrets import names_in
from kener.domain.specs import SPECS, MonitorType
from kener.domain.specs.base import KEPT, is_sealed
from kener.domain.trigger_base import Settings, TriggerType
from kener.domain.trigger_specs import join
from kener.models import Trigger
from kener.models.triggers import SET
from kener.services.errors import Refused


def seal(secret: dict[str, Any]) -> str | None:
    """Encrypt a set of secrets; None for none."""
    return _fernet().encrypt(json.dumps(secret).encode()).decode() if secret else None


def unseal(token: str | None) -> dict[str, Any]:
    """Decrypt what `seal` made. Raises Refused when the secret key is another one now."""
    if not token:
        return {}
    try:
        opened: dict[str, Any] = json.loads(_fernet().decrypt(token.encode()))
    except InvalidToken:
        raise Refused(
            {"": "The stored secret cannot be opened: KENER_SECRET_KEY has changed. Enter the secret again."}
        ) from None
    return opened


def open_trigger(trigger: Trigger) -> Settings:
    """The whole settings of a trigger, secrets included."""
    return join(TriggerType(trigger.trigger_type), trigger.shown, unseal(trigger.secret))


def close_trigger(trigger: Trigger, settings: Settings) -> None:
    """Keep the settings of a trigger: what may be shown in `public`, with the names of what may not; the rest encrypted."""
    public, secret = settings.split()
    names = sorted(secret.keys() - {"host", "for"})
    trigger.public, trigger.secret = public | ({SET: names} if names else {}), seal(secret)


def close_settings(kind: MonitorType, settings: dict[str, Any], *, stored: Any = None) -> dict[str, Any]:
    """Settings of a monitor as they are stored, the secret ones in envelopes; `KEPT` takes the envelope over from `stored`.

    The names of secrets inside stay readable, so that they are found like those in other settings. Raises Refused where nothing was kept.
    """
    closed = dict(settings)
    for name in SPECS[kind].SECRET & closed.keys():
        value = closed[name]
        if value == KEPT:
            kept = stored.get(name) if isinstance(stored, dict) else None
            if not is_sealed(kept):
                raise Refused({f"type_data.{name}": "Enter it: nothing is kept from before."})
            closed[name] = kept
        else:
            names = " ".join(f"${one}" for one in sorted(names_in(value)))
            closed[name] = {"sealed": seal({"value": value})} | ({"names": names} if names else {})
    return closed


def open_settings(kind: MonitorType, settings: Any) -> Any:
    """Stored settings with their secrets in place. Raises Refused when the secret key is another one now."""
    secret = SPECS[kind].SECRET if kind in SPECS else ()
    if not secret or not isinstance(settings, dict):
        return settings
    return settings | {
        name: unseal(settings[name]["sealed"]).get("value", "") for name in secret if is_sealed(settings.get(name))
    }


def _fernet() -> Fernet:
    return _made(current_app.config["SECRET_KEY"])


@lru_cache(maxsize=4)
def _made(secret_key: str) -> Fernet:
    """Deriving the key takes ten milliseconds, and checks may open a secret each."""
    key = hashlib.scrypt(secret_key.encode(), salt=b"kener trigger settings", n=2**12, r=8, p=1, dklen=32)
    return Fernet(base64.urlsafe_b64encode(key))
