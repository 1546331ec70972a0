"""The behaviours that users were promised, one test each."""

import asyncio
import enum
import json
import os
import time
from datetime import datetime, timezone

import pytest
from small_pools import PoolConfig, PoolManager

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase, current_execution, record_execution
from learning_instrument.outcome import Outcome

TASK = {"prompt": "Write a function", "task_type": "code_generation", "repo": "my_project", "complexity_score": 75}


async def spawn(learning_db, run=None):
    manager = PoolManager(learning_db, run) if run else PoolManager(learning_db)
    return manager, await manager.spawn_pool(PoolConfig())


def raising(exception):
    def run(task):
        raise exception

    return run


def test_init_with_learning_database(no_file, database):
    """A manager keeps the database it is given, and nothing is opened for that."""
    manager = PoolManager(learning_db=database)

    assert manager.learning_db is database
    assert not os.path.exists(database.path)


def test_init_without_learning_database():
    """A manager needs no database."""
    assert PoolManager().learning_db is None


async def test_execute_on_pool_stores_a_record(database, rows):
    """One execution on a pool is one row."""
    manager, pool_id = await spawn(database)

    result = await manager.execute_on_pool(pool_id, TASK)

    (row,) = rows()
    assert result == {"success": True}
    assert (row["task_type"], row["success"]) == ("code_generation", 1)


async def test_execute_on_pool_works_without_a_database(tmp_path, monkeypatch):
    """Without a database the result is the same, and no file is made."""
    monkeypatch.chdir(tmp_path)
    manager, pool_id = await spawn(None)

    assert await manager.execute_on_pool(pool_id, TASK) == {"success": True}
    assert list(tmp_path.iterdir()) == []


async def test_route_task_stores_a_record(database, rows):
    """A routed task is recorded once, at the pool."""
    manager, _ = await spawn(database)

    await manager.route_task(TASK)

    assert [row["pool_type"] for row in rows()] == ["mahavishnu"]


async def test_fields_are_mapped_correctly(database, rows):
    """Task, result and pool fill the columns of their names."""
    result = {"success": True, "cost": 0.02, "quality_score": 90, "model_tier": "large", "files_changed": ["a", "b"]}
    manager, pool_id = await spawn(database, lambda task: result)

    await manager.execute_on_pool(pool_id, {**TASK, "task_id": "t-1", "routing_confidence": 0.8, "cost_estimate": 0.03})

    (row,) = rows()
    expected = {
        "task_id": "t-1",
        "task_type": "code_generation",
        "task_description": "Write a function",
        "repo": "my_project",
        "complexity_score": 75,
        "file_count": 2,
        "model_tier": "large",
        "pool_type": "mahavishnu",
        "routing_confidence": 0.8,
        "actual_cost": 0.02,
        "cost_estimate": 0.03,
        "quality_score": 90,
        "success": 1,
        "outcome": "succeeded",
    }
    assert {column: row[column] for column in expected} == expected


async def test_failed_execution_stores_an_error_record_and_reraises_the_same_object(database, rows):
    """A task's exception reaches the caller as it is, and the row says what it was."""
    error = RuntimeError("the worker broke")
    manager, pool_id = await spawn(database, raising(error))

    with pytest.raises(RuntimeError) as caught:
        await manager.execute_on_pool(pool_id, TASK)

    (row,) = rows()
    assert caught.value is error
    assert (row["success"], row["outcome"]) == (0, "error")
    assert (row["error_type"], row["error_message"]) == ("unknown", "the worker broke")


async def test_timeout_error_is_a_timeout(database, rows):
    """A TimeoutError without a message is a timeout all the same."""
    manager, pool_id = await spawn(database, raising(asyncio.TimeoutError()))

    with pytest.raises(asyncio.TimeoutError):
        await manager.execute_on_pool(pool_id, TASK)

    (row,) = rows()
    assert (row["outcome"], row["error_type"], row["error_message"]) == ("timeout", "timeout", "TimeoutError")


async def test_database_failure_does_not_break_the_pool(tmp_path, caplog):
    """A database that cannot be opened costs a warning, and the task nothing."""
    (tmp_path / "folder").write_text("a file, so far")
    database = LearningDatabase(tmp_path / "folder" / "learning.db")
    manager, pool_id = await spawn(database)

    results = [await manager.execute_on_pool(pool_id, TASK) for _ in range(3)]

    assert results == [{"success": True}] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (tmp_path / "folder").unlink()
    await database.close()  # writes what was kept
    assert database.statistics().stored == 3


async def test_many_executions_are_all_stored(database, rows):
    """A hundred executions at a time are a hundred rows."""
    manager, pool_id = await spawn(database)

    await asyncio.gather(*(manager.execute_on_pool(pool_id, {"task_id": f"t-{n}"}) for n in range(100)))

    assert {row["task_id"] for row in rows()} == {f"t-{n}" for n in range(100)}


async def test_metadata_is_kept(database, rows):
    """The task's metadata, and the ids of pool and worker, are in the metadata."""
    manager, pool_id = await spawn(database, lambda task: {"pool_id": "p-1", "worker_id": "w-1"})

    await manager.execute_on_pool(pool_id, {"metadata": {"ticket": 7, "labels": ["a"]}})

    (row,) = rows()
    assert json.loads(row["metadata"]) == {
        "pool_id": "p-1",
        "worker_id": "w-1",
        "task": {"ticket": 7, "labels": ["a"]},
    }


