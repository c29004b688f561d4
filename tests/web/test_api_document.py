"""The OpenAPI document: complete, valid, and true."""

import re
import time
from pathlib import Path
from typing import Any

from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

import kener
from kener import clock
from kener.db import transaction
from kener.domain.inputs import IncidentInput, MaintenanceInput, MonitorInput, UpdateInput
from kener.domain.trigger_specs import SETTINGS
from kener.models import Delivery, DeliveryState
from kener.services.triggers import TriggerInput
from tests.support.api import PREFIX, Api
from tests.support.subscribers import name_site


def test_the_document_is_valid_openapi_3_1(api: Api) -> None:
    assert api.document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(api.document).iter_errors()] == []


def test_every_route_is_in_the_document(api: Api, app: Flask) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(PREFIX)))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == set(api.operations)
    assert len(routes) > 30


def test_every_operation_is_described(api: Api) -> None:
    names = set()
    for method, path in api.operations:
        item = api.document["paths"][path]
        operation = item[method.lower()]
        names.add(operation["operationId"])
        assert operation["summary"]
        assert operation["tags"]
        assert {parameter["name"] for parameter in item.get("parameters", ())} == set(re.findall(r"\{(\w+)\}", path))
        for parameter in [*item.get("parameters", ()), *operation.get("parameters", ())]:
            assert parameter["description"]
            assert parameter["schema"]
        private = operation.get("security") != []
        assert ("401" in operation["responses"]) == ("429" in operation["responses"]) == private
        assert ("404" in operation["responses"]) == ("{" in path)
        for status in ("400", "413", "415", "422"):
            assert "requestBody" not in operation or status in operation["responses"]
    assert len(names) == len(api.operations)


def test_every_tag_is_explained_and_used(api: Api) -> None:
    used = {api.document["paths"][path][method.lower()]["tags"][0] for method, path in api.operations}
    assert [tag["name"] for tag in api.document["tags"] if not tag["description"]] == []
    assert {tag["name"] for tag in api.document["tags"]} == used


def test_bodies_have_the_fields_of_the_schemas_that_read_them(api: Api) -> None:
    schemas = api.document["components"]["schemas"]

    def fields(name: str) -> set[str]:
        return set(schemas[name]["properties"])

    ignored = {"include_degraded_in_downtime", "confirmation_threshold"}
    assert fields("NewMonitor") - ignored == MonitorInput.model_fields.keys()
    assert fields("NewMonitor") == fields("MonitorChanges")
    times = {"start_at": "start_date_time", "end_at": "end_date_time"}
    assert fields("NewIncident") - {"is_global"} == {times.get(name, name) for name in IncidentInput.model_fields}
    assert fields("IncidentStoryChanges") == fields("NewIncident") | {"post_mortem"}
    plan = {"start_at": "start_date_time", "duration_s": "duration_seconds", "is_active": "status"}
    assert fields("NewMaintenance") == {plan.get(name, name) for name in MaintenanceInput.model_fields}
    words = {"text": "comment", "at": "timestamp"}
    assert fields("NewComment") == {words.get(name, name) for name in UpdateInput.model_fields}
    for kind, settings in SETTINGS.items():
        own = {info.alias or name for name, info in settings.model_fields.items()}
        assert fields(f"{kind.capitalize()}Trigger") == own | (TriggerInput.model_fields.keys() - {"settings"})


def test_a_change_needs_no_field_and_has_no_defaults(api: Api) -> None:
    schemas = api.document["components"]["schemas"]
    changes = [name for name in schemas if name.endswith("Changes")]
    assert len(changes) >= 7
    for name in changes:
        assert "required" not in schemas[name]
        assert not [field for field, given in schemas[name]["properties"].items() if "default" in given]


def test_every_object_of_an_answer_is_closed(api: Api) -> None:
    """So that a field which the document does not know fails every test that meets it."""
    open_ones = [
        name
        for name, schema in api.document["components"]["schemas"].items()
        if "properties" in schema and schema.get("additionalProperties") is not False and name != "Error"
    ]
    assert open_ones == []


