"""Groups as visitors read them."""

from flask.testing import FlaskClient

from kener import clock
from kener.services import monitors
from tests import factories
from tests.support.pages import visit
from tests.support.statements import counted


def make_group(tag: str, *members: str, **settings: object) -> None:
    given = {"monitors": [{"tag": member} for member in members]} | settings
    monitors.create(factories.monitor_input(tag, monitor_type="GROUP", type_data=given), actor=factories.SAM)


def see(**statuses: str) -> None:
    """Monitors that were seen a moment ago."""
    now = clock.epoch() - 20
    for tag, status in statuses.items():
        factories.record(factories.sample(tag, now, status))


def included(client: FlaskClient, path: str, tag: str) -> str:
    box = visit(client, path).one(f"#included-{tag}")
    return " ".join(part.get_text(" ", strip=True) for part in box.select("summary, li"))


def test_a_group_names_its_members_with_their_statuses(client: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.make_monitor("mail")
    make_group("all", "api", "mail")
    see(api="UP", mail="DOWN")
    expected = "Included monitors (2) Api Operational Mail Down"
    assert included(client, "/", "all") == expected
    assert included(client, "/monitors/all", "all") == expected
    assert not visit(client, "/monitors/api").all(".included")


def test_hidden_and_paused_members_are_not_named_to_visitors(client: FlaskClient, editor: FlaskClient) -> None:
    factories.make_monitor("api")
    factories.make_monitor("secret", name="Secret", is_hidden=True)
    factories.make_monitor("rest", name="Rest")
    make_group("all", "api", "secret", "rest", strategy="WORST")
    monitors.pause("rest", actor=factories.SAM)
    see(api="UP", secret="DOWN")
    page = visit(client, "/monitors/all")
    assert "Down" in page.one("#verdict").parent.text  # type: ignore[union-attr]
    assert "Secret" not in page.html and "Rest" not in page.html
    assert included(client, "/", "all") == "Included monitors (1) Api Operational"
    assert "Secret" in included(editor, "/monitors/all", "all")


def test_a_group_whose_members_are_all_in_maintenance_is_in_maintenance(client: FlaskClient) -> None:
    now = clock.epoch()
    factories.make_monitor("api")
    make_group("all", "api")
    factories.plan_maintenance("api", start=now - 600, end=now + 600)
    see(api="DOWN")
    assert "Maintenance" in visit(client, "/monitors/all").text


def test_pages_with_groups_cost_the_same_however_many_there_are(editor: FlaskClient) -> None:
    def cost(path: str) -> int:
        visit(editor, path)
        with counted() as seen:
            visit(editor, path)
        return len(seen)

    factories.make_monitor("api")
    make_group("all", "api")
    before = cost("/"), cost("/monitors/all")
    tags = [f"m{number}" for number in range(8)]
    for tag in tags:
        factories.make_monitor(tag)
    for number in range(4):
        make_group(f"g{number}", *tags, "all")
    assert (cost("/"), cost("/monitors/g0")) == before
