"""Signals of jobs: kept, never mixed with samples, and heard at once."""

from collections.abc import Iterator

import pytest
import time_machine
from sqlalchemy import func, insert, select, update

from kener import clock
from kener.db import reading, transaction
from kener.domain.status import Status, from_code
from kener.models import Alert, HeartbeatSignal, Hourly, Monitor, MonitorState, Sample, SampleNote
from kener.services import heartbeats, housekeeping, monitoring, monitors
from kener.services.errors import NotFound
from kener.services.heartbeats import Signal, SignalKind, take
from tests.factories import SAM, T0, count, every, id_of, make_configuration, make_monitor, monitor_input, observe, only
from tests.services.test_scheduling import due_at
from tests.support.statements import counted

pytestmark = pytest.mark.usefixtures("app")

SECRET = "a-secret-of-enough-length"
START, FAIL, LOG = Signal(SignalKind.START), Signal(SignalKind.FAIL), Signal(SignalKind.LOG)


@pytest.fixture(autouse=True)
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(clock.at(T0), tick=False) as traveller:
        yield traveller


def job(**settings: object) -> int:
    return make_monitor("job", monitor_type="HEARTBEAT", type_data={"secretString": SECRET, **settings})


def tick(moment: int) -> Status:
    """The check of a slot. Returns what the job is then."""
    due_at(moment, "job")
    with transaction() as session:
        session.execute(update(MonitorState).values(slot=moment, claimed_at=moment))
    monitoring.run_shard([(id_of("job"), moment)], slow=False)
    return only(MonitorState).status


def test_sixty_beats_a_minute_leave_the_uptime_untouched(now: time_machine.Traveller) -> None:
    job()
    observe("job", *["UP"] * 5, *["DOWN"] * 5)
    before = [(hour.up_s, hour.down_s, hour.samples) for hour in every(Hourly)]
    now.move_to(clock.at(T0 + 600))
    take("job", SECRET)
    assert tick(T0 + 660) is Status.UP
    samples = count(Sample)
    for second in range(661, 720):
        now.move_to(clock.at(T0 + second))
        take("job", SECRET)
    assert count(Sample) == samples == 12
    assert tick(T0 + 720) is Status.UP
    [hour] = every(Hourly)
    assert (hour.up_s, hour.down_s) == (300 + 120, 300)
    assert before == [(300, 240, 10)]
    assert {row.latency_ms for row in every(Sample)} == {None}
    assert count(HeartbeatSignal) == 60


def test_a_run_is_measured_from_its_start_to_its_end(now: time_machine.Traveller) -> None:
    job()
    take("job", SECRET, START)
    now.shift(12.345)
    take("job", SECRET, Signal(SignalKind.LOG, body="half way"))
    now.shift(30)
    take("job", SECRET, heartbeats.from_exit_code(0, "done"))
    take("job", SECRET)
    told = [(one.kind, one.exit_code, one.duration_ms, one.body) for one in every(HeartbeatSignal)]
    assert told == [
        ("start", None, None, None),
        ("log", None, None, "half way"),
        ("success", 0, 42_345, "done"),
        ("success", None, None, None),
    ]
    assert only(MonitorState).run_started_ms is None


def test_a_failure_is_down_at_once_with_its_own_reason_until_a_success(now: time_machine.Traveller) -> None:
    job()
    make_configuration("job", failure_threshold=1, success_threshold=1)
    take("job", SECRET)
    now.shift(20)
    take("job", SECRET, heartbeats.from_exit_code(7))
    assert (only(MonitorState).status, only(MonitorState).error) == (
        Status.DOWN,
        "The job reported a failure, exit code 7.",
    )
    assert only(Alert).last_error == "The job reported a failure, exit code 7."
    assert {note.source for note in every(SampleNote)} == {"heartbeat"}
    now.shift(60)
    take("job", SECRET, START)
    assert tick(clock.epoch()) is Status.DOWN
    now.shift(60)
    take("job", SECRET)
    assert only(MonitorState).status is Status.UP
    assert only(Alert).resolved_at == clock.now()
    assert (only(MonitorState).fail_at, only(MonitorState).fail_code) == (None, None)


def test_a_failure_in_the_second_of_a_check_is_told_all_the_same() -> None:
    job()
    take("job", SECRET)
    take("job", SECRET, FAIL)
    assert only(MonitorState).status is Status.DOWN
    assert [(row.at, from_code(row.status)) for row in every(Sample)] == [(T0, Status.UP), (T0 + 1, Status.DOWN)]


