"""Subscribers through the API: pending until their owner says yes, every answer as the document promises."""

import pytest
from sqlalchemy import select

from kener.db import reading
from kener.models import Incident
from kener.services import site
from kener.services.site import Site
from tests.factories import SAM, make_incident, make_monitor
from tests.support.api import Api
from tests.support.statements import counted
from tests.support.subscribers import make_subscriber, many, name_site


@pytest.fixture(autouse=True)
def shop(api: Api) -> None:
    """A monitor, on a site with an address."""
    name_site()
    make_monitor("shop")


def test_without_an_address_of_the_site_nobody_is_asked_by_a_link_that_leads_nowhere(api: Api) -> None:
    site.change(Site("Acme", "", "UTC"), actor=SAM)
    refused = api.post("/subscribers", {"address": "ann@example.com"}, expect=422)
    assert "The site has no address yet" in refused["error"]["message"]
    assert api.get("/subscribers")["total"] == 0


def test_a_new_subscriber_is_pending_and_can_be_read_and_deleted(api: Api) -> None:
    made = api.post("/subscribers", {"address": "Ann@Example.com", "monitors": ["shop"], "kinds": ["INCIDENTS"]})
    subscriber = made["subscriber"]
    assert (subscriber["state"], subscriber["address"]) == ("PENDING", "ann@example.com")
    assert subscriber["created_by"] and subscriber["confirmed_at"] is None
    assert api.get(f"/subscribers/{subscriber['id']}") == made
    api.post("/subscribers", {"address": "ann@example.com"}, expect=422)
    api.delete(f"/subscribers/{subscriber['id']}")
    assert api.get("/subscribers")["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"address": "nobody"}, "address"),
        ({"address": "a@example.com", "monitors": ["none"]}, "monitors"),
        ({"address": "a@example.com", "kinds": []}, "kinds"),
        ({"address": "a@example.com", "least_impact": "UP"}, "least_impact"),
        ({"address": "a@example.com", "zone": "Mars/Base"}, "zone"),
        ({"address": "ftp://example.com", "channel": "SLACK"}, "address"),
    ],
)
def test_what_cannot_be_is_refused_on_its_field(api: Api, body: dict[str, object], field: str) -> None:
    refused = api.post("/subscribers", body, expect=422)
    assert field in refused["error"]["fields"], refused
    assert api.get("/subscribers")["total"] == 0


def test_lists_are_filtered_and_cost_the_same_for_many(api: Api) -> None:
    make_subscriber("bea@example.com", monitors=["shop"], kinds=["MAINTENANCE"])
    with counted() as few:
        assert [one["monitors"] for one in api.get("/subscribers", kind="MAINTENANCE")["subscribers"]] == [["shop"]]
    many(60)
    with counted() as lots:
        assert api.get("/subscribers")["total"] == 61
    assert len(lots) <= len(few) + 1
    assert api.get("/subscribers", scope="CHOSEN")["total"] == 1
    assert api.get("/subscribers", q="s1@", state="ACTIVE", scope="SITE")["total"] == 1


def test_what_was_said_and_told_can_be_read(api: Api) -> None:
    subscriber_id = make_subscriber()
    make_incident("shop")
    [notice] = api.get("/notices")["notices"]
    assert (notice["event"], notice["waiting"], notice["sent"]) == ("OPENED", 1, 0)
    [told] = api.get(f"/subscribers/{subscriber_id}/deliveries")["deliveries"]
    assert (told["title"], told["state"], told["notice_id"]) == ("Slow payments", "WAITING", notice["id"])
    api.get("/subscribers/999/deliveries", expect=404)


def test_notify_decides_whether_an_update_is_told(api: Api) -> None:
    make_subscriber()
    body = {"title": "Lights out", "start_date_time": 1_700_000_000, "notify": "NO"}
    number = api.post("/incidents", body)["incident"]["id"]
    path = f"/incidents/{number}/comments"
    api.post(path, {"comment": "We look.", "state": "IDENTIFIED", "notify": False})
    assert api.get("/notices")["total"] == 0
    api.post(path, {"comment": "We saw.", "state": "MONITORING"})
    assert [one["event"] for one in api.get("/notices")["notices"]] == ["OPENED"]
    assert reading().scalar(select(Incident.id)) == number
