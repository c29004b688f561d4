"""Cloning: a monitor like another one, paused, with secrets of its own."""

import secrets
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, insert, inspect, select
from sqlalchemy.orm import Session

from kener import live
from kener.db import transaction
from kener.domain.inputs import Flag, Input, Name, Tag
from kener.domain.specs import MonitorType
from kener.models import (
    GroupMember,
    Monitor,
    MonitorLabel,
    MonitorParent,
    MonitorState,
    PageMonitor,
    configuration_monitor,
)
from kener.services import audit
from kener.services.audit import Actor
from kener.services.errors import NotFound
from kener.services.heartbeats import hash_secret
from kener.services.monitors import Saved, refuse_taken

_OWN = {"id", "tag", "name", "heartbeat_hash", "position", "version", "created_at", "updated_at", "is_active"}


class CloneInput(Input):
    """What the clone is called, and whether the alert configurations and pages of the original take it in."""

    tag: Tag
    name: Name
    with_alerts: Flag = False
    with_pages: Annotated[Flag, Field()] = True


def clone(tag: str, given: CloneInput, *, actor: Actor) -> Saved:
    """Copy a monitor with everything but its samples and secrets. The copy is paused. Raises NotFound, Refused.

    A heartbeat gets an address of its own, which is in the answer and cannot be read again.
    """
    with transaction() as session:
        original = session.scalars(select(Monitor).where(Monitor.tag == tag)).one_or_none()
        if original is None:
            raise NotFound
        refuse_taken(session, given.tag)
        copied = {
            column.key: getattr(original, column.key)
            for column in inspect(Monitor).column_attrs
            if column.key not in _OWN
        }
        secret = secrets.token_urlsafe(24) if original.monitor_type is MonitorType.HEARTBEAT else None
        made = Monitor(
            **copied,
            tag=given.tag,
            name=given.name,
            is_active=False,
            heartbeat_hash=hash_secret(secret) if secret else None,
            position=(session.scalar(select(func.max(Monitor.position))) or 0) + 1,
            state=MonitorState(),
            labels=[MonitorLabel(label=one.label) for one in original.labels],
        )
        session.add(made)
        session.flush()
        _follow(session, original.id, made.id, given)
        audit.note(session, actor, "clone", f"monitor-{made.id}", f"{made.name}, from {original.name}")
        saved = Saved(made.id, made.tag, secret)
    live.publish()
    return saved


def _follow(session: Session, original_id: int, made_id: int, given: CloneInput) -> None:
    """What the original belongs to: the copy depends on the same parents, and a copied group has the same members."""
    parents = session.scalars(select(MonitorParent.parent_id).where(MonitorParent.monitor_id == original_id)).all()
    session.add_all(MonitorParent(monitor_id=made_id, parent_id=parent_id) for parent_id in parents)
    members = session.scalars(select(GroupMember).where(GroupMember.group_id == original_id)).all()
    session.add_all(GroupMember(group_id=made_id, member_id=one.member_id, weight=one.weight) for one in members)
    if given.with_alerts:
        link = configuration_monitor.c
        watching = session.scalars(select(link.config_id).where(link.monitor_id == original_id)).all()
        for config_id in watching:
            session.execute(insert(configuration_monitor).values(config_id=config_id, monitor_id=made_id))
    if given.with_pages:
        pages = session.scalars(select(PageMonitor).where(PageMonitor.monitor_id == original_id)).all()
        session.add_all(PageMonitor(page_id=one.page_id, monitor_id=made_id, position=one.position) for one in pages)
