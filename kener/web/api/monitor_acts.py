"""Acts on monitors: clone, change many at once, restore what was deleted."""

from dataclasses import replace

from flask import Blueprint
from pydantic import Field

from kener.db import db
from kener.queries import api as rows
from kener.queries import monitors as lines
from kener.queries.monitors import DeletedLine
from kener.services import bulk, cloning, trash
from kener.services.bulk import BulkInput
from kener.services.cloning import CloneInput
from kener.web.api.auth import actor, api_key_required
from kener.web.api.monitors import MonitorAnswer
from kener.web.api.operations import Answer, Listed, Message, found, operation
from kener.web.api.reading import Body, Paging
from kener.web.urls import origin

TAG = "Monitor acts"
bp = Blueprint("api_monitor_acts", __name__)


class NewClone(Body, CloneInput):
    """What the clone is called, and what it joins."""


class BulkChange(Body, BulkInput):
    """One act on many monitors, and what it needs: labels, section, page_id or interval_seconds."""


class BulkAnswer(Answer):
    """How many monitors were changed."""

    changed: int
    missing: list[str] = Field(description="Tags of monitors that are not there.")


class DeletedList(Listed):
    """Deleted monitors, the newest first."""

    deleted_monitors: list[DeletedLine]


@bp.post("/monitors/<tag:monitor_tag>/clone")
@api_key_required
@operation(tag=TAG, body=NewClone, answer=MonitorAnswer, status=201)
def clone(monitor_tag: str, body: NewClone) -> Answer:
    """Copy a monitor.

    The copy is paused and has no samples. A heartbeat gets an address of its own, which is in this answer only.
    """
    saved = cloning.clone(monitor_tag, body, actor=actor())
    monitor = found(rows.monitor(saved.tag))
    if saved.secret is not None:
        monitor = replace(monitor, heartbeat_url=f"{origin()}/ext/heartbeat/{saved.tag}/{saved.secret}")
    return MonitorAnswer(monitor=monitor)


@bp.post("/bulk/monitors")
@api_key_required
@operation(tag=TAG, body=BulkChange, answer=BulkAnswer)
def change_many(body: BulkChange) -> Answer:
    """Change many monitors.

    At most 1,000 at once. What is not there is named and left out.
    """
    done = bulk.apply(body, actor=actor())
    return BulkAnswer(changed=done.changed, missing=list(done.missing))


@bp.get("/deleted-monitors")
@api_key_required
@operation(tag=TAG, query=Paging, answer=DeletedList)
def deleted(query: Paging) -> Answer:
    """List what was deleted within seven days."""
    part = lines.deleted(db.session(), page=query.page, size=query.limit)
    return DeletedList(deleted_monitors=list(part.rows), page=part.page, limit=query.limit, total=part.total)


@bp.post("/deleted-monitors/<tag:monitor_tag>/restore")
@api_key_required
@operation(tag=TAG, answer=MonitorAnswer)
def restore(monitor_tag: str) -> Answer:
    """Have a deleted monitor back.

    With its samples; it is checked again at once, unless it was paused.
    """
    trash.restore(monitor_tag, actor=actor())
    return MonitorAnswer(monitor=found(rows.monitor(monitor_tag)))


@bp.delete("/deleted-monitors/<tag:monitor_tag>")
@api_key_required
@operation(tag=TAG, answer=Message)
def purge(monitor_tag: str) -> Answer:
    """Delete a deleted monitor for good.

    Its samples go with it, and alert configurations that watch nothing else.
    """
    trash.purge(monitor_tag, actor=actor())
    return Message(message=f"The monitor {monitor_tag} is gone for good.")
