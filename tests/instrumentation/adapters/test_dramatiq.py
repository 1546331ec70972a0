"""dramatiq: the stub broker and real workers, instrumented from outside."""

import time

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from learning_instrument import PoolInstrumentor, current_execution, record_execution


@record_execution
def publish(task):
    return {"message_id": task["actor"].send(*task["args"]).message_id}


@pytest.fixture
def broker(database):
    """A broker whose workers are instrumented."""
    PoolInstrumentor().instrument(targets="dramatiq", database=database)
    broker = StubBroker()
    broker.emit_after("process_boot")
    dramatiq.set_broker(broker)
    yield broker
    broker.close()
    PoolInstrumentor().uninstrument()


@pytest.fixture
def work(broker):
    """Process the queue with one worker thread."""

    def work():
        worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=1)
        worker.start()
        try:
            broker.join("default", timeout=20_000, fail_fast=False)
            worker.join()
        finally:
            worker.stop()

    return work


def test_message_is_one_execution(broker, work, rows):
    """With the actor's name, the message's id, its queue and its queue time."""

    @dramatiq.actor
    def answer(task):
        current_execution().set(quality_score=90)
        return {"status": "completed", "cost": 0.5}

    sent = answer.send({"prompt": "hello"})
    time.sleep(0.2)
    work()

    (row,) = rows()
    assert (row["task_type"], row["task_id"], row["pool_type"], row["pool_id"]) == (
        "answer", sent.message_id, "dramatiq", "default",
    )  # fmt: skip
    assert (row["task_description"], row["actual_cost"], row["quality_score"]) == ("hello", 0.5, 90)
    assert row["outcome"] == "succeeded"
    assert row["queue_seconds"] >= 0.2


def test_each_try_is_an_execution(broker, work, rows):
    """The failed one and the successful one."""
    tries = []

    @dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=1)
    def flaky(task):
        tries.append(task)
        if len(tries) == 1:
            raise ConnectionError("no line")

    flaky.send({"task_type": "call"})
    work()

    assert [(row["task_type"], row["outcome"]) for row in rows()] == [("call", "error"), ("call", "succeeded")]
    assert "no line" in rows()[0]["error_message"]


def test_sender_is_the_parent(broker, work, rows):
    """In one trace, across the message."""

    @dramatiq.actor
    def answer(number):
        return number

    publish({"task_type": "publish", "actor": answer, "args": (1,)})
    work()

    sender, receiver = rows()
    assert receiver["parent_execution_id"] == sender["execution_id"]
    assert receiver["trace_id"] == sender["trace_id"]


def test_direct_call_is_not_recorded(broker, rows):
    """An actor can be called as a function."""

    @dramatiq.actor
    def answer(number):
        return number

    assert answer(3) == 3
    assert rows() == []


def test_nothing_of_ours_stays_after_uninstrument(broker, work, rows):
    """Neither on the broker nor on the actors."""

    @dramatiq.actor
    def answer(number):
        return number

    PoolInstrumentor().uninstrument()
    message = answer.send(1)
    work()

    assert rows() == []
    assert message.options == {}
