"""Secrets: kept encrypted, put in where they are named, and seen nowhere else."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import text

from kener import clock, jobs
from kener.db import reading, transaction
from kener.models import AuditEntry, Delivery, Monitor, Sample, SampleNote, Secret
from kener.services import monitoring, outbox, scheduling, secrets, triggers
from kener.services.errors import Conflict, NotFound, Refused
from kener.services.secrets import SecretInput, Usage
from kener.settings import Settings, SettingsError
from tests.doubles.http import HttpDouble, reply
from tests.factories import SAM, count, every, make_configuration, make_monitor, make_trigger, observe, only

pytestmark = pytest.mark.usefixtures("app")

TOKEN = 'tok"en\\with {{odd}} $signs'


@pytest.fixture
def target() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        yield server


def keep(name: str = "API_TOKEN", value: str | None = TOKEN, **fields: Any) -> int:
    """A secret. Returns its id."""
    return secrets.create(SecretInput(name=name, value=value, **fields), actor=SAM)


def check(slot: int = 0) -> None:
    """Claim what is due and look at it."""
    claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(slot or clock.epoch())]
    assert monitoring.run_shard(claims, slow=False) == len(claims) == 1


def test_a_check_carries_the_value_and_everything_that_is_kept_the_name(
    target: HttpDouble, redis: Redis, app: Flask
) -> None:
    keep()
    target.on("/health", reply(200))
    headers = [
        {"key": "Authorization", "value": "Bearer $API_TOKEN"},
        {"key": "X-Other", "value": "$UNKNOWN $$API_TOKEN"},
    ]
    make_monitor("api", monitor_type="API", type_data={"url": target.url("/health"), "headers": headers})
    scheduling.tick(clock.epoch())
    queued = b"".join(job.data for job in Queue(jobs.CHECKS, connection=redis).jobs)
    check_again = [(only(Monitor).id, row.slot) for row in reading().execute(text("SELECT slot FROM monitor_state"))]
    assert monitoring.run_shard(check_again, slow=False) == 1
    [asked] = target.seen
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["x-other"] == "$UNKNOWN $API_TOKEN"
    assert queued and b"tok" not in queued
    assert "$API_TOKEN" in json.dumps(only(Monitor).type_data)
    assert "tok" not in only(Secret).value and "tok" not in everything_stored()


def everything_stored() -> str:
    return " ".join(
        str(row) for table in (Monitor, SampleNote, AuditEntry, Delivery) for row in (vars(one) for one in every(table))
    )


def test_a_whole_address_may_be_a_secret_and_errors_speak_of_its_name(target: HttpDouble) -> None:
    keep("SERVICE", target.url("/health").replace("http://", ""))
    make_monitor("api", monitor_type="API", type_data={"url": "http://$SERVICE"})
    target.on("/health", reply(503))
    check()
    assert (only(Sample).status, only(SampleNote).error) == (3, "HTTP 503")
    secrets.update(only(Secret).id, SecretInput(name="SERVICE", value="secret-host.invalid"), actor=SAM)
    with time_machine.travel(clock.at(clock.epoch() + 90)):
        check()
    newest = every(SampleNote)[-1].error
    assert newest is not None
    assert "$SERVICE" in newest and "secret-host" not in newest


def test_a_value_that_makes_settings_unusable_says_so_without_showing_it() -> None:
    keep("SERVICE", "not a url at all")
    make_monitor("api", monitor_type="API", type_data={"url": "$SERVICE"})
    check()
    error = only(SampleNote).error
    assert only(Sample).status == 0
    assert error is not None and "URL" in error and "not a url" not in error


def test_a_secret_that_cannot_be_opened_any_more_is_our_fault_and_stops_only_who_needs_it(target: HttpDouble) -> None:
    secret_id = keep()
    with transaction() as session:
        session.get_one(Secret, secret_id).value = "gAAAA-of-another-key"
    target.on("/health", reply(200))
    make_monitor("fine", monitor_type="API", type_data={"url": target.url("/health")})
    make_monitor(
        "api", monitor_type="API", type_data={"url": target.url("/health"), "body": "$API_TOKEN", "method": "POST"}
    )
    claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(clock.epoch())]
    assert monitoring.run_shard(claims, slow=False) == 2
    assert sorted(row.status for row in every(Sample)) == [0, 1]
    assert "KENER_SECRET_KEY has changed" in str(only(SampleNote).error)


def test_a_trigger_sends_the_value_where_its_settings_and_its_template_name_it(
    target: HttpDouble, caplog: pytest.LogCaptureFixture
) -> None:
    keep()
    target.on("/hook", reply(400, f"bad token {TOKEN}".encode()))
    body = '{"alert": "{{monitor_name}}", "key": "$API_TOKEN", "schema": "$SCHEMA"}'
    headers = [{"key": "X-Key", "value": "$API_TOKEN"}]
    make_monitor(name="{{x}} $API_TOKEN")
    hook = make_trigger(url=target.url("/hook"), headers=headers, body=body)
    make_configuration(trigger_ids=[hook], failure_threshold=1)
    observe("api", "DOWN")
    with caplog.at_level(logging.DEBUG):
        outbox.deliver(only(Delivery).id)
    [asked] = target.seen
    told = json.loads(asked.body)
    assert told["key"] == TOKEN
    assert told["alert"] == "{{x}} $API_TOKEN"
    assert told["schema"] == "$SCHEMA"
    assert asked.headers["x-key"] == TOKEN
    assert 'tok"' not in str(only(Delivery).answer) + caplog.text + str(only(Delivery).message)
    assert "$API_TOKEN" in str(only(Delivery).answer)


def test_a_test_send_uses_the_value_and_hides_it_in_the_answer(target: HttpDouble) -> None:
    keep()
    target.on("/hook", reply(500, TOKEN.encode()))
    given = {"url": target.url("/hook"), "headers": [{"key": "X-Key", "value": "$API_TOKEN"}]}
    attempt = triggers.test_send(triggers.TriggerType.WEBHOOK, given)
    assert target.seen[0].headers["x-key"] == TOKEN
    assert (attempt.arrived, attempt.answer) == (False, "HTTP 500: $API_TOKEN")


def test_only_listed_variables_of_the_environment_are_known_and_the_store_wins(make_app: Callable[..., Flask]) -> None:
    app = make_app(env_secrets={"FROM_ENV": "outside", "API_TOKEN": "outside"})
    with app.app_context():
        keep()
        found = secrets.values(reading(), ["FROM_ENV", "API_TOKEN", "KENER_SECRET_KEY", "PATH"])
        assert found == {"FROM_ENV": "outside", "API_TOKEN": TOKEN}
        assert secrets.unknown(reading(), ["$FROM_ENV", "$PATH"]) == ["PATH"]


def test_variables_of_our_own_cannot_be_listed(tmp_path: Any) -> None:
    env = {"KENER_DATA_DIR": str(tmp_path), "SHOP_KEY": "x", "KENER_SECRET_KEY": "k" * 40}
    assert Settings.from_env(env | {"KENER_ENV_SECRETS": " SHOP_KEY, "}).env_secrets == {"SHOP_KEY": "x"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env | {"KENER_ENV_SECRETS": "KENER_SECRET_KEY,DATABASE_URL,MISSING"})
    assert len(caught.value.mistakes) == 3


def test_a_secret_is_made_once_replaced_and_forgotten_with_a_trace_of_who_did_it() -> None:
    secret_id = keep(description="Shop")
    with pytest.raises(Refused, match="already"):
        keep()
    with pytest.raises(Refused) as caught:
        keep("OTHER", None)
    assert caught.value.errors == {"value": "This field is needed."}
    secrets.update(secret_id, SecretInput(name="API_TOKEN", value="new-value"), actor=SAM, version=1)
    assert secrets.values(reading(), ["API_TOKEN"]) == {"API_TOKEN": "new-value"}
    secrets.update(secret_id, SecretInput(name="API_TOKEN", description="Kept"), actor=SAM)
    assert secrets.values(reading(), ["API_TOKEN"]) == {"API_TOKEN": "new-value"}
    with pytest.raises(Conflict):
        secrets.update(secret_id, SecretInput(name="API_TOKEN", value="x"), actor=SAM, version=1)
    with pytest.raises(Refused, match="never changes"):
        secrets.update(secret_id, SecretInput(name="RENAMED"), actor=SAM)
    secrets.delete(secret_id, actor=SAM)
    with pytest.raises(NotFound):
        secrets.delete(secret_id, actor=SAM)
    assert count(Secret) == 0
    trail = [(entry.action, entry.detail) for entry in every(AuditEntry)]
    assert trail == [("create", "API_TOKEN"), ("change", "API_TOKEN: value replaced"),
                     ("change", "API_TOKEN: description"), ("delete", "API_TOKEN")]  # fmt: skip


def test_what_names_a_secret_is_listed() -> None:
    keep()
    make_monitor("shop", name="Shop", monitor_type="API", type_data={"url": "https://a.example/$API_TOKEN"})
    make_monitor("plain", monitor_type="API", type_data={"url": "https://a.example/"})
    hook = make_trigger(headers=[{"key": "X", "value": "$API_TOKEN"}])
    assert secrets.usages(reading(), ["API_TOKEN", "UNUSED"]) == {
        "API_TOKEN": [Usage("monitor", "shop", "Shop"), Usage("trigger", str(hook), "Hook")],
        "UNUSED": [],
    }
