"""Named secrets in settings: `$NAME` or `${NAME}` stands for a value, `$$NAME` for itself.

A name is taken whole, so that `$API` is never found inside `$API_KEY`. A value is put in as it is: it is not searched again, and nothing in
it means anything. Names that nobody knows stay as they stand.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACE = re.compile(
    r"\$(?P<escaped>\$(?=[A-Za-z_{]))?(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<bare>[A-Za-z_][A-Za-z0-9_]*))"
)
HIDDEN_FROM = 4
"""Shorter values are not searched for in texts: every other word would have them in it."""


def names_in(value: Any) -> set[str]:
    """The names that stand in a text, or anywhere in a list or object."""
    match value:
        case str():
            return {_name(found) for found in _PLACE.finditer(value) if not found["escaped"]} if "$" in value else set()
        case Mapping():
            return set().union(*map(names_in, value.values()))
        case list() | tuple():
            return set().union(*map(names_in, value))
    return set()


def put_in(value: Any, values: Mapping[str, str]) -> Any:
    """The same text, list or object with the values in it."""
    match value:
        case str():
            return replaced(value, lambda name: values.get(name)) if "$" in value else value
        case Mapping():
            return {key: put_in(one, values) for key, one in value.items()}
        case list():
            return [put_in(one, values) for one in value]
    return value


def replaced(text: str, value_of: Callable[[str], str | None]) -> str:
    """A text with what `value_of` knows in place of the names."""

    def one(found: re.Match[str]) -> str:
        if found["escaped"]:
            return found[0][1:]
        value = value_of(_name(found))
        return found[0] if value is None else value

    return _PLACE.sub(one, text)


def hide(text: str, values: Mapping[str, str]) -> str:
    """A text for people, with the names again where the values stood."""
    for name, value in sorted(values.items(), key=lambda pair: len(pair[1]), reverse=True):
        if len(value) >= HIDDEN_FROM:
            text = text.replace(value, f"${name}")
    return text


def used_by(names: Iterable[str], things: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    """Which things (label, settings) use each of these names."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for label, settings in things:
        for name in names_in(settings) & found.keys():
            found[name].append(label)
    return found


def _name(found: re.Match[str]) -> str:
    return found["braced"] or found["bare"]
