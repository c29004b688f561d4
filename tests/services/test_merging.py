"""Merging and splitting incidents by hand, on every kind of database. Contract: incident automation, X4, O6."""

from functools import partial

import pytest
from flask import Flask

from kener import clock
from kener.db import again, reading, transaction
from kener.domain.inputs import PostMortemInput, SplitInput
from kener.models import AffectedMonitor, Alert, AuditEntry, Incident, IncidentUpdate
from kener.queries.public import feed as feeds
from kener.queries.public import incidents as pages
from kener.services import incidents, merging, monitors, post_mortems
from kener.services.errors import Conflict, NotFound, Refused
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    make_configuration,
    make_incident,
    make_monitor,
    monitor_input,
    observe,
    post,
    record,
    sample,
    update_input,
)
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")


def fail(*tags: str) -> list[int]:
    """Monitors that go down one after the other, a minute between; the ids of their incidents."""
    for number, tag in enumerate(tags):
        make_monitor(tag)
        make_configuration(tag, failure_threshold=1, success_threshold=1, create_incident=True)
        observe(tag, "DOWN", start=T0 + 60 * number)
    return [incident.id for incident in every(Incident)][-len(tags) :]


def merge(incident_id: int, into_id: int) -> None:
    merging.merge(incident_id, into_id, actor=SAM)


def split(incident_id: int, *tags: str, ids: tuple[int, ...] = ()) -> int:
    return merging.split(incident_id, SplitInput(monitor_tags=list(tags), incident_ids=list(ids)), actor=SAM)


def get(incident_id: int) -> Incident:
    return next(incident for incident in every(Incident) if incident.id == incident_id)


def affected(incident_id: int) -> list[str]:
    return sorted(one.monitor_tag for one in every(AffectedMonitor) if one.incident_id == incident_id)


