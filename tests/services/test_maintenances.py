"""Maintenance over its life: the calendar, the clock, people's acts, and what subscribers hear of it, once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update

from kener.db import reading, transaction
from kener.domain.inputs import MaintenanceInput, SpanInput
from kener.domain.status import Status
from kener.domain.windows import NoticeKind, WindowState
from kener.models import Maintenance, MaintenanceNotice, MaintenanceWindow, Notice, NoticeDelivery
from kener.queries.public import ledger
from kener.queries.public import maintenance as public
from kener.services import maintenances, occurrences
from kener.services.errors import Conflict, NotFound, Refused
from kener.services.site import read as read_site
from tests.factories import SAM, count, every, make_monitor, observe, only, plan_maintenance
from tests.support.statements import counted
from tests.support.subscribers import make_subscriber, name_site
from tests.support.threads import at_once

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
S, READY, ON, DONE, OFF = WindowState


@pytest.fixture(autouse=True)
def wednesday(app: Flask) -> Iterator[None]:
    """Wednesday noon; one monitor."""
    with time_machine.travel(NOW, tick=False):
        make_monitor("api")
        yield


def plan(start: datetime = NOW + DAY, *, minutes: int = 60, **fields: object) -> int:
    at = int(start.timestamp())
    return plan_maintenance("api", start=at, end=at + minutes * 60, **fields)


def change(maintenance_id: int, **fields: object) -> None:
    """Save the form with some fields changed."""
    stored = reading().get_one(Maintenance, maintenance_id)
    names = (
        "title",
        "start_at",
        "duration_s",
        "rrule",
        "timezone",
        "exdates",
        "is_global",
        "is_active",
        "reminders",
        "notices",
    )
    given = {name: getattr(stored, name) for name in names} | {"monitors": [{"monitor_tag": "api"}]}
    maintenances.update(maintenance_id, MaintenanceInput.model_validate(given | fields), actor=SAM)


def at(moment: datetime) -> int:
    """A scheduler looks: it fills the calendar and moves on what is due."""
    with time_machine.travel(moment, tick=False):
        return occurrences.fill_due(moment) + occurrences.advance(moment)


def windows() -> list[MaintenanceWindow]:
    return sorted(every(MaintenanceWindow), key=lambda one: one.start_at)


def states() -> list[WindowState]:
    return [one.state for one in windows()]


def starts() -> list[datetime]:
    return [one.start_at for one in windows()]


def told() -> list[str]:
    return [one.notice_key for one in every(MaintenanceNotice)]


def first() -> int:
    return windows()[0].id


# The calendar


def test_a_series_is_planned_for_ninety_days_by_the_clocks_of_its_zone() -> None:
    plan(datetime(2026, 3, 8, 1, tzinfo=UTC), rrule="FREQ=WEEKLY;BYDAY=SU", timezone="Europe/Berlin")
    found = [f"{one.astimezone(BERLIN):%m-%d %H:%M}" for one in starts()]
    # 02:00 stays 02:00; on the day on which it does not exist, it is 03:00.
    assert found[:5] == ["03-08 02:00", "03-15 02:00", "03-22 02:00", "03-29 03:00", "04-05 02:00"]
    assert len(found) == 13 and {one.end_at - one.start_at for one in windows()} == {HOUR}


def test_a_rare_series_has_its_next_five_and_a_count_is_kept() -> None:
    plan(rrule="FREQ=YEARLY")
    assert len(windows()) == 5
    change(only(Maintenance).id, rrule="FREQ=WEEKLY;COUNT=10")
    assert len(windows()) == 10


def test_an_occurrence_that_runs_when_the_series_is_planned_is_part_of_it() -> None:
    plan(NOW - DAY - HOUR / 2, rrule="FREQ=DAILY;COUNT=5")
    assert states()[:2] == [ON, READY] and starts()[0] == NOW - HOUR / 2


def test_the_calendar_grows_by_the_day_and_nothing_stands_in_it_twice() -> None:
    plan(rrule="FREQ=DAILY")
    before = len(windows())
    assert at(NOW + HOUR) == 0
    at(NOW + 10 * DAY)
    assert len(windows()) == before + 10 and len(set(starts())) == len(windows())


def test_a_deleted_or_cancelled_occurrence_does_not_come_back() -> None:
    maintenance_id = plan(rrule="FREQ=DAILY")
    gone, called_off = windows()[3], windows()[4]
    occurrences.delete(maintenance_id, gone.id, actor=SAM)
    occurrences.cancel(maintenance_id, called_off.id, actor=SAM)
    at(NOW + 2 * DAY)
    change(maintenance_id, duration_s=1800)
    assert gone.occurrence_at not in starts()
    assert [one.state for one in windows() if one.start_at == called_off.start_at] == [OFF]


# The clock


def test_a_tick_is_one_statement_while_nothing_is_due() -> None:
    plan(rrule="FREQ=DAILY")
    with counted() as statements:
        assert occurrences.advance(NOW + MINUTE) == 0
    assert len([one for one in statements if not one.startswith("BEGIN")]) == 1


def test_an_occurrence_goes_from_scheduled_to_completed() -> None:
    plan(NOW + 2 * DAY)
    seen = []
    for moment in (NOW, NOW + DAY, NOW + 2 * DAY - HOUR, NOW + 2 * DAY, NOW + 2 * DAY + HOUR):
        at(moment)
        seen.append((states()[0], told()[-1:]))
    assert seen == [(S, []), (READY, ["reminder-1440"]), (READY, ["reminder-60"]), (ON, ["started"]), (DONE, ["ended"])]
    assert at(NOW + 9 * DAY) == 0


def test_sixty_minutes_are_in_maintenance_for_sixty_minutes() -> None:
    plan(NOW + HOUR)
    shown = {}
    for moment in (NOW + HOUR - MINUTE, NOW + HOUR, NOW + 2 * HOUR - MINUTE, NOW + 2 * HOUR):
        observe("api", "UP", start=int(moment.timestamp()))
        with time_machine.travel(moment, tick=False):
            shown[moment - NOW] = ledger.monitors(reading(), read_site(reading()))[0].status
    assert list(shown.values()) == [Status.UP, Status.MAINTENANCE, Status.MAINTENANCE, Status.UP]


@pytest.mark.parametrize("stopped", [2 * HOUR, 2 * DAY, 200 * DAY])
def test_after_a_stop_of_any_length_every_occurrence_is_where_it_belongs(stopped: timedelta) -> None:
    make_subscriber()
    plan(NOW + MINUTE, rrule="FREQ=DAILY")
    before = told()
    back = NOW + stopped
    while at(back):
        pass
    expected = []
    for start in starts():
        soon = start - DAY <= back
        expected.append(DONE if start + HOUR <= back else ON if start <= back else READY if soon else S)
    assert states() == expected and expected.count(DONE) == (stopped - MINUTE - HOUR) // DAY + 1
    assert sum(1 for one in starts() if one > back) >= 89
    # Of what went by unseen nothing is told; the reminder of what comes next is.
    assert set(told()) - set(before) <= {"reminder-1440", "reminder-60"}
    assert "started" not in told() and "ended" not in told()


def test_two_schedulers_move_an_occurrence_once_and_tell_it_once(app: Flask) -> None:
    make_subscriber()
    plan(NOW + HOUR, rrule="FREQ=DAILY", notices=list(NoticeKind))
    due = NOW + HOUR
    for moment in (due, due + HOUR, due + DAY):
        at_once(app, *[lambda moment=moment: occurrences.fill_due(moment) + occurrences.advance(moment)] * 4)
    assert states()[:2] == [DONE, ON] and len(set(starts())) == len(starts())
    events = [(one.window_id, one.event) for one in every(Notice)]
    assert len(events) == len(set(events)) == count(NoticeDelivery)
    assert [event for window_id, event in events if window_id == first()] == ["CREATED", "STARTED", "ENDED"]


def test_a_row_that_was_damaged_keeps_nobody_waiting() -> None:
    plan(NOW + HOUR, reminders=[])
    other = plan(NOW + HOUR)
    with transaction() as session:
        session.execute(
            update(MaintenanceWindow).where(MaintenanceWindow.maintenance_id != other).values(end_at=NOW - DAY)
        )
        session.execute(
            update(Maintenance).where(Maintenance.id != other).values(timezone="Mars/Olympus", reminders="soon")
        )
    at(NOW + HOUR)
    assert ON in states()


# By hand


def test_what_is_planned_starts_now_and_lasts_as_long() -> None:
    maintenance_id = plan(NOW + 5 * HOUR, rrule="FREQ=DAILY")
    occurrences.start(maintenance_id, first(), actor=SAM)
    found = windows()[0]
    assert (found.state, found.start_at, found.end_at) == (ON, NOW, NOW + HOUR)
    assert found.occurrence_at == NOW + 5 * HOUR and "started" in told()
    with pytest.raises(Refused, match="begun already"):
        occurrences.start(maintenance_id, first(), actor=SAM)
    assert at(NOW + 5 * HOUR) == 2  # It ends, and the next one is ready; nothing begins a second time.
    assert states()[0] is DONE


def test_what_runs_is_extended_and_finished_early() -> None:
    maintenance_id = plan(NOW - HOUR / 2)
    occurrences.extend(maintenance_id, first(), NOW + 3 * HOUR, actor=SAM)
    at(NOW + HOUR)
    assert states() == [ON] and windows()[0].end_at == NOW + 3 * HOUR
    with time_machine.travel(NOW + 2 * HOUR, tick=False):
        occurrences.finish(maintenance_id, first(), actor=SAM)
        with pytest.raises(Refused, match="stays as it was"):
            occurrences.finish(maintenance_id, first(), actor=SAM)
        with pytest.raises(Refused):
            occurrences.extend(maintenance_id, first(), NOW + 9 * HOUR, actor=SAM)
    assert windows()[0].end_at == NOW + 2 * HOUR and told()[-1] == "ended"
    assert [key.partition("-")[0] for key in told()] == ["started", "rescheduled", "ended"]


def test_what_began_between_two_ticks_can_be_finished() -> None:
    maintenance_id = plan(NOW + MINUTE)
    with time_machine.travel(NOW + 2 * MINUTE, tick=False):
        occurrences.finish(maintenance_id, first(), actor=SAM)
    assert states() == [DONE] and told()[-2:] == ["started", "ended"]


def test_a_moved_occurrence_keeps_its_place_in_the_series() -> None:
    maintenance_id = plan(rrule="FREQ=DAILY;COUNT=4")
    original = starts()[1]
    span = SpanInput(start_at=original + 3 * HOUR, end_at=original + 5 * HOUR)
    occurrences.reschedule(maintenance_id, windows()[1].id, span, actor=SAM)
    change(maintenance_id, duration_s=1800)
    found = windows()[1]
    assert (found.start_at, found.end_at, found.occurrence_at) == (span.start_at, span.end_at, original)
    assert [one.end_at - one.start_at for one in windows()] == [HOUR / 2, 2 * HOUR, HOUR / 2, HOUR / 2]
    assert len(windows()) == 4
    with pytest.raises(Refused, match="to come"):
        occurrences.reschedule(maintenance_id, found.id, SpanInput(start_at=NOW - DAY, end_at=NOW), actor=SAM)


def test_the_reminders_of_a_moved_occurrence_are_told_anew() -> None:
    maintenance_id = plan(NOW + HOUR)
    assert told() == ["reminder-60"]
    span = SpanInput(start_at=NOW + 4 * DAY, end_at=NOW + 4 * DAY + HOUR)
    occurrences.reschedule(maintenance_id, first(), span, actor=SAM)
    assert states() == [S] and only(Maintenance).start_at == span.start_at
    at(NOW + 3 * DAY)
    assert [key.partition("-")[0] for key in told()] == ["rescheduled", "reminder"]


def test_nothing_of_another_maintenance_is_touched() -> None:
    mine, other = plan(), plan()
    theirs = next(one.id for one in windows() if one.maintenance_id == other)
    for act in (occurrences.start, occurrences.finish, occurrences.cancel, occurrences.delete):
        with pytest.raises(NotFound):
            act(mine, theirs, actor=SAM)


# Changes of the plan


def test_a_change_leaves_the_past_alone_keeps_what_runs_and_plans_the_rest_anew() -> None:
    maintenance_id = plan(NOW - 2 * DAY - HOUR / 2, rrule="FREQ=DAILY;COUNT=8", reminders=[])
    at(NOW + DAY)
    past = [(one.id, one.start_at, one.end_at, one.state) for one in windows() if one.start_at <= NOW + DAY]
    assert [state for *_, state in past] == [DONE, ON]
    with time_machine.travel(NOW + DAY, tick=False):
        change(maintenance_id, start_at=NOW + HOUR, rrule="FREQ=WEEKLY", duration_s=7200)
    found = [(one.id, one.start_at, one.end_at, one.state) for one in windows()]
    assert found[:2] == past
    assert starts()[2] == NOW + 7 * DAY + HOUR and {end - start for _, start, end, _ in found[2:]} == {2 * HOUR}


def test_a_change_while_something_runs_does_not_begin_it_a_second_time() -> None:
    maintenance_id = plan(NOW - HOUR / 2, rrule="FREQ=DAILY")
    change(maintenance_id, start_at=NOW - HOUR / 4)
    assert states().count(ON) == 1 and starts()[1] == NOW + DAY - HOUR / 4


def test_what_happens_once_can_be_corrected_until_it_has_begun() -> None:
    maintenance_id = plan(NOW + DAY)
    change(maintenance_id, start_at=NOW + 2 * DAY)
    assert starts() == [NOW + 2 * DAY]
    change(maintenance_id, start_at=NOW - HOUR / 2)
    assert states() == [ON]
    with pytest.raises(Refused, match="finish or extend"):
        change(maintenance_id, duration_s=7200)
    with pytest.raises(Refused, match="to come"):
        change(maintenance_id, start_at=NOW - HOUR)
    change(maintenance_id, title="Another title")
    assert starts() == [NOW - HOUR / 2]


def test_two_people_do_not_overwrite_each_other() -> None:
    maintenance_id = plan()
    seen = only(Maintenance).version
    given = MaintenanceInput(title="Theirs", start_at=NOW + DAY)
    maintenances.update(maintenance_id, given, actor=SAM, version=seen)
    with pytest.raises(Conflict):
        maintenances.update(maintenance_id, given, actor=SAM, version=seen)


def test_deactivating_ends_what_runs_and_takes_what_is_planned_out_of_sight() -> None:
    maintenance_id = plan(NOW - HOUR / 2, rrule="FREQ=DAILY")
    assert public.page(reading(), maintenance_id) is not None
    change(maintenance_id, is_active=False)
    assert states() == [DONE] and windows()[0].end_at == NOW
    assert public.page(reading(), maintenance_id) is None and public.windows_ahead(reading()) == ()
    assert public.page(reading(), maintenance_id, staff=True) is not None
    assert at(NOW + 100 * DAY) == 0
    here = read_site(reading())
    assert ledger.monitors(reading(), here)[0].days[-1].maintenance_s == 1800
    change(maintenance_id, is_active=True)
    assert states()[:2] == [DONE, READY] and starts()[1] == NOW + DAY - HOUR / 2


def test_an_unchanged_plan_moves_nothing() -> None:
    maintenance_id = plan(rrule="FREQ=DAILY")
    before = [(one.id, one.version) for one in windows()]
    change(maintenance_id, title="Other", is_global=True)
    assert [(one.id, one.version) for one in windows()] == before


# What subscribers hear


def test_every_notice_names_the_zone_and_both_times_and_leads_to_the_page() -> None:
    name_site()
    make_subscriber()
    maintenance_id = plan(NOW + 2 * DAY, notices=list(NoticeKind), timezone="Europe/Berlin")
    span = SpanInput(start_at=NOW + 3 * DAY, end_at=NOW + 3 * DAY + 2 * HOUR)
    occurrences.reschedule(maintenance_id, first(), span, actor=SAM)
    for moment in (NOW + 2 * DAY, span.start_at - HOUR, span.start_at, span.end_at):
        at(moment)
    again = plan(NOW + DAY)
    occurrences.cancel(again, windows()[0].id, actor=SAM)
    messages = [(one.event, one.message) for one in every(Notice)]
    expected = ["CREATED", "RESCHEDULED", "REMINDER", "REMINDER", "STARTED", "ENDED", "REMINDER", "CANCELLED"]
    assert [event for event, _ in messages] == expected and count(NoticeDelivery) == len(expected)
    for event, message in messages[:6]:
        assert message["path"] == f"maintenances/{maintenance_id}" and "(Europe/Berlin)" in message["text"]
        wanted = "13:00 to 14:00 CET" if event == "CREATED" else "13:00 to 15:00 CET"
        assert wanted in message["text"] and message["start_at"] and message["end_at"]
    assert "Planned before: Friday 6 March 2026, 13:00 to 14:00 CET" in messages[1][1]["text"]


def test_what_is_switched_off_or_seen_by_nobody_is_not_told() -> None:
    make_subscriber()
    make_monitor("vault", is_hidden=True)
    plan(NOW + HOUR, notices=["started"])
    start = int((NOW + HOUR).timestamp())
    plan_maintenance("vault", start=start, end=start + 3600)
    plan_maintenance("api", "vault", start=start, end=start + 3600)
    for moment in (NOW + HOUR, NOW + 2 * HOUR):
        at(moment)
    found = [(one.event, one.message["monitors"]) for one in every(Notice)]
    assert sorted(event for event, _ in found) == ["ENDED", "REMINDER", "STARTED", "STARTED"]
    assert all(names == [["Api", "MAINTENANCE"]] for _, names in found)


def test_a_change_of_a_series_tells_of_what_was_announced_and_of_the_next_one() -> None:
    make_subscriber()
    maintenance_id = plan(NOW + HOUR, rrule="FREQ=DAILY")
    assert told() == ["reminder-60"]
    change(maintenance_id, start_at=NOW + 2 * HOUR)
    assert [one.event for one in every(Notice)] == ["REMINDER", "RESCHEDULED"]
    maintenances.delete(maintenance_id, actor=SAM)
    assert [one.event for one in every(Notice)][2:] == ["CANCELLED"]
    assert count(MaintenanceWindow) == 0
