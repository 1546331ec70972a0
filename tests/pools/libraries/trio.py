"""How a task gets into the threads of trio."""

from typing import Any, Final

import trio

from ..pool import Pool


def _run(function: Any, task: Any) -> Any:
    return trio.run(trio.to_thread.run_sync, function, task)


async def _one_by_one(function: Any, tasks: Any) -> None:
    for task in tasks:
        await trio.to_thread.run_sync(function, task)


def _run_all(function: Any, tasks: Any) -> None:
    trio.run(_one_by_one, function, tasks)


POOLS: Final = (Pool("trio, to_thread", "trio", _run, run_all=_run_all),)
