"""Uses of the public names that only mypy reads: a decorated function keeps its signature."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any, Literal

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span
from typing_extensions import assert_type

from learning_instrument import (
    Budget,
    ErrorType,
    ExecutionRecord,
    LearningDatabase,
    Outcome,
    PoolInstrumentor,
    SQLiteSpanExporter,
    configure,
    current_execution,
    observe_pool,
    record_execution,
    shutdown,
)
from learning_instrument.analytics import Summary, burn_down, similar_executions, summary
from learning_instrument.fleet import FleetDatabase, PushAnswer, push
from learning_instrument.transfer import export_executions

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
    assert_type(record.outcome, Outcome)
    SQLiteSpanExporter()
    SQLiteSpanExporter(database)
    runs: Callable[[Task, int], Result | None] = function
    runs(Task(), 1)


def of_words() -> None:
    """A typo in a word is an error here, not at run time."""
    configure(durability="commit")
    configure(durability="comit")  # type: ignore[arg-type]
    LearningDatabase("learning.db", "comit")  # type: ignore[arg-type]
    PoolInstrumentor().instrument(targets=[Pool, "shop.pools:Pool"], durability="batch", capture_content=False)
    PoolInstrumentor().instrument(durability="comit")  # type: ignore[arg-type]
    PoolInstrumentor().instrument(target="shop.pools:Pool")  # type: ignore[arg-type]
    PoolInstrumentor().instrument(capture_content="no")  # type: ignore[arg-type]
    Budget(usd=5.0, per="month", on_limit="raise")
    Budget(usd=5.0, on_limit=lambda status: print(status.spent_usd))
    Budget(usd=5.0, per="mont")  # type: ignore[arg-type]
    Budget(usd=5.0, on_limit="rise")  # type: ignore[arg-type]
    burn_down(database, 200.0, "quarter")
    burn_down(database, 200.0, "quartal")  # type: ignore[arg-type]
    database.add_feedback("t-1", rating=5, visibility="team")
    database.add_feedback("t-1", rating=5, visibility="teams")  # type: ignore[arg-type]
    export_executions(database, "executions.bin", format="parquet", visibility="public")
    export_executions(database, "executions.bin", format="parket")  # type: ignore[arg-type]


def of_similar_executions(embed: Callable[[Sequence[str]], tuple[list[int], ...]]) -> None:
    for one in similar_executions(database, "fix it", embed=embed, embed_model="a model"):
        assert_type(one.likeness, Literal["close", "related", "far"])
    similar_executions(database, "fix it", embed=len)  # type: ignore[arg-type]


def of_the_running_execution() -> None:
    execution = current_execution()
    execution.started()
    execution.set(model_tier="large", quality_score=80, metadata={"ticket": 7}, task_id=7, success=None)
    execution.set(modell_tier="large")  # type: ignore[call-arg]
    execution.set(quality_score="high")  # type: ignore[arg-type]
    execution.started(0.5)  # type: ignore[call-arg]
    assert_type(execution.execution_id, str | None)


def of_a_fleet(fleet: FleetDatabase) -> None:
    assert_type(push("clickhouse://host", database), PushAnswer)
    assert_type(summary(fleet), Summary)
    push("clickhouse://host", fleet)  # type: ignore[arg-type]
