"""Reads the CSV of ``export``: a header with names of columns, and a line for each execution."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final, NamedTuple

from ..columns import COLUMN_OF, Kind
from ..errors import ConfigurationError
from ..safety.formulas import unescaped
from .validation import identified

_REQUIRED: Final = frozenset({"task_type", "timestamp"})
_TRUTH: Final = {"1": 1, "0": 0, "true": 1, "false": 0, "TRUE": 1, "FALSE": 0}


class CsvRow(NamedTuple):
    """The values of a row, or the error of reading it."""

    line: int
    values: dict[str, Any] | ConfigurationError


def is_header(line: bytes) -> bool:
    """Tell whether a line names columns of executions."""
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    return _REQUIRED <= set(names) <= COLUMN_OF.keys()


def csv_rows(file: IO[bytes]) -> Iterator[CsvRow]:
    """Yield the rows of a file that begins with a header."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text)
    try:
        names = next(reader, [])
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield CsvRow(line, ConfigurationError(f"not CSV: {error}"))
                continue
            if cells is None:
                return
            if cells:
                yield CsvRow(line, _values(names, cells))
    finally:
        text.detach()  # else it closes the file


def _values(names: list[str], cells: list[str]) -> dict[str, Any] | ConfigurationError:
    if len(cells) != len(names):
        return ConfigurationError(f"it has {len(cells)} values: expected {len(names)}, as the header")
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return ConfigurationError("not UTF-8")
    values: Mapping[str, Any] = {name: _value(name, cell) for name, cell in zip(names, cells, strict=True)}
    return identified(dict(values))


def _value(name: str, cell: str) -> Any:
    """Return the value of a cell; what is no number stays text, which is refused with its column."""
    column = COLUMN_OF[name]
    if not cell:
        return "" if column.kind is Kind.TEXT and (column.is_not_null or column.default == "") else None
    if column.kind is Kind.BOOLEAN:
        return _TRUTH.get(cell, cell)
    if column.kind in (Kind.INTEGER, Kind.REAL):
        return _number(cell)
    return unescaped(cell)


def _number(cell: str) -> Any:
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            pass
    return cell
