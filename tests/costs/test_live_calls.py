"""Model calls as they end in the process, by our member of the host's provider."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from calls import calls, costs, usage
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from learning_instrument import (
    LearningDatabase,
    PoolInstrumentor,
    SQLiteSpanExporter,
    configure,
    current_execution,
    record_execution,
    shutdown,
)
from learning_instrument.pipeline import processor as processor_module
from learning_instrument.pipeline.pipelines import model_call_processor_of
from learning_instrument.pipeline.processor import ModelCallProcessor
from learning_instrument.storage.store import Store


@pytest.fixture
def tracer(provider):
    """The tracer of a library that instruments a model's client."""
    return provider.get_tracer("other.library")


@pytest.fixture
def call(tracer):
    """Return a function that is one model call, of 10 tokens in, 5 out and 25 cents."""

    def call(**more):
        with tracer.start_as_current_span("chat", attributes={**usage(cost=0.25), **more}):
            pass

    return call


@pytest.fixture
def recorded(database, provider):
    """``configure()`` with the host's provider."""
    return configure(database, tracer_provider=provider)


def totals(database):
    return [(row["input_tokens"], row["actual_cost"], row["cost_source"]) for row in costs(database)]


def test_calls_within_an_execution_are_added_up(recorded, call, tracer):
    """At any depth; an agent's totals do not count."""

    @record_execution
    def execute_task(task):
        call()
        agent = {"gen_ai.operation.name": "invoke_agent"}
        with tracer.start_as_current_span("agent", attributes=agent), tracer.start_as_current_span("step"):
            call()

    execute_task({})
    call()  # outside of any execution

    assert totals(recorded) == [(20, 0.5, "reported")]
    assert len(calls(recorded)) == 2


def test_nested_executions_share_no_call(recorded, call):
    """It counts for the innermost."""

    @record_execution
    def inner(task):
        call()
        call()

    @record_execution
    def outer(task):
        call()
        inner({"task_type": "inner"})

    outer({"task_type": "outer"})

    found = recorded.query("SELECT task_type, actual_cost FROM executions ORDER BY task_type")
    assert [tuple(row.values()) for row in found] == [("inner", 0.5), ("outer", 0.25)]


def test_call_within_a_call_counts_once(recorded, tracer, call):
    """Two instrumentations over one client, with another's span between."""

    @record_execution
    def execute_task(task):
        outer = usage(cost=0.25)
        with tracer.start_as_current_span("chat", attributes=outer), tracer.start_as_current_span("POST"):
            call()

    execute_task({})

    assert totals(recorded) == [(10, 0.25, "reported")]
    assert len(calls(recorded)) == 2


def test_call_that_ends_after_its_execution_counts(recorded, tracer):
    """The row is there already, and is added up again."""
    late = []

    @record_execution
    def execute_task(task):
        late.append(tracer.start_span("chat", attributes=usage(cost=0.25)))

    execute_task({})
    before = totals(recorded)
    late[0].end()

    assert before == [(None, 0.0, None)]
    assert totals(recorded) == [(10, 0.25, "reported")]


def test_call_that_starts_after_its_execution_counts(recorded, call):
    """In a context that was carried out of it, as a callback's is."""
    contexts = []

    @record_execution
    def execute_task(task):
        contexts.append(copy_context())

    execute_task({})
    contexts[0].run(call)

    assert totals(recorded) == [(10, 0.25, "reported")]


def test_call_in_another_thread_counts(recorded, call):
    """Where the context is carried there."""

    @record_execution
    def execute_task(task):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(copy_context().run, call).result()

    execute_task({})

    assert totals(recorded) == [(10, 0.25, "reported")]


def test_context_with_the_parent_span_alone_is_enough(recorded, tracer):
    """A callback makes one anew, of the span above."""

    @record_execution
    def execute_task(task):
        with tracer.start_as_current_span("chain") as above:
            context = trace.set_span_in_context(above, otel_context.Context())
            tracer.start_span("chat", context, attributes=usage(cost=0.25)).end()

    execute_task({})

    assert totals(recorded) == [(10, 0.25, "reported")]


