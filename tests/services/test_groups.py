"""Groups follow their members: in the same transaction, at every level, and in slots of their own."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from kener import clock
from kener.db import again, reading, transaction
from kener.domain.alerting import AlertStatus
from kener.domain.inputs import MonitorInput
from kener.domain.status import Status, from_code
from kener.models import Alert, GroupMember, Hourly, Monitor, MonitorState, Sample
from kener.services import manual_data, monitoring, monitors, scheduling
from kener.services.errors import Refused
from kener.services.manual_data import Edit
from kener.services.monitors import Saved
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_monitor,
    monitor_input,
    observe,
    only,
    plan_maintenance,
    record,
    sample,
)
from tests.support.statements import counted
from tests.support.threads import at_once


def make_group(tag: str, *members: str, interval: int = 60, **settings: Any) -> int:
    """A group of these monitors."""
    return monitors.create(group_input(tag, *members, interval=interval, **settings), actor=SAM).id


def group_input(tag: str, *members: str, interval: int = 60, **settings: Any) -> MonitorInput:
    """What `make_group` enters."""
    named = [{"tag": member} for member in members]
    return monitor_input(tag, monitor_type="GROUP", interval_seconds=interval, type_data={"monitors": named} | settings)


def make_members(*tags: str, **fields: Any) -> None:
    """Monitors of which nothing is known until they are seen."""
    for tag in tags:
        make_monitor(tag, **{"default_status": "NO_DATA"} | fields)


def story(tag: str) -> list[tuple[int, str]]:
    """The samples of a monitor: seconds since T0, and status."""
    return [(row.at - T0, from_code(row.status).value) for row in every(Sample) if row.monitor_id == id_of(tag)]


def state(tag: str) -> MonitorState:
    return reading().get_one(MonitorState, id_of(tag))


def tick(tag: str, at: int) -> None:
    """The group's own slot, as a scheduler claims it and a worker takes it."""
    with transaction() as session:
        session.execute(
            update(MonitorState).where(MonitorState.monitor_id == id_of(tag)).values(slot=at, claimed_at=at)
        )
    monitoring.run_shard([(id_of(tag), at)], slow=False)