def test_a_walk_through_every_operation_is_answered_as_promised(api: Api) -> None:
    """`Api` checks each answer against the document; here none is left out."""
    office = api.post("/monitors", {"tag": "office", "name": "Office", "monitor_type": "NONE"})["monitor"]
    api.get("/monitors")
    api.get("/monitors/office")
    api.post("/monitors", {"tag": "job", "name": "Job", "monitor_type": "HEARTBEAT"})
    api.get("/monitors/job/signals")
    api.patch("/monitors/office", {"name": "Head office"})
    trigger = make(api, "/triggers", {"name": "Team", "trigger_type": "email", "to": ["a@example.com"]})
    rule = {"monitor_tags": ["office"], "failure_threshold": 1, "create_incident": "YES", "trigger_ids": [trigger]}
    configuration = make(api, "/alert-configurations", rule)
    minute = 60 * (int(time.time()) // 60 - 10)
    api.patch("/monitors/office/data", {"start_ts": minute, "end_ts": minute, "status": "DOWN"})
    api.patch(f"/monitors/office/data/{minute + 60}", {"status": "DOWN", "latency": 3})
    api.get("/monitors/office/data", start_ts=minute, end_ts=minute + 120)
    api.get(f"/monitors/office/data/{minute}")
    span = {"start_ts": minute, "end_ts": minute + 60}
    window = make(api, "/monitors/office/excluded-windows", span | {"kind": "FALSE_ALARM", "reason": "A test"})
    api.get("/monitors/office/excluded-windows")
    api.delete(f"/monitors/office/excluded-windows/{window}")
    api.delete(f"/monitors/office/data/{minute + 60}")
    api.delete("/monitors/office/data", **span)
    for path, number in (("/triggers", trigger), ("/alert-configurations", configuration)):
        api.get(path)
        api.get(f"{path}/{number}")
        api.patch(f"{path}/{number}", {"is_active": "YES"})
    api.post("/alert-configurations/backtest", rule | {"alert_configuration_id": configuration}, expect=200)
    api.get(f"/drills/{make(api, f'/alert-configurations/{configuration}/drill', {})}")
    for path in ("/alerts", "/incidents", "/deliveries"):
        [row] = api.get(path)[path[1:]]
        api.get(f"{path}/{row['id']}")
    api.post(f"/deliveries/{row['id']}/resend", expect=200)
    with transaction() as session:
        session.get_one(Delivery, row["id"]).state = DeliveryState.FAILED
    again = {"trigger_id": row["trigger_id"], "start_ts": 0, "end_ts": clock.epoch() + 60, "which": "ALL"}
    api.post("/deliveries/replay", again, expect=200)
    [alert] = api.get("/alerts")["alerts"]
    api.patch(f"/alerts/{alert['id']}", {"alert_status": "RESOLVED", "incident": "CLOSE"})
    api.delete(f"/alerts/{alert['id']}")
    incident = make(api, "/incidents", {"title": "Lights out", "start_date_time": minute})
    api.patch(f"/incidents/{incident}", {"title": "Power cut"})
    comment = make(api, f"/incidents/{incident}/comments", {"comment": "We look.", "state": "IDENTIFIED"})
    api.get(f"/incidents/{incident}/comments")
    api.get(f"/incidents/{incident}/comments/{comment}")
    api.patch(f"/incidents/{incident}/comments/{comment}", {"comment": "We **look**."})
    api.delete(f"/incidents/{incident}/comments/{comment}")
    other = make(api, "/incidents", {"title": "Dark office", "start_date_time": minute})
    api.post(f"/incidents/{other}/merge", {"into_id": incident}, expect=200)
    api.post(f"/incidents/{incident}/split", {"incident_ids": [other]}, expect=200)
    api.delete(f"/incidents/{incident}")
    api.delete(f"/triggers/{trigger}")
    api.delete(f"/alert-configurations/{configuration}")
    api.delete(f"/monitors/{office['tag']}")
    api.post("/monitors/test", {"tag": "x", "name": "X", "type_data": {"url": "http://127.0.0.1:9/"}}, expect=200)
    api.post("/monitors", {"tag": "shop", "name": "Shop", "monitor_type": "NONE", "labels": ["eu"]})
    api.post("/monitors/shop/clone", {"tag": "copy", "name": "Copy"})
    api.post("/bulk/monitors", {"tags": ["shop", "copy", "gone"], "act": "label", "labels": ["us"]}, expect=200)
    api.post("/bulk/monitors", {"tags": ["shop", "copy"], "act": "delete"}, expect=200)
    api.get("/deleted-monitors")
    api.post("/deleted-monitors/shop/restore", expect=200)
    api.delete("/deleted-monitors/copy")
    page = make(api, "/pages", {"page_path": "shop", "page_title": "Shop"})
    api.get("/pages")
    api.get(f"/pages/{page}")
    api.patch(f"/pages/{page}", {"monitors": []})
    api.delete(f"/pages/{page}")
    secret = make(api, "/secrets", {"name": "TOKEN", "value": "hidden"})
    api.get("/secrets")
    api.get(f"/secrets/{secret}")
    api.patch(f"/secrets/{secret}", {"value": "new"})
    api.delete(f"/secrets/{secret}")
    name_site()
    subscriber = make(api, "/subscribers", {"address": "ann@example.com", "kinds": ["INCIDENTS"], "monitors": []})
    api.get("/subscribers", state="PENDING", kind="INCIDENTS", q="ann")
    api.get(f"/subscribers/{subscriber}")
    api.get(f"/subscribers/{subscriber}/deliveries")
    api.get("/notices")
    api.delete(f"/subscribers/{subscriber}")
    soon = 60 * (int(time.time()) // 60 + 60)
    maintenance = make(api, "/maintenances", {"title": "Disks", "start_date_time": soon, "rrule": "FREQ=DAILY"})
    api.get("/maintenances")
    api.get(f"/maintenances/{maintenance}")
    api.patch(f"/maintenances/{maintenance}", {"title": "New disks"})
    api.get("/maintenances/events")
    event = api.get(f"/maintenances/{maintenance}/events")["events"][0]["id"]
    api.get(f"/maintenances/{maintenance}/events/{event}")
    api.patch(f"/maintenances/{maintenance}/events/{event}", {"status": "ONGOING"})
    api.delete(f"/maintenances/{maintenance}/events/{event}")
    api.delete(f"/maintenances/{maintenance}")
    api.get("/openapi.json")
    assert set(api.operations) - api.called == set()


def make(api: Api, path: str, body: dict[str, Any]) -> int:
    """Post something; returns its id."""
    [made] = api.post(path, body).values()
    return int(made["id"])


def test_the_written_guide_lists_every_operation_and_no_other(api: Api) -> None:
    guide = (Path(kener.__file__).parent.parent / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| ([A-Z, ]+) \| `(/[^`]+)` \|", guide, re.MULTILINE)
    assert {(method, path) for methods, path in rows for method in methods.split(", ")} == set(api.operations)
