"""The whole way of one execution: every promised attribute on its span, every promised column in its row."""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pydantic
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from learning_instrument import configure, current_execution, record_execution
from learning_instrument.columns import COLUMNS

TASK = {
    "task_id": "t-1",
    "task_type": "review",
    "prompt": "Look at it closely",
    "description": "not this",
    "repo": "our/repo",
    "repo_path": "not/this",
    "file_count": 99,
    "model_tier": "not this",
    "swarm_topology": "ring",
    "routing_confidence": 0.75,
    "complexity_score": 80,
    "cost_estimate": 0.5,
    "metadata": {"ticket": 7},
}
RESULT = {
    "success": True,
    "files_changed": ["a.py", "b.py", "c.py"],
    "model_tier": "large",
    "complexity": 1,
    "quality_score": 91.5,
    "cost": 0.25,
    "peak_memory_mb": 12.5,
    "cpu_time_seconds": 0.75,
    "solution_summary": "It was fine",
    "pool_id": "p-1",
    "worker_id": "w-1",
}


@dataclass
class Task:
    task_id: str = "t-1"
    task_type: str = "review"
    prompt: str = "Look at it closely"
    repo: str = "our/repo"
    swarm_topology: str = "ring"
    routing_confidence: float = 0.75
    complexity_score: int = 80
    cost_estimate: float = 0.5
    metadata: dict = field(default_factory=lambda: {"ticket": 7})


class Result(pydantic.BaseModel):
    success: bool = True
    files_changed: list[str] = ["a.py", "b.py", "c.py"]
    model_tier: str = "large"
    quality_score: float = 91.5
    cost: float = 0.25
    peak_memory_mb: float = 12.5
    cpu_time_seconds: float = 0.75
    solution_summary: str = "It was fine"
    pool_id: str = "p-1"
    worker_id: str = "w-1"


FORMS = {
    "dicts": (TASK, RESULT),
    "dataclass and pydantic": (Task(), Result()),
    "objects": (SimpleNamespace(**TASK), SimpleNamespace(**RESULT)),
}


