"""A type's settings as form controls, made from its schema: labels, help, units and choices are said once, there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kener.domain.specs import SPECS, Header, MonitorType, Spec
from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import is_sealed
from kener.web.manage.forms import Form, pairs

REMOVED = "-"
"""What the first choice of an ordered row says when the row is to go."""


@dataclass(frozen=True, slots=True)
class Control:
    """How one setting is entered. `kind`: text, number, select, check, textarea, lines (a list, one a line), pairs or rows (`columns`).

    Rows may be `ordered`: their order counts, and each begins with a choice that may be left open, or take the row away.
    """

    name: str
    label: str
    help: str = ""
    kind: str = "text"
    unit: str = ""
    code: bool = False
    height: int = 4
    optional: bool = False
    default: Any = None
    options: tuple[tuple[str, str], ...] = ()
    columns: tuple["Control", ...] = ()
    type: str = "text"
    ordered: bool = False

    def typed(self, form: Form) -> Any:
        """What was typed, for showing a refused form again. Secrets are not shown: False."""
        match self.kind:
            case "check":
                return form.get(self.name) == "true"
            case "pairs":
                return [(row["key"], row["value"]) for row in pairs(form, self.name)]
            case "rows":
                return self._rows(form)
        return False if self.type == "secret" else form.get(self.name, "")

    def given(self, form: Form) -> Any:
        """Raw input for the schema; None: left to its default."""
        match self.kind:
            case "check":
                return form.get(self.name) == "true"
            case "pairs":
                return pairs(form, self.name)
            case "rows":
                return [{name: value for name, value in row.items() if value} for row in self._rows(form)]
            case "lines":
                return [line.strip() for line in form.get(self.name, "").splitlines() if line.strip()]
        text = form.get(self.name, "")
        return text if text.strip() or (self.default is None and not self.optional) else None

    def shown(self, value: Any) -> Any:
        """A stored value, as the form's template takes it; a damaged one as nothing. Of a secret: whether it is set."""
        match self.kind:
            case "pairs":
                rows = value if isinstance(value, list) else []
                return [(str(row.get("key", "")), str(row.get("value", ""))) for row in rows if isinstance(row, dict)]
            case "rows":
                rows = value if isinstance(value, list) else []
                return [{c.name: row.get(c.name) for c in self.columns} for row in rows if isinstance(row, dict)]
            case "lines":
                return "\n".join(str(one) for one in value) if isinstance(value, list) else ""
        return is_sealed(value) if self.type == "secret" else value

    def _rows(self, form: Form) -> list[dict[str, str]]:
        """The rows in which anything was typed or chosen otherwise than in an empty one."""
        columns = [form.getlist(f"{self.name}_{column.name}") for column in self.columns]
        empty = [_word(column.default) for column in self.columns]
        rows = [list(values) for values in zip(*columns, strict=False)]
        names = [column.name for column in self.columns]
        return [
            dict(zip(names, (value.strip() for value in row), strict=True))
            for row in rows
            if row[:1] != [REMOVED] and any(v.strip() and v.strip() != e for v, e in zip(row, empty, strict=True))
        ]


def _word(value: Any) -> str:
    return "" if value is None else str(value)


@lru_cache
def controls(kind: MonitorType) -> Mapping[str, Control]:
    """The controls of a type by the names of its settings."""
    return of(SPECS[kind])


def of(spec: type[BaseModel]) -> dict[str, Control]:
    """The controls of a schema."""
    hidden = spec.NOT_IN_FORM if issubclass(spec, Spec) else frozenset()
    made = {name: _control(name, info) for name, info in spec.model_fields.items() if name not in hidden}
    if issubclass(spec, Spec):
        made |= {name: replace(made[name], type="secret") for name in spec.SECRET & made.keys()}
    if issubclass(spec, AssertedSpec):
        made["assertions"] = _offering(made["assertions"], spec.SOURCES)
    return made


def _offering(control: Control, sources: Sequence[Source]) -> Control:
    """Assertions with the sources that a type has, and no places where none of these has one."""
    offered = tuple((one.value, one.label) for one in sources)
    columns = [replace(column, options=offered) if column.name == "source" else column for column in control.columns]
    if places := [one.place for one in sources if one.place]:
        control = replace(
            control, help=f"{control.help} Beside the source stands the {' or '.join(places)} where there is one."
        )
    return replace(control, columns=tuple(column for column in columns if places or column.name != "path"))


def _control(name: str, info: FieldInfo) -> Control:
    extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    annotation, optional = _plain(info.annotation)
    kind, options, columns = _kind(annotation, extra)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return Control(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        kind=kind,
        unit=extra.get("unit", ""),
        code=bool(extra.get("code")),
        height=extra.get("rows", 4),
        optional=optional or default == "",
        default=default,
        options=options,
        columns=columns,
        type=extra.get("type", "text"),
        ordered=bool(extra.get("ordered")),
    )


def _plain(annotation: Any) -> tuple[Any, bool]:
    """A type without the wrapping of `Annotated` and `| None`, and whether it may be left out."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        inner = [one for one in get_args(annotation) if one is not NoneType]
        return _plain(inner[0])[0], len(inner) < len(get_args(annotation))
    return annotation, False


def _kind(annotation: Any, extra: dict[str, Any]) -> tuple[str, tuple[tuple[str, str], ...], tuple[Control, ...]]:
    words: dict[str, str] = extra.get("options", {})
    if annotation is bool:
        return "check", (), ()
    if annotation in (int, float):
        return "number", (), ()
    if annotation is str and words:
        return "select", tuple(words.items()), ()
    if get_origin(annotation) is Literal:
        return "select", tuple((str(one), words.get(str(one), str(one))) for one in get_args(annotation)), ()
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "select", tuple((one.value, words.get(one.value, one.value)) for one in annotation), ()
    if get_origin(annotation) is list:
        item = _plain(get_args(annotation)[0])[0]
        if item is Header:
            return "pairs", (), ()
        if isinstance(item, type) and issubclass(item, BaseModel):
            return "rows", (), tuple(of(item).values())
        return "lines", (), ()
    return ("textarea" if "rows" in extra else "text"), (), ()


def summary(kind: MonitorType, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is set, as labels and values, for the page of a monitor; lists and long texts are counted."""
    found, idle = [], SPECS[kind].idle(data) if kind in SPECS else frozenset()
    for name, control in controls(kind).items() if kind in SPECS else ():
        value = data.get(name)
        if control.type == "secret" or control.kind == "check" or value in (None, "", []) or name in idle:
            continue
        if isinstance(value, list):
            plain = all(isinstance(one, str | int) for one in value)
            text = ", ".join(str(one) for one in value) if plain else f"{len(value)}"
        else:
            text = dict(control.options).get(str(value), str(value))
        found.append((control.label, f"{text} {control.unit}".strip()))
    return found
