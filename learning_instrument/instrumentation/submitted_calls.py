"""Calls submitted to a thread or process: they keep their context, and their time in the queue is measured.

Thread pools and process pools do not propagate OpenTelemetry's context, and a forked process inherits a stale one.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, Final, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..pipeline.installed import NOT_GIVEN, PipelineOptions
from ..pipeline.resolver import resolver_for
from ..recording.capture import CaptureOptions
from ..recording.contents import Kept
from ..recording.contexts import is_suppressed, with_wait
from ..recording.drivers import drive_plainly, driver_for
from ..recording.execution import Execution, start_execution, start_guarded
from ..recording.fields import IDENTIFIER_LIMIT
from ..recording.lost_execution import execution_elsewhere
from ..recording.passage import Passage
from ..recording.propagation import pack, unpack
from ..recording.timed import Begin, call_within
from ..recording.types import CallPlan, Pipeline
from ..safety.clocks import time
from ..safety.guards import guarded
from ..safety.imported import imported
from ..safety.sanitize import utf8
from .called_functions import (
    WRAPPERS_LIMIT,
    innermost,
    innermost_parameters,
    name_of,
    runs_in_a_context,
    signature_of,
    task_of,
)
from .options import RecordingOptions, content_is_wanted
from .picklers import asking_pickler
from .recorded_function import RecordedFunction
from .remote_settings import RemoteDatabase, RemoteSettings, SentBudget
from .runners import is_plumbing

_PLANS_LIMIT: Final = 4096


class CallRecorder:
    """Records functions that are submitted to the pools of a library. For its adapter.

    It pickles as its settings: where they arrive it is the recorder of that process, or None where nothing can record.

    Args:
        adapter: the adapter's name.
        options: those of the instrumentor.
    """

    def __init__(self, adapter: str, options: RecordingOptions) -> None:
        self.adapter = adapter
        self.options = options
        self._plans: dict[tuple[str, str, bool, tuple[str, ...]], CallPlan] = {}

    def wrap(self, function: Any, pool: Any, pool_type: str | None = None, context: Context | None = None) -> Any:
        """Return a call to submit to *pool* in place of *function*: it keeps the present context, and is recorded.

        A function that records itself, such as a decorated one, is not recorded twice.

        Args:
            function: what is submitted.
            pool: what it is submitted to, or None.
            pool_type: the default pool type; by default the adapter's name.
            context: the context to keep.
        """
        kind = type(function)
        if kind is functools.partial and function.args and runs_in_a_context(function.func):
            # ``asyncio.to_thread`` runs the function in a copied context: attach ours within it.
            rest = function.args[1:]
            call = self.wrap(function.args[0], pool, pool_type, context)
            return functools.partial(function.func, call, *rest, **function.keywords)
        if context is None:
            context = otel_context.get_current()
        if is_suppressed(context) or kind is SubmittedCall or guarded(is_plumbing, function):
            return function
        pipeline = self.options.resolve(pool)
        if pipeline is None:
            return function
        pool_type = self.options.capture.pool_type or pool_type or self.adapter
        return SubmittedCall(function, self, pool_type, pipeline, context)

    def plan(self, pool_type: str, function: Any) -> CallPlan:
        """Return the plan for *function*; its name is the default task type."""
        module, name = name_of(function)
        # A method has other parameters where it is submitted with its instance.
        key = (pool_type, f"{module}.{name}", type(function) is MethodType, innermost_parameters(function))
        plan = self._plans.get(key)
        if plan is None:
            task_type = utf8(name.rpartition("<locals>.")[2][:IDENTIFIER_LIMIT])
            capture = dataclasses.replace(
                self.options.capture,
                pool_type=pool_type,
                task_type=task_type,
                parameters=guarded(signature_of, function) or (),
                describes_calls=True,
            )
            plan = CallPlan(utf8(key[1]), task_type, capture, self.options.request_hook, self.options.response_hook)
            if len(self._plans) < _PLANS_LIMIT:  # an application may define functions without end
                self._plans[key] = plan
        return plan

    def remember(self) -> None:
        """Record the calls that arrive pickled in this process, and in those that it forks."""
        _recorders[self.adapter] = self

    def forget(self) -> None:
        """Stop recording calls that arrive pickled."""
        _recorders.pop(self.adapter, None)

    def __reduce__(self) -> Any:
        return _received, (_AdapterSettings.of(self, asking_pickler()),)


#: The recorders of an instrumented process, by adapter. A forked process inherits them.
_recorders: Final[dict[str, CallRecorder]] = {}


class SubmittedCall:
    """A function and the context it was submitted in."""

    __slots__ = ("_context", "_is_remote", "_pipeline", "_pool_type", "_recorder", "_submitted", "defaults", "function")

    def __init__(
        self,
        function: Callable[..., Any],
        recorder: CallRecorder,
        pool_type: str,
        pipeline: Pipeline | None,
        context: Context,
        submitted: int | None = None,
    ) -> None:
        self.function = function
        #: Column -> value, where the task does not say it.
        self.defaults: Mapping[str, Any] = {}
        self._recorder = recorder
        self._pool_type = pool_type
        self._pipeline = pipeline
        self._context = context
        self._is_remote = submitted is not None
        # All processes of a machine read the same monotonic clock.
        self._submitted = time.monotonic_ns() if submitted is None else submitted

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the context it was submitted in, and record the call."""
        waited = max(0, time.monotonic_ns() - self._submitted) / 1e9
        context = with_wait(self._context, waited)
        return call_within(context, self._call, context, args, kwargs)

    def _call(self, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pipeline, function = self._pipeline, self.function
        is_recorded = records_itself(function)
        drive = guarded(driver_for, function) or drive_plainly  # inspecting the callable failed
        if pipeline is None or (is_recorded and drive is drive_plainly):
            return function(*args, **kwargs)

        # The body of a coroutine function runs when this context is no longer the current one.
        def prepare(*_: object) -> Begin:
            if is_recorded:
                return lambda: Passage(context, otel_context.get_current())
            return lambda: start_guarded(self._begin, pipeline, context, args, kwargs)

        return drive(prepare, function, None, args, kwargs)

    def lose(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], heard: BaseException, process: Any, started: int
    ) -> None:
        """Record a call as lost, in the process that submitted it: the one that ran it died, perhaps without a trace.

        Args:
            args: the positional arguments.
            kwargs: the named ones.
            heard: what this process heard of it.
            process: the ``multiprocessing`` process that died.
            started: when the call began, in nanoseconds of Unix time.
        """
        options = recording_options_of(self.function)  # what records itself may have its own database
        pipeline = self._pipeline if options is None else options.resolve(None)
        if pipeline is not None:
            function, all_args = innermost(self.function, args)
            waited = time.monotonic_ns() - self._submitted - (time.time_ns() - started)
            execution = execution_elsewhere(
                pipeline,
                self._plan(function),
                guarded(task_of, function, all_args, kwargs),
                all_args,
                kwargs,
                with_wait(self._context, max(0, waited) / 1e9),
                started,
            )
            if execution is not None:
                self._set_defaults(execution, utf8(process.name))
                execution.lost(heard, process.pid)

    def _set_defaults(self, execution: Execution, worker_id: str) -> None:
        for column, value in self.defaults.items():
            execution.set_default(column, value)
        execution.set_default("worker_id", worker_id)

    def _plan(self, function: Any) -> CallPlan:
        plan: CallPlan | None = guarded(self._recorder.plan, self._pool_type, function)
        # Its attributes may raise.
        return plan if plan is not None else self._recorder.plan(self._pool_type, type(function))

    def _begin(
        self, pipeline: Pipeline, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Execution | None:
        function, all_args = innermost(self.function, args)
        plan = self._plan(function)
        task = guarded(task_of, function, all_args, kwargs)
        execution = start_execution(pipeline, plan, None, task, all_args, kwargs, around=context)
        if execution is not None:
            self._set_defaults(execution, _worker_name(self._is_remote))
        return execution

    def __reduce__(self) -> Any:
        return received_call, (self.function, self._recorder, self._pool_type, pack(self._context), self._submitted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)  # libraries ask for the name of the function

    def __repr__(self) -> str:
        return repr(self.function)


class _AdapterSettings(NamedTuple):
    """The settings with which a process that is not instrumented records for an adapter."""

    adapter: str
    pool_type: str | None
    capture_content: bool
    keep_metadata: tuple[str, ...]
    #: The instrumentor's own, NOT_GIVEN for the configured one, or None where it depends on the pool.
    learning_db: Any
    budgets: tuple[SentBudget, ...]
    configured: RemoteSettings

    @classmethod
    def of(cls, recorder: CallRecorder, pickler: Any) -> "_AdapterSettings":
        """Return those of *recorder* as *pickler* pickles them."""
        options = recorder.options
        learning_db: Any = options.learning_db
        return cls(
            recorder.adapter,
            options.capture.pool_type,
            options.capture.capture_content,
            tuple(sorted(options.capture.keep_metadata | Kept.names)),
            learning_db if learning_db is NOT_GIVEN else RemoteDatabase.of(learning_db),
            tuple(SentBudget.of(budget, pickler) for budget in options.budgets),
            RemoteSettings.of_this_process(pickler),
        )


def received_call(
    function: Any, recorder: CallRecorder | None, pool_type: str, headers: dict[str, str], submitted: int
) -> Any:
    """Return the submitted call, in the process that runs it; *function* where nothing can record it."""
    if recorder is None:
        return function
    pipeline = guarded(recorder.options.resolve, None)
    return SubmittedCall(function, recorder, pool_type, pipeline, unpack(headers), submitted)


def _received(settings: _AdapterSettings) -> CallRecorder | None:
    """Return the recorder of this process; None where there can be none, as for settings of another release."""
    return _recorders.get(settings.adapter) or guarded(_recorder_for, settings)


@functools.lru_cache(maxsize=64)
def _recorder_for(settings: _AdapterSettings) -> CallRecorder:
    """Return the recorder of a process that is not instrumented, such as a spawned one."""
    learning_db = settings.learning_db
    if learning_db is NOT_GIVEN:
        learning_db = settings.configured.apply() or NOT_GIVEN
    else:
        settings.configured._replace(database=None).apply()
    if isinstance(learning_db, RemoteDatabase):
        learning_db = learning_db.open()
    wants_content = settings.capture_content and content_is_wanted()
    capture = CaptureOptions(settings.pool_type, wants_content, frozenset(settings.keep_metadata))
    budgets = tuple(budget.received() for budget in settings.budgets)
    resolve = resolver_for(learning_db, PipelineOptions(budgets=budgets))
    return CallRecorder(settings.adapter, RecordingOptions(resolve, capture))


def records_itself(function: Any) -> bool:
    """Tell whether *function* is recorded already: decorated or instrumented, also under foreign wrappers."""
    return _recorded_in(function) is not None


def recording_options_of(function: Any) -> RecordingOptions | None:
    """Return the options of a function that records itself; None for any other."""
    recorded = _recorded_in(function)
    return None if recorded is None else recorded.recording_options


def _recorded_in(function: Any) -> RecordedFunction | None:
    function = innermost(function, ())[0]
    for _ in range(WRAPPERS_LIMIT):
        if type(function) is MethodType:
            function = function.__func__
        if issubclass(type(function), RecordedFunction):
            return function  # type: ignore[no-any-return]
        function = guarded(getattr, function, "__wrapped__")
        if function is None:
            break
    return None


def class_of(pool: Any) -> str:
    """Return the name of the class of *pool*."""
    return utf8(type(pool).__name__)


def _worker_name(is_remote: bool) -> str:
    current_process = imported("multiprocessing.process", "current_process")
    if is_remote and current_process is not None:
        return utf8(current_process().name)
    return utf8(threading.current_thread().name)
