"""``mahavishnu``: all its pools, by their base class."""

import functools
from types import ModuleType
from typing import Any, Final

import wrapt

from ...adapters import Adapter
from ...recording.batches import start_item
from ...recording.drivers import driver_for
from ...recording.timed import Begin
from ..task_argument import locate_task
from ..tools import Tools


def _instrument(tools: Tools) -> None:
    """Record the tasks of mahavishnu's pools."""
    patches = tools.patches

    def found_workers(module: ModuleType) -> None:
        original = vars(module.WorkerManager)["execute_task"]
        drive, locate = driver_for(original), locate_task(original, "task")

        def prepare(manager: Any, args: Any, kwargs: Any) -> Begin:
            return lambda: start_item(locate(manager, args, kwargs))

        run_item = functools.partial(drive, prepare)

        patches.wrap(
            module.WorkerManager,
            "execute_task",
            lambda original: wrapt.FunctionWrapper(original, run_item, lambda: patches.active),
        )

    patches.when_imported("mahavishnu.pools.base", lambda module: tools.instrument_target(module.BasePool))
    # A batch is sent to the workers without the pool's ``execute_task``, and returns one result for each worker,
    # for any number of tasks, and without errors.
    patches.when_imported("mahavishnu.workers.manager", found_workers)


ADAPTERS: Final = (Adapter(name="mahavishnu", rows=(_instrument,), records="tasks of all its pools"),)
