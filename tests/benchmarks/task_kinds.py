"""What a recorded call costs by the kind of its task and result: where their values are found, or guessed."""

import dataclasses
import functools
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pydantic

from .ours import recorded
from .spans import bare_span
from .timing import BLOCK_CALLS, Timings, Variant, interleave
from .workload import PROMPT, Task, execute_task, tasks


def measure(rounds: int) -> dict[str, Timings]:
    """Measure each kind in turn."""
    result = execute_task(None, {})
    given = tasks(BLOCK_CALLS)
    guessed = [_with_other_names(task) for task in given]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variants = [
            _variant("mapping", folder, given, result),
            _variant("dataclass", folder, map(_dataclass, given), _dataclass(result)),
            _variant("object with slots", folder, map(_slotted, given), _slotted(result)),
            _variant("pydantic model", folder, map(_model, given), _model(result)),
            _variant("plain object", folder, map(_plain, given), _plain(result)),
            _variant("text, and a text as result", folder, [task["prompt"] for task in given], "done"),
            _variant("number, and a number as result", folder, range(BLOCK_CALLS), 7),
            _variant("mapping, other names of the trade", folder, guessed, _RESULT_WITH_OTHER_NAMES),
            _variant("plain object, other names", folder, map(_plain, guessed), _plain(_RESULT_WITH_OTHER_NAMES)),
        ]
        return interleave(variants, bare_span(), range(BLOCK_CALLS), rounds)


def _variant(name: str, folder: Path, given: Iterable[Any], result: Any) -> Variant:
    variant = recorded(name, folder / f"{name}.db", is_async=False, method=lambda self, task: result)
    call, numbered = variant.call, list(given)
    return dataclasses.replace(variant, call=lambda number: call(numbered[number]))


def _with_other_names(task: Task) -> Task:
    return {
        "id": task["task_id"],
        "kind": "review",
        "instructions": PROMPT,
        "repository": "my_project",
        "tier": "small",
        "files": ["a", "b"],
    }


_RESULT_WITH_OTHER_NAMES: Final = {
    "success": True,
    "total_cost_usd": 0.0125,
    "tier": "medium",
    "summary": "It was fine.",
    "prompt_tokens": 7,
    "completion_tokens": 3,
}


@functools.cache
def _dataclass_of(*names: str) -> Any:
    return dataclasses.make_dataclass("Task", names)


@functools.cache
def _model_of(*names: str) -> Any:
    return pydantic.create_model("Task", **dict.fromkeys(names, (Any, ...)))  # type: ignore[call-overload]


@functools.cache
def _class_of(*slots: str) -> Any:
    return type("Task", (), {"__slots__": slots or ("__dict__",)})


def _dataclass(values: dict[str, Any]) -> Any:
    return _dataclass_of(*values)(**values)


def _model(values: dict[str, Any]) -> Any:
    return _model_of(*values)(**values)


def _slotted(values: dict[str, Any]) -> Any:
    return _filled(_class_of(*values)(), values)


def _plain(values: dict[str, Any]) -> Any:
    return _filled(_class_of()(), values)


def _filled(made: Any, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        setattr(made, name, value)
    return made
