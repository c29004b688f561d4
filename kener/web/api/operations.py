"""One decorator says what an endpoint takes and gives: it reads the request by it, and the OpenAPI document is made from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict

from kener.domain.inputs import Input
from kener.queries.api import Page, T
from kener.services.errors import NotFound, Refused
from kener.web.api.reading import Body, Changes, is_empty, read_object, read_query


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(extra="forbid", revalidate_instances="never")


class Listed(Answer):
    """Base of every answer that is a part of a list."""

    page: int
    limit: int
    total: int


class Message(Answer):
    """That something was done, where there is nothing left to show."""

    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What one endpoint takes and gives. `changes` is a body of which any part may be given."""

    tag: str
    answer: type[Answer] | None
    status: int = 200
    query: type[Input] | None = None
    body: type[Body] | None = None
    changes: type[Body] | None = None


def operation(
    *,
    tag: str,
    answer: type[Answer],
    status: int = 200,
    query: type[Input] | None = None,
    body: type[Body] | None = None,
    changes: type[Body] | None = None,
) -> Callable[[Callable[..., Answer]], Callable[..., Response]]:
    """Read what was declared, hand it to the view as `query`, `body` or `changes`, and answer with what it returns."""

    def decorate(view: Callable[..., Answer]) -> Callable[..., Response]:
        @wraps(view)
        def endpoint(**path: Any) -> Response:
            given: dict[str, Any] = {}
            if query is not None:
                given["query"] = read_query(query)
            if body is not None:
                given["body"] = body.read({} if body.is_optional() and is_empty() else read_object())
            if changes is not None:
                given["changes"] = Changes(changes, read_object())
            try:
                return answered(view(**path, **given), status)
            except Refused as refused:
                kind = body or changes
                raise kind.renamed(refused) if kind else refused from None

        endpoint.operation = Operation(tag, answer, status, query, body, changes)  # type: ignore[attr-defined]
        return endpoint

    return decorate


def answered(answer: Answer, status: int = 200) -> Response:
    """An answer as JSON."""
    return Response(answer.model_dump_json(by_alias=True, warnings=False), status, mimetype="application/json")


def found(row: T | None) -> T:
    """The row. Raises NotFound."""
    if row is None:
        raise NotFound
    return row


def part(page: Page[Any]) -> dict[str, int]:
    """What a list says about itself."""
    return {"page": page.page, "limit": page.limit, "total": page.total}
