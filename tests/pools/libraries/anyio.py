"""How a task gets into the threads and processes of anyio."""

from typing import Any, Final

import anyio.to_process
import anyio.to_thread

from ..pool import Pool, Run


def _within(module: Any, backend: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        return anyio.run(module.run_sync, function, task, backend=backend)

    return run


POOLS: Final = tuple(
    Pool(f"anyio, {name}, {backend}", "anyio", _within(module, backend))
    for backend in ("asyncio", "trio")
    for name, module in (("to_thread", anyio.to_thread), ("to_process", anyio.to_process))
)
