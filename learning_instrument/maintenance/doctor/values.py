"""Checks the values of the tables that nothing else can make again: another program may have left invalid ones."""

import shlex
from collections.abc import Iterator
from typing import Final

from ...columns import COLUMN_OF, Kind
from ...sqlite.read_only import ReadOnlyDatabase
from .finding import Finding, Severity

_TYPES: Final = {"TEXT": "'text'", "INTEGER": "'integer'", "REAL": "'real','integer'"}
#: The days of the calendar of UTC, in SQL.
_FIRST, _LAST = "julianday('0001-01-01')", "julianday('9999-12-31T23:59:59.999')"
_TABLES: Final = ("executions", "feedback", "model_calls", "reported_costs", "losses", "retention_rounds")


def invalid_values(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Yield a finding for each table with values of another type, or beyond the range, of their column."""
    columns = database.query(
        "SELECT s.name AS t, c.name AS c, upper(c.type) AS type FROM sqlite_master AS s, pragma_table_info(s.name) AS c"
        " WHERE s.type = 'table'"
    )
    tables: dict[str, dict[str, str]] = {}
    for column in columns:
        if column["t"] in _TABLES and column["type"] in _TYPES:
            tables.setdefault(column["t"], {})[column["c"]] = column["type"]
    for table, types in tables.items():
        faults = {name: _is_invalid(table, name, type_) for name, type_ in types.items()}
        sums = ",".join(f"total({fault}) AS {name}" for name, fault in faults.items())
        (row,) = database.query(f"SELECT {sums} FROM {table} WHERE {' OR '.join(faults.values())}")
        if found := [f"{name} ({count:,.0f})" for name, count in row.items() if count]:
            yield Finding(
                "values",
                Severity.ERROR,
                f"The table {table} has values that no question can take, in {', '.join(found)}: another program wrote"
                " them, or the file is damaged.",
                f"learning-instrument --database NEW import {shlex.quote(database.path)} takes the rest; then use the"
                " new file.",
            )


def _is_invalid(table: str, name: str, type_: str) -> str:
    """Return the SQL condition for an invalid value of the column; it is never NULL."""
    valid = [f"typeof({name}) IN ({_TYPES[type_]})"]
    if type_ == "REAL":
        valid.append(f"abs({name}) < 9e999")
    if name == "timestamp":
        valid.append(f"{name} LIKE '____-__-__T%' AND (julianday({name}) BETWEEN {_FIRST} AND {_LAST}) IS TRUE")
        valid.append(f"(upper(substr({name}, -1)) = 'Z' OR substr({name}, -6, 1) IN ('+', '-'))")
    if name == "defaulted":
        texts = f"NOT EXISTS (SELECT 1 FROM json_each({name}) WHERE type <> 'text')"
        valid.append(f"CASE WHEN json_valid({name}) THEN json_type({name}) = 'array' AND {texts} END IS TRUE")
    if table == "executions" and name in COLUMN_OF:
        column = COLUMN_OF[name]
        if column.kind is Kind.WORD:
            valid.append(f"{name} IN ({','.join(repr(word) for word in sorted(column.words))})")
        if column.kind is Kind.BOOLEAN:
            valid.append(f"{name} IN (0, 1)")
    return f"({name} IS NOT NULL AND NOT ({' AND '.join(valid)}))"
