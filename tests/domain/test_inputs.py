"""What people and programs may enter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.alerting import AlertType, Severity
from kener.domain.inputs import (
    AlertConfigurationInput,
    IncidentInput,
    Input,
    MaintenanceInput,
    MonitorInput,
    SpanInput,
    UpdateInput,
    check,
)
from kener.domain.status import Status

URL = "https://shop.example"
NOON, ONE = "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"
GOOD: dict[type[Input], dict[str, Any]] = {
    MonitorInput: {"tag": "shop", "name": "Shop", "type_data": {"url": URL}},
    AlertConfigurationInput: {"monitor_tags": ["shop"]},
    IncidentInput: {"title": "Shop is down", "start_at": NOON},
    UpdateInput: {"state": "IDENTIFIED", "text": "We found it."},
    MaintenanceInput: {"title": "New disks", "start_at": NOON},
    SpanInput: {"start_at": NOON, "end_at": ONE},
}


def accepted(kind: type[Input], **given: Any) -> Any:
    found, mistakes = check(kind, GOOD[kind] | given)
    assert mistakes == {}
    return found


def refused(kind: type[Input], **given: Any) -> dict[str, str]:
    found, mistakes = check(kind, GOOD[kind] | given)
    assert found is None
    return mistakes


REFUSALS: list[tuple[type[Input], str, Any, str]] = [
    (MonitorInput, "tag", "", "This field is needed."),
    (MonitorInput, "tag", "-shop", "small letters"),
    (MonitorInput, "tag", "Shop", "small letters"),
    (MonitorInput, "tag", "a" * 256, "at most 255 characters"),
    (MonitorInput, "name", "a\nb", "one line"),
    (MonitorInput, "name", "   ", "This field is needed."),
    (MonitorInput, "name", None, "Enter text."),
    (MonitorInput, "name", "a" * 256, "at most 255 characters"),
    (MonitorInput, "description", "a" * 20_001, "at most 20000 characters"),
    (MonitorInput, "description", "a\0b", "NUL"),
    (MonitorInput, "external_url", "javascript:alert(1)", "http:// or https://"),
    (MonitorInput, "monitor_type", "PIGEON", "Choose one of"),
    (MonitorInput, "interval_seconds", 9, "from 10 up"),
    (MonitorInput, "interval_seconds", 86_401, "up to 86400"),
    (MonitorInput, "interval_seconds", "soon", "Enter a whole number."),
    (MonitorInput, "interval_seconds", 10.5, "Enter a whole number."),
    (MonitorInput, "cron", "* * *", "Write five fields"),
    (MonitorInput, "cron", "1," * 200 + "1 * * * *", "too long"),
    (MonitorInput, "default_status", "MAINTENANCE", "UP, DEGRADED, DOWN or NO_DATA"),
    (MonitorInput, "status", "PAUSED", "Choose one of ACTIVE or INACTIVE."),
    (MonitorInput, "is_hidden", "perhaps", "Choose yes or no."),
    (MonitorInput, "colour", "red", "There is no such field."),
    (AlertConfigurationInput, "monitor_tags", [], "Choose at least one."),
    (AlertConfigurationInput, "monitor_tags", "shop", "Give a list."),
    (AlertConfigurationInput, "alert_for", "SPEED", "Choose one of STATUS, LATENCY or UPTIME."),
    (AlertConfigurationInput, "alert_value", "SLOW", "Choose DOWN or DEGRADED."),
    (AlertConfigurationInput, "alert_value", True, "Enter text."),
    (AlertConfigurationInput, "uptime_window", "2h", "Choose one of 1h, 24h, 7d or 30d."),
    (AlertConfigurationInput, "failure_threshold", 0, "from 1 up"),
    (AlertConfigurationInput, "failure_threshold", 1.5, "Enter a whole number."),
    (AlertConfigurationInput, "success_threshold", 0, "from 1 up"),
    (AlertConfigurationInput, "success_threshold", 10_001, "up to 10000"),
    (AlertConfigurationInput, "severity", "MINOR", "Choose one of CRITICAL or WARNING."),
    (AlertConfigurationInput, "create_incident", "MAYBE", "Choose yes or no."),
    (IncidentInput, "title", "", "This field is needed."),
    (IncidentInput, "title", "a" * 256, "at most 255 characters"),
    (IncidentInput, "start_at", "yesterday", "Enter a date and time"),
    (IncidentInput, "end_at", NOON, "The end must lie after the start."),
    (IncidentInput, "monitors", [{"monitor_tag": "shop"}] * 2, "Name every monitor once."),
    (UpdateInput, "state", "DONE", "Choose one of INVESTIGATING, IDENTIFIED, MONITORING or RESOLVED."),
    (UpdateInput, "text", " \n", "This field is needed."),
    (UpdateInput, "text", "a" * 20_001, "at most 20000 characters"),
    (UpdateInput, "at", "noon", "Enter a date and time"),
    (MaintenanceInput, "title", "", "This field is needed."),
    (MaintenanceInput, "start_at", "soon", "Enter a date and time"),
    (MaintenanceInput, "duration_s", 59, "from 60 up"),
    (MaintenanceInput, "duration_s", 30 * 86_400 + 1, "up to 2592000"),
    (MaintenanceInput, "rrule", "FREQ=HOURLY", "DAILY, WEEKLY, MONTHLY or YEARLY"),
    (MaintenanceInput, "rrule", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
    (MaintenanceInput, "rrule", "x" * 501, "at most 500 characters"),
    (MaintenanceInput, "timezone", "Mars/Olympus", "Choose a time zone"),
    (MaintenanceInput, "monitors", [{"monitor_tag": "shop"}] * 2, "every monitor once"),
    (MaintenanceInput, "reminders", [1, 2, 3, 4, 5, 6], "At most 5 entries."),
    (SpanInput, "end_at", NOON, "The end must lie after the start."),
    (SpanInput, "end_at", "2026-03-31T12:00:01Z", "at most 30 days"),
]


@pytest.mark.parametrize(("kind", "field", "value", "advice"), REFUSALS)
def test_c2_a_refusal_names_its_field_and_says_what_to_do(
    kind: type[Input], field: str, value: Any, advice: str
) -> None:
    mistakes = refused(kind, **{field: value})
    assert list(mistakes) == [field]
    assert advice in mistakes[field]


@pytest.mark.parametrize("kind", GOOD)
def test_a_field_that_is_missing_is_named(kind: type[Input]) -> None:
    assert set(check(kind, {})[1].values()) == {"This field is needed."}
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    # A monitor without a type is one of HTTP, and that needs an address.
    assert set(check(kind, {})[1]) == needed | ({"type_data.url"} if kind is MonitorInput else set())


def test_every_mistake_is_told_at_once() -> None:
    assert set(refused(AlertConfigurationInput, failure_threshold=0, severity="MINOR", colour="red")) == {
        "failure_threshold",
        "severity",
        "colour",
    }


def test_a_mistake_inside_the_settings_of_a_monitor_names_its_place() -> None:
    mistakes = refused(MonitorInput, type_data={"url": "ftp://x", "timeout": 1, "headers": [{"key": "a b"}]})
    assert set(mistakes) == {"type_data.url", "type_data.timeout", "type_data.headers.0.key"}


def test_a_mistake_inside_an_incident_names_the_monitor_by_its_place() -> None:
    assert set(refused(IncidentInput, monitors=[{"monitor_tag": "shop", "impact": "UP"}])) == {"monitors.0.impact"}


def test_a_monitor_is_checked_every_minute_unless_told_otherwise() -> None:
    assert accepted(MonitorInput).interval_seconds == 60
    timed = accepted(MonitorInput, cron=" */5  * * * * ")
    assert (timed.interval_seconds, timed.cron) == (None, "*/5 * * * *")
    assert set(refused(MonitorInput, interval_seconds=60, cron="* * * * *")) == {"cron"}


def test_blank_fields_of_a_form_are_no_values() -> None:
    monitor = accepted(MonitorInput, description=" ", external_url="", cron="")
    assert (monitor.description, monitor.external_url, monitor.cron, monitor.interval_seconds) == (None, None, None, 60)


def test_c3_a_new_configuration_has_the_defaults_of_the_contract() -> None:
    found = accepted(AlertConfigurationInput)
    assert (found.alert_for, found.alert_value, found.uptime_window) == (AlertType.STATUS, "DOWN", "24h")
    assert (found.failure_threshold, found.success_threshold, found.severity) == (3, 5, Severity.WARNING)
    assert (found.create_incident, found.is_active) == (False, True)
    assert (found.alert_description, found.trigger_ids) == (None, [])


def test_c1_yes_and_no_are_understood_and_doubles_dropped() -> None:
    found = accepted(
        AlertConfigurationInput, create_incident="YES", is_active="NO", monitor_tags=["b", "a", "b"], trigger_ids=[2, 2]
    )
    assert (found.create_incident, found.is_active, found.monitor_tags, found.trigger_ids) == (
        True,
        False,
        ["b", "a"],
        [2],
    )


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [("LATENCY", 1000, "1000"), ("UPTIME", 99.90, "99.9"), ("STATUS", "degraded", "DEGRADED")],
)
def test_c2_a_value_is_stored_as_it_will_be_shown(kind: str, value: Any, stored: str) -> None:
    assert accepted(AlertConfigurationInput, alert_for=kind, alert_value=value).alert_value == stored


@pytest.mark.parametrize(
    ("failure", "success", "warned"),
    [(3, 5, []), (3, 3, []), (3, 2, ["Success"]), (2, 5, ["Failure"]), (2, 1, ["Success", "Failure"])],
)
def test_c3_thresholds_that_are_seldom_meant_are_allowed_with_a_warning(
    failure: int, success: int, warned: list[str]
) -> None:
    found = accepted(AlertConfigurationInput, failure_threshold=failure, success_threshold=success)
    assert [warning.split()[0] for warning in found.warnings()] == warned


@pytest.mark.parametrize("kind", [IncidentInput, SpanInput])
def test_a_time_without_a_zone_is_utc(kind: type[Input]) -> None:
    found = accepted(kind, start_at="2026-03-01T12:30", end_at="2026-03-01T14:00+01:00")
    assert found.end_at - found.start_at == timedelta(minutes=30)
    assert set(refused(kind, start_at="2026-03-01T12:30+01:00", end_at="2026-03-01T11:30")) == {"end_at"}


@pytest.mark.parametrize("at", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_a_time_that_utc_cannot_tell_is_refused(at: str) -> None:
    assert "between the years" in refused(UpdateInput, at=at)["at"]


def test_what_is_just_long_enough_is_accepted() -> None:
    assert accepted(SpanInput, end_at="2026-03-31T12:00:00Z").end_at.day == 31
    assert accepted(MaintenanceInput, duration_s=30 * 86_400).duration_s == 30 * 86_400
    assert len(accepted(MonitorInput, name="a" * 255, description="a" * 20_000).name) == 255
    assert accepted(MonitorInput, cron=",".join("1" * 124) + " * * * *").interval_seconds is None


def test_text_that_a_database_could_not_keep_is_refused() -> None:
    assert accepted(AlertConfigurationInput, alert_description="😀" * 16_000).alert_description == "😀" * 16_000
    assert (
        "at most 64000 bytes" in refused(AlertConfigurationInput, alert_description="😀" * 16_001)["alert_description"]
    )


def test_nothing_is_hidden_unless_told() -> None:
    assert accepted(MonitorInput).is_hidden is False
    assert accepted(IncidentInput).is_private is False


def test_an_incident_affects_its_monitors_fully_unless_told_otherwise() -> None:
    found = accepted(IncidentInput, monitors=[{"monitor_tag": "a"}, {"monitor_tag": "b", "impact": "DEGRADED"}])
    assert [affected.impact for affected in found.monitors] == [Status.DOWN, Status.DEGRADED]


@given(
    st.sampled_from(list(GOOD)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.data(),
)
def test_any_value_in_any_field_is_accepted_or_refused_with_a_sentence(
    kind: type[Input], value: Any, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(kind.model_fields)))
    found, mistakes = check(kind, GOOD[kind] | {field: value})
    assert (found is None) == bool(mistakes)
    # Some fields are judged together: then the one that depends on the other is named.
    named = {field, {"start_at": "end_at", "alert_for": "alert_value", "monitor_type": "type_data"}.get(field, field)}
    assert {name.split(".")[0] for name in mistakes} <= named
    assert all(sentence.endswith(".") for sentence in mistakes.values())


def test_a_maintenance_is_meant_by_the_clocks_of_its_zone() -> None:
    summer = accepted(MaintenanceInput, start_at="2026-07-01T02:00", timezone="Europe/Berlin")
    assert summer.start_at == datetime(2026, 7, 1, tzinfo=UTC)
    assert accepted(MaintenanceInput, start_at="2026-07-01T02:00Z", timezone="Europe/Berlin").start_at.hour == 2


def test_a_rule_of_the_original_for_once_is_once_and_ten_times_is_ten() -> None:
    assert accepted(MaintenanceInput, rrule="FREQ=MINUTELY;COUNT=1").rrule is None
    assert (
        accepted(MaintenanceInput, rrule=" rrule:freq=weekly;byday=su;count=10").rrule
        == "FREQ=WEEKLY;BYDAY=SU;COUNT=10"
    )


def test_windows_of_a_series_must_not_overlap_and_a_scoped_one_needs_a_monitor() -> None:
    assert set(refused(MaintenanceInput, rrule="FREQ=DAILY", duration_s=30 * 3600)) == {"duration_s"}
    assert set(refused(MaintenanceInput, is_global=False)) == {"monitors"}
    assert set(refused(MaintenanceInput, reminders=[0], notices=["shouted"])) == {"reminders.0", "notices.0"}
    assert set(refused(MaintenanceInput, rrule="FREQ=DAILY", start_at="1999-01-01")) == {"start_at"}


def test_reminders_come_in_their_order_and_once() -> None:
    found = accepted(MaintenanceInput, reminders=["60", 1440, 60], notices=["ended", "started", "ended"])
    assert (found.reminders, found.notices) == ([1440, 60], ["started", "ended"])


def test_mistakes_of_the_common_fields_and_of_the_settings_are_named_together() -> None:
    given = {"tag": "A b", "name": "", "monitor_type": "TCP", "type_data": {"hosts": [{"host": "a b", "port": 0}]}}
    assert set(refused(MonitorInput, **given)) == {"tag", "name", "type_data.hosts.0.host", "type_data.hosts.0.port"}
