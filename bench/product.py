"""A running product for a measurement, and what its processes cost."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(number: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + number):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(type=kind) as probe:
                        probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@dataclass
class Product:
    """`kener up` on a data folder of its own."""

    data: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="kener-bench-")))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if re.match(r"^(PATH|HOME|LANG|PYTHON.*)$", name)}
        return kept | {
            "KENER_DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "KENER_ALLOW_PRIVATE_TARGETS": "1",
            "KENER_LOG_LEVEL": "WARNING",
        }

    def start(self) -> float:
        """Start; returns the seconds until the first page was there."""
        begun = time.monotonic()
        log = (self.data / "up.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kener.cli", "up"], cwd=ROOT, env=self.env, stdout=log, stderr=log
        )
        while time.monotonic() - begun < 60:
            try:
                with urllib.request.urlopen(f"{self.url}/", timeout=5) as answer:
                    answer.read()
                return time.monotonic() - begun
            except OSError:
                time.sleep(0.02)
        raise RuntimeError((self.data / "up.log").read_text()[-4000:])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def tree(self) -> list[psutil.Process]:
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by role."""
        totals: dict[str, float] = {}
        for process in self.tree():
            times = process.cpu_times()
            role = role_of(process)
            totals[role] = totals.get(role, 0.0) + times.user + times.system
        return totals

    def pss_mb(self) -> dict[str, float]:
        """Memory by role: every page divided by those who share it."""
        totals: dict[str, float] = {}
        for process in self.tree():
            role = role_of(process)
            totals[role] = totals.get(role, 0.0) + process.memory_full_info().pss / 1e6
        return totals


def role_of(process: psutil.Process) -> str:
    """What a process of the tree does."""
    words = " ".join(process.cmdline())
    for role in ("redis", "web", "schedule", "checks", "deliveries", "housekeeping", "supervise"):
        if role in words:
            return role
    parent = process.parent()
    return role_of(parent) if parent is not None and "kener" in " ".join(parent.cmdline()) else "other"


def machine_speed() -> float:
    """CPU seconds of a fixed loop: figures of different machines are compared through it."""
    begun = time.process_time()
    total = 0
    for i in range(20_000_000):
        total += i & 7
    return time.process_time() - begun
