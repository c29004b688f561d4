"""What was hidden stays hidden when it is deleted, and when it is gone for good."""

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.services import monitors, trash
from tests import factories
from tests.support.pages import visit


@pytest.fixture
def hidden() -> tuple[int, int]:
    """A hidden monitor in a public incident, and one maintenance of its own."""
    now = clock.epoch()
    for tag, is_hidden in (("shown", False), ("inside", True)):
        factories.make_monitor(tag, is_hidden=is_hidden)
    number = factories.make_incident("shown", "inside", start=now - 600)
    factories.make_monitor("late")
    planned = factories.plan_maintenance("late", start=now + 3_600, end=now + 7_200)
    monitors.update("late", factories.monitor_input("late", is_hidden=True), actor=factories.SAM)
    return number, planned


def seen(client: FlaskClient, number: int) -> str:
    return visit(client, "/").text + visit(client, f"/incidents/{number}").text + client.get("/rss.xml").text


def test_a_hidden_monitor_stays_hidden_when_it_is_deleted_and_when_it_is_gone(
    client: FlaskClient, hidden: tuple[int, int]
) -> None:
    for act in (
        lambda tag: None,
        lambda tag: monitors.delete(tag, actor=factories.SAM),
        lambda tag: trash.purge(tag, actor=factories.SAM),
    ):
        act("inside")
        act("late")
        text = seen(client, hidden[0])
        assert "Shown" in text
        assert "Inside" not in text
        assert "Move" not in text
        assert client.get(f"/maintenances/{hidden[1]}").status_code == 404


def test_a_deleted_monitor_keeps_its_name_in_incidents_and_leads_nowhere(client: FlaskClient) -> None:
    factories.make_monitor("api")
    number = factories.make_incident("api", start=clock.epoch() - 600)
    monitors.delete("api", actor=factories.SAM)
    page = visit(client, f"/incidents/{number}")
    assert "Api" in page.text
    assert not page.all("a[href='/monitors/api']")
    trash.purge("api", actor=factories.SAM)
    assert "Api" in visit(client, f"/incidents/{number}").text
