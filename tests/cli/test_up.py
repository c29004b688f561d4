"""`kener up`: the whole product as processes."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kener.cli.up import configuration, programs
from kener.settings import Settings, redis_socket
from tests.support.ports import free_port, wait_for
from tests.support.processes import children, with_variable

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["redis", "web", "schedule", "checks-1", "checks-2", "background"]


@dataclass
class Up:
    """A started `kener up`."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def page(self, path: str = "/healthcheck") -> int:
        """The status of a page, 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def pid(self, name: str) -> int:
        """The process of a program that was started last."""
        return int(re.findall(rf"spawned: '{name}' with pid (\d+)", self.output)[-1])

    def processes(self) -> dict[int, str]:
        return with_variable("KENER_DATA_DIR", str(self.data))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts `kener up` on a data folder and a port of the test's own; kills what is left of it afterwards."""
    started: list[Up] = []
    data = tmp_path / "the data"

    def start(*options: str, port: int | None = None, **variables: str) -> Up:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("KENER_", "SMTP_"))}
        env |= {"KENER_DATA_DIR": str(data), **variables}
        chosen = port or free_port()
        log = tmp_path / f"log-{len(started)}"
        command = [sys.executable, "-m", "kener.cli", "up", "--port", str(chosen), *options]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
        started.append(Up(process, data, chosen, log))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
    wait_for(lambda: not with_variable("KENER_DATA_DIR", str(data)))


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(data_dir=tmp_path, secret_key="x" * 32, database_url="sqlite:////x.db", **more)  # type: ignore[arg-type]


def test_an_external_redis_replaces_the_embedded_one(tmp_path: Path):
    assert [p.name for p in programs(settings(tmp_path), workers=2)] == NAMES
    chosen = programs(settings(tmp_path, redis_url="redis://:secret@10.0.0.1/0"), workers=1)
    assert [p.name for p in chosen] == ["web", "schedule", "checks", "background"]


def test_the_configuration_holds_no_secrets(tmp_path: Path):
    chosen = settings(tmp_path, redis_url="redis://:secret@10.0.0.1/0")
    written = configuration(programs(chosen, workers=1))
    assert "secret" not in written and chosen.secret_key not in written


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_it_serves_restarts_what_dies_and_ends_without_a_trace(up: Callable[..., Up]):
    first = up("--workers", "2")
    wait_for(lambda: first.page() == 200, timeout_s=30)
    wait_for(lambda: len(children(first.process.pid)) == len(NAMES), timeout_s=20)
    assert f"http://127.0.0.1:{first.port}" in first.output and str(first.data) in first.output
    for path in ("run", "redis"):
        assert stat.S_IMODE((first.data / path).stat().st_mode) == 0o700
    assert stat.S_IMODE((first.data / "run" / "supervisord.conf").stat().st_mode) == 0o600

    for name in NAMES:
        before = first.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda name=name, before=before: first.pid(name) != before, timeout_s=15)
    wait_for(lambda: first.page() == 200, timeout_s=30)

    first.process.terminate()
    assert first.process.wait(40) == 0, first.output[-3000:]
    assert first.processes() == {}
    assert "Traceback" not in first.output.split("received SIGTERM")[1]


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_killed_run_stands_in_nobodys_way(up: Callable[..., Up]):
    first = up()
    wait_for(lambda: first.page() == 200, timeout_s=30)
    first.process.kill()
    first.process.wait()
    wait_for(lambda: first.processes() == {}, timeout_s=3)
    assert redis_socket(first.data).exists()

    began = time.monotonic()
    second = up(port=first.port)
    wait_for(lambda: second.page("/") == 200, timeout_s=30)
    assert time.monotonic() - began < 8, "the second start took too long, even for a busy machine"
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(40) == 0


@pytest.mark.processes
def test_a_second_run_on_the_same_folder_is_refused(up: Callable[..., Up]):
    first = up()
    wait_for(lambda: "supervisord started" in first.output, timeout_s=30)
    second = up()
    assert second.process.wait(20) == 1
    assert f"Kener runs already on {first.data} (process {first.process.pid})" in second.output
    assert first.process.poll() is None


@pytest.mark.processes
def test_a_taken_port_is_named_before_anything_starts(up: Callable[..., Up]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        started = up(port=taken.getsockname()[1])
        assert started.process.wait(30) == 1
    assert f"Port {started.port} on 127.0.0.1 is taken" in started.output
    assert "spawned" not in started.output


@pytest.mark.processes
def test_all_mistakes_in_the_settings_are_named_together(up: Callable[..., Up]):
    started = up(DATABASE_URL="oracle://x", ORIGIN="nowhere", SMTP_HOST="localhost")
    assert started.process.wait(30) == 1
    for name in ("DATABASE_URL", "ORIGIN", "SMTP_FROM_EMAIL"):
        assert name in started.output
    assert "Traceback" not in started.output
