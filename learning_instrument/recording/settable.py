"""The columns that ``current_execution().set()`` takes, with their types: for type checkers, ``help()`` and editors."""

import inspect
import os
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypedDict, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class SettableColumns(TypedDict, total=False):
    """Column -> value. None says nothing."""

    actual_cost: float | None
    attempt: int | None
    complexity_score: float | None
    cost_estimate: float | None
    cpu_time_seconds: float | None
    error_message: str | None
    estimated_tokens: int | str | None
    file_count: int | Collection[object] | None
    input_tokens: int | None
    metadata: Mapping[str, Any] | None
    model: str | None
    model_tier: str | None
    output_tokens: int | None
    peak_memory_mb: float | None
    pool_id: str | int | uuid.UUID | None
    pool_type: str | None
    quality_score: float | None
    queue_seconds: float | None
    repo: str | os.PathLike[str] | None
    routing_confidence: float | None
    solution_summary: str | None
    success: bool | None
    swarm_topology: str | None
    task_description: str | None
    task_id: str | int | uuid.UUID | None
    task_type: str | None
    worker_id: str | int | uuid.UUID | None


def shows_columns(method: F) -> F:
    """Give a method with ``**values`` a signature that names each column."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    columns = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in SettableColumns.__annotations__.items()
    ]
    method.__signature__ = inspect.Signature([own, *columns], return_annotation=None)  # type: ignore[attr-defined]
    return method
