"""``django-tasks``, and the tasks of Django itself: those that workers run, or that run at once.

Backends catch what tasks raise, so that ``Task.call`` is recorded, for the task whose start was signalled last. The
database backend keeps the stamp beside the arguments.
"""

from collections.abc import MutableMapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, stamp
from ..tools import Tools

_PACKAGES: Final = ("django_tasks", "django.tasks")
#: The modules of the database backend, which once was in the package itself.
_DATABASES: Final = ("django_tasks_db.backend", "django_tasks.backends.database.backend")
#: What a worker has started, and not called yet.
_started: Final[ContextVar[Any]] = ContextVar("django_task", default=None)


def _instrument(tools: Tools) -> None:
    """Know which task is started, and stamp those that go to the database."""

    def started(task_result: Any = None, **_: Any) -> None:
        _started.set(task_result)

    def found_signals(module: ModuleType) -> None:
        signal = module.task_started
        signal.connect(started, weak=False)
        tools.patches.on_undo(lambda: signal.disconnect(started))

    def normalize(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        arguments = wrapped(*args, **kwargs)
        if isinstance(arguments, MutableMapping) and set(arguments) == {"args", "kwargs"}:
            guarded(stamp, arguments)
        return arguments

    def found_database(module: ModuleType) -> None:
        tools.wrap(f"{module.__name__}:normalize_json", normalize)

    for package in _PACKAGES:
        tools.patches.when_imported(f"{package}.signals", found_signals)
    for name in _DATABASES:
        tools.patches.when_imported(name, found_database)


def _read(task: Any, *args: Any, **kwargs: Any) -> Run | None:
    result = _started.get()
    if result is None or result.task.func is not task.func:
        return None  # called directly, or by another task
    _started.set(None)
    times = [
        time.timestamp() for time in (result.enqueued_at, task.run_after, result.task.run_after) if time is not None
    ]
    return Run(
        task_type=task.module_path,
        task=task_of(None, args[1:], kwargs) if task.takes_context else task_of(task.func, args, kwargs),
        args=args,
        kwargs=kwargs,
        task_id=str(result.id),
        pool_id=task.queue_name,
        worker_id=result.worker_ids[-1] if result.worker_ids else None,
        attempt=len(result.worker_ids) or 1,
        function=task.func,
        headers=_arguments_of(result),
        queued_at=max(times, default=None),
    )


def _arguments_of(result: Any) -> Any:
    """Return what the database keeps of the arguments, with the stamp; None where there is no database."""
    arguments = guarded(lambda: result.db_result.args_kwargs)
    return arguments if isinstance(arguments, dict) and HEADER in arguments else None


ADAPTERS: Final = (
    Adapter(
        name="django-tasks",
        package="django_tasks",
        rows=(
            _instrument,
            *(
                Executes(target=f"{package}.base:Task.{method}", read=_read)
                for package in _PACKAGES
                for method in ("call", "acall")
            ),
        ),
        records="tasks of `django-tasks` and of Django 6 that workers run, or that run at once",
    ),
)
