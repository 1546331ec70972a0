"""The options of ``record_execution`` and ``PoolInstrumentor``, and their checks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from ..pipeline.installed import NOT_GIVEN
from ..pipeline.resolver import PipelineResolver
from ..recording.capture import CaptureOptions
from ..recording.contents import metadata_keys
from ..recording.fields import IDENTIFIER_LIMIT, SETTABLE
from ..recording.types import RequestHook, ResponseHook
from ..safety.sanitize import utf8

if TYPE_CHECKING:
    from ..budgets import Budget


_TRUE_WORDS: Final = ("", "1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """The options of :func:`record_execution`, checked."""

    resolve: PipelineResolver
    capture: CaptureOptions
    task: str = "task"
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None
    #: The argument itself: a LearningDatabase, None, a callable, or NOT_GIVEN.
    learning_db: Any = NOT_GIVEN
    budgets: "tuple[Budget, ...]" = ()
    #: Whether a provider of spans or metrics was given.
    has_provider: bool = False


def capture_options(
    pool_type: Any, capture_content: bool, success_when: Any, fields: Mapping[str, Any] | None, keep_metadata: Any
) -> CaptureOptions:
    """Check the arguments that decide what is captured.

    Raises:
        ConfigurationError: for an invalid argument.
    """
    if pool_type is not None and not isinstance(pool_type, str):
        raise ConfigurationError(f"Invalid pool_type {pool_type!r}: expected a string or None.")
    fields = dict(fields or {})
    for column, extractor in fields.items():
        if column not in SETTABLE:
            raise ConfigurationError(
                f"Invalid column {column!r} in fields: expected one of {', '.join(sorted(SETTABLE))}."
            )
        if not (callable(extractor) or (isinstance(extractor, str) and extractor)):
            raise ConfigurationError(
                f"Invalid fields[{column!r}] {extractor!r}: expected a name, a dotted path, or a function"
                " (instance, task, result) -> value."
            )
    pool_type = None if pool_type is None else utf8(pool_type[:IDENTIFIER_LIMIT])
    kept = metadata_keys(keep_metadata)
    return CaptureOptions(pool_type, capture_content and content_is_wanted(), kept, success_when, fields)


def check_functions(**functions: Any) -> None:
    """Check arguments that are functions or None.

    Raises:
        ConfigurationError: for an argument that is not callable.
    """
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise ConfigurationError(f"Invalid {name} {function!r}: expected a function or None.")


def budgets_given(budget: Any) -> "tuple[Budget, ...]":
    """Return the budgets of the argument *budget*.

    Raises:
        ConfigurationError: if it is not a budget, several of them, or None.
    """
    if budget is None:
        return ()
    from ..budgets import budgets_of

    return budgets_of(budget)


def content_is_wanted() -> bool:
    """Tell whether the environment allows keeping description and summary."""
    return os.environ.get("LEARNING_INSTRUMENT_CAPTURE_CONTENT", "").strip().lower() in _TRUE_WORDS
