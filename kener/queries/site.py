"""The site as it is set."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener.models import Setting


@dataclass(frozen=True, slots=True)
class Site:
    """Name, address and time zone of the site. `url` has no slash at its end and may be empty."""

    name: str = "Kener"
    url: str = ""
    zone: str = "UTC"

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def read(session: Session) -> Site:
    """The site as it is set. ORIGIN stands in for a missing address."""
    values: dict[str, Any] = {
        name: value
        for name, value in session.execute(
            select(Setting.name, Setting.value).where(Setting.name.in_(("name", "url", "zone")))
        )
        if isinstance(value, str)
    }
    if not is_zone(values.get("zone", "")):
        values.pop("zone", None)
    if not is_address(values.get("url", "")):
        values.pop("url", None)
    values["url"] = values.get("url") or current_app.config.get("ORIGIN") or ""
    return Site(**values)


@lru_cache(maxsize=64)
def is_zone(name: str) -> bool:
    """Whether a time zone of this name exists; asked with every batch of samples."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def is_address(url: str) -> bool:
    """Whether pages may be linked below this address: scheme, host and perhaps a path."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    odd = any(c.isspace() or not c.isprintable() or c in '"<>\\' for c in url)
    return whole and not odd and parts.scheme in ("http", "https") and not ("@" in parts.netloc or set("?#") & set(url))
