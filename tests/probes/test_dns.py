"""The DNS probe against a real name server on loopback."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import dns.rdatatype
import pytest

from kener.domain.readings import Reading
from kener.domain.specs import DnsSpec, MonitorType
from kener.domain.specs.dns import Rcode, RecordType
from kener.domain.status import Status
from kener.probes import PROBES, Target
from kener.probes import dns as dns_probe
from tests.doubles.dns import (
    DnsDouble,
    garbage,
    lost,
    rcode,
    records,
    silent,
    truncated,
    with_wrong_id,
    with_wrong_question,
    without_edns,
)
from tests.doubles.tls import Authority

A_RECORDS = records("shop.example. 300 IN A 203.0.113.7", "shop.example. 300 IN A 203.0.113.8")


@pytest.fixture
def server() -> Iterator[DnsDouble]:
    with DnsDouble() as double:
        double.on("shop.example", A_RECORDS)
        yield double


def look(port: int, host: str = "shop.example", **settings: object) -> Reading:
    given = {"host": host, "nameServer": "127.0.0.1", "nameServerPort": port, "timeout": 3_000, **settings}
    ((_, reading),) = PROBES[MonitorType.DNS].probe([Target(1, DnsSpec.model_validate(given))])
    assert reading is not None
    return reading


def test_any_record_will_do_where_no_value_is_given(server: DnsDouble) -> None:
    reading = look(server.port)
    assert (reading.status, reading.error) == (Status.UP, None)
    assert reading.answer == "NOERROR: 203.0.113.7, 203.0.113.8, TTL 300 s"
    assert list(reading.phases) == ["dns", "answer", "total"]
    assert server.seen == [("shop.example", "A", "udp")]


@pytest.mark.parametrize(
    ("match", "values", "error"),
    [
        ("ANY", ["203.0.113.7", "192.0.2.1"], None),
        ("ANY", ["192.0.2.1"], "Expected 192.0.2.1; found 203.0.113.7, 203.0.113.8"),
        ("ALL", ["203.0.113.7"], None),
        ("ALL", ["203.0.113.7", "192.0.2.1"], "Missing: 192.0.2.1; found 203.0.113.7, 203.0.113.8"),
        ("EXACT", ["203.0.113.8", " 203.0.113.7 "], None),
        ("EXACT", ["203.0.113.7"], "Not expected: 203.0.113.8"),
        ("EXACT", ["203.0.113.7", "192.0.2.1"], "Missing: 192.0.2.1; Not expected: 203.0.113.8"),
        ("EXACT", [], "Not expected: 203.0.113.7, 203.0.113.8"),
        ("CONTAINS", ["113.8"], None),
        ("CONTAINS", ["114"], "No record contains 114; found 203.0.113.7, 203.0.113.8"),
        ("REGEX", [r"^203\..*\.7$"], None),
        ("REGEX", [r"^10\."], r"No record matches ^10\.; found 203.0.113.7, 203.0.113.8"),
    ],
)
def test_values_are_compared_as_chosen(server: DnsDouble, match: str, values: list[str], error: str | None) -> None:
    reading = look(server.port, matchType=match, values=values)
    assert (reading.status, reading.error) == (Status.DOWN if error else Status.UP, error)


@pytest.mark.parametrize(
    ("kind", "line", "shown", "values"),
    [
        ("AAAA", "2001:DB8::7", "2001:db8::7", ["2001:0db8:0:0:0:0:0:7"]),
        ("MX", "10 Mail.example.", "10 Mail.example", ["mail.example", "10 mail.example."]),
        (
            "SRV",
            "5 10 5060 sip.example.",
            "5 10 5060 sip.example",
            ["sip.example", "sip.example:5060", "5 10 5060 SIP.example"],
        ),
        (
            "SOA",
            "ns.example. admin.example. 7 1 2 3 4",
            "ns.example admin.example 7 1 2 3 4",
            ["ns.example. admin.example. 7 1 2 3 4"],
        ),
        (
            "CAA",
            '0 issue "letsencrypt.org"',
            '0 issue "letsencrypt.org"',
            ["0 issue letsencrypt.org", '0 issue "letsencrypt.org"'],
        ),
        ("TXT", '"v=spf1 Include" ":x"', "v=spf1 Include:x", ["v=spf1 Include:x", '"v=spf1 Include:x"']),
        ("NS", "ns1.Other.", "ns1.Other", ["NS1.other."]),
        ("PTR", "shop.example.", "shop.example", ["shop.example"]),
        ("TLSA", "3 1 0 ABCD", "3 1 0 abcd", ["3 1 0 ABCD"]),
    ],
)
def test_records_read_well_and_compare_sensibly(
    server: DnsDouble, kind: str, line: str, shown: str, values: list[str]
) -> None:
    server.on("many.example", records(f"many.example. 60 IN {kind} {line}"))
    for value in values:
        reading = look(server.port, "many.example", lookupRecord=kind, matchType="EXACT", values=[value])
        assert (reading.status, reading.answer) == (Status.UP, f"NOERROR: {shown}, TTL 60 s")


def test_the_case_of_texts_counts_and_of_names_does_not(server: DnsDouble) -> None:
    server.on("text.example", records('text.example. 60 IN TXT "Key=AbC"'))
    assert look(server.port, "TEXT.example", lookupRecord="TXT", values=["Key=AbC"]).status is Status.UP
    assert look(server.port, "text.example", lookupRecord="TXT", values=["key=abc"]).status is Status.DOWN


def test_aliases_are_followed_inside_the_answer_and_their_ttl_is_not_the_records(server: DnsDouble) -> None:
    server.on("www.example", records("www.example. 5 IN CNAME shop.example.", "shop.example. 300 IN A 203.0.113.7"))
    assert look(server.port, "www.example").answer == "NOERROR: 203.0.113.7, TTL 300 s"
    assert look(server.port, "www.example", lookupRecord="CNAME").answer == "NOERROR: shop.example, TTL 5 s"
    server.on("loop.example", records("loop.example. 5 IN CNAME loop.example."))
    assert "go in a circle" in (look(server.port, "loop.example").error or "")


def test_underscores_other_scripts_addresses_and_the_root_can_be_asked_for(server: DnsDouble) -> None:
    server.on("_sip._tcp.example", records("_sip._tcp.example. 60 IN SRV 1 1 1 a.example."))
    server.on("xn--bcher-kva.example", records("xn--bcher-kva.example. 60 IN A 203.0.113.9"))
    server.on("7.113.0.203.in-addr.arpa", records("7.113.0.203.in-addr.arpa. 60 IN PTR shop.example."))
    server.on("", records(". 60 IN NS a.root-servers.net."))
    assert look(server.port, "_sip._tcp.example.", lookupRecord="SRV").status is Status.UP
    assert look(server.port, "bücher.example").status is Status.UP
    assert look(server.port, "203.0.113.7", lookupRecord="PTR", values=["shop.example"]).status is Status.UP
    assert look(server.port, ".", lookupRecord="NS").status is Status.UP


def test_every_kind_of_record_at_once_says_which_is_which(server: DnsDouble) -> None:
    server.on("all.example", records("all.example. 60 IN A 203.0.113.7", 'all.example. 30 IN TXT "Hi"'))
    reading = look(server.port, "all.example", lookupRecord="ANY", matchType="ALL", values=["A 203.0.113.7", "Hi"])
    assert (reading.error, reading.answer) == (None, "NOERROR: A 203.0.113.7, TXT Hi, TTL 30 s")


def test_a_name_without_such_records_is_down_unless_none_are_wanted(server: DnsDouble) -> None:
    server.on("bare.example", records())
    assert look(server.port, "bare.example").error == "bare.example has no A records"
    assert look(server.port, "bare.example", matchType="EXACT").status is Status.UP


@pytest.mark.parametrize("number", [*range(1, 11), 11, 16, *range(17, 24), 3_000])
def test_every_response_code_has_a_sentence_of_its_own(server: DnsDouble, number: int) -> None:
    server.on("odd.example", rcode(number))
    reading = look(server.port, "odd.example")
    word = dns.rcode.to_text(dns.rcode.Rcode.make(number))
    assert reading.status is Status.DOWN
    assert word in (reading.error or "")
    assert reading.answer == word


def test_the_sentences_cover_every_code_and_differ() -> None:
    assert set(dns_probe._RCODES) == {one.name for one in dns.rcode.Rcode} == set(Rcode.__args__)  # type: ignore[attr-defined]
    assert len(set(dns_probe._RCODES.values())) == len(dns_probe._RCODES)


def test_the_kinds_of_records_are_all_known_and_can_all_be_asked_for() -> None:
    kinds = RecordType.__args__  # type: ignore[attr-defined]
    assert len(kinds) == len(set(kinds))
    for kind in kinds:
        assert dns.rdatatype.to_text(dns.rdatatype.from_text(kind)) == kind


def test_another_response_code_may_be_what_is_wanted(server: DnsDouble) -> None:
    assert look(server.port, "gone.example", rcode="NXDOMAIN").status is Status.UP
    reading = look(server.port, rcode="NXDOMAIN")
    assert (reading.status, reading.error) == (Status.DOWN, "shop.example exists (NOERROR), expected NXDOMAIN")
    assert look(server.port, "gone.example").error == "The name gone.example does not exist (NXDOMAIN)"


def test_what_was_cut_off_is_asked_for_again_over_tcp(server: DnsDouble) -> None:
    many = records(*(f"long.example. 60 IN A 203.0.113.{number}" for number in range(200)))
    server.on("long.example", truncated(many))
    reading = look(server.port, "long.example")
    assert reading.status is Status.UP
    assert [road for _, _, road in server.seen] == ["udp", "tcp"]
    assert "connect" in reading.phases


def test_tcp_is_spoken_where_it_is_chosen(server: DnsDouble) -> None:
    assert look(server.port, transport="TCP").status is Status.UP
    assert server.seen == [("shop.example", "A", "tcp")]


def test_ids_are_random(server: DnsDouble) -> None:
    for _ in range(6):
        look(server.port)
    assert len(set(server.ids)) > 3


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("wrong", [with_wrong_id, with_wrong_question])
def test_an_answer_to_something_else_is_passed_over(server: DnsDouble, wrong: object, transport: str) -> None:
    server.on("spoofed.example", wrong(then=records("spoofed.example. 60 IN A 203.0.113.7")))  # type: ignore[operator]
    reading = look(server.port, "spoofed.example", transport=transport, matchType="EXACT", values=["203.0.113.7"])
    assert reading.status is Status.UP


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (with_wrong_id(), "answered a question with another id"),
        (with_wrong_question(), "answered another question"),
        (garbage(b"\xff" * 5, right_id=False), "sent cannot be read"),
    ],
)
def test_where_nothing_else_comes_it_is_named_at_the_deadline(server: DnsDouble, act: object, named: str) -> None:
    server.on("spoofed.example", act)  # type: ignore[arg-type]
    started = time.monotonic()
    reading = look(server.port, "spoofed.example", timeout=300)
    assert time.monotonic() - started < 1
    assert (reading.status, reading.timed_out, reading.latency_ms) == (Status.DOWN, True, None)
    assert (reading.error or "").startswith("No answer within 300 ms; ")
    assert named in (reading.error or "")


def test_an_answer_that_cannot_be_read_is_down_at_once(server: DnsDouble) -> None:
    server.on("broken.example", garbage(b"\xff" * 40, right_id=True))
    reading = look(server.port, "broken.example")
    assert reading.error == f"The answer of 127.0.0.1:{server.port} cannot be read"


def test_a_lost_datagram_is_sent_again(server: DnsDouble) -> None:
    server.on("lossy.example", lost(1, records("lossy.example. 60 IN A 203.0.113.7")))
    assert look(server.port, "lossy.example", timeout=900).status is Status.UP
    assert len(server.seen) == 2
    assert len(set(server.ids)) == 1


def test_a_server_that_knows_no_edns_is_asked_without(server: DnsDouble) -> None:
    server.on("old.example", without_edns(records("old.example. 60 IN A 203.0.113.7")))
    assert look(server.port, "old.example").status is Status.UP


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_silence_ends_at_the_deadline_and_is_a_time_out(server: DnsDouble, transport: str) -> None:
    server.on("mute.example", silent)
    started = time.monotonic()
    reading = look(server.port, "mute.example", timeout=300, transport=transport)
    assert time.monotonic() - started < 1
    assert (reading.status, reading.error, reading.timed_out) == (Status.DOWN, "No answer within 300 ms", True)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_closed_port_is_named(transport: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    assert look(port, transport=transport).error == f"Connection refused by 127.0.0.1:{port}"


def test_a_resolver_is_given_by_name_or_by_ipv6_address() -> None:
    with DnsDouble(host="::1") as server:
        server.on("shop.example", A_RECORDS)
        assert look(server.port, nameServer="[::1]").status is Status.UP
    with DnsDouble() as server:
        server.on("shop.example", A_RECORDS)
        assert look(server.port, nameServer="localhost").status is Status.UP


def test_a_resolver_that_does_not_exist_or_may_not_be_asked_is_named(server: DnsDouble) -> None:
    assert look(53, nameServer="name.invalid").error == "The name name.invalid does not resolve"
    reading = look(53, nameServer="169.254.169.253")
    assert reading.status is Status.NO_DATA
    assert "link-local" in (reading.error or "")


def test_without_a_resolver_those_of_the_machine_are_asked_in_turn(
    server: DnsDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dns_probe, "_system_resolvers", lambda: ["127.0.0.9", "127.0.0.1"])
    assert look(server.port, nameServer="").status is Status.UP


def test_the_resolvers_of_the_machine_are_found() -> None:
    assert dns_probe._system_resolvers()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def test_questions_go_over_tls_and_its_certificate_counts(authority: Authority) -> None:
    with DnsDouble(tls=authority.context("127.0.0.1")) as server:
        server.on("shop.example", A_RECORDS)
        secure = {"transport": "TLS", "tlsPort": server.tls_port}
        reading = look(server.port, **secure)
        assert reading.status is Status.UP
        assert list(reading.phases) == ["dns", "connect", "tls", "answer", "total"]
        refused = look(server.port, **secure, tlsServername="dns.example")
        assert refused.error == "The certificate is not trusted: it is for another host name: 127.0.0.1"
        assert look(server.port, **secure, tlsServername="dns.example", allowSelfSignedCert=True).status is Status.UP
        assert {road for _, _, road in server.seen} == {"tls"}


def test_a_plain_server_on_the_tls_port_and_a_silent_one_are_told_apart(server: DnsDouble) -> None:
    reading = look(server.port, transport="TLS", tlsPort=server.port, timeout=500)
    assert reading.status is Status.DOWN
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        reading = look(53, transport="TLS", tlsPort=mute.getsockname()[1], timeout=300)
    assert (reading.error, reading.timed_out) == ("No answer within 300 ms", True)


def test_latency_above_its_limits_is_degraded_and_then_down(server: DnsDouble) -> None:
    server.on("slow.example", lost(1, records("slow.example. 60 IN A 203.0.113.7")))
    degraded = look(server.port, "slow.example", timeout=900, degraded_latency_ms=200)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"NOERROR after {degraded.latency_ms} ms, limit 200 ms"
    server.on("slow.example", lost(1, records("slow.example. 60 IN A 203.0.113.7")))
    assert look(server.port, "slow.example", timeout=900, down_latency_ms=200).status is Status.DOWN


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ({"source": "ttl", "operator": "at_least", "value": "300"}, Status.DOWN),
        ({"source": "ttl", "operator": "greater", "value": "300"}, Status.UP),
        ({"source": "records", "operator": "equals", "value": "203.0.113.8"}, Status.DOWN),
        ({"source": "rcode", "operator": "not_equals", "value": "NOERROR"}, Status.UP),
    ],
)
def test_assertions_look_at_records_response_code_and_ttl(
    server: DnsDouble, line: dict[str, str], status: Status
) -> None:
    assert look(server.port, assertions=[line]).status is status


def test_a_hundred_questions_go_out_at_once(server: DnsDouble) -> None:
    server.on("slow.example", lost(100, records("slow.example. 60 IN A 203.0.113.7")))
    spec = DnsSpec(host="slow.example", nameServer="127.0.0.1", nameServerPort=server.port, timeout=1_500)
    started = time.monotonic()
    readings = dict(PROBES[MonitorType.DNS].probe([Target(number, spec) for number in range(100)]))
    assert time.monotonic() - started < 2
    assert {reading.status for reading in readings.values() if reading} == {Status.UP}
