"""``dspy``: runs of programs. The modules that a program calls are its parts, and no tasks of their own."""

import sys
from typing import Any, Final

from ...adapters import Adapter, Executes, Run


def _read(module: Any, *_: Any, **inputs: Any) -> Run | None:
    settings = sys.modules["dspy"].settings
    if settings.caller_modules:
        return None
    model = getattr(module, "lm", None) or settings.lm
    return Run(
        task_type=type(module).__name__,
        task=inputs,
        description=next((value for value in inputs.values() if isinstance(value, str)), None),
        model=getattr(model, "model", None),
    )


_MODULE: Final = "dspy.primitives.module:Module."

ADAPTERS: Final = (
    Adapter(
        name="dspy",
        rows=tuple(Executes(target=_MODULE + name, read=_read) for name in ("__call__", "acall")),
        records="runs of programs",
    ),
)
