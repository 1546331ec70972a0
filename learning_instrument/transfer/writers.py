"""Writes slices of executions as CSV, JSON Lines, Parquet, or OTLP JSON Lines."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from ..columns import COLUMNS
from ..record import parse_metadata
from ..safety import control_characters, formulas
from ..version import __version__
from .nested import FEEDBACK, MODEL_CALLS, REPORTED_COST
from .otlp_json import requests_of
from .parquet import write_parquet

Rows = list[dict[str, Any]]


class Form(NamedTuple):
    """How a file is written."""

    #: What the rows have besides their columns.
    nested: Sequence[str] = ()
    #: Whether CSV has text as it is, also where a spreadsheet takes it for a formula.
    is_raw: bool = False
    #: Whether it is printed on a terminal, which obeys control characters.
    is_shown: bool = False


Writer = Callable[[IO[bytes], Iterable[Rows], Form], object]

_dumps: Final = json.JSONEncoder(separators=(",", ":")).encode
#: Executions in one OTLP request: a collector accepts a few megabytes.
_REQUEST_ROWS: Final = 100
_GROUP_ROWS: Final = 10_000


def write_csv(file: IO[bytes], slices: Iterable[Rows], form: Form) -> None:
    """Write a header, and a line for each execution with the columns of the table (RFC 4180)."""
    sheet = io.StringIO()
    # Before Python 3.13 a lone carriage return is put in quotes only if lines end with one.
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    cell = _cell if form.is_raw else _shown_cell if form.is_shown else _safe_cell
    for rows in slices:
        writer.writerows([cell(row[column]) for column in COLUMNS] for row in rows)
        file.write(sheet.getvalue().encode())
        sheet.seek(0)
        sheet.truncate()
    file.write(sheet.getvalue().encode())


def write_json_lines(file: IO[bytes], slices: Iterable[Rows], form: Form) -> None:
    """Write ``ExecutionRecord.to_dict`` of each execution, and what is nested in it."""
    for rows in slices:
        file.writelines(_dumps(_document(row)).encode() + b"\n" for row in rows)


def write_otlp(file: IO[bytes], slices: Iterable[Rows], form: Form) -> None:
    """Write OTLP requests that a collector accepts, one on each line."""
    for rows in slices:
        for start in range(0, len(rows), _REQUEST_ROWS):
            requests = requests_of(rows[start : start + _REQUEST_ROWS], __version__)
            file.writelines(_dumps(request).encode() + b"\n" for request in requests)


def write_table(file: IO[bytes], slices: Iterable[Rows], form: Form) -> None:
    """Write Parquet, in row groups large enough for its readers."""
    write_parquet(file, _joined(slices), form.nested)


def _joined(slices: Iterable[Rows]) -> Iterator[Rows]:
    group: Rows = []
    for rows in slices:
        group += rows
        if len(group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


WRITERS: Final[dict[str, Writer]] = {
    "csv": write_csv,
    "jsonl": write_json_lines,
    "parquet": write_table,
    "otlp": write_otlp,
}


def _cell(value: Any) -> Any:
    """Replace NUL, which Python 3.10 cannot write to CSV, and few programs read."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if type(value) is str and "\0" in value else value


def _safe_cell(value: Any) -> Any:
    return formulas.escaped(_cell(value)) if type(value) is str else value


def _shown_cell(value: Any) -> Any:
    return formulas.escaped(control_characters.escaped(value)) if type(value) is str else value


def _document(row: dict[str, Any]) -> dict[str, Any]:
    document = {column: row[column] for column in COLUMNS}
    document["success"] = bool(row["success"])
    document["user_accepted"] = None if row["user_accepted"] is None else bool(row["user_accepted"])
    document["metadata"] = parse_metadata(row["metadata"])
    document["defaulted"] = json.loads(row["defaulted"])
    if row.get(FEEDBACK):
        document[FEEDBACK] = [
            {**each, "accepted": None if each["accepted"] is None else bool(each["accepted"])} for each in row[FEEDBACK]
        ]
    document |= {name: row[name] for name in (MODEL_CALLS, REPORTED_COST) if name in row}
    return document
