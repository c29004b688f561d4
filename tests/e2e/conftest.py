"""The real product in its own processes, and the world around it: a target, a webhook receiver, a mail server."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], *, timeout_s: float, every_s: float = 0.25) -> Any:
    """The first true value of `what`; fails after the time-out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"nothing after {timeout_s} s")


@dataclass
class Target:
    """A service that can be broken and repaired."""

    url: str
    healthy: bool = True
    calls: int = 0


@dataclass
class Received:
    """What a webhook receiver was sent."""

    url: str
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


@dataclass
class Mailbox:
    """What a mail server took in."""

    port: int
    messages: list[Message] = field(default_factory=list)


def _serve(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def target() -> Iterator[Target]:
    state = Target("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.calls += 1
            self.send_response(200 if state.healthy else 503)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None: ...

    server = _serve(Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/health"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[Received]:
    received = Received("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = _serve(Handler)
    received.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield received
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox(free_port())

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            box.messages.append(message_from_bytes(envelope.content))
            return "250 OK queued"

    controller = Controller(Handler(), hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


@dataclass
class Product:
    """A running `kener up`."""

    url: str
    data: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    key: str = ""

    def kener(self, *words: str, stdin: str = "") -> str:
        """Run a kener command on the same data folder."""
        done = subprocess.run(
            [sys.executable, "-m", "kener.cli", *words],
            cwd=ROOT,
            env=self.env,
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API; returns the parsed answer."""
        request = urllib.request.Request(f"{self.url}/api/v4{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=10) as answer:
            return json.load(answer)

    def text(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def answers(self, path: str = "/healthcheck") -> bool:
        try:
            self.text(path)
        except OSError:
            return False
        return True

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


@pytest.fixture
def product(tmp_path: Path, mailbox: Mailbox) -> Iterator[Product]:
    """`kener up` on a folder and a port of its own, with an API key."""
    port = free_port()
    keep = re.compile(r"^(PATH|HOME|LANG|VIRTUAL_ENV|PYTHON.*|TMPDIR)$")
    env = {name: value for name, value in os.environ.items() if keep.match(name)}
    env |= {
        "KENER_DATA_DIR": str(tmp_path / "data"),
        "PORT": str(port),
        "KENER_ALLOW_PRIVATE_TARGETS": "1",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mailbox.port),
        "SMTP_SECURITY": "none",
        "SMTP_FROM_EMAIL": "Status <status@thistlewick.example>",
    }
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "kener.cli", "up"], cwd=ROOT, env=env, stdout=out, stderr=out)
    product = Product(f"http://127.0.0.1:{port}", tmp_path / "data", env, process, log)
    try:
        wait_for(product.answers, timeout_s=40)
        product.key = product.kener("api-key", "create", "story").splitlines()[-1]
        yield product
    except BaseException:
        print(log.read_text()[-8000:])
        raise
    finally:
        product.stop()
