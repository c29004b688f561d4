"""The home page: the verdict, the ledger, what is going on and what was."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from kener import clock
from kener.domain import display
from kener.domain.status import Status
from kener.models import Page
from kener.queries import pages, site
from kener.queries.public.incidents import IncidentRow, recent_incidents
from kener.queries.public.ledger import DAYS, MonitorRow, monitors
from kener.queries.public.maintenance import WindowRow, windows_ahead
from kener.queries.site import Site

PAST_DAYS = 7


@dataclass(frozen=True, slots=True)
class PastDays:
    """A day with its incidents, or a run of days without any."""

    first: date
    last: date
    incidents: tuple[IncidentRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Home:
    """Everything on the home page."""

    site: Site
    now: datetime
    verdict: display.Verdict
    counts: tuple[tuple[Status, int], ...]
    checked_at: datetime | None
    sections: tuple[tuple[str, tuple[MonitorRow, ...]], ...]
    dates: tuple[date, ...]
    active: tuple[IncidentRow, ...]
    windows: tuple[WindowRow, ...]
    past: tuple[PastDays, ...]
    has_monitors: bool = field(default=True)
    has_exclusions: bool = field(default=False)
    page: Page | None = None
    pages: tuple[tuple[str, str], ...] = ()


def home(session: Session, *, staff: bool = False, page: Page | None = None) -> Home:
    """The home page, or a page of its own with its monitors. `pages`: path and title of all of those."""
    here, now = site.read(session), clock.now()
    page_id = page.id if page else None
    rows = monitors(session, here, staff=staff, page_id=page_id)
    incidents = recent_incidents(session, since=now - timedelta(days=PAST_DAYS), staff=staff, page_id=page_id)
    counts = [(status, sum(1 for row in rows if row.status is status)) for status in _ORDER]
    today = now.astimezone(here.tz).date()
    return Home(
        site=here,
        now=now,
        verdict=display.verdict([(row.name, row.status) for row in rows]),
        counts=tuple((status, number) for status, number in counts if number),
        checked_at=max((row.checked_at for row in rows if row.checked_at), default=None),
        sections=_sections(rows),
        dates=tuple(today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)),
        active=tuple(incident for incident in incidents if incident.is_open),
        windows=windows_ahead(session, staff=staff, page_id=page_id),
        past=_past(incidents, today, here.tz),
        has_monitors=bool(rows),
        has_exclusions=any(row.has_exclusions for row in rows),
        page=page,
        pages=tuple((one.path, one.title) for one in pages.listed(session)),
    )


_ORDER = (Status.DOWN, Status.DEGRADED, Status.MAINTENANCE, Status.NO_DATA, Status.UP)


def _sections(rows: Sequence[MonitorRow]) -> tuple[tuple[str, tuple[MonitorRow, ...]], ...]:
    """Monitors by category, in the order in which the categories first appear."""
    order = list(dict.fromkeys(row.section for row in rows))
    ordered = sorted(rows, key=lambda row: order.index(row.section))
    return tuple((name, tuple(group)) for name, group in groupby(ordered, key=lambda row: row.section))


def _past(incidents: Sequence[IncidentRow], today: date, zone: ZoneInfo) -> tuple[PastDays, ...]:
    """The last seven days, newest first, by the day on which incidents began; quiet days in a row share a line.

    An incident that began before stands on the day on which it ended.
    """
    ended: dict[date, list[IncidentRow]] = defaultdict(list)
    for one in incidents:
        if one.end_at is not None:
            began, over = (moment.astimezone(zone).date() for moment in (one.start_at, one.end_at))
            ended[began if (today - began).days < PAST_DAYS else over].append(one)
    days: list[PastDays] = []
    for back in range(PAST_DAYS):
        day = today - timedelta(days=back)
        if day in ended:
            days.append(PastDays(day, day, tuple(ended[day])))
        elif days and not days[-1].incidents:
            days[-1] = PastDays(day, days[-1].last)
        else:
            days.append(PastDays(day, day))
    return tuple(days) if ended else ()
