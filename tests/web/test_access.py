"""Every route of operators, tried as a stranger, a viewer, an editor and an owner; with things that are there and with none."""

from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from kener import clock
from kener.db import Base, reading, transaction
from kener.domain.exclusions import ExclusionInput, ExclusionKind
from kener.domain.inputs import PageInput, PostMortemInput
from kener.models import Alert, ApiKey, Delivery, MaintenanceWindow, Notice, UserSession
from kener.services import accounts, drills, exclusions, monitors, pages, post_mortems, secrets
from kener.services.secrets import SecretInput
from tests import factories
from tests.support.subscribers import make_subscriber

OWNERS_ONLY = {"manage_api_keys", "manage_secrets", "manage_settings"}
FOR_VIEWERS = {
    "index",
    "show",
    "log",
    "export",
    "drill",
    "overview",
    "sessions",
    "end_session",
    "data",
    "data_csv",
    "signals",
}
HUGE = ("2147483648", "9223372036854775808", "9" * 40)
STRANGE = ("-1", "0x1", "1.5", "%00", "%2e%2e", "..;", "A", "api%20", "%C3%A4", "a" * 300, "'--", "%7B%7B7*7%7D%7D")


@pytest.fixture
def things(app: Flask) -> dict[str, object]:
    """One of everything, by the name that it has in paths."""
    factories.make_monitor("api", monitor_type="HEARTBEAT")
    trigger_id = factories.make_trigger()
    config_id = factories.make_configuration("api", failure_threshold=1, trigger_ids=[trigger_id])
    factories.observe("api", "DOWN", start=clock.epoch() - 60)
    incident_id = factories.make_incident("api", start=clock.epoch() - 600)
    update_id = factories.post(incident_id, "RESOLVED", at=clock.epoch() - 300)
    post_mortems.write(incident_id, PostMortemInput(text="A cable."), actor=factories.SAM)
    accounts.create_api_key("robot", actor=factories.SAM)
    for tag in ("deleted", "purged"):
        factories.make_monitor(tag)
        monitors.delete(tag, actor=factories.SAM)
    return {
        "tag": "api",
        "deleted_tag": "deleted",
        "purged_tag": "purged",
        "trigger_id": trigger_id,
        "config_id": config_id,
        "drill_id": drills.start(config_id, actor=factories.SAM),
        "incident_id": incident_id,
        "update_id": update_id,
        "alert_id": factories.only(Alert).id,
        "delivery_id": factories.only(Delivery).id,
        "key_id": factories.only(ApiKey).id,
        "maintenance_id": factories.plan_maintenance("api", start=clock.epoch() - 60, end=clock.epoch() + 3600),
        "page_id": pages.create(PageInput(path="shop", title="Shop"), actor=factories.SAM),
        "secret_id": secrets.create(SecretInput(name="TOKEN", value="hidden"), actor=factories.SAM),
        "window_id": factories.only(MaintenanceWindow).id,
        "subscriber_id": make_subscriber(),
        "notice_id": factories.every(Notice)[0].id,
        "exclusion_id": exclusions.exclude("api", false_alarm(), actor=factories.SAM),
        "session_id": 1,
    }


def false_alarm() -> ExclusionInput:
    """A minute an hour ago."""
    start = clock.epoch() - 3_600
    return ExclusionInput(start=start, end=start + 60, kind=ExclusionKind.FALSE_ALARM, reason="A broken probe")


def routes(app: Flask, method: str) -> list[Rule]:
    """Those under /manage and /account; what deletes comes last, the smaller things first."""
    found = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/manage", "/account")) and method in (rule.methods or ())
    ]
    return sorted(found, key=lambda rule: ("destroy" in rule.endpoint, -rule.rule.count("/")))


def path(app: Flask, rule: Rule, things: dict[str, object]) -> str:
    with app.test_request_context():
        return app.url_for(rule.endpoint, **{name: things[name] for name in rule.arguments})  # type: ignore[arg-type]


def may(role: str, rule: Rule) -> bool:
    """What docs and pages promise, written down anew: owners everything, editors all but keys and settings, viewers look."""
    blueprint, _, name = rule.endpoint.partition(".")
    if role == "OWNER":
        return True
    return blueprint not in OWNERS_ONLY and (role == "EDITOR" or name in FOR_VIEWERS)


def token(client: FlaskClient) -> str:
    """The CSRF token of a client's session."""
    page = BeautifulSoup(client.get("/manage", follow_redirects=True).text, "html5lib")
    return str(page.select("meta[name=csrf-token]")[0]["content"])


