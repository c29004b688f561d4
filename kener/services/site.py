"""What operators choose about the site as a whole."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import jobs, live
from kener.db import transaction
from kener.models import Setting
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Refused


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
    if not _is_zone(values.get("zone", "")):
        values.pop("zone", None)
    values["url"] = values.get("url") or current_app.config.get("ORIGIN") or ""
    return Site(**values)


def change(site: Site, *, actor: Actor) -> None:
    """Save the site. A new time zone rebuilds the daily roll-ups. Raises Refused."""
    errors = _mistakes(site)
    if errors:
        raise Refused(errors)
    with transaction() as session:
        before = read(session)
        write(session, site)
        audit.note(session, actor, "change", "site", f"{before} → {site}")
    if before.zone != site.zone:
        jobs.enqueue_housekeeping(jobs.REBUILD_DAYS)
    live.publish()


def write(session: Session, site: Site) -> None:
    """Store the settings; a step shared with the set-up."""
    for name, value in asdict(site).items():
        session.merge(Setting(name=name, value=value))


@lru_cache(maxsize=64)
def _is_zone(name: str) -> bool:
    """Whether a time zone of this name exists; asked with every batch of samples."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _mistakes(site: Site) -> dict[str, str]:
    errors = {}
    if not site.name.strip() or len(site.name) > 100:
        errors["name"] = "Enter a name of 1 to 100 characters."
    if site.url and not site.url.startswith(("http://", "https://")):
        errors["url"] = "Start the address with https:// or http://, or leave it empty."
    if not _is_zone(site.zone):
        errors["zone"] = "Choose a time zone from the list, for instance Europe/Berlin."
    return errors
