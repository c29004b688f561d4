"""The process manager with small programs of the test's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kener.cli.up import Program, configuration
from tests.support.ports import wait_for
from tests.support.processes import children, with_variable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

Start = Callable[..., tuple[subprocess.Popen[bytes], Path]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a manager with programs given as Python source; kills what is left of it afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**sources: str) -> tuple[subprocess.Popen[bytes], Path]:
        chosen = []
        for name, source in sources.items():
            script = tmp_path / f"{name} 100% own; script.py"
            script.write_text(source)
            chosen.append(Program(name, (sys.executable, "-u", str(script)), "", 2))
        path, log = tmp_path / "supervisord.conf", tmp_path / "log"
        path.write_text(configuration(chosen))
        with log.open("ab") as out:
            env = {**os.environ, "KENER_TEST_TREE": str(tmp_path)}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "kener.cli.supervise", str(path)], env=env, stdout=out, stderr=out
                )
            )
        return started[-1], log

    yield start
    for process in started:
        process.kill()
        process.wait()
    wait_for(lambda: not with_variable("KENER_TEST_TREE", str(tmp_path)))


WAIT = "import time\nprint('ready')\ntime.sleep(60)\n"


def test_each_line_is_named_after_its_program(start: Start):
    _, log = start(
        web="import time\nprint('begun', end='', flush=True)\ntime.sleep(.5)\nprint(' and ended')\nprint('ünï', end='')\n",
        two="import sys, time\nprint('from two', file=sys.stderr)\ntime.sleep(60)\n",
    )
    wait_for(lambda: "ünï" in log.read_text() and "from two" in log.read_text())
    lines = log.read_text().splitlines()
    assert "web          | begun and ended" in lines
    assert "web          | ünï" in lines
    assert "two          | from two" in lines


def test_a_killed_program_is_started_again(start: Start):
    manager, log = start(web=WAIT)
    wait_for(lambda: "ready" in log.read_text())
    (pid,) = children(manager.pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: log.read_text().count("ready") == 2)
    assert pid not in children(manager.pid)


def test_a_program_that_cannot_start_is_tried_again_and_again(start: Start):
    manager, log = start(web="raise SystemExit('no luck')\n", two=WAIT)
    wait_for(lambda: log.read_text().count("no luck") >= 4, timeout_s=15)
    assert manager.poll() is None
    assert "FATAL" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_tree_and_lets_programs_finish(start: Start, number: int, tmp_path: Path):
    source = "import signal, sys\nprint('ready')\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('finished')))\nsignal.pause()\n"
    manager, log = start(web=source, two=source)
    wait_for(lambda: log.read_text().count("ready") == 2)
    manager.send_signal(number)
    assert manager.wait(10) == 0
    assert log.read_text().count("finished") == 2
    assert with_variable("KENER_TEST_TREE", str(tmp_path)) == {}


def test_a_program_that_will_not_end_is_killed_with_its_children(start: Start, tmp_path: Path):
    source = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.fork()\nprint('ready')\ntime.sleep(60)\n"
    manager, log = start(web=source)
    wait_for(lambda: log.read_text().count("ready") == 2)
    manager.terminate()
    assert manager.wait(15) == 0
    wait_for(lambda: with_variable("KENER_TEST_TREE", str(tmp_path)) == {})


def test_programs_die_with_a_killed_manager(start: Start, tmp_path: Path):
    manager, log = start(web="import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT, two=WAIT)
    wait_for(lambda: log.read_text().count("ready") == 2)
    manager.kill()
    manager.wait()
    wait_for(lambda: with_variable("KENER_TEST_TREE", str(tmp_path)) == {}, timeout_s=2)


def test_programs_go_on_when_nobody_reads_the_log(tmp_path: Path):
    seen = tmp_path / "seen"
    script = (
        f"import pathlib, time\nprint('x' * 200_000, flush=True)\npathlib.Path({str(seen)!r}).touch()\ntime.sleep(60)\n"
    )
    path = tmp_path / "supervisord.conf"
    (tmp_path / "script.py").write_text(script)
    path.write_text(configuration([Program("web", (sys.executable, str(tmp_path / "script.py")), "", 5)]))
    manager = subprocess.Popen([sys.executable, "-m", "kener.cli.supervise", str(path)], stdout=subprocess.PIPE)
    assert manager.stdout is not None
    manager.stdout.close()
    try:
        wait_for(seen.exists)
        time.sleep(0.2)
        assert manager.poll() is None
    finally:
        manager.terminate()
        assert manager.wait(10) == 0
