"""What each monitor type needs to know."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kener.domain.inputs import mistakes
from kener.domain.specs import SPECS, ApiSpec, HeartbeatSpec, MonitorType, parse_spec

URL = "https://shop.example/health?full=1"
GOOD: dict[MonitorType, dict[str, Any]] = {
    MonitorType.API: {"url": URL},
    MonitorType.SSL: {"host": "shop.example"},
    MonitorType.DNS: {"host": "shop.example"},
    MonitorType.TCP: {"hosts": [{"host": "db.example", "port": 5432}]},
    MonitorType.GRPC: {"host": "orders.example"},
    MonitorType.PING: {"hosts": [{"host": "gateway.example"}]},
    MonitorType.UDP: {"host": "ntp.example", "port": 123},
    MonitorType.GAMEDIG: {"gameId": "minecraft", "host": "play.example"},
    MonitorType.STARTTLS: {"host": "mail.example"},
    MonitorType.WEBSOCKET: {"url": "wss://shop.example/live"},
    MonitorType.SQL: {"connectionString": "postgresql://app:secret@db.example/shop"},
    MonitorType.HEARTBEAT: {},
    MonitorType.GROUP: {},
    MonitorType.NONE: {},
}


def refused(kind: MonitorType, **given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        parse_spec(kind, GOOD[kind] | given)
    return mistakes(caught.value)


def api(**given: Any) -> ApiSpec:
    return ApiSpec.model_validate({"url": URL, **given})


def test_every_type_has_settings_that_its_least_definition_satisfies() -> None:
    assert {type(parse_spec(kind, GOOD[kind])) for kind in MonitorType} == set(SPECS.values())
    assert parse_spec(MonitorType.NONE, {}).model_dump() == {"overrideWithLastKnownStatus": False}
    assert refused(MonitorType.API, url=None) == {"url": "Enter text."}


def test_an_api_monitor_starts_with_the_defaults_of_the_original() -> None:
    assert api().model_dump(exclude_none=True) == {
        "url": URL,
        "method": "GET",
        "headers": [],
        "body": "",
        "timeout": 10_000,
        "allowSelfSignedCert": False,
        "follow_redirects": True,
        "max_redirects": 5,
        "accepted_status_codes": "200-399, 429",
        "assertions": [],
    }


@pytest.mark.parametrize("url", [URL, "http://localhost:8080", "HTTPS://EXAMPLE.COM", "http://[::1]:80/x", f" {URL} "])
def test_an_address_of_the_web_is_accepted(url: str) -> None:
    assert api(url=url).url == url.strip()


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("shop.example", "http:// or https://"),
        ("ftp://shop.example", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("https://", "host name"),
        ("https://:443", "host name"),
        ("https://shop.example/a b", "no spaces"),
        ("https://shop.example\r\nHost: x", "no spaces"),
        ("https://shop.example/\x01", "no spaces"),
        ("https://shop.example/\0", "no spaces"),
        ('https://shop.example/"', "no spaces or quotes"),
        ("https://shop.example:99999", "not a valid URL"),
        ("https://shop.example:port", "not a valid URL"),
        ("https://[::1", "not a valid URL"),
        ("", "needed"),
        (f"https://{'a' * 2048}", "at most 2048"),
    ],
)
def test_what_is_no_address_of_the_web_is_refused(url: str, advice: str) -> None:
    assert advice in refused(MonitorType.API, url=url)["url"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [("200", "200"), (" 200-299 ,, 404 ", "200-299, 404"), ("100-599", "100-599"), ("503-503", "503-503")],
)
def test_status_codes_are_codes_and_ranges(written: str, kept: str) -> None:
    assert api(accepted_status_codes=written).accepted_status_codes == kept


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("", "at least one"),
        (" , ", "at least one"),
        ("99", "no status code"),
        ("600", "no status code"),
        ("2xx", "no status code"),
        ("-200", "no status code"),
        ("200-", "no status code"),
        ("200-300-400", "no status code"),
        ("²00", "no status code"),
        ("399-200", "backwards"),
    ],
)
def test_what_is_no_status_code_is_refused(written: str, advice: str) -> None:
    assert advice in refused(MonitorType.API, accepted_status_codes=written)["accepted_status_codes"]


@given(
    st.lists(st.tuples(st.integers(100, 599), st.integers(100, 599)).map(sorted), min_size=1, max_size=9),
    st.integers(0, 999),
)
def test_a_status_code_is_accepted_exactly_when_a_range_holds_it(ranges: list[list[int]], code: int) -> None:
    written = ", ".join(f"{low}-{high}" if low < high else f"{low}" for low, high in ranges)
    assert api(accepted_status_codes=written).accepts(code) == any(low <= code <= high for low, high in ranges)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("method", "TRACE", "method"),
        ("timeout", 99, "timeout"),
        ("timeout", 60_001, "timeout"),
        ("max_redirects", -1, "max_redirects"),
        ("max_redirects", 21, "max_redirects"),
        ("degraded_latency_ms", 0, "degraded_latency_ms"),
        ("degraded_latency_ms", 60_001, "degraded_latency_ms"),
        ("down_latency_ms", 60_001, "down_latency_ms"),
        ("body", "a" * 65_537, "body"),
        ("accepted_status_codes", "200," * 50 + "200", "accepted_status_codes"),
        ("headers", [{"key": "X" * 129}], "headers.0.key"),
        ("headers", [{"key": "X-Key", "value": "a" * 4_097}], "headers.0.value"),
        ("headers", [{"key": "X-Key", "value": "a\0"}], "headers.0.value"),
        ("headers", [{"key": "X-Key", "value": "a\r\nHost: x"}], "headers.0.value"),
        ("headers", [{"key": "X Key"}], "headers.0.key"),
        ("headers", [{"key": "Schlüssel"}], "headers.0.key"),
        ("headers", [{"key": "X-Key"}] * 51, "headers"),
        ("hostname", "x", "hostname"),
    ],
)
def test_settings_of_a_request_that_cannot_be_sent_are_refused(field: str, value: Any, named: str) -> None:
    assert list(refused(MonitorType.API, **{field: value})) == [named]


def test_a_request_at_its_limits_is_accepted() -> None:
    limits = {"max_redirects": 0, "degraded_latency_ms": 1, "down_latency_ms": 60_000, "body": "a" * 65_536}
    headers = [{"key": "X" * 128, "value": "a" * 4_096}, {"key": " X-Empty "}]
    spec = api(timeout=100, headers=headers, accepted_status_codes="200," * 49 + "200", **limits)
    assert [len(header.key) for header in spec.headers] == [128, 7]
    assert api(timeout=60_000, max_redirects=20).timeout == 60_000


@pytest.mark.parametrize(
    ("degraded", "down", "fits"),
    [(500, 501, True), (500, 500, False), (501, 500, False), (None, 1, True), (1, None, True)],
)
def test_the_limit_for_down_lies_above_the_limit_for_degraded(
    degraded: int | None, down: int | None, fits: bool
) -> None:
    limits = {"degraded_latency_ms": degraded, "down_latency_ms": down}
    if fits:
        assert api(**limits).down_latency_ms == down
    else:
        assert set(refused(MonitorType.API, **limits)) == {"down_latency_ms"}


def test_a_heartbeat_is_degraded_before_it_is_down() -> None:
    assert HeartbeatSpec().model_dump(exclude_none=True) == {"degradedRemainingMinutes": 5, "downRemainingMinutes": 10}
    late = refused(MonitorType.HEARTBEAT, degradedRemainingMinutes=10, downRemainingMinutes=10)
    assert set(late) == {"downRemainingMinutes"}
    assert HeartbeatSpec(degradedRemainingMinutes=9, downRemainingMinutes=10).downRemainingMinutes == 10
    assert HeartbeatSpec(degradedRemainingMinutes=1, downRemainingMinutes=525_600).degradedRemainingMinutes == 1


@pytest.mark.parametrize(
    ("secret", "fits"),
    [
        ("a" * 21, False),
        ("a" * 22, True),
        ("A-z_0" * 5, True),
        ("a" * 129, False),
        ("a" * 22 + "/", False),
        ("a" * 22 + "\n", False),
    ],
)
def test_the_secret_of_a_heartbeat_fits_into_an_address(secret: str, fits: bool) -> None:
    if fits:
        assert HeartbeatSpec(secretString=secret).secretString == secret
    else:
        assert set(refused(MonitorType.HEARTBEAT, secretString=secret)) == {"secretString"}


@pytest.mark.parametrize("field", ["degradedRemainingMinutes", "downRemainingMinutes"])
@pytest.mark.parametrize("minutes", [0, 525_601, "soon"])
def test_the_minutes_of_a_heartbeat_lie_within_a_year(field: str, minutes: Any) -> None:
    assert field in refused(MonitorType.HEARTBEAT, **{field: minutes})


@pytest.mark.parametrize(
    ("settings", "field", "advice"),
    [
        ({"host": "203.0.113.7"}, "host", "PTR only"),
        ({"host": "a b"}, "host", "as it stands in the DNS"),
        ({"host": "a..b"}, "host", "as it stands in the DNS"),
        ({"host": "https://shop.example"}, "host", "as it stands in the DNS"),
        ({"transport": "TLS"}, "nameServer", "needs a resolver"),
        ({"nameServer": "9.9.9.9:53"}, "nameServer", "without a port"),
        ({"lookupRecord": "AXFR"}, "lookupRecord", "Choose one of A, AAAA"),
        ({"rcode": "FINE"}, "rcode", "Choose one of NOERROR"),
        ({"matchType": "REGEX", "values": ["("]}, "values", "'(' is no regular expression"),
        ({"matchType": "CONTAINS", "values": [" "]}, "values", "what to look for"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(settings: dict[str, Any], field: str, advice: str) -> None:
    assert advice in refused(MonitorType.DNS, **settings)[field]


@pytest.mark.parametrize(
    "host", ["_dmarc.shop.example", "*.shop.example", ".", "bücher.example", "a", "shop.example.", "$NAME"]
)
def test_every_name_of_the_dns_can_be_asked_for(host: str) -> None:
    assert parse_spec(MonitorType.DNS, {"host": host}).model_dump()["host"] == host


def test_a_question_of_the_original_is_taken_over() -> None:
    stored = {
        "host": "shop.example",
        "transport": "TLS",
        "nameServer": "dns.example",
        "tlsPort": "853",
        "tlsServername": "",
        "allowSelfSignedCert": False,
        "lookupRecord": "A",
        "matchType": "ALL",
        "values": ["203.0.113.7", ""],
    }
    spec = parse_spec(MonitorType.DNS, stored).model_dump()
    assert (spec["values"], spec["tlsPort"], spec["tlsServername"]) == (["203.0.113.7"], 853, None)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"degradedRemainingHours": 24}, "downRemainingHours"),
        ({"downRemainingHours": 0}, "downRemainingHours"),
        ({"host": "https://shop.example"}, "host"),
        ({"serverName": "a b"}, "serverName"),
        ({"port": 0}, "port"),
    ],
)
def test_certificates_that_cannot_be_looked_at_are_refused(settings: dict[str, Any], field: str) -> None:
    assert list(refused(MonitorType.SSL, **settings)) == [field]


def test_a_certificate_of_the_original_is_taken_over() -> None:
    stored = {"host": "shop.example", "port": "443", "degradedRemainingHours": 168, "downRemainingHours": 24}
    assert parse_spec(MonitorType.SSL, stored).model_dump()["port"] == 443
    assert parse_spec(MonitorType.SSL, {"host": "203.0.113.7"}).model_dump()["host"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"host": "http://orders.example"}, "host"),
        ({"service": "shop v1"}, "service"),
        ({"service": "s" * 501}, "service"),
        ({"authority": "orders.example:443"}, "authority"),
        ({"port": 65_536}, "port"),
    ],
)
def test_calls_that_cannot_be_made_are_refused(settings: dict[str, Any], field: str) -> None:
    assert list(refused(MonitorType.GRPC, **settings)) == [field]


def test_a_grpc_monitor_of_the_original_is_taken_over() -> None:
    stored = {"host": "::1", "port": 50051, "service": "", "tls": False, "insecure": False, "timeout": 10000}
    assert parse_spec(MonitorType.GRPC, stored).model_dump(exclude_none=True) == stored | {"assertions": []}


def test_a_game_server_of_the_original_is_taken_over_without_its_script() -> None:
    stored = {
        "gameId": "garrysmod",
        "host": "play.example",
        "port": 27015,
        "timeout": 10000,
        "guessPort": False,
        "requestRules": False,
    }
    assert parse_spec(MonitorType.GAMEDIG, stored).model_dump(exclude_none=True) == stored | {"assertions": []}
    assert "assertions" in refused(MonitorType.GAMEDIG, eval="(async function () {})")["eval"]


@pytest.mark.parametrize(
    ("settings", "field", "advice"),
    [
        ({"gameId": "chess"}, "gameId", "not known here"),
        ({"host": "steam://play.example"}, "host", "without http://"),
        ({"port": 70_000}, "port", "65535"),
    ],
)
def test_game_servers_that_cannot_be_asked_are_refused(settings: dict[str, Any], field: str, advice: str) -> None:
    assert advice in refused(MonitorType.GAMEDIG, **settings)[field]
