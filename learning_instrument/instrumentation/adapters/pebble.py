"""``pebble``: functions scheduled in its pools of processes or threads, and the items of ``map``."""

from typing import Final

from ...adapters import Adapter, Submits

ADAPTERS: Final = (
    Adapter(
        name="pebble",
        rows=tuple(
            Submits(target=f"pebble.pool.{pool}.{method}", function="function")
            for pool in ("process:ProcessPool", "thread:ThreadPool")
            for method in ("schedule", "submit", "map")
        ),
        records="functions that its pools schedule or map; what a time limit kills is `lost`",
    ),
)
