"""Judges how an execution ended, by its result or its exception."""

import builtins
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


_TIMEOUT: Final = (Outcome.TIMEOUT, ErrorType.TIMEOUT)
_CANCELLED: Final = (Outcome.CANCELLED, ErrorType.CANCELLED)
_CRASH: Final = (Outcome.ERROR, ErrorType.CRASH)
#: Exceptions that ask for another run later. This run is judged by the exception that they were raised for, if any.
RETRIES: Final = frozenset({"arq.Retry", "arq.RetryJob", "celery.Retry", "dramatiq.Retry", "huey.RetryTask"})
#: Exception classes by the package that defines them, whichever of its modules it is in, or by their name alone.
#: Compared by name, so that no library need be imported to be recognised.
ENDINGS: Final[Mapping[str, tuple[Outcome, ErrorType | None]]] = {
    **dict.fromkeys(
        (
            # Before Python 3.11 asyncio and concurrent.futures had classes of their own.
            "builtins.TimeoutError", "asyncio.TimeoutError", "concurrent.TimeoutError", "multiprocessing.TimeoutError",
            "agents.ModelTimeoutError", "agents.ToolTimeoutError", "google.NodeTimeoutError",
            "langgraph.NodeTimeoutError", "pydantic_ai.ModelRequestTimeout", "pydantic_ai.ModelTimeoutError",
            "pydantic_ai.RunTimedOut", "temporalio.TimeoutError", "workflows.WorkflowTimeoutError",
            "billiard.SoftTimeLimitExceeded", "billiard.TimeLimitExceeded", "celery.TimeoutError",
            "dramatiq.TimeLimitExceeded", "eventlet.Timeout", "gevent.Timeout", "huey.ResultTimeout",
            "huey.TaskTimeout", "ray.ObjectFetchTimedOutError", "rq.BaseTimeoutException",
            "taskiq.TaskiqResultTimeoutError", "tornado.TimeoutError", "trio.TooSlowError",
        ),
        _TIMEOUT,
    ),
    **dict.fromkeys(
        (
            "builtins.GeneratorExit", "asyncio.CancelledError", "concurrent.CancelledError", "anyio.FutureCancelled",
            "anyio.TaskCancelled", "greenlet.GreenletExit", "prefect.CancelledRun", "ray.TaskCancelledError",
            "taskiq.ScheduledTaskCancelledError", "trio.Cancelled", "langgraph.NodeCancelledError",
            "pydantic_ai.RunCancelled", "temporalio.CancelledError", "workflows.WorkflowCancelledByUser",
            # The task gave itself up, or its worker is stopped, or it waits for another one that runs.
            "celery.Ignore", "dramatiq.Shutdown", "huey.CancelExecution", "huey.TaskLockedException",
            "langgraph.GraphDrained",
            "rq.ShutDownImminentException",
            *RETRIES,
        ),
        _CANCELLED,
    ),
    **dict.fromkeys(
        (
            "BrokenExecutor", "WorkerLostError", "anyio.BrokenWorkerInterpreter", "anyio.BrokenWorkerProcess",
            "distributed.KilledWorker", "prefect.CrashedRun", "ray.LocalRayletDiedError", "ray.NodeDiedError",
            "ray.ObjectLostError", "ray.OutOfMemoryError", "ray.RayActorError", "ray.WorkerCrashedError",
            "rq.AbandonedJobError",
        ),
        _CRASH,
    ),
    "ValidationError": (Outcome.ERROR, ErrorType.VALIDATION),  # pydantic's, and any other of that name
    # A graph waits for a human, or hands over to the graph around it. At the outermost graph it is no exception.
    "langgraph.GraphBubbleUp": (Outcome.SUCCEEDED, None),
}  # fmt: skip
#: The most exceptions of a group, and of the groups in it, that are judged.
_MOST_IN_GROUP: Final = 1000


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


def _names_of(exception: BaseException) -> list[str]:
    """Return the names of its class and of the base classes, each with the package and without, as ENDINGS has them."""
    names = []
    for cls in type.mro(type(exception)):
        module, name = _module_of(cls), _name_of(cls)
        if type(module) is type(name) is str:
            names += [f"{module.partition('.')[0]}.{name}", name]
    return names


def reason_of(exception: BaseException) -> BaseException:
    """Return the cause of a retry, which is how this run ended; any other *exception* as it is."""
    if RETRIES.isdisjoint(_names_of(exception)):
        return exception
    reason = vars(exception).get("exc") or exception.__cause__ or exception.__context__
    return reason if isinstance(reason, BaseException) else exception


def judge_exception(exception: BaseException, message: str) -> Verdict:
    """Judge a raised *exception*, whose text is *message* (``""`` if it has none)."""
    exception_type = qualified_name(type(exception))
    message = message or _name_of(type(exception))
    outcome, error_type = _ending_of(exception) or (Outcome.ERROR, error_type_of(message))
    if error_type is None:
        return SUCCEEDED
    return Verdict(outcome, error_type, message, exception_type, "raised")


def _ending_of(exception: BaseException) -> tuple[Outcome, ErrorType | None] | None:
    """Return the ending that its class stands for, or that all exceptions of a group stand for; None for any other."""
    members = _members_of(exception)
    if members is None:
        return next((ENDINGS[name] for name in _names_of(exception) if name in ENDINGS), None)
    endings = set()
    seen = 0
    while members:
        member = members.pop()
        seen += 1
        inner = _members_of(member)
        if inner is None:
            endings.add(_ending_of(member))
        else:
            members += inner
        if len(endings) > 1 or seen > _MOST_IN_GROUP:
            return None
    return endings.pop() if endings else None


def _members_of(exception: BaseException) -> list[BaseException] | None:
    """Return the exceptions of a group; None for an exception that is no group."""
    group = getattr(builtins, "BaseExceptionGroup", None)
    if group is not None and issubclass(type(exception), group):
        return list(group.exceptions.__get__(exception))  # not by attribute access, which a user's class may override
    if "exceptiongroup.BaseExceptionGroup" in _names_of(exception):  # the backport for Python 3.10
        return list(vars(exception).get("_exceptions") or ())
    return None


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
