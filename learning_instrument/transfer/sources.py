"""Reads files of executions in batches: databases, Parquet, JSON Lines of this package and of OTLP."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

from ..costs.model_calls import ModelCall
from ..errors import ConfigurationError
from ..sqlite.file_watch import is_database
from ..sqlite.foreign_database import ForeignDatabase
from ..sqlite.selection import Selection
from .otlp_json import values_in
from .parquet import read_parquet
from .slices import model_calls_of, reported_costs_of, slices
from .validation import identified

Values = dict[str, Any]

STDIN: Final = "-"
#: Executions in one transaction. Other writers wait for it, and can write while the next batch is read.
ROWS: Final = 128
_LONGEST_LINE: Final = 64 * 2**20
_BATCH_BYTES: Final = 4 * 2**20
#: Lines that are read to recognise the format.
_FIRST_LINES: Final = 20
_KNOWN_KEYS: Final = frozenset({"task_type", "execution_id"})
_OTLP_KEY: Final = "resourceSpans"
_TOO_DEEP: Final = "not an execution: nested too deep"
_OTHER_SIGNALS: Final = frozenset({"resourceMetrics", "resourceLogs", "resourceProfiles"})


class Found(NamedTuple):
    """An entry of a file: its place, and the values of an execution, or the error of reading them.

    None for a span that is not an execution.
    """

    place: str
    values: Values | ConfigurationError | None


class SourceBatch(NamedTuple):
    """Some entries of a file, with the progress."""

    found: list[Found]
    done: int
    of: int
    #: The model calls of the executions.
    model_calls: Sequence[ModelCall] = ()
    #: Execution -> the cost that its pool reported, where it was computed from model calls.
    reported_costs: Mapping[str, float] = MappingProxyType({})


def source_reader(path: str) -> Callable[[], Iterator[SourceBatch]]:
    """Return a reader of the file, or of the standard input for ``-``.

    Raises:
        ConfigurationError: if it cannot be read or has an unknown format.
        DatabaseError: if it is a database of another program or of a newer release.
    """
    if path == STDIN:
        return lambda: _lines(sys.stdin.buffer, 0)
    mode = _mode(path)
    if stat.S_ISFIFO(mode):  # it can be read once
        return lambda: _file(path)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # such as a device without an end
        raise ConfigurationError(f"Cannot read {path}: expected a file or a pipe.")
    try:
        if is_database(path):
            with ForeignDatabase(path):
                return lambda: _database(path)
        with open(path, "rb") as file:
            if file.read(4) == b"PAR1":
                table = read_parquet(path, ROWS)
                return lambda: _parquet(table)
            file.seek(0)
            if not _holds_executions(file):
                raise ConfigurationError(
                    f"Unknown format of {path}: expected a database, JSON Lines of executions (also OTLP), or Parquet."
                    " CSV cannot be imported."
                )
        return lambda: _file(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"Cannot read {path}: {error.strerror or error}.")


def _database(path: str) -> Iterator[SourceBatch]:
    with ForeignDatabase(path) as database:
        for rows, done, of in slices(database, Selection(), "private", ROWS):
            ids = [row["execution_id"] for row in rows]
            found = [Found(f"row {row.pop('row')}", row) for row in rows]
            yield SourceBatch(found, done, of, model_calls_of(database, ids), reported_costs_of(database, ids))


def _parquet(table: Iterator[tuple[list[Values | ConfigurationError], int]]) -> Iterator[SourceBatch]:
    done = 0
    for rows, of in table:
        found = [
            Found(f"row {done + number}", row if isinstance(row, ConfigurationError) else identified(row))
            for number, row in enumerate(rows, 1)
        ]
        done += len(rows)
        yield SourceBatch(found, done, of)


def _file(path: str) -> Iterator[SourceBatch]:
    try:
        with open(path, "rb") as file:
            yield from _lines(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def _lines(file: IO[bytes], of: int) -> Iterator[SourceBatch]:
    found: list[Found] = []
    done = taken = 0
    for number, line in enumerate(_bounded(file), 1):
        done += len(line)
        for values in _values_in(line):
            found.append(Found(f"line {number}", values))
            if len(found) >= ROWS or done - taken >= _BATCH_BYTES:
                yield SourceBatch(found, done, of)
                found, taken = [], done
    yield SourceBatch(found, done, of)


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file; of a line that is too long, its beginning."""
    while line := file.readline(_LONGEST_LINE + 1):
        yield line
        while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE + 1)
            if not line:
                return


def _values_in(line: bytes) -> Iterator[Values | ConfigurationError | None]:
    try:
        document = _document(line)
        if document is None:
            return
        if _OTLP_KEY in document:
            yield from values_in(document)
        else:
            yield None if _OTHER_SIGNALS & document.keys() else identified(document)
    except ConfigurationError as error:
        yield error
    except RecursionError:
        yield ConfigurationError(_TOO_DEEP)


def _document(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a line; None for an empty line.

    Raises:
        ConfigurationError: if it is not a JSON object.
    """
    if len(line) > _LONGEST_LINE:
        raise ConfigurationError(f"longer than {_LONGEST_LINE // 2**20} MiB")
    line = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not line:
        return None
    try:
        document = json.loads(line.decode())
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except UnicodeDecodeError:
        raise ConfigurationError("not UTF-8") from None
    except RecursionError:
        raise ConfigurationError(_TOO_DEEP) from None
    except ValueError as error:  # an integer of thousands of digits
        raise ConfigurationError(f"not an execution: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError("not a JSON object")
    return document


def _holds_executions(file: IO[bytes]) -> bool:
    """Tell whether any of the first lines is an execution or an OTLP request, or whether the file is empty."""
    is_empty = True
    for line, _ in zip(_bounded(file), range(_FIRST_LINES), strict=False):
        try:
            document = _document(line)
        except ConfigurationError:
            is_empty = False
            continue
        if document is not None:
            is_empty = False
            if document.keys() & (_KNOWN_KEYS | _OTHER_SIGNALS | {_OTLP_KEY}):
                return True
    return is_empty
