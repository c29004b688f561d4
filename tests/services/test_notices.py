"""Whatever posts an update, its subscribers hear of it once (L2, N4); what nobody may see reaches nobody."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import update

from kener import clock, jobs
from kener.db import transaction
from kener.domain.inputs import IncidentInput, SplitInput
from kener.domain.status import Status
from kener.domain.subscriptions import NoticeKind
from kener.models import GroupMember, Incident, Monitor, Notice, NoticeDelivery, Page, PageMonitor, Subscriber
from kener.services import drills, incidents, merging, notices, subscribers
from kener.services.audit import Actor
from tests.doubles.smtp import SmtpDouble
from tests.factories import (
    SAM,
    T0,
    count,
    every,
    id_of,
    make_configuration,
    make_incident,
    make_monitor,
    observe,
    only,
    post,
    update_input,
)
from tests.support.statements import counted
from tests.support.subscribers import make_subscriber, many, name_site, parts, send, smtp_settings, switch, told

RULE = {"failure_threshold": 1, "success_threshold": 1, "create_incident": True}


@pytest.fixture
def smtp(make_app: Callable[..., Flask]) -> Iterator[SmtpDouble]:
    """A mail server, a site with an address, one monitor and one subscriber to everything."""
    with SmtpDouble() as server:
        make_app(web=False, smtp=smtp_settings(server))
        name_site()
        make_monitor("shop")
        make_subscriber()
        yield server


def spoken() -> list[tuple[str, str]]:
    """What was said: event and title."""
    return [(row.event, row.message["title"]) for row in every(Notice)]


def recipients() -> list[list[str]]:
    """Who hears of each thing that was said."""
    names = {one.id: one.address for one in every(Subscriber)}
    by_notice: dict[int, list[str]] = {row.id: [] for row in every(Notice)}
    for row in every(NoticeDelivery):
        by_notice[row.notice_id].append(names[row.subscriber_id])
    return [sorted(found) for found in by_notice.values()]


def test_n4_the_creation_and_the_resolution_reach_a_subscriber_once_each(smtp: SmtpDouble, redis: Redis) -> None:
    make_configuration("shop", **RULE)
    observe("shop", "DOWN", start=T0)
    send()
    observe("shop", "UP", start=T0 + 47 * 60)
    send()
    send()
    number = only(Incident).id
    assert told(smtp) == [f"[#{number}:INVESTIGATING] Shop STATUS: DOWN", f"[#{number}:RESOLVED] Shop STATUS: DOWN"]
    (opened, _), (over, html) = parts(smtp.kept[0]), parts(smtp.kept[1])
    assert "Alert triggered" in opened and f"https://status.example.org/incidents/{number}" in opened
    assert "Total duration: 47 minutes" in over and "47 minutes" in html
    assert jobs.NOTICES in {queue.name for queue in Queue.all(connection=redis)}


def test_l2_alert_incident_and_a_row_for_every_subscriber_are_written_together_or_not_at_all(smtp: SmtpDouble) -> None:
    make_configuration("shop", **RULE)
    many(3)
    with pytest.raises(RuntimeError, match="a crash"), transaction() as session:
        incident = Incident(title="Broken off", source=SAM.source, start_at=clock.at(T0))
        session.add(incident)
        session.flush()
        notices.tell(session, incident, None)
        raise RuntimeError("a crash")
    assert (count(Incident), count(Notice), count(NoticeDelivery)) == (0, 0, 0)
    observe("shop", "DOWN")
    assert (count(Incident), count(Notice), count(NoticeDelivery)) == (1, 1, 4)


def test_n4_every_update_by_whatever_hand_is_told(smtp: SmtpDouble) -> None:
    number = make_incident("shop", title="Slow")
    post(number, "IDENTIFIED", at=T0 + 60)
    incidents.post_update(number, update_input("MONITORING", at=T0 + 120), actor=Actor("key", SAM.source))
    post(number, "RESOLVED", at=T0 + 180)
    assert [event for event, _ in spoken()] == ["OPENED", "UPDATED", "UPDATED", "RESOLVED"]
    assert recipients() == [["ann@example.com"]] * 4


def test_an_update_without_the_tick_is_told_to_nobody(smtp: SmtpDouble) -> None:
    given = update_input("IDENTIFIED", at=T0 + 60).model_copy(update={"notify": False})
    number = make_incident("shop")
    incidents.post_update(number, given, actor=SAM)
    make_incident("shop", title="Quiet", notify=False)
    assert spoken() == [("OPENED", "Slow payments")]


def test_correcting_an_update_is_told_only_where_it_ends_the_incident(smtp: SmtpDouble) -> None:
    number = make_incident("shop")
    update_id = post(number, "IDENTIFIED", at=T0 + 60)
    incidents.edit_update(number, update_id, update_input("IDENTIFIED", text="A typo less."), actor=SAM)
    incidents.edit_update(number, update_id, update_input("RESOLVED", text="It is over."), actor=SAM)
    incidents.edit_update(number, update_id, update_input("RESOLVED", text="It is all over."), actor=SAM)
    assert [event for event, _ in spoken()] == ["OPENED", "UPDATED", "RESOLVED"]


def test_an_end_by_hand_is_told(smtp: SmtpDouble) -> None:
    number = make_incident("shop")
    given = {"title": "Slow payments", "start_at": clock.at(T0), "end_at": clock.at(T0 + 3600)}
    incidents.update(number, IncidentInput.model_validate(given), actor=SAM)
    send()
    send()
    assert [event for event, _ in spoken()] == ["OPENED", "RESOLVED"]
    assert "Total duration: 1 hour" in parts(smtp.kept[-1])[0]


def test_what_was_over_when_it_was_entered_is_told_once(smtp: SmtpDouble) -> None:
    given = {"title": "Last night", "start_at": clock.at(T0), "end_at": clock.at(T0 + 3600)}
    incidents.create(IncidentInput.model_validate(given), actor=SAM, first_update=update_input("IDENTIFIED", at=T0))
    assert spoken() == [("RESOLVED", "Last night")]


def test_x4_merging_and_splitting_tell_what_they_post_and_repeat_nothing(smtp: SmtpDouble) -> None:
    make_monitor("bank")
    make_subscriber("bea@example.com", monitors=["bank"])
    make_configuration("shop", **RULE)
    make_configuration("bank", **RULE)
    observe("shop", "DOWN")
    observe("bank", "DOWN")
    shop, bank = every(Incident)
    assert recipients() == [["ann@example.com"], ["ann@example.com", "bea@example.com"]]
    merging.merge(bank.id, shop.id, actor=SAM)
    assert len(spoken()) == 2
    observe("bank", "UP")
    observe("shop", "UP")
    assert recipients()[2:] == [["ann@example.com", "bea@example.com"]] * 2
    merging.split(shop.id, SplitInput(incident_ids=[bank.id]), actor=SAM)
    assert [event for event, _ in spoken()][4:] in ([], ["RESOLVED"], ["RESOLVED", "RESOLVED"])


def test_drills_reach_no_subscriber(smtp: SmtpDouble) -> None:
    config_id = make_configuration("shop", **RULE)
    drill_id = drills.start(config_id, "shop", actor=SAM)
    for _ in range(5):
        drills.run(drill_id)
    assert every(Incident)[0].is_drill
    assert spoken() == []


def test_l7_hidden_monitors_and_private_incidents_reach_no_subscriber(smtp: SmtpDouble) -> None:
    make_monitor("vault", is_hidden=True)
    make_configuration("vault", **RULE)
    observe("vault", "DOWN")
    make_incident("shop", is_private=True)
    assert spoken() == []
    number = make_incident("shop", "vault", title="Both")
    send()
    assert [row.message["monitors"] for row in every(Notice)] == [[["Shop", "DOWN"]]]
    assert "vault" not in smtp.kept[0].raw.decode().lower()
    incidents.update(
        number,
        IncidentInput.model_validate({"title": "Both", "start_at": clock.at(T0), "is_private": True}),
        actor=SAM,
    )
    post(number, "RESOLVED", at=T0 + 60)
    assert len(spoken()) == 1


def test_what_is_hidden_or_taken_back_before_it_was_sent_stays_in_the_house(smtp: SmtpDouble) -> None:
    hidden, deleted, kept = make_incident("shop", title="A"), make_incident("shop", title="B"), make_incident("shop")
    post(kept, "IDENTIFIED", at=T0 + 60)
    mistake = post(kept, "MONITORING", at=T0 + 120, text="Wrong window, sorry")
    given = {"title": "A", "start_at": clock.at(T0), "is_private": True}
    incidents.update(hidden, IncidentInput.model_validate(given), actor=SAM)
    incidents.delete(deleted, actor=SAM)
    incidents.delete_update(kept, mistake, actor=SAM)
    for _ in range(3):
        send()
    assert told(smtp) == [f"[#{kept}:INVESTIGATING] Slow payments", f"[#{kept}:IDENTIFIED] Slow payments"]
    assert [row.answer for row in every(NoticeDelivery) if row.state == "FAILED"] == [
        "Not sent: the incident is for operators only now.",
        "Not sent: the incident was deleted.",
        "Not sent: the update was deleted.",
    ]


def test_a_scope_is_a_monitor_a_page_a_group_or_an_incident(smtp: SmtpDouble) -> None:
    for tag in ("bank", "mail", "all-money"):
        make_monitor(tag)
    group_id = id_of("all-money")
    with transaction() as session:
        page = Page(path="money", title="Money")
        session.add(page)
        session.flush()
        session.add(PageMonitor(page_id=page.id, monitor_id=group_id))
    join("all-money", "bank")
    make_subscriber("monitor@example.com", monitors=["bank"])
    make_subscriber("group@example.com", monitors=["all-money"])
    make_subscriber("page@example.com", pages=["money"])
    make_subscriber("other@example.com", monitors=["mail"])
    number = make_incident("bank")
    make_subscriber("follower@example.com", incident_ids=[number])
    post(number, "IDENTIFIED", at=T0 + 60)
    everybody = ["ann@example.com", "group@example.com", "monitor@example.com", "page@example.com"]
    assert recipients() == [everybody, sorted([*everybody, "follower@example.com"])]
    join("all-money", "mail")
    make_incident("mail")
    assert recipients()[-1] == ["ann@example.com", "group@example.com", "other@example.com", "page@example.com"]


def join(group: str, member: str) -> None:
    """Make a monitor a member of a group."""
    row = GroupMember(group_id=id_of(group), member_id=id_of(member))
    with transaction() as session:
        session.add(row)


def test_a_hidden_group_and_a_hidden_member_give_nobody_away(smtp: SmtpDouble) -> None:
    make_monitor("secret-group")
    make_subscriber("group@example.com", monitors=["secret-group"])
    join("secret-group", "shop")
    with transaction() as session:
        session.execute(update(Monitor).where(Monitor.tag == "secret-group").values(is_hidden=True))
    make_incident("shop")
    assert recipients() == [["ann@example.com"]]


def test_least_impact_and_kinds_are_heeded(smtp: SmtpDouble) -> None:
    make_subscriber("down@example.com", least_impact="DOWN")
    make_subscriber("shop-down@example.com", monitors=["shop"], least_impact="DOWN")
    make_subscriber("works@example.com", kinds=["MAINTENANCE"])
    make_incident(monitors=[{"monitor_tag": "shop", "impact": "DEGRADED"}])
    make_incident("shop")
    assert recipients() == [["ann@example.com"], ["ann@example.com", "down@example.com", "shop-down@example.com"]]


def test_who_heard_of_the_beginning_hears_of_the_end(smtp: SmtpDouble) -> None:
    make_subscriber("shop@example.com", monitors=["shop"], least_impact="DOWN")
    number = make_incident("shop")
    given = {"title": "Slow payments", "start_at": clock.at(T0), "monitors": []}
    incidents.update(number, IncidentInput.model_validate(given), actor=SAM)
    post(number, "RESOLVED", at=T0 + 60)
    assert recipients() == [["ann@example.com", "shop@example.com"]] * 2


def test_maintenance_is_said_once_a_key_to_those_whom_it_concerns(smtp: SmtpDouble) -> None:
    make_monitor("bank")
    make_subscriber("bank@example.com", monitors=["bank"])
    make_subscriber("incidents@example.com", kinds=["INCIDENTS"])
    given = notices.Notice(
        key="window-1-started",
        kind=NoticeKind.MAINTENANCE,
        event="STARTED",
        title="Move",
        text="We **move**.",
        at=clock.at(T0),
        monitors={id_of("shop"): Status.MAINTENANCE},
        start_at=clock.at(T0),
        end_at=clock.at(T0 + 7200),
        path="maintenances/1",
    )
    for _ in range(2):
        with transaction() as session:
            notices.publish(session, given)
    assert recipients() == [["ann@example.com"]]
    send()
    text, _ = parts(smtp.kept[0])
    assert told(smtp) == ["Maintenance has started: Move"]
    assert "Starts: 14 May 2024, 09:00 UTC" in text and "Length: 2 hours" in text


def test_maintenance_of_hidden_monitors_is_not_said(smtp: SmtpDouble) -> None:
    make_monitor("vault", is_hidden=True)
    given = {"kind": NoticeKind.MAINTENANCE, "event": "STARTED", "title": "Move", "text": "", "at": clock.at(T0)}
    hidden = {id_of("vault"): Status.MAINTENANCE}
    with transaction() as session:
        assert notices.publish(session, notices.Notice(key="a", monitors=hidden, **given)) is None
        assert notices.publish(session, notices.Notice(key="b", **given)) is not None


def test_what_is_switched_off_is_neither_written_nor_sent(smtp: SmtpDouble) -> None:
    number = make_incident("shop")
    switch(incidents=False)
    post(number, "IDENTIFIED", at=T0 + 60)
    send()
    assert smtp.kept == []
    assert [row.answer for row in every(NoticeDelivery)] == ["Not sent: subscriptions to this are switched off."]


def test_nobody_pending_or_gone_is_told(smtp: SmtpDouble) -> None:
    subscribers.ask(subscribers.SubscriberInput(address="pending@example.com"))
    subscribers.remove(subscribers.find(subscribers.Channel.EMAIL, "ann@example.com") or 0, actor=SAM)
    make_incident("shop")
    assert recipients() == [[]]


def test_ten_thousand_subscribers_cost_as_many_statements_as_one(smtp: SmtpDouble) -> None:
    with counted() as few:
        make_incident("shop")
    many(10_000)
    with counted() as lots:
        make_incident("shop")
    assert len(lots) == len(few)
    assert count(NoticeDelivery) == 10_002
