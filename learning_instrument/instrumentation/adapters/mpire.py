"""``mpire``: functions that its pools apply, and the items that they map."""

from typing import Final

from ...adapters import Adapter, Submits

_METHODS: Final = ("apply", "apply_async", "map", "map_unordered", "imap", "imap_unordered")

ADAPTERS: Final = (
    Adapter(
        name="mpire",
        rows=tuple(Submits(target=f"mpire.pool:WorkerPool.{method}", function="func") for method in _METHODS),
        records="functions that its pools apply or map",
    ),
)
