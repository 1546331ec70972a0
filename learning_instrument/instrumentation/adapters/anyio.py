"""``anyio``: functions that it runs in threads or processes, those of starlette and FastAPI excepted."""

from typing import Final

from ...adapters import Adapter, Submits

ADAPTERS: Final = (
    Adapter(
        name="anyio",
        rows=(
            Submits(target="anyio.to_thread:run_sync", function="func"),
            Submits(target="anyio.to_process:run_sync", function="func"),
        ),
        records="functions that `to_thread` and `to_process` run",
    ),
)
