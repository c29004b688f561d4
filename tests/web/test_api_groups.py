"""Groups and dependencies by API."""

from tests import factories
from tests.support.api import Api

GROUP = {
    "tag": "all",
    "name": "All",
    "monitor_type": "GROUP",
    "type_data": {
        "monitors": [{"tag": "api", "weight": 0.333}, {"tag": "mail", "weight": 0.667}],
        "executionDelay": 1000,
        "latencyCalculation": "AVG",
    },
}


def test_a_definition_of_the_original_is_accepted_and_shown_as_it_stands(api: Api) -> None:
    for tag in ("api", "mail"):
        factories.make_monitor(tag)
    made = api.post("/monitors", GROUP)["monitor"]
    assert made["type_data"].items() >= GROUP["type_data"].items()  # type: ignore[attr-defined]
    assert (made["type_data"]["strategy"], made["current_status"]) == ("WEIGHTED", "UP")


def test_members_that_are_unknown_or_would_make_a_circle_are_named(api: Api) -> None:
    factories.make_monitor("api")
    assert api.refused("POST", "/monitors", GROUP) == {"type_data.monitors": "There is no monitor mail."}
    one = GROUP | {"type_data": {"monitors": [{"tag": "api"}]}}
    api.post("/monitors", one)
    circle = {"type_data": {"monitors": [{"tag": "api"}, {"tag": "all"}]}}
    assert api.refused("PATCH", "/monitors/all", circle) == {
        "type_data.monitors": "A group cannot be part of itself: All → All."
    }


def test_parents_are_given_kept_and_taken_away(api: Api) -> None:
    for tag in ("gate", "shop"):
        factories.make_monitor(tag)
    assert api.patch("/monitors/shop", {"parent_tags": ["gate"]})["monitor"]["parent_tags"] == ["gate"]
    assert api.patch("/monitors/shop", {"name": "The shop"})["monitor"]["parent_tags"] == ["gate"]
    assert api.refused("PATCH", "/monitors/gate", {"parent_tags": ["shop"]}) == {
        "parent_tags": "A monitor cannot depend on itself: Gate → The shop → Gate."
    }
    assert api.refused("PATCH", "/monitors/gate", {"parent_tags": ["nobody"]}) == {
        "parent_tags": "There is no monitor nobody."
    }
    assert api.patch("/monitors/shop", {"parent_tags": []})["monitor"]["parent_tags"] == []
