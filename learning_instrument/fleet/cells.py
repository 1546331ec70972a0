"""Cells of roll-ups in ClickHouse: the sums that SQLite's roll-ups have, by the hour."""

from collections.abc import Mapping
from typing import Any, Final

from ..rollups.cubes import CUBES, WIDE, Cube
from ..rollups.measures import BIN, MEASURES, source, sum_measures
from ..sqlite.dimensions import dimension
from .dialect import translated

#: The cubes that are kept, the smallest first. Days are sums of their hours.
KEPT: Final = tuple({cube.keys: cube for cube in CUBES}.values())
_NAMES: Final = tuple(MEASURES)
_SUMS: Final = ", ".join(f"toInt64(sum({name})) AS {name}" for name in _NAMES)


def name_of(cube: Cube) -> str:
    """Return the name that the cells of *cube* have in the table of them all."""
    return "_".join(cube.keys)


#: The columns of cells in their table, but for the generation.
COLUMNS: Final = ("cube", "bucket", *WIDE.keys, *_NAMES, "histogram")


def _columns(cube: Cube, histogram: str) -> str:
    keys = ", ".join(key if key in cube.keys else f"'' AS {key}" for key in WIDE.keys)
    return f"'{name_of(cube)}' AS cube, bucket, {keys}, {_SUMS}, {histogram} AS histogram"


def of_executions(cube: Cube, condition: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL of the cells of *cube* of the executions for which *condition* holds, and its parameters.

    Args:
        cube: one of :data:`KEPT`.
        condition: in SQLite's SQL, over ``executions``.
        parameters: those of the condition.
    """
    names = ("hour", *cube.keys)
    keys = ", ".join(f"key{number} AS {name}" for number, name in enumerate(("bucket", *cube.keys)))
    by = ", ".join(map(str, range(1, len(names) + 2)))
    rows = source("executions", condition, _NAMES, [dimension(name) for name in names], BIN)
    sql, given = translated(
        f"SELECT {keys}, {BIN} AS bin, {sum_measures(_NAMES)} FROM {rows} GROUP BY {by}", parameters
    )
    histogram = "sumMap(if(bin IS NULL, map(), map(toUInt16(assumeNotNull(bin)), toUInt64(executions))))"
    return f"SELECT {_columns(cube, histogram)} FROM ({sql}) GROUP BY {_by(cube)}", given


def of_cells(cube: Cube, condition: str) -> str:
    """Return the SQL of the cells of *cube*, made of those of the widest for which *condition* holds."""
    cells = f"SELECT * FROM learning_instrument_cubes WHERE cube = '{name_of(WIDE)}' AND {condition}"
    return f"SELECT {_columns(cube, 'sumMap(histogram)')} FROM ({cells}) GROUP BY {_by(cube)}"


def _by(cube: Cube) -> str:
    return ", ".join(("bucket", *cube.keys))
