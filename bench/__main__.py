"""make bench: measure, and write bench/results.md and bench/results.json."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import checks, fill, kinds, pages, replays
from bench.product import ROOT, Product, machine_speed


def main(parts: list[str]) -> None:
    """Run the named parts, or all: storage, pages, backtest, kinds, checks, mixed."""
    parts = parts or ["storage", "pages", "backtest", "kinds", "checks", "mixed"]
    path = ROOT / "bench" / "results.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    results["machine"] = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "loop_s": round(machine_speed(), 2),
        "measured": datetime.now(UTC).date().isoformat(),
    }
    if "storage" in parts:
        product = Product()
        fill.monitors(product.data, 20, target_port=None, configured=False)
        grown, samples = fill.samples_only(product.data, 20, count=50_000)
        results["storage"] = {"bytes_per_sample": round(grown / samples, 1), "samples": samples}
    if "pages" in parts:
        results["pages"] = pages.measure()
    if "backtest" in parts:
        results["backtest_cpu_s"] = replays.measure()
    if "checks" in parts:
        results["checks"] = [checks.measure(1_000), checks.measure(5_000), checks.measure(5_000, hanging=1_000)]
    if "kinds" in parts:
        results["kinds"] = kinds.measure()
    if "mixed" in parts:
        results["mixed"] = [checks.measure(5_000, hanging=1_000, mixed=True)]
    path.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "bench" / "results.md").write_text(table(results))
    print(table(results))


def table(results: dict[str, Any]) -> str:
    """The figures beside their targets."""
    machine = results["machine"]
    lines = [
        "# What `make bench` measured",
        "",
        f"{machine['measured']}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}, SQLite, embedded Redis. "
        f"The fixed loop took {machine['loop_s']} s of CPU here; divide CPU times by that to compare machines.",
        "",
        "| what | measured | target |",
        "| --- | --- | --- |",
    ]
    if "storage" in results:
        lines.append(f"| bytes on disk per sample | {results['storage']['bytes_per_sample']} | ≤ 25 |")
    if "pages" in results:
        page = results["pages"]
        lines += [
            f"| second start until the first page | {page['start_s']} s | ≤ 4 s |",
            f"| first render of a revision, 100 monitors × 90 days | {page['first_render_ms']} ms CPU | ≤ 50 ms |",
            f"| page on the wire, gzip | {page['page_gzip_kb']} KB ({page['page_kb']} KB plain) | ≤ 15 KB |",
            f"| pages per CPU second from the cache | {page['pages_per_cpu_s']} | ≥ 1,000 |",
            f"| polls per CPU second, nothing new | {page['polls_per_cpu_s']} | ≥ 3,000 |",
            f"| feeds per CPU second, 50 entries | {page['feeds_per_cpu_s']} | ≥ 1,000 |",
        ]
    for rule, cpu_s in results.get("backtest_cpu_s", {}).items():
        lines.append(f"| back-test of a {rule} rule, 30 days every minute | {cpu_s:.2f} s CPU | ≤ 1 s |")
    for kind, cpu_ms in results.get("kinds", {}).items():
        lines.append(f"| one look of the type {kind}, the probe alone | {cpu_ms:.2f} ms CPU | |")
    for row in results.get("checks", []) + results.get("mixed", []):
        name = f"{row['monitors']:,} {'mixed ' if row.get('mixed') else ''}monitors" + (
            f", {row['hanging']:,} of them hang" if row["hanging"] else ""
        )
        lines += [
            f"| {name}: CPU per check, everything included | {row['cpu_ms_per_check']:.2f} ms | ≤ 1.0 ms |",
            f"| {name}: start lateness p50 / p99 / max | {row['lateness_p50_ms']} / {row['lateness_p99_ms']} / {row['lateness_max_ms']} ms "
            "| p99 < 2 s |",
            f"| {name}: checks in {checks.MEASURE_S} s | {row['checks']:,} of {row['expected']:,} | all |",
            f"| {name}: memory of all processes (PSS) | {row['pss_mb']:.0f} MB | ≤ 400 MB |",
        ]
    return "\n".join(lines) + "\n"


def _cpu() -> str:
    with Path("/proc/cpuinfo").open() as file:
        return next(
            (line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine()
        )


if __name__ == "__main__":
    main(sys.argv[1:])
