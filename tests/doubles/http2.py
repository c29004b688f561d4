"""A real HTTP/2 server: granian, with TLS, in a process of its own. `http="1"` makes it speak HTTP/1.1 only."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization

from tests.support.ports import free_port, wait_for

_APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    version = scope["http_version"].encode()
    status = 404 if scope["path"] == "/missing" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-version", version), (b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"spoken: " + version})
"""


@dataclass
class Http2Double:
    """`with Http2Double(folder, authority.chain("127.0.0.1")) as server: … server.url()`."""

    folder: Path
    pem: Path
    http: str = "2"

    def url(self, path: str = "/") -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self.port = free_port()
        (self.folder / "spoken.py").write_text(_APP)
        key = serialization.load_pem_private_key(self.pem.read_bytes(), password=None)
        (self.folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self._log = (self.folder / "granian.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "asgi", "--http", self.http, "--no-ws"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--ssl-certificate", str(self.pem), "--ssl-keyfile", str(self.folder / "key.pem"), "spoken:app"),
            ],
            cwd=self.folder,
            stdout=self._log,
            stderr=self._log,
        )
        wait_for(self._listening, timeout_s=20)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._log.close()

    def _listening(self) -> bool:
        assert self._process.poll() is None, (self.folder / "granian.log").read_text()
        return (
            b"Listening at" in (self.folder / "granian.log").read_bytes()
            and "Started worker" in (self.folder / "granian.log").read_text()
        )
