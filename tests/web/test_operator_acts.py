"""What operators may do (O1 to O6) by the pages and by the API: the same acts leave the same story and the same trail."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask.testing import FlaskClient

from kener import clock
from kener.models import AffectedMonitor, Alert, AuditEntry, Incident, IncidentUpdate
from kener.services import merging
from tests.factories import SAM, T0, every, make_configuration, make_incident, make_monitor, observe, only
from tests.support.api import Api
from tests.support.pages import visit

MINUTE = 60
Act = Callable[[str, int], object]

WHO = {"pages": "editor@example.com", "api": "deploy robot"}


@pytest.fixture(autouse=True)
def an_hour_later(app: object) -> Iterator[None]:
    """An automatic incident that began an hour ago, and a monitor that is up."""
    with time_machine.travel(clock.at(T0 + 60 * MINUTE), tick=False):
        make_monitor("web"), make_monitor("api")
        make_configuration("web", failure_threshold=1, success_threshold=1, create_incident=True)
        observe("web", "DOWN")
        yield


def local(minute: int) -> str:
    return f"{clock.at(T0 + minute * MINUTE):%Y-%m-%dT%H:%M:%S}"


def by_pages(editor: FlaskClient) -> dict[str, Act]:
    """Each act, as it is done in the pages."""

    def post(state: str, minute: int) -> None:
        page = visit(editor, f"/manage/incidents/{only(Incident).id}")
        form = page.form("Post update").fill(text="News.", state=state, at=local(minute))
        if state == "RESOLVED":
            form = form.submit(status=422).form("Post update").fill(confirm=True)
        form.submit()

    def correct(state: str, minute: int) -> None:
        path = f"/manage/incidents/{only(Incident).id}/updates/{newest()}/edit"
        visit(editor, path).form("Save").fill(text="Corrected.", state=state, at=local(minute)).submit()

    def withdraw(_: str, __: int) -> None:
        path = f"/manage/incidents/{only(Incident).id}/updates/{newest()}/delete"
        visit(editor, path).form("Delete update").submit()

    def change(title: str, minute: int) -> None:
        form = visit(editor, f"/manage/incidents/{only(Incident).id}/edit").form("Save")
        form.fill({"title": title, "start_at": local(minute), "impact-web": "", "impact-api": "DEGRADED"}).submit()

    def delete(_: str, __: int) -> None:
        visit(editor, f"/manage/incidents/{only(Incident).id}/delete").form("Delete incident").submit()

    return {"post": post, "correct": correct, "withdraw": withdraw, "change": change, "delete": delete}


def by_api(api: Api) -> dict[str, Act]:
    """The same by the API."""

    def path(*more: object) -> str:
        return "/".join(["/incidents", str(only(Incident).id), *map(str, more)])

    def at(minute: int) -> int:
        return T0 + minute * MINUTE

    return {
        "post": lambda state, minute: api.post(
            path("comments"), {"comment": "News.", "state": state, "timestamp": at(minute)}
        ),
        "correct": lambda state, minute: api.patch(
            path("comments", newest()), {"comment": "Corrected.", "state": state, "timestamp": at(minute)}
        ),
        "withdraw": lambda _, __: api.delete(path("comments", newest())),
        "change": lambda title, minute: api.patch(
            path(),
            {
                "title": title,
                "start_date_time": at(minute),
                "monitors": [{"monitor_tag": "api", "impact": "DEGRADED"}],
            },
        ),
        "delete": lambda _, __: api.delete(path()),
    }


def newest() -> int:
    return every(IncidentUpdate)[-1].id


def updates() -> list[tuple[str, int, str]]:
    """The timeline: state, minute, text of what people wrote."""
    rows = sorted(every(IncidentUpdate), key=lambda row: (row.at, row.id))
    return [(row.state, (int(row.at.timestamp()) - T0) // MINUTE, "" if row.is_automatic else row.text) for row in rows]


@pytest.mark.parametrize("way", ["pages", "api"])
def test_o1_to_o6_pages_and_api_leave_the_same_story_and_the_same_trail(
    way: str, editor: FlaskClient, api: Api
) -> None:
    act = by_pages(editor) if way == "pages" else by_api(api)
    act["post"]("IDENTIFIED", 10)
    act["correct"]("MONITORING", 12)
    act["post"]("INVESTIGATING", 15)
    act["withdraw"]("", 0)
    act["change"]("Slow web", -5)
    incident = only(Incident)
    assert (incident.title, incident.state, incident.start_at) == ("Slow web", "MONITORING", clock.at(T0 - 5 * MINUTE))
    assert [(row.monitor_tag, row.impact, row.ended_at) for row in every(AffectedMonitor)] == [
        ("api", "DEGRADED", None)
    ]
    act["post"]("RESOLVED", 30)
    assert (only(Incident).status, only(Incident).end_at) == ("CLOSED", clock.at(T0 + 30 * MINUTE))
    act["post"]("IDENTIFIED", 40)
    assert (only(Incident).status, only(Incident).end_at) == ("OPEN", None)
    act["post"]("RESOLVED", 50)
    assert updates() == [
        ("INVESTIGATING", 0, ""),
        ("MONITORING", 12, "Corrected."),
        ("RESOLVED", 30, "News."),
        ("IDENTIFIED", 40, "News."),
        ("RESOLVED", 50, "News."),
    ]
    assert {row.author for row in every(IncidentUpdate) if not row.is_automatic} == {WHO[way]}
    number = only(Incident).id
    act["delete"]("", 0)
    trail = [row for row in every(AuditEntry) if row.about == f"incident-{number}"]
    assert [row.action for row in trail] == [
        "post update", "edit update", "post update", "delete update", "change", "post update", "post update", "post update", "delete",
    ]  # fmt: skip
    assert {row.actor for row in trail} == {WHO[way]} and {row.at for row in trail} == {clock.now()}
    alert = only(Alert)
    assert (alert.alert_status, alert.incident_id) == ("TRIGGERED", None)
    assert f"was deleted by {WHO[way]}" in (alert.incident_note or "")


@pytest.mark.parametrize("way", ["pages", "api"])
def test_o2_no_way_gives_an_incident_with_an_active_alert_an_end(way: str, editor: FlaskClient, api: Api) -> None:
    """Also one by hand, into which an automatic one was merged."""
    number = make_incident("api", start=T0)
    merging.merge(only_automatic(), number, actor=SAM)
    if way == "pages":
        form = visit(editor, f"/manage/incidents/{number}/edit").form("Save")
        assert "end_at" not in form.fields
        response = editor.post(
            f"/manage/incidents/{number}/edit", data=dict(form.data().items()) | {"end_at": local(30)}
        )
        assert (response.status_code, "Its alert is still active" in response.text) == (422, True)
    else:
        refused = api.refused("PATCH", f"/incidents/{number}", {"end_date_time": T0 + 30 * MINUTE})
        assert "Its alert is still active" in refused["end_date_time"]
    assert [row.end_at for row in every(Incident) if row.id == number] == [None]


def only_automatic() -> int:
    [row] = [row for row in every(Incident) if row.source == "ALERT"]
    return row.id
