"""How a task gets into the tasks of Django: at once, and by a worker of the database backend."""

import functools
import tempfile
from pathlib import Path
from typing import Any, Final

import django
from django.conf import settings
from django.core.management import call_command

try:
    from django import tasks as _of_django
except ImportError:
    _of_django = None  # type: ignore[assignment]

from ..pool import Pool, in_turn

_BACKENDS: Final = "django_tasks.backends" if _of_django is None else "django.tasks.backends"

if not settings.configured:
    settings.configure(
        INSTALLED_APPS=["django_tasks", "django_tasks_db"] if _of_django is None else ["django_tasks_db"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(tempfile.mkdtemp(), "tasks.db")),
                "OPTIONS": {"transaction_mode": "EXCLUSIVE"},
            }
        },
        TASKS={
            "default": {"BACKEND": f"{_BACKENDS}.immediate.ImmediateBackend"},
            "database": {"BACKEND": "django_tasks_db.DatabaseBackend"},
        },
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)

if _of_django is None:
    from django_tasks import task as make_task
else:
    from django.tasks import task as make_task


def _name(function: Any) -> str:
    return f"{__name__}.{function.__name__}"


def _as_a_task(function: Any) -> Any:
    """Return a task that is found by its name, as workers need it."""

    @functools.wraps(function)
    def run(task: Any) -> Any:
        return function(task)

    run.__module__, run.__qualname__ = __name__, function.__name__
    globals()[function.__name__] = made = make_task()(run)
    return made


def _outcome_of(result: Any) -> Any:
    if result.errors:
        raise RuntimeError(result.errors[0].traceback.strip().splitlines()[-1])
    return result.return_value


def _at_once(function: Any, task: Any) -> Any:
    return _outcome_of(_as_a_task(function).enqueue(task))


def _all_by_a_worker(function: Any, tasks: Any) -> list[Any]:
    made = _as_a_task(function).using(backend="database")
    results = [made.enqueue(task) for task in tasks]
    call_command("db_worker", "--batch", "--interval=0.01", "--no-startup-delay", "--backend=database", verbosity=0)
    for result in results:
        result.refresh()
    return [_outcome_of(result) for result in results]


def _by_a_worker(function: Any, task: Any) -> Any:
    return _all_by_a_worker(function, [task])[0]


POOLS: Final = (
    Pool(
        "Django tasks, at once",
        "django-tasks",
        _at_once,
        task_type=_name,
        queued=False,
        run_all=in_turn(_at_once),
    ),
    Pool(
        "Django tasks, database worker",
        "django-tasks",
        _by_a_worker,
        task_type=_name,
        run_all=_all_by_a_worker,
        tasks=100,
    ),
)
