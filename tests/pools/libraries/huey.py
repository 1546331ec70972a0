"""How a task gets into huey: queues in memory and in SQLite, and consumers of threads and of processes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from huey import MemoryHuey, SqliteHuey
from huey.api import Huey
from huey.exceptions import TaskException

from ..pool import Pool, Run, in_turn


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__name__}"


def _all_consumed(make: Callable[[], Huey], worker_type: str, **options: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> list[Any]:
        huey = make()
        sent = huey.task(**options)(function)
        consumer = huey.create_consumer(
            workers=1, worker_type=worker_type, initial_delay=0.01, max_delay=0.02, check_worker_health=False
        )
        consumer._set_signal_handlers = lambda: None
        consumer.start()
        try:
            return [each.get(blocking=True, timeout=20, max_delay=0.02) for each in [sent(task) for task in tasks]]
        except TaskException as error:
            raise RuntimeError(error.metadata["error"]) from error
        finally:
            consumer.stop(graceful=True)

    return run_all


def _consumed(make: Callable[[], Huey], worker_type: str, **options: Any) -> Run:
    return lambda function, task: _all_consumed(make, worker_type, **options)(function, [task])[0]


def _in_memory() -> Huey:
    return MemoryHuey("orders", store_intermediate_errors=False)


def _in_sqlite() -> Huey:
    return SqliteHuey("orders", filename=str(Path(tempfile.mkdtemp(), "huey.db")), store_intermediate_errors=False)


def _at_once(function: Any, task: Any) -> Any:
    huey = MemoryHuey("orders", immediate=True)
    try:
        return huey.task()(function)(task).get()
    except TaskException as error:
        raise RuntimeError(error.metadata["error"]) from error


POOLS: Final = (
    Pool(
        "huey, threads",
        "huey",
        _consumed(_in_memory, "thread"),
        _consumed(_in_memory, "thread", retries=1),
        task_type=_name,
        run_all=_all_consumed(_in_memory, "thread"),
    ),
    Pool(
        "huey, processes",
        "huey",
        _consumed(_in_sqlite, "process"),
        _consumed(_in_sqlite, "process", retries=1),
        task_type=_name,
        run_all=_all_consumed(_in_sqlite, "process"),
    ),
    Pool("huey, at once", "huey", _at_once, task_type=_name, queued=False, run_all=in_turn(_at_once)),
)
