"""One change for many monitors."""

from typing import Any

import pytest
from pydantic import ValidationError

from kener import clock
from kener.db import transaction
from kener.domain.alerting import AlertStatus
from kener.domain.inputs import mistakes
from kener.models import Alert, AuditEntry, Monitor, MonitorState, Page, PageMonitor
from kener.services import bulk, scheduling
from kener.services.bulk import BulkInput, Done
from kener.services.errors import Refused
from tests.factories import SAM, count, every, make_configuration, make_monitor, observe, only
from tests.support.statements import counted

pytestmark = pytest.mark.usefixtures("app")


def do(act: str, *tags: str, **fields: Any) -> Done:
    return bulk.apply(BulkInput.model_validate({"tags": tags, "act": act, **fields}), actor=SAM)


def labels() -> dict[str, list[str]]:
    return {monitor.tag: [one.label for one in monitor.labels] for monitor in every(Monitor)}


def test_many_are_paused_and_resumed_and_their_alerts_end() -> None:
    for tag in ("api", "web", "db"):
        make_monitor(tag)
    make_configuration("api", failure_threshold=1)
    observe("api", "DOWN")
    assert do("pause", "api", "web", "nobody") == Done(2, ("nobody",))
    assert [monitor.is_active for monitor in every(Monitor)] == [False, False, True]
    assert only(Alert).alert_status is AlertStatus.RESOLVED
    assert do("resume", "api", "web") == Done(2)
    assert all(monitor.is_active for monitor in every(Monitor))


def test_labels_are_added_and_taken_away() -> None:
    make_monitor("api", labels=["eu"])
    make_monitor("web")
    assert do("label", "api", "web", "nobody", labels="shop, eu") == Done(2, ("nobody",))
    assert labels() == {"api": ["eu", "shop"], "web": ["eu", "shop"]}
    do("unlabel", "api", labels=["eu", "unknown"])
    assert labels() == {"api": ["shop"], "web": ["eu", "shop"]}


def test_nobody_gets_more_labels_than_there_is_room_for_and_then_nothing_is_changed() -> None:
    make_monitor("api")
    make_monitor("web", labels=[f"l{number}" for number in range(20)])
    with pytest.raises(Refused, match="more than 20 labels"):
        do("label", "api", "web", labels=["one more"])
    assert labels()["api"] == []


def test_the_interval_is_changed_and_the_next_check_follows_it() -> None:
    make_monitor("api", interval_seconds=86_400)
    make_monitor("web", cron="0 3 * * *")
    do("interval", "api", "web", interval_seconds=30)
    assert [(monitor.interval_seconds, monitor.cron) for monitor in every(Monitor)] == [(30, None)] * 2
    assert all(state.due_at is not None and state.due_at <= clock.epoch() + 30 for state in every(MonitorState))
    assert len(scheduling.claim(clock.epoch() + 31)) == 2


def test_monitors_move_to_a_section_and_to_a_page() -> None:
    ids = [make_monitor(tag) for tag in ("api", "web")]
    with transaction() as session:
        pages = [Page(path="one", title="One"), Page(path="two", title="Two")]
        session.add_all(pages)
        session.flush()
        session.add(PageMonitor(page_id=pages[0].id, monitor_id=ids[0]))
        second = pages[1].id
    do("section", "api", "web", section="Shop")
    assert {monitor.category_name for monitor in every(Monitor)} == {"Shop"}
    do("page", "api", "web", page_id=second)
    assert [(one.page_id, one.monitor_id) for one in every(PageMonitor)] == [(second, ids[0]), (second, ids[1])]
    with pytest.raises(Refused) as caught:
        do("page", "api", page_id=2_000_000)
    assert caught.value.errors == {"page_id": "There is no such page (any more)."}


def test_many_are_deleted() -> None:
    for tag in ("api", "web"):
        make_monitor(tag)
    assert do("delete", "api", "web") == Done(2)
    assert count(Monitor) == 0


def test_each_change_is_in_the_audit_trail() -> None:
    make_monitor("api")
    do("label", "api", labels=["shop"])
    last = every(AuditEntry)[-1]
    assert (last.actor, last.action, last.about) == (SAM.name, "label", f"monitor-{only(Monitor).id}")


def test_a_hundred_monitors_are_labelled_in_a_handful_of_statements() -> None:
    tags = [f"m{number}" for number in range(30)]
    for tag in tags:
        make_monitor(tag)
    with counted() as few:
        do("label", *tags[:5], labels=["a"])
    with counted() as many:
        do("label", *tags, labels=["b"])
    assert len(many) <= len(few) + 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tags": [], "act": "pause"}, "tags"),
        ({"tags": ["api"], "act": "explode"}, "act"),
        ({"tags": ["api"], "act": "label"}, "labels"),
        ({"tags": ["api"], "act": "label", "labels": ["x" * 65]}, "labels.0"),
        ({"tags": ["api"], "act": "section"}, "section"),
        ({"tags": ["api"], "act": "page"}, "page_id"),
        ({"tags": ["api"], "act": "interval", "interval_seconds": 5}, "interval_seconds"),
        ({"tags": ["api"], "act": "interval", "interval_seconds": ""}, "interval_seconds"),
    ],
)
def test_an_act_without_what_it_needs_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BulkInput.model_validate(given)
    assert set(mistakes(caught.value)) == {field}
