"""Reads and writes executions as Parquet. Needs pyarrow (the extra ``scale``)."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import IO, Any, Final

from ..atomic_file import atomic_write
from ..columns import TABLE, Column, Kind
from ..errors import ConfigurationError
from ..timestamps import from_iso
from .nested import CALL_MEMBERS, FEEDBACK, FEEDBACK_MEMBERS, MODEL_CALLS
from .parquet_values import Converters, converters_of

#: The most bytes that are read for each byte of the file: repeated values take next to nothing in it.
_BYTES_READ: Final = 1000
_LEAST_BYTES: Final = 64 * 2**20

_MEMBERS: Final = {FEEDBACK: FEEDBACK_MEMBERS, MODEL_CALLS: CALL_MEMBERS}

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


def append_parquet(path: str, batches: Batches, more: Sequence[Column] = (), nested: Sequence[str] = ()) -> int:
    """Add rows to a file, all or none; return their number.

    Args:
        path: the file; it is created if missing.
        batches: the rows.
        more: the columns that the rows have besides those of the table.
        nested: what the rows have besides columns.

    Raises:
        ConfigurationError: if pyarrow is not installed, or the file cannot be written.
    """
    arrow, parquet = _libraries()
    columns = (*TABLE, *more)
    schema = _schema(arrow, columns, nested)
    with atomic_write(path) as unfinished, parquet.ParquetWriter(unfinished, schema) as file:
        if os.path.exists(path):
            for batch in parquet.ParquetFile(path).iter_batches():
                file.write_batch(batch)
        return _write(file, arrow, schema, columns, nested, batches)


def write_parquet(file: IO[bytes], batches: Batches, nested: Sequence[str]) -> int:
    """Write rows to an open file, which may be a pipe; return their number.

    Args:
        file: the file.
        batches: the rows.
        nested: what they have besides columns.

    Raises:
        ConfigurationError: if pyarrow is not installed.
        OSError: if the file cannot be written.
    """
    arrow, parquet = _libraries()
    schema = _schema(arrow, TABLE, nested)
    with parquet.ParquetWriter(file, schema) as writer:
        return _write(writer, arrow, schema, TABLE, nested, batches)


def read_parquet(path: str, rows: int) -> Iterator[tuple[list[dict[str, Any] | ConfigurationError], int]]:
    """Return an iterator over batches of *rows* rows, each with the total of the file.

    A row with a value that Python cannot hold, such as a far timestamp, is an error in its place.

    Raises:
        ConfigurationError: if pyarrow is not installed; while iterating, if the file cannot be read, or declares far
            more than its size.
    """
    arrow, parquet = _libraries()

    def batches() -> Iterator[tuple[list[dict[str, Any] | ConfigurationError], int]]:
        left = max(_LEAST_BYTES, _BYTES_READ * os.path.getsize(path))
        try:
            with parquet.ParquetFile(path) as file:
                _check_size(file.metadata, left, path)
                converters = converters_of(arrow, file.schema_arrow)
                for batch in file.iter_batches(batch_size=rows):
                    found = _python_rows(batch)
                    left -= batch.nbytes + sum(map(_text_bytes_within if converters else _text_bytes, found))
                    if left < 0:
                        raise _too_much(path)
                    if converters:
                        _convert(found, converters)
                    yield found, file.metadata.num_rows
        except (OSError, ValueError, arrow.ArrowException) as error:
            raise ConfigurationError(f"Cannot read {path} as Parquet: {error}") from error

    return batches()


def _check_size(metadata: Any, most_bytes: int, path: str) -> None:
    """Check that no row group is too large: its columns are decompressed at once."""
    # Not by the metadata of its columns: pyarrow aborts the process where those are damaged.
    if any(metadata.row_group(number).total_byte_size > most_bytes for number in range(metadata.num_row_groups)):
        raise _too_much(path)


def _text_bytes(row: dict[str, Any] | ConfigurationError) -> int:
    """Return about the bytes of the texts of *row*: a dictionary-encoded batch holds each of them once."""
    return sum(len(value) for value in row.values() if isinstance(value, str)) if isinstance(row, dict) else 0


def _text_bytes_within(row: Any) -> int:
    """Return the same, with the texts of structures and lists in *row*."""
    count = 0
    for value in row.values() if isinstance(row, dict) else row if isinstance(row, (list, tuple)) else ():
        if isinstance(value, str):
            count += len(value)
        elif isinstance(value, (dict, list, tuple)):
            count += _text_bytes_within(value)
    return count


def _convert(rows: Sequence[dict[str, Any] | ConfigurationError], converters: Converters) -> None:
    for row in rows:
        if isinstance(row, dict):
            for name, convert in converters.items():
                row[name] = convert(row[name])


def _too_much(path: str) -> ConfigurationError:
    return ConfigurationError(f"Cannot read {path}: it declares more than {_BYTES_READ:,} times its size.")


def _python_rows(batch: Any) -> list[dict[str, Any] | ConfigurationError]:
    try:
        rows: list[dict[str, Any] | ConfigurationError] = batch.to_pylist()
    except (ValueError, OverflowError) as error:  # a far timestamp, or text that is no UTF-8
        if batch.num_rows == 1:
            return [ConfigurationError(f"not an execution: {error}")]
        return [row for number in range(batch.num_rows) for row in _python_rows(batch.slice(number, 1))]
    return rows


def _write(
    writer: Any, arrow: Any, schema: Any, columns: Sequence[Column], nested: Sequence[str], batches: Batches
) -> int:
    count = 0
    for rows in batches:
        values = {column.name: _values(column, rows) for column in columns}
        values |= {name: [_nested(name, row.get(name)) for row in rows] for name in nested}
        writer.write_table(arrow.table(values, schema=schema))
        count += len(rows)
    return count


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigurationError("Parquet needs pyarrow; run: pip install 'learning_instrument[scale]'.") from error


def _schema(arrow: Any, columns: Sequence[Column], nested: Sequence[str]) -> Any:
    types = {
        Kind.TIMESTAMP: arrow.timestamp("us", tz="UTC"),
        Kind.INTEGER: arrow.int64(),
        Kind.REAL: arrow.float64(),
        Kind.BOOLEAN: arrow.bool_(),
    }
    names = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    fields = [(column.name, types.get(column.kind, arrow.string())) for column in columns]
    for name in nested:
        members = _MEMBERS.get(name)
        if members is None:
            fields.append((name, arrow.float64()))
        else:
            fields.append(
                (name, arrow.list_(arrow.struct([(each, names[kind]) for each, (kind, _) in members.items()])))
            )
    return arrow.schema(fields)


_CONVERTERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TIMESTAMP: from_iso,
    Kind.REAL: float,
    Kind.BOOLEAN: bool,
}


def _nested(name: str, value: Any) -> Any:
    """Return what is nested in a row as Parquet holds it."""
    if name != FEEDBACK or value is None:
        return value
    return [{**each, "accepted": None if each["accepted"] is None else bool(each["accepted"])} for each in value]


def _values(column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the values of *column* as Parquet holds them."""
    values = [row[column.name] for row in rows]
    convert = _CONVERTERS.get(column.kind)
    return values if convert is None else [None if value is None else convert(value) for value in values]
