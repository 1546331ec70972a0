"""Checks of what tasks and results say: bools that may be verdicts, and entries of ``fields=`` that find nothing."""

import itertools
from collections.abc import Iterator
from typing import Final

from ...instrumentation.targets import SWALLOWING
from ...sqlite.executions import placeholders
from ...sqlite.read_only import ReadOnlyDatabase
from .finding import LAST_ROWS, Finding, Severity, executions_are

#: So many executions without a value show that an entry of ``fields=`` is wrong; fewer, that some tasks have none.
_ENOUGH_UNMATCHED: Final = 20
#: So many successes in a row are no luck.
_ENOUGH_SUCCEEDED: Final = 1000
#: The most names of a pool's tasks that are told.
_NAMES: Final = 20


def bare_bools(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find pools whose tasks return bools, which may be their verdicts."""
    returned = "CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.returned') END"
    rows = database.query(
        f"SELECT coalesce(pool_type, 'unknown') AS pool, count(*) AS executions, sum(NOT {returned}) AS said_no"
        " FROM executions WHERE rowid > (SELECT max(rowid) FROM executions) - ? AND outcome_source = 'assumed'"
        f" AND instr(metadata, '\"returned\":') AND {returned} IN (0, 1) GROUP BY 1 ORDER BY 2 DESC, 1",
        [LAST_ROWS],
    )
    for row in rows:
        yield Finding(
            "bare bools",
            Severity.WARNING if row["said_no"] else Severity.NOTE,
            f"{executions_are(row['executions'], 'of the pool', 'of the pool')} {row['pool']} returned a bool,"
            f" {row['said_no']:,} of them False; all count as succeeded, for a bool may be the answer to a question.",
            "If it says whether the task succeeded, pass success_when=bool to record_execution() or instrument().",
        )


def swallowed_failures(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find functions of libraries that return where their task failed, and have recorded nothing but successes."""
    adapters = {target.replace(":", "."): adapter for target, adapter in SWALLOWING.items()}
    rows = database.query(
        "SELECT function_name AS name, count(*) AS executions FROM executions"
        f" WHERE rowid > (SELECT max(rowid) FROM executions) - ? AND function_name IN {placeholders(adapters)}"
        " GROUP BY 1 HAVING count(*) >= ? AND min(outcome = 'succeeded') ORDER BY 2 DESC, 1",
        [LAST_ROWS, *adapters, _ENOUGH_SUCCEEDED],
    )
    for row in rows:
        yield Finding(
            "hidden failures",
            Severity.WARNING,
            f"All {executions_are(row['executions'], 'of', 'of')} {row['name']} succeeded: it returns where its task"
            " failed, and a failure looks like a success.",
            f"Name the adapter {adapters[row['name']]} instead.",
        )


def unnamed_tasks(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find pools whose every task lacks a type or a description, and has other names."""
    rows = database.query(
        "WITH pools AS (SELECT coalesce(pool_type, 'unknown') AS pool, count(*) AS executions,"
        " total(instr(defaulted, '\"task_type\"') > 0) AS without_type,"
        " total(coalesce(task_description, '') = '') AS without_description FROM executions"
        " WHERE rowid > (SELECT max(rowid) FROM executions) - :last GROUP BY 1),"
        " named AS (SELECT coalesce(pool_type, 'unknown') AS pool, entry.value AS name, count(*) AS tasks"
        " FROM executions, json_each(CASE WHEN json_valid(metadata) THEN metadata ELSE '{}' END, '$.names') AS entry"
        " WHERE executions.rowid > (SELECT max(rowid) FROM executions) - :last AND instr(metadata, '\"names\":')"
        " GROUP BY 1, 2)"
        " SELECT pools.*, named.name FROM pools JOIN named USING (pool)"
        " WHERE executions IN (without_type, without_description) ORDER BY executions DESC, pool, tasks DESC, name",
        {"last": LAST_ROWS},
    )
    for pool, found in itertools.groupby(rows, lambda row: row["pool"]):
        first, *others = found
        names = [str(row["name"]) for row in (first, *others)][:_NAMES]
        count = first["executions"]
        columns = [name for name in ("type", "description") if first[f"without_{name}"] == count]
        yield Finding(
            "anonymous tasks",
            Severity.NOTE,
            f"{count:,} of {executions_are(count, f'of the pool {pool} has', f'of the pool {pool} have')} no"
            f" {' and no '.join(f'task_{column}' for column in columns)}; their tasks have {', '.join(names)}.",
            f"If one of these says it, name it: fields={{'task_{columns[0]}': '{names[0]}'}}, for example.",
        )


def unmatched_fields(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Find entries of ``fields=`` that found nothing, or raised."""
    rows = database.query(
        "SELECT coalesce(pool_type, 'unknown') AS pool, entry.key AS field, entry.value AS extractor,"
        " count(*) AS executions, max(timestamp) AS last FROM executions,"
        " json_each(CASE WHEN json_valid(metadata) THEN metadata ELSE '{}' END, '$.unmatched') AS entry"
        " WHERE executions.rowid > (SELECT max(rowid) FROM executions) - ? AND instr(metadata, '\"unmatched\":')"
        " GROUP BY 1, 2, 3 HAVING count(*) >= ? OR instr(entry.value, ' raised ') ORDER BY 4 DESC, 1, 2, 3",
        [LAST_ROWS, _ENOUGH_UNMATCHED],
    )
    for row in rows:
        has_failed = " raised " in str(row["extractor"])
        yield Finding(
            "fields",
            Severity.WARNING,
            f"fields[{row['field']!r}]{'' if has_failed else ' found nothing'} in"
            f" {executions_are(row['executions'], 'of the pool', 'of the pool')} {row['pool']}, the last at"
            f" {row['last'][:19]}: {row['extractor']}.",
            "Correct the function."
            if has_failed
            else "Correct the name or the path: the result, the task and the pool have nothing there.",
        )