def story(incident_id: int) -> list[tuple[int, str]]:
    """When and as what an incident is told, in minutes after T0."""
    rows = [row for row in every(IncidentUpdate) if row.incident_id == incident_id]
    return [((int(row.at.timestamp()) - T0) // 60, row.state) for row in sorted(rows, key=lambda row: (row.at, row.id))]


def linked(incident_id: int) -> list[str]:
    return [alert.monitor_tag for alert in every(Alert) if alert.incident_id == incident_id]


# X4: merge


def test_x4_what_is_merged_goes_on_in_the_other_one() -> None:
    web, api = fail("web", "api")
    kept = {row.id: (row.at, row.text, row.updated_at) for row in every(IncidentUpdate)}
    merge(api, web)
    assert story(web) == [(0, "INVESTIGATING"), (1, "INVESTIGATING")]
    assert {row.id: (row.at, row.text, row.updated_at) for row in every(IncidentUpdate)} == kept
    assert (affected(web), linked(web), linked(api)) == (["api", "web"], ["web", "api"], [])
    assert (get(web).state, get(web).end_at) == ("INVESTIGATING", None)
    session = reading()
    assert [one.id for one in pages.recent_incidents(session, since=clock.at(0), staff=True)] == [web]
    assert pages.incident(session, api, staff=True) is None
    assert pages.merged_into(session, api) == web
    assert {(entry.key, entry.incident_id) for entry in feeds.feed(session)} == {
        (f"update-{number}", web) for number in kept
    }


def test_x4_r1_an_incident_of_several_alerts_ends_with_the_last_of_them() -> None:
    web, api = fail("web", "api")
    merge(web, api)
    observe("api", "UP", start=T0 + 300)
    assert get(api).end_at is None
    observe("web", "UP", start=T0 + 600)
    assert (get(api).end_at, story(api)[-1]) == (clock.at(T0 + 600), (10, "RESOLVED"))
    ended = {one.monitor_tag: one.ended_at for one in every(AffectedMonitor) if one.incident_id == api}
    assert ended == {"api": clock.at(T0 + 300), "web": clock.at(T0 + 600)}
    assert [state for _, state in story(api)].count("RESOLVED") == 1


def test_x4_o6_an_incident_begins_with_the_first_of_what_it_holds() -> None:
    web, api = fail("web", "api")
    merge(web, api)
    assert get(api).start_at == clock.at(T0)


def test_x4_one_that_is_over_does_not_end_the_one_that_lasts() -> None:
    web, api = fail("web", "api")
    post(web, "IDENTIFIED", at=T0 + 30)
    observe("api", "UP", start=T0 + 300)
    merge(api, web)
    assert (get(web).state, get(web).end_at) == ("IDENTIFIED", None)
    last = every(IncidentUpdate)[-1]
    assert f"Incident {api}, “Api STATUS: DOWN”, was merged into this one" in last.text
    assert (last.is_automatic, last.author) == (True, "sam@example.com")
    observe("web", "UP", start=T0 + 600)
    assert not get(web).is_open


def test_x4_one_that_lasts_re_opens_the_one_that_is_over() -> None:
    web, api = fail("web", "api")
    observe("web", "UP", start=T0 + 300)
    merge(api, web)
    assert (get(web).state, get(web).end_at) == ("INVESTIGATING", None)
    observe("api", "UP", start=T0 + 600)
    assert get(web).end_at is not None


def test_x4_o6_two_that_are_over_end_with_the_first_end_after_the_last_word() -> None:
    one, other = make_incident(start=T0), make_incident(start=T0 + 60)
    post(one, "RESOLVED", at=T0 + 600)
    post(other, "IDENTIFIED", at=T0 + 660)
    post(other, "RESOLVED", at=T0 + 720)
    merge(one, other)
    assert get(other).end_at == clock.at(T0 + 720)
    assert story(other) == [(10, "RESOLVED"), (11, "IDENTIFIED"), (12, "RESOLVED")]


def test_x4_o6_two_that_are_over_end_when_the_later_one_ended() -> None:
    web, api = fail("web", "api")
    observe("web", "UP", start=T0 + 300)
    observe("api", "UP", start=T0 + 600)
    merge(api, web)
    assert get(web).end_at == clock.at(T0 + 600)
    post(web, "RESOLVED", at=T0 + 900, text="A last word moves no end.")
    assert get(web).end_at == clock.at(T0 + 600)
    ends = {row.monitor_tag: row.ended_at for row in every(AffectedMonitor) if row.incident_id == web}
    assert ends == {"web": clock.at(T0 + 600), "api": clock.at(T0 + 600)}
    split(web, "api")
    assert [get(number).end_at for number in (web, api)] == [clock.at(T0 + 300), clock.at(T0 + 600)]


def test_x4_only_monitors_whose_alerts_last_are_affected_while_it_is_open() -> None:
    web, api = fail("web", "api")
    observe("api", "UP", start=T0 + 300)
    merge(api, web)
    assert {row.monitor_tag: row.ended_at for row in every(AffectedMonitor) if row.incident_id == web} == {
        "web": None,
        "api": clock.at(T0 + 300),
    }


def test_x4_the_worse_impact_counts() -> None:
    make_monitor("web")
    one = make_incident(monitors=[{"monitor_tag": "web", "impact": "DOWN"}])
    other = make_incident(monitors=[{"monitor_tag": "web", "impact": "DEGRADED"}])
    merge(one, other)
    assert [row.impact for row in every(AffectedMonitor) if row.incident_id == other] == ["DOWN"]


def test_x4_what_was_merged_before_follows() -> None:
    web, api, db = fail("web", "api", "db")
    merge(db, api)
    merge(api, web)
    assert pages.merged_into(reading(), db) == web
    assert affected(web) == ["api", "db", "web"]
    assert sorted(row.merged_from_id or 0 for row in every(IncidentUpdate)) == [0, api, db]


def test_x4_who_merged_what_is_noted_at_both() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    noted = {(row.about, row.actor, row.action) for row in every(AuditEntry) if row.about.startswith("incident-")}
    assert noted == {
        (f"incident-{api}", "sam@example.com", "merge"), (f"incident-{web}", "sam@example.com", "take in"),
    }  # fmt: skip
    [alert] = [alert for alert in every(Alert) if alert.monitor_tag == "api"]
    assert alert.incident_note.startswith(f"Incident {api} was merged into incident {web} by sam@example.com at ")


def test_x4_what_cannot_be_merged_is_refused_and_nothing_moves() -> None:
    web, api = fail("web", "api")
    secret = make_incident(is_private=True)
    db = fail("db")[0]
    merge(db, web)
    with transaction() as session:
        drill = Incident(title="Drill", source="ALERT", start_at=clock.now(), is_drill=True)
        session.add(drill)
    for one, other, field in (
        (api, api, "into_id"), (api, 99, "into_id"), (api, secret, "into_id"), (secret, api, "into_id"),
        (api, db, "into_id"), (api, drill.id, "into_id"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            merge(one, other)
        assert list(refused.value.errors) == [field], (one, other)
    with pytest.raises(NotFound):
        merge(99, api)
    with pytest.raises(Conflict):
        merge(db, api)
    assert [get(number).merged_into_id for number in (web, api, secret)] == [None] * 3


def test_x4_nothing_is_told_at_an_old_address() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    update_id = next(row.id for row in every(IncidentUpdate) if row.merged_from_id == api)
    for act in (
        lambda: incidents.post_update(api, update_input("MONITORING"), actor=SAM),
        lambda: incidents.edit_update(api, update_id, update_input("MONITORING"), actor=SAM),
        lambda: incidents.delete_update(api, update_id, actor=SAM),
        lambda: incidents.delete(api, actor=SAM),
        lambda: post_mortems.write(api, PostMortemInput(text="x"), actor=SAM),
        lambda: split(api, "api"),
    ):
        with pytest.raises(Conflict, match=f"merged into incident {web}"):
            act()
    assert count(IncidentUpdate) == 2


def test_x4_o4_whoever_deletes_an_incident_deletes_what_was_merged_into_it() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    incidents.delete(web, actor=SAM)
    assert (count(Incident), count(IncidentUpdate), count(AffectedMonitor)) == (0, 0, 0)
    assert [(alert.incident_id, "was deleted by sam" in alert.incident_note) for alert in every(Alert)] == [
        (None, True)
    ] * 2
    observe("api", "UP", start=T0 + 300)


# X4: split


def test_x4_a_merged_incident_comes_back_under_its_old_number() -> None:
    web, api = fail("web", "api")
    before = [(row.id, row.incident_id, row.text) for row in every(IncidentUpdate)]
    merge(api, web)
    assert split(web, "api") == api
    assert [(row.id, row.incident_id, row.text) for row in every(IncidentUpdate)] == before
    assert [(affected(number), linked(number)) for number in (web, api)] == [(["web"],) * 2, (["api"],) * 2]
    assert pages.incident(reading(), api) is not None and pages.merged_into(reading(), api) is None
    assert [alert.incident_note for alert in every(Alert)] == [None, None]
    observe("web", "UP", start=T0 + 300)
    assert ([get(number).is_open for number in (web, api)]) == [False, True]
    observe("api", "UP", start=T0 + 600)
    assert get(api).end_at == clock.at(T0 + 600)


def test_x4_two_troubles_of_one_monitor_are_told_apart_again() -> None:
    make_monitor("web")
    for kind, value in (("STATUS", "DOWN"), ("LATENCY", "100")):
        make_configuration("web", alert_for=kind, alert_value=value, failure_threshold=1, create_incident=True)
    observe("web", "DEGRADED", "DOWN", latency_ms=500)
    slow, down = (incident.id for incident in every(Incident))
    merge(slow, down)
    assert affected(down) == ["web"]
    assert split(down, ids=(slow,)) == slow
    assert (affected(slow), affected(down)) == (["web"], ["web"])
    assert [alert.rule["alert_for"] for alert in every(Alert) if alert.incident_id == slow] == ["LATENCY"]
    assert [alert.rule["alert_for"] for alert in every(Alert) if alert.incident_id == down] == ["STATUS"]


def test_x4_monitors_that_nobody_merged_leave_into_a_new_incident() -> None:
    web, api = fail("web", "api")
    with transaction() as session:  # As two alerts that were grouped when they opened.
        alert = session.get_one(Alert, every(Alert)[1].id)
        alert.incident_id = web
        incident = session.get_one(Incident, web)
        incident.affected.append(
            AffectedMonitor(monitor_id=alert.monitor_id, monitor_tag="api", monitor_name="Api", impact="DOWN")
        )
        session.delete(session.get_one(Incident, api))
    new = split(web, "api")
    assert new not in (web, api)
    incident = get(new)
    assert (incident.title, incident.source, incident.start_at) == ("Api STATUS: DOWN", "ALERT", clock.at(T0 + 60))
    assert (story(new), affected(new), linked(new)) == ([(1, "INVESTIGATING")], ["api"], ["api"])
    assert (story(web), affected(web), linked(web)) == ([(0, "INVESTIGATING")], ["web"], ["web"])
    observe("api", "UP", start=T0 + 300)
    assert (get(new).is_open, get(web).is_open) == (False, True)


def test_x4_what_resolved_while_it_was_merged_comes_back_resolved() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    observe("api", "UP", start=T0 + 300)
    split(web, "api")
    assert (story(api), get(api).end_at) == ([(1, "INVESTIGATING"), (5, "RESOLVED")], clock.at(T0 + 300))
    assert get(web).is_open


def test_x4_when_the_last_active_alert_leaves_the_incident_is_closed() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    observe("web", "UP", start=T0 + 300)
    assert get(web).is_open
    split(web, "api")
    recovery = [(5, "INVESTIGATING"), (5, "RESOLVED")]
    assert (get(web).end_at, story(web)) == (clock.at(T0 + 300), [(0, "INVESTIGATING"), *recovery])
    assert get(api).is_open


def test_x4_an_impact_that_was_over_before_a_merge_or_a_split_stays_over() -> None:
    web, api, mail = fail("web", "api", "mail")
    merge(api, web)
    observe("api", "UP", start=T0 + 300)
    merge(web, mail)
    ends = {one.monitor_tag: one.ended_at for one in every(AffectedMonitor) if one.incident_id == mail}
    assert ends == {"web": None, "mail": None, "api": clock.at(T0 + 300)}
    split(mail, "mail")
    ends = {one.monitor_tag: one.ended_at for one in every(AffectedMonitor) if one.incident_id == mail}
    assert ends == {"web": None, "api": clock.at(T0 + 300)}


def test_x4_what_began_with_the_other_one_begins_later_again() -> None:
    web, api = fail("web", "api")
    merge(web, api)
    assert split(api, "web") == web
    assert (get(web).start_at, get(api).start_at) == (clock.at(T0), clock.at(T0 + 60))


def test_x4_incidents_by_hand_part_in_the_state_that_they_shared() -> None:
    for tag in ("web", "api", "db"):
        make_monitor(tag)
    one, other = make_incident("web", "api"), make_incident("db")
    merge(other, one)
    post(one, "IDENTIFIED", at=T0 + 60)
    new = split(one, "api")
    assert (get(new).state, get(new).source, get(new).title) == ("IDENTIFIED", "DASHBOARD", "Slow payments")
    post(one, "RESOLVED", at=T0 + 120)
    assert split(one, "db") == other
    assert (get(other).end_at, get(new).end_at, affected(one)) == (clock.at(T0 + 120), None, ["web"])


def test_x4_several_merged_incidents_leave_together() -> None:
    web, api, db = fail("web", "api", "db")
    merge(api, web)
    merge(db, web)
    assert split(web, "api", "db") == api
    assert (affected(api), linked(api), get(db).merged_into_id) == (["api", "db"], ["api", "db"], api)
    assert story(api) == [(1, "INVESTIGATING"), (2, "INVESTIGATING")]
    assert split(api, ids=(db,)) == db
    assert (affected(api), affected(db), linked(db)) == (["api"], ["db"], ["db"])


def test_x4_one_that_became_private_meanwhile_comes_back_private() -> None:
    web, api = fail("web", "api")
    post_at = clock.now()
    merge(api, web)
    with transaction() as session:
        session.get_one(Incident, web).is_private = True
        session.get_one(Incident, api).post_mortem, session.get_one(Incident, api).post_mortem_at = "A cable.", post_at
    assert pages.merged_into(reading(), api) is None and feeds.feed(reading()) == []
    assert pages.merged_into(reading(), api, staff=True) == web
    split(web, "api")
    assert get(api).is_private


@pytest.mark.parametrize("before", [True, False])
def test_x4_l7_a_hidden_monitor_that_leaves_is_told_to_operators_only(before: bool) -> None:
    web, api = fail("web", "api")
    if before:
        merge(api, web)
    else:
        with transaction() as session:  # As two alerts that were grouped when they opened.
            alert = session.get_one(Alert, every(Alert)[1].id)
            alert.incident_id = web
            incident = session.get_one(Incident, web)
            incident.affected.append(
                AffectedMonitor(monitor_id=alert.monitor_id, monitor_tag="api", monitor_name="Api", impact="DOWN")
            )
    monitors.update("api", monitor_input("api", is_hidden=True), actor=SAM)
    assert not get(web).is_private
    assert get(split(web, "api")).is_private
    assert not get(web).is_private


def test_x4_a_split_that_makes_no_sense_is_refused() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    for tags, ids, field in (
        (["web", "api"], [], "monitor_tags"), (["nope"], [], "monitor_tags"), ([], [web], "incident_ids"), (["web"], [99], "incident_ids"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            split(web, *tags, ids=tuple(ids))
        assert list(refused.value.errors) == [field]
    with pytest.raises(NotFound):
        split(99, "web")
    assert affected(web) == ["api", "web"]


def test_x4_who_split_what_is_noted_at_both() -> None:
    web, api = fail("web", "api")
    merge(api, web)
    split(web, "api")
    noted = {(row.about, row.actor, row.action) for row in every(AuditEntry)[-2:]}
    assert noted == {
        (f"incident-{web}", "sam@example.com", "split"), (f"incident-{api}", "sam@example.com", "split off"),
    }  # fmt: skip


def test_x4_the_post_mortems_of_both_are_shown_and_part_with_them() -> None:
    one, other = make_incident(), make_incident()
    for number in (one, other):
        post(number, "RESOLVED", at=T0 + 60)
        post_mortems.write(number, PostMortemInput(text=f"Of {number}."), actor=SAM)
    merge(other, one)
    shown = pages.incident(reading(), one)
    assert shown is not None
    assert [(row.incident_id, row.text) for row in shown.post_mortems] == [(one, f"Of {one}."), (other, f"Of {other}.")]
    keys = {(entry.key, entry.incident_id) for entry in feeds.feed(reading()) if entry.kind == "POST-MORTEM"}
    assert keys == {(f"post-mortem-{one}", one), (f"post-mortem-{other}", one)}
    split(one, ids=(other,))
    assert only_post_mortem(one) == f"Of {one}." and only_post_mortem(other) == f"Of {other}."


def only_post_mortem(incident_id: int) -> str:
    shown = pages.incident(reading(), incident_id)
    assert shown is not None
    [row] = shown.post_mortems
    return row.text


# X4, R1: at once


def test_x4_r1_an_alert_that_resolves_while_its_incident_is_merged_or_split_strands_nothing(app: Flask) -> None:
    for number in range(6):
        start = clock.epoch() - 3_600 + 600 * number
        tags = [f"web{number}", f"api{number}"]
        for tag in tags:
            make_monitor(tag)
            make_configuration(tag, failure_threshold=1, success_threshold=1, create_incident=True)
            observe(tag, "DOWN", start=start)
        web, api = (incident.id for incident in every(Incident)[-2:])
        if number % 2:
            merge(api, web)
            act = partial(split, web, tags[1])
        else:
            act = partial(merge, api, web)
        see = [partial(again, partial(record, sample(tag, start + 60, "UP"))) for tag in tags]
        at_once(app, act, *see)
        assert {alert.alert_status for alert in every(Alert)} == {"RESOLVED"}
        for incident in every(Incident):
            assert incident.status == "CLOSED", (number, incident.id)
            told = [row.state for row in every(IncidentUpdate) if row.incident_id == incident.id]
            assert not told or told.count("RESOLVED") >= 1
        assert [get(api).merged_into_id, len(linked(web))] == ([None, 1] if number % 2 else [web, 2])