def test_a_start_without_an_end_is_down_after_the_grace(now: time_machine.Traveller) -> None:
    job(period_minutes=60, grace_minutes=5)
    take("job", SECRET)
    now.shift(60)
    take("job", SECRET, START)
    assert tick(T0 + 60 + 300) is Status.UP
    assert tick(T0 + 60 + 301) is Status.DOWN
    assert only(MonitorState).error == "The run that started 5 minutes ago has not ended; 5 minutes is the limit."


def test_a_log_changes_nothing_but_the_list() -> None:
    job()
    take("job", SECRET, LOG)
    assert (count(HeartbeatSignal), count(Sample)) == (1, 0)
    assert only(MonitorState).beat_at is None


def test_a_beat_withdraws_what_its_silence_made_wait(now: time_machine.Traveller) -> None:
    settings = {"secretString": SECRET, "degradedRemainingMinutes": 1, "downRemainingMinutes": 2}
    make_monitor("job", monitor_type="HEARTBEAT", type_data=settings, failure_confirmations=3)
    take("job", SECRET)
    assert tick(T0 + 125) is Status.UP
    assert only(MonitorState).held == 1
    now.move_to(clock.at(T0 + 140))
    take("job", SECRET)
    state = only(MonitorState)
    assert (state.status, state.held, state.held_since) == (Status.UP, 0, None)
    assert [(from_code(row.status), row.raw) for row in every(Sample)][1:] == [(Status.UP, 3), (Status.UP, None)]


@pytest.mark.parametrize("wrong", [{"tag": "none"}, {"secret": "x"}, {"secret": ""}])
def test_nobody_is_told_which_part_was_wrong_and_nothing_is_kept(wrong: dict[str, str]) -> None:
    job()
    with pytest.raises(NotFound):
        take(wrong.get("tag", "job"), wrong.get("secret", SECRET), FAIL)
    assert (count(HeartbeatSignal), count(Sample)) == (0, 0)


def test_a_beat_is_cheap() -> None:
    job()
    take("job", SECRET)
    with counted() as statements:
        take("job", SECRET)
    assert len([sql for sql in statements if not sql.startswith("BEGIN")]) == 4


def test_the_secret_is_long_and_stored_only_as_a_hash() -> None:
    saved = monitors.create(monitor_input("backup", monitor_type="HEARTBEAT"), actor=SAM)
    assert saved.secret is not None
    assert len(saved.secret) >= 22  # 132 bits at 6 a letter
    stored = reading().execute(select(Monitor.heartbeat_hash, Monitor.type_data)).one()
    assert saved.secret not in str(stored)
    assert stored.heartbeat_hash == heartbeats.hash_secret(saved.secret)


def test_old_signals_are_forgotten_and_of_a_busy_job_all_but_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "KEPT_OF_EACH", 50)
    job()
    make_monitor("other", monitor_type="HEARTBEAT")
    old = T0 - heartbeats.KEPT_DAYS * 86_400 - 1
    rows = [{"monitor_id": id_of("other"), "at": at, "kind": "success"} for at in (old, old + 2)]
    rows += [{"monitor_id": id_of("job"), "at": T0 - 100 + number, "kind": "success"} for number in range(80)]
    with transaction() as session:
        session.execute(insert(HeartbeatSignal), rows)
    housekeeping.prune()
    kept = dict(
        reading().execute(select(HeartbeatSignal.monitor_id, func.count()).group_by(HeartbeatSignal.monitor_id)).all()
    )
    assert kept == {id_of("other"): 1, id_of("job"): 50}
    assert (
        reading().scalar(select(func.min(HeartbeatSignal.at)).where(HeartbeatSignal.monitor_id == id_of("job")))
        == T0 - 70
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", None),
        (b"  \n", None),
        (b"a\0b\xff", "ab�"),
        (b"x" * 20_000, "x" * 10_000),
        ("é".encode() * 6_000, "é" * 5_000),
    ],
)
def test_a_body_is_kept_as_far_as_every_database_takes_it(body: bytes, text: str | None) -> None:
    assert heartbeats.text_of(body) == text
    job()
    take("job", SECRET, Signal(SignalKind.LOG, body=heartbeats.text_of(body)))
    assert only(HeartbeatSignal).body == text
