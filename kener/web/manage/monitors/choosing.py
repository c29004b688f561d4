"""The choice of monitors in the monitor form: a group's members with their weights, and what a monitor depends on; and the live preview."""

from collections.abc import Mapping
from typing import Any

from flask import request
from pydantic import ValidationError

from kener.db import db
from kener.domain.groups import Strategy
from kener.domain.inputs import mistakes
from kener.domain.specs import MonitorType
from kener.domain.specs.group import GroupSpec
from kener.queries import groups as rows
from kener.web.manage.forms import Form, flattened
from kener.web.manage.monitors.controls import controls

MEMBERS, WEIGHT, PARENTS = "members", "weight-", "parent_tags"


def members(form: Form) -> list[dict[str, str]]:
    """The ticked members; a weight that was left empty is 1."""
    tags = dict.fromkeys(form.getlist(MEMBERS))
    return [{"tag": tag, "weight": form.get(f"{WEIGHT}{tag}", "").strip() or "1"} for tag in tags]


def parents(form: Form) -> list[str]:
    """The ticked parents."""
    return list(dict.fromkeys(form.getlist(PARENTS)))


def given(form: Form) -> dict[str, Any]:
    """A group's settings as raw input for its schema."""
    made = {name: control.given(form) for name, control in controls(MonitorType.GROUP).items()}
    return {name: value for name, value in made.items() if value is not None} | {"monitors": members(form)}


def named(errors: Mapping[str, str], form: Form) -> dict[str, str]:
    """Errors of members by their tags instead of their numbers: `type_data.monitors.2.weight` → `monitors`."""
    found, tags = dict[str, str](), [one["tag"] for one in members(form)]
    for name, text in errors.items():
        head, _, rest = name.partition("monitors.")
        number = rest.partition(".")[0]
        if number.isdigit() and int(number) < len(tags):
            name, text = f"{head}monitors", f"{tags[int(number)]}: {text}"
        found.setdefault(name, text)
    return found


def preview(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a group with these raw settings would be now, or what is wrong with them."""
    raw = {name: value for name, value in settings.items() if value not in (None, "")}
    try:
        spec = GroupSpec.model_validate(raw)
    except ValidationError as error:
        return {"standing": None, "problems": list(flattened(mistakes(error)).values())}
    if flaws := spec.flaws():
        return {"standing": None, "problems": list(flaws.values())}
    return {"standing": rows.draft(db.session(), spec), "problems": []}


def telling(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a group that say something under its strategy; its members stand in a list of their own."""
    strategy = data.get("strategy")
    silent = {"monitors", "executionDelay"}
    silent |= set() if strategy == Strategy.QUORUM else {"quorum"}
    silent |= set() if strategy in (Strategy.PERCENT, Strategy.WEIGHTED) else {"degraded_below", "down_below"}
    return {name: _short(value) for name, value in data.items() if name not in silent}


def shown(kind: MonitorType, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the form's template needs for choosing: every monitor, the weights of chosen members, and the preview of a group."""
    own = fields.get("tag") or request.form.get("saved_tag", "") or (request.view_args or {}).get("tag", "")
    found: dict[str, Any] = {"options": rows.options(db.session(), without=own), "weights": {}, "preview": None}
    if kind is MonitorType.GROUP:
        chosen = fields.get("monitors") or []
        found["weights"] = {one["tag"]: _short(one.get("weight", 1)) for one in chosen if "tag" in one}
        found["preview"] = preview({name: fields.get(name) for name in controls(kind)})
    return found


def _short(value: Any) -> str:
    """`1.0` is 1."""
    return f"{value:g}" if isinstance(value, float) else str(value)
