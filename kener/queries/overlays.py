"""What people have laid over monitors: incidents opened by hand, maintenance, excluded windows. Three or four statements."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain.incidents import Source
from kener.domain.layers import Level, Overlay
from kener.domain.status import Status
from kener.models import (
    AffectedMonitor,
    ExcludedWindow,
    Incident,
    MaintenanceMonitor,
    MaintenanceWindow,
    WindowState,
)

NEVER = 1 << 62
Found = Iterable[tuple[int, Overlay]]


def overlays(session: Session, ids: Sequence[int], *, since: int, until: int) -> dict[int, list[Overlay]]:
    """The overlays of each monitor that touch `[since, until]`, in seconds since 1970; their ends are not cut."""
    found: dict[int, list[Overlay]] = defaultdict(list)
    if ids:
        for read in (_impacts, _windows, _exclusions):
            for monitor_id, overlay in read(session, ids, since, until):
                found[monitor_id].append(overlay)
    return found


def _impacts(session: Session, ids: Sequence[int], since: int, until: int) -> Found:
    """Incidents that people opened, from their start until the impact ended. Automatic ones say no more than was observed."""
    query = (
        select(
            AffectedMonitor.monitor_id,
            AffectedMonitor.impact,
            Incident.start_at,
            AffectedMonitor.ended_at,
            Incident.end_at,
        )
        .join(Incident, Incident.id == AffectedMonitor.incident_id)
        .where(
            AffectedMonitor.monitor_id.in_(ids),
            Incident.source != Source.ALERT,
            Incident.is_drill.is_(False),
            Incident.start_at <= clock.at(until),
            or_(Incident.end_at.is_(None), Incident.end_at > clock.at(since)),
        )
    )
    for monitor_id, impact, start, *ends in session.execute(query):
        if monitor_id is not None:
            end = min((_seconds(end) for end in ends if end), default=NEVER)
            yield monitor_id, Overlay(_seconds(start), end, Level.INCIDENT, impact)


def _windows(session: Session, ids: Sequence[int], since: int, until: int) -> Found:
    """Windows that were not cancelled. Many monitors may share many windows: each is read once.

    Maintenance that is switched off has no window that is to come; those that were stay what they were.
    """
    windows = select(MaintenanceWindow.maintenance_id, MaintenanceWindow.start_at, MaintenanceWindow.end_at).where(
        MaintenanceWindow.state != WindowState.CANCELLED,
        MaintenanceWindow.end_at > clock.at(since),
        MaintenanceWindow.start_at <= clock.at(until),
    )
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for maintenance_id, start, end in session.execute(windows):
        spans[maintenance_id].append((_seconds(start), _seconds(end)))
    if not spans:
        return
    links = select(MaintenanceMonitor.maintenance_id, MaintenanceMonitor.monitor_id, MaintenanceMonitor.impact).where(
        MaintenanceMonitor.maintenance_id.in_(list(spans)), MaintenanceMonitor.monitor_id.in_(ids)
    )
    made: dict[tuple[int, Status], list[Overlay]] = {}
    for maintenance_id, monitor_id, impact in session.execute(links):
        if (maintenance_id, impact) not in made:
            made[maintenance_id, impact] = [Overlay(*span, Level.MAINTENANCE, impact) for span in spans[maintenance_id]]
        for overlay in made[maintenance_id, impact]:
            yield monitor_id, overlay


def _exclusions(session: Session, ids: Sequence[int], since: int, until: int) -> Found:
    query = select(ExcludedWindow.monitor_id, ExcludedWindow.start_at, ExcludedWindow.end_at).where(
        ExcludedWindow.monitor_id.in_(ids), ExcludedWindow.end_at > since, ExcludedWindow.start_at <= until
    )
    for monitor_id, start, end in session.execute(query):
        yield monitor_id, Overlay.excluded(start, end)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
