"""Cube rows of a fleet: the cells of hours that are rolled up, and the executions of the other hours."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..analytics.sources.cube_rows import OTHERS, CubeQuestion, Group, GroupTotals, LargestGroups
from ..rollups.cubes import CUBES, Cube
from ..rollups.measures import BIN, WAIT_BIN, source, sum_measures
from ..sqlite.dimensions import TIME_BUCKETS, dimension
from ..sqlite.selection import Selection
from .cells import name_of
from .clean_hours import VALID, hours_of
from .client import Client
from .dialect import translated

#: What quantiles are asked of -> the SQL of the bin that an execution is in.
_BINS: Final = {"durations": BIN, "waits": WAIT_BIN, None: None}
_NO_BINS: Final = "map()::Map(UInt16, UInt64)"

Parameters = dict[str, Any]


def cube_for(by: Sequence[str], selection: Selection) -> Cube | None:
    """Return the cube that has the sums of *selection* by the dimensions *by*; None: there is none."""
    needed = {*by, *(name for name, _ in selection.filters)} - {"day"}
    return next((cube for cube in CUBES if needed <= {*cube.keys, cube.bucket}), None)


def groups(client: Client, question: CubeQuestion) -> LargestGroups:
    """Return the totals of each group, in the groups' order, from a cube where there is one that has the answer.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    parameters: Parameters = {}
    parts = [*_parts(client, question, parameters)]
    measures = ", ".join(f"sum({name}) AS {name}" for name in question.measures)
    keys = _keys(question)
    sql = (
        f"SELECT {', '.join((*keys, measures))}, sumMap(bins) AS bins FROM ({' UNION ALL '.join(parts)})"
        f"{_grouped(keys)} HAVING sum(executions) > 0"
    )
    if question.limit is not None:
        sql = _limited(sql, question)
        parameters["limit"] = question.limit
    rows = client.rows(sql, parameters)
    found: dict[bool, dict[Group, GroupTotals]] = {False: {}, True: {}}
    for row in sorted(rows, key=lambda row: [row[key] for key in keys]):
        sums = {name: float(row[name]) for name in question.measures}
        is_other = bool(row.get("is_other"))
        found[is_other][tuple([row[key] for key in keys])] = GroupTotals(sums, row["bins"])
    merged = int(rows[0]["merged"]) if rows and question.limit is not None else 0
    return LargestGroups(found[False], found[True], merged if found[True] else 0)


def _parts(client: Client, question: CubeQuestion, parameters: Parameters) -> Iterator[str]:
    """Yield the SQL of the sums of cells, and that of executions; their parameters go into *parameters*."""
    asked = question.selection
    condition, values = asked.condition()
    cube = cube_for(question.by, asked) if question.with_cubes and question.bins != "waits" else None
    if cube is not None:
        hours = hours_of(client, name_of(cube), asked)
        of_others, ends = hours.of_others()
        condition = f"{of_others} AND {condition}"
        values |= ends
        if hours.clean:
            parameters |= {"cube": name_of(cube), **hours.generations()}
            yield _of_cells(question, parameters)
    yield _of_rows(question, condition, values, parameters)


def _of_cells(question: CubeQuestion, parameters: Parameters) -> str:
    def column(name: str) -> str:
        return f"substr(bucket, 1, {TIME_BUCKETS[name]})" if name in TIME_BUCKETS else name

    filters, values = question.selection.filter_condition(column)
    among, named = question.is_among(column)
    keys = ", ".join((*(f"{column(name)} AS key{number}" for number, name in enumerate(question.by)), "*"))
    cells, given = translated(f"SELECT {keys} FROM learning_instrument_cubes WHERE {filters}{among}", values | named)
    parameters |= given
    measures = ", ".join(f"toFloat64(sum({name})) AS {name}" for name in question.measures)
    bins = "sumMap(histogram)" if question.bins else _NO_BINS
    return (
        f"SELECT {', '.join((*_keys(question), measures))}, {bins} AS bins FROM"
        f" ({cells} AND cube = {{cube:String}} AND {VALID}){_grouped(_keys(question))}"
    )


def _of_rows(question: CubeQuestion, condition: str, values: Parameters, parameters: Parameters) -> str:
    among, named = question.is_among(dimension)
    bin_of = _BINS[question.bins]
    rows = source("executions", condition + among, question.measures, [*map(dimension, question.by)], bin_of)
    keys = [*_keys(question), *([f"{bin_of} AS bin"] if bin_of else [])]
    by = f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}" if keys else ""
    # Of each bin by itself: adding up a map for each execution takes several times as long.
    sums = ", ".join((*keys, sum_measures(question.measures)))
    sql, given = translated(f"SELECT {sums} FROM {rows}{by}", values | named)
    parameters |= given
    measures = ", ".join(f"sum({name}) AS {name}" for name in question.measures)
    bins = (
        "sumMap(CAST(if(bin IS NULL, map(), map(ifNull(bin, 0), executions)), 'Map(UInt16, UInt64)'))"
        if bin_of
        else _NO_BINS
    )
    return f"SELECT {', '.join((*_keys(question), measures))}, {bins} AS bins FROM ({sql}){_grouped(_keys(question))}"


def _keys(question: CubeQuestion) -> list[str]:
    return [f"key{number}" for number in range(len(question.by))]


def _grouped(keys: Sequence[str]) -> str:
    return f" GROUP BY {', '.join(keys)}" if keys else ""


def _limited(sql: str, question: CubeQuestion) -> str:
    """Return the question for the groups of *sql* of which those that cost less than the limit's last are merged."""
    keys = [f"key{number}" for number, name in enumerate(question.by) if name not in TIME_BUCKETS]
    named = ", ".join(keys)
    of_group = f"OVER (PARTITION BY {named})"
    costs = f"SELECT *, sum(cost_nano) {of_group} AS cost, sum(executions) {of_group} AS count FROM ({sql})"
    places = f"SELECT *, dense_rank() OVER (ORDER BY cost DESC, count DESC, {named}) AS place FROM ({costs})"
    numbered = f"SELECT *, max(place) OVER () AS number FROM ({places})"
    is_other = "place > {limit:Int64} + (number = {limit:Int64} + 1)"  # one alone is not merged
    shown = [f"if(is_other, '{OTHERS}', {key}) AS {key}" for key in keys]
    shown += [key for key in _keys(question) if key not in keys]  # those of time
    measures = ", ".join(f"sum({name}) AS {name}" for name in question.measures)
    by = ", ".join(str(number + 1) for number in range(len(shown) + 1))
    return (
        f"SELECT {', '.join(shown)}, {is_other} AS is_other, {measures}, sumMap(bins) AS bins,"
        f" any(number) - {{limit:Int64}} AS merged FROM ({numbered}) GROUP BY {by}"
    )
