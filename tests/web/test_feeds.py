"""RSS and Atom: read by a feed reader, and held against the rules of RSS 2.0 and RFC 4287."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree

import feedparser
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.services import incidents, site
from kener.services.site import Site
from tests.factories import SAM, make_incident, make_monitor, post, update_input

NOON = int(datetime(2024, 5, 14, 12, 0, tzinfo=UTC).timestamp())
HOUR = 3_600
ATOM = "{http://www.w3.org/2005/Atom}"
PATHS = ["/rss.xml", "/atom.xml"]
RFC_822 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (GMT|[+-]\d{4})")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
AWKWARD = "It \x01broke\x0b ]]> <![CDATA[ & <b>bold</b> 🚒 é \ufffe \x85 [here](/monitors/api) [there](//example.org/x)"
NICE = "It broke ]]&gt; &lt;![CDATA[ &amp; &lt;b&gt;bold&lt;/b&gt; 🚒 é"


@pytest.fixture(autouse=True)
def traveller(app: Flask) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(clock.at(NOON), tick=False) as traveller:
        site.change(Site(name="Acme & <Co>", url="https://status.example.com", zone="Europe/Berlin"), actor=SAM)
        yield traveller


def check_rss(body: bytes) -> None:
    """The rules of RSS 2.0, and of its profile where it asks for a link to itself."""
    rss = ElementTree.fromstring(body)
    assert (rss.tag, rss.get("version"), [child.tag for child in rss]) == ("rss", "2.0", ["channel"])
    [channel] = rss
    for name in ("title", "link", "description", "language", "lastBuildDate", "generator"):
        assert len(channel.findall(name)) == 1 and channel.findtext(name), name
    own = channel.find(f"{ATOM}link[@rel='self']")
    assert own is not None and own.get("href") == "https://status.example.com/rss.xml"
    assert own.get("type") == "application/rss+xml" and RFC_822.fullmatch(channel.findtext("lastBuildDate", ""))
    allowed = {"title", "link", "description", "guid", "pubDate", "category"}
    for item in channel.findall("item"):
        assert {child.tag for child in item} == allowed and len(item) == len(allowed)
        assert RFC_822.fullmatch(item.findtext("pubDate", ""))
        assert item.findtext("link", "").startswith("https://status.example.com/incidents/")
        assert item.find("guid").get("isPermaLink") == "false"
    guids = [item.findtext("guid", "") for item in channel.findall("item")]
    assert len(set(guids)) == len(guids) and all(guid.startswith("tag:status.example.com,2026:") for guid in guids)


def check_atom(body: bytes) -> None:
    """The rules of RFC 4287, chapters 3 and 4."""
    feed = ElementTree.fromstring(body)
    assert feed.tag == f"{ATOM}feed"
    for thing in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(thing.findall(ATOM + name)) == 1 and thing.findtext(ATOM + name), name
        assert re.fullmatch(r"tag:[a-z0-9.-]+,2026:[a-z0-9-]+", thing.findtext(f"{ATOM}id", ""))
        for moment in (*thing.findall(f"{ATOM}updated"), *thing.findall(f"{ATOM}published")):
            assert RFC_3339.fullmatch(moment.text or "")
        links = [(link.get("rel"), link.get("type")) for link in thing.findall(f"{ATOM}link")]
        assert len(set(links)) == len(links) and ("alternate", "text/html") in links
        assert all(
            str(link.get("href")).startswith("https://status.example.com/") for link in thing.findall(f"{ATOM}link")
        )
    assert feed.findtext(f"{ATOM}author/{ATOM}name") and feed.find(f"{ATOM}link[@rel='self']") is not None
    assert feed.find(f"{ATOM}link[@rel='self']").get("href") == "https://status.example.com/atom.xml"
    for entry in feed.findall(f"{ATOM}entry"):
        assert entry.find(f"{ATOM}content").get("type") == "html" and entry.find(f"{ATOM}category").get("term")
        assert len(entry.find(f"{ATOM}content")) == 0, "HTML in Atom is text"
        assert entry.findtext(f"{ATOM}updated", "") <= feed.findtext(f"{ATOM}updated", "")
    ids = [element.text for element in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)


CHECKS: dict[str, Callable[[bytes], None]] = {"/rss.xml": check_rss, "/atom.xml": check_atom}


def read(client: FlaskClient, path: str) -> Any:
    """The feed as a reader sees it, after the check by the book."""
    response = client.get(path)
    assert response.status_code == 200
    CHECKS[path](response.data)
    feed = feedparser.parse(response.data, response_headers={"content-type": response.content_type})
    assert not feed.bozo, feed.get("bozo_exception")
    return feed


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_feed_is_a_feed(client: FlaskClient, path: str):
    feed = read(client, path)
    assert feed.entries == [] and feed.feed.title == "Acme & <Co>: incidents"


@pytest.mark.parametrize("path", PATHS)
def test_every_update_of_a_public_incident_is_an_entry_newest_first(client: FlaskClient, path: str):
    make_monitor("api")
    number = make_incident("api", title='Cash & "cards" <down>', start=NOON - 2 * HOUR)
    first = post(number, "INVESTIGATING", at=NOON - 2 * HOUR, text="We **look**.")
    last = post(number, "RESOLVED", at=NOON - HOUR, text="Done.")
    secret = make_incident("api", title="Between us", start=NOON - HOUR, is_private=True)
    post(secret, "INVESTIGATING", text="Psst.")
    feed = read(client, path)
    assert [entry.title.partition(" – ")[2] for entry in feed.entries] == ["Resolved", "Investigating"]
    assert feed.entries[1].title.startswith('Cash & "cards" <down> – ')
    assert [entry.link for entry in feed.entries] == [
        f"https://status.example.com/incidents/{number}#update-{update}" for update in (last, first)
    ]
    assert [entry.id for entry in feed.entries] == [f"tag:status.example.com,2026:update-{n}" for n in (last, first)]
    assert "<strong>look</strong>" in feed.entries[1].summary
    assert feed.entries[1].published_parsed[:5] == (2024, 5, 14, 10, 0)
    assert "Psst" not in client.get(path).text and "Between" not in client.get(path).text


@pytest.mark.parametrize("path", PATHS)
def test_any_text_stays_well_formed(client: FlaskClient, path: str):
    post(make_incident(title="]]> 🚒 &amp; \ufffe", start=NOON - HOUR), "INVESTIGATING", text=AWKWARD)
    [entry] = read(client, path).entries
    assert entry.title == "]]> 🚒 &amp;  – Investigating"
    feed = ElementTree.fromstring(client.get(path).data)
    [html] = [
        tag.text for tag in feed.iter() if tag.tag in ("description", f"{ATOM}content") and "broke" in str(tag.text)
    ]
    assert html.startswith(f"<p>{NICE}")
    assert 'href="https://status.example.com/monitors/api"' in html and 'href="//example.org/x"' in html


@pytest.mark.parametrize("path", PATHS)
def test_an_edit_moves_the_date_and_keeps_the_id(client: FlaskClient, path: str, traveller: time_machine.Traveller):
    number = make_incident(start=NOON - HOUR)
    update = post(number, "INVESTIGATING", at=NOON - HOUR, text="Befor.")
    [before] = read(client, path).entries
    traveller.shift(timedelta(minutes=5))
    incidents.edit_update(number, update, update_input("INVESTIGATING", text="After."), actor=SAM)
    feed = read(client, path)
    [after] = feed.entries
    assert (after.id, after.link, after.published) == (before.id, before.link, before.published)
    assert "After." in after.summary
    assert feed.feed.updated_parsed[:5] == (2024, 5, 14, 12, 5)
    if path == "/atom.xml":
        assert (before.updated, after.updated) == ("2024-05-14T12:00:00Z", "2024-05-14T12:05:00Z")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("change", ["post", "edit", "delete update", "rename", "hide", "delete"])
def test_a_reader_is_told_304_until_something_changed(
    client: FlaskClient, traveller: time_machine.Traveller, path: str, change: str
):
    number = make_incident(start=NOON - HOUR)
    update = post(number, "INVESTIGATING", at=NOON - HOUR)
    post(number, "IDENTIFIED", at=NOON - HOUR // 2)
    headers = client.get(path).headers
    conditions = [{"If-None-Match": headers["ETag"]}, {"If-Modified-Since": headers["Last-Modified"]}]
    assert parsedate_to_datetime(headers["Last-Modified"]) == clock.at(NOON)
    traveller.shift(timedelta(minutes=5))
    for condition in conditions:
        answer = client.get(path, headers=condition)
        assert (answer.status_code, answer.data) == (304, b"")
    match change:
        case "post":
            post(number, "MONITORING", at=NOON - HOUR // 4)
        case "edit":
            incidents.edit_update(number, update, update_input("INVESTIGATING", text="Better."), actor=SAM)
        case "delete update":
            incidents.delete_update(number, update, actor=SAM)
        case "rename" | "hide":
            given = {"title": "Renamed", "start_at": clock.at(NOON - HOUR), "is_private": change == "hide"}
            incidents.update(number, incidents.IncidentInput.model_validate(given), actor=SAM)
        case "delete":
            incidents.delete(number, actor=SAM)
    for condition in conditions:
        assert client.get(path, headers=condition).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_strangers_host_stays_with_the_stranger(client: FlaskClient, path: str):
    site.change(Site(name="Acme", url="", zone="UTC"), actor=SAM)
    assert "evil.example" in client.get(path, headers={"Host": "evil.example"}).text
    assert "evil.example" not in client.get(path).text and 'href="http://localhost/' in client.get(path).text


def test_feeds_say_what_they_are(client: FlaskClient):
    types = [client.get(path).content_type for path in PATHS]
    assert types == ["application/rss+xml; charset=utf-8", "application/atom+xml; charset=utf-8"]
