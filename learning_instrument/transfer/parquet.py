"""Reads and writes executions as Parquet. Needs pyarrow (the extra ``scale``)."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import IO, Any, Final

from ..columns import TABLE, Column, Kind
from ..errors import ConfigurationError
from ..timestamps import from_iso
from .atomic_file import atomic_write

Batches = Iterable[Sequence[Mapping[str, Any]]]
"""Batches of rows of ``executions``."""


def check_new(path: str) -> None:
    """Check that a new Parquet file can be written at *path*.

    Raises:
        ConfigurationError: if pyarrow is not installed, or the file exists.
    """
    _libraries()
    if os.path.lexists(path):
        raise ConfigurationError(f"{path} exists already and is not overwritten: name a new file.")


def append_parquet(path: str, batches: Batches) -> int:
    """Add rows to a file, all or none; return their number.

    Args:
        path: the file; it is created if missing.
        batches: the rows.

    Raises:
        ConfigurationError: if pyarrow is not installed, or the file cannot be written.
    """
    arrow, parquet = _libraries()
    schema = _schema(arrow)
    with atomic_write(path) as unfinished, parquet.ParquetWriter(unfinished, schema) as file:
        if os.path.exists(path):
            for batch in parquet.ParquetFile(path).iter_batches():
                file.write_batch(batch)
        return _write(file, arrow, schema, batches)


def write_parquet(file: IO[bytes], batches: Batches) -> int:
    """Write rows to an open file, which may be a pipe; return their number.

    Raises:
        ConfigurationError: if pyarrow is not installed.
        OSError: if the file cannot be written.
    """
    arrow, parquet = _libraries()
    schema = _schema(arrow)
    with parquet.ParquetWriter(file, schema) as writer:
        return _write(writer, arrow, schema, batches)


def read_parquet(path: str, rows: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Return an iterator over batches of *rows* rows, each with the total of the file.

    Raises:
        ConfigurationError: if pyarrow is not installed; while iterating, if the file cannot be read.
    """
    arrow, parquet = _libraries()

    def batches() -> Iterator[tuple[list[dict[str, Any]], int]]:
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=rows):
                    yield batch.to_pylist(), file.metadata.num_rows
        except (OSError, arrow.ArrowException) as error:
            raise ConfigurationError(f"Cannot read {path} as Parquet: {error}") from error

    return batches()


def _write(writer: Any, arrow: Any, schema: Any, batches: Batches) -> int:
    count = 0
    for rows in batches:
        columns = {column.name: _values(column, rows) for column in TABLE}
        writer.write_table(arrow.table(columns, schema=schema))
        count += len(rows)
    return count


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigurationError("Parquet needs pyarrow; run: pip install 'learning_instrument[scale]'.") from error


def _schema(arrow: Any) -> Any:
    types = {
        Kind.TIMESTAMP: arrow.timestamp("us", tz="UTC"),
        Kind.INTEGER: arrow.int64(),
        Kind.REAL: arrow.float64(),
        Kind.BOOLEAN: arrow.bool_(),
    }
    return arrow.schema([(column.name, types.get(column.kind, arrow.string())) for column in TABLE])


_CONVERTERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TIMESTAMP: from_iso,
    Kind.REAL: float,
    Kind.BOOLEAN: bool,
}


def _values(column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the values of *column* as Parquet holds them."""
    values = [row[column.name] for row in rows]
    convert = _CONVERTERS.get(column.kind)
    return values if convert is None else [None if value is None else convert(value) for value in values]
