"""``mahavishnu``: all its pools, by the class they have in common."""

from types import ModuleType
from typing import Any

import wrapt

from ...recording.batches import start_item
from ...recording.drivers import driver_for
from ..task_argument import locate_task
from . import Tools


def instrument(tools: Tools) -> None:
    """Record what mahavishnu's pools execute."""
    patches = tools.patches

    def found_workers(module: ModuleType) -> None:
        original = vars(module.WorkerManager)["execute_task"]
        call, locate = driver_for(original), locate_task(original, "task")

        def run_item(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
            return call(lambda: start_item(locate(manager, args, kwargs)), wrapped, args, kwargs)

        patches.wrap(
            module.WorkerManager,
            "execute_task",
            lambda original: wrapt.FunctionWrapper(original, run_item, lambda: patches.active),
        )

    patches.when_imported("mahavishnu.pools.base", lambda module: tools.instrument_target(module.BasePool))
    # A batch goes to the workers past the pool's ``execute_task``, and comes back with one result for each worker,
    # whatever the number of its tasks, and without errors.
    patches.when_imported("mahavishnu.workers.manager", found_workers)
