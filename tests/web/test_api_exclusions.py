"""The API's excluded windows."""

import time
from typing import Any

import pytest

from tests.support.api import Api

PATH = "/monitors/office/excluded-windows"


@pytest.fixture
def minute(api: Api) -> int:
    """A minute an hour ago; `office` was down then for ten minutes, and up for ten before."""
    api.post("/monitors", {"tag": "office", "name": "Office", "monitor_type": "NONE"})
    minute = int(time.time()) // 60 * 60 - 3600
    api.patch("/monitors/office/data", {"start_ts": minute - 600, "end_ts": minute - 60, "status": "UP"})
    api.patch("/monitors/office/data", {"start_ts": minute, "end_ts": minute + 540, "status": "DOWN"})
    return minute


def window(minute: int, **given: Any) -> dict[str, Any]:
    return {"start_ts": minute, "end_ts": minute + 600, "kind": "FALSE_ALARM", "reason": "A broken probe"} | given


def test_a_window_is_made_listed_and_removed(api: Api, minute: int) -> None:
    made = api.post(PATH, window(minute))["excluded_window"]
    assert made | window(minute) == made and made["created_by"]
    assert made["uptime_before"] == dict.fromkeys(("24h", "7d", "30d", "90d"), 0.5)
    assert api.get(PATH)["excluded_windows"] == [made]
    assert len(api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 600)["data"]) == 10
    again = api.post(PATH, window(minute - 60, end_ts=minute, kind="EXCUSED"))["excluded_window"]
    assert again["uptime_before"]["24h"] == 1
    assert api.delete(f"{PATH}/{made['id']}") == {"message": "It counts again."}
    assert [one["id"] for one in api.get(PATH)["excluded_windows"]] == [again["id"]]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start_ts": None}, "start_ts"),
        ({"end_ts": 0}, "end_ts"),
        ({"end_ts": 4_000_000_000}, "end_ts"),
        ({"start_ts": 0}, "end_ts"),
        ({"kind": "LUCK"}, "kind"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 256}, "reason"),
        ({"colour": "grey"}, "colour"),
    ],
)
def test_what_cannot_be_excluded_is_named(api: Api, minute: int, given: dict[str, Any], field: str) -> None:
    assert api.refused("POST", PATH, window(minute) | given).keys() == {field}
    assert api.get(PATH)["excluded_windows"] == []


def test_nothing_is_excluded_twice_nor_in_the_future(api: Api, minute: int) -> None:
    api.post(PATH, window(minute))
    assert api.refused("POST", PATH, window(minute + 540)).keys() == {"start_ts"}
    assert api.refused("POST", PATH, window(minute + 3000, end_ts=minute + 7200)).keys() == {"end_ts"}


def test_a_window_belongs_to_its_monitor(api: Api, minute: int) -> None:
    made = api.post(PATH, window(minute))["excluded_window"]
    api.post("/monitors", {"tag": "shop", "name": "Shop", "monitor_type": "NONE"})
    api.delete(f"/monitors/shop/excluded-windows/{made['id']}", expect=404)
    api.delete(f"{PATH}/999", expect=404)
    api.get("/monitors/nope/excluded-windows", expect=404)
    api.post("/monitors/nope/excluded-windows", window(minute), expect=404)
