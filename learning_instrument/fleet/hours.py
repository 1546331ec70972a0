"""Rolls up hours: cells first, then the row that says which of them count, then old ones are deleted.

An hour is clean while its executions are as its cells say: none has arrived or changed since their generation. Answers
read the executions of other hours, so it does not matter how far this is.
"""

import random
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

from ..rollups.cubes import MOST_CELLS, WIDE
from ..sqlite.dimensions import dimension
from . import failures
from .cells import COLUMNS, KEPT, name_of, of_cells, of_executions
from .clean_hours import between, whole
from .client import Client
from .dialect import translated
from .schema import read_state, write_state

#: The mark of what is counted: a generation, in microseconds.
COUNTED: Final = "counted"
#: Hours that are rolled up at once, and about how many executions they may have together.
_HOURS: Final = 48
_EXECUTIONS: Final = 2_000_000
_MICROSECONDS: Final = 1_000_000
#: For so long, a question may read cells that do not count any more, and an insert may take.
_READ_SECONDS: Final = 600
_STALE_AT_ONCE: Final = 1000

_CHANGED: Final = (
    "FROM learning_instrument_touched AS touched FINAL"
    " LEFT JOIN learning_instrument_generations AS known FINAL USING (bucket)"
    " WHERE (known.generation IS NULL OR touched.at >= known.generation)"
)
_DIRTY: Final = f"SELECT bucket {_CHANGED} AND touched.at < {{generation}} ORDER BY bucket LIMIT {{limit}}"
_NEXT_GENERATION: Final = (
    "SELECT toUnixTimestamp64Micro(generation) AS generation, groupArray(bucket) AS hours"
    " FROM learning_instrument_generations AS known FINAL"
    " WHERE known.generation > {mark} AND known.generation < {then} GROUP BY generation ORDER BY generation LIMIT 1"
)
_STALE: Final = (
    "SELECT DISTINCT bucket, toUnixTimestamp64Micro(cells.generation) AS generation FROM learning_instrument_cubes AS"
    " cells JOIN learning_instrument_generations AS known FINAL USING (bucket)"
    " WHERE cells.generation < known.generation AND known.generation < {then} LIMIT {limit}"
)


def _moment(name: str) -> str:
    return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"


def roll_up(client: Client, grace_seconds: float) -> int:
    """Roll up some hours; return how many: 0 when all are done. May be done by several at once.

    Args:
        client: the fleet.
        grace_seconds: how long an insert may take until all see it. Hours that changed since are left for later.

    Raises:
        DatabaseError: if they cannot be read or written.
    """
    # No other refresh has the same, and an earlier one says less.
    generation = client.now() - int(grace_seconds * _MICROSECONDS) - random.randrange(1000)  # noqa: S311
    found = client.rows(_DIRTY.format(generation=_moment("generation"), limit=_HOURS), {"generation": generation})
    hours = _some(client, [row["bucket"] for row in found])
    if hours:
        _roll_up(client, hours, generation)
    return len(hours)


def count_again(client: Client) -> None:
    """Count the executions of the hours that were rolled up a while ago. Those that have others are rolled up again.

    An insert that took longer than the grace time came to an hour whose cells do not have it, and seem to.

    Raises:
        DatabaseError: if they cannot be read or written.
    """
    mark = int(read_state(client).get(COUNTED, 0))
    times = {"mark": mark, "then": client.now() - _READ_SECONDS * _MICROSECONDS}
    sql = _NEXT_GENERATION.format(mark=_moment("mark"), then=_moment("then"))
    while found := client.rows(sql, times):
        generation, hours = found[0]["generation"], found[0]["hours"]
        in_cells = client.rows(
            "SELECT bucket, sum(executions) AS number FROM learning_instrument_cubes"
            f" WHERE cube = '{name_of(KEPT[0])}' AND bucket IN {{hours:Array(String)}}"
            f" AND generation = {_moment('generation')} GROUP BY bucket",
            {"hours": hours, "generation": generation},
        )
        rolled_up = {row["bucket"]: row["number"] for row in in_cells}
        stored = _numbers(client, hours)
        short = [hour for hour in hours if rolled_up.get(hour, 0) != stored.get(hour, 0)]
        client.insert("learning_instrument_touched", ("bucket",), [[hour] for hour in short])
        write_state(client, **{COUNTED: str(generation)})
        times["mark"] = generation


def waiting(client: Client) -> int:
    """Return how many hours changed since they were rolled up, or never were.

    Raises:
        DatabaseError: if they cannot be read.
    """
    return int(client.rows(f"SELECT count() AS number {_CHANGED}")[0]["number"])


