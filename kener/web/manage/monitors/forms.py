"""The monitor form: fields into raw input for `MonitorInput`, and a monitor back into fields."""

import re
from typing import Any

from kener.domain.inputs import MonitorInput, check
from kener.domain.specs import ApiSpec, HeartbeatSpec, MonitorType, NoneSpec
from kener.models import Monitor
from kener.web.manage.forms import Form, differing, flattened, given, pairs, ticked

METHODS = [(name, name) for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")]
_COMMON = ("tag", "name", "description", "external_url", "category_name", "interval_seconds", "cron", "default_status")
_API_FIELDS = (
    "url",
    "method",
    "body",
    "timeout",
    "max_redirects",
    "accepted_status_codes",
    "degraded_latency_ms",
    "down_latency_ms",
)
_HEARTBEAT_FIELDS = ("degradedRemainingMinutes", "downRemainingMinutes")


def defaults(kind: MonitorType) -> dict[str, Any]:
    """The fields of an empty form."""
    settings: dict[str, Any] = {}
    match kind:
        case MonitorType.API:
            settings = ApiSpec(url="https://example.com").model_dump(mode="json") | {"url": ""}
        case MonitorType.HEARTBEAT:
            settings = HeartbeatSpec().model_dump(mode="json")
        case MonitorType.NONE:
            settings = NoneSpec().model_dump(mode="json")
    settings["headers"] = []
    return {
        "monitor_type": kind.value,
        "tag": "",
        "name": "",
        "description": "",
        "external_url": "",
        "category_name": "Home",
        "interval_seconds": 60,
        "cron": "",
        "default_status": "UP",
        "is_active": True,
        "is_hidden": False,
        **settings,
    }


def fields_of(monitor: Monitor) -> dict[str, Any]:
    """A stored monitor as fields; settings that were damaged stay readable as far as they go."""
    data = monitor.type_data if isinstance(monitor.type_data, dict) else {}
    headers = data.get("headers")
    rows = [(str(h.get("key", "")), str(h.get("value", ""))) for h in headers or [] if isinstance(h, dict)]
    # A type that is not known any more is chosen anew; until then nothing is checked.
    kind = monitor.monitor_type if monitor.monitor_type in set(MonitorType) else MonitorType.NONE
    return {
        **defaults(kind),
        **{name: getattr(monitor, name) for name in (*_COMMON, "is_active", "is_hidden")},
        **{name: value for name, value in data.items() if name != "headers"},
        "headers": rows,
    }


def fields_from(form: Form) -> dict[str, Any]:
    """What was typed, for showing a refused form again."""
    names = ("follow_redirects", "allowSelfSignedCert", "is_active", "is_hidden", "overrideWithLastKnownStatus")
    return {
        **{name: form.get(name, "") for name in (*_COMMON, *_API_FIELDS, *_HEARTBEAT_FIELDS, "monitor_type")},
        **ticked(form, *names),
        "headers": [(row["key"], row["value"]) for row in pairs(form, "headers")],
    }


def read(
    form: Form, *, tag: str | None = None, saved: Monitor | None = None
) -> tuple[MonitorInput | None, dict[str, str]]:
    """The checked input, or errors by field. A new monitor without a tag gets one from its name; a saved one keeps what the form lacks."""
    kind = form.get("monitor_type", "")
    kept = {"image": saved.image, "default_status": saved.default_status} if saved else {}
    raw: dict[str, Any] = {name: value for name, value in kept.items() if value} | given(form, *_COMMON)
    if form.get("interval_seconds", "").strip() and form.get("cron", "").strip():
        raw.pop("interval_seconds")
    raw["tag"] = tag or raw.get("tag") or tag_from(raw.get("name", ""))
    raw["name"] = form.get("name", "")
    raw["monitor_type"] = kind
    raw["is_hidden"] = form.get("is_hidden") == "true"
    raw["status"] = "ACTIVE" if form.get("is_active") == "true" else "INACTIVE"
    raw["type_data"] = _settings(kind, form)
    checked, errors = check(MonitorInput, raw)
    if "tag" in errors and not form.get("tag", "").strip():
        errors.pop("tag")
        if "name" not in errors:
            errors["tag"] = "No tag can be made from this name. Choose one of small letters and digits."
    return checked, flattened(errors, "type_data")


def newer_than(form: Form, monitor: Monitor) -> dict[str, tuple[str, str]]:
    """What is saved now and what was typed, where they differ. Fields that the form did not have, and headers, are left out."""
    saved, typed = fields_of(monitor), fields_from(form)
    return differing(
        saved, {name: value for name, value in typed.items() if name in form or isinstance(saved.get(name), bool)}
    )


def _settings(kind: str, form: Form) -> dict[str, Any]:
    match kind:
        case "API":
            chosen: dict[str, Any] = given(form, *_API_FIELDS)
            chosen["url"] = form.get("url", "")
            return (
                chosen | ticked(form, "follow_redirects", "allowSelfSignedCert") | {"headers": pairs(form, "headers")}
            )
        case "HEARTBEAT":
            return given(form, *_HEARTBEAT_FIELDS)
        case "NONE":
            return ticked(form, "overrideWithLastKnownStatus")
    return {}


def tag_from(name: str) -> str:
    """A tag made from a name: `Payment API (EU)` → `payment-api-eu`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:255]
