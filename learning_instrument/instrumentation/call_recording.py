"""How the calls of a function are recorded: decided when it is wrapped, and sent with it where it is pickled."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..pipeline.installed import NOT_GIVEN, Installed, PipelineOptions
from ..pipeline.resolver import PipelineResolver, resolver_for
from ..recording.batches import start_batch
from ..recording.capture import CaptureOptions
from ..recording.drivers import driver_for
from ..recording.execution import start_execution
from ..recording.timed import Begin, Prepare, Timed
from ..recording.types import CallPlan
from ..safety.memory import EXHAUSTED
from ..safety.sanitize import utf8
from .called_functions import module_of
from .options import RecordingOptions, content_is_wanted
from .picklers import Parcel, opened, packed, warn_of_pickling
from .remote_settings import RemoteDatabase, RemoteSettings, SentBudget
from .task_argument import TaskLocation, locate_task


@dataclass(frozen=True, slots=True)
class CallRecording:
    """How the calls of a function are recorded."""

    #: Drives a call: ``(wrapped, instance, args, kwargs) -> result``.
    wrapper: Callable[..., Any]
    #: Called when the function is first bound to an instance.
    take_instance: Callable[[], object]
    function_name: str
    options: RecordingOptions
    is_batch: bool

    @classmethod
    def of(
        cls, function: Any, options: RecordingOptions, is_batch: bool, function_name: str | None = None
    ) -> "CallRecording":
        """Decide it for *function*.

        Raises:
            ConfigurationError: if *function* lacks the argument of the task.
        """
        target = getattr(function, "__func__", function)
        name = function_name
        if name is None:
            own_name = getattr(target, "__qualname__", type(target).__qualname__)
            name = utf8(f"{module_of(target)}.{own_name}")
        location = locate_task(target, options.task, preferred="tasks" if is_batch else "task")
        capture = dataclasses.replace(options.capture, parameters=location.parameters)
        plan = CallPlan(name, name.rpartition(".")[2], capture, options.request_hook, options.response_hook)
        start = start_batch if is_batch else start_execution
        wrapper = functools.partial(driver_for(function), _prepare(plan, options.resolve, location, start))
        return cls(wrapper, location.take_instance, name, options, is_batch)

    def destination(self, pickler: Any) -> RemoteSettings | None:
        """Return the settings that go with the function; None where nothing is configured."""
        if Installed.builder is None:
            return None
        settings, database = RemoteSettings.of_this_process(pickler), self.options.learning_db
        if database is not NOT_GIVEN and not callable(database):  # a function may have to stay here
            settings = settings._replace(database=None, budgets=())
        return settings if any(settings) else None

    def sent(self, pickler: Any) -> "SentRecording":
        """Return this as *pickler* pickles it. What does not pickle stays here, with a warning."""
        options, capture = self.options, self.options.capture

        def part(name: str, value: Any) -> Any:
            if value is None or isinstance(value, str):
                return value
            return packed(value, f"{name} of {self.function_name}", pickler)

        if options.has_provider:
            warn_of_pickling(f"The provider of {self.function_name}")
        database: Any = options.learning_db
        if callable(database):
            database = part("learning_db", database)
        elif database is not NOT_GIVEN:
            database = RemoteDatabase.of(database)
        return SentRecording(
            self.function_name,
            self.is_batch,
            options.task,
            capture.pool_type,
            capture.capture_content,
            tuple(sorted(capture.keep_metadata)),
            tuple((column, part(f"fields[{column!r}]", extractor)) for column, extractor in capture.fields.items()),
            part("success_when", capture.success_when),
            part("request_hook", options.request_hook),
            part("response_hook", options.response_hook),
            database,
            tuple(SentBudget.of(budget, pickler) for budget in options.budgets),
            self.destination(pickler),
        )


class SentRecording(NamedTuple):
    """A :class:`CallRecording` on its way to another process."""

    function_name: str
    is_batch: bool
    task: str
    pool_type: str | None
    capture_content: bool
    keep_metadata: tuple[str, ...]
    fields: tuple[tuple[str, str | Parcel], ...]
    success_when: Parcel | None
    request_hook: Parcel | None
    response_hook: Parcel | None
    #: NOT_GIVEN, a RemoteDatabase, the function, or None.
    learning_db: Any
    budgets: tuple[SentBudget, ...]
    settings: RemoteSettings | None

    def received(self, function: Any) -> CallRecording:
        """Return how the calls of *function* are recorded in this process."""
        database = self.learning_db
        another = None if self.settings is None else self.settings.apply()
        if database is NOT_GIVEN and another is not None:
            database = another
        if isinstance(database, RemoteDatabase):
            database = database.open()
        elif isinstance(database, Parcel):
            database = opened(database) or NOT_GIVEN
        budgets = tuple(budget.received() for budget in self.budgets)
        options = RecordingOptions(
            resolver_for(database, PipelineOptions(budgets=budgets)),
            CaptureOptions(
                self.pool_type,
                self.capture_content and content_is_wanted(),
                frozenset(self.keep_metadata),
                _whole(self.success_when),
                {column: whole for column, part in self.fields if (whole := _whole(part)) is not None},
            ),
            self.task,
            _whole(self.request_hook),
            _whole(self.response_hook),
            database,
            budgets,
        )
        return CallRecording.of(function, options, self.is_batch, self.function_name)


def _whole(part: Any) -> Any:
    return opened(part) if isinstance(part, Parcel) else part


def _prepare(
    plan: CallPlan, resolve: PipelineResolver, locate: TaskLocation, start: Callable[..., Timed | None]
) -> Prepare:
    def prepare(instance: Any, args: Any, kwargs: Any) -> Begin | None:
        pipeline = None
        try:
            if instance is None and locate.takes_instance and args:
                pool, others = args[0], args[1:]
            else:
                pool, others = instance, args
            pipeline = resolve(pool)
            if pipeline is None:
                return None
            return functools.partial(start, pipeline, plan, pool, locate(instance, args, kwargs), others, kwargs)
        except EXHAUSTED:  # the task may need none
            misses = Installed.misses if pipeline is None else pipeline.misses
            if misses is not None:
                misses.add()
            return None

    return prepare
