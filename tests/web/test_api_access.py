"""Who may call the API: holders of an active key, nobody else."""

import base64
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select

from kener.db import db
from kener.models import ApiKey, AuditEntry
from kener.services import accounts
from kener.services.audit import Actor
from kener.web import api as web_api
from kener.web.api.auth import ACCESS
from kener.web.urls import CONVERTERS
from tests.support.api import PREFIX, Api

OFFICE = {"tag": "office", "name": "Office", "monitor_type": "NONE"}


def every_path(api: Api) -> list[tuple[str, str]]:
    """(METHOD, path) of all operations that need a key, with something in the place of parameters."""
    return [
        (method, PREFIX + re.sub(r"\{\w+\}", "1", path)) for method, path in api.operations if path != "/openapi.json"
    ]


def test_every_operation_turns_a_stranger_away(api: Api, client: FlaskClient) -> None:
    operations = every_path(api)
    assert len(operations) > 30
    for number, (method, path) in enumerate(operations):
        # From many addresses: one stranger alone is asked to wait before the list is through.
        response = client.open(path, method=method, json={}, environ_overrides={"REMOTE_ADDR": f"192.0.2.{number}"})
        assert response.status_code == 401, f"{method} {path}"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="Kener"'
        assert response.get_json()["error"]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer kener_" + "0" * 64,
        "Bearer \xff\xfe",
        "Basic {basic}",
        "Token {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {upper}",
        "Bearer {half}",
    ],
)
def test_only_the_whole_key_as_a_bearer_token_counts(api: Api, client: FlaskClient, authorization: str | None) -> None:
    basic = base64.b64encode(f"{api.key}:".encode()).decode()
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.format(
            key=api.key, basic=basic, upper=api.key.upper(), half=api.key[:40]
        )
    response = client.get(f"{PREFIX}/monitors?api_key={api.key}", headers=headers)
    assert response.status_code == 401
    assert api.key not in response.get_data(as_text=True)


def test_the_name_of_the_scheme_is_read_in_any_case(api: Api, client: FlaskClient) -> None:
    assert client.get(f"{PREFIX}/monitors", headers={"Authorization": f"bearer {api.key}"}).status_code == 200


def test_a_signed_in_browser_has_no_key(owner: FlaskClient) -> None:
    assert owner.get(f"{PREFIX}/monitors").status_code == 401
    assert owner.post(f"{PREFIX}/monitors", json=OFFICE).status_code == 401


def test_a_key_needs_no_csrf_token_even_in_a_signed_in_browser(owner: FlaskClient) -> None:
    key = accounts.create_api_key("robot", actor=Actor("tests"))
    response = owner.post(f"{PREFIX}/monitors", json=OFFICE, headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == 201


def test_a_revoked_key_ends_at_once(api: Api) -> None:
    api.get("/monitors")
    accounts.delete_api_key(db.session.scalars(select(ApiKey.id)).one(), actor=Actor("tests"))
    assert api.get("/monitors", expect=401)["error"]["code"] == "UNAUTHORIZED"


def test_a_switched_off_key_is_no_key(api: Api) -> None:
    db.session.scalars(select(ApiKey)).one().is_active = False
    db.session.commit()
    api.get("/monitors", expect=401)


def test_what_a_key_does_is_noted_under_its_name(api: Api) -> None:
    api.post("/monitors", OFFICE)
    db.session.rollback()
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.action) == ("deploy robot", "create")


def test_answers_set_no_cookie_and_are_not_kept(api: Api) -> None:
    for response in (api.request("GET", "/monitors"), api.request("GET", "/monitors/nope")):
        assert "Set-Cookie" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("path", ["/api/", "/api/v3/monitors", "/api/v4", "/api/v4/", "/api/v4/nothing", "/api/v4/%ff"])
def test_an_unknown_path_is_not_found_in_json(client: FlaskClient, path: str) -> None:
    for method in ("GET", "POST"):
        response = client.open(path, method=method)
        assert response.status_code == 404
        assert response.get_json()["error"]["code"] == "NOT_FOUND"


def test_a_wrong_method_is_told_the_right_ones(api: Api, app: Flask) -> None:
    known: dict[str, set[str]] = {}
    for method, path in every_path(api):
        known.setdefault(path, set()).add(method)
    map_ = app.url_map.bind("localhost")
    for path, methods in known.items():
        # `test` beside the monitors is also the tag that a monitor may have.
        methods |= set(map_.allowed_methods(path))
        for method in {"POST", "PUT", "PATCH", "DELETE"} - methods:
            response = api.request(method, path.removeprefix(PREFIX))
            assert response.status_code == 405, f"{method} {path}"
            assert response.get_json()["error"]["code"] == "METHOD_NOT_ALLOWED"
            assert methods <= {word.strip() for word in response.headers["Allow"].split(",")}


def test_head_needs_a_key_like_get(api: Api, client: FlaskClient) -> None:
    assert client.head(f"{PREFIX}/monitors").status_code == 401
    response = client.head(f"{PREFIX}/monitors", headers={"Authorization": f"Bearer {api.key}"})
    assert (response.status_code, response.data) == (200, b"")


def test_the_document_is_for_everyone(client: FlaskClient) -> None:
    response = client.get(f"{PREFIX}/openapi.json")
    assert response.status_code == 200
    again = client.get(f"{PREFIX}/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_every_endpoint_below_the_prefix_asks_for_a_key(app: Flask) -> None:
    views = {
        rule.endpoint: getattr(app.view_functions[rule.endpoint], "access", None)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
    }
    assert views.pop("api.openapi") == "public"
    assert set(views.values()) == {ACCESS}


def test_an_endpoint_that_forgets_to_ask_stops_the_start() -> None:
    app = Flask("forgetful", root_path=".")
    app.url_map.converters.update(CONVERTERS)
    app.add_url_rule("/api/v4/secrets", "api.secrets", lambda: "all of them")
    with pytest.raises(RuntimeError, match=r"api\.secrets"):
        web_api.register(app)


def test_a_key_that_calls_too_often_is_told_to_wait(api: Api, redis: Redis) -> None:
    first, second = api.request("GET", "/alerts"), api.request("GET", "/deliveries")
    assert int(second.headers["X-RateLimit-Remaining"]) == int(first.headers["X-RateLimit-Remaining"]) - 1
    for counter in redis.scan_iter("*key deploy robot*"):
        redis.incrby(counter, int(first.headers["X-RateLimit-Limit"]))
    refused = api.request("GET", "/monitors")
    assert refused.status_code == 429
    assert refused.get_json()["error"]["code"] == "TOO_MANY_REQUESTS"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    other = Api(api.client, accounts.create_api_key("another robot", actor=Actor("tests")))
    other.get("/monitors")


def test_an_address_that_tries_keys_is_told_to_wait_but_a_good_key_still_works(api: Api) -> None:
    wrong = {"Authorization": "Bearer kener_no"}
    answers = [api.client.get(f"{PREFIX}/alerts", headers=wrong).status_code for _ in range(125)]
    assert answers[:60] == [401] * 60
    assert 429 in answers[60:]
    api.get("/alerts")


def test_only_an_answer_that_refuses_asks_to_wait(api: Api) -> None:
    answer = api.request("GET", "/alerts")
    assert "X-RateLimit-Remaining" in answer.headers and "Retry-After" not in answer.headers
