"""The ping probe, against the loopback interface of a network of its own: the kernel answers, refuses or drops."""

import json
import shutil
import textwrap
from typing import Any

import pytest

from kener.domain.specs import PingSpec
from kener.domain.specs.ping import PingHost
from kener.probes.many import limit_ms
from tests.support.confined import Way, confined
from tests.support.requirements import NETWORKS, missing

_PROGRAM = '''
import dataclasses, json, os, socket, struct, subprocess, threading, time
from kener.domain.specs import PingSpec
from kener.probes import Target, ping, echo

def run(*commands):
    for command in commands:
        subprocess.run(command.split(), check=True)

def look(*hosts, **settings):
    given = {"hosts": [{"host": host, "timeout": 300} if isinstance(host, str) else host for host in hosts], **settings}
    ((_, reading),) = ping.probe([Target(1, PingSpec.model_validate(given))])
    return dataclasses.asdict(reading)

def show(value):
    print(json.dumps(value))

def cable(*silent):
    """A network 192.0.2.0/24 and fd12::/64 with hosts that are there and never reply."""
    run("ip link add cable0 type veth peer name cable1", "ip link set cable0 up", "ip link set cable1 up",
        "ip -4 addr add 192.0.2.1/24 dev cable0", "ip -6 addr add fd12::1/64 dev cable0 nodad")
    for host in silent:
        run(f"ip neigh add {host} lladdr 02:00:00:00:00:09 dev cable0")

def replying(delay_s, to):
    """At the other end of the cable, every packet whose number (from 0) `to` has gets its reply after a while."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    wire.bind(("cable1", 0x0800))
    wire.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex("cable1"), 1, 0, b""))

    def reply():
        number = 0
        while True:
            frame = bytearray(wire.recv(2048))
            if frame[23] != 1 or frame[34] != 8:
                continue
            if number in to:
                checked = struct.unpack_from("!H", frame, 36)[0] + 0x0800
                struct.pack_into("!H", frame, 36, (checked & 0xFFFF) + (checked >> 16))
                frame[34] = 0
                frame[0:6], frame[6:12] = frame[6:12], frame[0:6]
                frame[26:30], frame[30:34] = frame[30:34], frame[26:30]
                threading.Timer(delay_s, wire.send, [bytes(frame)]).start()
            number += 1

    threading.Thread(target=reply, daemon=True).start()
'''


def here(source: str, *, icmp: Way) -> Any:
    if "cable" in source and shutil.which("ip") is None:
        missing(NETWORKS, "No ip command here (Debian: apt-get install iproute2)")
    return json.loads(confined(_PROGRAM + textwrap.dedent(source), icmp=icmp))


ALLOWED: list[Way] = ["datagram", "raw"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "[::1]"])
@pytest.mark.parametrize("way", ALLOWED)
def test_a_host_that_replies_is_up_with_a_latency(way: Way, host: str) -> None:
    reading = here(f"show(look({host!r}))", icmp=way)
    assert (reading["status"], reading["error"]) == ("UP", None)
    assert 1 <= reading["latency_ms"] < 200
    assert reading["answer"].startswith("3 of 3 replies, ")
    assert list(reading["phases"]) == ["dns", "reply"]


@pytest.mark.parametrize(("way", "raw"), [("datagram", False), ("raw", True)])
def test_no_privilege_is_used_where_none_is_needed(way: Way, raw: bool) -> None:
    source = "found, privileged = echo._opened(echo.V4); show([privileged, found.type == socket.SOCK_RAW])"
    assert here(source, icmp=way) == [raw, raw]


@pytest.mark.parametrize("partial", ["DOWN", "DEGRADED", "UP"])
def test_blocked_icmp_never_produces_up_or_down(partial: str) -> None:
    """Acceptance 1: the kernel refuses both kinds of socket; nothing takes the place of an echo request."""
    source = f"show([look(*hosts, partial={partial!r}) for hosts in (['127.0.0.1'], ['::1'], ['127.0.0.1', '::1', '192.0.2.1'])])"
    for reading in here(source, icmp="none"):
        assert reading["status"] == "NO_DATA"
        assert reading["latency_ms"] is None
        assert "This machine may not send echo requests (ICMP)" in reading["error"]
        assert "net.ipv4.ping_group_range" in reading["error"]


