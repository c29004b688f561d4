"""The HTTP probe against real local servers."""

import datetime as dt
import gc
import re
import resource
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from kener import net
from kener.domain.readings import Reading
from kener.domain.specs import ApiSpec
from kener.domain.status import Status
from kener.probes import PROBES, Target, api
from tests.doubles.http import HttpDouble, drip, drop, endless, hang, raw, reply, reset
from tests.doubles.http2 import Http2Double
from tests.doubles.tls import Authority


@pytest.fixture
def http() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/ok", reply())
        yield server


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def look(url: str, **settings: object) -> Reading:
    spec = ApiSpec.model_validate({"url": url, "timeout": 3_000, **settings})
    ((_, reading),) = api.probe([Target(1, spec)])
    assert reading is not None
    return reading


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def test_an_answer_in_the_accepted_range_is_up_with_its_latency(http: HttpDouble) -> None:
    http.on("/slowish", reply(delay_s=0.1))
    reading = look(http.url("/slowish"))
    assert reading.status is Status.UP
    assert reading.error is None
    assert reading.answer == "HTTP 200"
    assert 100 <= (reading.latency_ms or 0) < 1_000


def test_phases_are_cumulative_and_end_with_the_total(http: HttpDouble) -> None:
    phases = look(http.url("/ok")).phases
    assert list(phases) == ["dns", "connect", "first_byte", "total"]
    assert list(phases.values()) == sorted(phases.values())


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_answer_outside_the_accepted_range_is_down_and_says_its_code(http: HttpDouble, status: int) -> None:
    http.on("/x", reply(status))
    reading = look(http.url("/x"))
    assert (reading.status, reading.error, reading.answer) == (Status.DOWN, f"HTTP {status}", f"HTTP {status}")
    assert reading.latency_ms is not None


def test_accepted_status_codes_decide(http: HttpDouble) -> None:
    http.on("/teapot", reply(418))
    assert look(http.url("/teapot"), accepted_status_codes="418").status is Status.UP
    assert look(http.url("/ok"), accepted_status_codes="418, 500-599").status is Status.DOWN


def test_too_many_requests_counts_as_up_by_default(http: HttpDouble) -> None:
    http.on("/busy", reply(429))
    assert look(http.url("/busy")).status is Status.UP


def test_latency_above_its_limits_is_degraded_and_then_down_and_says_both_numbers(http: HttpDouble) -> None:
    http.on("/slow", reply(delay_s=0.3))
    degraded = look(http.url("/slow"), degraded_latency_ms=100, down_latency_ms=2_000)
    down = look(http.url("/slow"), degraded_latency_ms=100, down_latency_ms=200)
    assert degraded.status is Status.DEGRADED
    assert degraded.error == f"HTTP 200 after {degraded.latency_ms} ms, limit 100 ms"
    assert down.status is Status.DOWN
    assert down.error == f"HTTP 200 after {down.latency_ms} ms, limit 200 ms"
    assert look(http.url("/slow"), degraded_latency_ms=2_000, down_latency_ms=2_500).status is Status.UP


def test_no_answer_before_the_deadline_is_a_time_out_without_a_latency(http: HttpDouble) -> None:
    http.on("/hang", hang)
    started = time.monotonic()
    reading = look(http.url("/hang"), timeout=300)
    assert time.monotonic() - started < 1.0
    assert reading == Reading(Status.DOWN, error="No answer within 300 ms", timed_out=True)


def test_a_body_that_never_ends_in_time_is_a_time_out(http: HttpDouble) -> None:
    http.on("/drip", drip)
    reading = look(http.url("/drip"), timeout=400)
    assert (reading.status, reading.latency_ms, reading.timed_out) == (Status.DOWN, None, True)


def test_a_server_that_accepts_and_says_nothing_meets_the_deadline_in_the_tls_handshake_too() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        reading = look(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=300)
    assert reading == Reading(Status.DOWN, error="No answer within 300 ms", timed_out=True)


def test_a_refused_connection_names_the_address() -> None:
    port = free_port()
    reading = look(f"http://127.0.0.1:{port}/")
    assert reading == Reading(Status.DOWN, error=f"Connection refused by 127.0.0.1:{port}")


def test_a_name_that_does_not_resolve_is_named() -> None:
    reading = look("http://name.invalid/")
    assert reading == Reading(Status.DOWN, error="The name name.invalid does not resolve")


