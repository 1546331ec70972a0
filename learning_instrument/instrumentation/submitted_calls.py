"""Calls on their way to the thread or process that runs them: with their context, and the time they have waited.

Neither thread pools nor process pools carry OpenTelemetry's context, and a forked process inherits a stale one.
"""

import contextvars
import dataclasses
import functools
import pickle
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import semconv
from ..pipeline.resolver import resolver_for
from ..pipeline.state import NOT_GIVEN, PipelineOptions
from ..recording.capture import CaptureOptions
from ..recording.contexts import is_suppressed, with_wait
from ..recording.drivers import drive_plainly, driver_for
from ..recording.execution import Execution, start_execution, start_guarded
from ..recording.fields import IDENTIFIER_LIMIT
from ..recording.propagation import pack, unpack
from ..recording.types import CallPlan, Pipeline
from ..safety.guards import guarded
from ..safety.sanitize import utf8
from .options import Recording, content_is_wanted
from .recorded_function import RecordedFunction, RecordedMethod

if TYPE_CHECKING:
    from ..budgets import Budget


_PLANS_LIMIT: Final = 4096
_WRAPPERS_LIMIT: Final = 16
_RECORDERS: Final = ("learning_instrument.", "opentelemetry.")


class CallRecorder:
    """Records the calls of functions that are sent to the pools of some library. For its adapter.

    Args:
        adapter: the adapter's name.
        recording: what the instrumentor was told.
    """

    def __init__(self, adapter: str, recording: Recording) -> None:
        self.adapter = adapter
        self.recording = recording
        self._plans: dict[tuple[str, str], CallPlan] = {}
        _recorders[adapter] = self

    def wrap(self, function: Any, pool: Any) -> Any:
        """Return what to send to *pool* in place of *function*: it takes this context along, and is recorded there.

        What is recorded by itself, such as a decorated function, is not recorded once more.
        """
        kind = type(function)
        if kind is functools.partial and function.args and runs_in_a_context(function.func):
            # ``asyncio.to_thread`` has the thread enter a context that it made: ours is to be attached within that.
            rest = function.args[1:]
            return functools.partial(function.func, self.wrap(function.args[0], pool), *rest, **function.keywords)
        context = otel_context.get_current()
        if is_suppressed(context) or kind is SubmittedCall or guarded(_is_telemetry, function):
            return function
        pipeline = self.recording.route(pool)
        if pipeline is None:
            return function
        pool_type = self.recording.options.pool_type or utf8(type(pool).__name__)
        return SubmittedCall(function, self, pool_type, pipeline, context)

    def plan(self, pool_type: str, function: Any) -> CallPlan:
        """Return the plan for *function*, which names the type of tasks that do not say one."""
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
        if type(name) is not str:
            module, name = type(function).__module__, type(function).__qualname__
        key = (pool_type, f"{module}.{name}")
        plan = self._plans.get(key)
        if plan is None:
            task_type = utf8(name.rpartition("<locals>.")[2][:IDENTIFIER_LIMIT])
            options = dataclasses.replace(self.recording.options, pool_type=pool_type, task_type=task_type)
            hooks = self.recording.request_hook, self.recording.response_hook
            plan = CallPlan(utf8(key[1]), task_type, options, *hooks)
            if len(self._plans) < _PLANS_LIMIT:  # functions made by the thousand are not kept
                self._plans[key] = plan
        return plan

    def forget(self) -> None:
        """Record nothing any more."""
        _recorders.pop(self.adapter, None)


#: Those of this process, by their adapters' names. A forked process inherits them.
_recorders: Final[dict[str, CallRecorder]] = {}


