"""The monitor form: fields into raw input for `MonitorInput`, and a monitor back into fields."""

import re
from typing import Any

from kener.domain.inputs import MonitorInput, check
from kener.domain.specs import SPECS, MonitorType
from kener.domain.specs.base import KEPT, is_sealed
from kener.models import Monitor
from kener.web.manage.forms import Form, differing, flattened, given, ticked
from kener.web.manage.monitors import choosing
from kener.web.manage.monitors.controls import Control, controls

_PATIENCE = ("failure_confirmations", "recovery_confirmations", "retries", "retry_delay_ms")
_COMMON = (
    "tag",
    "name",
    "description",
    "external_url",
    "category_name",
    "interval_seconds",
    "cron",
    "default_status",
    *_PATIENCE,
)


def defaults(kind: MonitorType) -> dict[str, Any]:
    """The fields of an empty form."""
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
        **{name: MonitorInput.model_fields[name].default for name in _PATIENCE},
        "is_active": True,
        "is_hidden": False,
        "labels": "",
        "parent_tags": [],
        **{name: control.shown(_raw(control.default)) for name, control in controls(kind).items()},
    }


def _raw(default: Any) -> Any:
    """A default as it would stand in a stored monitor."""
    if isinstance(default, list):
        return [one.model_dump(mode="json") if hasattr(one, "model_dump") else one for one in default]
    return "" if default is None else _short(default)


def _short(value: Any) -> Any:
    """`90.0` is 90."""
    return f"{value:g}" if isinstance(value, float) else value


def fields_of(monitor: Monitor) -> dict[str, Any]:
    """A stored monitor as fields; settings that were damaged stay readable as far as they go."""
    data = monitor.type_data if isinstance(monitor.type_data, dict) else {}
    # A type that is not known any more is chosen anew; until then nothing is checked.
    kind = monitor.monitor_type if monitor.monitor_type in SPECS else MonitorType.NONE
    return {
        **defaults(kind),
        **{name: getattr(monitor, name) for name in (*_COMMON, "is_active", "is_hidden")},
        "labels": ", ".join(one.label for one in monitor.labels),
        "parent_tags": [parent.tag for parent in monitor.parents],
        **{name: _short(control.shown(data[name])) for name, control in controls(kind).items() if name in data},
    }


def fields_from(form: Form) -> dict[str, Any]:
    """What was typed, for showing a refused form again."""
    return {
        **{name: form.get(name, "") for name in (*_COMMON, "monitor_type", "labels")},
        **ticked(form, "is_active", "is_hidden"),
        **{name: control.typed(form) for name, control in _controls(form).items()},
        "parent_tags": choosing.parents(form),
        **({"monitors": choosing.members(form)} if form.get("monitor_type") == MonitorType.GROUP else {}),
    }


def _controls(form: Form) -> dict[str, Control]:
    kind = form.get("monitor_type", "")
    return dict(controls(MonitorType(kind))) if kind in SPECS else {}


def read(
    form: Form, *, tag: str | None = None, saved: Monitor | None = None
) -> tuple[MonitorInput | None, dict[str, str]]:
    """The checked input, or errors by field. A new monitor without a tag gets one from its name; a saved one keeps what the form lacks."""
    kept = {name: getattr(saved, name) for name in ("image", "default_status", *_PATIENCE)} if saved else {}
    raw: dict[str, Any] = {name: value for name, value in kept.items() if value} | given(form, *_COMMON)
    if form.get("interval_seconds", "").strip() and form.get("cron", "").strip():
        raw.pop("interval_seconds")
    raw["tag"] = tag or raw.get("tag") or tag_from(raw.get("name", ""))
    raw["name"] = form.get("name", "")
    raw["monitor_type"] = form.get("monitor_type", "")
    raw["labels"] = form.get("labels", "")
    raw["is_hidden"] = form.get("is_hidden") == "true"
    raw["status"] = "ACTIVE" if form.get("is_active") == "true" else "INACTIVE"
    settings = {name: control.given(form) for name, control in _controls(form).items()}
    raw["type_data"] = {name: value for name, value in settings.items() if value is not None}
    raw["type_data"] |= {name: KEPT for name in secrets_set(saved, form.get("monitor_type", "")) if not form.get(name)}
    if raw["monitor_type"] == MonitorType.GROUP:
        raw["type_data"]["monitors"] = choosing.members(form)
    raw["parent_tags"] = choosing.parents(form)
    checked, errors = check(MonitorInput, raw)
    if "tag" in errors and not form.get("tag", "").strip():
        errors.pop("tag")
        if "name" not in errors:
            errors["tag"] = "No tag can be made from this name. Choose one of small letters and digits."
    return checked, flattened(choosing.named(errors, form), "type_data", columns=_columns(form))


def secrets_set(saved: Monitor | None, kind: str) -> dict[str, bool]:
    """The secret settings that a saved monitor of this type has."""
    if saved is None or saved.monitor_type != kind or not isinstance(saved.type_data, dict):
        return {}
    return {name: True for name, value in saved.type_data.items() if is_sealed(value)}


def _columns(form: Form) -> dict[str, str]:
    """Words for the columns of rows. Lines in an order of their own say in their errors what they are about."""
    rows = [control for control in _controls(form).values() if control.kind == "rows" and not control.ordered]
    return {f"{control.name}.{column.name}": column.label.lower() for control in rows for column in control.columns}


def newer_than(form: Form, monitor: Monitor) -> dict[str, tuple[str, str]]:
    """What is saved now and what was typed, where they differ. Fields that the form did not have, and rows, are left out."""
    saved, typed = fields_of(monitor), fields_from(form)
    return differing(
        saved,
        {
            name: value
            for name, value in typed.items()
            if (name in form or isinstance(saved.get(name), bool))
            and name not in secrets_set(monitor, monitor.monitor_type)
        },
    )


def tag_from(name: str) -> str:
    """A tag made from a name: `Payment API (EU)` → `payment-api-eu`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:255]
