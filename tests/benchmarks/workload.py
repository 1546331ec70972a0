"""The task, the pool and the exporter that every variant of a measurement shares."""

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

PROMPT = (
    "Refactor the module that reads the configuration file, so that an unknown name raises an error that says which"
    " names are known, and which of them is closest to the one that was written. Keep the public functions as they"
    " are, since three other packages call them, and add a test for every new branch. When all the tests pass,"
    " note in two or three sentences what was changed, and what should come next."
)

Task = dict[str, Any]
Result = dict[str, Any]
Method = Callable[[Any, Task], Any]
Decorator = Callable[[Method], Method]


def tasks(count: int, start: int = 0) -> list[Task]:
    """Return *count* tasks with ids of their own."""
    return [
        {
            "task_id": f"task-{number:09d}",
            "task_type": "code_generation",
            "prompt": PROMPT,
            "repo": "my_project",
            "complexity_score": 75,
            "metadata": {"branch": "main", "attempt": 1},
        }
        for number in range(start, start + count)
    ]


def pool_of(decorate: Decorator, *, is_async: bool = False, method: Method | None = None) -> Any:
    """Return a pool whose ``execute_task`` is decorated; by default one of the two below."""

    class Pool:
        pool_type = "local"
        execute_task = decorate(method or (_execute_task_async if is_async else execute_task))

    return Pool()


def execute_task(self: Any, task: Task) -> Result:
    """Be a task that costs next to nothing."""
    return {
        "success": True,
        "cost": 0.0125,
        "quality_score": 87.5,
        "pool_id": "pool-1",
        "worker_id": "worker-3",
        "model_tier": "medium",
    }


async def _execute_task_async(self: Any, task: Task) -> Result:
    """Be one that is awaited, and never waits: a wait would take as long with a span as without."""
    return execute_task(self, task)


class DiscardingExporter(SpanExporter):
    """Counts the spans it is given, and keeps none."""

    def __init__(self) -> None:
        self.received = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Succeed."""
        self.received += len(spans)
        return SpanExportResult.SUCCESS