def delete_stale(client: Client) -> None:
    """Delete cells that do not count, of hours that were rolled up again, and of refreshes that were interrupted.

    Raises:
        DatabaseError: if they cannot be deleted.
    """
    then = {"then": client.now() - _READ_SECONDS * _MICROSECONDS}
    while stale := client.rows(_STALE.format(then=_moment("then"), limit=_STALE_AT_ONCE), then):
        which = {"buckets": [row["bucket"] for row in stale], "generations": [row["generation"] for row in stale]}
        for table in ("learning_instrument_failures", "learning_instrument_cubes"):  # the last tells what is stale
            client.execute(
                f"DELETE FROM {table} WHERE bucket IN {{buckets:Array(String)}} AND (bucket,"
                " toUnixTimestamp64Micro(generation)) IN"
                " arrayZip({buckets:Array(String)}, {generations:Array(Int64)})",
                which,
            )


def _some(client: Client, hours: Sequence[str]) -> list[str]:
    """Return the first of *hours* that have not too many executions together, at least one."""
    if not hours:
        return []
    numbers = _numbers(client, hours)
    sums = accumulate(numbers.get(hour, 0) for hour in hours)
    return [
        hour for number, (hour, total) in enumerate(zip(hours, sums, strict=True)) if not number or total <= _EXECUTIONS
    ]


def _numbers(client: Client, hours: Sequence[str]) -> dict[str, int]:
    """Return how many executions *hours* have; those that have none are left out."""
    condition, parameters = _within(hours)
    rows = _asked(client, f"SELECT {dimension('hour')} AS hour, count(*) AS number FROM executions WHERE {condition}"
                  " GROUP BY hour", parameters)  # fmt: skip
    return {row["hour"]: row["number"] for row in rows}


def _roll_up(client: Client, hours: Sequence[str], generation: int) -> None:
    too_wide = _too_wide(client, hours)
    wide = [hour for hour in hours if hour not in too_wide]
    insert = (
        f"INSERT INTO learning_instrument_cubes ({', '.join(COLUMNS)}, generation) SELECT *, {_moment('generation')}"
    )
    moment = {"generation": generation}
    if wide:
        sql, given = of_executions(WIDE, *_within(wide))
        client.execute(f"{insert} FROM ({sql})", {**given, **moment})
    for cube in KEPT:
        if cube is not WIDE and wide:
            cells = of_cells(cube, f"generation = {_moment('generation')} AND bucket IN {{hours:Array(String)}}")
            client.execute(f"{insert} FROM ({cells})", {"hours": wide, **moment})
        if cube is not WIDE and too_wide:
            sql, given = of_executions(cube, *_within(sorted(too_wide)))
            client.execute(f"{insert} FROM ({sql})", {**given, **moment})
    sql, given = failures.sums(*_within(hours))
    client.execute(
        f"INSERT INTO learning_instrument_failures ({', '.join(failures.COLUMNS)}, generation)"
        f" SELECT *, {_moment('generation')} FROM ({sql})",
        {**given, **moment},
    )
    names = [name_of(cube) for cube in KEPT] + [failures.KEPT]
    kept = [[name for name in names if hour in wide or name != name_of(WIDE)] for hour in hours]
    client.execute(
        "INSERT INTO learning_instrument_generations (bucket, cubes, generation) SELECT bucket, kept,"
        f" {_moment('generation')} FROM (SELECT 1)"
        " ARRAY JOIN {hours:Array(String)} AS bucket, {kept:Array(Array(String))} AS kept",
        {"hours": hours, "kept": kept, **moment},
    )


def _too_wide(client: Client, hours: Sequence[str]) -> set[str]:
    """Return those of *hours* whose widest cells are nearly as many as their executions, and take as long to read."""
    condition, parameters = _within(hours)
    keys = ", ".join(f"{dimension(name)} AS key{number}" for number, name in enumerate(("hour", *WIDE.keys)))
    by = ", ".join(map(str, range(1, len(WIDE.keys) + 2)))
    rows = _asked(
        client,
        "SELECT key0 AS hour, count(*) AS cells, sum(number) AS executions FROM (SELECT"
        f" {keys}, count(*) AS number FROM executions WHERE {condition} GROUP BY {by}) GROUP BY key0",
        parameters,
    )
    return {row["hour"] for row in rows if row["cells"] > max(MOST_CELLS, row["executions"] / 2)}


def _asked(client: Client, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return client.rows(*translated(sql, parameters))


def _within(hours: Iterable[str]) -> tuple[str, dict[str, Any]]:
    """Return the condition of executions that began in *hours*, and its parameters."""
    return between([whole(hour) for hour in hours])
