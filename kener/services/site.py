"""What operators choose about the site as a whole."""

from dataclasses import asdict

from sqlalchemy.orm import Session

from kener import jobs, live
from kener.db import transaction
from kener.models import Setting
from kener.queries.site import Site as Site
from kener.queries.site import is_zone
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


def _mistakes(site: Site) -> dict[str, str]:
    errors = {}
    if not site.name.strip() or len(site.name) > 100:
        errors["name"] = "Enter a name of 1 to 100 characters."
    if site.url and not site.url.startswith(("http://", "https://")):
        errors["url"] = "Start the address with https:// or http://, or leave it empty."
    if not is_zone(site.zone):
        errors["zone"] = "Choose a time zone from the list, for instance Europe/Berlin."
    return errors
