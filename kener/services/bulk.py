"""The same change for many monitors: pause, resume, label, move, change the interval, delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from kener import live
from kener.db import transaction
from kener.domain.inputs import Input, Labels, Name, Tag, blank_to_none
from kener.domain.schedule import MAX_INTERVAL_S, MIN_INTERVAL_S
from kener.models import Monitor, MonitorLabel, Page, PageMonitor
from kener.services import audit, monitors, scheduling
from kener.services.audit import Actor
from kener.services.errors import NotFound, Refused

Act = Literal["pause", "resume", "label", "unlabel", "section", "page", "interval", "delete"]
MAX_LABELS = 20


class BulkInput(Input):
    """What is done to which monitors. Each act needs the field that bears on it: `labels`, `section`, `page_id`, `interval_seconds`."""

    tags: Annotated[list[Tag], Field(min_length=1, max_length=1000)]
    act: Act
    labels: Labels = []
    section: Annotated[Name | None, BeforeValidator(blank_to_none)] = None
    page_id: Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | None, BeforeValidator(blank_to_none)] = None
    interval_seconds: Annotated[
        Annotated[int, Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S)] | None, BeforeValidator(blank_to_none)
    ] = None

    @model_validator(mode="after")
    def _what_it_needs(self) -> Self:
        needed = {"label": "labels", "unlabel": "labels", "section": "section", "page": "page_id"}
        name = needed.get(self.act) or ("interval_seconds" if self.act == "interval" else None)
        if name and not getattr(self, name):
            raise ValueError(f"{name}: This field is needed.")
        return self


@dataclass(frozen=True, slots=True)
class Done:
    """How many monitors were changed, and the tags of those that are not there (any more)."""

    changed: int
    missing: tuple[str, ...] = ()


def apply(given: BulkInput, *, actor: Actor) -> Done:
    """Do it to all of them. Pausing, resuming and deleting go one by one, as if each had been asked for. Raises Refused."""
    match given.act:
        case "pause":
            return _one_by_one(given.tags, lambda tag: monitors.pause(tag, actor=actor))
        case "resume":
            return _one_by_one(given.tags, lambda tag: monitors.resume(tag, actor=actor))
        case "delete":
            return _one_by_one(given.tags, lambda tag: monitors.delete(tag, actor=actor))
    with transaction() as session:
        query = select(Monitor).where(Monitor.tag.in_(given.tags)).order_by(Monitor.id)
        found = list(session.scalars(query.options(selectinload(Monitor.labels))))
        _change(session, found, given)
        audit.note_all(session, actor, given.act, [(f"monitor-{monitor.id}", monitor.name) for monitor in found])
        missing = tuple(tag for tag in given.tags if tag not in {monitor.tag for monitor in found})
        done = Done(len(found), missing)
    live.publish()
    return done


def _one_by_one(tags: Sequence[str], act: Callable[[str], None]) -> Done:
    missing = []
    for tag in tags:
        try:
            act(tag)
        except NotFound:
            missing.append(tag)
    return Done(len(tags) - len(missing), tuple(missing))


def _change(session: Session, found: Sequence[Monitor], given: BulkInput) -> None:
    for monitor in found:
        monitor.version += 1
    match given.act:
        case "label" | "unlabel":
            for monitor in found:
                _label(monitor, given)
        case "section":
            for monitor in found:
                monitor.category_name = given.section or monitor.category_name
        case "interval":
            for monitor in found:
                monitor.interval_seconds, monitor.cron = given.interval_seconds, None
            session.flush()
            for monitor in found:
                scheduling.plan(session, monitor, soon=False)
        case "page":
            _move(session, found, given.page_id or 0)


def _label(monitor: Monitor, given: BulkInput) -> None:
    has = {one.label: one for one in monitor.labels}
    if given.act == "unlabel":
        monitor.labels = [one for label, one in has.items() if label not in given.labels]
        return
    wanted = dict.fromkeys([*has, *given.labels])
    if len(wanted) > MAX_LABELS:
        raise Refused({"labels": f"{monitor.name} would have more than {MAX_LABELS} labels."})
    monitor.labels = [has.get(label) or MonitorLabel(label=label) for label in wanted]


def _move(session: Session, found: Sequence[Monitor], page_id: int) -> None:
    """To one page, away from the others."""
    if session.get(Page, page_id) is None:
        raise Refused({"page_id": "There is no such page (any more)."})
    ids = [monitor.id for monitor in found]
    for one in session.scalars(select(PageMonitor).where(PageMonitor.monitor_id.in_(ids))):
        session.delete(one)
    session.flush()
    last = session.scalars(select(PageMonitor.position).where(PageMonitor.page_id == page_id)).all()
    start = max(last, default=0) + 1
    session.add_all(
        PageMonitor(page_id=page_id, monitor_id=monitor_id, position=start + number)
        for number, monitor_id in enumerate(ids)
    )
