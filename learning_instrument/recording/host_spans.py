"""Calls the host's tracing and hooks around an execution; their failures do not reach the task."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span

from ..safety.guards import guarded, is_interruption, warn
from ..safety.sanitize import shown

log = logging.getLogger(__name__)


def start_host_span(start: Callable[..., Span], name: str, context: Context, start_time: int) -> Span:
    """Start a span of the host, or a non-recording one where its tracing fails."""
    try:
        return start(name, context, start_time=start_time)
    except Exception as fault:  # a sampler or a span processor of the host's
        if is_interruption(fault):
            raise
        _warn_of_host(type(fault).__qualname__)
        return NonRecordingSpan(trace.get_current_span(context).get_span_context())


def end_host_span(span: Span, end_time: int) -> None:
    """End *span*; a failure of the host's tracing is logged."""
    try:
        span.end(end_time)
    except Exception as fault:  # a span processor of the host's
        if is_interruption(fault):
            raise
        _warn_of_host(type(fault).__qualname__)


def call_hook(hook: Callable[..., object], *args: Any) -> None:
    """Call a user's *hook*; its exception is logged."""
    try:
        hook(*args)
    except BaseException as fault:  # a hook may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        guarded(_warn_of_hook, hook)


@functools.lru_cache(maxsize=64)
def _warn_of_host(fault: str) -> None:
    """Log, once for each class of *fault*, that the host's tracing failed."""
    warn(log, "The application's tracing failed; executions are recorded without it.", exc_info=True)


@functools.lru_cache(maxsize=64)
def _warn_of_hook(hook: Callable[..., object]) -> None:
    """Log, once for each hook, that it failed."""
    warn(log, "Hook %s failed; executions are recorded without it.", shown(hook), exc_info=True)
