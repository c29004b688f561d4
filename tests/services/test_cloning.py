"""A clone is like its original, paused, with secrets of its own."""

import pytest

from kener import clock
from kener.db import transaction
from kener.domain.inputs import MonitorInput
from kener.models import AlertConfiguration, Monitor, MonitorParent, Page, PageMonitor, Sample
from kener.services import cloning, monitors, scheduling
from kener.services.cloning import CloneInput
from kener.services.errors import NotFound, Refused
from kener.services.heartbeats import hash_secret
from kener.services.monitors import Saved
from tests.factories import SAM, count, every, make_configuration, make_monitor, observe, only

pytestmark = pytest.mark.usefixtures("app")


def clone(tag: str = "api", **fields: object) -> Saved:
    return cloning.clone(tag, CloneInput.model_validate({"tag": "copy", "name": "Copy", **fields}), actor=SAM)


def test_a_clone_has_the_settings_and_labels_of_its_original_and_is_paused() -> None:
    settings = {"url": "https://shop.example/", "headers": [{"key": "X", "value": "$TOKEN"}]}
    make_monitor(
        "api", monitor_type="API", type_data=settings, interval_seconds=30, labels=["eu", "shop"], description="Shop"
    )
    observe("api", "UP")
    assert clone().secret is None
    original, copy = every(Monitor)
    assert copy.type_data == original.type_data
    assert (copy.name, copy.interval_seconds, copy.description, copy.is_active) == ("Copy", 30, "Shop", False)
    assert [one.label for one in copy.labels] == ["eu", "shop"]
    assert count(Sample) == 1
    assert [claim.monitor_id for claim in scheduling.claim(clock.epoch() + 60)] == [original.id]


def test_a_cloned_heartbeat_has_an_address_of_its_own() -> None:
    made = monitors.create(MonitorInput(tag="job", name="Job", monitor_type="HEARTBEAT", type_data={}), actor=SAM)
    saved = clone("job")
    assert saved.secret is not None
    assert saved.secret != made.secret
    first, second = every(Monitor)
    assert second.heartbeat_hash == hash_secret(saved.secret) != first.heartbeat_hash


def test_a_clone_joins_alert_configurations_only_when_asked_and_pages_unless_told_not_to() -> None:
    mine, parent = make_monitor(), make_monitor("parent")
    make_configuration("api")
    with transaction() as session:
        page = Page(path="shop", title="Shop")
        session.add_all([page, MonitorParent(monitor_id=mine, parent_id=parent)])
        session.flush()
        session.add(PageMonitor(page_id=page.id, monitor_id=mine))
    copy = clone().id
    assert [one.tag for one in only(AlertConfiguration).monitors] == ["api"]
    assert [one.monitor_id for one in every(PageMonitor)] == [mine, copy]
    assert [(one.monitor_id, one.parent_id) for one in every(MonitorParent)] == [(mine, parent), (copy, parent)]
    again = CloneInput(tag="second", name="Second", with_alerts=True, with_pages=False)
    cloning.clone("api", again, actor=SAM)
    assert [one.tag for one in only(AlertConfiguration).monitors] == ["api", "second"]
    assert count(PageMonitor) == 2


def test_a_taken_tag_and_a_missing_original_are_refused() -> None:
    make_monitor()
    with pytest.raises(Refused, match="taken"):
        cloning.clone("api", CloneInput(tag="api", name="Copy"), actor=SAM)
    with pytest.raises(NotFound):
        clone("nobody")
    assert count(Monitor) == 1
