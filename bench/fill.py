"""Databases for measurements, filled in bulk."""

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from kener.app import create_app
from kener.cli.migrate import upgrade
from kener.db import transaction
from kener.domain.specs import MonitorType, parse_spec
from kener.domain.status import Status
from kener.models import AlertConfiguration, Daily, Hourly, Monitor, MonitorState, Sample, configuration_monitor
from kener.settings import Settings


def app_on(data: Path) -> Any:
    settings = Settings.from_env({"KENER_DATA_DIR": str(data)})
    upgrade(settings)
    return create_app(settings, web=False)


MIX = ("API", "API", "API", "API", "TCP", "TCP", "PING", "UDP", "DNS", "NONE")
"""The types of ten monitors in a mixed run."""


def _settings(kind: str, port: int, *, hangs: bool) -> dict[str, Any]:
    """Settings that lead to the targets of `bench.target`; one that hangs gets no answer within its 10 s."""
    at = {"host": "127.0.0.1", "port": port, "timeout": 10_000}
    match kind:
        case "TCP":
            return {"hosts": [at]} | ({"expect": "never said"} if hangs else {})
        case "PING":
            return {"hosts": [{"host": "127.0.0.1", "count": 1}]}
        case "UDP":
            return {
                "host": "127.0.0.1",
                "port": port + (4 if hangs else 2),
                "timeout": 10_000,
                "send": "a",
                "expect": "a",
            }
        case "DNS":
            server = {"nameServer": "127.0.0.1", "nameServerPort": port + (4 if hangs else 3)}
            return {"host": "example.com", "values": ["192.0.2.1"], "timeout": 10_000, **server}
        case "NONE":
            return {"overrideWithLastKnownStatus": True}
    return {"url": f"http://127.0.0.1:{port}/{'hang' if hangs else 'ok'}", "timeout": 10_000}


def monitors(
    data: Path,
    number: int,
    *,
    target_port: int | None,
    hanging: int = 0,
    configured: bool = True,
    mixed: bool = False,
) -> None:
    """`number` monitors every minute, spread over it, each watched by one configuration; the first `hanging` never answer.

    All of HTTP, or `mixed`.
    """
    now = int(time.time())
    with app_on(data).app_context(), transaction() as session:
        rows, states = [], []
        for i in range(number):
            kind = MonitorType(MIX[i % len(MIX)]) if mixed else MonitorType.API
            spec = parse_spec(kind, _settings(kind, target_port or 9, hangs=i < hanging))
            monitor = Monitor(id=i + 1, tag=f"m{i:05}", name=f"Monitor {i:05}", monitor_type=kind, interval_seconds=60)
            due = monitor.schedule.next_after(now + 5, key=monitor.tag) if target_port else None
            rows.append(
                {
                    "id": i + 1,
                    "tag": monitor.tag,
                    "name": monitor.name,
                    "monitor_type": kind,
                    "type_data": spec.model_dump(mode="json", exclude_none=True),
                    "interval_seconds": 60,
                    "category_name": "Bench",
                    "is_active": True,
                    "is_hidden": False,
                    "position": i,
                    "version": 1,
                    "default_status": Status.UP,
                }
            )
            told = 1 if kind is MonitorType.NONE else 0
            states.append({"monitor_id": i + 1, "due_at": due, "slow": False, "status_code": told, "span_s": 0})
        session.execute(insert(Monitor), rows)
        session.execute(insert(MonitorState), states)
        if configured:
            configuration = AlertConfiguration(id=1, alert_for="STATUS", alert_value="DOWN", create_incident=True)
            session.add(configuration)
            session.flush()
            session.execute(
                insert(configuration_monitor), [{"config_id": 1, "monitor_id": i + 1} for i in range(number)]
            )


def history(data: Path, number: int, *, days: int = 90) -> None:
    """Days, hours and a last day of samples for monitors that exist, some of them with trouble."""
    chance = random.Random(3)
    today = datetime.now(UTC).date()
    now = int(time.time())
    with app_on(data).app_context():
        for monitor_id in range(1, number + 1):
            daily, hourly = [], []
            for back in range(days):
                down = chance.choice([0] * 30 + [180, 1_200])
                degraded = chance.choice([0] * 25 + [600])
                base = {
                    "down_s": down,
                    "degraded_s": degraded,
                    "up_s": 86_400 - down - degraded,
                    "samples": 1_440,
                    "latency_n": 1_440,
                }
                latency = {"latency_sum": 1_440 * 120, "latency_min": 80, "latency_max": 900}
                daily.append({"monitor_id": monitor_id, "day": today - timedelta(days=back), **base, **latency})
            for back in range(48):
                hour = now - now % 3_600 - back * 3_600
                counts = {"down_s": 0, "degraded_s": 0, "up_s": 3_600, "samples": 60, "latency_n": 60}
                hourly.append(
                    {
                        "monitor_id": monitor_id,
                        "hour": hour,
                        **counts,
                        "latency_sum": 7_200,
                        "latency_min": 90,
                        "latency_max": 200,
                    }
                )
            samples = [
                {"monitor_id": monitor_id, "at": at, "status": 1, "latency_ms": chance.randint(80, 300), "span_s": 60}
                for at in range(now - 86_400, now, 60)
            ]
            with transaction() as session:
                session.execute(insert(Daily), daily)
                session.execute(insert(Hourly), hourly)
                session.execute(insert(Sample), samples)
                state = session.get_one(MonitorState, monitor_id)
                state.at, state.status_code, state.span_s, state.since, state.latency_ms = (
                    now - 30,
                    1,
                    60,
                    now - 86_400,
                    120,
                )


def samples_only(data: Path, number: int, *, count: int) -> tuple[int, int]:
    """Write `count` samples a monitor by the live code path's own table; returns `(bytes added, samples)`."""
    path = data / "kener.db"
    now = int(time.time())
    with app_on(data).app_context():
        before = _size(path)
        for monitor_id in range(1, number + 1):
            rows = [
                {"monitor_id": monitor_id, "at": now - i * 60, "status": 1, "latency_ms": 100 + i % 200, "span_s": 60}
                for i in range(count, 0, -1)
            ]
            with transaction() as session:
                session.execute(insert(Sample), rows)
        after = _size(path)
    return after - before, number * count


def _size(path: Path) -> int:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    return int(pages) * int(size)