def test_a_reset_a_silent_close_and_a_broken_off_answer_are_told_apart(http: HttpDouble) -> None:
    http.on("/reset", reset)
    http.on("/drop", drop)
    http.on("/half", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    place = f"127.0.0.1:{http.port}"
    assert look(http.url("/reset")).error == f"The connection to {place} was lost: it was reset"
    assert look(http.url("/drop")).error == f"{place} closed the connection without an answer"
    half = look(http.url("/half"))
    assert half.error == f"{place} closed the connection in the middle of its answer"
    assert half.latency_ms is None


def test_garbage_is_not_http(http: HttpDouble) -> None:
    http.on("/garbage", raw(b"\x00\x01SSH-2.0 hello\r\n\r\n" * 10))
    reading = look(http.url("/garbage"))
    assert (reading.status, reading.error) == (Status.DOWN, f"The answer of 127.0.0.1:{http.port} is not HTTP")


def test_endless_headers_are_cut_off(http: HttpDouble) -> None:
    http.on("/headers", raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 8000) for i in range(300))))
    reading = look(http.url("/headers"))
    assert reading.status is Status.DOWN
    assert reading.error is not None


def test_a_body_is_read_up_to_the_cap_and_no_further(http: HttpDouble) -> None:
    http.on("/endless", endless)
    started = time.monotonic()
    reading = look(http.url("/endless"), timeout=10_000)
    assert reading.status is Status.UP
    assert time.monotonic() - started < 5


def test_redirects_are_followed_as_far_as_allowed(http: HttpDouble) -> None:
    http.on("/a", reply(302, Location="/b"))
    http.on("/b", reply(307, Location="/ok"))
    assert look(http.url("/a")).answer == "HTTP 200"
    assert look(http.url("/a"), max_redirects=1).error == "More than 1 redirect"
    assert look(http.url("/a"), follow_redirects=False).answer == "HTTP 302"
    assert look(http.url("/a"), max_redirects=0).answer == "HTTP 302"


def test_a_redirect_loop_ends(http: HttpDouble) -> None:
    http.on("/loop", reply(302, Location="/loop"))
    assert look(http.url("/loop")).error == "More than 5 redirects"
    assert len(http.seen) == 6


def test_a_redirect_keeps_the_method_where_its_code_says_so(http: HttpDouble) -> None:
    http.on("/keep", reply(307, Location="/ok"))
    http.on("/change", reply(303, Location="/ok"))
    look(http.url("/keep"), method="POST", body="x")
    look(http.url("/change"), method="POST", body="x")
    assert [(asked.method, asked.path) for asked in http.seen] == [
        ("POST", "/keep"),
        ("POST", "/ok"),
        ("POST", "/change"),
        ("GET", "/ok"),
    ]


def test_credentials_do_not_follow_a_redirect_to_another_place(http: HttpDouble) -> None:
    with HttpDouble() as other:
        other.on("/there", reply())
        http.on("/away", reply(302, Location=other.url("/there")))
        look(http.url("/away"), headers=[{"key": "Authorization", "value": "Bearer abc"}])
        assert http.seen[0].headers["authorization"] == "Bearer abc"
        assert "authorization" not in other.seen[0].headers


def test_a_redirect_to_a_metadata_address_is_refused_and_says_nothing_about_the_target(http: HttpDouble) -> None:
    http.on("/evil", reply(302, Location="http://169.254.169.254/latest/meta-data/"))
    reading = look(http.url("/evil"))
    assert reading == Reading(Status.NO_DATA, error="Not allowed: 169.254.169.254 is a link-local address")


def test_a_redirect_to_another_protocol_is_not_followed(http: HttpDouble) -> None:
    http.on("/file", reply(302, Location="file:///etc/passwd"))
    reading = look(http.url("/file"))
    assert reading.status is Status.DOWN
    assert reading.error == "The redirect leads to something other than http or https: file:///etc/passwd"


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0", "[fd00:ec2::254]", "224.0.0.1"]
)
def test_a_refused_address_is_no_data_with_its_reason(host: str) -> None:
    reading = look(f"http://{host}/")
    assert reading.status is Status.NO_DATA
    assert reading.error is not None
    assert reading.error.startswith("Not allowed: ")


def test_an_address_in_disguise_is_refused_as_well() -> None:
    assert look("http://2852039166/").error == "Not allowed: 169.254.169.254 is a link-local address"


