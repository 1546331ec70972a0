"""How a task gets into huey: queues in memory and in SQLite, and consumers of threads and of processes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from huey import MemoryHuey, SqliteHuey
from huey.api import Huey
from huey.exceptions import TaskException

from ..pool import Pool, Run


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__name__}"


def _consumed(make: Callable[[], Huey], worker_type: str, **options: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        huey = make()
        sent = huey.task(**options)(function)
        consumer = huey.create_consumer(
            workers=1, worker_type=worker_type, initial_delay=0.01, max_delay=0.02, check_worker_health=False
        )
        consumer._set_signal_handlers = lambda: None
        consumer.start()
        try:
            return sent(task).get(blocking=True, timeout=20, max_delay=0.02)
        except TaskException as error:
            raise RuntimeError(error.metadata["error"]) from error
        finally:
            consumer.stop(graceful=True)

    return run


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
        _consumed(lambda: MemoryHuey("orders", store_intermediate_errors=False), "thread"),
        _consumed(lambda: MemoryHuey("orders", store_intermediate_errors=False), "thread", retries=1),
        task_type=_name,
    ),
    Pool(
        "huey, processes",
        "huey",
        _consumed(_in_sqlite, "process"),
        _consumed(_in_sqlite, "process", retries=1),
        task_type=_name,
    ),
    Pool("huey, at once", "huey", _at_once, task_type=_name, queued=False),
)
