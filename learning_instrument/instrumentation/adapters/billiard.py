"""``billiard``: functions applied and mapped by its pools. Those of celery's workers are celery's own."""

from typing import Final

from ...adapters import Adapter, Submits

#: ``apply`` calls ``apply_async``; ``map``, ``starmap`` and their asynchronous forms call ``_map_async``.
_METHODS: Final = ("apply_async", "_map_async", "imap", "imap_unordered")

ADAPTERS: Final = (
    Adapter(
        name="billiard",
        rows=tuple(Submits(target=f"billiard.pool:Pool.{method}", function="func") for method in _METHODS),
        records="functions that its pools apply or map",
    ),
)
