"""CPU of one look by type: the probe alone, against local targets in another process."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.product import ROOT, free_ports
from kener.domain.specs import MonitorType, parse_spec
from kener.domain.status import Status
from kener.probes import PROBES, Target

LOOKS = 300


def settings(port: int, folder: Path) -> dict[MonitorType, dict[str, Any]]:
    """Settings of each type that leads to the targets on `port` and those after it."""
    at = {"host": "127.0.0.1", "port": port, "timeout": 5_000}
    return {
        MonitorType.API: {"url": f"http://127.0.0.1:{port}/ok"},
        MonitorType.TCP: {"hosts": [at]},
        MonitorType.PING: {"hosts": [{"host": "127.0.0.1", "count": 1}]},
        MonitorType.SSL: {"host": "127.0.0.1", "port": port + 1, "allowSelfSignedCert": True},
        MonitorType.UDP: {"host": "127.0.0.1", "port": port + 2, "send": "ping", "expect": "ping"},
        MonitorType.DNS: {
            "host": "example.com",
            "nameServer": "127.0.0.1",
            "nameServerPort": port + 3,
            "values": ["192.0.2.1"],
        },
        MonitorType.SQL: {"connectionString": f"sqlite:///{folder / 'some.db'}", "query": "SELECT 1"},
    }


def measure() -> dict[str, float]:
    """Milliseconds of CPU of this process for one look, by type."""
    import sqlite3

    port = free_ports(5)
    target = subprocess.Popen([sys.executable, "-m", "bench.target", str(port)], cwd=ROOT)
    found = {}
    try:
        time.sleep(2)
        with tempfile.TemporaryDirectory() as folder:
            sqlite3.connect(Path(folder) / "some.db").execute("CREATE TABLE t (x)").connection.close()
            for kind, data in settings(port, Path(folder)).items():
                spec = parse_spec(kind, data)
                list(PROBES[kind].probe([Target(0, spec)]))
                targets = [Target(number, spec) for number in range(LOOKS)]
                before = _cpu_s()
                seen = [reading for _, reading in PROBES[kind].probe(targets)]
                used = _cpu_s() - before
                bad = [one for one in seen if one is None or one.status is not Status.UP]
                assert not bad, f"{kind}: {bad[0]}"
                found[kind.value] = round(1000 * used / LOOKS, 2)
    finally:
        target.terminate()
        target.wait(timeout=10)
    return found


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
