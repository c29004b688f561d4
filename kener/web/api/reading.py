"""Requests in: bytes to checked input, in one place. What is wrong is said under the names that the caller used."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, NoReturn, Self, TypeVar

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from kener import clock
from kener.domain.inputs import Input, check
from kener.services.errors import Refused

MAX_ID = 2**31 - 1
MAX_SECONDS = 253_402_300_799
"""The last second of the year 9999."""

SECONDS = "Seconds since 1970, UTC."


def _moment(value: Any) -> Any:
    """Seconds since 1970, as a number or as digits."""
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SECONDS:
        raise ValueError("Give whole seconds since 1970, for instance 1764000000.")
    return clock.at(value)


_SECONDS = {"type": "integer", "minimum": 0, "maximum": MAX_SECONDS, "description": SECONDS}

Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_SECONDS)]
OptionalMoment = Annotated[
    datetime | None, BeforeValidator(_moment), WithJsonSchema(_SECONDS | {"type": ["integer", "null"]})
]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS, description=SECONDS)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Misread(Refused):
    """What was given cannot be read; its errors stand under the caller's own names."""


class Body(Input):
    """Base of every request body: a schema of the domain under the API's field names (aliases).

    `fixed` names fields of the original that mean nothing here: `(what is accepted and ignored, why anything else is refused)`.
    For the document, `notes` and `shown` add descriptions and better schemas, and `shapes` stand in where there are several shapes.
    """

    fixed: ClassVar[Mapping[str, tuple[tuple[Any, ...], str]]] = {}
    notes: ClassVar[Mapping[str, str]] = {}
    shown: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    shapes: ClassVar[Sequence[type[BaseModel]]] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """The checked input. Raises Misread."""
        checked, errors = check(cls, cls.arranged(cls._known(data)))
        if checked is None:
            raise cls.renamed(Refused(errors))
        return checked  # type: ignore[no-any-return]

    @classmethod
    def is_optional(cls) -> bool:
        """Nothing has to be given, so the request needs no body at all."""
        return not any(info.is_required() for info in cls.model_fields.values())

    @classmethod
    def arranged(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The data as the schema wants it."""
        return data

    @classmethod
    def merged(cls, current: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        """What a thing becomes when some of its fields are given anew."""
        return current | changes

    @classmethod
    def public_name(cls, field: str) -> str:
        """What the caller calls a field of the domain."""
        head, dot, rest = field.partition(".")
        info = cls.model_fields.get(head)
        return f"{info.alias if info and info.alias else head}{dot}{rest}"

    @classmethod
    def renamed(cls, refused: Refused) -> Misread:
        """The same refusal under the caller's names."""
        if isinstance(refused, Misread):
            return refused
        return Misread({cls.public_name(field): text for field, text in refused.errors.items()})

    @classmethod
    def _known(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        inside = {cls.public_name(field): field for field in cls.model_fields}
        errors = {
            field: "There is no such field." for name, field in inside.items() if name != field and field in data
        } | {
            name: reason
            for name, (accepted, reason) in cls.fixed.items()
            if name in data and data[name] not in accepted
        }
        if errors:
            raise Misread(errors)
        return {name: value for name, value in data.items() if name not in cls.fixed}


def named(**names: str) -> ConfigDict:
    """The configuration of a body whose fields have other names outside: `start_at="start_date_time"`."""
    return ConfigDict(alias_generator=lambda name: names.get(name, name))


B = TypeVar("B", bound=Body)


class Changes(Generic[B]):
    """The body of a PATCH: some fields of a thing."""

    def __init__(self, kind: type[B], given: dict[str, Any]) -> None:
        self.kind, self.given = kind, given

    def over(self, current: dict[str, Any]) -> B:
        """The whole thing, changed, and checked as if all of it had been given. Raises Refused."""
        return self.kind.read(self.kind.merged(current, self.given))


class Paging(Input):
    """Which part of a list."""

    page: Annotated[int, Field(ge=1, le=1_000_000, description="Which page, from 1.")] = 1
    limit: Annotated[int, Field(ge=1, le=1000, description="How many on a page.")] = 100


def read_query(kind: type[Input]) -> Any:
    """The checked query string. Raises Refused: also for a parameter that is unknown or given twice."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise Refused(dict.fromkeys(twice, "Give this once."))
    checked, errors = check(kind, request.args.to_dict())
    if checked is None:
        raise Refused(errors)
    return checked


def is_empty() -> bool:
    """The request has no body, and does not speak of one."""
    return not request.mimetype and not request.content_length and "Transfer-Encoding" not in request.headers


def read_object() -> dict[str, Any]:
    """The JSON object of the request: 415 for another type, 413 when too large, 400 for what is no JSON object, 422 for NUL in text."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        text = request.get_data(cache=False).decode("utf-8")
        data = json.loads(text, parse_constant=_no_constant)
        places = _places_of_nul(data) if "\\u0000" in text else []
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8.") from None
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise BadRequest("Send a JSON object.")
    if places:
        raise Misread(dict.fromkeys(places, "Text cannot hold a NUL character."))
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _places_of_nul(value: Any, place: str = "") -> list[str]:
    """No database takes NUL in text, so no field does."""
    match value:
        case str():
            return [place] if "\0" in value else []
        case dict():
            inside = [(f"{place}.{key}".lstrip("."), item) for key, item in value.items()]
            odd = [place or "" for key in value if "\0" in key]
        case list():
            inside, odd = [(f"{place}.{number}", item) for number, item in enumerate(value)], []
        case _:
            return []
    return odd + [found for where, item in inside for found in _places_of_nul(item, where)]