@pytest.fixture
def hosted(database, exporter):
    """``configure()`` with a provider that has a service name."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield configure(database, tracer_provider=provider)
    provider.shutdown()


class Pool:
    """Its execution has everything that an execution can have."""

    config = SimpleNamespace(pool_type="mahavishnu")

    def __init__(self, result):
        self.result = result

    @record_execution(request_hook=lambda span, *_: span.set_attribute("learning_instrument.batch.id", "b-1"))
    def execute_task(self, task):
        current_execution().started()
        current_execution().set(queue_seconds=0.125, model="m-1", input_tokens=100, output_tokens=20, attempt=2)
        return self.result


class Outer:
    def __init__(self, inner):
        self.inner = inner

    @record_execution
    def execute_task(self, task):
        return self.inner.execute_task(task)


@pytest.mark.parametrize("form", FORMS)
def test_full_execution_has_every_attribute_and_every_column(hosted, exporter, rows, form):
    """From a task and a result with every field, of any type."""
    task, result = FORMS[form]
    before = datetime.now(timezone.utc)

    assert Outer(Pool(result)).execute_task(task) is result

    inner, outer = exporter.get_finished_spans()
    row, outer_row = rows()
    prefix = "learning_instrument."
    metadata = {"pool_id": "p-1", "worker_id": "w-1", "task": {"ticket": 7}}
    attributes = dict(inner.attributes)
    assert json.loads(attributes.pop(prefix + "metadata")) == metadata == json.loads(row["metadata"])
    duration = attributes.pop(prefix + "task.duration")
    waited = attributes.pop(prefix + "wait.duration")
    assert attributes == {
        prefix + "task.id": "t-1",
        prefix + "task.type": "review",
        prefix + "task.description": "Look at it closely",
        prefix + "task.repo": "our/repo",
        prefix + "task.file_count": 3,
        prefix + "task.estimated_tokens": 9,
        prefix + "task.complexity_score": 80,
        prefix + "task.attempt": 2,
        prefix + "task.outcome": "succeeded",
        prefix + "model.tier": "large",
        prefix + "pool.type": "mahavishnu",
        prefix + "pool.id": "p-1",
        prefix + "worker.id": "w-1",
        prefix + "swarm.topology": "ring",
        prefix + "routing.confidence": 0.75,
        prefix + "quality.score": 91.5,
        prefix + "cost.estimate": 0.5,
        prefix + "cost.actual": 0.25,
        prefix + "queue.duration": 0.125,
        prefix + "batch.id": "b-1",
        prefix + "parent.execution_id": outer_row["execution_id"],
        prefix + "resource_usage.memory.peak": 12_500_000,
        prefix + "resource_usage.cpu.time": 0.75,
        prefix + "solution.summary": "It was fine",
        prefix + "defaulted": (),
        prefix + "task.outcome_source": "reported",
        prefix + "execution.id": row["execution_id"],
        "gen_ai.request.model": "m-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "code.function.name": f"{__name__}.Pool.execute_task",
        "process.pid": os.getpid(),
    }
    started = datetime.fromisoformat(row.pop("timestamp"))
    assert before - timedelta(seconds=1) < started <= datetime.now(timezone.utc)
    assert 0 < row.pop("duration_seconds") == duration < 10
    del row["metadata"]
    assert row == {
        "task_id": "t-1",
        "task_type": "review",
        "task_description": "Look at it closely",
        "repo": "our/repo",
        "file_count": 3,
        "estimated_tokens": 9,
        "model_tier": "large",
        "pool_type": "mahavishnu",
        "swarm_topology": "ring",
        "routing_confidence": 0.75,
        "complexity_score": 80,
        "success": 1,
        "quality_score": 91.5,
        "cost_estimate": 0.5,
        "actual_cost": 0.25,
        "error_type": None,
        "error_message": None,
        "user_accepted": None,
        "user_rating": None,
        "peak_memory_mb": 12.5,
        "cpu_time_seconds": 0.75,
        "solution_summary": "It was fine",
        "execution_id": f"{inner.start_time:016x}-{inner.context.trace_id:032x}-{inner.context.span_id:016x}",
        "trace_id": f"{inner.context.trace_id:032x}",
        "span_id": f"{inner.context.span_id:016x}",
        "parent_execution_id": outer_row["execution_id"],
        "batch_id": "b-1",
        "pool_id": "p-1",
        "worker_id": "w-1",
        "outcome": "succeeded",
        "exception_type": None,
        "queue_seconds": 0.125,
        "model": "m-1",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_source": None,
        "service_name": "checkout",
        "process_id": os.getpid(),
        "defaulted": "[]",
        "outcome_source": "reported",
        "wait_seconds": waited,
        "function_name": f"{__name__}.Pool.execute_task",
        "attempt": 2,
    }
    assert inner.parent.span_id == outer.context.span_id


def test_bare_execution_has_the_defaults_and_marks_them(hosted, rows):
    """From a function that is given nothing and says nothing."""

    @record_execution
    def execute_task(task):
        return None

    execute_task(None)

    (row,) = rows()
    assert set(row) == set(COLUMNS)
    assert (row["outcome"], row["outcome_source"]) == ("succeeded", "assumed")
    missing = {column for column, value in row.items() if value is None}
    assert missing == {
        "swarm_topology", "quality_score", "error_type", "error_message", "user_accepted", "user_rating",
        "peak_memory_mb", "solution_summary", "parent_execution_id", "batch_id", "pool_id",
        "worker_id", "exception_type", "queue_seconds", "wait_seconds", "model", "input_tokens", "output_tokens",
        "cost_source", "attempt",
    }  # fmt: skip
    stand_ins = {
        "task_type": "unknown",
        "task_description": "",
        "repo": "unknown",
        "file_count": 0,
        "estimated_tokens": 0,
        "model_tier": "unknown",
        "pool_type": "unknown",
        "routing_confidence": 1.0,
        "complexity_score": 50,
        "cost_estimate": 0.0,
        "actual_cost": 0.0,
    }
    assert {column: row[column] for column in stand_ins} == stand_ins
    assert set(json.loads(row["defaulted"])) == set(stand_ins) | {"task_id"}
    assert len(row["task_id"]) == 36
    assert (row["success"], row["outcome"], row["metadata"]) == (1, "succeeded", "{}")


def test_failed_execution_says_what_failed(hosted, exporter, rows):
    """Class, kind and message, on the span and in the row."""

    class NoDisk(OSError):
        pass

    @record_execution
    def execute_task(task):
        raise NoDisk("validation of the disk")

    with pytest.raises(NoDisk):
        execute_task({})

    (span,), (row,) = exporter.get_finished_spans(), rows()
    qualified = f"{NoDisk.__module__}.{NoDisk.__qualname__}"
    prefix = "learning_instrument."
    keys = ("error.type", prefix + "error.kind", prefix + "error.message", prefix + "task.outcome")
    assert tuple(span.attributes[key] for key in keys) == (qualified, "validation", "validation of the disk", "error")
    columns = ("exception_type", "error_type", "error_message", "outcome", "success")
    assert tuple(row[name] for name in columns) == (qualified, "validation", "validation of the disk", "error", 0)


def test_missing_estimate_is_the_cost_and_marked(hosted, rows):
    """The row has both; reports know which one is a default."""
    record_execution(lambda task: {"cost": 0.25})({})

    (row,) = rows()
    assert (row["cost_estimate"], row["actual_cost"]) == (0.25, 0.25)
    assert "cost_estimate" in json.loads(row["defaulted"])
    assert "actual_cost" not in json.loads(row["defaulted"])


@pytest.mark.parametrize(
    ("task", "column", "stand_in"),
    [
        ({"routing_confidence": 1.5}, "routing_confidence", 1.0),
        ({"routing_confidence": "high"}, "routing_confidence", 1.0),
        ({"complexity_score": -1}, "complexity_score", 50),
        ({"complexity_score": float("nan")}, "complexity_score", 50),
        ({"cost_estimate": -0.1}, "cost_estimate", 0.0),
        ({"file_count": 2**70}, "file_count", 0),
        ({"task_type": ["a"]}, "task_type", "unknown"),
    ],
)
def test_value_out_of_range_counts_as_missing_and_is_kept_apart(hosted, rows, task, column, stand_in):
    """The column has its default, is marked, and what came is in the metadata."""
    record_execution(lambda task: None)(task)

    (row,) = rows()
    assert row[column] == stand_in
    assert column in json.loads(row["defaulted"])
    assert list(json.loads(row["metadata"])["invalid"]) == [column]


@pytest.mark.parametrize(
    ("task", "column", "value"),
    [
        ({"routing_confidence": 0.0}, "routing_confidence", 0.0),
        ({"complexity_score": 0}, "complexity_score", 0),
        ({"file_count": 0}, "file_count", 0),
        ({"cost_estimate": 0.0}, "cost_estimate", 0.0),
        ({"prompt": "", "description": "not this"}, "task_description", ""),
    ],
)
def test_zero_and_nothing_are_values(hosted, rows, task, column, value):
    """What was reported is not marked."""
    record_execution(lambda task: None)(task)

    (row,) = rows()
    assert row[column] == value
    assert column not in json.loads(row["defaulted"])
