"""Reading out of a text: patterns, JSON paths and CSS selectors, each with bounded cost whatever the text or the question.

Patterns are RE2: linear time. JSON paths are those of RFC 9535 without functions, unions and queries of the whole document inside filters,
and with `..` once at most, so that no part of a document is visited more than once for each step. Selectors have no functions that look
around. The libraries are loaded when they are first needed: web pages and the scheduler do without.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any

MAX_TEXT = 262_144
"""Characters that a pattern is searched in."""
MAX_DOCUMENT = 262_144
"""Characters of a document that is read as JSON or HTML."""
MAX_FOUND = 100
MAX_STEPS = 20
_MAX_DEPTH = 40
_MAX_LOOKS = 4
_PATTERN_MEMORY = 131_072
_MAX_ELEMENTS = 10_000
"""Elements that stand in each other take time by the square of their number; 10,000 take a tenth of a second."""
_QUICK_FUNCTION = re.compile(r":(?:not\([^\s()>+~,:]*\)|nth-(?:last-)?(?:child|of-type)\([0-9n+\- ]*\))", re.IGNORECASE)


class Unreadable(Exception):
    """What was asked for cannot be read out of this text; says why."""


class Absent(Unreadable):
    """There is no such document at all, so that every place in it is missing."""


@dataclass(slots=True)
class Document:
    """A text that is taken apart at most once as each kind."""

    text: str
    _json: Any = None
    _html: Any = None
    _fault: Unreadable | None = None

    def json(self, path: str) -> list[Any]:
        """The values at a path, at most MAX_FOUND. Raises Unreadable."""
        from jsonpath import JSONPathError

        if self._fault is not None:
            raise self._fault
        if self._json is None:
            try:
                self._json = (_loaded(self.text),)
            except Unreadable as fault:
                self._fault = fault
                raise
        try:
            compiled = _path(path)
            return [found.obj for found, _ in zip(compiled.finditer(self._json[0]), range(MAX_FOUND), strict=False)]
        except (JSONPathError, RecursionError, ValueError, TypeError) as error:
            raise Unreadable(f"the path cannot be followed here: {_first_line(error)}") from None

    def html(self, selector: str) -> list[str]:
        """The texts of the elements that a selector finds, blanks in them made one. Raises Unreadable."""
        from selectolax.lexbor import LexborHTMLParser, SelectolaxError

        if len(self.text) > MAX_DOCUMENT or self.text.count("<") - self.text.count("</") > _MAX_ELEMENTS:
            raise Unreadable("the body is too large to be read as HTML")
        try:
            if self._html is None:
                self._html = LexborHTMLParser(self.text.encode(errors="replace"))
            found = self._html.css(selector)[:MAX_FOUND]
            return [" ".join(one.text(deep=True, separator=" ").split()) for one in found]
        except (SelectolaxError, ValueError, RuntimeError) as error:
            raise Unreadable(f"the body cannot be read as HTML: {_first_line(error)}") from None


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found somewhere in a text. Raises Unreadable."""
    import re2

    if len(text) > MAX_TEXT:
        raise Unreadable("the text is too long to be searched")
    try:
        # Bytes, because lone surrogates (which JSON can hold) are no text to RE2.
        return _pattern(pattern).search(text.encode(errors="replace")) is not None
    except re2.error as error:
        raise Unreadable(f"the pattern cannot be used: {_first_line(error)}") from None


def number(value: Any) -> Decimal | None:
    """A number as it is, or written in a text; None for everything else, infinities among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        found = Decimal(value.strip() if isinstance(value, str) else str(value))
    except (DecimalException, ValueError):
        return None
    return found if found.is_finite() and abs(found.adjusted()) < 1_000 else None


def mistake_in_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, for the one who wrote it."""
    import re2

    try:
        _pattern(pattern)
    except re2.error as error:
        return f"This is no RE2 pattern: {_first_line(error)}."
    return None


