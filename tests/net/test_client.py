"""Outgoing requests against real local servers."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kener import net
from kener.net import CHECKS, TRIGGERS, Answer, Cause, Failure, Request, Unreachable
from tests.doubles.http import HttpDouble, drip, endless, hang, reply


@pytest.fixture
def http() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/ok", reply(200, b"hello", X_One="1", Retry_After="5"))
        yield server


def refused(url: str, **given: object) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        net.request("GET", url, **({"policy": CHECKS, "timeout_s": 2} | given))  # type: ignore[arg-type]
    return caught.value


def test_an_answer_has_status_headers_and_body(http: HttpDouble) -> None:
    answer = net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=2)
    assert (answer.status, answer.body, answer.truncated) == (200, b"hello", False)
    assert (answer.headers["x-one"], answer.headers["retry-after"]) == ("1", "5")
    assert answer.total_ms < 1_000


def test_method_headers_and_body_arrive(http: HttpDouble) -> None:
    net.request("PATCH", http.url("/ok"), policy=CHECKS, timeout_s=2, headers=[("X-Two", "ü")], body=b"\x00\xff")
    (asked,) = http.seen
    assert (asked.method, asked.body) == ("PATCH", b"\x00\xff")
    assert asked.headers["x-two"].encode("latin-1").decode() == "ü"


def test_a_body_is_kept_up_to_its_limit_and_marked(http: HttpDouble) -> None:
    http.on("/endless", endless)
    answer = net.request("GET", http.url("/endless"), policy=CHECKS, timeout_s=5, max_bytes=1_000)
    assert (len(answer.body), answer.truncated) == (1_000, True)
    exact = net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=5, max_bytes=5)
    assert (exact.body, exact.truncated) == (b"hello", False)


def test_a_redirect_is_followed_only_where_asked_and_has_the_headers_of_the_last_answer(http: HttpDouble) -> None:
    http.on("/from", reply(302, b"", Location="/ok", X_First="1"))
    stayed = net.request("GET", http.url("/from"), policy=CHECKS, timeout_s=2)
    followed = net.request("GET", http.url("/from"), policy=CHECKS, timeout_s=2, max_redirects=1)
    assert (stayed.status, stayed.headers["location"]) == (302, "/ok")
    assert (followed.status, followed.body) == (200, b"hello")
    assert "x-first" not in followed.headers


def test_the_deadline_is_hard_for_silence_and_for_dripping(http: HttpDouble) -> None:
    http.on("/hang", hang)
    http.on("/drip", drip)
    for path in ("/hang", "/drip"):
        started = time.monotonic()
        failure = refused(http.url(path), timeout_s=0.4)
        assert time.monotonic() - started < 1.0
        assert failure.timed_out
        assert str(failure) == "No answer within 400 ms"


def test_the_deadline_covers_a_name_that_never_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    started = time.monotonic()
    failure = refused("http://never.example/", timeout_s=0.3)
    assert time.monotonic() - started < 1.0
    assert failure.timed_out


def test_what_the_policy_refuses_is_never_connected_to(http: HttpDouble) -> None:
    failure = refused(http.url("/ok"), policy=TRIGGERS)
    assert (failure.cause, failure.address) == (Cause.POLICY, "127.0.0.1")
    assert str(failure) == "Not allowed: 127.0.0.1 is a loopback address"
    assert http.seen == []


def test_the_policy_judges_the_address_of_the_connection_and_not_the_name(
    http: HttpDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that looked harmless when it was entered and leads inside now."""
    row = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [row])
    assert refused(http.url("/ok", host="rebound.example"), policy=TRIGGERS).cause is Cause.POLICY
    assert refused(http.url("/ok", host="localhost"), policy=TRIGGERS).cause is Cause.POLICY
    assert http.seen == []


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://127.0.0.1:99999/", "gopher://x"]
)
def test_anything_but_a_good_http_url_fails_without_a_connection(url: str) -> None:
    assert refused(url).cause is Cause.OURS


def test_many_threads_may_ask_at_once(http: HttpDouble) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=5)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 20


def test_no_file_descriptor_is_left_behind(http: HttpDouble) -> None:
    def burst() -> None:
        requests = [(n, Request(http.url("/ok"), CHECKS, 3_000)) for n in range(100)]
        assert {type(outcome) for _, outcome in net.run(requests)} == {Answer}

    burst()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        burst()
    time.sleep(0.1)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5


def test_a_forked_child_asks_with_connections_of_its_own(http: HttpDouble) -> None:
    net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=2)
    child = os.fork()
    if child == 0:
        try:
            answer = net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=5)
            os._exit(0 if answer.status == 200 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert net.request("GET", http.url("/ok"), policy=CHECKS, timeout_s=2).status == 200


def test_one_broken_request_among_many_fails_alone(http: HttpDouble) -> None:
    requests = [(1, Request("http://[::1", CHECKS, 1_000)), (2, Request(http.url("/ok"), CHECKS, 2_000))]
    outcomes = dict(net.run(requests))
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].cause is Cause.OURS
    assert isinstance(outcomes[2], Answer)


def test_nothing_to_ask_ends_at_once() -> None:
    assert list(net.run([])) == []
