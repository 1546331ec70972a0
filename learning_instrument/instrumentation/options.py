"""Options."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import TracerProvider

from ..errors import ConfigurationError
from ..pipeline.host_providers import check_providers
from ..pipeline.resolver import PipelineResolver, resolver_for
from ..pipeline.state import NOT_GIVEN, PipelineOptions
from ..recording.capture import CaptureOptions
from ..recording.fields import IDENTIFIER_LIMIT, SETTABLE, Extractor
from ..recording.types import RequestHook, ResponseHook
from ..safety.sanitize import utf8

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..budgets import Budget


_TRUE_WORDS: Final = ("", "1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Recording:
    """What the arguments of :func:`record_execution` amount to."""

    route: PipelineResolver
    options: CaptureOptions
    task: str = "task"
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None
    #: As it was given: a LearningDatabase, None, a callable, or nothing.
    learning_db: Any = NOT_GIVEN
    budgets: "tuple[Budget, ...]" = ()


def recording_for(
    *,
    task: str = "task",
    pool_type: str | None = None,
    success_when: Callable[[Any], bool | None] | None = None,
    capture_content: bool = True,
    request_hook: RequestHook | None = None,
    response_hook: ResponseHook | None = None,
    fields: Mapping[str, str | Extractor] | None = None,
    learning_db: Any = NOT_GIVEN,
    tracer_provider: TracerProvider | None = None,
    meter_provider: "MeterProvider | None" = None,
    budget: "Budget | Sequence[Budget] | None" = None,
) -> Recording:
    """Check the arguments of :func:`record_execution`, and return what they amount to.

    Raises:
        ConfigurationError: for an argument that cannot be used.
    """
    fields = dict(fields or {})
    _check(pool_type, fields, success_when, request_hook, response_hook)
    check_providers(tracer_provider, meter_provider)
    pool_type = None if pool_type is None else utf8(pool_type[:IDENTIFIER_LIMIT])
    options = CaptureOptions(pool_type, capture_content and content_is_wanted(), success_when, fields)
    budgets = _budgets(budget)
    route = resolver_for(learning_db, PipelineOptions(tracer_provider, meter_provider, budgets))
    return Recording(route, options, task, request_hook, response_hook, learning_db, budgets)


def _budgets(budget: Any) -> "tuple[Budget, ...]":
    if budget is None:
        return ()
    from ..budgets import budgets_of

    return budgets_of(budget)


def _check(pool_type: Any, fields: Mapping[str, Any], *callables: Any) -> None:
    if pool_type is not None and not isinstance(pool_type, str):
        raise ConfigurationError(f"pool_type={pool_type!r} is not a string.")
    for function in callables:
        if function is not None and not callable(function):
            raise ConfigurationError(f"{function!r} is not callable; success_when and the hooks are functions.")
    for column, extractor in fields.items():
        if column not in SETTABLE:
            raise ConfigurationError(f"fields has no column {column!r}; it takes {', '.join(sorted(SETTABLE))}.")
        if not (callable(extractor) or (isinstance(extractor, str) and extractor)):
            raise ConfigurationError(
                f"fields[{column!r}]={extractor!r} is neither a name, nor a dotted path, nor a function"
                " (instance, task, result) -> value."
            )


def content_is_wanted() -> bool:
    """Tell whether the environment lets description and summary be kept."""
    return os.environ.get("LEARNING_INSTRUMENT_CAPTURE_CONTENT", "").strip().lower() in _TRUE_WORDS
