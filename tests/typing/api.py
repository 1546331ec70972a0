"""Uses of the public names that only mypy reads: a decorated function keeps its signature."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span
from typing_extensions import assert_type

from learning_instrument import (
    Budget,
    ErrorType,
    ExecutionRecord,
    LearningDatabase,
    SQLiteSpanExporter,
    configure,
    current_execution,
    observe_pool,
    record_execution,
    shutdown,
)

database = LearningDatabase("learning.db", durability="batch")


class Task: ...


class Result: ...


class Pool:
    learning_db: LearningDatabase | None = None

    @record_execution
    def plain(self, task: Task, retries: int = 3) -> Result:
        return Result()

    @record_execution(pool_type="local", learning_db=lambda pool: pool.learning_db)
    async def coroutine(self, task: Task, *, retries: int = 3) -> Result:
        return Result()

    @record_execution(learning_db=database, budget=[Budget(usd=5.0), Budget(usd=1.0, per="hour", by="repo")])
    def future(self, task: Task) -> "Future[Result]":
        return Future()

    @record_execution(learning_db=None)
    def items(self, task: Task) -> Generator[int, str, Result]:
        yield 1
        return Result()

    @record_execution()
    async def async_items(self, task: Task) -> AsyncGenerator[int, None]:
        yield 1

    @classmethod
    @record_execution
    def of_class(cls, task: Task) -> Result:
        return Result()

    @record_execution
    @classmethod
    def of_class_too(cls, task: Task) -> Result:
        return Result()

    @staticmethod
    @record_execution
    def static(task: Task) -> Result:
        return Result()


def before(span: Span, instance: Any, task: Any) -> None: ...


def after(span: Span, instance: Any, task: Any, result: Any, exception: BaseException | None) -> None: ...


@record_execution(
    task="job",
    success_when=lambda result: result is not None,
    capture_content=False,
    request_hook=before,
    response_hook=after,
    fields={"repo": "project.name", "actual_cost": lambda instance, task, result: 0.1},
)
def function(job: Task, retries: int = 3) -> Result | None:
    return None


async def uses(pool: Pool) -> None:
    assert_type(pool.plain(Task(), retries=1), Result)
    assert_type(await pool.coroutine(Task(), retries=1), Result)
    assert_type(pool.future(Task()), Future[Result])
    assert_type(pool.items(Task()), Generator[int, str, Result])
    async for item in pool.async_items(Task()):
        assert_type(item, int)
    assert_type(Pool.of_class(Task()), Result)
    assert_type(Pool.of_class_too(Task()), Result)
    assert_type(Pool.static(Task()), Result)
    assert_type(function(Task(), 1), Result | None)

    pool.plain("no task")  # type: ignore[arg-type]
    pool.plain(Task(), tries=1)  # type: ignore[call-arg]
    function()  # type: ignore[call-arg]
    record_execution(pool_type=5)  # type: ignore[call-overload]
    record_execution(5)  # type: ignore[call-overload]


async def of_the_database() -> None:
    assert_type(configure(), LearningDatabase)
    assert_type(configure(database, retention_days=7, max_size="1GB"), LearningDatabase)
    await database.initialize()
    await database.store_execution(ExecutionRecord(task_type="x"))
    await database.close()
    async with database as opened:
        assert_type(opened, LearningDatabase)
    with database as opened:
        assert_type(opened.query("SELECT 1"), list[dict[str, Any]])
    assert_type(database.flush(), bool)
    assert_type(database.append([ExecutionRecord(task_type="x")]), bool)
    closed: Awaitable[None] = database.close()
    await closed
    shutdown()


def of_metrics(provider: MeterProvider) -> None:
    configure(meter_provider=provider)
    record_execution(meter_provider=provider)
    observe_pool(database)
    observe_pool(database, lambda pool: {"workers": 4}, meter_provider=provider)
    observe_pool()  # type: ignore[call-arg]


def of_records(record: ExecutionRecord) -> None:
    assert_type(record.calculate_prediction_error(), dict[str, float])
    assert_type(record.to_dict(), dict[str, Any])
    assert_type(ExecutionRecord.from_dict({}), ExecutionRecord)
    assert_type(record.error_type, ErrorType | None)
    record.task_type = "another"  # type: ignore[misc]
    current_execution().set(model_tier="large", quality_score=80)
    SQLiteSpanExporter()
    SQLiteSpanExporter(database)
    runs: Callable[[Task, int], Result | None] = function
    runs(Task(), 1)
