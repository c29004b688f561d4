"""What monitors promise as a whole: the statements of docs/acceptance.md that no narrower test holds."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue
from sqlalchemy import text, update

from kener import clock, jobs, live
from kener.db import transaction
from kener.domain.specs import SPECS, MonitorType
from kener.domain.status import Status, from_code
from kener.models import Monitor, MonitorState, Sample, SampleNote
from kener.services import accounts, monitoring, scheduling, secrets
from kener.services.secrets import SecretInput
from tests.doubles.http import HttpDouble, reply
from tests.doubles.smtp import SmtpDouble
from tests.doubles.tcp import TcpDouble, hang_up, nothing
from tests.factories import SAM, every, id_of, make_incident, make_monitor, only, plan_maintenance, post, record, sample
from tests.support.api import Api
from tests.support.pages import visit
from tests.support.statements import counted
from tests.support.subscribers import name_site, smtp_settings

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """The app of a site that can send, so that visitors may subscribe."""
    with SmtpDouble() as smtp:
        yield make_app(smtp=smtp_settings(smtp))


def due_now() -> int:
    """Make everything due at one moment, which is returned."""
    now = clock.epoch()
    with transaction() as session:
        session.execute(update(MonitorState).values(due_at=now, slot=None, claimed_at=None))
    return now


def shard(now: int) -> list[tuple[int, int]]:
    return [(claim.monitor_id, claim.slot) for claim in scheduling.claim(now)]


def statuses() -> dict[int, Status]:
    return {row.monitor_id: from_code(row.status) for row in every(Sample)}


@pytest.mark.parametrize(("timeout_ms", "ends_here"), [(1_000, True), (10_000, False)])
def test_2_a_tls_peer_that_stalls_ends_at_its_deadline_and_fifty_others_finish_on_time(
    redis: Redis, timeout_ms: int, ends_here: bool
) -> None:
    with HttpDouble() as web, TcpDouble(hang_up) as door, TcpDouble(nothing) as stalled:
        web.on("/", reply(200))
        for number in range(25):
            make_monitor(f"web{number}", monitor_type="API", type_data={"url": web.url("/")})
            hosts = [{"host": "127.0.0.1", "port": door.port}]
            make_monitor(f"door{number}", monitor_type="TCP", type_data={"hosts": hosts})
        settings = {"host": "127.0.0.1", "port": stalled.port, "timeout": timeout_ms}
        make_monitor("stalled", monitor_type="SSL", type_data=settings)
        claims = shard(due_now())
        begun = time.monotonic()
        recorded = monitoring.run_shard(claims, slow=False)
        took_s = time.monotonic() - begun
        assert stalled.connections == 1
    found = statuses()
    assert len(claims) == 51
    assert [status for key, status in found.items() if key != id_of("stalled")] == [Status.UP] * 50
    others = [row for row in every(Sample) if row.monitor_id != id_of("stalled")]
    assert all(row.latency_ms is not None and row.latency_ms < 1_000 for row in others)
    assert max(state.lateness_ms or 0 for state in every(MonitorState)) < 2_000
    # The fast lane gives up after a second and a half; what is above that is this machine's own business.
    assert took_s < 5
    waiting = [job.args[0] for job in Queue(jobs.SLOW_CHECKS, connection=redis).jobs]
    if ends_here:
        assert (recorded, found[id_of("stalled")], waiting) == (51, Status.DOWN, [])
    else:
        assert (recorded, [pair[0] for pair in waiting[0]]) == (50, [id_of("stalled")])


@pytest.mark.parametrize(
    "damage",
    [
        "cron = 'every day', interval_seconds = NULL",
        "cron = '0 0 30 2 *', interval_seconds = NULL",
        "interval_seconds = 0",
    ],
)
@pytest.mark.parametrize("kind", ["NONE", "HEARTBEAT", "GROUP"])
def test_3_a_schedule_that_was_damaged_in_its_row_leaves_all_others_running(
    redis: Redis, damage: str, kind: str
) -> None:
    for tag in ("one", "two"):
        make_monitor(tag, monitor_type="HEARTBEAT")
    make_monitor("inner", monitor_type="HEARTBEAT")
    settings = {"monitors": [{"tag": "inner", "weight": 1}]} if kind == "GROUP" else {}
    make_monitor("broken", monitor_type=kind, type_data=settings)
    with transaction() as session:
        session.execute(text(f"UPDATE monitor SET {damage} WHERE tag = 'broken'"))
    now = due_now()
    assert scheduling.tick(now) == 4
    for job in Queue(jobs.CHECKS, connection=redis).jobs:
        monitoring.run_shard([tuple(pair) for pair in job.args[0]], slow=False)
    found = statuses()
    assert {id_of("one"), id_of("two"), id_of("inner"), id_of("broken")} <= found.keys()
    assert found[id_of("broken")] is Status.NO_DATA
    if kind != "GROUP":
        notes = {note.monitor_id: note.error or "" for note in every(SampleNote)}
        assert notes[id_of("broken")].startswith("The schedule of this monitor cannot be used: ")
    later = now + 3_600
    assert id_of("broken") in {claim.monitor_id for claim in scheduling.claim(later)}
    record(sample("inner", later, "UP"))


def test_12_a_page_with_five_hundred_monitors_asks_as_often_as_one_with_five(client: FlaskClient) -> None:
    def statements(numbers: range) -> int:
        now = clock.epoch()
        for number in numbers:
            make_monitor(f"m{number}")
        record(*(sample(f"m{number}", now - 30, "UP") for number in numbers))
        live.publish()
        with counted() as asked:
            page = visit(client, "/")
        assert len(page.all(".ledger > li")) == numbers.stop
        return len(asked)

    assert statements(range(5)) == statements(range(5, 500)) < 20


def test_13_a_hidden_monitor_is_nowhere_for_visitors(app: Flask, client: FlaskClient, editor: FlaskClient) -> None:
    name_site()
    now = clock.epoch()
    make_monitor("shop")
    make_monitor("vaultdoor", is_hidden=True)
    record(sample("shop", now - 30, "UP"), sample("vaultdoor", now - 30, "DOWN"))
    shared = make_incident("shop", "vaultdoor", start=now - 600)
    alone = make_incident("vaultdoor", start=now - 600, title="Vaultdoor sealed", is_private=True)
    post(shared, "INVESTIGATING")
    planned = plan_maintenance("vaultdoor", start=now + 3_600, end=now + 7_200, title="Vaultdoor oiled")
    values = {"tag": ["vaultdoor"], "incident_id": [shared, alone], "maintenance_id": [planned]}
    tried, refused = set(), set()
    for rule in app.url_map.iter_rules():
        outside = ("/manage", "/api", "/static", "/account", "/setup", "/sign-")
        if rule.rule.startswith(outside) or "GET" not in (rule.methods or ()):
            continue
        for address in addresses(app, rule, values):
            answer = client.get(address)
            tried.add(rule.endpoint)
            assert "vaultdoor" not in answer.text.lower().replace(address, ""), address
            if answer.status_code == 404:
                refused.add(address)
    assert {
        "public.home",
        "public.monitor",
        "public.incident",
        "public.rss",
        "public.atom",
        "machines.metrics",
    } <= tried
    assert {"/monitors/vaultdoor", f"/incidents/{alone}", f"/maintenances/{planned}"} <= refused
    for rule in app.url_map.iter_rules():
        if "tag" in rule.arguments and not rule.rule.startswith(("/manage", "/api")):
            assert set(addresses(app, rule, values)) <= refused, rule.rule
    form = client.get("/subscriptions?monitor=vaultdoor&scope=chosen")
    assert form.status_code == 200 and "shop" in form.text.lower()
    assert not re.search(r"<(option|input)[^>]*vaultdoor", form.text)
    wanted = {"address": "ann@example.com", "kinds": ["INCIDENTS"], "scope": "chosen", "monitors": ["vaultdoor"]}
    assert client.post("/subscriptions", data=wanted).status_code == 422
    assert editor.get("/monitors/vaultdoor").status_code == 200


def addresses(app: Flask, rule: Any, values: dict[str, list[Any]]) -> list[str]:
    """Addresses of a rule; what is not in `values` is a word that means nothing."""
    names = sorted(rule.arguments)
    chosen = next((name for name in names if name in values), None)
    with app.test_request_context():
        adapter = app.url_map.bind("")
        return [
            adapter.build(rule.endpoint, dict.fromkeys(names, "vaultdoor") | ({chosen: value} if chosen else {}))
            for value in (values[chosen] if chosen else [None])
        ]


VALUE = "h0n3y-and-vinegar"

NAMED: dict[MonitorType, dict[str, Any]] = {
    MonitorType.API: {"url": "http://127.0.0.1:9/$HONEY", "headers": [{"key": "X-Key", "value": "$HONEY"}]},
    MonitorType.SSL: {"host": "$HONEY", "port": 9},
    MonitorType.DNS: {"host": "$HONEY", "nameServer": "127.0.0.1"},
    MonitorType.TCP: {"hosts": [{"host": "$HONEY", "port": 9}]},
    MonitorType.GRPC: {"host": "$HONEY", "port": 9},
    MonitorType.PING: {"hosts": [{"host": "$HONEY"}]},
    MonitorType.UDP: {"host": "$HONEY", "port": 9},
    MonitorType.GAMEDIG: {"gameId": "minecraft", "host": "$HONEY"},
    MonitorType.STARTTLS: {"host": "$HONEY"},
    MonitorType.WEBSOCKET: {"url": "ws://127.0.0.1:9/$HONEY"},
    MonitorType.SQL: {"connectionString": "postgresql://app:$HONEY@127.0.0.1:9/shop"},
}
"""Settings of every type that reaches out, with the name of a secret in them. None of them finds anybody."""


def test_14_the_value_of_a_secret_is_in_no_answer_page_export_log_or_queue(
    client: FlaskClient, owner: FlaskClient, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = Api(client, accounts.create_api_key("deploy robot", actor=SAM))
    secrets.create(SecretInput(name="HONEY", value=VALUE), actor=SAM)
    for kind, settings in NAMED.items():
        short = {"timeout": 500} if "timeout" in SPECS[kind].model_fields else {}
        make_monitor(kind.value.lower(), monitor_type=kind, type_data=settings | short)
    kept = f"postgresql://app:{VALUE}@127.0.0.1:9/shop"
    make_monitor("kept", monitor_type="SQL", type_data={"connectionString": kept, "timeout": 500})
    scheduling.tick(due_now())
    waiting = [job for name in (jobs.CHECKS, jobs.SLOW_CHECKS) for job in Queue(name, connection=redis).jobs]
    assert waiting
    told = b"".join(job.data for job in waiting).decode("latin-1")
    for job in waiting:
        monitoring.run_shard([tuple(pair) for pair in job.args[0]], slow=True)
    assert len(every(Sample)) == len(NAMED) + 1
    tags = [one.tag for one in every(Monitor)]
    told += json.dumps(api.get("/monitors")) + "".join(json.dumps(api.get(f"/monitors/{tag}")) for tag in tags)
    for tag in tags:
        for path in ("", "/edit", "/data", "/data.csv"):
            answer = owner.get(f"/manage/monitors/{tag}{path}")
            assert answer.status_code == 200, path
            told += answer.text
        told += owner.get(f"/monitors/{tag}").text
    told += "".join(
        owner.get(path).text for path in ("/", "/manage/monitors/", "/manage/secrets/", "/metrics", "/rss.xml")
    )
    told += caplog.text + " ".join(note.error or "" for note in every(SampleNote))
    told += " ".join(json.dumps(one.type_data) for one in every(Monitor))
    assert "HONEY" in told
    assert VALUE not in told


def test_14_what_waits_in_redis_or_in_the_tables_does_not_hold_it(redis: Redis) -> None:
    secrets.create(SecretInput(name="HONEY", value=VALUE), actor=SAM)
    make_monitor("kept", monitor_type="SQL", type_data={"connectionString": f"mysql://app:{VALUE}@127.0.0.1:9/shop"})
    scheduling.tick(due_now())
    assert VALUE not in json.dumps(only(Monitor).type_data)
    dumped = b"".join(redis.dump(key) or b"" for key in redis.keys("*"))
    assert VALUE.encode() not in dumped
