"""When this machine is cut off, its failed checks say nothing about their targets."""

import socket
from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask

from kener import clock
from kener.db import reading
from kener.domain.status import Status, from_code
from kener.models import Alert, Sample, SampleNote
from kener.queries import connectivity as rows
from kener.services import connectivity, monitoring, scheduling
from kener.services.errors import Refused
from tests.doubles.http import HttpDouble, reply
from tests.factories import SAM, count, every, make_configuration, make_monitor
from tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def target() -> Iterator[HttpDouble]:
    with HttpDouble() as server:
        server.on("/broken", reply(503))
        yield server


@pytest.fixture
def reference() -> Iterator[tuple[str, int]]:
    """A place that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


def references(*places: str) -> None:
    connectivity.set_references(places, actor=SAM)


def check(after_s: int = 0) -> list[Status]:
    """Look at everything that is due; what was seen, by monitor."""
    with time_machine.travel(clock.at(clock.epoch() + after_s), tick=True):
        claims = [(claim.monitor_id, claim.slot) for claim in scheduling.claim(clock.epoch())]
        monitoring.run_shard(claims, slow=False)
    newest = {row.monitor_id: from_code(row.status) for row in every(Sample)}
    return [newest[monitor_id] for monitor_id in sorted(newest)]


def monitors(target: HttpDouble) -> None:
    """One that takes no connection, one that answers with an error."""
    make_monitor("gone", monitor_type="API", type_data={"url": f"http://{nowhere()}/"})
    make_monitor("broken", monitor_type="API", type_data={"url": target.url("/broken")})


def test_without_references_every_failure_counts(target: HttpDouble) -> None:
    monitors(target)
    assert check() == [Status.DOWN, Status.DOWN]


def test_while_a_reference_answers_every_failure_counts(target: HttpDouble, reference: tuple[str, int]) -> None:
    monitors(target)
    references(nowhere(), f"127.0.0.1:{reference[1]}")
    assert check() == [Status.DOWN, Status.DOWN]
    assert rows.episode(reading()) is None


def test_while_no_reference_answers_what_gave_no_answer_is_not_judged_and_fires_no_alert(target: HttpDouble) -> None:
    monitors(target)
    make_configuration("gone", failure_threshold=1)
    references(nowhere(), f"http://{nowhere()}/health")
    assert check() == [Status.NO_DATA, Status.DOWN]
    assert sorted(str(note.error) for note in every(SampleNote)) == ["HTTP 503", connectivity.OUR_SIDE]
    assert count(Alert) == 0
    found = rows.episode(reading())
    assert found is not None
    assert found.is_current(clock.epoch())


def test_it_is_remembered_from_when_to_when_we_were_cut_off(target: HttpDouble, reference: tuple[str, int]) -> None:
    monitors(target)
    references(nowhere())
    check()
    check(after_s=90)
    first = rows.episode(reading())
    assert first is not None
    assert first.ended_at is None
    assert first.seen_at >= first.started_at
    references(f"127.0.0.1:{reference[1]}")
    assert check(after_s=150) == [Status.DOWN, Status.DOWN]
    over = rows.episode(reading())
    assert over is not None
    assert (over.started_at, over.ended_at is not None) == (first.started_at, True)


@pytest.mark.parametrize("given", ["nonsense", "ftp://a.example:21", "host:99999", "http://", "a b:80", ":80"])
def test_what_is_no_reference_is_refused_by_name(given: str) -> None:
    with pytest.raises(Refused) as caught:
        references(given)
    assert caught.value.errors.keys() == {"references"}
    assert rows.references(reading()) == ()


def test_a_hanging_reference_holds_a_shard_up_for_a_second_at_most(target: HttpDouble, app: Flask) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        monitors(target)
        references(f"127.0.0.1:{silent.getsockname()[1]}")
        started = clock.now()
        assert check() == [Status.NO_DATA, Status.DOWN]
        assert (clock.now() - started).total_seconds() < 3
        for filler in fillers:
            filler.close()
