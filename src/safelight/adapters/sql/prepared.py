"""Statements that run for every photo, compiled once and given to the driver as they are.

SQLAlchemy takes some 60 µs to run a statement that it has compiled already, the driver of SQLite 8: a photo's way
has thirty of them. The text is still Core's, so it fits each database; the tables hold only integers and strings,
which need no conversion on the way in or out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Insert, Select, Table, Update, bindparam, select, update

_PLACES = (1, 4, 16, 64, 256, 1_000)


@dataclass(frozen=True, slots=True)
class _Text:
    """What one dialect makes of a statement; `constants` are parameters that Core itself put in (an OFFSET of 0)."""

    sql: str
    order: tuple[str, ...]
    constants: dict[str, Any]

    def bind(self, given: Mapping[str, Any]) -> list[Any]:
        """The parameters in the order of their places."""
        if self.constants:
            given = {**self.constants, **given}
        return [given[name] for name in self.order]


class Prepared:
    """One statement, and its text by dialect."""

    def __init__(self, statement: Select[Any] | Insert | Update) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows that the statement gives, as plain tuples."""
        text = self._text(connection)
        cursor = _raw(connection).cursor()
        try:
            cursor.execute(text.sql, text.bind(parameters))
            found: list[tuple[Any, ...]] = cursor.fetchall()
        finally:
            cursor.close()
        return found

    def run(self, connection: Connection, each: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters."""
        text = self._text(connection)
        cursor = _raw(connection).cursor()
        try:
            cursor.executemany(text.sql, [text.bind(one) for one in each])
        finally:
            cursor.close()

    def _text(self, connection: Connection) -> _Text:
        dialect = connection.dialect
        known = self._texts.get(dialect.name)
        if known is None:
            compiled = self._statement.compile(dialect=dialect)
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            order: Sequence[str] = getattr(compiled, "positiontup", None) or ()
            known = self._texts[dialect.name] = _Text(str(compiled), tuple(order), constants)
        return known


class ByIds:
    """`SELECT … WHERE id IN (…)` for a handful of sizes: fewer ids fill their places by repeating the last one."""

    def __init__(self, table: Table) -> None:
        self._sized = {
            size: Prepared(select(table).where(table.c.id.in_([bindparam(f"id_{at}") for at in range(size)])))
            for size in _PLACES
        }

    def rows(self, connection: Connection, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows with these ids that are there, each once, in no certain order."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(ids), _PLACES[-1]):
            chunk = ids[start : start + _PLACES[-1]]
            size = next(size for size in _PLACES if size >= len(chunk))
            padded = [*chunk, *[chunk[-1]] * (size - len(chunk))]
            found += self._sized[size].rows(connection, {f"id_{at}": id_ for at, id_ in enumerate(padded)})
        return found


class Rewrite:
    """`UPDATE … SET` of the columns that differ, `WHERE id`: indexes of the others are not touched."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._by_columns: dict[tuple[str, ...], Prepared] = {}

    def run(self, connection: Connection, ids: Sequence[str], each: Sequence[dict[str, Any]]) -> None:
        """Give row `ids[n]` the values of `each[n]`, by column; rows with the same columns go together."""
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for id_, values in zip(ids, each, strict=True):
            if values:
                groups.setdefault(tuple(values), []).append({**values, "row_id": id_})
        for columns, rows in groups.items():
            self._statement(columns).run(connection, rows)

    def _statement(self, columns: tuple[str, ...]) -> Prepared:
        known = self._by_columns.get(columns)
        if known is None:
            changed: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in columns}
            known = Prepared(update(self._table).where(self._table.c.id == bindparam("row_id")).values(changed))
            self._by_columns[columns] = known
        return known


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
