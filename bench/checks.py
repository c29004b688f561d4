"""CPU per check, lateness and memory with many monitors."""

import sqlite3
import subprocess
import sys
import time
from typing import Any

from bench import fill
from bench.product import ROOT, Product, free_ports

WARM_UP_S = 75
MEASURE_S = 90


def measure(number: int, *, hanging: int = 0, mixed: bool = False) -> dict[str, Any]:
    """Let `number` monitors run, of HTTP or `mixed`; returns figures.

    `hanging` of them never answer; lateness is then that of the others.
    """
    port = free_ports(5)
    target = subprocess.Popen([sys.executable, "-m", "bench.target", str(port)], cwd=ROOT)
    product = Product()
    try:
        fill.monitors(product.data, number, target_port=port, hanging=hanging, mixed=mixed)
        product.start()
        time.sleep(WARM_UP_S)
        cpu_before, samples_before = product.cpu_s(), _samples(product)
        time.sleep(MEASURE_S)
        cpu_after, samples_after = product.cpu_s(), _samples(product)
        used = {role: cpu_after[role] - cpu_before.get(role, 0) for role in cpu_after}
        checks = samples_after - samples_before
        late = _lateness(product, hanging)
        memory = product.pss_mb()
    finally:
        product.stop()
        target.terminate()
        target.wait(timeout=10)
    return {
        "monitors": number,
        "hanging": hanging,
        "mixed": mixed,
        "checks": checks,
        "expected": round(number * MEASURE_S / 60),
        "cpu_ms_per_check": 1000 * sum(used.values()) / checks,
        "cpu_ms_by_role": {role: round(1000 * value / checks, 3) for role, value in used.items()},
        "lateness_p50_ms": late[len(late) // 2],
        "lateness_p99_ms": late[int(len(late) * 0.99)],
        "lateness_max_ms": late[-1],
        "pss_mb": sum(memory.values()),
        "pss_mb_by_role": {role: round(value) for role, value in memory.items()},
    }


def _samples(product: Product) -> int:
    return int(_read(product, "SELECT count(*) FROM sample")[0][0])


def _lateness(product: Product, hanging: int) -> list[int]:
    rows = _read(
        product, f"SELECT lateness_ms FROM monitor_state WHERE lateness_ms IS NOT NULL AND monitor_id > {hanging}"
    )
    return sorted(int(row[0]) for row in rows)


def _read(product: Product, statement: str) -> list[Any]:
    connection = sqlite3.connect(product.data / "kener.db", timeout=30)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
