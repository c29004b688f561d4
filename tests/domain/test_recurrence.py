"""Rules of a series, by the clocks of a zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain import recurrence
from kener.domain.recurrence import ONCE, NoRule, Series, from_wall, on_the_wall, parse, sentence

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Pacific/Apia",
)

wall = datetime.fromisoformat
walls = st.datetimes(wall("2020-01-01"), wall("2030-12-31")).map(lambda at: at.replace(microsecond=0))
zones = st.sampled_from(ZONES).map(ZoneInfo)
rules = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        "FREQ=WEEKLY;BYDAY=SU",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=-1SU",
        "FREQ=YEARLY",
    ]
)


def series(rule: str, begin: datetime, zone: ZoneInfo = BERLIN, *exdates: datetime) -> Series:
    return Series(from_wall(begin, zone), parse(rule), zone, frozenset(exdates))


def on_clocks(found: list[datetime], zone: ZoneInfo = BERLIN) -> list[str]:
    return [f"{on_the_wall(at, zone):%m-%d %H:%M}" for at in found]


def exists(begin: datetime, zone: ZoneInfo) -> bool:
    return on_the_wall(from_wall(begin, zone), zone) == begin


def test_weekly_at_two_in_berlin_stays_at_two_over_both_changes_of_clocks() -> None:
    sundays = series("FREQ=WEEKLY;BYDAY=MO", wall("2026-03-02 02:00"))
    found = sundays.upcoming(datetime(2026, 3, 1, tzinfo=UTC), number=40)
    assert {f"{on_the_wall(at, BERLIN):%a %H:%M}" for at in found} == {"Mon 02:00"}
    assert {at.hour for at in found} == {0, 1}


def test_a_time_that_does_not_exist_is_moved_forward_once() -> None:
    found = series("FREQ=DAILY", wall("2026-03-28 02:30")).upcoming(datetime(2026, 3, 1, tzinfo=UTC), number=3)
    assert on_clocks(found) == ["03-28 02:30", "03-29 03:30", "03-30 02:30"]


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    found = series("FREQ=DAILY", wall("2026-10-24 02:30")).upcoming(datetime(2026, 10, 1, tzinfo=UTC), number=3)
    assert [f"{at:%d %H:%M}" for at in found] == ["24 00:30", "25 00:30", "26 01:30"]


def test_a_day_that_a_zone_left_out_is_no_day_of_its_own() -> None:
    apia = ZoneInfo("Pacific/Apia")
    found = series("FREQ=DAILY", wall("2011-12-28 02:00"), apia).upcoming(datetime(2011, 12, 1, tzinfo=UTC), number=4)
    assert on_clocks(found, apia) == ["12-28 02:00", "12-29 02:00", "12-31 02:00", "01-01 02:00"]


@given(rules, walls, zones, st.timedeltas(timedelta(), timedelta(days=400)))
def test_every_occurrence_has_the_time_of_the_first_where_clocks_show_it(
    rule: str, begin: datetime, zone: ZoneInfo, later: timedelta
) -> None:
    if not exists(begin, zone):
        return
    whole = series(rule, begin, zone)
    found = whole.upcoming(whole.start + later, number=30)
    assert found == sorted(set(found)) and all(at > whole.start + later for at in found)
    for at in found:
        shown = on_the_wall(at, zone)
        meant = datetime.combine(shown.date(), begin.time())
        assert shown == meant or not exists(meant, zone)


@given(
    rules,
    walls,
    zones,
    st.timedeltas(timedelta(), timedelta(days=200)),
    st.timedeltas(timedelta(), timedelta(days=200)),
)
def test_a_stretch_is_what_its_two_parts_are(
    rule: str, begin: datetime, zone: ZoneInfo, first: timedelta, second: timedelta
) -> None:
    whole = series(rule, begin, zone)
    start, middle = whole.start - HOUR, whole.start + first
    end = middle + second + timedelta(seconds=1)
    parts = [*whole.occurrences(start, middle), *whole.occurrences(middle - timedelta(microseconds=1), end)]
    assert [*whole.occurrences(start, end)] == parts


@given(rules, walls, zones, st.integers(1, 12))
def test_a_count_is_kept(rule: str, begin: datetime, zone: ZoneInfo, count: int) -> None:
    whole = series(f"{rule};COUNT={count}", begin, zone)
    found = [*whole.occurrences(whole.start - HOUR)]
    # Where clocks leave a whole day out, two occurrences are the same one; ten years may end before the last one.
    assert len(found) == count or zone.key == "Pacific/Apia" or rule == "FREQ=YEARLY"


def test_count_ten_gives_ten() -> None:
    assert len([*series("FREQ=WEEKLY;COUNT=10", wall("2026-03-01 02:00")).occurrences()]) == 10


@pytest.mark.parametrize(
    ("until", "last"),
    [("20260304", "03-04 02:00"), ("20260304T010000Z", "03-04 02:00"), ("20260304T005959Z", "03-03 02:00"),
     ("20260304T020000", "03-04 02:00")],
)  # fmt: skip
def test_an_end_is_kept(until: str, last: str) -> None:
    found = [*series(f"FREQ=DAILY;UNTIL={until}", wall("2026-03-01 02:00")).occurrences()]
    assert on_clocks(found)[-1] == last


def test_exceptions_are_left_out_and_still_counted() -> None:
    start = wall("2026-03-01 02:00")
    gone = from_wall(wall("2026-03-02 02:00"), BERLIN)
    assert on_clocks([*series("FREQ=DAILY;COUNT=3", start, BERLIN, gone).occurrences()]) == [
        "03-01 02:00",
        "03-03 02:00",
    ]


def test_once_is_once() -> None:
    for rule in (ONCE, "RRULE:FREQ=MINUTELY;INTERVAL=1;COUNT=1", "freq=hourly;count=1"):
        assert parse(rule) is None
    once = Series(datetime(2026, 3, 1, tzinfo=UTC), None, BERLIN)
    assert [*once.occurrences()] == [once.start] and not [*once.occurrences(once.start)]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=HOURLY", "DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=MINUTELY;COUNT=10", "DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=SECONDLY;COUNT=12", "DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("", "Begin with how often"),
        ("every sunday", "cannot be read"),
        ("FREQ=DAILY;BYHOUR=3", "Leave out BYHOUR"),
        ("FREQ=DAILY\nDTSTART:20200101T000000", "DAILY, WEEKLY"),
        ("FREQ=DAILY;DTSTART=20200101T000000", "cannot be read"),
        ("FREQ=DAILY;FREQ=DAILY", "cannot be read"),
        ("FREQ=WEEKLY;BYDAY=XX", "means nothing here"),
        ("FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO", "means nothing here"),
        ("FREQ=WEEKLY;BYDAY=1MO", "means nothing here"),
        ("FREQ=MONTHLY;BYDAY=9MO", "means nothing here"),
        ("FREQ=YEARLY;BYMONTH=13", "means nothing here"),
        ("FREQ=YEARLY;BYWEEKNO=99", "means nothing here"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "means nothing here"),
        ("FREQ=DAILY;COUNT=0", "COUNT is a whole number"),
        ("FREQ=DAILY;COUNT=1001", "COUNT is a whole number"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is a whole number"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "not both"),
        ("FREQ=DAILY;UNTIL=2027", "UNTIL is a date"),
        ("FREQ=DAILY;UNTIL=20270231", "UNTIL is a date"),
    ],
)
def test_a_rule_that_is_not_followed_says_why(rule: str, words: str) -> None:
    with pytest.raises(NoRule, match=words):
        parse(rule)


@given(st.text(alphabet="FREQ=DAILYWKMONTHCU;BS,0123456789-+:Z \n", max_size=60))
def test_whatever_is_typed_is_a_rule_or_refused(text: str) -> None:
    for typed in (text, f"FREQ=WEEKLY;{text}", f"FREQ=MONTHLY;BYMONTHDAY={text}", f"FREQ=YEARLY;BYDAY={text}"):
        try:
            rule = parse(typed)
        except NoRule as refused:
            assert str(refused)
        else:
            Series(datetime(2026, 3, 1, tzinfo=UTC), rule, BERLIN).upcoming(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9"],
)
def test_days_that_never_come_are_not_looked_for_for_ever(rule: str) -> None:
    assert series(rule, wall("2026-03-01 02:00")).upcoming(datetime(2026, 3, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY;BYDAY=SU", "Every Sunday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=WEEKLY", "Every Sunday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=WEEKLY;BYDAY=TH,MO", "Every Monday and Thursday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "Every second Monday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,TU", "Every 3 weeks on Monday and Tuesday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Every weekday at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=DAILY", "Every day at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=DAILY;INTERVAL=2;COUNT=10", "Every 2 days at 02:00, Europe/Berlin, for 1 hour, 10 times"),
        ("FREQ=DAILY;UNTIL=20261231", "Every day at 02:00, Europe/Berlin, for 1 hour, until 31 December 2026"),
        ("FREQ=MONTHLY", "On the 1st of every month at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "On the last day of every month at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "On the 31st of every month that has one at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=MONTHLY;BYDAY=1MO", "On the first Monday of every month at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=MONTHLY;INTERVAL=3;BYDAY=SU;BYSETPOS=-1", "On the last Sunday of every 3 months at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=YEARLY", "Every year on 1 March at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "Every year on 24 December at 02:00, Europe/Berlin, for 1 hour"),
        ("FREQ=YEARLY;BYWEEKNO=20", "By the rule FREQ=YEARLY;BYWEEKNO=20 at 02:00, Europe/Berlin, for 1 hour"),
        (ONCE, "Once, on 1 March 2026 at 02:00, Europe/Berlin, for 1 hour"),
    ],
)  # fmt: skip
def test_a_series_can_be_said_in_words(rule: str, words: str) -> None:
    assert sentence(series(rule, wall("2026-03-01 02:00")), HOUR) == words


@given(walls)
def test_the_usual_rules_begin_with_the_day_of_the_start(begin: datetime) -> None:
    for name, rule in recurrence.patterns(begin).items():
        whole = series(rule, begin, ZoneInfo("UTC"))
        first = next(whole.occurrences())
        assert first == whole.start or (name == "weekdays" and begin.weekday() > 4)
        assert not sentence(whole, HOUR).startswith("By the rule")


def test_the_calendar_holds_ninety_days_or_at_least_five() -> None:
    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)

    def wanted(rule: str, after: datetime = now) -> int:
        found = series(rule, wall("2026-03-01 12:00")).wanted(
            after, now=now, ahead=timedelta(days=90), least=5, most=500
        )
        return len(found)

    assert wanted("FREQ=DAILY") == 90 and wanted("FREQ=YEARLY") == 5 and wanted("FREQ=MONTHLY;COUNT=2") == 2
    assert wanted("FREQ=DAILY", now + timedelta(days=30)) == 60


def test_windows_that_would_run_into_each_other_are_noticed() -> None:
    daily = series("FREQ=DAILY", wall("2026-03-01 02:00"))
    assert not recurrence.starts_too_often(daily, timedelta(days=1))
    assert recurrence.starts_too_often(daily, timedelta(hours=30))


def test_stored_exceptions_that_cannot_be_read_are_left_out() -> None:
    read = recurrence.instants(
        ["2026-03-01T02:00:00+00:00", "soon", None, "2026-03-02T03:00:00+01:00", "2026-03-03T02:00:00"]
    )
    assert read == {datetime(2026, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3)}