def test_the_kernel_does_refuse_in_that_test() -> None:
    source = """
        refused = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
            except PermissionError:
                refused.append(True)
        show(refused)
    """
    assert here(source, icmp="none") == [True, True]


@pytest.mark.parametrize("way", ALLOWED)
def test_a_host_that_does_not_reply_is_down_after_exactly_its_time(way: Way) -> None:
    source = """
        cable("192.0.2.9")
        started = time.monotonic()
        reading = look({"host": "192.0.2.9", "timeout": 150, "count": 1})
        show([reading, time.monotonic() - started])
    """
    reading, took = here(source, icmp=way)
    assert (reading["status"], reading["latency_ms"], reading["timed_out"]) == ("DOWN", None, True)
    assert reading["error"] == "No reply from 192.0.2.9 to the packet within 150 ms"
    assert 0.15 <= took < 0.6


@pytest.mark.parametrize("way", ALLOWED)
def test_time_limits_are_kept_over_ipv6_too(way: Way) -> None:
    source = """
        cable("fd12::9")
        started = time.monotonic()
        reading = look({"host": "fd12::9", "timeout": 150, "count": 2})
        show([reading, time.monotonic() - started])
    """
    reading, took = here(source, icmp=way)
    assert reading["error"] == "No reply from fd12::9 to any of 2 packets within 150 ms"
    assert 0.25 <= took < 0.7


@pytest.mark.parametrize("way", ALLOWED)
def test_hosts_are_asked_all_at_once_and_each_failing_one_is_named(way: Way) -> None:
    source = """
        silent = [f"192.0.2.{last}" for last in range(10, 20)]
        cable(*silent)
        hosts = ["127.0.0.1", "::1", *silent]
        started = time.monotonic()
        readings = [look(*hosts, partial=partial) for partial in ("DOWN", "DEGRADED", "UP")]
        show([readings, time.monotonic() - started])
    """
    readings, took = here(source, icmp=way)
    assert took < 3.0
    assert [reading["status"] for reading in readings] == ["DOWN", "DEGRADED", "UP"]
    for last in range(10, 20):
        assert f"192.0.2.{last}: No reply" in readings[0]["error"] or last > 15
    assert readings[0]["error"].startswith("10 of 12 hosts failed: ")
    assert readings[2]["error"] is None
    assert all(1 <= reading["latency_ms"] < 100 for reading in readings)


def test_one_reply_is_enough_and_lost_packets_are_counted() -> None:
    source = """
        cable("192.0.2.9")
        replying(0.05, to={1, 3})
        show(look({"host": "192.0.2.9", "timeout": 200, "count": 5}))
    """
    reading = here(source, icmp="raw")
    assert (reading["status"], reading["error"]) == ("UP", None)
    assert reading["answer"].startswith("2 of 5 replies, ")
    assert 50 <= reading["latency_ms"] < 150


def test_assertions_see_the_loss_over_all_packets() -> None:
    source = """
        cable("192.0.2.9")
        replying(0.01, to={0, 1, 2})
        line = {"source": "packet_loss", "operator": "greater", "value": "35", "then": "DEGRADED"}
        hosts = [{"host": "192.0.2.9", "timeout": 200, "count": 5}, {"host": "127.0.0.1", "count": 1}]
        reading = look(*hosts, assertions=[line])
        reading["lines"] = []
        show([reading, look("127.0.0.1", assertions=[line])["status"]])
    """
    reading, lossless = here(source, icmp="raw")
    assert (reading["status"], lossless) == ("UP", "UP")
    assert reading["answer"].startswith("192.0.2.9: 3 of 5 replies")
    worse = here(source.replace("35", "33"), icmp="raw")
    assert worse[0]["status"] == "DEGRADED"


def test_a_reply_that_comes_after_its_time_is_none() -> None:
    source = """
        cable("192.0.2.9")
        replying(0.25, to={0, 1, 2})
        show([look({"host": "192.0.2.9", "timeout": 200, "count": 2}), look({"host": "192.0.2.9", "timeout": 400, "count": 1})])
    """
    late, patient = here(source, icmp="raw")
    assert (late["status"], patient["status"]) == ("DOWN", "UP")
    assert 250 <= patient["latency_ms"] < 400


