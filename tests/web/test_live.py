"""Pages that keep themselves up to date, and the cache in front of them: what is kept, for whom, and until when."""

import gzip
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse

from kener import clock, live
from kener.models import Incident
from kener.web.public.cache import MOST_BYTES, PageCache
from tests.factories import T0, make_incident, make_monitor, observe, only, post
from tests.support.pages import Page, visit
from tests.support.statements import counted

POLL = {"HX-Request": "true"}
NOW = clock.at(T0 + 600)


@pytest.fixture(autouse=True)
def traveller(app: Flask) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def bare(app: Flask, new_client: Callable[[], FlaskClient]) -> FlaskClient:
    """A client that sends the cookies that a test names, and no others."""
    new_client()
    return app.test_client(use_cookies=False)


def next_poll(page: Page) -> str:
    """Where the block asks for its next version."""
    return str(page.one("#live")["hx-get"])


def poll(client: FlaskClient, url: str, **headers: str) -> TestResponse:
    return client.get(url, headers=POLL | headers)


def watched(client: FlaskClient) -> dict[str, str]:
    """The next polls of an open home page, monitor page and incident page."""
    make_monitor("api")
    observe("api", "UP")
    number = make_incident("api")
    return {path: next_poll(visit(client, path)) for path in ("/", "/monitors/api", f"/incidents/{number}")}


@pytest.mark.parametrize("who", ["client", "viewer"])
def test_a_poll_with_nothing_new_is_204_and_asks_the_database_nothing(who: str, request: pytest.FixtureRequest):
    client = request.getfixturevalue(who)
    polls = watched(client)
    with counted() as statements:
        answers = [poll(client, url) for url in polls.values()]
    assert [(answer.status_code, answer.data) for answer in answers] == [(204, b"")] * 3
    assert statements == []


@pytest.mark.parametrize("who", ["client", "viewer"])
def test_a_poll_after_a_change_brings_the_block_alone_with_its_next_request(who: str, request: pytest.FixtureRequest):
    client = request.getfixturevalue(who)
    for path, url in watched(client).items():
        post(only(Incident).id, "IDENTIFIED", text=f"Seen from {path}.")
        answer = poll(client, url)
        block = Page(client, answer, fragment=True)
        assert answer.text.lstrip().startswith("<div") and not block.all("main, header.site-head")
        assert block.one("#live")["hx-swap"] == "outerHTML"
        assert next_poll(block) != url
        assert poll(client, next_poll(block)).status_code == 204


def test_a_chart_keeps_its_span_while_it_polls(client: FlaskClient, visit: Callable[..., Page]):
    make_monitor("api")
    url = next_poll(visit("/monitors/api?range=7d"))
    observe("api", "UP")
    live.publish()
    block = Page(client, poll(client, url), fragment=True)
    assert block.one("nav.ranges [aria-current]").text == "7d"
    assert "range=7d" in next_poll(block)


def test_a_closed_incident_is_not_polled(visit: Callable[..., Page]):
    number = make_incident()
    assert visit(f"/incidents/{number}").one("#live").has_attr("hx-get")
    post(number, "RESOLVED")
    assert not visit(f"/incidents/{number}").one("#live").has_attr("hx-get")


def test_a_visit_without_htmx_brings_the_page_whatever_it_has_seen(visit: Callable[..., Page]):
    assert visit(next_poll(visit("/"))).heading == "No monitors here yet"


def test_the_same_page_is_rendered_once(client: FlaskClient):
    first = client.get("/")
    with counted() as statements:
        assert client.get("/").data == first.data
    assert statements == []


def test_a_change_shows_at_once(visit: Callable[..., Page]):
    visit("/")
    make_monitor("api", name="Payment API")
    assert "Payment API" in visit("/").text


def test_numbers_move_with_the_minute(visit: Callable[..., Page], traveller: time_machine.Traveller):
    number = make_incident(start=T0)
    assert "10 minutes" in visit(f"/incidents/{number}").text
    traveller.shift(timedelta(minutes=1))
    assert "11 minutes" in visit(f"/incidents/{number}").text


def test_an_unchanged_page_is_304_with_all_its_headers(client: FlaskClient):
    first = client.get("/")
    again = client.get("/", headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control", "Content-Security-Policy"):
        assert again.headers[name] == first.headers[name]
    make_monitor("api")
    changed = client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200 and changed.headers["ETag"] != first.headers["ETag"]


def test_a_page_travels_packed_to_those_who_can_unpack_it(client: FlaskClient):
    plain = client.get("/")
    packed = client.get("/", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
    refused = client.get("/", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers and refused.data == plain.data


def test_head_says_the_same_without_the_page(client: FlaskClient):
    page, head = client.get("/"), client.head("/")
    assert head.data == b"" and head.headers["Content-Length"] == page.headers["Content-Length"]


@pytest.mark.parametrize(
    "cookie", ["theme=dark", 'prefs={"a": 1}; theme=dark', "theme=dark; theme=light", "a b; theme=dark", 'theme="dark"']
)
def test_a_theme_is_kept_apart_from_what_others_see(bare: FlaskClient, cookie: str):
    dark = bare.get("/", headers={"Cookie": cookie})
    assert 'data-theme="dark"' in dark.text
    assert "data-theme" not in bare.get("/").text
    assert 'data-theme="light"' in bare.get("/", headers={"Cookie": "theme=light"}).text
    assert "data-theme" not in bare.get("/", headers={"Cookie": "theme=pink"}).text


@pytest.mark.parametrize("before", ["", "theme=dark; ", 'prefs={"a": 1}; ', "a b; ", 'x="; '])
def test_what_staff_see_is_never_kept_for_visitors(bare: FlaskClient, viewer: FlaskClient, before: str):
    make_monitor("secret", is_hidden=True)
    session = viewer.get_cookie("kener")
    assert session is not None
    seen = bare.get("/", headers={"Cookie": f"{before}kener={session.value}"})
    assert "Secret" in seen.text and "no-store" in seen.headers["Cache-Control"]
    assert "Secret" not in bare.get("/", headers={"Cookie": before}).text
    assert "Secret" not in bare.get("/").text


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_a_poll_never_gets_the_whole_page_that_another_request_asked_for(client: FlaskClient, header: str):
    assert "<!doctype" in poll(client, "/", **{header: "true"}).text
    assert "<!doctype" not in poll(client, "/").text


def test_an_address_that_is_not_there_is_not_kept(client: FlaskClient):
    assert client.get("/monitors/api").status_code == 404
    make_monitor("api")
    assert client.get("/monitors/api").status_code == 200
    assert client.get("/monitors/api?range=1y").status_code == 404
    assert client.get("/monitors/api?range=").status_code == 404


def test_large_pages_are_kept_as_far_as_the_memory_goes(redis_url: str):
    rendered: list[str] = []

    def site(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        rendered.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "text/html")])
        return [bytes(5_000_000)]

    pages = PageCache(site, redis_url)
    visitor = Client(pages)
    for n in (0, 0, *range(1, 20), 19, 0):
        assert len(visitor.get(f"/monitors/m{n}").data) == 5_000_000
    assert rendered == [f"/monitors/m{n}" for n in (*range(20), 0)]
    assert sum(page.size for page in pages.pages.values()) == pages.bytes <= MOST_BYTES
    live.publish()
    assert len(visitor.get("/monitors/m0").data) == 5_000_000
    assert sum(page.size for page in pages.pages.values()) == pages.bytes
