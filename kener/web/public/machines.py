"""What other machines call: heartbeats, the health check, metrics."""

import sys

from flask import Blueprint, Response, jsonify, request
from flask_limiter.util import get_remote_address
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from kener import __version__
from kener.db import db
from kener.domain.heartbeats import BODY_BYTES, SignalKind
from kener.extensions import csrf, limiter
from kener.queries import health as rows
from kener.services import heartbeats
from kener.services.errors import NotFound
from kener.web.access import public

bp = Blueprint("machines", __name__)

MAX_EXIT_CODE = 255


def _job() -> str:
    """Who calls, and about what: jobs on one machine do not use up each other's calls."""
    return f"{get_remote_address()} {(request.view_args or {}).get('tag')}"


@bp.route("/ext/heartbeat/<tag:tag>:<secret>", methods=["GET", "POST"])
@bp.route("/ext/heartbeat/<tag:tag>:<secret>/<word>", methods=["GET", "POST"])
@bp.route("/ext/heartbeat/<tag:tag>/<secret>", methods=["GET", "POST"])
@bp.route("/ext/heartbeat/<tag:tag>/<secret>/<word>", methods=["GET", "POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("120 per minute", key_func=_job)
@limiter.limit("60 per minute", deduct_when=lambda response: response.status_code == 404)
@public
def heartbeat(tag: str, secret: str, word: str = "success") -> Response:
    """Take a signal: a success, or what the last word of the address says: start, fail, log or an exit code.

    An unknown monitor, a paused one and a wrong secret get the same 404.
    """
    request.max_content_length = sys.maxsize  # however much a job says, its beginning is taken
    said = heartbeats.text_of(request.stream.read(BODY_BYTES))
    if word in set(SignalKind):
        signal = heartbeats.Signal(SignalKind(word), body=said)
    elif word.isascii() and word.isdigit() and int(word[:3]) <= MAX_EXIT_CODE and len(word) <= 3:
        signal = heartbeats.from_exit_code(int(word), said)
    else:
        raise NotFound
    heartbeats.take(tag, secret, signal)
    return jsonify(status="OK")


@bp.get("/healthcheck")
@public
def healthcheck() -> Response:
    """Whether process, database, Redis and scheduler work. 200 always; with `?strict=1`, 503 when something does not."""
    found = rows.health()
    response = jsonify(
        status="ok" if found.is_well else "degraded",
        version=__version__,
        db=found.db,
        redis=found.redis,
        scheduler_lag_s=found.scheduler_lag_s,
    )
    if request.args.get("strict") == "1" and not found.is_well:
        response.status_code = 503
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/metrics")
@public
def metrics() -> Response:
    """Prometheus metrics."""
    found, registry = rows.figures(db.session()), CollectorRegistry()
    by_label = (
        ("kener_monitors", "Active monitors by observed status.", "status", found.monitors),
        ("kener_deliveries", "Deliveries by state.", "state", found.deliveries),
        ("kener_queue_jobs", "Jobs that wait, by queue.", "queue", found.queues),
    )
    for name, about, label, values in by_label:
        gauge = Gauge(name, about, [label], registry=registry)
        for value, number in values.items():
            gauge.labels(value).set(number)
    single = (
        ("kener_monitors_paused", "Monitors that are paused.", found.paused),
        ("kener_alerts_active", "Alerts that are TRIGGERED.", found.active_alerts),
        ("kener_incidents_open", "Incidents that are open.", found.open_incidents),
        ("kener_check_overdue_seconds", "How late the most overdue check is.", found.overdue_s),
        ("kener_check_lateness_milliseconds", "Average lateness of each monitor's newest check.", found.lateness_ms),
    )
    for name, about, amount in single:
        Gauge(name, about, registry=registry).set(amount)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