async def test_concurrent_executions_keep_their_calls_apart(recorded, tracer):
    """On one event loop."""

    @record_execution
    async def execute_task(task):
        for _ in range(task["calls"]):
            with tracer.start_as_current_span("chat", attributes=usage(cost=0.25)):
                await asyncio.sleep(0)

    await asyncio.gather(*[execute_task({"task_id": f"{n:02}", "calls": n}) for n in range(20)])

    found = recorded.query("SELECT input_tokens FROM executions ORDER BY task_id")
    assert [row["input_tokens"] for row in found] == [None, *range(10, 200, 10)]


def test_library_that_writes_onto_the_current_span_counts(recorded):
    """It is the execution's own."""

    @record_execution
    def execute_task(task):
        trace.get_current_span().set_attributes(usage(cost=0.25))

    execute_task({})

    assert totals(recorded) == [(10, 0.25, "reported")]


def test_pools_own_cost_is_kept_beside(recorded, call):
    """Also one that the task itself laid down."""

    @record_execution
    def execute_task(task):
        current_execution().set(actual_cost=9.0)
        call()
        return {"cost": 7.0}

    execute_task({})

    assert totals(recorded) == [(10, 0.25, "reported")]
    assert recorded.query("SELECT cost FROM reported_costs") == [{"cost": 9.0}]


def test_hosts_exporters_receive_what_they_would_have(database, tracer, provider, exporter):
    """The same attributes, and no span more."""

    def task():
        with tracer.start_as_current_span("chat", attributes=usage()):
            pass

    task()
    (bare,) = exporter.get_finished_spans()
    exporter.clear()
    configure(database, tracer_provider=provider)
    record_execution(lambda given: task())({})

    (chat, ours) = exporter.get_finished_spans()
    assert dict(chat.attributes) == dict(bare.attributes)
    assert chat.parent.span_id == ours.context.span_id
    assert (chat.events, chat.links, chat.status.status_code) == (bare.events, bare.links, bare.status.status_code)


def test_exporter_beside_gives_no_row_twice(recorded, database, provider, call):
    """``OTEL_TRACES_EXPORTER=learning_sqlite`` and ``configure()``."""
    provider.add_span_processor(BatchSpanProcessor(SQLiteSpanExporter(database)))

    @record_execution
    def execute_task(task):
        call()
        call()

    execute_task({})
    provider.force_flush()

    assert totals(recorded) == [(20, 0.5, "reported")]
    assert len(calls(recorded)) == 2


