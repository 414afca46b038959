"""A statement that is compiled once per dialect and run on the driver's own cursor.

Through SQLAlchemy's connection a unit of work costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

_DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),  # the driver looks named ones up one by one
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}
Parameters = Mapping[str, Any] | Sequence[Any]
Arrange = Callable[[Mapping[str, Any]], Parameters]
_INSERTS: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Query:
    """A statement, or what makes it from the dialect's own `insert` where it needs ON CONFLICT."""

    def __init__(self, statement: ClauseElement | Callable[[Callable[[Table], Any]], Any], *sets: str) -> None:
        self._statement = statement
        self._sets = sets or None
        self._compiled: dict[str, tuple[str, Mapping[str, Any], Arrange]] = {}

    def bind(self, dialect: str, values: Mapping[str, Any]) -> tuple[str, Parameters]:
        """What the driver is given: the text, and `values` with the statement's own constants, as the dialect wants them."""
        text, constants, arrange = self._compiled.get(dialect) or self._compile(dialect)
        return text, arrange({**constants, **values} if constants else values)

    def text(self, dialect: str) -> str:
        return (self._compiled.get(dialect) or self._compile(dialect))[0]

    def _compile(self, dialect: str) -> tuple[str, Mapping[str, Any], Arrange]:
        statement = self._statement
        if not isinstance(statement, ClauseElement):
            statement = statement(_INSERTS[dialect])
        compiled = statement.compile(dialect=_DIALECTS[dialect], column_keys=self._sets)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        places: Sequence[str] | None = getattr(compiled, "positiontup", None)
        arrange = _named if places is None else _in_order(places)
        self._compiled[dialect] = str(compiled), constants, arrange
        return self._compiled[dialect]


def _named(values: Mapping[str, Any]) -> Parameters:
    return values


def _in_order(names: Sequence[str]) -> Arrange:
    """`itemgetter`, which gives no tuple for fewer than two."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def names(table: Table, *leaving_out: str) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name not in leaving_out)


def inserting(table: Table, *leaving_out: str) -> Query:
    return Query(insert(table), *names(table, *leaving_out))


def inserting_once(table: Table, *leaving_out: str, key: Sequence[str] | None = None) -> Query:
    """Insert, or do nothing where `key` is taken."""
    return Query(lambda new: new(table).on_conflict_do_nothing(index_elements=key), *names(table, *leaving_out))
