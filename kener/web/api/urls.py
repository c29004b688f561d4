"""Addresses in and out: what a path may hold, and where the site is found from outside."""

from typing import Any

from flask import request
from werkzeug.routing import BaseConverter, IntegerConverter, Map

from kener.db import reading
from kener.services import site
from kener.web.api.reading import MAX_ID, MAX_SECONDS


class TagConverter(BaseConverter):
    """A monitor's tag. What cannot be one is not found, and never reaches the database."""

    regex = r"[a-z0-9](?:[a-z0-9_-]{0,253}[a-z0-9])?"
    schema = {"type": "string", "pattern": f"^{regex}$", "description": "The tag of the monitor."}


class IdConverter(IntegerConverter):
    """A number that fits the databases' integers."""

    schema = {"type": "integer", "minimum": 0, "maximum": MAX_ID, "description": "Its id."}

    def __init__(self, map: Map, **options: Any) -> None:
        super().__init__(map, max=MAX_ID, **options)


class MomentConverter(IntegerConverter):
    """Seconds since 1970."""

    schema = {"type": "integer", "minimum": 0, "maximum": MAX_SECONDS, "description": "Seconds since 1970, UTC."}

    def __init__(self, map: Map, **options: Any) -> None:
        super().__init__(map, max=MAX_SECONDS, **options)


CONVERTERS: dict[str, type[BaseConverter]] = {"tag": TagConverter, "id": IdConverter, "moment": MomentConverter}


def origin() -> str:
    """The address of the site as it is set, else as the caller reached it; no slash at its end."""
    return site.read(reading()).url or request.host_url.rstrip("/")
