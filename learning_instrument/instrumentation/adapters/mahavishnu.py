"""``mahavishnu``: all its pools, by their base class."""

import functools
from typing import Any, Final

from ...adapters import Adapter
from ...recording.batches import start_item
from ...recording.drivers import driver_for
from ...recording.timed import Begin
from ..task_argument import locate_task
from ..tools import Tools, Wrapper


def _instrument(tools: Tools) -> None:
    """Record the tasks of mahavishnu's pools."""

    def make(original: Any) -> Wrapper:
        locate = locate_task(original, "task")

        def prepare(manager: Any, args: Any, kwargs: Any) -> Begin:
            return lambda: start_item(locate(manager, args, kwargs))

        return functools.partial(driver_for(original), prepare)

    tools.patches.when_imported("mahavishnu.pools.base", lambda module: tools.instrument_target(module.BasePool))
    # A batch is sent to the workers without the pool's ``execute_task``, and returns one result for each worker,
    # for any number of tasks, and without errors.
    tools.wrap_original("mahavishnu.workers.manager:WorkerManager.execute_task", make)


ADAPTERS: Final = (
    Adapter(name="mahavishnu", rows=(_instrument,), records="tasks of all its pools; on without being named"),
)
