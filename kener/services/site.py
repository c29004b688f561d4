"""What operators choose about the site as a whole."""

from dataclasses import asdict

from sqlalchemy.orm import Session

from kener import jobs, live
from kener.db import transaction
from kener.models import Setting
from kener.queries.site import Site as Site
from kener.queries.site import is_address, is_zone
from kener.queries.site import read as read
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import Refused


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


def is_name(name: str) -> bool:
    """Whether a site can be called so: one line, without what neither databases nor feeds can hold."""
    return bool(name.strip()) and len(name) <= 100 and not any(ord(c) < 32 or ord(c) == 127 for c in name)


def _mistakes(site: Site) -> dict[str, str]:
    errors = {}
    if not is_name(site.name):
        errors["name"] = "Enter a name of 1 to 100 characters on one line."
    if site.url and not is_address(site.url):
        errors["url"] = "Enter an address like https://status.example.com, or leave it empty."
    if not is_zone(site.zone):
        errors["zone"] = "Choose a time zone from the list, for instance Europe/Berlin."
    return errors
