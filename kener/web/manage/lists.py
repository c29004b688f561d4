"""Lists: which page, links that keep the filters, and the active filters as tags that remove themselves."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import request, url_for

from kener.queries.paging import Part

MAX_TEXT = 100


def page_number() -> int:
    """The page that the query string asks for; the first one for anything that is no number."""
    given = request.args.get("page", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 8 and int(given) > 0 else 1


def text(name: str = "q") -> str:
    """A search text from the query string."""
    return request.args.get(name, "").strip()[:MAX_TEXT].replace("\0", "")


def one_of(name: str, options: Mapping[str, str]) -> str:
    """A filter's value if it is one of the offered ones, else empty."""
    given = request.args.get(name, "")
    return given if given in options else ""


def day(name: str) -> str:
    """A filter's date as browsers send it, or nothing."""
    text = request.args.get(name, "")
    try:
        return text if len(text) == 10 and 1970 <= date.fromisoformat(text).year <= 9998 else ""
    except ValueError:
        return ""


def midnight(day: str, zone: Any, *, days: int = 0) -> datetime:
    local = datetime.combine(date.fromisoformat(day) + timedelta(days=days), datetime.min.time(), zone)
    return local.astimezone(UTC)


def here(**changes: Any) -> str:
    """This list with other filters; None or empty leaves one out."""
    wanted = {**request.args.to_dict(), **changes}
    # Names that url_for keeps to itself are left out: the query string is the caller's.
    kept = {
        name: value
        for name, value in wanted.items()
        if value not in (None, "") and not name.startswith("_") and name != "endpoint"
    }
    return url_for(request.endpoint or "", **{**kept, **(request.view_args or {})})


def foot(part: Part[Any]) -> dict[str, Any]:
    """The arguments of the `paging` macro."""
    return {
        "first": part.first,
        "last": part.last,
        "total": part.total,
        "newer": here(page=part.page - 1 if part.page > 2 else None) if part.page > 1 else None,
        "older": here(page=part.page + 1) if part.has_more else None,
    }


def tags(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The `filter_tags` of the filters that are set: `labels` maps a parameter to the words of its value."""
    return [(words, here(**{name: None, "page": None})) for name, words in labels.items() if words]


def sort_url(key: str, current: str) -> str:
    """A column head's link: ascending first, then the other way round."""
    return here(sort=f"-{key}" if current == key else key, page=None)
