"""Manual data: written, deleted, previewed; it outranks what checks see, corrects the past, and rewrites no alert."""

import pytest
import time_machine

from kener import clock
from kener.db import reading
from kener.domain.alerting import AlertStatus
from kener.domain.status import Status
from kener.models import Alert, AuditEntry, Decision, Hourly, MonitorState, Sample
from kener.queries import history, site
from kener.services import manual_data, rollups
from kener.services.errors import NotFound, Refused
from kener.services.manual_data import Deletion, Edit
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    observe,
    only,
    record,
    sample,
)

pytestmark = pytest.mark.usefixtures("app")

MINUTE, HOUR, DAY = 60, 3_600, 86_400
U, G, D = Status.UP, Status.DEGRADED, Status.DOWN


@pytest.fixture(autouse=True)
def now():
    with time_machine.travel(clock.at(T0 + HOUR), tick=False) as traveller:
        yield traveller


def stored(tag: str = "api") -> list[tuple[int, str]]:
    """Minutes since T0, and the status there."""
    return [
        ((one.at - T0) // MINUTE, {1: "UP", 2: "DEGRADED", 3: "DOWN", 0: "NO_DATA"}[one.status])
        for one in every(Sample)
        if one.monitor_id == id_of(tag)
    ]


def hour_sums() -> list[tuple[int, int, int, int, int]]:
    return [(one.hour - T0, one.up_s, one.degraded_s, one.down_s, one.samples) for one in every(Hourly)]


def test_as_many_samples_are_written_as_it_says_and_they_say_who_and_why() -> None:
    make_monitor("api")
    record(sample("api", T0 + 70, "UP"), sample("api", T0 + 90, "UP"))
    number = manual_data.write("api", Edit(T0, T0 + 2 * MINUTE, D), actor=SAM, reason="The probe was wrong")
    assert number == count(Sample) == 4 and {status for _, status in stored()} == {"DOWN"}
    entry = next(one for one in every(AuditEntry) if one.action == "set samples")
    assert entry.actor == SAM.name and entry.about == f"monitor-{id_of('api')}"
    assert entry.detail == "DOWN from 2024-05-14 09:00:00 to 2024-05-14 09:03:00 UTC, 4 samples: The probe was wrong"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Edit(T0 + HOUR + MINUTE, T0 + HOUR + MINUTE, U), "end_ts"),
        (Edit(T0, T0 - MINUTE, U), "end_ts"),
        (Edit(T0 - 31 * DAY, T0, U), "end_ts"),
        (Edit(T0 - 400 * DAY, T0 - 399 * DAY, U), "start_ts"),
        (Edit(T0, T0, Status.MAINTENANCE), "status"),
        (Edit(T0, T0, Status.NO_DATA), "status"),
        (Deletion(T0, T0), "end_ts"),
        (Deletion(T0 - 31 * DAY, T0 + 1), "end_ts"),
        (Deletion(T0 - 400 * DAY, T0 - 399 * DAY), "start_ts"),
    ],
)
def test_what_cannot_be_changed_is_named_and_changes_nothing(change: Edit | Deletion, field: str) -> None:
    make_monitor("api")
    observe("api", "UP", "UP")
    act = manual_data.write if isinstance(change, Edit) else manual_data.delete
    for attempt in (lambda: act("api", change, actor=SAM), lambda: manual_data.preview("api", change)):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.errors.keys() == {field}
    assert stored() == [(0, "UP"), (1, "UP")]
    with pytest.raises(NotFound):
        act("nope", change, actor=SAM)


def test_a_deleted_span_was_not_measured() -> None:
    make_monitor("api")
    observe("api", *["UP", "DOWN", "DOWN", "UP", "UP"])
    assert hour_sums() == [(0, 120, 0, 120, 5)]
    deletion = Deletion(T0 + MINUTE, T0 + 3 * MINUTE)
    assert manual_data.delete("api", deletion, actor=SAM, reason="A test") == 2
    assert stored() == [(0, "UP"), (3, "UP"), (4, "UP")]
    assert hour_sums() == [(0, 120, 0, 0, 3)]
    assert history.figures(reading(), id_of("api"), site.read(reading()).tz)["24h"] == 1
    assert next(one for one in every(AuditEntry) if one.action == "delete samples").detail.endswith("2 samples: A test")
    assert manual_data.delete("api", deletion, actor=SAM) == 0
    assert len([one for one in every(AuditEntry) if one.action == "delete samples"]) == 1


def test_when_the_newest_samples_go_the_monitor_is_what_it_was_before_them() -> None:
    make_monitor("api")
    observe("api", "UP", "UP", "DOWN", "DOWN", latency_ms=80)
    manual_data.delete("api", Deletion(T0 + 2 * MINUTE, T0 + HOUR), actor=SAM)
    state = only(MonitorState)
    assert (state.at, state.status, state.since, state.latency_ms) == (T0 + MINUTE, U, T0, 80)
    observe("api", "UP", start=T0 + 10 * MINUTE)
    assert hour_sums() == [(0, 120, 0, 0, 3)]
    manual_data.delete("api", Deletion(T0 - HOUR, T0 + HOUR), actor=SAM)
    state = only(MonitorState)
    assert (state.at, state.status, state.since) == (None, Status.NO_DATA, None) and hour_sums() == []


