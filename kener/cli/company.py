"""A believable company to look at: monitors, a history, incidents, all built through the services; and services that fail on a script."""

import random
import secrets
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from kener import clock
from kener.settings import Settings

SITE = "Thistlewick Cloud"
EMAIL = "demo@thistlewick.example"
MINUTE, DAY = 60, 86_400


@dataclass(frozen=True, slots=True)
class Trouble:
    """A bad stretch in the past: `days_ago` from now, at `hour` (UTC), for so many minutes."""

    days_ago: int
    hour: float
    minutes: int
    status: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A demo monitor: its usual latency and its past."""

    tag: str
    name: str
    section: str
    latency_ms: int
    description: str
    troubles: tuple[Trouble, ...] = ()
    monitored_days: int = 365


SERVICES = (
    Service(
        "dashboard",
        "Customer dashboard",
        "Customer products",
        184,
        "Where customers sign in and see their orders.",
        (Trouble(48, 9.1, 9, "DEGRADED", "HTTP 200 after 2.4 s, limit 2 s"),),
    ),
    Service(
        "checkout",
        "Checkout",
        "Customer products",
        231,
        "Carts, addresses and order confirmation.",
        (
            Trouble(67, 13.3, 14, "DOWN", "HTTP 502"),
            Trouble(4, 14.15, 31, "DEGRADED", "HTTP 200 after 3.1 s, limit 2 s"),
        ),
    ),
    Service(
        "payment-api",
        "Payment API",
        "Customer products",
        142,
        "Card payments, refunds and payouts.",
        (
            Trouble(59, 11, 25, "DEGRADED", "HTTP 200 after 2.2 s, limit 2 s"),
            Trouble(26, 8.2, 46, "DOWN", "HTTP 503"),
            Trouble(19, 16.5, 8, "DOWN", "No answer within 10 s"),
            Trouble(11, 8.75, 50, "DOWN", "No answer within 10 s"),
        ),
    ),
    Service(
        "search",
        "Search",
        "Customer products",
        88,
        "Product search and suggestions.",
        (
            Trouble(70, 4.5, 20, "DOWN", "HTTP 500"),
            Trouble(49, 10.25, 52, "DEGRADED", "HTTP 200 after 1.4 s, limit 1 s"),
            Trouble(6, 8.2, 66, "DEGRADED", "HTTP 200 after 1.9 s, limit 1 s"),
        ),
    ),
    Service(
        "storage-fra",
        "Object storage Frankfurt",
        "Platform",
        31,
        "Uploads and downloads, Frankfurt.",
    ),
    Service(
        "storage-iad",
        "Object storage Virginia",
        "Platform",
        94,
        "Uploads and downloads, Virginia.",
        (Trouble(77, 19, 24, "DEGRADED", "HTTP 200 after 1.2 s, limit 1 s"),),
    ),
    Service(
        "reporting-db",
        "Reporting database",
        "Platform",
        12,
        "Scheduled reports and exports.",
        (Trouble(56, 2.1, 18, "DOWN", "Connection refused"),),
    ),
    Service(
        "webhooks",
        "Webhook delivery",
        "Platform",
        96,
        "Events to customers' servers.",
        (Trouble(80, 21, 12, "DOWN", "HTTP 500"), Trouble(4, 14.1, 22, "DOWN", "Connection reset")),
    ),
    Service(
        "nightly-export",
        "Nightly export",
        "Platform",
        640,
        "The data warehouse feed.",
        (Trouble(15, 2, 380, "DOWN", "No heartbeat for 380 minutes, limit 120."),),
        monitored_days=41,
    ),
)


def fill(*, days: int, base_url: str | None = None) -> None:
    """Build the company in an empty database. Without `base_url` the monitors repeat their last status and reach out to nothing.

    Raises Refused when there are monitors already.
    """
    from sqlalchemy import select

    from kener.db import reading, transaction
    from kener.models import Monitor
    from kener.services import site
    from kener.services.errors import Refused

    if reading().scalar(select(Monitor.id).limit(1)) is not None:
        raise Refused({"": "There are monitors already. The demo needs an empty database."})
    with transaction() as session:
        here = site.read(session)
        site.write(session, site.Site(name=SITE, url=here.url, zone=here.zone))
    ids = _monitors(base_url)
    _configurations()
    _history(ids, days)
    _words()
    _maintenance()
    _resume()


def _actor() -> Any:
    from kener.services.audit import Actor

    return Actor(EMAIL)


def _monitors(base_url: str | None) -> dict[str, int]:
    from kener.domain.inputs import MonitorInput
    from kener.services import monitors

    ids = {}
    for service in SERVICES:
        kind: dict[str, Any] = {
            "monitor_type": "NONE",
            "type_data": {"overrideWithLastKnownStatus": True},
            "interval_seconds": 60,
        }
        if base_url is not None:
            settings = {"url": f"{base_url}/{service.tag}", "degraded_latency_ms": 1000, "timeout": 5000}
            kind = {"monitor_type": "API", "type_data": settings, "interval_seconds": 10}
        given = MonitorInput(
            tag=service.tag,
            name=service.name,
            category_name=service.section,
            description=service.description,
            status="INACTIVE",
            **kind,
        )
        ids[service.tag] = monitors.create(given, actor=_actor()).id
    _set_active(True)
    return ids


def _set_active(active: bool) -> None:
    """Let what is recorded be decided (nothing is of a paused monitor), while no scheduler checks anything yet: nothing is due."""
    from sqlalchemy import update

    from kener.db import transaction
    from kener.models import Monitor

    with transaction() as session:
        session.execute(update(Monitor).values(is_active=active))


def _configurations() -> None:
    from kener.domain.inputs import AlertConfigurationInput
    from kener.services import configurations

    touchy = ["search", "checkout"]
    others = [service.tag for service in SERVICES if service.tag not in touchy]
    for given in (
        {"monitor_tags": others, "alert_value": "DOWN", "severity": "CRITICAL"},
        {"monitor_tags": touchy, "alert_value": "DEGRADED"},
    ):
        configurations.create(AlertConfigurationInput(create_incident=True, **given), actor=_actor())


def _history(ids: dict[str, int], days: int) -> None:
    """Record the past day by day, oldest first, by the same code that records live samples."""
    from kener.db import transaction
    from kener.domain.status import Status
    from kener.services import recording
    from kener.services.recording import Observed

    chance = random.Random(7)  # noqa: S311 - the same company every time
    now = clock.epoch()
    streams = {service.tag: _samples(service, now, days, chance) for service in SERVICES}
    with click.progressbar(range(days, -1, -1), label="Recording the past", file=sys.stderr) as bar:
        waiting: dict[str, tuple[int, str, int, int | None, str | None] | None] = {
            tag: next(s, None) for tag, s in streams.items()
        }
        for day in bar:
            until, batch = now - (day - 1) * DAY, []
            for tag, stream in streams.items():
                item = waiting[tag]
                while item is not None and item[0] < until:
                    at, status, span, latency, error = item
                    batch.append(Observed(ids[tag], at, Status(status), span, latency, error))
                    item = next(stream, None)
                waiting[tag] = item
            with transaction() as session:
                recording.record(session, batch, recording.lock(session, ids.values()))


def _samples(
    service: Service, now: int, days: int, chance: random.Random
) -> Iterator[tuple[int, str, int, int | None, str | None]]:
    """`(at, status, span, latency, error)`: every 5 minutes, every minute around trouble and during the last day."""
    midnight = now - now % DAY
    troubles = []
    for trouble in service.troubles:
        start = midnight - trouble.days_ago * DAY + int(trouble.hour * 3600)
        troubles.append((start, start + trouble.minutes * MINUTE, trouble))
    at = now - min(days, service.monitored_days) * DAY
    at -= at % 300
    while at < now - MINUTE:
        near = at > now - DAY or any(start - 1800 <= at < end + 1800 for start, end, _ in troubles)
        step = MINUTE if near else 300
        current = next((trouble for start, end, trouble in troubles if start <= at < end), None)
        usual = service.latency_ms * (1 + 0.15 * chance.random()) + chance.expovariate(0.05)
        if current is None:
            yield at, "UP", step, int(usual), None
        elif current.status == "DOWN":
            yield at, "DOWN", step, None, current.error
        else:
            yield at, "DEGRADED", step, int(usual * 12), current.error
        at += step


_UPDATES = {
    "webhooks": "A release closed idle connections too early. It was rolled back; held webhooks are being sent.",
    "checkout": "Order confirmations arrive late while webhooks are held. No order is lost.",
    "search": "An index rebuild takes more disk than planned. It will run at night, with a limit, from now on.",
    "payment-api": "A storage node behind the ledger stopped answering; traffic moves to its stand-by. Accepted payments are safe.",
}


def _words() -> None:
    """What operators wrote into the automatic incidents."""
    from sqlalchemy import select

    from kener.db import reading
    from kener.domain.incidents import IncidentState
    from kener.domain.inputs import UpdateInput
    from kener.models import AffectedMonitor, Incident
    from kener.services import incidents

    query = select(Incident.id, Incident.start_at, Incident.end_at, AffectedMonitor.monitor_tag).join(AffectedMonitor)
    for incident_id, start_at, end_at, tag in reading().execute(query).all():
        if tag in _UPDATES and end_at is not None and end_at - start_at > timedelta(minutes=6):
            found = UpdateInput(
                state=IncidentState.IDENTIFIED, text=_UPDATES[tag], at=start_at + (end_at - start_at) / 3
            )
            incidents.post_update(incident_id, found, actor=_actor())


def _maintenance() -> None:
    from kener.domain.inputs import MaintainedInput, MaintenanceInput
    from kener.domain.status import Status
    from kener.services import maintenances

    start = clock.now().replace(hour=22, minute=0, second=0, microsecond=0) + timedelta(days=3)
    given = MaintenanceInput(
        title="New network switches in Frankfurt",
        description="Uploads to Frankfurt are served from Virginia meanwhile. Expect up to 90 ms more for each request.",
        start_at=start,
        duration_s=90 * 60,
        monitors=[MaintainedInput(monitor_tag="storage-fra")],
    )
    maintenances.plan(given, actor=_actor())
    sunday = (clock.now() + timedelta(days=6 - clock.now().weekday())).replace(tzinfo=None)
    weekly = MaintenanceInput(
        title="Database patches",
        description="Reports load a few seconds later while each replica restarts.",
        start_at=sunday.replace(hour=2, minute=0, second=0, microsecond=0),
        duration_s=60 * 60,
        rrule="FREQ=WEEKLY;BYDAY=SU",
        timezone="Europe/Berlin",
        monitors=[MaintainedInput(monitor_tag="reporting-db", impact=Status.DEGRADED)],
    )
    maintenances.plan(weekly, actor=_actor())


def _resume() -> None:
    """The past is recorded: from now on the monitors are checked."""
    from kener.services import monitors

    _set_active(False)
    for service in SERVICES:
        monitors.resume(service.tag, actor=_actor())


def lower_thresholds() -> None:
    """Thresholds that show something within two minutes."""
    from sqlalchemy import select

    from kener.db import reading
    from kener.domain.inputs import AlertConfigurationInput
    from kener.models import AlertConfiguration
    from kener.services import configurations

    for configuration in reading().scalars(select(AlertConfiguration).order_by(AlertConfiguration.id)).all():
        given = AlertConfigurationInput(
            monitor_tags=[monitor.tag for monitor in configuration.monitors],
            alert_value=configuration.alert_value,
            severity=configuration.severity,
            create_incident=True,
            failure_threshold=2,
            success_threshold=2,
        )
        configurations.update(configuration.id, given, actor=_actor())


def run(settings: Settings) -> None:
    """Build the company on first use, print the way in, and start everything with the simulated services."""
    from kener.app import create_app
    from kener.cli.migrate import ensure_current
    from kener.cli.up import run_up

    ensure_current(settings)
    port = _service_port(settings.data_dir)
    password = _prepare(create_app(settings, web=False), settings.data_dir, port)
    click.echo(f"Sign in at http://{settings.host}:{settings.port}/sign-in as {EMAIL} with the password {password}")
    click.echo("Payment API fails 20 s after the start for 45 s, then every two minutes; Search is slow in between.")
    services = [sys.executable, "-m", "kener.cli.simulation", str(port)]
    run_up(settings, workers=settings.workers, extra={"services": services})


def _prepare(app: Any, data_dir: Path, port: int) -> str:
    kept = data_dir / "demo-password"
    if kept.exists():
        return kept.read_text().strip()
    from kener.models import Role
    from kener.services import accounts

    password = f"{secrets.token_hex(3)}-{secrets.token_hex(3)}-{secrets.token_hex(3)}"
    with app.app_context():
        fill(days=90, base_url=f"http://127.0.0.1:{port}")
        lower_thresholds()
        accounts.create_user(email=EMAIL, password=password, role=Role.OWNER, actor=_actor())
    kept.touch(mode=0o600)
    kept.write_text(password)
    return password


def _service_port(data_dir: Path) -> int:
    """The simulated services keep their port over restarts, since monitors point there."""
    kept = data_dir / "demo-port"
    if not kept.exists():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            kept.write_text(str(probe.getsockname()[1]))
    return int(kept.read_text())
