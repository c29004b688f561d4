"""Settings and API keys: what is refused, and that a damaged setting breaks no page."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from kener.db import transaction
from kener.models import ApiKey, Setting
from kener.services import site
from kener.services.site import Site
from tests.factories import SAM, count
from tests.support.pages import Page, visit

Visit = Callable[..., Page]

NO_ADDRESSES = (
    "http://[::1",
    "http://[zz]/",
    "http://a b/",
    "http://a:99999999",
    "https://status.example.com/\ta",
    "https://status.example.com/?a=b",
    "https://status.example.com/#top",
    "https://me:secret@status.example.com",
    'https://status.example.com"><b>',
    "https://",
    "ftp://status.example.com",
    "status.example.com",
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_an_address_that_no_link_can_begin_with_is_refused_beside_its_field(owner: FlaskClient, address: str):
    page = visit(owner, "/manage/settings").form("Save").fill(name="Acme", url=address).submit(status=422)
    assert "Enter an address like https://status.example.com" in page.one("#e-url").text
    assert visit(owner, "/manage/settings").one("[name=url]")["value"] == ""


@pytest.mark.parametrize(
    "address", ["https://status.example.com", "http://10.0.0.7:8080", "https://example.com/status"]
)
def test_an_address_is_kept_without_the_slash_at_its_end(owner: FlaskClient, address: str):
    page = visit(owner, "/manage/settings").form("Save").fill(name="Acme", url=address + "/").submit()
    assert page.one("[name=url]")["value"] == address


def test_a_site_name_holds_one_line_of_text(owner: FlaskClient):
    for name in ("", "a\tb", "a\nb", "x" * 101):
        page = visit(owner, "/manage/settings").form("Save").fill(name=name).submit(status=422)
        assert "Enter a name" in page.one("#e-name").text


def test_a_key_is_named_by_one_line_of_text(owner: FlaskClient):
    for name in ("", "a\tb", "x" * 256):
        page = visit(owner, "/manage/api-keys").form("Make key").fill(name=name).submit(status=422)
        assert "Enter a name" in page.one("#e-name").text
    assert count(ApiKey) == 0


def test_a_damaged_setting_falls_back_to_its_default_and_breaks_no_page(visit: Visit, client: FlaskClient):
    site.change(Site("Acme", "https://status.example.com", "Europe/Berlin"), actor=SAM)
    for name, value in (("url", "http://[::1"), ("zone", "Mars/Base"), ("name", ["a"])):
        with transaction() as session:
            session.merge(Setting(name=name, value=value))
    assert visit("/").heading
    for feed in ("/rss.xml", "/atom.xml"):
        answer = client.get(feed)
        assert answer.status_code == 200
        assert "http://localhost/" in answer.text


@pytest.mark.parametrize(
    ("zone", "start"), [("America/Los_Angeles", "9999-12-31T23:59"), ("Asia/Tokyo", "0001-01-01T00:00")]
)
def test_a_time_at_the_edge_of_the_calendar_is_refused_in_any_zone(owner: FlaskClient, zone: str, start: str):
    site.change(Site("Acme", "", zone), actor=SAM)
    form = visit(owner, "/manage/maintenances/new").form("Plan maintenance")
    assert form.fill(title="Move", start_at=start).submit(status=422).one("#e-start_at").text