class SubmittedCall:
    """A function, with the context it was sent off in."""

    __slots__ = ("_context", "_is_remote", "_pipeline", "_pool_type", "_recorder", "_sent", "function")

    def __init__(
        self,
        function: Callable[..., Any],
        recorder: CallRecorder,
        pool_type: str,
        pipeline: Pipeline | None,
        context: Context,
        sent: int | None = None,
    ) -> None:
        self.function = function
        self._recorder = recorder
        self._pool_type = pool_type
        self._pipeline = pipeline
        self._context = context
        self._is_remote = sent is not None
        # The monotonic clock is the machine's: another process on it reads the same.
        self._sent = time.monotonic_ns() if sent is None else sent

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the context it was sent off in, and record the call."""
        waited = max(0, time.monotonic_ns() - self._sent) / 1e9
        token = otel_context.attach(with_wait(self._context, waited))
        try:
            return self._call(args, kwargs)
        finally:
            otel_context.detach(token)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pipeline, function = self._pipeline, self.function
        if pipeline is None or records_itself(function):
            return function(*args, **kwargs)
        call = guarded(driver_for, function) or drive_plainly  # a callable that answers no question about itself
        return call(lambda: start_guarded(self._begin, pipeline, args, kwargs), function, args, kwargs)

    def _begin(self, pipeline: Pipeline, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution | None:
        function, all_args = innermost(self.function, args)
        plan = guarded(self._recorder.plan, self._pool_type, function)
        if plan is None:  # a callable of an odd class
            plan = self._recorder.plan(self._pool_type, type(function))
        execution = start_execution(pipeline, plan, None, guarded(task_of, function, all_args, kwargs))
        if execution is not None:
            execution.set_default(semconv.WORKER_ID, _worker_name(self._is_remote))
        return execution

    def __reduce__(self) -> Any:
        recording = self._recorder.recording
        options = recording.options
        database = database_of(recording)
        named = None if database is None else (database.path, database.durability)
        is_explicit = recording.learning_db is not NOT_GIVEN
        budgets = tuple(map(_portable, _budgets_of(recording)))
        destination = _RemoteSettings(
            self._recorder.adapter, self._pool_type, options.capture_content, named, is_explicit, budgets
        )
        return _unpickle, (self.function, destination, pack(self._context), self._sent)

    def __repr__(self) -> str:
        return repr(self.function)


@dataclass(frozen=True, slots=True)
class _RemoteSettings:
    """What a process that nobody instrumented has to know to record for an adapter."""

    adapter: str
    pool_type: str
    capture_content: bool
    #: The path and the durability of a database; None where there is none to name.
    database: tuple[str, str] | None
    #: Whether it is one of the adapter's own, and not the one that is configured.
    is_explicit: bool
    budgets: "tuple[Budget, ...]" = ()


def _unpickle(function: Any, destination: _RemoteSettings, headers: dict[str, str], sent: int) -> Any:
    """Return what was pickled, in the process it was sent to."""
    recorder: CallRecorder | None = _recorders.get(destination.adapter) or guarded(_recorder_for, destination)
    if recorder is None:  # of another release of ours, say: the function is run all the same
        return function
    pipeline = guarded(recorder.recording.route, None)
    return SubmittedCall(function, recorder, destination.pool_type, pipeline, unpack(headers), sent)


@functools.lru_cache(maxsize=64)
def _recorder_for(destination: _RemoteSettings) -> CallRecorder:
    """Return the recorder of a process that nobody instrumented, such as a spawned one."""
    learning_db: Any = None
    if destination.database is not None:
        path, durability = destination.database
        if destination.is_explicit:
            from ..database import LearningDatabase

            learning_db = LearningDatabase(path, durability)
        else:
            from ..configuration import configure_privately

            configure_privately(path, durability)
            learning_db = NOT_GIVEN
    options = CaptureOptions(destination.pool_type, destination.capture_content and content_is_wanted())
    route = resolver_for(learning_db, PipelineOptions(budgets=destination.budgets))
    return CallRecorder(destination.adapter, Recording(route, options))


def database_of(recording: Recording) -> Any:
    """Return the database that *recording* leads to, whatever the pool; None where there is none to name."""
    database = recording.learning_db
    if database is NOT_GIVEN:
        from ..configuration import configured_database

        database = configured_database()
    return database if hasattr(database, "durability") else None


def _budgets_of(recording: Recording) -> "tuple[Budget, ...]":
    """Return all budgets of what is recorded so: its own, and those of ``configure()``."""
    if recording.learning_db is not NOT_GIVEN:
        return recording.budgets
    from ..configuration import configured_budgets

    return (*configured_budgets(), *recording.budgets)


def _portable(budget: "Budget") -> "Budget":
    """Return *budget* as it can be sent to another process: with a warning where its function cannot go along."""
    if isinstance(budget.on_limit, str) or guarded(pickle.dumps, budget.on_limit) is not None:
        return budget
    return dataclasses.replace(budget, on_limit="warn")


def innermost(function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return the function that a partial, or ``Context.run`` as ``asyncio.to_thread`` has it, calls, and with what."""
    while True:
        if type(function) is functools.partial:
            function, args = function.func, function.args + args
        elif args and runs_in_a_context(function):
            function, args = args[0], args[1:]
        else:
            return function, args


def task_of(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the argument called ``task``, else the first one, without looking for a signature: that takes long."""
    if "task" in kwargs:
        return kwargs["task"]
    code = getattr(function, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    index = names.index("task") - (getattr(function, "__self__", None) is not None) if "task" in names else 0
    return args[index] if 0 <= index < len(args) else None


def records_itself(function: Any) -> bool:
    """Tell whether *function* is recorded already: decorated by hand or by us, maybe beneath wrappers of others."""
    function = innermost(function, ())[0]
    for _ in range(_WRAPPERS_LIMIT):
        if issubclass(type(function), (RecordedFunction, RecordedMethod)):
            return True
        function = guarded(getattr, function, "__wrapped__")
        if function is None:
            break
    return False


def runs_in_a_context(function: Any) -> bool:
    """Tell whether *function* is ``run`` of some :class:`contextvars.Context`."""
    return type(function) is BuiltinMethodType and type(function.__self__) is contextvars.Context


def _is_telemetry(function: Any) -> bool:
    """Tell whether *function* is part of what records, ours or OpenTelemetry's: its use of threads is nobody's task."""
    return str(getattr(innermost(function, ())[0], "__module__", "")).startswith(_RECORDERS)


def _worker_name(is_remote: bool) -> str:
    processes = sys.modules.get("multiprocessing.process")
    if is_remote and processes is not None:
        return utf8(processes.current_process().name)
    return utf8(threading.current_thread().name)
