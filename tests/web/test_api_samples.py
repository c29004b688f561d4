"""The API's monitor data."""

import time

import pytest

from tests.support.api import Api

DAY = 86_400


@pytest.fixture
def minute(api: Api) -> int:
    """A minute an hour ago; there is a monitor `office` that is set by hand."""
    api.post("/monitors", {"tag": "office", "name": "Office", "monitor_type": "NONE"})
    return int(time.time()) // 60 * 60 - 3600


def write(api: Api, start: int, end: int, **given: object) -> int:
    body = {"start_ts": start, "end_ts": end, "status": "UP"} | given
    return int(api.patch("/monitors/office/data", body)["updated_count"])


def test_a_span_is_written_a_sample_a_minute_and_read_half_open(api: Api, minute: int) -> None:
    assert write(api, minute, minute + 120, status="DEGRADED", latency=250) == 3
    data = api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 120)["data"]
    assert data == [
        {
            "monitor_tag": "office",
            "timestamp": at,
            "status": "DEGRADED",
            "latency": 250,
            "raw_status": None,
            "type": "MANUAL",
            "error": None,
        }
        for at in (minute, minute + 60)
    ]
    assert len(api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 121)["data"]) == 3


def test_writing_again_replaces_and_counts_nothing_twice(api: Api, minute: int) -> None:
    write(api, minute, minute + 60, latency=10)
    assert write(api, minute, minute + 60, status="DOWN") == 2
    data = api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 120)["data"]
    assert [(sample["status"], sample["latency"]) for sample in data] == [("DOWN", None), ("DOWN", None)]


def test_latencies_differ_by_at_most_the_deviation(api: Api, minute: int) -> None:
    write(api, minute - 3540, minute, latency=100, deviation=20)
    data = api.get("/monitors/office/data", start_ts=minute - 3540, end_ts=minute + 60)["data"]
    latencies = [sample["latency"] for sample in data]
    assert len(latencies) == 60
    assert min(latencies) >= 80
    assert max(latencies) <= 120
    assert len(set(latencies)) > 1


def test_one_minute_is_read_and_written_by_any_second_of_it(api: Api, minute: int) -> None:
    api.get(f"/monitors/office/data/{minute + 59}", expect=404)
    assert api.refused("PATCH", f"/monitors/office/data/{minute}", {"latency": 5}) == {
        "status": "This field is needed."
    }
    sample = api.patch(f"/monitors/office/data/{minute + 59}", {"status": "DOWN", "latency": 5})["data"]
    assert (sample["timestamp"], sample["status"], sample["latency"]) == (minute, "DOWN", 5)
    assert api.patch(f"/monitors/office/data/{minute}", {"latency": 7})["data"] == sample | {"latency": 7}
    assert api.patch(f"/monitors/office/data/{minute}", {"status": "UP"})["data"] == sample | {
        "latency": 7,
        "status": "UP",
    }


def test_the_newest_sample_is_what_the_monitor_shows(api: Api, minute: int) -> None:
    now = int(time.time()) // 60 * 60
    write(api, now, now, status="DOWN", latency=42)
    monitor = api.get("/monitors/office")["monitor"]
    assert (monitor["current_status"], monitor["shown_status"], monitor["latency_ms"]) == ("DOWN", "DOWN", 42)


