"""Signals of a job and changes that wait for confirmation, as operators and programs see them."""

import pytest
from flask.testing import FlaskClient

from kener import clock
from kener.domain.confirmation import Needed
from kener.domain.status import Status
from kener.services import heartbeats
from kener.services.heartbeats import Signal, SignalKind, take
from kener.services.recording import Observed
from tests.factories import id_of, make_monitor, record
from tests.support.pages import visit

SECRET = "a-secret-of-enough-length"


@pytest.fixture
def job(app: object) -> None:
    make_monitor(
        "job", monitor_type="HEARTBEAT", name="Nightly", type_data={"secretString": SECRET, "period_minutes": 60}
    )


def test_signals_are_listed_with_what_they_said_and_never_as_markup(job: None, viewer: FlaskClient) -> None:
    empty = visit(viewer, "/manage/monitors/job/signals")
    assert "No signal yet." in empty.text
    assert "/ext/heartbeat/job/SECRET" in empty.text
    take("job", SECRET, Signal(SignalKind.START))
    take("job", SECRET, heartbeats.from_exit_code(3, "<script>alert(1)</script>\nsecond line"))
    for path in ("/manage/monitors/job", "/manage/monitors/job/signals"):
        page = visit(viewer, path)
        assert "Failure" in page.text and "Exit code 3" in page.text and "second line" in page.text
        assert "<script>alert" not in viewer.get(path).text
    assert "0.0 s" in visit(viewer, "/manage/monitors/job/signals").text


def test_signals_are_paged(job: None, viewer: FlaskClient) -> None:
    for number in range(30):
        take("job", SECRET, Signal(SignalKind.LOG, body=f"words {number}"))
    first, second = (visit(viewer, f"/manage/monitors/job/signals?page={page}") for page in (1, 2))
    assert "words 29" in first.text and "words 4" not in first.text
    assert "words 4" in second.text and "1 to 25 of 30" in first.text


def test_only_heartbeats_have_signals(app: object, editor: FlaskClient) -> None:
    make_monitor("api")
    assert editor.get("/manage/monitors/api/signals").status_code == 404
    assert editor.get("/manage/monitors/nothing/signals").status_code == 404


def test_the_form_keeps_a_schedule_apart_from_the_monitors_own(editor: FlaskClient) -> None:
    form = visit(editor, "/manage/monitors/-/new?type=HEARTBEAT").form("Add monitor")
    form.fill(name="Nightly", schedule="never", timezone="Berlin")
    refused = form.submit(status=422)
    assert all(refused.one(f"#e-{name}").text for name in ("schedule", "timezone"))
    form.fill(schedule="0 3 * * *", timezone="", failure_confirmations="61")
    assert form.submit(status=422).one("#e-failure_confirmations").text
    form.fill(schedule="0 3 * * *", timezone="Europe/Berlin", grace_minutes="30", failure_confirmations="2")
    assert "curl -fsS" in form.submit().text
    shown = visit(editor, "/manage/monitors/nightly")
    assert "0 3 * * *" in shown.text and "Europe/Berlin" in shown.text and "every 1 minute" in shown.text
    assert "DEGRADED after" not in shown.text
    assert "after 2 failing, 1 passing in a row" in shown.text
    assert visit(editor, "/manage/monitors/nightly/edit").one("#f-schedule")["value"] == "0 3 * * *"


def test_what_waits_for_confirmation_is_told_to_operators_alone(viewer: FlaskClient, client: FlaskClient) -> None:
    make_monitor("api", failure_confirmations=3)
    now = clock.epoch()
    for ago, status in ((120, "UP"), (60, "DOWN"), (0, "DOWN")):
        error = "HTTP 503" if status == "DOWN" else None
        record(Observed(id_of("api"), now - ago, Status(status), 60, error=error, needed=Needed(failure=3)))
    page = visit(viewer, "/manage/monitors/api")
    assert "Failing, 2 of 3 to confirm" in page.one("#held").text and "HTTP 503" in page.one("#held").text
    assert page.text.count("Held: seen DOWN") == 2
    assert visit(client, "/").heading == "Everything works"
    record(Observed(id_of("api"), now + 1, Status.UP, 60, needed=Needed(failure=3)))
    page = visit(viewer, "/manage/monitors/api?samples=TROUBLE")
    assert page.text.count("Not confirmed: seen DOWN") == 2
