"""The ``huey`` adapter: what its messages carry, and what its attempts are."""

import pickle
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from huey import MemoryHuey
from huey.exceptions import CancelExecution
from huey.serializer import Serializer, SignedSerializer

from learning_instrument import LearningDatabase, PoolInstrumentor, current_execution, record_execution


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Has no room for a stamp."""

    def _serialize(self, data: Any) -> bytes:
        return pickle.dumps(data, protocol=0) + b"\n."

    def _deserialize(self, data: bytes) -> Any:
        return pickle.loads(data)


@pytest.fixture(autouse=True)
def instrumented(unconfigured_learning_database: LearningDatabase) -> Iterator[None]:
    PoolInstrumentor().instrument(targets="huey", database=unconfigured_learning_database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.fixture
def rows(unconfigured_learning_database: LearningDatabase) -> Callable[[], list[dict[str, Any]]]:
    def query() -> list[dict[str, Any]]:
        unconfigured_learning_database.flush()
        return list(
            unconfigured_learning_database.query(
                "select * from executions where task_type != 'send' order by timestamp"
            )
        )

    return query


@pytest.fixture
def sender(unconfigured_learning_database: LearningDatabase) -> Callable[[Callable[[], Any]], str]:
    """Calls a function within an execution; returns the id of that."""

    def send(function: Callable[[], Any]) -> str:
        @record_execution(learning_db=unconfigured_learning_database)
        def sending(task: str) -> None:
            current_execution().set(task_type="send")
            function()

        sending("a task")
        unconfigured_learning_database.flush()
        (row,) = unconfigured_learning_database.query("select execution_id from executions where task_type = 'send'")
        return str(row["execution_id"])

    return send


def work(huey: Any) -> None:
    """Run what is due, as the consumer's workers do."""
    while (task := huey.dequeue()) is not None:
        huey.execute(task)


SERIALIZERS = {
    "plain": Serializer(),
    "compressed": Serializer(compression=True),
    "signed": SignedSerializer(secret="a secret"),
}


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
def test_a_task_is_below_the_execution_that_sent_it(serializer: Serializer, rows: Any, sender: Any) -> None:
    """Whichever of huey's serializers writes the message."""
    huey = MemoryHuey("orders", serializer=serializer)
    count = huey.task()(lambda number: number)

    started = time.time()
    sent_by = sender(lambda: count(7))
    work(huey)
    lasted = time.time() - started

    (row,) = rows()
    assert (row["outcome"], row["parent_execution_id"], row["pool_id"]) == ("succeeded", sent_by, "orders")
    assert 0 <= row["queue_seconds"] <= lasted


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
def test_a_worker_that_does_not_record_reads_the_message(serializer: Serializer, rows: Any) -> None:
    """The stamp is where unpickling has ended."""
    huey = MemoryHuey("orders", serializer=serializer)
    ran = []
    note = huey.task()(ran.append)
    note({"number": 7})

    PoolInstrumentor().uninstrument()
    work(huey)

    assert ran == [{"number": 7}]
    assert rows() == []


def test_a_serializer_of_the_users_carries_nothing(rows: Any, sender: Any) -> None:
    """Its bytes are its own, and its tasks are recorded all the same."""
    huey = MemoryHuey("orders", serializer=JsonSerializer())
    count = huey.task()(lambda number: number)

    sender(lambda: count(7))
    work(huey)

    assert [(row["outcome"], row["parent_execution_id"]) for row in rows()] == [("succeeded", None)]


def test_a_task_that_cancels_itself_is_cancelled(rows: Any) -> None:
    """And not an error."""
    huey = MemoryHuey("orders")

    @huey.task(retries=2)  # type: ignore[untyped-decorator]
    def give_up(number: int) -> None:
        raise CancelExecution(retry=False)

    give_up(7)
    work(huey)

    assert [(row["outcome"], row["attempt"]) for row in rows()] == [("cancelled", 1)]


def test_retries_are_attempts_below_the_same_parent(rows: Any, sender: Any) -> None:
    """Each is a row of the same task, and says which it is."""
    huey = MemoryHuey("orders")

    @huey.task(retries=2)  # type: ignore[untyped-decorator]
    def fail(number: int) -> None:
        raise ValueError("no such order")

    sent_by = sender(lambda: fail(7))
    work(huey)

    assert [row["attempt"] for row in rows()] == [1, 2, 3]
    assert {(row["outcome"], row["error_message"], row["parent_execution_id"]) for row in rows()} == {
        ("error", "no such order", sent_by)
    }
    assert len({row["task_id"] for row in rows()}) == 1


def test_the_next_of_a_pipeline_is_below_the_same_execution(rows: Any, sender: Any) -> None:
    """Its message is sent when no execution runs."""
    huey = MemoryHuey("orders")
    double = huey.task()(lambda number: number * 2)

    sent_by = sender(lambda: huey.enqueue(double.s(7).then(double)))
    work(huey)

    assert [row["parent_execution_id"] for row in rows()] == [sent_by] * 2


def test_a_scheduled_task_waits_since_it_was_due(rows: Any) -> None:
    """However late the scheduler moves it to the queue."""
    huey = MemoryHuey("orders")
    count = huey.task()(lambda number: number)
    due = datetime.now(timezone.utc) + timedelta(seconds=1.2)
    huey.add_schedule(count.s(7, eta=due.replace(tzinfo=None)))

    time.sleep(2.2)
    for task in huey.read_schedule():
        huey.enqueue(task)
    work(huey)
    since_due = (datetime.now(timezone.utc) - due).total_seconds()

    (row,) = rows()
    assert 0.9 < row["queue_seconds"] <= since_due + 1, "huey keeps whole seconds"


def test_a_task_called_within_another_is_below_it(rows: Any) -> None:
    """In immediate mode it runs at once."""
    huey = MemoryHuey("orders", immediate=True)
    inner = huey.task(name="inner")(lambda number: number)
    outer = huey.task(name="outer")(lambda number: inner(number)())

    outer(7)

    by_type = {row["task_type"].rpartition(".")[2]: row for row in rows()}
    assert by_type["inner"]["parent_execution_id"] == by_type["outer"]["execution_id"]