@pytest.mark.parametrize("way", ALLOWED)
def test_what_a_router_says_is_said(way: Way) -> None:
    """Two networks with a cable between them: the other one has no way to where the packet wants to go."""
    source = """
        other = subprocess.Popen(["unshare", "--net", "sleep", "30"])
        try:
            while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                time.sleep(0.01)
            within = f"nsenter --target {other.pid} --net "
            run("ip link add cable0 type veth peer name cable1", f"ip link set cable1 netns {other.pid}",
                "ip addr add 192.0.2.1/24 dev cable0", "ip link set cable0 up", "ip route add default via 192.0.2.2",
                within + "ip addr add 192.0.2.2/24 dev cable1", within + "ip link set cable1 up",
                within + "ip route add unreachable 198.51.100.0/24")
            subprocess.run([*within.split(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
            first = look({"host": "198.51.100.7", "timeout": 2000, "count": 1})
            both = look({"host": "198.51.100.7", "timeout": 300}, {"host": "192.0.2.2", "timeout": 300}, partial="UP")
            show([first, both])
        finally:
            other.kill()
            other.wait()
    """
    first, both = here(source, icmp=way)
    assert first["status"] == "DOWN"
    assert first["error"] == "No reply from 198.51.100.7: 192.0.2.2 says: host unreachable"
    assert both["status"] == "UP"
    assert "192.0.2.2: 3 of 3 replies" in both["answer"]


@pytest.mark.parametrize("way", ALLOWED)
def test_no_way_to_a_host_is_down_and_a_barred_address_is_not_asked(way: Way) -> None:
    source = "show([look('198.51.100.7'), look('169.254.169.254'), look('fe80::1'), look('name.invalid')])"
    lost, barred, local, unknown = here(source, icmp=way)
    assert (lost["status"], lost["error"]) == ("DOWN", "There is no way to 198.51.100.7")
    assert (barred["status"], barred["error"]) == ("NO_DATA", "Not allowed: 169.254.169.254 is a link-local address")
    assert local["status"] == "NO_DATA"
    assert unknown["status"] == "DOWN"


@pytest.mark.parametrize("way", ALLOWED)
def test_hundreds_of_hosts_share_one_socket_and_get_their_own_replies(way: Way) -> None:
    source = """
        specs = [PingSpec.model_validate({"hosts": [{"host": f"127.0.{n // 200}.{n % 200 + 1}"}]}) for n in range(400)]
        opened = []
        whole = echo._opened
        echo._opened = lambda family: opened.append(family.version) or whole(family)
        found = [reading.status for _, reading in ping.probe([Target(n, spec) for n, spec in enumerate(specs)])]
        show([found.count("UP"), opened])
    """
    assert here(source, icmp=way) == [400, [4]]


def test_latency_limits_hold() -> None:
    source = """
        cable("192.0.2.9")
        replying(0.04, to=range(1000))
        show([look("192.0.2.9", degraded_latency_ms=20), look("192.0.2.9", down_latency_ms=20), look("192.0.2.9")])
    """
    degraded, down, fine = here(source, icmp="raw")
    assert (degraded["status"], down["status"], fine["status"]) == ("DEGRADED", "DOWN", "UP")
    assert down["error"] == f"Reply after {down['latency_ms']} ms, limit 20 ms"


def test_a_definition_of_the_original_loads() -> None:
    spec = PingSpec.model_validate(
        {
            "hosts": [
                {"type": "IP4", "host": "192.0.2.7", "timeout": 1000, "count": 3},
                {"type": "DOMAIN", "host": "router", "timeout": "250", "count": "1"},
                {"type": "IP6", "host": "2001:db8::7"},
            ]
        }
    )
    assert [(host.host, host.timeout, host.count) for host in spec.hosts] == [
        ("192.0.2.7", 1000, 3),
        ("router", 250, 1),
        ("2001:db8::7", 1000, 3),
    ]


def test_a_look_lasts_as_long_as_its_slowest_host() -> None:
    assert PingHost(host="a", timeout=500, count=4).lasts_ms == 800
    assert limit_ms([500, 700]) == 950