def mistake_in_path(path: str) -> str | None:
    """What is wrong with a JSON path, and where."""
    from jsonpath import JSONPathError

    try:
        _path(path)
    except JSONPathError as error:
        where = f" at character {error.token.index + 1}" if error.token and error.token.index >= 0 else " at its end"
        hint = " Begin with $, for instance $.status." if not path.startswith("$") else ""
        return f"This is no JSON path: {_words(error)}{where}.{hint}"
    except (RecursionError, ValueError) as error:
        return str(error) if isinstance(error, _TooMuch) else "This JSON path cannot be read."
    return None


def mistake_in_selector(selector: str) -> str | None:
    """What is wrong with a CSS selector."""
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    if any(one in _QUICK_FUNCTION.sub("", selector) for one in "(~"):
        return "A selector here has no ~ and no functions but :not(…) of one name and :nth-child(…): others may take too long."
    try:
        LexborHTMLParser("<p></p>").css(selector)
    except (SelectolaxError, ValueError):
        return "This is no CSS selector, for instance: h1.title, #state, main > p."
    return None


class _TooMuch(ValueError):
    """A JSON path that is right, and more than we follow."""


def _loaded(text: str) -> Any:
    if len(text) > MAX_DOCUMENT:
        raise Unreadable("the body is too large to be read as JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Absent("the body is not JSON" if text.strip() else "the body is empty") from None


@lru_cache(maxsize=512)
def _path(path: str) -> Any:
    from jsonpath.selectors import Filter, IndexSelector, NameSelector, SliceSelector, WildcardSelector

    compiled = _environment().compile(path)
    if len(compiled.segments) > MAX_STEPS:
        raise _TooMuch(f"A JSON path has at most {MAX_STEPS} steps.")
    if sum(type(one).__name__ == "JSONPathRecursiveDescentSegment" for one in compiled.segments) > 1:
        raise _TooMuch("A JSON path may have .. once at most.")
    for segment in compiled.segments:
        if len(segment.selectors) > 1:
            raise _TooMuch("A JSON path may have only one thing between [ and ].")
        for selector in segment.selectors:
            if isinstance(selector, Filter):
                _check_filter(selector.expression)
                if path.count("@") > _MAX_LOOKS:
                    raise _TooMuch(f"The filters of a JSON path may look at {_MAX_LOOKS} places at most.")
            elif not isinstance(selector, IndexSelector | NameSelector | SliceSelector | WildcardSelector):
                raise _TooMuch("This JSON path has something in it that cannot be used here.")
    return compiled


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jsonpath import JSONPathEnvironment

    class Bounded(JSONPathEnvironment):
        max_recursion_depth = _MAX_DEPTH

    return Bounded(strict=True)


def _check_filter(expression: Any) -> None:
    """Comparisons, `!`, `&&` and `||` of literals and of single places below the element in question."""
    from jsonpath import filter as parts

    plain = (
        parts.FilterExpression,
        parts.InfixExpression,
        parts.PrefixExpression,
        parts.FilterExpressionLiteral,
        parts.Nil,
    )
    if isinstance(expression, parts.CachingFilterExpression):
        return _check_filter(expression._expr)
    if isinstance(expression, parts.RelativeFilterQuery):
        if not expression.path.singular_query():
            raise _TooMuch("A filter in a JSON path may look at single places only, for instance @.name.")
        return None
    if not isinstance(expression, plain):
        raise _TooMuch("A filter in a JSON path may only compare, for instance [?@.name == 'db'].")
    for child in expression.children():
        _check_filter(child)
    return None


def _pattern(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _PATTERN_MEMORY
    return re2.compile(pattern.encode(errors="replace"), options)


def _words(error: Any) -> str:
    return str(error.message).replace("TOKEN_", "").strip() or "it cannot be read"


def _first_line(error: object) -> str:
    text = error.args[0] if isinstance(error, Exception) and error.args else error
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return (str(text).splitlines() or [""])[0][:200]
