"""Runs of dramatiq's actors: retries, skips, time limits, loops, brokers and senders."""

import asyncio
import json
import time

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, Middleware, SkipMessage
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend

from learning_instrument import PoolInstrumentor, current_execution, record_execution
from learning_instrument.analytics import story


class Hostile:
    """Fails for any task."""

    def __getattribute__(self, name):
        raise SystemExit(f"asked for {name}")


@pytest.fixture
def existing():
    """A broker created before it is instrumented."""
    broker = StubBroker()
    broker.add_middleware(Results(backend=StubBackend()))
    broker.add_middleware(AsyncIO())
    broker.emit_after("process_boot")  # starts the watch over time limits, as the command does
    yield broker
    broker.close()


@pytest.fixture
def instrumented(existing, database):
    PoolInstrumentor().instrument(targets="dramatiq", database=database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.fixture
def broker(existing, instrumented):
    return existing


@pytest.fixture
def work(broker):
    """Process all messages of the broker."""

    def work(threads=2, broker=broker):
        worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=threads)
        worker.start()
        try:
            for queue in list(broker.get_declared_queues()):
                broker.join(queue, timeout=20_000, fail_fast=False)
            worker.join()
        finally:
            worker.stop()

    return work


def test_broker_created_later(broker, work, rows):
    """Also one without middleware."""
    later = StubBroker(middleware=[])

    @dramatiq.actor(broker=later)
    def act(task):
        pass

    act.send({"task_id": "mine", "task_type": "its own"})
    work(broker=later)

    assert [(row["task_id"], row["task_type"]) for row in rows()] == [("mine", "its own")]


def test_sender_is_the_parent(broker, work, rows):
    """Of the execution, whose inner executions are its children."""

    @dramatiq.actor(broker=broker)
    def act(task):
        current_execution().set(quality_score=77.0)
        record_execution(lambda inner: None)({"task_type": "inside"})

    @record_execution
    def send(task):
        act.send({"task_type": "acting"})

    send({"task_type": "sending"})
    work()
    found = {row["task_type"]: row for row in rows()}

    assert found["acting"]["parent_execution_id"] == found["sending"]["execution_id"]
    assert found["inside"]["parent_execution_id"] == found["acting"]["execution_id"]
    assert found["acting"]["quality_score"] == 77.0
    assert len({row["trace_id"] for row in rows()}) == 1


def test_each_try_is_one_execution(broker, work, rows):
    """All have the first sender as parent; the delay before a retry is not queue time."""

    @dramatiq.actor(broker=broker, max_retries=2, min_backoff=400, max_backoff=400)
    def fail(task):
        raise ValueError("no luck")

    @record_execution
    def send(task):
        fail.send({"task_type": "failing"})

    send({"task_type": "sending"})
    work()
    sending, *tries = rows()

    assert [(row["outcome"], row["exception_type"], row["error_message"]) for row in tries] == [
        ("error", "ValueError", "no luck")
    ] * 3
    assert {row["parent_execution_id"] for row in tries} == {sending["execution_id"]}
    assert [json.loads(row["metadata"])["task"]["retries"] for row in tries] == [0, 1, 2]


def test_tries_are_the_attempts_of_one_story(broker, work, database):
    """They share the task's id, which is the message's where the task has none."""

    @dramatiq.actor(broker=broker, max_retries=1, min_backoff=1, max_backoff=1)
    def fail(task):
        raise ValueError("no luck")

    fail.send({"task_type": "failing"})
    work()
    first, last = (row["execution_id"] for row in database.query("SELECT execution_id FROM executions ORDER BY rowid"))

    assert [(story(database, each).attempt, story(database, each).attempts) for each in (first, last)] == [
        (1, 2),
        (2, 2),
    ]
    assert [line.outcome for line in story(database, last).lines if line.kind == "attempt"] == ["error"]


def test_retry_without_a_failure_is_no_failure(broker, work, rows):
    """The actor asked to run again later."""
    seen = []

    @dramatiq.actor(broker=broker, max_retries=1)
    def poll(task):
        seen.append(task)
        if len(seen) == 1:
            raise dramatiq.errors.Retry("later", delay=10)

    poll.send(None)
    work()

    assert [row["outcome"] for row in rows()] == ["cancelled", "succeeded"]


