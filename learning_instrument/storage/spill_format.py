"""The format of spill files: written and read.

A spill file is written whole and at once: under a temporary name, then renamed. Its first line says format, version,
schema and counts; each further line is one execution, model call, link or loss, by the names of its columns.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from ..columns import COLUMNS
from ..costs.attribution import SpanLink
from ..costs.call_store import ModelCallBatch
from ..costs.model_calls import ModelCall
from ..record import Row
from ..sqlite import schema
from ..sqlite.connection import Loss
from .spill_names import FORMAT, VERSION, NewerSpillError, head_of, new_names

_LOSS: Final = ("timestamp", "process_id", "reason", "executions")


@dataclass(frozen=True, slots=True)
class Spilled:
    """The contents of a spill file."""

    executions: Sequence[Row] = ()
    #: Priced.
    model_calls: ModelCallBatch = field(default_factory=ModelCallBatch)
    #: Losses that no write has reported yet.
    losses: Sequence[Loss] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.executions or self.losses or self.model_calls.size or self.model_calls.due)


def write(path: str, spilled: Spilled) -> str:
    """Write *spilled* to a new file beside the database at *path*; return its path. Mode 0600.

    Raises:
        OSError: if the folder cannot be written.
        TypeError, ValueError: if a value is of no type that SQLite stores.
    """
    unfinished, final = new_names(path)
    text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in _lines(spilled))
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(text)
        os.rename(unfinished, final)
    except BaseException:  # raised again, without the part that was written
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return final


def can_be_written(row: Row) -> bool:
    """Tell whether *row* has only values that a spill file can hold."""
    return all(value is None or isinstance(value, (bool, int, float, str)) for value in row)


def read(handle: BinaryIO) -> Spilled:
    """Return the contents of an open spill file.

    Raises:
        NewerSpillError: if a newer release wrote it.
        ValueError, LookupError, TypeError: if it is not a whole spill file.
    """
    head = head_of(handle)
    executions: list[Row] = []
    calls, links, due, losses = [], [], [], []
    for line in handle:
        ((kind, values),) = json.loads(line).items()
        if kind == "execution":
            executions.append(_by_name(COLUMNS, values))
        elif kind == "model_call":
            calls.append(ModelCall(*_by_name(ModelCall._fields, values)))
        elif kind == "link":
            links.append(SpanLink(*_by_name(SpanLink._fields, values)))
        elif kind == "due":
            due += values
        elif kind == "loss":
            losses.append(_by_name(_LOSS, values))
        else:
            raise NewerSpillError(f"Unknown kind of line {kind!r}.")
    if (len(executions), len(calls)) != (head["executions"], head["model_calls"]):
        raise ValueError("lines are missing")
    return Spilled(executions, ModelCallBatch(calls, links, due), losses)


def _lines(spilled: Spilled) -> Iterator[Mapping[str, Any]]:
    calls = spilled.model_calls
    yield {
        "format": FORMAT,
        "version": VERSION,
        "schema": schema.VERSION,
        "executions": len(spilled.executions),
        "model_calls": len(calls.calls),
    }
    for row in spilled.executions:
        yield {"execution": {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}}
    for call in calls.calls:
        yield {"model_call": call._asdict()}
    for link in calls.links:
        yield {"link": link._asdict()}
    if calls.due:
        yield {"due": list(calls.due)}
    for loss in spilled.losses:
        yield {"loss": dict(zip(_LOSS, loss, strict=True))}


def _by_name(names: Sequence[str], values: Mapping[str, Any]) -> tuple[Any, ...]:
    unknown = values.keys() - set(names)
    if unknown:
        raise NewerSpillError(f"It has columns that this release does not know: {sorted(unknown)}.")
    return tuple(map(values.get, names))
