"""``trio``: functions that it runs in threads."""

from typing import Final

from ...adapters import Adapter, Submits

ADAPTERS: Final = (
    Adapter(
        name="trio",
        rows=(Submits(target="trio.to_thread:run_sync", function="sync_fn"),),
        records="functions that `to_thread` runs",
    ),
)