def test_retry_for_a_failure_is_that_failure(broker, work, rows):
    """As its cause."""

    @dramatiq.actor(broker=broker, max_retries=0)
    def fetch(task):
        try:
            raise ConnectionError("refused")
        except ConnectionError as error:
            raise dramatiq.errors.Retry("later", delay=10) from error

    fetch.send(None)
    work()

    assert [(row["outcome"], row["exception_type"]) for row in rows()] == [("error", "ConnectionError")]


def test_skipped_message_is_not_an_execution(broker, work, rows):
    """Skipped for its age, or by a middleware added later."""

    class Skipper(Middleware):
        def before_process_message(self, broker, message):
            if message.actor_name == "skipped":
                message.fail()
                raise SkipMessage("not today")

    broker.add_middleware(Skipper())

    @dramatiq.actor(broker=broker)
    def skipped():
        raise AssertionError

    @dramatiq.actor(broker=broker, max_age=1)
    def aged():
        raise AssertionError

    skipped.send()
    aged.send()
    time.sleep(0.01)
    work()

    assert rows() == []


def test_time_limit_is_a_timeout(broker, work, rows):
    """dramatiq raises it from another thread."""

    @dramatiq.actor(broker=broker, time_limit=100, max_retries=0)
    def spin():
        while True:
            time.sleep(0.01)

    spin.send()
    work()

    assert [(row["outcome"], row["exception_type"]) for row in rows()] == [
        ("timeout", "dramatiq.middleware.time_limit.TimeLimitExceeded")
    ]


def test_asynchronous_actor(broker, work, rows):
    """It ends when its coroutine ends, and is current on the event loop."""

    @dramatiq.actor(broker=broker)
    async def act(task):
        await asyncio.sleep(0.05)
        current_execution().set(quality_score=66.0)

    act.send({"task_type": "asynchronous"})
    work()

    assert [(row["task_type"], row["quality_score"]) for row in rows()] == [("asynchronous", 66.0)]
    assert rows()[0]["duration_seconds"] >= 0.05


def test_wait_is_from_sending_to_start(broker, work, rows):
    """The second message waits for the first."""

    @dramatiq.actor(broker=broker)
    def busy(number):
        time.sleep(0.3)

    busy.send(1)
    busy.send(2)
    work(threads=1)
    first, second = rows()

    assert second["queue_seconds"] >= first["queue_seconds"] + 0.25


def test_message_of_a_sender_that_is_not_instrumented(existing, database, rows, request):
    """It has no parent; its queue time starts with the message's own time."""

    @dramatiq.actor(broker=existing)
    def act():
        pass

    message = act.send()
    assert message.options == {}
    request.getfixturevalue("instrumented")
    request.getfixturevalue("work")()
    (row,) = rows()

    assert (row["outcome"], row["parent_execution_id"]) == ("succeeded", None)
    assert row["queue_seconds"] >= 0


def test_direct_call_is_not_an_execution(broker, work, rows):
    """Neither by itself nor within another actor."""

    @dramatiq.actor(broker=broker)
    def inner(number):
        return number

    @dramatiq.actor(broker=broker)
    def outer(number):
        inner(number)

    outer.send(1)
    work()

    assert inner(2) == 2
    assert [row["task_type"] for row in rows()] == ["outer"]


def test_decorated_actor_is_recorded_once(broker, work, rows):
    """By its decorator, asynchronous ones too."""

    @dramatiq.actor(broker=broker)
    @record_execution
    def act(task):
        pass

    @dramatiq.actor(broker=broker)
    @record_execution
    async def act_later(task):
        pass

    act.send({"task_type": "own"})
    act_later.send({"task_type": "own too"})
    work()

    assert sorted(row["task_type"] for row in rows()) == ["own", "own too"]


def test_hostile_argument(broker, work, rows, monkeypatch):
    """Its fields are missing, and the actor gets it unchanged."""
    seen = []

    @dramatiq.actor(broker=broker, max_retries=0)
    def act(task):
        seen.append(type(task))

    monkeypatch.setattr(StubBroker, "consume", _handing(StubBroker.consume, Hostile))
    act.send("replaced on its way")
    work()

    assert seen == [Hostile]
    assert [row["outcome"] for row in rows()] == ["succeeded"]


def _handing(consume, cls):
    """Have the messages of a broker arrive with an object as argument, as encoders other than JSON's can."""

    def consume_with(self, *args, **kwargs):
        consumer = consume(self, *args, **kwargs)
        original = type(consumer).__next__

        class Consumer(type(consumer)):
            def __next__(self):
                message = original(self)
                if message is not None:
                    message._message = message._message.copy(args=(cls(),))
                return message

        consumer.__class__ = Consumer
        return consumer

    return consume_with
