"""A part of a list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

T = TypeVar("T")
SIZE = 50


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Rows of one page of a list; `page` counts from 1, `total` is the length of the whole list."""

    rows: tuple[T, ...]
    page: int
    total: int
    size: int = SIZE

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def has_more(self) -> bool:
        return self.last < self.total


def part(
    session: Session, query: Any, *, page: int, row: Callable[[Any], T], size: int = SIZE, whole: bool = False
) -> Part[T]:
    """One page of a select, and how long the whole list is: two statements. `whole`: `row` gets the tuple, not its first entity."""
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    page = max(1, min(page, -(-total // size)))
    found = session.execute(query.limit(size).offset((page - 1) * size))
    return Part(tuple(row(one if whole else one[0]) for one in found), page, total, size)


def like(text: str) -> str:
    """A pattern for LIKE with `escape="\\\\"` that finds a text anywhere."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
