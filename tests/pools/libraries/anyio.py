"""How a task gets into the threads and processes of anyio."""

from typing import Any, Final

import anyio.to_process
import anyio.to_thread

from ..pool import Pool, Run


def _within(module: Any, backend: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        return anyio.run(module.run_sync, function, task, backend=backend)

    return run


def _all_within(module: Any, backend: str) -> Any:
    async def main(function: Any, tasks: Any) -> None:
        for task in tasks:
            await module.run_sync(function, task)

    return lambda function, tasks: anyio.run(main, function, tasks, backend=backend)


POOLS: Final = tuple(
    Pool(f"anyio, {name}, {backend}", "anyio", _within(module, backend), run_all=_all_within(module, backend))
    for backend in ("asyncio", "trio")
    for name, module in (("to_thread", anyio.to_thread), ("to_process", anyio.to_process))
)
