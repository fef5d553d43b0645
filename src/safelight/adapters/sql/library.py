"""The library's statements: which photos, in which order, and how many on each day."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, func, literal_column, or_, select, tuple_

from safelight.adapters.sql.schema import captured, photos, shown
from safelight.domain.photo import PhotoStatus
from safelight.domain.shelf import BEFORE_EPOCH, DAY, Order, Word, words
from safelight.ports import Filter, Page

# What photos are in order by, in Unix milliseconds.
PLACES: Final[dict[Order, ColumnElement[int]]] = {
    Order.ADDED: photos.c.created_at,
    Order.CAPTURED: captured,
    Order.DELETED: func.coalesce(photos.c.deleted_at, photos.c.created_at),
}


def page_of(query: Select[Any], user_id: str, which: Filter, page: Page) -> Select[Any]:
    """One page of the photos that match, newest first."""
    place = PLACES[which.order]
    query = query.where(*matching(user_id, which))
    if page.after:
        query = query.where(tuple_(place, photos.c.id) < tuple_(*page.after))
    else:
        query = query.offset(page.number * page.size)
    return query.order_by(place.desc(), photos.c.id.desc()).limit(page.size)


def days_of(user_id: str, which: Filter) -> Select[int, int, int]:
    """The first millisecond of each day, how many of the photos that match stand on it, and how many undated."""
    # Counted from the year 1, for a division of integers rounds towards zero. Constants in the text, not parameters:
    # PostgreSQL would not know two parameters for one expression.
    number = (PLACES[which.order] + literal_column(str(BEFORE_EPOCH))) // literal_column(str(DAY))
    day = number.label("day")
    undated = func.count() - func.count(photos.c.taken_ms)
    begin = day * literal_column(str(DAY)) - literal_column(str(BEFORE_EPOCH))
    counted = select(begin, func.count(), undated).where(*matching(user_id, which))
    return counted.group_by(number).order_by(number.desc())


def matching(user_id: str, which: Filter) -> list[ColumnElement[bool]]:
    """The conditions of a filter."""
    conditions: list[ColumnElement[bool]] = [photos.c.user_id == user_id]
    if which.status is PhotoStatus.COMPLETED and which.order is Order.CAPTURED and not which.trashed:
        # In the words of the index.
        conditions.append(shown)
    else:
        conditions += [
            photos.c.duplicate_of.is_(None),
            photos.c.purged_at.is_(None),
            photos.c.deleted_at.is_not(None) if which.trashed else photos.c.deleted_at.is_(None),
        ]
        if which.status:
            conditions.append(photos.c.status == which.status)
    place = PLACES[which.order]
    if which.since is not None:
        conditions.append(place >= which.since)
    if which.until is not None:
        conditions.append(place < which.until)
    return conditions + [_found(word) for word in words(which.search or "")]


def _found(word: Word) -> ColumnElement[bool]:
    places: list[ColumnElement[bool]] = [
        func.coalesce(column.icontains(word.text, autoescape=True), false())
        for column in (photos.c.filename, photos.c.relative_path, photos.c.camera)
    ]
    if word.span:
        begin, end = word.span
        places.append(and_(captured >= begin, captured < end))
    return or_(*places)
