"""Words on pages."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string
from jinja2 import UndefinedError

from kener.domain.incidents import IncidentState
from kener.domain.status import Status
from kener.web import filters
from kener.web.filters import ago, cut, day, latency, listed, moment, plural, tone, word, zone_word

NOW = datetime(2026, 11, 23, 10, 14, tzinfo=UTC)
AT = datetime(2026, 11, 23, 9, 41, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (184.4, "184 ms"),
        (999.6, "1 s"),
        (1000, "1 s"),
        (1940, "1.9 s"),
        (9960, "10 s"),
        (30_000, "30 s"),
    ],
)
def test_latency_in_words(ms: float | None, text: str):
    assert latency(ms) == text


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("datetime", "23 Nov, 09:41 UTC"),
        ("precise", "23 Nov, 09:41:20 UTC"),
        ("time", "09:41 UTC"),
        ("seconds", "09:41:20 UTC"),
        ("date", "Monday 23 November"),
        ("day", "23 Nov"),
        ("relative", "32 min ago"),
    ],
)
def test_a_moment_in_each_style(style: str, text: str):
    expected = f'<time datetime="2026-11-23T09:41:20Z" data-local="{style}">{text}</time>'
    assert moment(AT, style, now=NOW) == expected


def test_a_moment_is_written_in_the_zone_of_the_site():
    assert ">23 Nov, 10:41 CET<" in moment(AT, zone=BERLIN, now=NOW)
    assert ">24 Nov, 00:00 CET<" in moment(datetime(2026, 11, 23, 23, 0, tzinfo=UTC), zone=BERLIN, now=NOW)


def test_another_year_is_named():
    assert ">23 Nov 2025, 09:41 UTC<" in moment(AT.replace(year=2025), now=NOW)
    assert day(date(2025, 1, 2), today=NOW.date()) == "Thursday 2 January 2025"


def test_no_moment_is_a_dash():
    assert moment(None) == "–"


@pytest.mark.parametrize(
    ("zone", "text"),
    [("UTC", "UTC"), ("Europe/Berlin", "CET"), ("America/Sao_Paulo", "UTC−3"), ("Asia/Kathmandu", "UTC+5:45")],
)
def test_zones_have_names_that_can_be_read(zone: str, text: str):
    assert zone_word(AT.astimezone(ZoneInfo(zone))) == text


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=45), "45 s ago"),
        (timedelta(hours=2, minutes=50), "2 h ago"),
        (timedelta(days=-3, hours=-1), "in 3 d"),
    ],
)
def test_ages_name_the_largest_unit(offset: timedelta, text: str):
    assert ago(NOW - offset, now=NOW) == text


def test_a_list_of_names_ends_with_how_many_more():
    assert listed([]) == ""
    assert listed(["A"]) == "A"
    assert listed(["A", "B"]) == "A and B"
    assert listed(["A", "B", "C"]) == "A, B and C"
    assert listed(list("ABCDEFG")) == "A, B, C and 4 more"


def test_long_text_is_cut_between_words():
    assert cut("one two\n three", 100) == "one two three"
    assert cut("one two, three", 10) == "one two…"


def test_counts():
    assert [plural(1, "monitor"), plural(5012, "monitor"), plural(2, "entry", "entries")] == [
        "1 monitor",
        "5,012 monitors",
        "2 entries",
    ]


def test_statuses_have_a_tone_and_a_word():
    assert [tone(status) for status in Status] == ["up", "degraded", "down", "maintenance", "nodata"]
    assert word("NO_DATA") == "Not monitored"
    assert word(IncidentState.IDENTIFIED) == "Identified"


@pytest.fixture
def templates() -> Flask:
    app = Flask("kener")
    filters.register(app)
    return app


def test_a_template_reads_the_zone_of_the_site(templates: Flask):
    with templates.app_context():
        said = render_template_string("{{ at|when('time') }}", at=AT, site=SimpleNamespace(zone="Europe/Berlin"))
        assert said == '<time datetime="2026-11-23T09:41:20Z" data-local="time">10:41 CET</time>'
        assert ">09:41 UTC<" in render_template_string("{{ at|when('time') }}", at=AT)


def test_a_name_that_nobody_passed_in_stops_the_template(templates: Flask):
    with templates.app_context(), pytest.raises(UndefinedError):
        render_template_string("{{ forgotten }}")
