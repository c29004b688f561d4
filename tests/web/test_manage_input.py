"""A NUL in any field of any form, on the database that takes none: it is refused or dropped, and nothing breaks."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener.models import UserSession
from tests import factories
from tests.conftest import PASSWORD, account
from tests.support.pages import Form, Page, visit

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"])


def forms(page: Page) -> Iterator[Form]:
    """The forms of a page, but for the side navigation's."""
    for tag in page.all("main form"):
        yield page.form(str(tag.get("id") or tag["action"]))


def send(client: FlaskClient, form: Form, field: str, value: str) -> int:
    """The status of what came back for one field with another value."""
    data = form.data()
    data.setlist(field, [value])
    if str(form.tag.get("method", "get")).lower() == "get":
        return client.get(str(form.tag["action"]), query_string=data).status_code
    return client.post(str(form.tag["action"]), data=data).status_code


def test_signing_in_with_a_nul_in_a_field_opens_nothing_by_accident(client: FlaskClient) -> None:
    account("OWNER")
    form = visit(client, "/sign-in").form("Sign in").fill(email="owner@example.com", password=PASSWORD)
    assert send(client, form, "email", "\0") == 422
    assert send(client, form, "password", PASSWORD + "\0") == 422
    assert factories.count(UserSession) == 0


def test_no_field_of_a_new_or_stored_thing_breaks_the_server(app: Flask, owner: FlaskClient) -> None:
    factories.make_monitor("api", monitor_type="API", type_data={"url": "http://127.0.0.1:9/"})
    trigger_id = factories.make_trigger()
    config_id = factories.make_configuration("api", trigger_ids=[trigger_id])
    incident_id = factories.make_incident("api")
    pages = ["/manage/monitors", "/manage/monitors/api/edit", "/manage/monitors/-/new?type=HEARTBEAT", "/manage/monitors/-/new",
             "/manage/alerts", f"/manage/alerts/{config_id}/edit", "/manage/alerts/new", f"/manage/alerts/{config_id}/log",
             "/manage/incidents", f"/manage/incidents/{incident_id}", f"/manage/incidents/{incident_id}/edit",
             "/manage/incidents/new", "/manage/maintenances/new", f"/manage/triggers/{trigger_id}/edit",
             "/manage/triggers/new?type=email", "/manage/deliveries", "/manage/api-keys", "/manage/settings",
             "/manage/monitors/api/delete"]  # fmt: skip
    sent, broken = 0, {}
    for address in pages:
        for form in forms(visit(owner, address)):
            for field in sorted(form.fields - {"csrf_token"}):
                sent += 1
                status = send(owner, form, field, "\0a")
                if status >= 500:
                    broken[address, field] = status
    assert sent > 120
    assert not broken


def test_no_field_of_a_test_breaks_the_server(app: Flask, owner: FlaskClient) -> None:
    for address, button in (("/manage/monitors/-/new", "Test now"), ("/manage/triggers/new", "Send a test")):
        form = visit(owner, address).form(button)
        path = "/manage/monitors/-/test" if button == "Test now" else "/manage/triggers/test"
        for field in sorted({*form.fields, "saved_tag", "saved_id"} - {"csrf_token"}):
            data = form.fill(url="http://127.0.0.1:9/").data(button)
            data.setlist(field, ["\0a"])
            assert owner.post(path, data=data).status_code < 500, field
