"""How a task gets into the threads of trio."""

from typing import Any, Final

import trio

from ..pool import Pool


def _run(function: Any, task: Any) -> Any:
    return trio.run(trio.to_thread.run_sync, function, task)


POOLS: Final = (Pool("trio, to_thread", "trio", _run),)
