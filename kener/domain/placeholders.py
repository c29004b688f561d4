"""Message templates: Mustache, with every value escaped for where it stands.

Variables, sections and inverted sections only: no partials, no other delimiters, no dotted names. `{{x}}` and `{{{x}}}` are the same,
because it is the place of a value that decides how it is written, not the number of braces.
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from urllib.parse import quote_plus

import pystache

MAX_LENGTH = 20_000
MAX_RENDERED = 262_144
_MAX_DEPTH = 20

Value = str | int | bool | None

_TAG = re.compile(r"\{\{(?:\{(?P<bare>.*?)\}\}\}|(?P<kind>[#^/!&>=]?)(?P<name>.*?)\}\})", re.DOTALL)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# pystache takes quadratic time over blanks.
_WIDE_GAP = re.compile(r"[ \t]{201}")
_MARKUP = re.compile(r"([\\`*\[\]<>|~&!#()]|(?<![^\W_])_|_(?![^\W_]))")
# What makes a list, a heading, a rule or a table of a line that begins with it.
_LINE_MARK = re.compile(r"^(?:(?=[-+=:.])|(\d{1,9})(?=\.(?:\s|$)))")
_SLOT = re.compile(r"\x00(\d+)\x00")
_JSON_MARKS = re.compile(r'\\.|"|\x00(\d+)\x00', re.DOTALL)


class Place(Enum):
    """Where a value stands, and so how it is written."""

    JSON = "json"
    HTML = "html"
    FORM = "form"
    MARKDOWN = "markdown"
    PLAIN = "plain"


class Markdown(str):
    """A value that is Markdown itself, written by an operator: it stands as it is where Markdown stands."""

    __slots__ = ()


def place_of(content_type: str) -> Place:
    """The place that a content type makes of a body."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return Place.JSON
    if kind.endswith(("/html", "/xml", "+xml")):
        return Place.HTML
    return Place.FORM if kind == "application/x-www-form-urlencoded" else Place.PLAIN


def render(template: str, variables: Mapping[str, Value], *, place: Place) -> str:
    """Fill in a template. Raises ValueError where it is broken or the result too long.

    An unknown or empty variable leaves nothing behind; outside a JSON string, where nothing would break the text, it is `null`.
    """
    mistake = check(template)
    if mistake:
        raise ValueError(mistake)
    names = sorted({name for _, kind, name in _tags(template) if kind != "!"})
    values = [variables.get(name) for name in names]
    slots = {name: _Slot(number, bool(value)) for number, (name, value) in enumerate(zip(names, values, strict=True))}
    outline = str(pystache.Renderer(escape=str, missing_tags="ignore", search_dirs=[]).render(template, slots))
    return "".join(_bounded(_pieces(outline, values, place)))


def check(template: str) -> str | None:
    """The first mistake of a template with its place ("Line 2, column 5: …"), or None."""
    if len(template) > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    if found := _FORBIDDEN.search(template):
        return _at(template, found.start(), "a control character cannot stand here.")
    if found := _WIDE_GAP.search(template):
        return _at(template, found.start(), "more than 200 blanks in a row.")
    opened: list[tuple[int, str]] = []
    for position, kind, name in _tags(template):
        if mistake := _mistake(kind, name, opened):
            return _at(template, position, mistake)
        if kind in ("#", "^"):
            opened.append((position, name))
        elif kind == "/":
            opened.pop()
    if opened:
        position, name = opened[-1]
        return _at(template, position, f"the section {name} is not closed; add {{{{/{name}}}}}.")
    return None


def _tags(template: str) -> Iterator[tuple[int, str, str]]:
    """`(position, kind, name)` of every tag. The kind `?` stands for one that never ends."""
    position = template.find("{{")
    while position >= 0:
        found = _TAG.match(template, position)
        if found is None:
            yield position, "?", ""
            return
        bare = found["bare"]
        yield position, *((found["kind"], found["name"].strip()) if bare is None else ("&", bare.strip()))
        position = template.find("{{", found.end())


def _mistake(kind: str, name: str, opened: list[tuple[int, str]]) -> str | None:
    match kind:
        case "?":
            return "{{ is opened and not closed with }}."
        case "!":
            return None
        case ">":
            return "a template cannot include another one."
        case "=":
            return "the delimiters {{ and }} cannot be changed."
    if not _NAME.fullmatch(name):
        return f"{name[:40]!r} is no variable name." if name else "a variable name is missing between {{ and }}."
    match kind:
        case "/" if not opened:
            return f"the section {name} is closed, but was not opened."
        case "/" if opened[-1][1] != name:
            return f"the section {name} is closed, but {opened[-1][1]} was opened last."
        case "#" | "^" if len(opened) >= _MAX_DEPTH:
            return f"sections stand at most {_MAX_DEPTH} deep in each other."
    return None


class _Slot:
    """Stands for a value while Mustache works: true or false like it, and printed as a mark that is replaced afterwards."""

    __slots__ = ("_number", "_truth")

    def __init__(self, number: int, truth: bool) -> None:
        self._number = number
        self._truth = truth

    def __bool__(self) -> bool:
        return self._truth

    def __str__(self) -> str:
        return f"\0{self._number}\0"


def _pieces(outline: str, values: list[Value], place: Place) -> Iterator[str]:
    """The text between the marks, and each value as its place demands."""
    inside, done = False, 0
    for found in (_JSON_MARKS if place is Place.JSON else _SLOT).finditer(outline):
        if found[1] is None:
            inside ^= found[0] == '"'
            continue
        yield outline[done : found.start()]
        done, value = found.end(), values[int(found[1])]
        if place is Place.JSON and not inside:
            yield _json_value(value)
        elif place is Place.MARKDOWN and isinstance(value, Markdown):
            yield value
        else:
            yield _WRITE[place](_text(value))
    yield outline[done:]


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_RENDERED:
            raise ValueError(f"The filled-in text is longer than {MAX_RENDERED} characters.")
        yield piece


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _json_value(value: Value) -> str:
    """A value that stands outside quotes: a text that reads as a number is meant as one (`"limit": {{alert_value}}`)."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else _text(value)


def _inside_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _literal(text: str) -> str:
    """Text that Markdown shows as it is, on one line, wherever in a line it stands."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _LINE_MARK.sub(r"\1\\", _MARKUP.sub(r"\\\1", line))


_WRITE: dict[Place, Callable[[str], str]] = {
    Place.JSON: _inside_json,
    Place.HTML: partial(html.escape, quote=True),
    Place.FORM: quote_plus,
    Place.MARKDOWN: _literal,
    Place.PLAIN: str,
}


def _at(template: str, position: int, sentence: str) -> str:
    line = template.count("\n", 0, position) + 1
    column = position - (template.rfind("\n", 0, position) + 1) + 1
    return f"Line {line}, column {column}: {sentence}"
