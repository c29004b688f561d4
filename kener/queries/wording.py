"""What an automatic incident would say: the templates of a configuration on an invented alert."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from kener import clock
from kener.domain import templates
from kener.domain.inputs import AlertConfigurationInput
from kener.models import Monitor
from kener.queries import site


@dataclass(frozen=True, slots=True)
class Preview:
    """The automatic texts of one incident; both updates are Markdown."""

    monitor_name: str
    title: str
    first_update: str
    closing_update: str


def preview(session: Session, given: AlertConfigurationInput, *, monitor_tags: Sequence[str] = ()) -> Preview:
    """What a configuration would say, saved or not, of the first of these monitors that exists, or of an invented one."""
    here = site.read(session)
    names = select(Monitor.tag, Monitor.name).where(Monitor.tag.in_(monitor_tags))
    known = {row.tag: row.name for row in session.execute(names)}
    tag = next((tag for tag in monitor_tags if tag in known), "payment-api")
    resolved = templates.sample(
        given.rule,
        monitor_name=known.get(tag, "Payment API"),
        monitor_tag=tag,
        now=clock.now(),
        site_name=here.name,
        site_url=here.url,
    )
    triggered = replace(resolved, resolved_at=None)
    return Preview(
        monitor_name=resolved.monitor_name,
        title=templates.title(triggered, given.title_template),
        first_update=templates.first_update(triggered, given.first_update_template),
        closing_update=templates.closing_update(
            resolved, given.closing_update_template, started_at=resolved.triggered_at
        ),
    )
