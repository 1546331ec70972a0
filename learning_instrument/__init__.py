"""Execution telemetry for pools of workers and agents: each task a span, each span a record in SQLite.

PYTEST_DONT_REWRITE, or pytest would warn wherever this was imported before it, as auto-instrumentation does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .budgets import Budget
    from .configuration import configure, shutdown
    from .database import LearningDatabase
    from .decorator import record_execution
    from .errors import BudgetExceeded
    from .exporter import SQLiteSpanExporter
    from .instrumentor import PoolInstrumentor
    from .metrics import observe_pool
    from .outcome import ErrorType
    from .record import ExecutionRecord
    from .tracing import current_execution

__all__ = [
    "Budget",
    "BudgetExceeded",
    "ErrorType",
    "ExecutionRecord",
    "LearningDatabase",
    "PoolInstrumentor",
    "SQLiteSpanExporter",
    "configure",
    "current_execution",
    "observe_pool",
    "record_execution",
    "shutdown",
]

_HOMES = {
    "Budget": "budgets",
    "BudgetExceeded": "errors",
    "ErrorType": "outcome",
    "ExecutionRecord": "record",
    "LearningDatabase": "database",
    "PoolInstrumentor": "instrumentor",
    "SQLiteSpanExporter": "exporter",
    "configure": "configuration",
    "current_execution": "tracing",
    "observe_pool": "metrics",
    "record_execution": "decorator",
    "shutdown": "configuration",
}


def __getattr__(name: str) -> Any:
    """Import a promised name when it is first asked for: the SDK and SQLite take time to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