def test_unsampled_hosts_executions_have_no_tokens(database):
    """There are no spans to read, and NULL is not 0."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    configure(database, tracer_provider=provider)

    @record_execution
    def execute_task(task):
        with provider.get_tracer("x").start_as_current_span("chat", attributes=usage(cost=0.25)):
            pass

    execute_task({})

    assert totals(database) == [(None, 0.0, None)]


# Whose provider, whose database.


def one_call():
    with trace.get_tracer("other.library").start_as_current_span("chat", attributes=usage(cost=0.25)):
        pass


def test_provider_that_comes_after_the_instrumentor_is_joined(tmp_path):
    """The application sets up its own, once we have begun to record."""

    class Pool:
        def execute_task(self, task):
            one_call()

    PoolInstrumentor().instrument(targets=[Pool], database=tmp_path / "learning.db")
    try:
        Pool().execute_task({})
        trace.set_tracer_provider(TracerProvider())
        for _ in range(3):
            Pool().execute_task({})
        with LearningDatabase(tmp_path / "learning.db") as database:
            trace.get_tracer_provider().force_flush()

            assert [row["input_tokens"] for row in costs(database)] == [None, 10, 10, 10]
        assert len([m for m in processors_of(trace.get_tracer_provider()) if isinstance(m, ModelCallProcessor)]) == 1
    finally:
        PoolInstrumentor().uninstrument()


def processors_of(provider):
    return provider._active_span_processor._span_processors


@pytest.mark.parametrize("is_explicit", [True, False])
def test_database_of_its_own_gets_its_calls(tmp_path, database, provider, exporter, call, is_explicit):
    """And the configured one gets its own, through the same provider."""
    configure(database, tracer_provider=provider)
    if not is_explicit:
        trace.set_tracer_provider(provider)
    with LearningDatabase(tmp_path / "own.db") as own:
        arguments = {"tracer_provider": provider} if is_explicit else {}
        record_execution(lambda task: call(), learning_db=own, **arguments)({})
        record_execution(lambda task: (call(), call()))({})

        assert totals(own) == [(10, 0.25, "reported")]
        assert totals(database) == [(20, 0.5, "reported")]
    assert len([m for m in processors_of(provider) if isinstance(m, ModelCallProcessor)]) == 1


def test_own_prices_are_those_of_configure(database, provider, call):
    """For the calls of that database."""
    configure(database, tracer_provider=provider, prices={"m": {"input": 1_000_000}})

    @record_execution
    def execute_task(task):
        with provider.get_tracer("x").start_as_current_span("chat", attributes=usage()):
            pass

    execute_task({})

    assert totals(database) == [(10, 10.0, "priced")]


def test_call_after_shutdown_harms_nobody(recorded, tracer):
    """Its row is stored all the same."""
    late = []
    record_execution(lambda task: late.append(tracer.start_span("chat", attributes=usage(cost=0.25))))({})
    shutdown()

    late[0].end()

    assert totals(recorded) == [(10, 0.25, "reported")]


# What is called in the application's code.


class Odd:
    """A span that has nothing, and says so."""

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize("make", [Odd, lambda: None, lambda: ReadableSpan("bare")])
def test_odd_spans_raise_nothing(recorded, make):
    """An exception in a processor would reach the application."""
    member, odd = ModelCallProcessor(), make()

    @record_execution
    def execute_task(task):
        member.on_start(odd)
        member.on_start(odd, otel_context.get_current())
        member._open[1] = None
        member.on_end(odd)

    execute_task({})

    assert len(costs(recorded)) == 1


def test_fault_in_the_background_reaches_no_task(recorded, call, monkeypatch):
    """Neither does a database that cannot be had."""
    monkeypatch.setattr(Store, "append_model_calls", lambda self, batch: 1 / 0)

    assert record_execution(lambda task: call() or "done")({}) == "done"


def test_nothing_is_remembered_of_spans_that_ended(recorded, provider, tracer, call):
    """Else memory would grow with every span of the host."""
    member = model_call_processor_of(provider)
    for _ in range(3):
        record_execution(lambda task: call())({})
        with tracer.start_as_current_span("outside"):
            call()
            record_execution(lambda task: call())({})

    assert member._open == {}


def test_span_outside_of_executions_is_looked_for_once(recorded, provider, tracer, monkeypatch):
    """What is below it is outside, too, until an execution begins below it."""
    searched = []
    monkeypatch.setattr(processor_module, "all_stored", lambda: searched.append(1) or [])
    execution = record_execution(lambda task: trace.get_current_span())

    with tracer.start_as_current_span("request"), tracer.start_as_current_span("handler"):
        for _ in range(3):
            tracer.start_span("query").end()
        own = execution({})
    assert searched == []
    monkeypatch.undo()
    attributes = usage(cost=0.25)
    with tracer.start_as_current_span("request"), tracer.start_as_current_span("handler"):
        inner = execution({"task_type": "inner"})
        tracer.start_span("chat", trace.set_span_in_context(inner, Context()), attributes=attributes).end()
    tracer.start_span("chat", trace.set_span_in_context(own, Context()), attributes=attributes).end()

    assert totals(recorded) == [(10, 0.25, "reported")] * 2


def test_spans_that_never_end_are_bounded(recorded, provider, tracer, monkeypatch):
    """The oldest goes, and its call is not found; nothing else happens."""
    monkeypatch.setattr(processor_module, "_MOST_OPEN", 10)
    spans = []
    record_execution(lambda task: spans.extend(tracer.start_span("chat", attributes=usage()) for _ in range(30)))({})

    assert len(model_call_processor_of(provider)._open) == 10
    for span in spans:
        span.end()
    assert len(calls(recorded)) == 10


def test_several_threads_start_and_end_spans_at_once(recorded, call):
    """Each execution has its own calls."""
    execute_task = record_execution(lambda task: [call() for _ in range(20)])
    threads = [threading.Thread(target=lambda: [execute_task({}) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(totals(recorded)) == {(200, 5.0, "reported")}
    assert len(costs(recorded)) == 40


def test_collector_beside_receives_every_call(recorded, provider, call):
    """What SQLite adds up is what was exported."""
    collected = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(collected))

    record_execution(lambda task: (call(), call()))({})

    exported = [s.attributes["gen_ai.usage.input_tokens"] for s in collected.get_finished_spans() if s.name == "chat"]
    assert sum(exported) == costs(recorded)[0]["input_tokens"] == 20
