"""``gevent``: functions that its pools of greenlets or threads run."""

from typing import Final

from ...adapters import Adapter, Submits

#: Of groups, pools and thread pools. A map spawns from a greenlet of its own, which has another context.
_METHODS: Final = ("apply", "apply_cb", "apply_async", "map", "map_cb", "map_async", "imap", "imap_unordered")

ADAPTERS: Final = (
    Adapter(
        name="gevent",
        rows=(
            Submits(target="gevent.pool:Group.spawn", function="args"),
            Submits(target="gevent.threadpool:ThreadPool.spawn", function="func"),
            Submits(target="gevent.threadpool:ThreadPoolExecutor.submit", function="fn"),
            *(Submits(target=f"gevent.pool:GroupMappingMixin.{method}", function="func") for method in _METHODS),
        ),
        records="functions that its groups, pools and thread pools run",
    ),
)
