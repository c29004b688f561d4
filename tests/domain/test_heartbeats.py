"""What a job's signals and its silence say, minute by minute."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kener.domain.heartbeats import Signals, judge
from kener.domain.inputs import mistakes
from kener.domain.specs import HeartbeatSpec
from kener.domain.status import Status

MINUTE, HOUR, DAY = 60, 3_600, 86_400
NOON = int(datetime(2026, 5, 14, 12, 0, tzinfo=UTC).timestamp())


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def status(spec: HeartbeatSpec, moment: int, **heard: Any) -> Status:
    return judge(spec, Signals(**heard), at=moment).status


def error(spec: HeartbeatSpec, moment: int, **heard: Any) -> str | None:
    return judge(spec, Signals(**heard), at=moment).error


def test_silence_is_counted_from_the_newest_beat_where_nothing_says_when_one_is_due() -> None:
    spec = HeartbeatSpec(degradedRemainingMinutes=5, downRemainingMinutes=10)
    assert status(spec, NOON) is Status.NO_DATA
    told = [status(spec, NOON + seconds, beat_at=NOON) for seconds in (0, 300, 301, 600, 601)]
    assert told == [Status.UP, Status.UP, Status.DEGRADED, Status.DEGRADED, Status.DOWN]
    assert error(spec, NOON + 700, beat_at=NOON) == "No heartbeat for 11 minutes, limit 10."
    assert error(spec, NOON + 400, beat_at=NOON) == "No heartbeat for 6 minutes, limit 5."


def test_a_period_and_its_grace() -> None:
    spec = HeartbeatSpec(period_minutes=60, grace_minutes=15)
    told = [
        status(spec, NOON + seconds, beat_at=NOON) for seconds in (HOUR, HOUR + 60, HOUR + 61, 75 * 60, 75 * 60 + 1)
    ]
    assert told == [Status.UP, Status.UP, Status.DEGRADED, Status.DEGRADED, Status.DOWN]
    assert error(spec, NOON + HOUR + 300, beat_at=NOON) == "The heartbeat is 5 minutes late; 15 minutes of grace run."
    assert error(spec, NOON + 2 * HOUR, beat_at=NOON) == "The heartbeat is 1 hour late; 15 minutes of grace are over."


def test_a_daily_job_is_not_down_at_once_and_keeps_its_hour_when_clocks_change() -> None:
    spec = HeartbeatSpec(schedule="0 3 * * *", timezone="Europe/Berlin", grace_minutes=30)
    beat = at("2026-03-28T03:04", "Europe/Berlin")
    due = at("2026-03-29T03:00", "Europe/Berlin")
    assert due - at("2026-03-28T03:00", "Europe/Berlin") == 23 * HOUR
    assert spec.due_after(beat) == due
    told = [status(spec, due + seconds, beat_at=beat) for seconds in (-1, 60, 61, 1_800, 1_801)]
    assert told == [Status.UP, Status.UP, Status.DEGRADED, Status.DEGRADED, Status.DOWN]


def test_a_beat_from_a_clock_that_is_fast_is_the_one_that_was_due() -> None:
    spec = HeartbeatSpec(schedule="0 * * * *")
    assert spec.due_after(NOON - 20) == NOON + HOUR
    assert spec.due_after(NOON - 40) == NOON


def test_a_run_that_goes_on_in_time_is_waited_for() -> None:
    spec = HeartbeatSpec(schedule="0 3 * * *", grace_minutes=60)
    beat, due = at("2026-05-13T03:20"), at("2026-05-14T03:00")
    running = {"beat_at": beat, "run_started_ms": 1_000 * (due + 5)}
    assert [status(spec, due + seconds, **running) for seconds in (300, HOUR + 5)] == [Status.UP, Status.UP]
    assert status(spec, due + HOUR + 6, **running) is Status.DOWN
    assert error(spec, due + 2 * HOUR, **running) == (
        "The run that started 1 hour 59 minutes ago has not ended; 1 hour is the limit."
    )
    late = {"beat_at": beat, "run_started_ms": 1_000 * (due + 600)}
    assert judge(spec, Signals(**late), at=due + HOUR + 300).status is Status.DEGRADED
    assert error(spec, due + 900, **late) == "The run started 10 minutes late; it goes on."
    too_late = {"beat_at": beat, "run_started_ms": 1_000 * (due + 2 * HOUR)}
    assert status(spec, due + 2 * HOUR + 60, **too_late) is Status.DOWN


def test_a_first_run_that_never_ends_is_down_and_one_that_goes_on_says_nothing() -> None:
    spec = HeartbeatSpec(period_minutes=5, grace_minutes=2)
    assert status(spec, NOON + 60, run_started_ms=NOON * 1_000) is Status.NO_DATA
    assert status(spec, NOON + 121, run_started_ms=NOON * 1_000) is Status.DOWN


def test_a_failure_stands_until_a_success() -> None:
    spec = HeartbeatSpec(period_minutes=60)
    failed = {"beat_at": NOON - 60, "fail_at": NOON, "fail_code": 3}
    assert status(spec, NOON + 1, **failed) is Status.DOWN
    assert error(spec, NOON + DAY, **failed) == "The job reported a failure, exit code 3."
    assert error(spec, NOON, fail_at=NOON, run_started_ms=NOON * 1_000) == "The job reported a failure."


def test_without_a_schedule_a_run_has_its_own_limit() -> None:
    spec = HeartbeatSpec(degradedRemainingMinutes=60, downRemainingMinutes=120, grace_minutes=10)
    assert status(spec, NOON + 601, beat_at=NOON - 60, run_started_ms=NOON * 1_000) is Status.DOWN
    assert HeartbeatSpec(degradedRemainingMinutes=60, downRemainingMinutes=120).run_limit_s == 2 * HOUR


crons = st.sampled_from(["*/5 * * * *", "0 3 * * *", "30 2 * * 0"])
schedules = st.one_of(
    st.builds(HeartbeatSpec, period_minutes=st.integers(1, 3_000), grace_minutes=st.integers(1, 300)),
    st.builds(HeartbeatSpec, schedule=crons, timezone=st.sampled_from(["UTC", "Europe/Berlin"])),
    st.builds(HeartbeatSpec, degradedRemainingMinutes=st.integers(1, 50), downRemainingMinutes=st.integers(51, 100)),
)


@given(schedules, st.integers(0, 400 * DAY), st.integers(0, 20 * DAY))
def test_silence_only_ever_gets_worse(spec: HeartbeatSpec, offset: int, later: int) -> None:
    beat, order = NOON + offset, [Status.UP, Status.DEGRADED, Status.DOWN]
    due = spec.due_after(beat)
    assert due > beat
    told = [
        order.index(status(spec, beat + seconds, beat_at=beat))
        for seconds in sorted({0, due - beat, later, later + 60})
    ]
    assert told[0] == 0
    assert told == sorted(told)
    assert status(spec, due + spec.grace_s + 1, beat_at=beat) is Status.DOWN


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"schedule": "* * *"}, "schedule"),
        ({"schedule": "0 3 * * *", "period_minutes": 5}, "schedule"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"period_minutes": 0}, "period_minutes"),
        ({"grace_minutes": -1}, "grace_minutes"),
    ],
)
def test_what_cannot_be_kept_to_is_refused(given_: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HeartbeatSpec.model_validate(given_)
    assert mistakes(refused.value).keys() == {field}