def test_e7_what_was_evaluated_is_not_evaluated_again_after_it_was_deleted() -> None:
    make_monitor("api")
    make_configuration("api", failure_threshold=3)
    observe("api", "DOWN", "DOWN")
    manual_data.delete("api", Deletion(T0, T0 + HOUR), actor=SAM)
    manual_data.write("api", Edit(T0, T0 + MINUTE, D), actor=SAM)
    assert count(Alert) == 0
    observe("api", "DOWN", start=T0 + 2 * MINUTE)
    assert count(Alert) == 1


def test_e1_what_is_written_newer_than_the_newest_sample_is_evaluated() -> None:
    make_monitor("api")
    make_configuration("api", failure_threshold=2)
    observe("api", "UP")
    manual_data.write("api", Edit(T0 + MINUTE, T0 + 3 * MINUTE, D), actor=SAM)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED


def test_e7_a_correction_rewrites_no_alert() -> None:
    make_monitor("api")
    make_configuration("api", failure_threshold=2, success_threshold=2)
    observe("api", "DOWN", "DOWN", "UP", "UP", "UP")
    before = only(Alert)
    told = (before.alert_status, before.triggered_at, before.resolved_at, count(Decision))
    manual_data.write("api", Edit(T0, T0 + MINUTE, U), actor=SAM)
    manual_data.delete("api", Deletion(T0, T0 + MINUTE), actor=SAM)
    after = only(Alert)
    assert (after.alert_status, after.triggered_at, after.resolved_at, count(Decision)) == told
    assert history.figures(reading(), id_of("api"), site.read(reading()).tz)["24h"] == 1


def test_a_minute_that_was_written_by_hand_keeps_its_value_whatever_checks_bring() -> None:
    make_monitor("api")
    record(sample("api", T0 + HOUR - MINUTE, "UP"))
    manual_data.write("api", Edit(T0 + HOUR, T0 + HOUR, D), actor=SAM)
    for second in (17, 27, 59):
        record(sample("api", T0 + HOUR + second, "UP"))
    assert stored()[-1] == (60, "DOWN") and len(stored()) == 2 and only(MonitorState).status is D
    record(sample("api", T0 + HOUR + MINUTE, "UP"))
    assert only(MonitorState).status is U and hour_sums()[-1] == (HOUR, 0, 0, 60, 2)


def test_a_check_that_comes_late_into_a_minute_written_by_hand_is_not_kept() -> None:
    make_monitor("api")
    observe("api", "UP", start=T0 + 10 * MINUTE)
    manual_data.write("api", Edit(T0 + 2 * MINUTE, T0 + 3 * MINUTE, D), actor=SAM)
    record(*(sample("api", T0 + n * MINUTE + 20, "UP") for n in (1, 2, 3, 4)))
    assert stored() == [(1, "UP"), (2, "DOWN"), (3, "DOWN"), (4, "UP"), (10, "UP")]


def test_after_the_minute_was_deleted_checks_count_again() -> None:
    make_monitor("api")
    manual_data.write("api", Edit(T0 + HOUR, T0 + HOUR, D), actor=SAM)
    manual_data.delete("api", Deletion(T0 + HOUR, T0 + HOUR + MINUTE), actor=SAM)
    record(sample("api", T0 + HOUR + 17, "UP"))
    assert stored() == [(60, "UP")]


def test_a_preview_tells_what_would_change_and_changes_nothing() -> None:
    make_monitor("api")
    make_configuration("api", failure_threshold=2)
    observe("api", "UP", "UP", "UP", "UP")
    before = (stored(), hour_sums(), only(MonitorState).at)
    found = manual_data.preview("api", Edit(T0 + 2 * MINUTE, T0 + 7 * MINUTE, D))
    assert (found.samples, found.replaced, found.evaluated) == (6, 2, 4)
    assert (found.configurations, found.triggered, found.resolved) == (1, 1, 0)
    assert found.uptimes[0] == ("24h", 1, 2 / 8)
    found = manual_data.preview("api", Deletion(T0, T0 + 2 * MINUTE))
    assert (found.samples, found.replaced, found.evaluated, found.configurations) == (2, 2, 0, 0)
    assert (stored(), hour_sums(), only(MonitorState).at) == before and count(Alert) == 0


def test_after_any_change_the_roll_ups_are_what_the_samples_say() -> None:
    make_monitor("api")
    observe("api", *["UP", "DOWN", "UP", "DEGRADED"] * 20)
    manual_data.write("api", Edit(T0 + 5 * MINUTE, T0 + 20 * MINUTE, G, 90, 10), actor=SAM)
    manual_data.delete("api", Deletion(T0 + 30 * MINUTE, T0 + 33 * MINUTE + 30), actor=SAM)
    manual_data.delete("api", Deletion(T0 + 59 * MINUTE, T0 + 61 * MINUTE), actor=SAM)
    kept = hour_sums()
    from kener.db import transaction

    with transaction() as session:
        rollups.recompute(session, id_of("api"), start=T0, end=T0 + 2 * HOUR, zone=site.read(session).tz)
    assert hour_sums() == kept