@pytest.mark.parametrize("left", [0, 1])
def test_without_file_descriptors_the_check_says_that_it_could_not_run(http: HttpDouble, left: int) -> None:
    look(http.url("/ok"))
    # What earlier tests left to be collected would free descriptors in the middle of this one.
    gc.collect()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            for _ in count():
                held.append(socket.socket())
        except OSError:
            pass
        for each in held[:left]:
            each.close()
        reading = look(http.url("/ok"))
    finally:
        for each in held:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert reading.status is Status.NO_DATA
    assert reading.error == "No connection could be opened on this machine: Too many open files"
    assert look(http.url("/ok")).status is Status.UP


def test_default_headers_are_sent_and_may_be_replaced(http: HttpDouble) -> None:
    look(http.url("/ok"))
    look(http.url("/ok"), headers=[{"key": "user-agent", "value": "Mine"}, {"key": "X-Empty", "value": ""}])
    first, second = http.seen
    assert first.headers["user-agent"].startswith("Kener/")
    assert first.headers["accept"] == "*/*"
    assert second.headers["user-agent"] == "Mine"
    assert second.headers["x-empty"] == ""


def test_methods_that_carry_a_body_send_it_without_waiting_for_permission(http: HttpDouble) -> None:
    look(http.url("/ok"), method="POST", body="é" * 30_000)
    look(http.url("/ok"), method="PUT")
    look(http.url("/ok"), method="GET", body="never sent")
    post, put, get = http.seen
    assert post.body.decode() == "é" * 30_000
    assert "expect" not in post.headers
    assert (put.method, put.headers["content-length"]) == ("PUT", "0")
    assert (get.method, get.body) == ("GET", b"")


def test_a_head_request_waits_for_no_body(http: HttpDouble) -> None:
    reading = look(http.url("/ok"), method="HEAD")
    assert (reading.status, http.seen[0].method) == (Status.UP, "HEAD")


def test_credentials_in_the_url_are_sent_as_basic_authentication(http: HttpDouble) -> None:
    look(f"http://user:pass@127.0.0.1:{http.port}/ok")
    assert http.seen[0].headers["authorization"] == "Basic dXNlcjpwYXNz"


