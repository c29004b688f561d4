"""Targets of several types are looked at in one go."""

import time

from kener.domain.specs import MonitorType, parse_spec
from kener.domain.status import Status
from kener.probes import Target, look_at_all
from tests.doubles.http import HttpDouble, hang, reply


def test_types_share_one_budget_instead_of_waiting_for_each_other() -> None:
    with HttpDouble() as server:
        server.on("/hang", hang)
        server.on("/ok", reply(200))
        port = int(server.url("/").rsplit(":", 1)[1].strip("/"))
        hosts = [{"host": "127.0.0.1", "port": port, "timeout": 5_000}]
        targets = {
            MonitorType.API: [
                Target(1, parse_spec(MonitorType.API, {"url": server.url("/hang"), "timeout": 5_000})),
                Target(2, parse_spec(MonitorType.API, {"url": server.url("/ok")})),
            ],
            MonitorType.TCP: [
                Target(3, parse_spec(MonitorType.TCP, {"hosts": hosts, "expect": "never"})),
                Target(4, parse_spec(MonitorType.TCP, {"hosts": hosts})),
            ],
        }
        started = time.monotonic()
        found = dict(look_at_all(targets, budget_s=0.8))
        took = time.monotonic() - started
    assert (found[1], found[3]) == (None, None)
    assert [found[number] and found[number].status for number in (2, 4)] == [Status.UP, Status.UP]
    assert took < 1.5


def test_a_probe_that_breaks_off_costs_no_other_type_its_readings() -> None:
    with HttpDouble() as server:
        server.on("/ok", reply(200))
        api = Target(1, parse_spec(MonitorType.API, {"url": server.url("/ok")}))
        # A spec of another type is what no probe can read: a mistake of ours, made here on purpose.
        found = dict(look_at_all({MonitorType.API: [api], MonitorType.TCP: [Target(2, api.spec), Target(3, api.spec)]}))
    assert found[1] is not None and found[1].status is Status.UP
    for number in (2, 3):
        reading = found[number]
        assert reading is not None and reading.status is Status.NO_DATA