def everything() -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with transaction() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table))] for table in Base.metadata.sorted_tables
        }


def filled(rule: Rule, things: dict[str, object], value: str) -> Iterator[str]:
    """The paths of a rule in which one of its arguments is something else and the others are there."""
    for wrong in rule.arguments:
        written = rule.rule
        for name in rule.arguments:
            for converter in ("id", "tag", "int"):
                written = written.replace(f"<{converter}:{name}>", value if name == wrong else str(things[name]))
        yield written


def test_there_are_routes_to_try(app: Flask) -> None:
    assert len(routes(app, "GET")) > 25
    assert len(routes(app, "POST")) > 25


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(
    app: Flask, things: dict[str, object], client: FlaskClient, owner: FlaskClient
) -> None:
    for rule in routes(app, "GET"):
        address = path(app, rule, things)
        response = client.get(address)
        assert (response.status_code, response.location.partition("?")[0]) == (303, "/sign-in"), address
        assert response.location.partition("next=")[2] == address


def test_a_stranger_changes_nothing(
    app: Flask, things: dict[str, object], client: FlaskClient, owner: FlaskClient
) -> None:
    given, before = {"csrf_token": token(client), "name": "New", "title": "New", "confirm": "Api"}, everything()
    for rule in routes(app, "POST"):
        address = path(app, rule, things)
        response = client.post(address, data=given)
        assert (response.status_code, response.location) == (303, "/sign-in"), address
        response = client.post(address, data=given, headers={"HX-Request": "true"})
        assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/sign-in"), address
    assert everything() == before


@pytest.mark.parametrize("role", ["VIEWER", "EDITOR", "OWNER"])
def test_pages_open_for_those_who_may_see_them(
    app: Flask, things: dict[str, object], request: pytest.FixtureRequest, role: str
) -> None:
    client = request.getfixturevalue(role.lower())
    wrong = {}
    for rule in routes(app, "GET"):
        for headers in ({}, {"HX-Request": "true"}):
            status = client.get(path(app, rule, things), headers=headers).status_code
            if status != (200 if may(role, rule) else 403):
                wrong[rule.endpoint] = status
    assert not wrong


def test_a_viewer_changes_nothing_but_the_own_sessions(
    app: Flask, things: dict[str, object], viewer: FlaskClient
) -> None:
    given, before = {"csrf_token": token(viewer), "name": "New", "title": "New", "confirm": "Api"}, everything()
    for rule in routes(app, "POST"):
        if not may("VIEWER", rule):
            assert viewer.post(path(app, rule, things), data=given).status_code == 403, rule.endpoint
    assert everything() == before


@pytest.mark.parametrize("role", ["EDITOR", "OWNER"])
def test_actions_work_for_those_who_may_do_them(
    app: Flask, things: dict[str, object], request: pytest.FixtureRequest, role: str
) -> None:
    client = request.getfixturevalue(role.lower())
    things["session_id"] = _another_session(role)
    given, wrong = {"csrf_token": token(client)}, {}
    for rule in routes(app, "POST"):
        status = client.post(path(app, rule, things), data=given).status_code
        if (status not in (200, 303, 422)) if may(role, rule) else (status != 403):
            wrong[rule.endpoint] = status
    assert not wrong


def _another_session(role: str) -> int:
    user_id = factories.every(UserSession)[-1].user_id
    accounts.open_session(user_id, user_agent="elsewhere", address="127.0.0.1")
    found = reading().scalars(select(UserSession).where(UserSession.user_agent == "elsewhere")).one()
    return found.id


def test_a_form_without_its_token_is_refused(app: Flask, things: dict[str, object], owner: FlaskClient) -> None:
    before = everything()
    for rule in routes(app, "POST"):
        address = path(app, rule, things)
        for given in ({}, {"csrf_token": "made-up"}):
            response = owner.post(address, data={"confirm": "Api", "name": "x", **given})
            assert response.status_code == 400, address
            assert "Reload the page" in response.text
    assert everything() == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_not_found(app: Flask, things: dict[str, object], owner: FlaskClient, method: str) -> None:
    given = {"csrf_token": token(owner)}
    before, tried, wrong = everything(), 0, {}
    for rule in routes(app, method):
        for value in ("999999", *HUGE, *STRANGE):
            for address in filled(rule, things, value):
                response = owner.open(address, method=method, data=given if method == "POST" else None)
                tried += 1
                if response.status_code != 404 or "Nothing here" not in response.text:
                    wrong[address] = response.status_code
    assert tried > 250
    assert not wrong
    assert everything() == before