async def test_duration_is_calculated(database, rows):
    """The duration is the task's, on the monotonic clock."""
    manager, pool_id = await spawn(database, lambda task: time.sleep(0.02))

    started = time.perf_counter()
    await manager.execute_on_pool(pool_id, TASK)
    around = time.perf_counter() - started

    assert 0.02 <= rows()[0]["duration_seconds"] <= around


async def test_learning_db_none_degrades_gracefully(caplog):
    """With learning_db=None exceptions pass too, and nothing is logged."""
    error = ValueError("no")
    manager, _ = await spawn(None, raising(error))

    with pytest.raises(ValueError, match="no") as caught:
        await manager.route_task(TASK)

    assert caught.value is error
    assert caplog.records == []


def test_record_from_minimal_data_has_the_defaults():
    """A task type is enough; the rest has its default, and says so."""
    record = ExecutionRecord(task_type="code_generation")

    assert (record.repo, record.model_tier, record.pool_type) == ("unknown", "unknown", "unknown")
    assert (record.routing_confidence, record.complexity_score) == (1.0, 50)
    assert (record.file_count, record.estimated_tokens, record.actual_cost, record.cost_estimate) == (0, 0, 0.0, 0.0)
    assert (record.success, record.outcome, record.error_type) == (True, Outcome.SUCCEEDED, None)
    assert {"repo", "complexity_score", "cost_estimate"} <= set(record.defaulted)


def test_record_from_full_data_has_every_value():
    """What is given is what is there, and nothing is marked as a default."""
    values = {
        "task_id": "t-1", "timestamp": datetime(2026, 11, 22, 10, tzinfo=timezone.utc), "task_type": "code",
        "task_description": "d", "repo": "r", "file_count": 3, "estimated_tokens": 4, "model_tier": "small",
        "pool_type": "p", "swarm_topology": "ring", "routing_confidence": 0.5, "complexity_score": 10,
        "success": False, "duration_seconds": 1.5, "quality_score": 60.0, "cost_estimate": 0.1, "actual_cost": 0.2,
        "error_type": ErrorType.CRASH, "error_message": "m", "user_accepted": True, "user_rating": 4,
        "peak_memory_mb": 12.5, "cpu_time_seconds": 0.7, "solution_summary": "s", "metadata": {"a": 1},
        "execution_id": "e-1", "trace_id": "aa", "span_id": "bb", "parent_execution_id": "e-0", "batch_id": "b-1",
        "pool_id": "p-1", "worker_id": "w-1", "outcome": Outcome.ERROR, "exception_type": "OSError",
        "queue_seconds": 0.1, "model": "m-1", "input_tokens": 5, "output_tokens": 6, "cost_source": "reported",
        "service_name": "svc", "process_id": 42,
    }  # fmt: skip

    record = ExecutionRecord(**values)

    assert {name: getattr(record, name) for name in values} == values
    assert record.defaulted == ()


def test_record_from_an_error():
    """A record of an error is no success."""
    record = ExecutionRecord(
        task_type="code", outcome=Outcome.ERROR, error_type=ErrorType.VALIDATION, error_message="x"
    )

    assert (record.success, record.error_type, record.error_message) == (False, ErrorType.VALIDATION, "x")


@pytest.mark.parametrize("message", ["Request timeout", "the model timed out", "TIMED OUT after 3 s"])
async def test_timeout_is_inferred_from_the_message(database, rows, message):
    """ "timeout" and "timed out" in a message make it one, in any case."""
    manager, _ = await spawn(database, raising(RuntimeError(message)))

    with pytest.raises(RuntimeError):
        await manager.route_task(TASK)

    assert rows()[0]["error_type"] == "timeout"


async def test_long_texts_are_cut(database, rows):
    """Descriptions keep 500 characters, error messages 1000."""
    manager, _ = await spawn(database, raising(RuntimeError("e" * 5000)))

    with pytest.raises(RuntimeError):
        await manager.route_task({"prompt": "d" * 5000})

    (row,) = rows()
    assert (row["task_description"], row["error_message"]) == ("d" * 500, "e" * 1000)


async def test_tokens_are_estimated(database, rows):
    """Two characters are a token, of the whole description, rounded up."""
    manager, _ = await spawn(database)

    await manager.route_task({"prompt": "x" * 2001})

    assert rows()[0]["estimated_tokens"] == 1001


class Numbered(enum.Enum):
    FAILED = 2
    COMPLETED = 3


class Logger:
    def error(self, message):
        """Be a method of that name."""


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"status": Numbered.FAILED}, "failed"),
        ({"status": Numbered.COMPLETED}, "succeeded"),
        (Logger(), "succeeded"),
        ({"success": False, "error": None}, "failed"),
    ],
)
def test_outcome_of_odd_results(database, rows, result, outcome):
    """An enum's name is its status where its value is no text; a method is no error."""
    record_execution(learning_db=database)(lambda task: result)({})

    assert [row["outcome"] for row in rows()] == [outcome]


def test_success_said_by_the_task_counts_only_as_a_bool(database, rows):
    """What else came is kept as invalid, and the result speaks."""

    @record_execution(learning_db=database)
    def execute_task(task):
        current_execution().set(success="no")
        return {"success": False}

    execute_task({})

    (row,) = rows()
    assert row["outcome"] == "failed"
    assert json.loads(row["metadata"])["invalid"] == {"success": "no"}


def test_success_when_that_fails_is_one_warning(database, rows, caplog):
    """And the result speaks for itself."""

    def refuses(result):
        raise ValueError

    decorated = record_execution(learning_db=database, success_when=refuses)(lambda task: {"success": False})
    for _ in range(3):
        decorated({})

    assert [row["outcome"] for row in rows()] == ["failed"] * 3
    assert len(caplog.records) == 1
