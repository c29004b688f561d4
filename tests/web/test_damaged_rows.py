"""A row that was damaged from outside disables only itself, visibly: no list goes down, and the others are still decided."""

import time
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from kener.db import db
from kener.models import Alert, Delivery, DeliveryState, Incident, Monitor
from kener.services import outbox
from tests import factories
from tests.support.pages import visit

NOW = int(time.time()) // 60 * 60
PAGES = (
    "/",
    "/rss.xml",
    "/atom.xml",
    "/manage",
    "/manage/monitors",
    "/manage/monitors/shop",
    "/manage/monitors/shop/edit",
    "/manage/monitors/other",
    "/manage/alerts",
    "/manage/alerts/{0.config}",
    "/manage/alerts/{0.config}/log",
    "/manage/incidents",
    "/manage/incidents/{0.incident}",
    "/manage/triggers",
    "/manage/deliveries",
    "/incidents/{0.incident}",
    "/monitors/shop",
    "/metrics",
)
DAMAGES = (
    ("monitor", "monitor_type", "CARRIER_PIGEON"),
    ("monitor", "interval_seconds", None),
    ("monitor", "type_data", "{broken"),
    ("monitor", "type_data", "7"),
    ("monitor", "default_status", "GREEN"),
    ("monitor_state", "status", "99"),
    ("sample", "status", "99"),
    ("alert_configuration", "alert_for", "MOOD"),
    ("alert_configuration", "alert_value", "soon"),
    ("alert_configuration", "uptime_window", "1y"),
    ("alert_configuration", "failure_threshold", "many"),
    ("alert_configuration", "severity", "MILD"),
    ("alert", "rule", "{broken"),
    ("alert", "alert_status", "PERHAPS"),
    ("decision", "samples", "7"),
    ("decision", "rule", "[]"),
    ("incident", "state", "PONDERING"),
    ("incident", "source", "GOSSIP"),
    ("incident_update", "state", "PONDERING"),
    ("affected_monitor", "impact", "MOOD"),
    ("trigger_channel", "public", "{broken"),
    ("trigger_channel", "trigger_type", "telegraph"),
    ("trigger_channel", "secret", "not sealed"),
    ("delivery", "message", "{broken"),
    ("delivery", "state", "PIGEON"),
    ("monitor", "created_at", "not a date"),
    ("alert", "triggered_at", "9999-12-31 23:59:59.000000"),
    ("alert", "resolved_at", "soon"),
    ("incident", "start_at", "0001-01-01 00:00:00.000000"),
    ("incident", "end_at", "not a date"),
    ("incident_update", "at", "not a date"),
    ("delivery", "created_at", "not a date"),
)


@dataclass(frozen=True)
class Story:
    """What the pages are asked about."""

    config: int
    incident: int


@pytest.fixture
def story(app: Flask) -> Story:
    """A monitor with an active alert, its incident and a notice; another one that is well."""
    hook = factories.make_trigger(secret="a secret to sign with")
    rule = {"failure_threshold": 1, "create_incident": True, "trigger_ids": [hook]}
    factories.make_monitor("shop")
    factories.make_monitor("other")
    config = factories.make_configuration("shop", **rule)
    factories.make_configuration("other", **rule)
    factories.observe("shop", "UP", "DOWN", start=NOW - 600)
    factories.observe("other", "UP", "UP", start=NOW - 600)
    return Story(config, factories.only(Incident).id)


@pytest.mark.parametrize(("table", "column", "value"), DAMAGES)
def test_a_damaged_row_disables_only_itself(
    owner: FlaskClient, story: Story, table: str, column: str, value: str | None
) -> None:
    where = {
        "monitor": "tag = 'shop'",
        "monitor_state": "monitor_id = (SELECT id FROM monitor WHERE tag = 'shop')",
        "sample": "monitor_id = (SELECT id FROM monitor WHERE tag = 'shop')",
        "alert_configuration": f"id = {story.config}",
    }.get(table, "true")
    db.session.execute(text(f"UPDATE {table} SET {column} = :value WHERE {where}"), {"value": value})
    db.session.commit()
    for path in PAGES:
        assert owner.get(path.format(story)).status_code in (200, 304), path
    factories.observe("other", "DOWN", start=NOW - 400)
    assert [alert.monitor_tag for alert in factories.every(Alert) if alert.active_key][-1] == "other"


def test_a_monitor_of_an_unknown_type_can_be_given_another(owner: FlaskClient) -> None:
    factories.make_monitor("shop", monitor_type="API", type_data={"url": "https://shop.example"})
    db.session.execute(text("UPDATE monitor SET monitor_type = 'CARRIER_PIGEON'"))
    db.session.commit()
    page = visit(owner, "/manage/monitors/shop/edit").click("Manual")
    assert page.form("Save").submit().heading == "Shop"
    assert factories.only(Monitor).monitor_type == "NONE"


def test_a_rule_that_cannot_be_decided_says_so(owner: FlaskClient, story: Story) -> None:
    db.session.execute(text("UPDATE alert_configuration SET alert_for = 'MOOD'"))
    db.session.commit()
    assert "There is no alert type MOOD." in owner.get(f"/manage/alerts/{story.config}").get_data(as_text=True)
    assert "Cannot be used" in owner.get("/manage/alerts").get_data(as_text=True)


@pytest.mark.usefixtures("story")
def test_a_message_that_cannot_be_read_fails_with_a_reason() -> None:
    db.session.execute(text("UPDATE delivery SET message = '{broken'"))
    db.session.commit()
    delivery_id = factories.only(Delivery).id
    outbox.deliver(delivery_id)
    failed = factories.only(Delivery)
    assert failed.state is DeliveryState.FAILED and "cannot be read" in (failed.answer or "")
