"""Execution telemetry for pools of workers and agents: each task a span, each span a record in SQLite.

PYTEST_DONT_REWRITE, or pytest would warn wherever this was imported before it, as auto-instrumentation does.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .budgets import Budget
    from .configuration import configure, shutdown
    from .database import LearningDatabase
    from .errors import BudgetExceeded
    from .instrumentation.decorator import record_execution
    from .instrumentation.instrumentor import PoolInstrumentor
    from .outcome import ErrorType, Outcome
    from .pipeline.exporter import SQLiteSpanExporter
    from .pipeline.metrics import observe_pool
    from .record import ExecutionRecord
    from .recording.current import current_execution
    from .version import __version__ as __version__


__all__ = [
    "Budget",
    "BudgetExceeded",
    "ErrorType",
    "ExecutionRecord",
    "LearningDatabase",
    "Outcome",
    "PoolInstrumentor",
    "SQLiteSpanExporter",
    "configure",
    "current_execution",
    "observe_pool",
    "record_execution",
    "shutdown",
]

_HOMES = {
    "__version__": "version",
    "Budget": "budgets",
    "BudgetExceeded": "errors",
    "ErrorType": "outcome",
    "ExecutionRecord": "record",
    "LearningDatabase": "database",
    "Outcome": "outcome",
    "PoolInstrumentor": "instrumentation.instrumentor",
    "SQLiteSpanExporter": "pipeline.exporter",
    "configure": "configuration",
    "current_execution": "recording.current",
    "observe_pool": "pipeline.metrics",
    "record_execution": "instrumentation.decorator",
    "shutdown": "configuration",
}

if any(name == "OTEL_PROPAGATORS" or (name.startswith("OTEL_") and name.endswith("_LIMIT")) for name in os.environ):
    # Before any other module of ours, each of which may import OpenTelemetry, whose import fails for an invalid value.
    from .safety.variables import import_opentelemetry

    import_opentelemetry()


def __getattr__(name: str) -> Any:
    """Import a promised name when it is first asked for: the SDK and SQLite take time to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
