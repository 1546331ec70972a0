"""Reads files of executions in batches: databases, Parquet, JSON Lines and CSV of this package, and OTLP's JSON."""

import itertools
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan

from ..columns import COLUMN_OF
from ..costs.model_calls import is_model_call
from ..errors import ConfigurationError
from ..safety.sanitize import utf8
from ..sqlite.file_watch import is_database
from ..sqlite.foreign_database import ForeignDatabase
from ..sqlite.paths import size_of
from ..sqlite.selection import Selection
from .csv_rows import csv_rows, is_header
from .input_files import STDIN
from .json_documents import Documents
from .nested import held_by
from .otlp_spans import MODEL_CALL, OTHER_SCOPES, is_otlp, spans_in
from .parquet import read_parquet
from .slices import slices
from .text_files import first_line, open_text
from .validation import identified

Values = dict[str, Any]
Spans = Sequence[ReadableSpan]

#: Executions in one transaction. Other writers wait for it, and can write while the next batch is read.
ROWS: Final = 128
_BATCH_BYTES: Final = 4 * 2**20
#: Of a database, what one process reads at a time.
_PART_BYTES: Final = 2 * 2**20
_OTHER_TEXT: Final = "lines that are not JSON"
_OTHER_OBJECTS: Final = "JSON objects that are not executions"
#: The members of requests of other signals than spans.
_OTHER_SIGNALS: Final = {
    name: f"requests of {signal}"
    for signal in ("metrics", "logs", "profiles")
    for name in (f"resource{signal.title()}", f"resource_{signal}")
}


_KNOWN: Final = frozenset({"task_type", "execution_id", *_OTHER_SIGNALS})


def unknown_column(name: Any) -> str:
    """Return what the values of a column are counted as that the table does not have."""
    return f"values of the unknown column {utf8(str(name))[:60]!r}"


class Found(NamedTuple):
    """An entry of a file: its place, and the values of an execution, or the error of reading them.

    Of an entry that is not an execution, what it is counted as.
    """

    place: str
    values: Values | ConfigurationError | str


class SourceBatch(NamedTuple):
    """Some entries of a file, with the progress."""

    found: list[Found]
    done: int
    of: int
    #: The spans of the requests, where there are others than executions.
    spans: Spans = ()


SourceReader = Callable[[], Iterator[SourceBatch]]
"""Reads the batches of a file."""


class Part(NamedTuple):
    """A file, or some rows of a database."""

    file: str
    #: The number before the first, and that of the last.
    rows: tuple[int, int] | None = None


def parts_of(path: str) -> list[Part]:
    """Return the parts in which several processes can read a file: of a database by its rows.

    Raises:
        DatabaseError: if it cannot be read.
    """
    number = size_of(path) // _PART_BYTES
    if number < 2 or not is_database(path):
        return [Part(path)]
    with ForeignDatabase(path) as database:
        bounds = database.query(
            "SELECT coalesce(min(rowid), 1) - 1 AS first, coalesce(max(rowid), 0) AS last FROM executions"
        )
    first, last = bounds[0]["first"], bounds[0]["last"]
    ends = [first + (last - first) * part // number for part in range(number + 1)]
    return [Part(path, rows) for rows in itertools.pairwise(ends)]


def source_reader(path: str, rows: tuple[int, int] | None = None) -> SourceReader:
    """Return a reader of the file, or of the standard input for ``-``.

    Args:
        path: its path.
        rows: of a database, those of a part.

    Raises:
        ConfigurationError: if it cannot be read or has an unknown format.
        DatabaseError: if it is a database of another program or of a newer release.
    """
    if path == STDIN:
        return lambda: _text(sys.stdin.buffer, 0, path)
    mode = _mode(path)
    if stat.S_ISFIFO(mode):  # it can be read once
        return lambda: _file(path)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # such as a device without an end
        raise ConfigurationError(f"Cannot read {path}: expected a file or a pipe.")
    try:
        if is_database(path):
            with ForeignDatabase(path):
                return lambda: _database(path, rows)
        with open(path, "rb") as file:
            if file.read(4) == b"PAR1":
                table = read_parquet(path, ROWS)
                return lambda: _parquet(table)
            file.seek(0)
            line, text = first_line(open_text(file, path))
            if not (is_header(line) or _is_understood(text)):
                raise _unknown(path)
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


def _unknown(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"Unknown format of {path}: expected a database, JSON of executions or of OTLP, CSV of export, or Parquet."
    )


def _database(path: str, part: tuple[int, int] | None) -> Iterator[SourceBatch]:
    with ForeignDatabase(path) as database:
        columns = database.query("SELECT name FROM pragma_table_info('executions')")
        unknown = [unknown_column(row["name"]) for row in columns if row["name"] not in COLUMN_OF]
        for rows, done, of in slices(database, Selection(), "private", ROWS, held_by(database.query), part):
            found = [Found(f"row {row.pop('row')}", row) for row in rows]
            yield SourceBatch(found + [Found("", what) for what in unknown for _ in rows], done, of)


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
            yield from _text(file, os.fstat(file.fileno()).st_size, path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _text(file: IO[bytes], size: int, path: str) -> Iterator[SourceBatch]:
    header, text = first_line(open_text(file, path))
    documents = Documents(text)
    of = size if text is file else 0  # compressed: unknown
    if is_header(header):
        yield from _csv(text, of)
        return
    found: list[Found] = []
    spans: list[ReadableSpan] = []
    taken = 0
    #: Whether the file has spans of other scopes so far, and with them perhaps model calls.
    is_mixed = False
    is_understood = False
    for line, document in documents:
        place = f"line {line}"
        is_understood = is_understood or _is_known(document)
        if isinstance(document, dict) and "task_type" in document:
            found.append(Found(place, identified(document)))
        elif document is None:
            found.append(Found(place, _OTHER_TEXT))
        elif isinstance(document, ConfigurationError):
            found.append(Found(place, document))
        elif is_otlp(document):
            for values, span in spans_in(document):
                found.append(Found(place, values))
                if span is not None:
                    is_mixed = is_mixed or values in (MODEL_CALL, OTHER_SCOPES) or is_model_call(span.attributes or {})
                    if is_mixed:
                        spans.append(span)
                if len(found) >= ROWS:
                    yield SourceBatch(found, documents.done, of, spans)
                    found, spans, taken = [], [], documents.done
        elif "execution_id" in document:
            found.append(Found(place, identified(document)))
        else:
            signals = [what for name, what in _OTHER_SIGNALS.items() if name in document]
            found.append(Found(place, signals[0] if signals else _OTHER_OBJECTS))
        if len(found) >= ROWS or documents.done - taken >= _BATCH_BYTES:
            yield SourceBatch(found, documents.done, of, spans)
            found, spans, taken = [], [], documents.done
    if documents.has_any and not is_understood:  # of a pipe that is known only now
        raise _unknown(path)
    yield SourceBatch(found, documents.done, of, spans)


def _csv(text: IO[bytes], of: int) -> Iterator[SourceBatch]:
    rows = iter(csv_rows(text))
    while batch := list(itertools.islice(rows, ROWS)):
        yield SourceBatch([Found(f"line {line}", values) for line, values in batch], text.tell() if of else 0, of)


def _is_understood(text: IO[bytes]) -> bool:
    """Tell whether any document is an execution or an OTLP request, or whether the text is empty."""
    documents = Documents(text)
    return any(_is_known(document) for _, document in documents) or not documents.has_any


def _is_known(document: Values | ConfigurationError | None) -> bool:
    return isinstance(document, dict) and (is_otlp(document) or not document.keys().isdisjoint(_KNOWN))
