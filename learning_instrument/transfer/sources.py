"""Files of executions, read in batches: databases, Parquet, our JSON Lines and OTLP's."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

from ..costs.model_calls import ModelCall
from ..errors import ConfigurationError
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Selection
from .otlp_json import values_in
from .parquet import read_parquet
from .slices import calls_of, reported_costs_of, slices
from .validation import identified

Values = dict[str, Any]

STDIN: Final = "-"
#: As much is taken in one transaction. Those who record wait for it, and get their turn while the next is read.
ROWS: Final = 128
_LONGEST_LINE: Final = 64 * 2**20
_BATCH_BYTES: Final = 4 * 2**20
#: So many lines tell what a file is.
_FIRST_LINES: Final = 20
_KNOWN_KEYS: Final = frozenset({"task_type", "execution_id"})
_OTLP_KEY: Final = "resourceSpans"
_TOO_DEEP: Final = "no execution: it is nested too deep"
_OTHER_SIGNALS: Final = frozenset({"resourceMetrics", "resourceLogs", "resourceProfiles"})


class Found(NamedTuple):
    """Something in a file: where, and the values of an execution; or why they cannot be read.

    None for a span that is none of an execution.
    """

    place: str
    values: Values | ConfigurationError | None


class SourceBatch(NamedTuple):
    """Some of what a file holds, and how far that is, of how far."""

    found: list[Found]
    done: int
    of: int
    #: Those of the executions among them.
    calls: Sequence[ModelCall] = ()
    #: Execution -> what its pool reported, of those whose model calls say something else.
    reported_costs: Mapping[str, float] = MappingProxyType({})


def reader_of(path: str) -> Callable[[], Iterator[SourceBatch]]:
    """Return what reads the file, or the standard input for ``-``.

    Raises:
        ConfigurationError: if it cannot be read, or is nothing that is known here.
        DatabaseError: if it is a database, but none of ours, or of a newer release.
    """
    if path == STDIN:
        return lambda: _lines(sys.stdin.buffer, 0)
    if stat.S_ISFIFO(_mode(path)):  # it can be read once
        return lambda: _file(path)
    try:
        with open(path, "rb") as file:
            head = file.read(16)
            if head == b"SQLite format 3\x00":
                with ReadOnlyDatabase(path):
                    return lambda: _database(path)
            if head.startswith(b"PAR1"):
                table = read_parquet(path, ROWS)
                return lambda: _parquet(table)
            file.seek(0)
            if not _holds_executions(file):
                raise ConfigurationError(
                    f"{path} is neither a database nor JSON Lines of executions, ours or OTLP's, nor Parquet;"
                    " learning-instrument export writes each of them, and CSV, which cannot be read back."
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
    return ConfigurationError(f"{path} cannot be read: {error.strerror or error}.")


def _database(path: str) -> Iterator[SourceBatch]:
    with ReadOnlyDatabase(path) as database:
        for rows, done, of in slices(database, Selection(), "private", ROWS):
            ids = [row["execution_id"] for row in rows]
            calls, reported_costs = calls_of(database, ids), reported_costs_of(database, ids)
            yield SourceBatch([Found(f"row {row.pop('row')}", row) for row in rows], done, of, calls, reported_costs)


def _parquet(table: Iterator[tuple[list[dict[str, Any]], int]]) -> Iterator[SourceBatch]:
    done = 0
    for rows, of in table:
        found = [Found(f"row {done + number}", identified(row)) for number, row in enumerate(rows, 1)]
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
    """Yield the lines of a file; of one that is too long, as much as shows that it is."""
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
    """Return the JSON object in a line; None where there is nothing.

    Raises:
        ConfigurationError: if there is something else.
    """
    if len(line) > _LONGEST_LINE:
        raise ConfigurationError(f"longer than {_LONGEST_LINE // 2**20} MiB")
    line = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not line:
        return None
    try:
        document = json.loads(line.decode())
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    except UnicodeDecodeError:
        raise ConfigurationError("no UTF-8") from None
    except RecursionError:
        raise ConfigurationError(_TOO_DEEP) from None
    except ValueError as error:  # an integer of thousands of digits
        raise ConfigurationError(f"no execution: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError("no JSON object")
    return document


def _holds_executions(file: IO[bytes]) -> bool:
    """Tell whether any of the first lines is one of an execution, or a request of OTLP; or there are none at all."""
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
