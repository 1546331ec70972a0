"""Packs the context of an execution into headers for another process, and unpacks it there."""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from ..ids import ids_of
from ..safety.guards import guarded
from .contexts import batch_of, enclosing_of, within

_EXECUTION_HEADER: Final = "learning-instrument-execution"
_BATCH_HEADER: Final = "learning-instrument-batch"
_EXECUTION_ID: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{16}")
_BATCH_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Of a message, which another program may have written: the most headers, and the longest value (that of baggage).
_MOST_HEADERS: Final = 32
_LONGEST_VALUE: Final = 8192


class RemoteExecution:
    """An execution of another process."""

    instance: Any = None
    plan: Any = None

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        trace_id, span_id = ids_of(execution_id)
        self.ids = SpanContext(trace_id, span_id, is_remote=True)


@dataclass(slots=True)
class RemoteBatch:
    """A batch of another process."""

    batch_id: str
    recorded: int = 0


def pack(context: Context) -> dict[str, str]:
    """Return *context* as headers: the host's own, and ours."""
    headers: dict[str, str] = {}
    guarded(propagate.inject, headers, context)  # a propagator of the host's
    enclosing = enclosing_of(context)
    if enclosing is not None:
        headers[_EXECUTION_HEADER] = enclosing.execution_id
    batch = batch_of(context)
    if batch is not None:
        batch.recorded += 1  # it runs in the other process
        headers[_BATCH_HEADER] = batch.batch_id
    return headers


def unpack(headers: Any) -> Context:
    """Return the context of *headers* made by :func:`pack`; it replaces that of the receiving process.

    Headers that :func:`pack` cannot have made are ignored.
    """
    known = _texts(headers) if isinstance(headers, dict) else {}
    context: Context = guarded(propagate.extract, known, Context()) or Context()
    execution_id, batch_id = known.get(_EXECUTION_HEADER, ""), known.get(_BATCH_HEADER, "")
    enclosing = RemoteExecution(execution_id) if _EXECUTION_ID.fullmatch(execution_id) else None
    return within(context, enclosing, RemoteBatch(batch_id) if _BATCH_ID.fullmatch(batch_id) else None)


def _texts(headers: dict[Any, Any]) -> dict[str, str]:
    """Return the headers that are texts of a bounded length."""
    return {
        name: value
        for name, value in islice(headers.items(), _MOST_HEADERS)
        if type(name) is str and type(value) is str and len(value) <= _LONGEST_VALUE
    }
