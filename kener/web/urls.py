"""Addresses in and out: what a path may hold, and where the site is found from outside."""

from typing import Any, ClassVar

from flask import request
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, IntegerConverter, ValidationError

from kener.db import reading
from kener.domain.inputs import RESERVED_PATHS
from kener.services import site
from kener.web.api.reading import MAX_ID, MAX_SECONDS, SECONDS


class TagConverter(BaseConverter):
    """A monitor's tag. What cannot be one is not found, and never reaches the database."""

    regex = r"[a-z0-9](?:[a-z0-9_-]{0,253}[a-z0-9])?"
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": f"^{regex}$",
        "description": "The tag of the monitor.",
    }


class PathConverter(BaseConverter):
    """The address of a page."""

    regex = r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?"
    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": f"^{regex}$", "description": "Its address."}

    def to_python(self, value: str) -> str:
        """What Kener itself has there is no page, whatever the method."""
        if value in RESERVED_PATHS:
            raise ValidationError
        return value


class BoundedConverter(IntegerConverter):
    """A number that fits where it goes. One that is too large is not found, whatever the method."""

    most = MAX_ID
    schema: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": 0, "maximum": MAX_ID, "description": "Its id."}

    def to_python(self, value: str) -> int:
        if len(value) > 12 or int(value) > self.most:
            raise NotFound
        return int(value)


class MomentConverter(BoundedConverter):
    """Seconds since 1970."""

    most = MAX_SECONDS
    schema: ClassVar[dict[str, Any]] = BoundedConverter.schema | {"maximum": MAX_SECONDS, "description": SECONDS}


CONVERTERS: dict[str, type[TagConverter | PathConverter | BoundedConverter]] = {
    "page": PathConverter,
    "tag": TagConverter,
    "id": BoundedConverter,
    "moment": MomentConverter,
}


def origin() -> str:
    """The address of the site as it is set, else as the caller reached it; no slash at its end."""
    return site.read(reading()).url or request.host_url.rstrip("/")
