"""The guard over our own connection, on the settings page and on the overview."""

import time_machine
from flask.testing import FlaskClient

from kener import clock
from kener.db import reading, transaction
from kener.models import Setting
from kener.queries import connectivity
from tests.support.pages import visit


def test_references_are_entered_one_a_line_and_refused_by_name(owner: FlaskClient) -> None:
    form = visit(owner, "/manage/settings").form("Save references")
    page = form.fill(references="1.1.1.1:443\nnonsense").submit(status=422)
    assert "'nonsense' is no reference." in page.text
    assert page.form("Save references")["references"] == ["1.1.1.1:443\nnonsense"]
    page = page.form("Save references").fill(references=" 1.1.1.1:443 \n\nhttps://example.com\n").submit()
    assert connectivity.references(reading()) == ("1.1.1.1:443", "https://example.com")
    assert page.form("Save references")["references"] == ["1.1.1.1:443\nhttps://example.com"]
    page.form("Save references").fill(references="").submit()
    assert connectivity.references(reading()) == ()


def test_the_overview_says_while_we_are_cut_off_and_a_day_longer(owner: FlaskClient) -> None:
    now = clock.epoch()
    assert "own connection" not in visit(owner, "/manage").text
    with transaction() as session:
        value = {"started_at": now - 600, "seen_at": now - 5, "ended_at": None}
        session.add(Setting(name=connectivity.EPISODE, value=value))
    assert "This machine's own connection is down" in visit(owner, "/manage").text
    with time_machine.travel(clock.at(now + 3_600)):
        assert "This machine's own connection was down" in visit(owner, "/manage").text
    with time_machine.travel(clock.at(now + 90_000)):
        assert "own connection" not in visit(owner, "/manage").text


def test_a_damaged_note_takes_no_page_down(owner: FlaskClient) -> None:
    for value in ("word", {"started_at": "x"}, [1], {"started_at": 1, "seen_at": None, "ended_at": "y"}):
        with transaction() as session:
            session.merge(Setting(name=connectivity.EPISODE, value=value))
            session.merge(Setting(name=connectivity.REFERENCES, value=value))
        assert visit(owner, "/manage").status == visit(owner, "/manage/settings").status == 200
