"""``langgraph``: runs of compiled graphs. ``invoke`` passes through ``stream``, on the same graph: one run."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import text_of

_METHODS: Final = ("invoke", "ainvoke", "stream", "astream")


def _read(graph: Any, input: Any = None, config: Any = None, **_: Any) -> Run:  # noqa: A002 - the library's name
    name = config.get("run_name") if config else None
    return Run(task_type=name or graph.get_name(), task=input, description=text_of(input))


ADAPTERS: Final = (
    Adapter(
        name="langgraph",
        rows=tuple(Executes(target=f"langgraph.pregel:Pregel.{method}", read=_read) for method in _METHODS),
        records="runs of graphs and of their subgraphs",
    ),
)