def test_a_group_changes_with_its_member_at_the_same_moment(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST")
    observe("api", "UP", start=T0)
    observe("db", "UP", "DOWN", "DOWN", "UP", start=T0 + 5)
    assert story("all") == [(0, "UP"), (65, "DOWN"), (185, "UP")]
    assert (state("all").status, state("all").since, state("all").error) == (Status.UP, T0 + 185, None)


def test_the_reason_stands_beside_the_sample(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db")
    observe("api", "UP")
    observe("db", "DOWN")
    assert (state("all").status, state("all").error) == (Status.DEGRADED, "1 of 2 is DOWN: Db.")


def test_a_batch_changes_a_group_once(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST")
    record(sample("api", T0, "DOWN"), sample("db", T0 + 7, "DEGRADED"))
    assert story("all") == [(7, "DOWN")]


def test_an_original_like_group_is_never_down_while_every_member_is_up(app: Flask) -> None:
    make_members("a", "b", "c")
    make_group("all", "a", "b", "c")
    for step in range(5):
        record(*(sample(tag, T0 + 60 * step, "UP") for tag in "abc"))
        tick("all", T0 + 60 * step + 30)
    assert {status for _, status in story("all")} == {"UP"}


def test_a_group_without_data_is_no_data_and_says_why(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db")
    tick("all", T0)
    assert story("all") == [(0, "NO_DATA")]
    assert state("all").error == "No member has data."


def test_manual_monitors_count_with_the_status_that_visitors_see(app: Flask) -> None:
    make_monitor("hand", default_status="DEGRADED")
    make_group("all", "hand", strategy="WORST")
    assert state("all").status is Status.DEGRADED
    monitors.update("hand", monitor_input("hand", default_status="UP"), actor=SAM)
    assert state("all").status is Status.UP


def test_its_own_slots_leave_no_gap_and_follow_what_no_sample_tells(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST")
    record(sample("api", T0, "DOWN"), sample("db", T0, "UP"))
    observe("db", *["UP"] * 5)
    for step in range(1, 6):
        tick("all", T0 + 60 * step - 30)
    # Three intervals after its last sample a member says nothing any more.
    assert story("all") == [
        (0, "DOWN"),
        (30, "DOWN"),
        (90, "DOWN"),
        (150, "DOWN"),
        (210, "UP"),
        (270, "UP"),
    ]


def test_a_limit_of_freshness_stands_in_for_three_intervals(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST", freshness_minutes=1)
    record(sample("api", T0, "DOWN"), sample("db", T0 + 50, "UP"))
    tick("all", T0 + 60)
    tick("all", T0 + 61)
    assert [status for _, status in story("all")] == ["DOWN", "DOWN", "UP"]


def test_a_slot_before_a_members_change_needs_no_sample(app: Flask) -> None:
    make_members("api")
    make_group("all", "api")
    observe("api", "UP", start=T0 + 40)
    tick("all", T0 + 20)
    assert story("all") == [(40, "UP")]
    assert state("all").slot is None


def test_changes_within_a_second_stay_in_order(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST")
    record(sample("api", T0, "DEGRADED"))
    record(sample("db", T0, "DOWN"))
    assert story("all") == [(0, "DEGRADED"), (1, "DOWN")]


def test_groups_in_groups_follow_at_every_level(app: Flask) -> None:
    make_members("api", "db")
    make_group("inner", "api", "db", strategy="WORST")
    make_group("middle", "inner", strategy="WORST")
    make_group("outer", "middle", "api", strategy="WORST")
    observe("api", "UP", start=T0)
    observe("db", "UP", "DOWN", start=T0)
    for tag in ("inner", "middle", "outer"):
        assert story(tag) == [(0, "UP"), (60, "DOWN")]


def test_the_slot_of_an_inner_group_changes_the_outer_ones(app: Flask) -> None:
    make_members("api")
    make_group("inner", "api")
    make_group("outer", "inner")
    observe("api", "UP")
    tick("inner", T0 + 600)
    assert story("inner") == [(0, "UP"), (600, "NO_DATA")]
    assert story("outer") == [(0, "UP"), (600, "NO_DATA")]


def test_the_latency_of_a_group_is_that_of_its_members(app: Flask) -> None:
    make_members("api", "db", "web")
    make_group("all", "api", "db", "web", latencyCalculation="MAX")
    record(sample("api", T0, "UP", latency_ms=120), sample("db", T0, "UP", latency_ms=90), sample("web", T0, "UP"))
    tick("all", T0 + 30)
    assert state("all").latency_ms == 120


@pytest.mark.parametrize(("how", "status"), [("IGNORED", "UP"), ("UP", "UP"), ("OBSERVED", "DEGRADED")])
def test_maintenance_of_a_member_counts_as_chosen(app: Flask, how: str, status: str) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", maintenance=how)
    plan_maintenance("db", start=T0, end=T0 + 3_600)
    record(sample("api", T0, "UP"), sample("db", T0, "DOWN"))
    tick("all", T0 + 30)
    assert story("all")[-1] == (30, status)


def test_alerts_on_a_group_are_decided_in_the_transaction_of_the_member(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST")
    make_configuration("all", failure_threshold=1, success_threshold=1, create_incident="YES")
    observe("db", "UP", start=T0)
    observe("api", "UP", "DOWN", start=T0)
    assert only(Alert).alert_status is AlertStatus.TRIGGERED
    assert only(Alert).last_error == "1 of 2 is DOWN: Api."
    observe("api", "UP")
    assert only(Alert).alert_status is AlertStatus.RESOLVED


def test_a_paused_member_leaves_the_score_and_comes_back(app: Flask) -> None:
    make_members("api", "db")
    make_group("all", "api", "db", strategy="WORST", freshness_minutes=10_080)
    now = clock.epoch()
    record(sample("api", now - 30, "UP"), sample("db", now - 30, "DOWN"))
    assert state("all").status is Status.DOWN
    monitors.pause("db", actor=SAM)
    assert state("all").status is Status.UP
    monitors.resume("db", actor=SAM)
    assert state("all").status is Status.DOWN
    monitors.pause("db", actor=SAM)
    monitors.pause("api", actor=SAM)
    assert (state("all").status, state("all").error) == (Status.NO_DATA, "Every member is paused.")


def test_a_paused_group_rests_and_holds_nothing_above_it(app: Flask) -> None:
    make_members("api")
    make_group("inner", "api")
    make_group("outer", "inner")
    monitors.pause("inner", actor=SAM)
    observe("api", "DOWN")
    assert story("inner") == story("outer") == []


def test_a_deleted_member_leaves_and_the_weights_of_the_others_stay(app: Flask) -> None:
    make_members("api", "db", "web")
    weights = {"api": 5, "db": 2, "web": 1}
    given = group_input("all", monitors=[{"tag": tag, "weight": weight} for tag, weight in weights.items()])
    monitors.create(given, actor=SAM)
    monitors.delete("db", actor=SAM)
    named = reading().get_one(Monitor, id_of("all")).type_data["monitors"]
    assert named == [{"tag": "api", "weight": 5.0}, {"tag": "web", "weight": 1.0}]
    record(sample("api", T0, "UP"), sample("web", T0, "UP"))
    assert state("all").status is Status.UP


def test_a_group_that_lost_its_last_member_is_no_data_and_says_why(app: Flask) -> None:
    make_monitor("hand")
    make_group("all", "hand", strategy="QUORUM")
    assert state("all").status is Status.UP
    monitors.delete("hand", actor=SAM)
    assert (state("all").status, state("all").error) == (Status.NO_DATA, "The group has no members.")


def test_an_edit_of_what_a_member_was_last_changes_the_group_too(app: Flask) -> None:
    make_members("api")
    make_group("all", "api", freshness_minutes=10_080)
    minute = clock.epoch() // 60 * 60 - 600
    record(sample("api", minute, "DOWN"))
    manual_data.write("api", Edit(minute, minute, Status.UP, None), actor=SAM)
    assert (state("api").status, state("all").status) == (Status.UP, Status.UP)


def test_nobody_writes_the_samples_of_a_group(app: Flask) -> None:
    make_members("api")
    make_group("all", "api")
    with pytest.raises(Refused) as refused:
        manual_data.write("all", Edit(T0, T0, Status.UP, None), actor=SAM)
    assert "members" in refused.value.errors[""]


def refusal(save: Callable[[], object]) -> dict[str, str]:
    """Why it cannot be saved."""
    with pytest.raises(Refused) as refused:
        save()
    return refused.value.errors


def change(tag: str, *members: str, **settings: Any) -> Saved:
    return monitors.update(tag, group_input(tag, *members, **settings), actor=SAM)


def test_members_that_cannot_be_are_refused_by_name(app: Flask) -> None:
    make_members("api")
    field = "type_data.monitors"
    assert refusal(lambda: make_group("all", "api", "nobody", "nothing")) == {
        field: "There is no monitor nobody, nothing."
    }
    assert refusal(lambda: make_group("all")) == {field: "Choose at least one member."}
    assert refusal(lambda: make_group("all", "api", strategy="QUORUM", quorum=2)) == {
        "type_data.quorum": "There is one member only."
    }
    assert count(Monitor) == 1


def test_a_cycle_is_refused_and_named(app: Flask) -> None:
    make_members("api")
    make_group("inner", "api")
    make_group("middle", "inner")
    make_group("outer", "middle")
    assert refusal(lambda: change("inner", "api", "outer")) == {
        "type_data.monitors": "A group cannot be part of itself: Inner → Outer → Middle → Inner."
    }
    assert refusal(lambda: change("inner", "inner"))["type_data.monitors"].endswith("Inner → Inner.")
    assert {row.member_id for row in every(GroupMember) if row.group_id == id_of("inner")} == {id_of("api")}


def test_a_group_that_becomes_something_else_has_no_members(app: Flask) -> None:
    make_members("api")
    make_group("all", "api")
    monitors.update("all", monitor_input("all"), actor=SAM)
    assert count(GroupMember) == 0


def test_settings_that_were_damaged_make_only_that_group_no_data(app: Flask) -> None:
    make_members("api")
    make_group("all", "api")
    make_group("other", "api")
    with transaction() as session:
        session.get_one(Monitor, id_of("all")).type_data = {"strategy": "GUESS"}
    observe("api", "UP")
    tick("all", T0 + 60)
    assert (state("all").status, state("other").status) == (Status.NO_DATA, Status.UP)


def test_a_monitor_in_no_group_costs_nothing_and_a_changed_one_a_single_statement(app: Flask) -> None:
    make_members("api")
    record(sample("api", T0, "UP"))

    def statements(at: int, status: str) -> list[str]:
        given = sample("api", at, status)
        with counted() as seen:
            record(given)
        return [statement for statement in seen if "group_member" in statement]

    assert statements(T0 + 60, "UP") == []
    assert len(statements(T0 + 120, "DOWN")) == 1


def test_a_group_is_due_like_any_other_monitor(app: Flask) -> None:
    make_monitor("hand")
    make_group("all", "hand", interval=300)
    now = clock.epoch()
    assert [claim.monitor_id for claim in scheduling.claim(now) if claim.monitor_id == id_of("all")]
    assert (state("all").due_at or 0) - now <= 300


def test_writers_of_many_members_neither_block_each_other_nor_lose_a_change(app: Flask) -> None:
    tags, start = [f"m{number}" for number in range(6)], clock.epoch() - 720
    make_members("early")
    make_group("first", "early", strategy="WORST")
    make_members(*tags)
    make_group("left", *tags[:4], "first", strategy="WORST")
    make_group("right", *tags[2:], strategy="WORST")
    make_group("top", "left", "right", strategy="WORST")
    monitors.update("first", group_input("first", "early", tags[5], strategy="WORST"), actor=SAM)

    def write(seed: int) -> None:
        for step in range(12):
            chosen = [tag for number, tag in enumerate(tags) if (number + seed) % 3 != step % 3]
            status = "DOWN" if (step + seed) % 2 else "UP"
            samples = [sample(tag, start + 60 * step + seed, status) for tag in reversed(chosen)]
            again(lambda samples=samples: record(*samples))  # type: ignore[misc]

    def own() -> None:
        for step in range(12):
            for tag in ("top", "first", "left", "right"):
                tick(tag, start + 60 * step + 30)

    def pause() -> None:
        for tag in ("right", "m3", "left"):
            again(lambda tag=tag: monitors.pause(tag, actor=SAM))  # type: ignore[misc]
            again(lambda tag=tag: monitors.resume(tag, actor=SAM))  # type: ignore[misc]

    at_once(app, *[lambda seed=seed: write(seed) for seed in range(4)], own, pause)  # type: ignore[misc]
    record(*(sample(tag, start + 840, "UP") for tag in [*tags, "early"]))
    for tag in ("first", "left", "right", "top"):
        tick(tag, start + 880)
        assert state(tag).status is Status.UP
        assert len({at for at, _ in story(tag)}) == len(story(tag))
    assert sum(hour.samples for hour in every(Hourly)) == count(Sample)
    record(sample("m5", start + 900, "DOWN"))
    assert {state(tag).status for tag in ("first", "left", "right", "top")} == {Status.DOWN}
