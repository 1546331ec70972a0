"""``joblib``: the items of ``Parallel``, on any backend.

The items are recorded, and not the batches that they are sent in. Most batches are made in threads of the backend, and
none with ``n_jobs=1``, so the items are taken where they come from, with the context of the call.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from opentelemetry import context as otel_context

from ...adapters import Adapter
from ..submitted_calls import CallRecorder
from ..tools import Tools


def _instrument(tools: Tools) -> None:
    """Record the items of ``Parallel``."""
    recorder = tools.call_recorder()

    def call(wrapped: Any, parallel: Any, args: Any, kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Iterable):
            kind = _SizedItems if hasattr(args[0], "__len__") else _Items
            args = (kind(args[0], recorder, parallel),)
        return wrapped(*args, **kwargs)

    tools.wrap("joblib.parallel:Parallel.__call__", call)


class _Items:
    """Stands in for the items, ``(function, args, kwargs)`` each."""

    def __init__(self, items: Iterable[Any], recorder: CallRecorder, parallel: Any) -> None:
        self._items = items
        self._recorder = recorder
        self._parallel = parallel
        self._context = otel_context.get_current()

    def __iter__(self) -> Iterator[Any]:
        return map(self._recorded, self._items)  # goes on after an exception, as an iterator may

    def _recorded(self, item: Any) -> Any:
        if type(item) is tuple and len(item) == 3:
            return (self._recorder.wrap(item[0], self._parallel, context=self._context), *item[1:])
        return item


class _SizedItems(_Items):
    """The same where their number is known."""

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]


ADAPTERS: Final = (Adapter(name="joblib", rows=(_instrument,), records="items of `Parallel`, on any backend"),)
