"""Checks of what is derived from the executions: roll-ups and error counts against the rows."""

import os
from collections.abc import Iterator
from typing import Final

from ...rollups.cubes import CUBES, HAS_VALUES, IS_SOUND, Cube, keyed
from ...rollups.error_counts import soundness
from ...rollups.keys import IS_COMPLETE, indexed_names
from ...rollups.measures import source, sum_measures
from ...sqlite.read_only import ReadOnlyDatabase
from .finding import Finding, Severity

#: Adding up the rows of larger files takes more than a moment.
_COMPARED_BYTES: Final = 200_000_000
_COMPARED: Final = ("executions", "succeeded", "duration_us")
_IS_PRESENT: Final = "rowid <= (SELECT mark FROM rollup_state) AND rowid NOT IN (SELECT id FROM rollup_changes)"


def compare_derived(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Yield a finding where roll-ups or error counts are not those of the rows.

    Triggers note each change of a row. A program that switches them off, or replaces rows without
    ``PRAGMA recursive_triggers``, leaves the old row in the sums.
    """
    if os.path.getsize(database.path) > _COMPARED_BYTES:
        return
    differences = []
    if database.has_table("rollup_state"):
        rows = database.query(_rollups(CUBES[0], "1"))
        for name in (each.name for each in indexed_names(database) if each.is_complete):
            cube = keyed(name)
            rows += database.query(
                _rollups(cube, f"EXISTS (SELECT 1 FROM rollup_keys WHERE {cube.condition} AND {IS_COMPLETE})")
            )
        differences += [f"{row['counted']:,.0f} executions for {row['rows']:,.0f}" for row in rows]
    if database.has_table("error_state"):
        differences += [f"{row['counted']:,} failures for {row['rows']:,}" for row in database.query(_ERRORS)]
    if differences:
        yield Finding(
            "roll-ups",
            Severity.WARNING,
            f"Reports count {' and '.join(differences)}, or other values than theirs: another program replaced or"
            " changed rows, and the triggers that note it did not run.",
            "learning-instrument rebuild counts anew. In the other program: PRAGMA recursive_triggers = ON before"
            " INSERT OR REPLACE.",
        )


def _summed(table: str, condition: str) -> str:
    return f"SELECT {sum_measures(_COMPARED)} FROM {source(table, condition, _COMPARED)}"


def _rollups(cube: Cube, is_complete: str) -> str:
    sums = ", ".join(f"total({name}) AS {name}" for name in _COMPARED)
    differ = " OR ".join(f"cells.{name} <> present.{name} + changed.{name}" for name in _COMPARED)
    # One statement, which sees one state of the file.
    return (
        f"WITH cells AS (SELECT {sums} FROM {cube.table} WHERE {cube.condition}),"
        f" present AS ({_summed('executions', _IS_PRESENT)}), changed AS ({_summed('rollup_changes', HAS_VALUES)})"
        " SELECT cells.executions AS counted, present.executions + changed.executions AS rows"
        f" FROM rollup_state, cells, present, changed WHERE {IS_SOUND} AND {is_complete} AND ({differ})"
    )


# One statement as well.
_ERRORS: Final = (
    "WITH counts AS (SELECT coalesce(sum(executions), 0) AS counted FROM error_counts), present AS (SELECT count(*) AS"
    " rows FROM executions WHERE NOT success AND rowid <= (SELECT mark FROM error_state))"
    f" SELECT counted, rows FROM error_state, counts, present WHERE {soundness()} AND counted <> rows"
    " AND NOT EXISTS (SELECT 1 FROM error_dirty_days)"
)