def test_what_was_seen_long_ago_is_not_the_current_status(api: Api, minute: int) -> None:
    write(api, minute, minute, status="DOWN", latency=42)
    monitor = api.get("/monitors/office")["monitor"]
    assert (monitor["current_status"], monitor["latency_ms"]) == ("UP", None)
    assert api.patch("/monitors/office", {"default_status": "NO_DATA"})["monitor"]["current_status"] == "NO_DATA"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start_ts": None}, "start_ts"),
        ({"start_ts": "soon"}, "start_ts"),
        ({"start_ts": -1}, "start_ts"),
        ({"start_ts": 10**30}, "start_ts"),
        ({"start_ts": 1.5}, "start_ts"),
        ({"end_ts": 0}, "end_ts"),
        ({"end_ts": 4_000_000_000}, "end_ts"),
        ({"status": "MAINTENANCE"}, "status"),
        ({"status": "NO_DATA"}, "status"),
        ({"status": 1}, "status"),
        ({"latency": -1}, "latency"),
        ({"latency": "fast"}, "latency"),
        ({"latency": 10**12}, "latency"),
        ({"deviation": -5}, "deviation"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_what_cannot_be_written_is_named(api: Api, minute: int, given: dict[str, object], field: str) -> None:
    body = {"start_ts": minute, "end_ts": minute, "status": "UP"} | given
    assert api.refused("PATCH", "/monitors/office/data", body).keys() == {field}


def test_at_most_a_month_is_written_or_read_at_once(api: Api, minute: int) -> None:
    span = {"start_ts": minute - 31 * DAY, "end_ts": minute}
    assert "31 days" in api.refused("PATCH", "/monitors/office/data", span | {"status": "UP"})["end_ts"]
    assert api.get("/monitors/office/data", **span)["data"] == []
    assert (
        "31 days" in api.refused("GET", "/monitors/office/data", query_string=span | {"end_ts": minute + 1})["end_ts"]
    )


def test_reading_needs_both_ends_in_order(api: Api, minute: int) -> None:
    assert api.refused("GET", "/monitors/office/data").keys() == {"start_ts", "end_ts"}
    backwards = {"start_ts": minute, "end_ts": minute}
    assert api.refused("GET", "/monitors/office/data", query_string=backwards).keys() == {"end_ts"}


def test_the_future_cannot_be_written(api: Api, minute: int) -> None:
    ahead = minute + 7200
    assert api.refused("PATCH", f"/monitors/office/data/{ahead}", {"status": "UP"}).keys() == {"timestamp"}


@pytest.mark.parametrize("moment", ["-60", "soon", "1.5", "9" * 40, "%00"])
def test_what_is_no_moment_is_not_found(api: Api, minute: int, moment: str) -> None:
    api.get(f"/monitors/office/data/{moment}", expect=404)
    api.patch(f"/monitors/office/data/{moment}", {"status": "UP"}, expect=404)


def test_an_unknown_monitor_has_no_data(api: Api) -> None:
    api.get("/monitors/nope/data", start_ts=0, end_ts=60, expect=404)
    api.patch("/monitors/nope/data", {"start_ts": 0, "end_ts": 60, "status": "UP"}, expect=404)
    api.get("/monitors/nope/data/60", expect=404)
    api.patch("/monitors/nope/data/60", {"status": "UP"}, expect=404)


def test_a_span_is_deleted_half_open_and_one_minute_by_any_second_of_it(api: Api, minute: int) -> None:
    write(api, minute, minute + 240)
    gone = api.delete("/monitors/office/data", start_ts=minute, end_ts=minute + 120, reason="A test")
    assert gone == {"message": "2 samples were deleted.", "deleted_count": 2}
    assert api.delete(f"/monitors/office/data/{minute + 155}")["deleted_count"] == 1
    api.delete(f"/monitors/office/data/{minute + 155}", expect=404)
    data = api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 600)["data"]
    assert [sample["timestamp"] - minute for sample in data] == [180, 240]
    assert api.delete("/monitors/office/data", start_ts=minute, end_ts=minute + 120)["deleted_count"] == 0


def test_a_deletion_needs_a_span_that_is_kept(api: Api, minute: int) -> None:
    assert api.refused("DELETE", "/monitors/office/data").keys() == {"start_ts", "end_ts"}
    span = {"start_ts": minute - 32 * DAY, "end_ts": minute}
    assert api.refused("DELETE", "/monitors/office/data", query_string=span).keys() == {"end_ts"}
    assert api.refused("DELETE", "/monitors/office/data/60").keys() == {"timestamp"}
    api.delete("/monitors/nope/data", start_ts=0, end_ts=60, expect=404)


def test_a_monitor_says_what_was_seen_and_what_is_shown(api: Api, minute: int) -> None:
    now = int(time.time()) // 60 * 60
    write(api, now, now, status="UP")
    monitors = [{"monitor_tag": "office", "impact": "DEGRADED"}]
    api.post("/incidents", {"title": "Slow", "start_date_time": now - 60, "monitors": monitors})
    for monitor in (api.get("/monitors/office")["monitor"], api.get("/monitors")["monitors"][0]):
        assert (monitor["current_status"], monitor["shown_status"]) == ("UP", "DEGRADED")
