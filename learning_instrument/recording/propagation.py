"""Packs the context of an execution into headers for another process, and unpacks it there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext

from ..ids import ids_of
from ..safety.guards import guarded
from .contexts import batch_of, enclosing_of, within

_EXECUTION_HEADER: Final = "learning-instrument-execution"
_BATCH_HEADER: Final = "learning-instrument-batch"


class RemoteExecution:
    """An execution of another process."""

    instance: Final = None
    plan: Final = None

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        trace_id, span_id = ids_of(execution_id)
        self._recorded: Span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True))


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


def unpack(headers: Mapping[str, str]) -> Context:
    """Return the context of *headers* made by :func:`pack`; it replaces that of the receiving process."""
    context: Context = guarded(propagate.extract, headers, Context()) or Context()
    execution_id, batch_id = headers.get(_EXECUTION_HEADER), headers.get(_BATCH_HEADER)
    enclosing = guarded(RemoteExecution, execution_id) if execution_id else None
    return within(context, enclosing, RemoteBatch(batch_id) if batch_id else None)
