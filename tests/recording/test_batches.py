"""A call with a list of tasks: one batch span, and one record for each task."""

import asyncio
import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import Budget, LearningDatabase, PoolInstrumentor, record_execution
from learning_instrument.recording.batches import match_results, start_item
from learning_instrument.recording.drivers import drive_plainly

TASKS = [{"task_id": f"t-{n}", "task_type": "item"} for n in range(3)]


@pytest.fixture
def learning_db(tmp_path):
    with LearningDatabase(tmp_path / "batch.db") as database:
        yield database


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def decorate(learning_db, exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return lambda **keywords: record_execution(learning_db=learning_db, tracer_provider=provider, **keywords)


def rows(learning_db):
    return learning_db.query("SELECT * FROM executions ORDER BY task_id")


def test_batch_without_inner_executions_has_one_record_for_each_task(learning_db, exporter, decorate):
    """They share a batch id, and the batch span is their parent."""

    @decorate(batch=True)
    def execute_batch(tasks):
        return [{"success": task["task_id"] != "t-1", "cost": 0.5} for task in tasks]

    execute_batch(TASKS)

    found = rows(learning_db)
    assert [(row["task_id"], row["outcome"], row["actual_cost"]) for row in found] == [
        ("t-0", "succeeded", 0.5),
        ("t-1", "failed", 0.5),
        ("t-2", "succeeded", 0.5),
    ]
    assert len({row["batch_id"] for row in found}) == 1
    (batch,) = [span for span in exporter.get_finished_spans() if span.name == "execute_batch"]
    items = [span for span in exporter.get_finished_spans() if span is not batch]
    assert {item.parent.span_id for item in items} == {batch.context.span_id}
    assert batch.attributes["learning_instrument.batch.id"] == found[0]["batch_id"]
    assert learning_db.statistics().lost == {}


def test_batch_whose_pool_calls_its_own_execute_task_records_each_once(learning_db, decorate):
    """The inner calls are the records."""

    class Pool:
        @decorate()
        async def execute_task(self, task):
            return {"status": "completed"}

        @decorate(batch=True)
        async def execute_batch(self, tasks):
            return await asyncio.gather(*(self.execute_task(task) for task in tasks))

    asyncio.run(Pool().execute_batch(TASKS))

    found = rows(learning_db)
    assert [row["task_id"] for row in found] == ["t-0", "t-1", "t-2"]
    assert len({row["batch_id"] for row in found}) == 1
    assert found[0]["batch_id"] is not None


def test_item_that_a_worker_starts_is_an_execution_of_the_batchs_pool(learning_db, decorate):
    """Its outcome is the worker's, not the batch's; outside of a batch there is no execution."""

    def work(task):
        def prepare(*_):
            return lambda: start_item(task)

        return drive_plainly(prepare, lambda task: {"error": f"no {task['task_id']}"}, None, (task,), {})

    class Pool:
        pool_type = "of_workers"

        @decorate(batch=True)
        def execute_batch(self, tasks):
            for task in tasks:
                work(task)
            return {"0": {"status": "completed"}}

    Pool().execute_batch(TASKS)
    work({"task_id": "alone"})

    found = rows(learning_db)
    assert [(row["task_id"], row["pool_type"], row["error_message"]) for row in found] == [
        (f"t-{n}", "of_workers", f"no t-{n}") for n in range(3)
    ]
    assert len({row["batch_id"] for row in found}) == 1


def test_execution_within_an_item_is_not_an_item(learning_db, decorate):
    """Only the batch's own items carry its id."""

    @decorate()
    def inner(task):
        return {"success": True}

    @decorate()
    def execute_task(task):
        return inner({"task_id": "x-inner"})

    @decorate(batch=True)
    def execute_batch(tasks):
        return [execute_task(task) for task in tasks]

    execute_batch(TASKS[:1])

    outer, nested = rows(learning_db)
    assert outer["batch_id"] is not None
    assert nested["batch_id"] is None
    assert nested["parent_execution_id"] == outer["execution_id"]


def test_duration_is_the_items_own_or_marked_as_the_batchs(learning_db, decorate):
    """Missing values are named in ``defaulted``."""

    @decorate(batch=True)
    def execute_batch(tasks):
        return [{"duration": 1.5}, {}]

    execute_batch(TASKS[:2])

    own, shared = rows(learning_db)
    assert own["duration_seconds"] == 1.5
    assert "duration_seconds" not in json.loads(own["defaulted"])
    assert "duration_seconds" in json.loads(shared["defaulted"])


def test_exception_of_the_batch_is_that_of_each_item(learning_db, decorate):
    """And it is raised again, the same object."""
    error = TimeoutError("too slow")

    @decorate(batch=True)
    def execute_batch(tasks):
        raise error

    with pytest.raises(TimeoutError) as caught:
        execute_batch(TASKS)

    assert caught.value is error
    assert {row["outcome"] for row in rows(learning_db)} == {"timeout"}
    assert len(rows(learning_db)) == 3


def test_exceptions_among_the_results_are_errors(learning_db, decorate):
    """As ``asyncio.gather(return_exceptions=True)`` gives them."""

    @decorate(batch=True)
    def execute_batch(tasks):
        return [{"success": True}, ValueError("no"), {"success": True}]

    execute_batch(TASKS)

    assert [row["outcome"] for row in rows(learning_db)] == ["succeeded", "error", "succeeded"]


def test_iterator_of_tasks_is_left_to_the_pool(learning_db, decorate):
    """Reading it here would leave nothing for the pool."""

    @decorate(batch=True)
    def execute_batch(tasks):
        return len(list(tasks))

    assert execute_batch(iter(TASKS)) == 3


def test_results_find_their_tasks(subtests):
    """By id, else by position where there are as many; a result that is not a collection applies to every task."""
    for result, expected in [
        ([1, 2, 3], [1, 2, 3]),
        ([{"task_id": "t-2"}, {"task_id": "t-0"}], ["t-0", None, "t-2"]),
        ({"t-2": {"a": 1}, "t-0": {"a": 2}}, [{"a": 2}, None, {"a": 1}]),
        ({"results": [1, 2, 3]}, [1, 2, 3]),
        ([{"renumbered": 1}], [None, None, None]),
        (None, ["all", "all", "all"]),
        ({"status": "completed"}, ["all", "all", "all"]),
    ]:
        with subtests.test(result=result, expected=expected):
            matched = match_results(TASKS, result)

            assert [task for task, _ in matched] == TASKS
            for (_, item), want in zip(matched, expected, strict=True):
                if want is None:
                    assert item["error"] == "no result returned"
                elif want == "all":
                    assert item is result
                else:
                    assert item == want or item["task_id"] == want


def test_results_find_their_tasks_by_worker():
    """Where no task ids match."""
    tasks = [{"worker_id": "w-1"}, {"worker_id": "w-2"}]

    matched = match_results(tasks, [{"worker_id": "w-2", "n": 2}])

    assert matched[0][1]["error"] == "no result returned"
    assert matched[1][1]["n"] == 2


def test_execute_batch_of_an_instrumented_class_is_a_batch(learning_db):
    """Beside its ``execute_task``."""

    class Pool:
        def execute_batch(self, tasks):
            return [{"success": True} for _ in tasks]

    PoolInstrumentor().instrument(targets=[Pool], learning_db=learning_db)
    try:
        Pool().execute_batch(TASKS)
    finally:
        PoolInstrumentor().uninstrument()

    assert [(row["task_id"], row["pool_type"]) for row in rows(learning_db)] == [
        ("t-0", "Pool"),
        ("t-1", "Pool"),
        ("t-2", "Pool"),
    ]


def test_message_of_a_failing_batch_is_redacted_and_valid_on_its_span(exporter, decorate):
    """A secret must not leave, and a lone surrogate would cost a collector the whole export."""

    @decorate(batch=True)
    def execute_batch(tasks):
        raise ConnectionError("no way to https://bob:hunter2@example.org \ud800")

    with pytest.raises(ConnectionError):
        execute_batch(TASKS)

    (batch,) = [span for span in exporter.get_finished_spans() if span.name == "execute_batch"]
    assert "hunter2" not in batch.status.description
    assert batch.status.description.encode()


def test_odd_item_does_not_lose_its_neighbours(learning_db, decorate):
    """And the batch span ends all the same."""

    class Odd:
        @property
        def __class__(self):
            raise SystemExit

    odd = Odd()

    @decorate(batch=True)
    def execute_batch(tasks):
        return [{"success": True}, odd, {"success": True}]

    assert execute_batch(TASKS)[1] is odd
    assert [row["task_id"] for row in rows(learning_db)] == ["t-0", "t-1", "t-2"]
    assert learning_db.statistics().lost == {}


@pytest.mark.parametrize("has_failed", [False, True])
def test_properties_of_a_task_are_read_once_beside_a_budget(learning_db, decorate, has_failed):
    """The check of the budget reads them, and the execution of the same task has them."""
    reads = []

    class Task:
        def __init__(self, task_id):
            self.task_id = task_id

        @property
        def task_type(self):
            reads.append(self.task_id)
            return f"type of {self.task_id}"

    @decorate(batch=True, budget=Budget(usd=5))
    def execute_batch(tasks):
        if has_failed:
            raise ValueError("all of them")
        return [{"task_id": task.task_id, "solution_summary": task.task_id} for task in reversed(tasks)]

    try:
        execute_batch([Task("a"), Task("b")])
    except ValueError:
        assert has_failed

    assert reads == ["a", "b"]
    assert [(row["task_id"], row["task_type"]) for row in rows(learning_db)] == [("a", "type of a"), ("b", "type of b")]
    assert [row["solution_summary"] for row in rows(learning_db)] == ([None, None] if has_failed else ["a", "b"])