def test_proxies_of_the_environment_are_ignored(http: HttpDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert look(http.url("/ok")).status is Status.UP


def test_a_trusted_certificate_is_up_and_has_a_tls_phase(authority: Authority) -> None:
    with HttpDouble(tls=authority.context("127.0.0.1")) as https:
        https.on("/", reply())
        reading = look(https.url())
    assert reading.status is Status.UP
    assert "tls" in reading.phases


def test_a_certificate_that_is_not_in_order_is_down_with_its_reason(authority: Authority) -> None:
    cases = {
        "it is self-signed": authority.context("127.0.0.1", self_signed=True),
        "it has expired": authority.context("127.0.0.1", expired=True),
        "it is for another host name": authority.context("other.example"),
    }
    for words, context in cases.items():
        with HttpDouble(tls=context) as https:
            https.on("/", reply())
            assert look(https.url()) == Reading(Status.DOWN, error=f"The certificate is not trusted: {words}")
            assert look(https.url(), allowSelfSignedCert=True).status is Status.UP


def test_a_certificate_is_looked_at_every_time(authority: Authority) -> None:
    context = authority.context("127.0.0.1")
    with HttpDouble(tls=context) as https:
        https.on("/", reply())
        assert look(https.url()).status is Status.UP
        context.load_cert_chain(authority.chain("127.0.0.1", expired=True))
        assert look(https.url()).error == "The certificate is not trusted: it has expired"


def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    with HttpDouble(tls=Authority(tmp_path).context("127.0.0.1")) as https:
        assert look(https.url()).error == "The certificate is not trusted: its issuer is unknown"


@pytest.mark.parametrize(("http", "spoken"), [("2", "2"), ("1", "1.1"), ("auto", "2")])
def test_http_2_is_spoken_where_the_server_offers_it_and_http_1_elsewhere(
    authority: Authority, tmp_path: Path, http: str, spoken: str
) -> None:
    with Http2Double(tmp_path, authority.chain("127.0.0.1"), http) as server:
        reading = look(server.url())
        assert (reading.status, reading.answer) == (Status.UP, "HTTP 200")
        assert list(reading.phases) == ["dns", "connect", "tls", "first_byte", "total"]
        assert look(server.url("/missing")).error == "HTTP 404"
        assert look(server.url(), method="POST", body="x" * 50_000).status is Status.UP
        answer = net.request("GET", server.url(), policy=net.CHECKS, timeout_s=5)
        assert (answer.headers["x-version"], answer.body) == (spoken, f"spoken: {spoken}".encode())


def test_plain_http_behind_an_https_url_is_down(http: HttpDouble) -> None:
    reading = look(f"https://127.0.0.1:{http.port}/ok")
    assert reading.status is Status.DOWN
    assert (reading.error or "").startswith(f"No TLS connection with 127.0.0.1:{http.port}")


def test_two_hundred_targets_take_about_as_long_as_the_slowest(http: HttpDouble) -> None:
    http.on("/slow", reply(delay_s=0.5))
    spec = ApiSpec(url=http.url("/slow"))
    started = time.monotonic()
    readings = dict(api.probe([Target(number, spec) for number in range(200)]))
    assert time.monotonic() - started < 2.0
    assert set(readings) == set(range(200))
    assert {reading.status for reading in readings.values() if reading} == {Status.UP}


def test_answers_come_in_the_order_in_which_the_looks_end(http: HttpDouble) -> None:
    http.on("/slow", reply(delay_s=0.4))
    targets = [Target(1, ApiSpec(url=http.url("/slow"))), Target(2, ApiSpec(url=http.url("/ok")))]
    assert [number for number, _ in api.probe(targets)] == [2, 1]


def test_what_has_not_ended_within_the_budget_comes_as_none(http: HttpDouble) -> None:
    http.on("/hang", hang)
    targets = [Target(1, ApiSpec(url=http.url("/hang"))), Target(2, ApiSpec(url=http.url("/ok")))]
    started = time.monotonic()
    readings = dict(api.probe(targets, budget_s=0.3))
    assert time.monotonic() - started < 1.0
    assert readings[1] is None
    assert readings[2] is not None
    assert readings[2].status is Status.UP


def test_what_the_caller_does_between_two_answers_does_not_count_as_latency(http: HttpDouble) -> None:
    http.on("/later", reply(delay_s=0.1))
    targets = [Target(1, ApiSpec(url=http.url("/ok"))), Target(2, ApiSpec(url=http.url("/later"), timeout=400))]
    readings = []
    for _, reading in api.probe(targets):
        time.sleep(0.6)
        readings.append(reading)
    assert [reading.status for reading in readings if reading] == [Status.UP, Status.UP]
    assert (readings[1].latency_ms or 0) < 350


def test_an_abandoned_iteration_leaves_nothing_behind(http: HttpDouble) -> None:
    http.on("/hang", hang)
    targets = [
        Target(1, ApiSpec(url=http.url("/ok"))),
        *(Target(n, ApiSpec(url=http.url("/hang"))) for n in range(2, 20)),
    ]
    looking = api.probe(targets)
    next(looking)
    looking.close()
    assert look(http.url("/ok")).status is Status.UP


def test_names_whose_servers_never_answer_hold_up_nobody_else(
    http: HttpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver is what we cannot have here: a lookup that hangs is a sleeping one."""
    ask = socket.getaddrinfo

    def getaddrinfo(host: str, *args: object, **kwargs: object) -> object:
        if host.endswith(".hang.example"):
            time.sleep(4)
        return ask("127.0.0.1" if host.endswith(".example") else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    stuck = [Target(n, ApiSpec(url=f"http://n{n}.hang.example/", timeout=1_500)) for n in range(60)]
    fine = [Target(n, ApiSpec(url=http.url("/ok", host=f"n{n}.example"), timeout=1_400)) for n in range(100, 110)]
    started = time.monotonic()
    readings = dict(api.probe([*stuck, *fine]))
    assert time.monotonic() - started < 2.5
    assert {readings[target.id].error for target in stuck} == {"No answer within 1.5 s"}  # type: ignore[union-attr]
    assert {readings[target.id].status for target in fine} == {Status.UP}  # type: ignore[union-attr]


def test_a_name_with_several_addresses_is_reached_at_the_one_that_answers(
    http: HttpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    reading = look(http.url("/ok", host="both.example"))
    assert reading.status is Status.UP
    assert http.seen[0].headers["host"] == f"both.example:{http.port}"


def test_the_registry_knows_this_probe(http: HttpDouble) -> None:
    from kener.domain.specs import MonitorType

    ((number, reading),) = PROBES[MonitorType.API].probe([Target(7, ApiSpec(url=http.url("/ok")))])
    assert number == 7
    assert reading is not None
    assert reading.status is Status.UP


def line(source: str, operator: str, value: str = "", path: str = "", then: str = "DOWN") -> dict[str, str]:
    return {"source": source, "operator": operator, "value": value, "path": path, "then": then}


def test_a_body_that_lacks_a_word_is_down_in_words(http: HttpDouble) -> None:
    http.on("/health", reply(body=b"all is fine"))
    lacking = look(http.url("/health"), assertions=[line("body", "not_contains", "ok")])
    assert (lacking.status, lacking.error, lacking.answer) == (Status.DOWN, 'Body does not contain "ok"', "HTTP 200")
    assert look(http.url("/health"), assertions=[line("body", "not_contains", "fine")]).status is Status.UP


def test_the_first_line_that_matches_decides_and_may_overrule_the_status_code(http: HttpDouble) -> None:
    http.on("/x", reply(404, b'{"status": "degraded"}', Content_Type="application/json", X_Build="7"))
    up = line("status_code", "equals", "404", then="UP")
    worse = line("json", "equals", "degraded", "$.status", then="DEGRADED")
    assert look(http.url("/x"), assertions=[up, worse]).status is Status.UP
    assert look(http.url("/x"), assertions=[up, worse]).error is None
    degraded = look(http.url("/x"), assertions=[worse, up])
    assert (degraded.status, degraded.error) == (Status.DEGRADED, 'JSON $.status is "degraded"')
    none = look(http.url("/x"), assertions=[line("header", "missing", path="X-Build", then="DEGRADED")])
    assert (none.status, none.error) == (Status.DOWN, "HTTP 404")
    assert [one.observed for one in none.lines] == ['"7"']


def test_an_element_of_a_page_and_the_charset_of_its_header_are_read(http: HttpDouble) -> None:
    page = "<h1 class=state>Gestört</h1>".encode("latin-1")
    http.on("/page", reply(body=page, Content_Type="text/html; charset=iso-8859-1"))
    reading = look(http.url("/page"), assertions=[line("html", "equals", "Gestört", "h1.state")])
    assert reading.error == 'Element h1.state is "Gestört"'


def test_the_days_of_a_certificate_are_read_when_a_line_asks(authority: Authority, http: HttpDouble) -> None:
    ends_soon = line("certificate_days", "less", "14", then="DEGRADED")
    with HttpDouble(tls=authority.context("127.0.0.1", lasts=dt.timedelta(days=3, hours=1))) as https:
        https.on("/", reply())
        reading = look(https.url("/"), assertions=[ends_soon])
    assert reading.status is Status.DEGRADED
    assert reading.error is not None
    assert re.fullmatch(r"Time left of the certificate is 3\.0\d days, less than 14 days", reading.error)
    plain = look(http.url("/ok"), assertions=[ends_soon])
    assert (plain.status, plain.lines[0].reason) == (Status.UP, "the answer did not bring it")


def test_lines_say_why_they_could_not_be_judged_where_there_was_no_answer(http: HttpDouble) -> None:
    http.on("/hang", hang)
    reading = look(http.url("/hang"), timeout=200, assertions=[line("body", "missing"), line("latency", "less", "5")])
    assert (reading.status, reading.error, reading.timed_out) == (Status.DOWN, "No answer within 200 ms", True)
    assert [one.reason for one in reading.lines] == ["the answer did not bring it", "it was not measured"]


def test_an_endless_body_is_judged_by_its_beginning(http: HttpDouble) -> None:
    http.on("/endless", endless)
    reading = look(http.url("/endless"), assertions=[line("body", "contains", "xxx"), line("latency", "less", "0")])
    assert reading.error == 'Body contains "xxx"'


def test_nothing_of_an_answer_is_kept_where_no_line_looks_at_it() -> None:
    def kept(*lines: dict[str, str]) -> tuple[bool, bool, bool]:
        asked = api._request(ApiSpec.model_validate({"url": "http://x.example", "assertions": list(lines)}), "x")
        return asked.keep, asked.keep_headers, asked.certificate

    assert kept() == (False, False, False)
    assert kept(line("status_code", "less", "300"), line("latency", "greater", "5")) == (False, False, False)
    assert kept(line("header", "exists", path="etag")) == (False, True, False)
    assert kept(line("json", "exists", path="$.a"), line("certificate_days", "less", "5")) == (True, False, True)
