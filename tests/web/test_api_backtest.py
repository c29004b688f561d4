"""The back-test as programs ask for it. X1."""

import time
from typing import Any

import pytest

from kener.web.api import backtests
from tests import factories
from tests.support.api import Api

DRAFT: dict[str, Any] = {"monitor_tags": ["api"], "success_threshold": 1, "create_incident": "YES"}
OUTAGE = ["DOWN", "DOWN", "DOWN", "UP"]


@pytest.fixture
def start(api: Api) -> int:
    """When three outages of a minute each began, two days ago."""
    factories.make_monitor("api")
    begun = int(time.time()) // 86_400 * 86_400 - 2 * 86_400
    factories.observe("api", *OUTAGE * 3, *["UP"] * 8, start=begun)
    return begun


def test_x1_a_draft_is_answered_with_its_figures_days_and_episodes(api: Api, start: int) -> None:
    made = api.post("/alert-configurations/backtest", DRAFT, expect=200)["back_test"]
    assert (made["monitors"], made["samples"], made["current"]) == (1, 20, None)
    draft = made["draft"]
    assert (draft["alerts"], draft["incidents"], draft["seconds_in_alert"], draft["longest_alert_seconds"]) == (
        3,
        3,
        180,
        60,
    )
    assert (draft["notices"], draft["first_failure_to_alert_seconds"]) == (0, 120)
    assert draft["episodes"][0] == {
        "monitor_tag": "api",
        "first_failure_ts": start,
        "triggered_ts": start + 120,
        "resolved_ts": start + 180,
    }
    [day] = [day for day in draft["days"] if day["alerts"]]
    assert (day["date"], day["alerts"]) == (time.strftime("%Y-%m-%d", time.gmtime(start)), 3)
    assert len(draft["days"]) in (31, 32)
    assert made["advice"][0].startswith("Success 5 would have merged 3 incidents into 1")


def test_x1_a_draft_stands_beside_a_stored_configuration(api: Api, start: int) -> None:
    config_id = factories.make_configuration(
        "api", success_threshold=1, create_incident="YES", trigger_ids=[factories.make_trigger()]
    )
    asked = {**DRAFT, "success_threshold": 5, "alert_configuration_id": config_id}
    made = api.post("/alert-configurations/backtest", asked, expect=200)["back_test"]
    assert (made["draft"]["incidents"], made["draft"]["notices"]) == (1, 0)
    assert (made["current"]["incidents"], made["current"]["notices"]) == (3, 6)
    assert made["advice"][0] == "Success 5 would have merged 3 incidents into 1."
    # An incident that goes on when its alert soon comes back is one (R4).
    made = api.post("/alert-configurations/backtest", {**DRAFT, "reopen_minutes": 10}, expect=200)["back_test"]
    assert (made["draft"]["alerts"], made["draft"]["incidents"]) == (3, 1)


def test_only_the_days_that_were_asked_for_are_replayed(api: Api, start: int) -> None:
    made = api.post("/alert-configurations/backtest", {**DRAFT, "days": 1}, expect=200)["back_test"]
    assert (made["samples"], made["draft"]["alerts"], made["advice"]) == (0, 0, ["There is no sample yet to replay."])
    assert made["end_ts"] - made["start_ts"] in range(86_400, 86_400 + 3_600)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"monitor_tags": ["web"]}, "monitor_tags"), ({"alert_configuration_id": 77}, "alert_configuration_id"),
     ({"days": 31}, "days"), ({"days": 0}, "days"), ({"failure_threshold": 0}, "failure_threshold"),
     ({"alert_value": "UP"}, "alert_value"), ({"trigger_ids": [77]}, "trigger_ids"), ({"hours": 3}, "hours")],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused_by_its_field(
    api: Api, start: int, given: dict[str, Any], field: str
) -> None:
    assert list(api.refused("POST", "/alert-configurations/backtest", {**DRAFT, **given})) == [field]


def test_more_than_one_call_can_bear_is_refused_with_advice(
    api: Api, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtests, "MOST", 19)
    fields = api.refused("POST", "/alert-configurations/backtest", DRAFT)
    assert fields["monitor_tags"].startswith("These are about 20 samples, and at most 19")
