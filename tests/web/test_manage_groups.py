"""Groups and dependencies by hand: choose members, see what that makes, correct what was refused."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.domain.status import Status
from kener.models import GroupMember, Monitor, MonitorState
from kener.services import monitors
from tests import factories
from tests.support.pages import Form, Page, visit
from tests.support.statements import counted

HTMX = {"HX-Request": "true"}


@pytest.fixture
def members(editor: FlaskClient) -> None:
    """Three monitors; Mail is down."""
    now = clock.epoch() - 20
    for tag, status in (("api", "UP"), ("mail", "DOWN"), ("web", "UP")):
        factories.make_monitor(tag, default_status="NO_DATA")
        factories.record(factories.sample(tag, now, status, latency_ms=100))


def make_group(tag: str = "all", *tags: str, **settings: Any) -> None:
    named = [{"tag": member} for member in tags or ("api", "mail", "web")]
    given = factories.monitor_input(tag, monitor_type="GROUP", type_data={"monitors": named} | settings)
    monitors.create(given, actor=factories.SAM)


def new(client: FlaskClient) -> Form:
    return visit(client, "/manage/monitors/-/new?type=GROUP").form("Add monitor")


def test_a_group_is_made_of_ticked_members_with_their_weights(editor: FlaskClient, members: None) -> None:
    form = new(editor).fill({"name": "Shop", "members": ["api", "mail"], "weight-api": "3", "weight-web": "9"})
    page = form.submit()
    assert (page.url, page.heading) == ("/manage/monitors/shop", "Shop")
    weights = {row.member_id: row.weight for row in factories.every(GroupMember)}
    assert weights == {factories.id_of("api"): 3, factories.id_of("mail"): 1}
    state = factories.reading().get_one(MonitorState, factories.id_of("shop"))
    assert (state.status, state.latency_ms) == (Status.DEGRADED, 100)


def test_its_page_shows_members_and_why_it_is_what_it_is(editor: FlaskClient, members: None) -> None:
    make_group(strategy="WORST")
    monitors.pause("web", actor=factories.SAM)
    sheet = visit(editor, "/manage/monitors/all").one("#members")
    text = " ".join(sheet.text.split())
    assert "2 of 3 count" in text
    assert "1 of 2 is DOWN: Mail." in text
    assert "With 2 of 2 up it is UP, with 0 or 1 DOWN." in text
    assert "Paused: it does not count." in text


def test_a_group_without_members_says_so(editor: FlaskClient, members: None) -> None:
    make_group("all", "api")
    monitors.delete("api", actor=factories.SAM)
    assert "No member is left." in visit(editor, "/manage/monitors/all").one("#members").text


def test_the_form_keeps_what_was_chosen(editor: FlaskClient, members: None) -> None:
    make_group("all", "api", "mail", strategy="QUORUM", quorum=2)
    form = visit(editor, "/manage/monitors/all/edit").form("Save")
    data = form.data("Save")
    assert data.getlist("members") == ["api", "mail"]
    assert data["quorum"] == "2"
    assert data["weight-api"] == "1"
    assert "all" not in [str(box["value"]) for box in form.page.all("input[name='members']")]
    form.fill(members=["web"], quorum="1").submit()
    assert [row.member_id for row in factories.every(GroupMember)] == [factories.id_of("web")]


@pytest.mark.parametrize(
    ("fields", "field", "advice"),
    [
        ({"members": []}, "monitors", "Choose at least one member."),
        ({"members": ["api"], "weight-api": "heavy"}, "monitors", "api: "),
        ({"members": ["api"], "strategy": "QUORUM", "quorum": "2"}, "quorum", "There is one member only."),
        ({"members": ["api"], "degraded_below": "200"}, "degraded_below", "up to 100"),
        ({"members": ["api"], "freshness_minutes": "0"}, "freshness_minutes", "from 1 up"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    editor: FlaskClient, members: None, fields: dict[str, Any], field: str, advice: str
) -> None:
    page = new(editor).fill({"name": "Shop"} | fields).submit(status=422)
    assert advice in page.one(f"#e-{field}").text
    assert [str(box["value"]) for box in page.all("input[name='members'][checked]")] == fields["members"]


def test_a_cycle_is_refused_on_the_form(editor: FlaskClient, members: None) -> None:
    make_group("inner", "api")
    make_group("outer", "inner")
    form = visit(editor, "/manage/monitors/inner/edit").form("Save")
    page = form.fill(members=["api", "outer"]).submit(status=422)
    assert "Inner → Outer → Inner" in page.one("#e-monitors").text


def test_the_preview_follows_the_form_without_saving_anything(editor: FlaskClient, members: None) -> None:
    form = new(editor).fill({"members": ["api", "mail", "web"], "strategy": "QUORUM", "quorum": "2"})
    response = editor.post("/manage/monitors/-/preview", data=form.data(None), headers=HTMX)
    text = " ".join(Page(editor, response, fragment=True).one("#preview").text.split())
    assert "Now it would be UP. 1 of 3 is DOWN: Mail." in text
    assert "With 2 or 3 of 3 up it is UP, with 0 or 1 DOWN." in text
    assert factories.count(Monitor) == 3


def test_the_preview_works_as_a_plain_form_and_names_what_is_wrong(editor: FlaskClient, members: None) -> None:
    page = new(editor).fill(members=["mail"], name="Shop").submit("Preview")
    assert "Now it would be DOWN." in " ".join(page.one("#preview").text.split())
    assert page.form("Add monitor").data(None).getlist("members") == ["mail"]
    page = page.form("Add monitor").fill(members=["mail"], degraded_below="200").submit("Preview")
    assert "up to 100" in page.one("#preview").text


def test_a_monitor_names_its_parents_and_shows_its_children(editor: FlaskClient, members: None) -> None:
    form = visit(editor, "/manage/monitors/mail/edit").form("Save")
    form.fill(parent_tags=["api", "web"]).submit()
    assert "Depends on" in visit(editor, "/manage/monitors/mail").one("#family").text
    assert "These depend on it" in visit(editor, "/manage/monitors/api").one("#family").text
    form = visit(editor, "/manage/monitors/mail/edit").form("Save")
    assert form.data("Save").getlist("parent_tags") == ["api", "web"]
    page = visit(editor, "/manage/monitors/api/edit").form("Save").fill(parent_tags=["mail"]).submit(status=422)
    assert "Api → Mail → Api" in page.one("#e-parent_tags").text


def test_a_page_of_a_group_costs_the_same_whatever_its_size(editor: FlaskClient, members: None) -> None:
    def cost(tag: str) -> int:
        visit(editor, f"/manage/monitors/{tag}")
        with counted() as seen:
            visit(editor, f"/manage/monitors/{tag}")
        return len(seen)

    make_group("small", "api")
    for number in range(12):
        factories.make_monitor(f"m{number}")
    make_group("large", *(f"m{number}" for number in range(12)))
    assert cost("large") == cost("small")
