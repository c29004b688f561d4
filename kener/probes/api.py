"""Looks at HTTP and HTTPS targets.

A look is one request on a fresh connection, redirects included, up to the last byte of the body or its first MiB: what is beyond is not
read, and that is no failure. The latency is the whole of that time; a look that brought no answer has none. Body, headers
and certificate are kept only where an assertion looks at them.
"""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from kener import __version__, net
from kener.domain.assertions import judge
from kener.domain.readings import Reading, cannot_run
from kener.domain.specs import ApiSpec
from kener.domain.specs.assertions import Source
from kener.domain.status import Status
from kener.net import Answer, Cause, Failure, Request
from kener.net.client import header_lines
from kener.net.transfer import in_seconds
from kener.probes import Target

USER_AGENT = f"Kener/{__version__}"

_CARRIES_BODY = frozenset(("POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_ERROR_LENGTH = 500
_IN_BODY = frozenset((Source.BODY, Source.JSON, Source.HTML))
_DAY_S = 86_400
_CHARSET = re.compile(
    r"charset\s*=\s*[\"']?("
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|shift_jis|euc-(?:jp|kr)|gb(?:k|2312|18030)|big5"
    r")\b",
    re.IGNORECASE,
)


def probe(
    targets: Sequence[Target], *, budget_s: float | None = None, user_agent: str = USER_AGENT
) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    specs = [cast(ApiSpec, target.spec) for target in targets]
    requests = [(place, _request(spec, user_agent)) for place, spec in enumerate(specs)]
    for place, outcome in net.run(requests, budget_s=budget_s):
        yield targets[place].id, None if outcome is None else _reading(specs[place], outcome)


def _request(spec: ApiSpec, user_agent: str) -> Request:
    headers = {"user-agent": ("User-Agent", user_agent), "accept": ("Accept", "*/*")}
    headers |= {header.key.lower(): (header.key, header.value) for header in spec.headers}
    looks_at = spec.looks_at
    return Request(
        url=spec.url,
        policy=net.CHECKS,
        timeout_ms=spec.timeout,
        method=spec.method,
        headers=header_lines(headers.values()),
        body=_body(spec),
        max_redirects=spec.max_redirects if spec.follow_redirects else 0,
        verify_tls=not spec.allowSelfSignedCert,
        keep=bool(looks_at & _IN_BODY),
        keep_headers=Source.HEADER in looks_at,
        certificate=Source.CERTIFICATE_DAYS in looks_at,
    )


def _body(spec: ApiSpec) -> bytes | None:
    """GET and HEAD never carry one. POST, PUT and PATCH always do, though it may be empty: servers ask for its length."""
    if spec.method not in _CARRIES_BODY or (not spec.body and spec.method in ("DELETE", "OPTIONS")):
        return None
    return spec.body.encode()


def _reading(spec: ApiSpec, outcome: Answer | Failure) -> Reading:
    if isinstance(outcome, Answer):
        seen = _judge(spec, outcome)
        return judge(spec, seen, _facts(spec, outcome)) if spec.assertions else seen
    if outcome.cause is Cause.TARGET:
        failed = Reading(Status.DOWN, error=outcome.reason[:_ERROR_LENGTH], timed_out=outcome.timed_out)
        return judge(spec, failed, {})
    return cannot_run(outcome.reason[:_ERROR_LENGTH])


def _judge(spec: ApiSpec, answer: Answer) -> Reading:
    """The status code first, then the limits of latency."""
    status, error, said = Status.UP, None, f"HTTP {answer.status}"
    if not spec.accepts(answer.status):
        status, error = Status.DOWN, said
    elif spec.down_latency_ms and answer.total_ms > spec.down_latency_ms:
        status, error = Status.DOWN, _slow(said, answer.total_ms, spec.down_latency_ms)
    elif spec.degraded_latency_ms and answer.total_ms > spec.degraded_latency_ms:
        status, error = Status.DEGRADED, _slow(said, answer.total_ms, spec.degraded_latency_ms)
    return Reading(status, latency_ms=answer.total_ms, error=error, answer=said, phases=answer.phases)


def _facts(spec: ApiSpec, answer: Answer) -> dict[Source, Any]:
    """What the assertions look at."""
    facts: dict[Source, Any] = {Source.STATUS_CODE: answer.status, Source.HEADER: answer.headers}
    if spec.looks_at & _IN_BODY:
        facts[Source.BODY] = _text(answer)
    if answer.certificate_ends is not None:
        facts[Source.CERTIFICATE_DAYS] = (answer.certificate_ends - time.time()) / _DAY_S
    return facts


def _text(answer: Answer) -> str:
    """The body in the character set that its header names, UTF-8 otherwise."""
    named = _CHARSET.search(answer.headers.get("content-type", ""))
    try:
        text = answer.body.decode(named[1] if named else "utf-8", errors="replace")
    except LookupError:
        text = answer.body.decode(errors="replace")
    return text.removeprefix("\ufeff")


def _slow(said: str, measured_ms: int, limit_ms: int) -> str:
    return f"{said} after {in_seconds(measured_ms)}, limit {in_seconds(limit_ms)}"
