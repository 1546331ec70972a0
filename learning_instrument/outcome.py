"""Judges how an execution ended, by its result or its exception."""

import enum
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Outcome(str, enum.Enum):
    """How an execution ended. Only ``SUCCEEDED`` counts as a success."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    LOST = "lost"


class ErrorType(str, enum.Enum):
    """Why an execution did not succeed."""

    TIMEOUT = "timeout"
    VALIDATION = "validation"
    QUALITY_GATE = "quality_gate"
    CRASH = "crash"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OutcomeSource = Literal["raised", "reported", "assumed"]
"""What an outcome rests on: an exception; the words of the result or its pool; or only that nothing was raised."""


class Verdict(NamedTuple):
    """The outcome of one execution, and its failure."""

    outcome: Outcome
    error_type: ErrorType | None = None
    error_message: str | None = None
    exception_type: str | None = None
    source: OutcomeSource = "reported"


SUCCEEDED: Final = Verdict(Outcome.SUCCEEDED)
#: It returned, and nothing says how it went.
ASSUMED: Final = Verdict(Outcome.SUCCEEDED, source="assumed")
QUALITY_GATE: Final = Verdict(Outcome.FAILED, ErrorType.QUALITY_GATE, "success_when said no")

#: A word of ``result.status`` or ``result.state``, in any case -> the outcome that it reports.
STATUSES: Final[Mapping[str, Outcome]] = {
    **dict.fromkeys(("completed", "complete", "success", "succeeded", "successful", "ok", "done"), Outcome.SUCCEEDED),
    **dict.fromkeys(("timeout", "timed_out", "timedout", "timed out"), Outcome.TIMEOUT),
    **dict.fromkeys(("cancelled", "canceled", "revoked"), Outcome.CANCELLED),
    **dict.fromkeys(
        (
            "failed", "fail", "failure", "error", "errored", "rejected", "aborted", "crashed", "killed", "invalid",
            "denied", "unknown",  # a pool that reports an unknown status does not report a success
        ),
        Outcome.FAILED,
    ),
}  # fmt: skip
#: Of ``result.status_code``: HTTP's errors.
FAILURE_CODES: Final = range(400, 600)

# Compared by name, so that asyncio and concurrent.futures need not be imported to be recognised.
# Before Python 3.11 each of them had a TimeoutError of its own.
_TIMEOUT_CLASSES: Final = frozenset(
    {
        ("builtins", "TimeoutError"),
        ("asyncio.exceptions", "TimeoutError"),
        ("concurrent.futures._base", "TimeoutError"),
        ("multiprocessing.context", "TimeoutError"),
        ("billiard.exceptions", "SoftTimeLimitExceeded"),  # celery's
        ("billiard.exceptions", "TimeLimitExceeded"),
        ("celery.exceptions", "TimeoutError"),
        ("dramatiq.middleware.time_limit", "TimeLimitExceeded"),
    }
)
_RETRIES: Final = (("celery.exceptions", "Retry"), ("dramatiq.errors", "Retry"))
_CANCELLED_CLASSES: Final = frozenset(
    {
        ("builtins", "GeneratorExit"),
        ("asyncio.exceptions", "CancelledError"),
        ("concurrent.futures._base", "CancelledError"),
        # The task gave itself up, or asks to be run again later.
        ("celery.exceptions", "Ignore"),
        *_RETRIES,
        ("dramatiq.middleware.shutdown", "Shutdown"),
    }
)
_CRASH_CLASSES: Final = frozenset({"BrokenExecutor", "WorkerLostError"})


# Bypasses the attribute access of a metaclass.
_module_of: Final = vars(type)["__module__"].__get__
_name_of: Final = vars(type)["__name__"].__get__
_qualified_name_of: Final = vars(type)["__qualname__"].__get__


def qualified_name(exception_class: type[BaseException]) -> str:
    """Return the class name as OpenTelemetry's ``error.type`` has it: with its module, unless built in."""
    module, name = _module_of(exception_class), _qualified_name_of(exception_class)
    if type(module) is str and module != "builtins":
        name = f"{module}.{name}"
    return str(name.encode(errors="replace").decode())  # both can hold lone surrogates


def reason_of(exception: BaseException) -> BaseException:
    """Return the cause of a retry, which is how this run ended; any other *exception* as it is."""
    classes = [(_module_of(cls), _name_of(cls)) for cls in type.mro(type(exception))]
    if not any(retry in classes for retry in _RETRIES):
        return exception
    reason = vars(exception).get("exc") or exception.__cause__ or exception.__context__
    return reason if isinstance(reason, BaseException) else exception


def judge_exception(exception: BaseException, message: str) -> Verdict:
    """Judge a raised *exception*, whose text is *message* (``""`` if it has none)."""
    classes = [(_module_of(cls), _name_of(cls)) for cls in type.mro(type(exception))]
    ancestors = [(module, name) for module, name in classes if type(module) is str]
    exception_type = qualified_name(type(exception))
    message = message or _name_of(type(exception))
    if not _TIMEOUT_CLASSES.isdisjoint(ancestors):
        return Verdict(Outcome.TIMEOUT, ErrorType.TIMEOUT, message, exception_type, "raised")
    if not _CANCELLED_CLASSES.isdisjoint(ancestors):
        return Verdict(Outcome.CANCELLED, ErrorType.CANCELLED, message, exception_type, "raised")
    names = {name for _, name in ancestors}
    if "ValidationError" in names:  # pydantic's, and any other of that name
        error_type = ErrorType.VALIDATION
    elif not _CRASH_CLASSES.isdisjoint(names):
        error_type = ErrorType.CRASH
    else:
        error_type = error_type_of(message)
    return Verdict(Outcome.ERROR, error_type, message, exception_type, "raised")


def outcome_of_status(status: str) -> Outcome | None:
    """Return the outcome that a *status* reports, or None where it is in no list."""
    return STATUSES.get(status.strip().lower())


def judge_result(*, success: bool | None, status: str | None, failed: bool, message: str | None) -> Verdict:
    """Judge a returned result by its own fields.

    Args:
        success: ``result.success`` or ``result.ok``, where it is a bool.
        status: ``result.status`` or ``result.state``, where it is a string.
        failed: whether ``result.error`` is not empty, or ``result.status_code`` is an error.
        message: the text of ``result.error_message`` or ``result.error``.
    """
    outcome = None if status is None else outcome_of_status(status)
    if success is None:
        if outcome is Outcome.TIMEOUT:
            return Verdict(outcome, ErrorType.TIMEOUT, message or status)
        if outcome is Outcome.CANCELLED:
            return Verdict(outcome, ErrorType.CANCELLED, message or status)
        if outcome is None and not failed:
            return ASSUMED
        success = outcome is Outcome.SUCCEEDED
    if success:
        return SUCCEEDED
    if outcome is Outcome.TIMEOUT:
        return Verdict(Outcome.FAILED, ErrorType.TIMEOUT, message or status)
    return Verdict(Outcome.FAILED, error_type_of(message or ""), message or status or Outcome.FAILED.value)


def error_type_of(message: str) -> ErrorType:
    """Infer the error type from the words of a *message*."""
    words = message.lower()
    if "timeout" in words or "timed out" in words:
        return ErrorType.TIMEOUT
    if "validation" in words:
        return ErrorType.VALIDATION
    return ErrorType.UNKNOWN
