"""Settings of monitors that are secret: kept encrypted, used by checks and tests, shown nowhere."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app
from redis import Redis
from rq import Queue
from sqlalchemy import text

from kener import clock, jobs
from kener.db import reading
from kener.domain.specs import MonitorType
from kener.domain.specs.base import KEPT
from kener.domain.status import Status
from kener.models import AuditEntry, Monitor, Sample, SampleNote
from kener.queries import api
from kener.services import monitoring, monitors, scheduling, secrets, vault
from kener.services.errors import Refused
from kener.services.secrets import SecretInput, Usage
from tests.factories import SAM, every, make_monitor, monitor_input, only

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hunter-2.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE item (name TEXT)")
    connection.close()
    return path


def settings(file: Path, **more: Any) -> dict[str, Any]:
    return {"connectionString": f"sqlite://{file}", "query": "SELECT count(*) FROM item", **more}


def check() -> int:
    claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(clock.epoch())]
    return monitoring.run_shard(claims, slow=False)


def test_a_connection_string_is_encrypted_at_rest_and_used_by_a_check(file: Path, redis: Redis, app: Flask) -> None:
    make_monitor("shop", monitor_type="SQL", type_data=settings(file))
    stored = only(Monitor).type_data
    assert "hunter" not in json.dumps(stored)
    assert list(stored["connectionString"]) == ["sealed"]
    scheduling.tick(clock.epoch())
    queued = b"".join(job.data for job in Queue(jobs.CHECKS, connection=redis).jobs)
    slots = [(only(Monitor).id, row.slot) for row in reading().execute(text("SELECT slot FROM monitor_state"))]
    assert monitoring.run_shard(slots, slow=False) == 1
    assert (only(Sample).latency_ms is not None, every(SampleNote)) == (True, [])
    kept = " ".join(str(vars(row)) for table in (Monitor, SampleNote, AuditEntry) for row in every(table))
    assert queued and b"hunter" not in queued and "hunter" not in kept


def test_what_is_shown_says_only_that_it_is_set_and_brings_it_back(file: Path) -> None:
    make_monitor("shop", monitor_type="SQL", type_data=settings(file))
    before = only(Monitor).type_data["connectionString"]
    shown = api.monitor("shop")
    assert shown is not None and shown.type_data["connectionString"] == KEPT
    data = {**shown.type_data, "timeout": 2_000}
    monitors.update("shop", monitor_input("shop", monitor_type="SQL", type_data=data), actor=SAM)
    assert only(Monitor).type_data["connectionString"] == before
    assert only(Monitor).type_data["timeout"] == 2_000


def test_nothing_is_kept_for_a_new_monitor_or_another_type(file: Path) -> None:
    with pytest.raises(Refused) as refused:
        make_monitor("shop", monitor_type="SQL", type_data={"connectionString": KEPT})
    assert refused.value.errors == {"type_data.connectionString": "Enter it: nothing is kept from before."}
    make_monitor("office")
    with pytest.raises(Refused):
        changed = monitor_input("office", monitor_type="SQL", type_data={"connectionString": KEPT})
        monitors.update("office", changed, actor=SAM)


def test_a_secret_by_name_inside_a_secret_setting_is_found_and_put_in(file: Path) -> None:
    secrets.create(SecretInput(name="PLACE", value=str(file)), actor=SAM)
    make_monitor("shop", monitor_type="SQL", type_data=settings(file, connectionString="sqlite:///$PLACE"))
    assert secrets.usages(reading(), ["PLACE"]) == {"PLACE": [Usage("monitor", "shop", "Shop")]}
    assert check() == 1
    assert every(SampleNote) == []
    file.unlink()
    given = {"connectionString": KEPT, "dbType": "better-sqlite3", "query": "SELECT 1", "timeout": 900}
    seen = monitoring.test_now(MonitorType.SQL, given, tag="shop")
    assert (seen.status, seen.error) == (Status.DOWN, "There is no file $PLACE")


def test_a_changed_secret_key_is_no_data_with_a_reason(file: Path) -> None:
    make_monitor("shop", monitor_type="SQL", type_data=settings(file))
    current_app.config["SECRET_KEY"] = "another one, as long as the first"
    assert check() == 1
    assert "KENER_SECRET_KEY has changed" in only(SampleNote).error


def test_a_test_uses_the_kept_secret_and_stores_nothing(file: Path) -> None:
    make_monitor("shop", monitor_type="SQL", type_data=settings(file))
    given = {"connectionString": KEPT, "dbType": "better-sqlite3", "query": "SELECT 7", "timeout": 900}
    seen = monitoring.test_now(MonitorType.SQL, given, tag="shop")
    assert (seen.status, seen.answer) == (Status.UP, "1 row")
    assert every(Sample) == []
    with pytest.raises(Refused):
        monitoring.test_now(MonitorType.SQL, given)
    with pytest.raises(Refused):
        monitoring.test_now(MonitorType.NONE, {})


def test_types_without_secrets_are_stored_as_they_are() -> None:
    assert vault.close_settings(MonitorType.NONE, {"a": KEPT}) == {"a": KEPT}
    assert vault.open_settings(MonitorType.API, {"url": "x"}) == {"url": "x"}
