"""Message templates: Mustache, with values escaped for where they stand."""

import html
import json
from collections.abc import Callable, Mapping
from enum import Enum

import pystache
from pystache.parser import ParsingError, parse

MAX_LENGTH = 20_000


class Place(Enum):
    """Where a value stands, and so how it is escaped."""

    JSON = "json"
    HTML = "html"
    PLAIN = "plain"


def render(template: str, variables: Mapping[str, str | int | bool | None], *, place: Place) -> str:
    """Fill in a template; an unknown or empty variable leaves nothing behind. Raises ValueError for a broken template."""
    mistake = check(template)
    if mistake:
        raise ValueError(mistake)
    renderer = pystache.Renderer(escape=_ESCAPE[place], missing_tags="ignore", file_extension=False, search_dirs=[])
    return str(renderer.render(template, {name: _value(value, place) for name, value in variables.items()}))


def check(template: str) -> str | None:
    """The first mistake of a template with its place, or None."""
    if len(template) > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    if "{{>" in template.replace(" ", ""):
        return f"Line {_line(template, template.find('{{'))}: a template cannot include another one."
    try:
        parse(template)
    except ParsingError as error:
        return f"The template is not well formed: {error}."
    opened, closed = template.count("{{"), template.count("}}")
    if opened != closed:
        return f"Line {_line(template, template.rfind('{{'))}: a variable is opened and not closed."
    return None


def _value(value: str | int | bool | None, place: Place) -> object:
    if value is None:
        return "null" if place is Place.JSON else ""
    return value


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _plain(text: str) -> str:
    return text


_ESCAPE: dict[Place, Callable[[str], str]] = {Place.JSON: _json, Place.HTML: html.escape, Place.PLAIN: _plain}


def _line(template: str, position: int) -> int:
    return template.count("\n", 0, max(position, 0)) + 1
