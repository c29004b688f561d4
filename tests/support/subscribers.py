"""Subscribers to test with, and what they got."""

from typing import Any

from sqlalchemy import update

from kener import clock
from kener.db import reading, transaction
from kener.domain.subscriptions import Channel, SubscriberInput
from kener.models import NoticeDelivery, Subscriber
from kener.services import broadcasts, site, subscribers
from kener.services.site import Site
from kener.settings import SmtpSettings
from tests.doubles.smtp import Kept, SmtpDouble
from tests.factories import SAM, every

URL = "https://status.example.org"


def smtp_settings(smtp: SmtpDouble) -> SmtpSettings:
    """How to reach the double."""
    return SmtpSettings(
        host="127.0.0.1", port=smtp.port, sender="Status <status@example.org>", security="none", verify=False
    )


def name_site(zone: str = "UTC") -> None:
    """Give the site a name and an address."""
    site.change(Site("Acme", URL, zone), actor=SAM)


def make_subscriber(address: str = "ann@example.com", *, channel: str = "EMAIL", **choices: Any) -> int:
    """A subscriber who has confirmed. Returns the id."""
    given = SubscriberInput.model_validate({"address": address, "channel": channel, **choices})
    made = subscribers.bring_in([(1, given)], are_confirmed=True, actor=SAM)
    assert (made.added, list(made.mistakes)) == (1, [])
    found = subscribers.find(Channel(channel), given.address)
    assert found is not None
    return found


def many(number: int) -> None:
    """So many confirmed subscribers of everything, at once."""
    rows = [
        {
            "channel": "EMAIL", "address": f"s{n}@example.com", "address_hash": f"{n:064}", "state": "ACTIVE",
            "everything": True, "incidents": True, "maintenance": True, "least_impact": "DEGRADED", "language": "en",
            "zone": "", "token_version": 1, "created_at": clock.now(),
        }
        for n in range(number)
    ]  # fmt: skip
    with transaction() as session:
        session.execute(Subscriber.__table__.insert(), rows)


def switch(**offer: bool) -> None:
    """What is offered."""
    subscribers.change_offer(subscribers.Offer(**offer), actor=SAM)


def send() -> None:
    """Do what the workers do: everything that is due by now."""
    reading()
    rows = every(NoticeDelivery)
    if rows:
        broadcasts.send_batch(rows[0].id, rows[-1].id)


def send_late() -> None:
    """The same long after: leases have run out, and what is to be tried again is due."""
    past = clock.at(clock.epoch() - 60)
    with transaction() as session:
        session.execute(update(NoticeDelivery).where(NoticeDelivery.state != "SENT").values(next_at=past))
    for first, last in broadcasts.due():
        broadcasts.send_batch(first, last)


def told(smtp: SmtpDouble, address: str = "ann@example.com") -> list[str]:
    """The subjects that an address got, in order."""
    return [kept.message["Subject"] for kept in smtp.kept if kept.recipients == [address]]


def parts(kept: Kept) -> tuple[str, str]:
    """Text and HTML of a mail."""
    assert kept.message.get_content_type() == "multipart/alternative"
    text, html = kept.message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return text.get_content(), html.get_content()


def states() -> list[str]:
    """How far each delivery is."""
    return [row.state.value for row in every(NoticeDelivery)]
